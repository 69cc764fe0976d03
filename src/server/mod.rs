//! Builds everything once and hands it to Pingora.
