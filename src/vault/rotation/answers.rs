//! What a target answers to requests with a secret, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;

/// How a target answered.
#[derive(Debug, Default)]
pub(super) struct Answers {
    all: AtomicU64,
    unauthorized: AtomicU64,
    forbidden: AtomicU64,
}

impl Answers {
    pub(super) fn add(&self, status: StatusCode) {
        self.all.fetch_add(1, Ordering::Relaxed);
        self.unauthorized.fetch_add((status == StatusCode::UNAUTHORIZED).into(), Ordering::Relaxed);
        self.forbidden.fetch_add((status == StatusCode::FORBIDDEN).into(), Ordering::Relaxed);
    }

    pub(super) fn clear(&self) {
        [&self.all, &self.unauthorized, &self.forbidden].iter().for_each(|count| count.store(0, Ordering::Relaxed));
    }

    /// All of them, those that say that nobody is known by this secret, and those that say that nothing is allowed with it.
    pub(super) fn counts(&self) -> [u64; 3] {
        [&self.all, &self.unauthorized, &self.forbidden].map(|count| count.load(Ordering::Relaxed))
    }
}

/// How many of a hundred.
#[expect(clippy::cast_precision_loss, reason = "counts")]
pub(super) fn share(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { part as f64 * 100.0 / all as f64 }
}
