//! A value that is fetched in the background and read without waiting.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

/// When a [`Refreshed`] value is fetched again, and for how long it is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Time between fetches where the source names none.
    pub interval: Duration,
    /// The shortest time between fetches that a source may ask for.
    pub shortest: Duration,
    /// The longest time between fetches that a source may ask for, and the longest back-off after failures.
    pub longest: Duration,
    /// The age from which on a value that could not be fetched again is no longer given out.
    pub max_stale: Duration,
}

/// What one fetch brought.
#[derive(Debug, Clone)]
pub struct Fresh<T> {
    /// The value, which replaces the last one.
    pub value: T,
    /// How long its source says it stays true.
    pub max_age: Option<Duration>,
}

/// A value fetched in the background. Readers never wait and never fetch; the last good value serves until it is too old, then none does.
pub struct Refreshed<T, E> {
    fetch: Fetch<T, E>,
    pace: Pace,
    born: Instant,
    held: ArcSwapOption<Held<T>>,
    turn: Semaphore,
    ended: AtomicU64,
    failures: AtomicU32,
    /// Milliseconds after `born` at which the next fetch is due.
    due: AtomicU64,
    /// Milliseconds after `born` before which no poke counts.
    deaf_until: AtomicU64,
    woken: Notify,
}

struct Fetch<T, E>(Box<dyn Fn() -> Fetching<T, E> + Send + Sync>);

struct Fetching<T, E>(Pin<Box<dyn Future<Output = Result<Fresh<T>, E>> + Send>>);

struct Held<T> {
    value: Arc<T>,
    fetched: Instant,
}

/// The shortest time between two fetches that pokes ask for.
const POKE_INTERVAL: Duration = Duration::from_secs(30);
/// The wait after the first failure; doubled with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// The longest wait after failures while there is no value.
const LAST_RETRY: Duration = Duration::from_secs(30);

impl<T, E> Refreshed<T, E> {
    /// A value that `fetch` brings; none is there, and a fetch is due at once.
    pub fn new<F, R>(pace: Pace, fetch: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<Fresh<T>, E>> + Send + 'static,
    {
        Self {
            fetch: Fetch(Box::new(move || Fetching(Box::pin(fetch())))),
            pace,
            born: Instant::now(),
            held: ArcSwapOption::empty(),
            turn: Semaphore::new(1),
            ended: AtomicU64::new(0),
            failures: AtomicU32::new(0),
            due: AtomicU64::new(0),
            deaf_until: AtomicU64::new(0),
            woken: Notify::new(),
        }
    }

    /// The same with a value that is there from the start.
    #[must_use]
    pub fn holding(self, fresh: Fresh<T>) -> Self {
        self.keep(fresh);
        self
    }

    /// Takes over what another one holds, with its age, unless it has something itself.
    pub fn inherit(&self, other: &Self) {
        if let (None, Some(held)) = (self.held.load_full(), other.held.load_full()) {
            self.held.store(Some(held));
        }
    }

    /// The last good value; none before the first fetch and none when it has grown too old. Does not wait.
    pub fn current(&self) -> Option<Arc<T>> {
        let held = self.held.load();
        let held = held.as_ref()?;
        (held.fetched.elapsed() < self.pace.max_stale).then(|| Arc::clone(&held.value))
    }

    /// Asks for a fetch before its time, because the value lacks something. Heard at most once in 30 s, however often it is called.
    pub fn poke(&self) {
        let now = self.now();
        let deaf_until = self.deaf_until.load(Ordering::Relaxed);
        let next = now + millis(POKE_INTERVAL);
        let order = Ordering::Relaxed;
        if now >= deaf_until && self.deaf_until.compare_exchange(deaf_until, next, order, order).is_ok() {
            self.due.store(now, Ordering::Relaxed);
            self.woken.notify_one();
        }
    }

    /// Whether it is time for a [`Self::refresh`] and none is under way.
    pub fn is_due(&self) -> bool {
        self.now() >= self.due.load(Ordering::Relaxed) && self.turn.available_permits() > 0
    }

    /// Fetches now. Of calls that overlap only one fetches; the others wait for it and are content with what it brought.
    ///
    /// # Errors
    /// Those of the fetch, to the call that made it. The last good value stays.
    pub async fn refresh(&self) -> Result<(), E> {
        let ended = self.ended.load(Ordering::Acquire);
        // The semaphore is never closed; the permit inside the result is held to the end.
        let _turn = self.turn.acquire().await;
        if self.ended.load(Ordering::Acquire) != ended {
            return Ok(());
        }
        let outcome = match (self.fetch.0)().0.await {
            Ok(fresh) => {
                self.keep(fresh);
                Ok(())
            }
            Err(error) => {
                let failures = self.failures.fetch_add(1, Ordering::Relaxed);
                // While there is nothing to go by, nobody is served.
                let held = self.held.load();
                let lasts = held.as_ref().map(|held| self.pace.max_stale.saturating_sub(held.fetched.elapsed()));
                let longest = lasts.unwrap_or_default().max(LAST_RETRY).min(self.pace.longest);
                self.schedule(FIRST_RETRY.saturating_mul(1 << failures.min(16)).min(longest));
                Err(error)
            }
        };
        self.ended.fetch_add(1, Ordering::Release);
        outcome
    }

    /// Keeps the value fresh for as long as the returned future is driven; `report` hears of every failure.
    pub async fn run(&self, report: impl Fn(&E)) {
        loop {
            let due = self.born + Duration::from_millis(self.due.load(Ordering::Relaxed));
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                () = self.woken.notified() => continue,
            }
            if let Err(error) = self.refresh().await {
                report(&error);
            }
        }
    }

