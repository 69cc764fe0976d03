//! What the two planes share: the immutable Snapshot and the long-lived Services.
