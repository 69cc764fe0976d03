//! What vaults that nobody uses any more have to give back: leases and tokens end when they are not needed, not when they are over.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::all_at_once;
use super::provider::Provider;

/// The providers of vaults that were dropped, until they have given back.
#[derive(Default)]
pub(super) struct Left(Mutex<Vec<Entry>>);

struct Entry {
    provider: Arc<Provider>,
    is_begun: bool,
}

impl Left {
    /// One more. Waits for nobody.
    pub(super) fn add(&self, provider: Arc<Provider>) {
        self.lock().push(Entry { provider, is_begun: false });
    }

    /// Whether there are some with which nobody has begun.
    pub(super) fn is_waiting(&self) -> bool {
        self.lock().iter().any(|entry| !entry.is_begun)
    }

    /// All of them, also those that are at it.
    pub(super) fn all(&self) -> Vec<Arc<Provider>> {
        self.lock().iter().map(|entry| Arc::clone(&entry.provider)).collect()
    }

    /// Has those give back with which nobody has begun. Blocks, for this time at most.
    pub(super) fn give_back(&self, within: Duration) {
        let mut begun = Vec::new();
        for entry in self.lock().iter_mut().filter(|entry| !entry.is_begun) {
            entry.is_begun = true;
            begun.push(Arc::clone(&entry.provider));
        }
        all_at_once(begun.clone(), Instant::now() + within, move |provider: &Arc<Provider>| provider.close(within));
        self.lock().retain(|entry| !begun.iter().any(|done| Arc::ptr_eq(done, &entry.provider)));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Left {
    /// Every vault knows it, and is not made of others.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Left")
    }
}
