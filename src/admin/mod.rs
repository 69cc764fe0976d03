//! The control plane's listener: health and metrics.
