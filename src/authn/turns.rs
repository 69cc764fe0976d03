//! Turns at proving what was not proved before.
//!
//! A signature takes a core for as long as a whole request of a known caller does. A thread that serves many connections would verify all
//! that have come before it looks at any of them again, and very many unknown tokens at once would delay every known one behind them. So
//! each waits for a turn, and between two turns everybody who is ready is served: known callers first, unknown ones in the order in
//! which they came, at whatever rate is left.

use std::sync::LazyLock;
use std::thread;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task;

/// Turns at some number of cores.
pub(super) struct Turns(Semaphore);

/// Those at the cores of this process, which all authenticators share.
pub(super) static TURNS: LazyLock<Turns> = LazyLock::new(|| {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    Turns::new(cores)
});

/// A turn, until it is dropped.
pub(super) struct Turn<'a> {
    _permit: Option<SemaphorePermit<'a>>,
}

impl Turns {
    fn new(at_once: usize) -> Self {
        Self(Semaphore::new(at_once))
    }

    /// Waits for a turn, and then until everybody who is ready now was served.
    pub(super) async fn take(&self) -> Turn<'_> {
        // An error would say that the semaphore is closed, and nobody closes it.
        let permit = self.0.acquire().await.ok();
        task::yield_now().await;
        Turn { _permit: permit }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[tokio::test]
    async fn whoever_is_ready_is_served_between_two_turns() {
        let (turns, log) = (Arc::new(Turns::new(1)), Arc::new(Mutex::new(String::new())));
        let mut tasks = task::JoinSet::new();
        for _ in 0..50 {
            let (turns, log) = (Arc::clone(&turns), Arc::clone(&log));
            tasks.spawn(async move {
                let _turn = turns.take().await;
                log.lock().expect("lock").push('u');
            });
        }
        let known = Arc::clone(&log);
        tasks.spawn(async move {
            for _ in 0..100 {
                known.lock().expect("lock").push('k');
                task::yield_now().await;
            }
        });
        tasks.join_all().await;
        let log = log.lock().expect("lock");
        assert_eq!((log.matches('u').count(), log.matches('k').count()), (50, 100), "{log}");
        // Now and then the runtime looks around between the end of one and the beginning of the next.
        assert!(!log.contains("uuu"), "{log}");
    }

    #[tokio::test]
    async fn who_gives_up_waiting_holds_nobody_up() {
        let turns = Turns::new(1);
        let first = turns.take().await;
        {
            let mut second = std::pin::pin!(turns.take());
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(second.as_mut().poll(&mut context).is_pending());
            drop(first);
            // It has the turn now, and goes away with it.
            assert!(second.as_mut().poll(&mut context).is_pending());
        }
        tokio::time::timeout(std::time::Duration::from_secs(5), turns.take()).await.expect("a turn");
    }
}
