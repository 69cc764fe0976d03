//! Times as numbers since 1970.

use std::time::{SystemTime, UNIX_EPOCH};

/// Whole milliseconds since 1970; 0 before.
pub fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    u64::try_from(since).unwrap_or(u64::MAX)
}

/// Whole seconds since 1970; 0 before.
pub fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
