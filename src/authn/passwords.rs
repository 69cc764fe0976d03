//! Where passwords are compared: beside the threads that serve requests, few at once, and never more waiting than can be answered soon.

use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::crypto::PasswordDigest;
use crate::domain::{Denial, Secret, Unavailable};

/// Compares passwords for all authenticators together.
#[derive(Debug)]
pub struct Passwords {
    /// Who may come in: those at work and those who wait.
    admitted: Arc<Semaphore>,
    /// Who may be at work.
    working: Arc<Semaphore>,
}

/// How many comparisons may wait for their turn.
const WAITING: usize = 64;

impl Default for Passwords {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self::new(cores.max(2), WAITING)
    }
}

impl Passwords {
    fn new(working: usize, waiting: usize) -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self { admitted: semaphore(working + waiting), working: semaphore(working) }
    }

    /// Whether this is the digest's password.
    ///
    /// # Errors
    /// [`Denial::Unavailable`] when too many wait already.
    pub(super) async fn compare(&self, digest: Arc<PasswordDigest>, password: Secret) -> Result<bool, Denial> {
        let busy = Denial::Unavailable(Unavailable::Passwords);
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| busy)?;
        let working = Arc::clone(&self.working).acquire_owned().await.map_err(|_| busy)?;
        let work = move || {
            let is_it = digest.verify(password.expose());
            // Not before: who gives up waiting leaves the work under way, and it counts until it is done.
            drop((admitted, working));
            is_it
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| Denial::Internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_cannot_be_answered_soon_is_refused_at_once() {
        let passwords = Passwords::new(1, 1);
        let digest = Arc::new(PasswordDigest::generate(b"right").expect("a digest"));
        let compare = |text: &str| passwords.compare(Arc::clone(&digest), Secret::new(text.into()));
        let three = tokio::join!(compare("right"), compare("wrong"), compare("right"));
        assert_eq!(three, (Ok(true), Ok(false), Err(Denial::Unavailable(Unavailable::Passwords))));
        assert_eq!(compare("right").await, Ok(true), "there is room again");
    }
}