    fn keep(&self, fresh: Fresh<T>) {
        let Pace { interval, shortest, longest, max_stale: _ } = self.pace;
        let wait = fresh.max_age.map_or(interval, |age| age.clamp(shortest, longest));
        self.held.store(Some(Arc::new(Held { value: Arc::new(fresh.value), fetched: Instant::now() })));
        self.failures.store(0, Ordering::Relaxed);
        self.schedule(wait);
    }

    /// Up to a tenth early, so that nodes which started together do not ask together.
    fn schedule(&self, wait: Duration) {
        let wait = millis(wait);
        let jitter = RandomState::new().hash_one(wait) % (wait / 10 + 1);
        self.due.store(self.now() + wait - jitter, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        millis(self.born.elapsed())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 4).min(u64::MAX / 4)
}

impl<T, E> fmt::Debug for Refreshed<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refreshed").field("pace", &self.pace).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    const PACE: Pace = Pace {
        interval: Duration::from_secs(300),
        shortest: Duration::from_secs(60),
        longest: Duration::from_secs(3600),
        max_stale: Duration::from_secs(7200),
    };

    /// Counts fetches; each brings its number, after `takes`, or fails while `failing` holds.
    struct Source {
        fetches: AtomicUsize,
        failing: std::sync::atomic::AtomicBool,
        takes: Duration,
        max_age: Option<Duration>,
    }

    fn source(takes: Duration, max_age: Option<Duration>) -> (Arc<Source>, Arc<Refreshed<usize, ()>>) {
        let source = Arc::new(Source { fetches: AtomicUsize::new(0), failing: false.into(), takes, max_age });
        let held = Arc::clone(&source);
        let refreshed = Refreshed::new(PACE, move || {
            let source = Arc::clone(&held);
            async move {
                let value = source.fetches.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::time::sleep(source.takes).await;
                let failing = source.failing.load(Ordering::SeqCst);
                if failing { Err(()) } else { Ok(Fresh { value, max_age: source.max_age }) }
            }
        });
        (source, Arc::new(refreshed))
    }

    fn run(refreshed: &Arc<Refreshed<usize, ()>>) {
        let refreshed = Arc::clone(refreshed);
        tokio::spawn(async move { refreshed.run(|()| {}).await });
    }

    async fn pass(seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn is_fetched_at_once_and_then_at_the_interval() {
        let (source, refreshed) = source(Duration::ZERO, None);
        assert_eq!(refreshed.current(), None);
        run(&refreshed);
        pass(1).await;
        assert_eq!(refreshed.current().as_deref(), Some(&1));
        pass(268).await;
        assert_eq!(source.fetches.load(Ordering::SeqCst), 1);
        pass(40).await;
        assert_eq!(refreshed.current().as_deref(), Some(&2));
    }

    #[tokio::test(start_paused = true)]
    async fn the_source_may_ask_for_another_interval_within_bounds() {
        for (max_age, at_least, at_most) in [(1, 54, 60), (600, 540, 600), (86_400, 3240, 3600)] {
            let (source, refreshed) = source(Duration::ZERO, Some(Duration::from_secs(max_age)));
            run(&refreshed);
            pass(at_least - 1).await;
            assert_eq!(source.fetches.load(Ordering::SeqCst), 1, "{max_age}");
            pass(at_most - at_least + 2).await;
            assert_eq!(source.fetches.load(Ordering::SeqCst), 2, "{max_age}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_good_value_serves_until_it_is_too_old() {
        let (source, refreshed) = source(Duration::ZERO, None);
        refreshed.refresh().await.expect("fetched");
        source.failing.store(true, Ordering::SeqCst);
        run(&refreshed);
        pass(7199).await;
        assert_eq!(refreshed.current().as_deref(), Some(&1));
        pass(2).await;
        assert_eq!(refreshed.current(), None);
        // 1, 2, 4, ... seconds apart: far fewer than the seconds that passed.
        assert!(source.fetches.load(Ordering::SeqCst) < 20);
        source.failing.store(false, Ordering::SeqCst);
        pass(3600).await;
        assert!(refreshed.current().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn overlapping_refreshes_fetch_once() {
        let (source, refreshed) = source(Duration::from_secs(1), None);
        let both = tokio::join!(refreshed.refresh(), refreshed.refresh(), async { refreshed.is_due() });
        assert_eq!(both, (Ok(()), Ok(()), false));
        assert_eq!(source.fetches.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn pokes_are_heard_once_in_thirty_seconds() {
        let (source, refreshed) = source(Duration::ZERO, None);
        run(&refreshed);
        pass(1).await;
        for _ in 0..20 {
            refreshed.poke();
            pass(1).await;
        }
        assert_eq!(source.fetches.load(Ordering::SeqCst), 2);
        pass(15).await;
        refreshed.poke();
        pass(1).await;
        assert_eq!(source.fetches.load(Ordering::SeqCst), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_value_may_be_there_from_the_start() {
        let (_, refreshed) = source(Duration::ZERO, None);
        let refreshed = Arc::into_inner(refreshed).expect("sole owner").holding(Fresh { value: 7, max_age: None });
        assert_eq!((refreshed.current().as_deref(), refreshed.is_due()), (Some(&7), false));
    }
}
