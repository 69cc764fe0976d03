//! The same question, asked by many at once, is asked once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::domain::{Denial, Principal};

/// The questions under way, each once, with the number of those who wait for it.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<[u8; 32], Waited, ahash::RandomState>>);

/// An answer to come, and how many wait for it.
type Waited = (Arc<OnceCell<Outcome>>, usize);

type Outcome = Result<Arc<Principal>, Denial>;

/// One who waits.
pub(super) struct Flight<'a> {
    flights: &'a Flights,
    key: [u8; 32],
    /// The answer, once somebody has it.
    pub(super) answer: Arc<OnceCell<Outcome>>,
}

impl Flights {
    /// How many wait; a question that nobody waits for and that is kept all the same counts too.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        let flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        flights.values().map(|(_, waiting)| *waiting.max(&1)).sum()
    }

    /// Waits with all others who ask this.
    pub(super) fn join(&self, key: [u8; 32]) -> Flight<'_> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let flight = flights.entry(key).or_default();
        // One that has landed tells what was true before this request came.
        if flight.0.initialized() {
            *flight = Default::default();
        }
        flight.1 += 1;
        Flight { flights: self, key, answer: Arc::clone(&flight.0) }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut flights = self.flights.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((answer, waiting)) = flights.get_mut(&self.key)
            && Arc::ptr_eq(answer, &self.answer)
        {
            *waiting -= 1;
            if *waiting == 0 {
                flights.remove(&self.key);
            }
        }
    }
}
