//! Until when a message has to be whole, told to whoever waits for the rest of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Shared by what reads from a client and what looks through what it said. None while nobody is waited for.
#[derive(Debug, Clone, Default)]
pub(in crate::proxy) struct Due(Arc<Mutex<Option<Instant>>>);

impl Due {
    /// The time by which more has to come.
    pub(in crate::proxy) fn get(&self) -> Option<Instant> {
        *self.lock()
    }

    pub(super) fn set(&self, due: Option<Instant>) {
        *self.lock() = due;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
