//! Sealing, keyed digests and comparison: thin names over aws-lc-rs, so that no other module touches an algorithm.
