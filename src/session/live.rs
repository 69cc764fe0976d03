//! The exchanges under way, by the line that each came in on, so that one can be cut in the middle, also while no byte flows.

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;

use crate::domain::Principal;

/// All lines of a process: one for each HTTP/1 connection, which carries one exchange after another, and one for each HTTP/2 stream.
#[derive(Debug)]
pub struct Lines {
    next: AtomicU64,
    shards: Box<[Shard]>,
}

impl Default for Lines {
    fn default() -> Self {
        Self { next: AtomicU64::new(0), shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

type Shard = Mutex<HashMap<u64, Weak<Line>, ahash::RandomState>>;

const SHARDS: u64 = 64;

/// For whom an exchange is: who was proved, and the role that allowed it, where one did.
#[derive(Debug, Clone)]
pub struct Carried {
    /// Who was proved.
    pub principal: Arc<Principal>,
    /// The role that allowed the exchange; none where a scope or the principal's own id did.
    pub role: Option<Arc<str>>,
}

impl Carried {
    /// Every role that it has to do with.
    pub(super) fn roles(&self) -> impl Iterator<Item = &str> {
        self.principal.roles.iter().chain(&self.role).map(|role| &**role)
    }
}

/// One line: for whom it carries an exchange now, and whether it was cut. A line that was cut carries nothing any more.
pub struct Line {
    id: u64,
    lines: Weak<Lines>,
    carried: Mutex<Option<Carried>>,
    cut: OnceLock<SystemTime>,
    waker: Mutex<Option<Waker>>,
}

impl Lines {
    /// A new line. It is forgotten when the last who has it drops it.
    pub fn add(self: &Arc<Self>) -> Arc<Line> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let line = Line {
            id,
            lines: Arc::downgrade(self),
            carried: Mutex::default(),
            cut: OnceLock::new(),
            waker: Mutex::default(),
        };
        let line = Arc::new(line);
        self.shard(id, |shard| shard.insert(id, Arc::downgrade(&line)));
        line
    }

    /// Cuts each line that carries an exchange for somebody whose access was ended, which the judge says with the time when that was asked
    /// for; tells how many.
    pub fn cut(&self, ended: impl Fn(&Carried) -> Option<SystemTime>) -> usize {
        self.shards
            .iter()
            .map(|shard| {
                // Woken outside of the lock, which a line takes when it goes.
                let lines: Vec<_> = lock(shard).values().filter_map(Weak::upgrade).collect();
                lines.iter().filter(|line| line.cut_if(&ended)).count()
            })
            .sum()
    }

    /// How many lines there are.
    pub fn count(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    fn shard<T>(&self, id: u64, then: impl FnOnce(&mut HashMap<u64, Weak<Line>, ahash::RandomState>) -> T) {
        let at = usize::try_from(id % SHARDS).unwrap_or_default();
        if let Some(shard) = self.shards.get(at) {
            then(&mut lock(shard));
        }
    }
}

impl Line {
    /// Carries an exchange from now on. To be said before the revocations are looked at: who is revoked in between is found there, or here.
    pub fn carry(&self, carried: Carried) {
        *lock(&self.carried) = Some(carried);
    }

    /// Carries nothing now.
    pub fn rest(&self) {
        lock(&self.carried).take();
    }

    /// When the end of the access was asked for that cut it, if it was cut.
    pub fn cut_since(&self) -> Option<SystemTime> {
        self.cut.get().copied()
    }

    /// Ready once it is cut; until then the task is woken when it is. One task waits at a time.
    pub fn poll_cut(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.cut.get().is_some() {
            return Poll::Ready(());
        }
        let mut waker = lock(&self.waker);
        match &mut *waker {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            waker => *waker = Some(cx.waker().clone()),
        }
        drop(waker);
        // It may have been cut before the waker was there.
        if self.cut.get().is_some() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Waits until it is cut.
    pub async fn cut(&self) {
        poll_fn(|cx| self.poll_cut(cx)).await;
    }

    fn cut_if(&self, ended: impl Fn(&Carried) -> Option<SystemTime>) -> bool {
        let since = lock(&self.carried).as_ref().and_then(ended);
        let is_cut = since.is_some_and(|since| self.cut.set(since).is_ok());
        if is_cut && let Some(waker) = lock(&self.waker).take() {
            waker.wake();
        }
        is_cut
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(lines) = self.lines.upgrade() {
            lines.shard(self.id, |shard| shard.remove(&self.id));
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("id", &self.id).field("cut", &self.cut).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Name, PrincipalKind};

    fn carried(id: &str) -> Carried {
        let authenticator = Name::parse("corp").expect("a name");
        let principal = Arc::new(Principal::new(authenticator, PrincipalKind::Human, id.to_owned()));
        Carried { principal, role: None }
    }

    #[tokio::test]
    async fn a_line_is_cut_while_it_carries_for_who_is_meant_and_whoever_waits_is_woken() {
        let lines = Arc::new(Lines::default());
        let (ada, bob, idle) = (lines.add(), lines.add(), lines.add());
        ada.carry(carried("ada"));
        bob.carry(carried("bob"));
        idle.carry(carried("ada"));
        idle.rest();
        let waiting = tokio::spawn({
            let ada = Arc::clone(&ada);
            async move { ada.cut().await }
        });
        tokio::task::yield_now().await;
        let since = SystemTime::UNIX_EPOCH;
        let is_ada = |carried: &Carried| (carried.principal.id == "ada").then_some(since);
        assert_eq!(lines.cut(is_ada), 1);
        waiting.await.expect("woken");
        assert_eq!([&ada, &bob, &idle].map(|line| line.cut_since()), [Some(since), None, None]);
        assert_eq!(lines.cut(is_ada), 0, "once");
        assert_eq!(lines.cut(|_| Some(since)), 1);
        assert_eq!(lines.count(), 3);
        drop((ada, bob, idle));
        assert_eq!(lines.count(), 0);
    }
}
