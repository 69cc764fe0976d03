//! Metrics, declared once, and logs with redaction.
