//! What a listener counts: the refusals that happen before any exchange and so leave no record.

use std::sync::atomic::{AtomicU64, Ordering};

/// Monotonic counts of one listener, since the process started.
#[derive(Debug, Default)]
pub struct IngressCounters {
    /// Connections let in.
    pub accepted: AtomicU64,
    /// Connections closed at once because the listener is full, or the process short of descriptors.
    pub refused_full: AtomicU64,
    /// Connections closed at once because the client's address has too many.
    pub refused_per_address: AtomicU64,
    /// Connections closed because a trusted peer sent no valid PROXY protocol header in time.
    pub refused_proxy_header: AtomicU64,
    /// Connections closed because no request came.
    pub timed_out_idle: AtomicU64,
    /// Connections closed because a head (or an HTTP/2 preface) was not complete in time.
    pub timed_out_head: AtomicU64,
    /// Connections closed because a body was not complete in time.
    pub timed_out_body: AtomicU64,
    /// Connections closed because the client did not read.
    pub timed_out_write: AtomicU64,
    /// Heads that break HTTP or can be read in more than one way.
    pub heads_malformed: AtomicU64,
    /// Heads that Pingora answered with a bare 400 or 405 before any phase, and that have no record.
    pub heads_unheard: AtomicU64,
    /// Heads above the listener's limit.
    pub heads_too_large: AtomicU64,
}

/// Adds one.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
