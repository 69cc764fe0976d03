//! The exchanges under way, by the line that each came in on, so that one can be cut in the middle, also while no byte flows.

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use crate::domain::{AuthnFault, Denial, Id, Principal, millis};

/// All lines of a process: one for each HTTP/1 connection, which carries one exchange after another, and one for each HTTP/2 stream.
#[derive(Debug)]
pub struct Lines {
    next: AtomicU64,
    /// When the first of the exchanges that end by themselves does, in milliseconds since 1970; it may be gone by then.
    end: AtomicU64,
    shards: Box<[Shard]>,
}

impl Default for Lines {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { next: AtomicU64::new(0), end: AtomicU64::new(u64::MAX), shards }
    }
}

type Shard = Mutex<HashMap<u64, Weak<Line>, ahash::RandomState>>;

const SHARDS: u64 = 64;

/// For whom an exchange is: who was proved, the role that allowed it, where one did, and until when it was allowed.
#[derive(Debug, Clone)]
pub struct Carried {
    /// Who was proved.
    pub principal: Arc<Principal>,
    /// The role that allowed the exchange; none where a scope or the principal's own id did.
    pub role: Option<Arc<str>>,
    /// All roles that its caller has, where no rule had to allow it; none otherwise.
    pub any_of: Vec<Arc<str>>,
    /// When it ends, whatever is under way then: with its session or its grant. None where it may go on.
    pub until: Option<SystemTime>,
    /// The grant that allowed it, where one had to.
    pub grant: Option<Id>,
}

const EXPIRED: Denial = Denial::Unauthenticated(AuthnFault::Expired);

/// What ended an exchange in the middle.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// When the end of the access was asked for, or due.
    pub since: SystemTime,
    /// Why: it was revoked, it is over, or it waits for an approval.
    pub denial: Denial,
}

impl Carried {
    /// What it means that its time is over: access has to be asked for again, or a session begun anew.
    fn over(&self) -> Denial {
        let is_session = self.principal.session.is_some() && self.principal.expires == self.until;
        if self.grant.is_some() && !is_session { Denial::ApprovalNeeded } else { EXPIRED }
    }

    /// Every role that it has to do with.
    pub(super) fn roles(&self) -> impl Iterator<Item = &str> {
        self.principal.roles.iter().chain(&self.role).chain(&self.any_of).map(|role| &**role)
    }
}

/// One line: for whom it carries an exchange now, and whether it was cut. A line that was cut carries nothing any more.
pub struct Line {
    id: u64,
    lines: Weak<Lines>,
    carried: Mutex<Option<Carried>>,
    cut: OnceLock<Cut>,
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

    /// Cuts each line that carries an exchange for somebody whose access was ended, which the judge says with why, and the time when that was
    /// asked for; tells how many.
    pub fn cut(&self, ended: impl Fn(&Carried) -> Option<Cut>) -> usize {
        self.cut_where(ended)
    }

    /// Cuts each line whose exchange was allowed until now and no longer; tells how many. Costs next to nothing until then.
    pub fn end(&self, now: SystemTime) -> usize {
        if end_millis(now) < self.end.load(Ordering::Relaxed) {
            return 0;
        }
        // Before the look: what begins to be carried after it says so itself.
        self.end.store(u64::MAX, Ordering::SeqCst);
        self.cut_where(|carried| {
            let since = carried.until?;
            if now < since {
                self.ends_at(since);
                return None;
            }
            Some(Cut { since, denial: carried.over() })
        })
    }

    /// Says of each session that an exchange of which is under way that it is in use.
    pub fn touch(&self, now: SystemTime) {
        self.each(|line| {
            if let Some(session) = lock(&line.carried).as_ref().and_then(|carried| carried.principal.session.as_ref()) {
                session.touch(now);
            }
            false
        });
    }

    fn ends_at(&self, time: SystemTime) {
        self.end.fetch_min(end_millis(time), Ordering::SeqCst);
    }

    fn cut_where(&self, ended: impl Fn(&Carried) -> Option<Cut>) -> usize {
        self.each(|line| line.cut_if(&ended))
    }

    /// How many lines it says yes of.
    fn each(&self, is_one: impl Fn(&Line) -> bool) -> usize {
        self.shards
            .iter()
            .map(|shard| {
                // Outside of the lock, which a line takes when it goes.
                let lines: Vec<_> = lock(shard).values().filter_map(Weak::upgrade).collect();
                lines.iter().filter(|line| is_one(line)).count()
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
        let until = carried.until;
        *lock(&self.carried) = Some(carried);
        if let Some((until, lines)) = until.zip(self.lines.upgrade()) {
            lines.ends_at(until);
        }
    }

    /// Carries nothing now.
    pub fn rest(&self) {
        lock(&self.carried).take();
    }

    /// What cut it, if it was cut.
    pub fn was_cut(&self) -> Option<Cut> {
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

    fn cut_if(&self, ended: impl Fn(&Carried) -> Option<Cut>) -> bool {
        let cut = lock(&self.carried).as_ref().and_then(ended);
        let is_cut = cut.is_some_and(|cut| self.cut.set(cut).is_ok());
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

/// Rounded up, so that nothing ends before its time.
fn end_millis(time: SystemTime) -> u64 {
    millis(time + Duration::from_micros(999))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    use crate::domain::{Name, PrincipalKind};

    fn carried(id: &str) -> Carried {
        let authenticator = Name::parse("corp").expect("a name");
        let principal = Arc::new(Principal::new(authenticator, PrincipalKind::Human, id.to_owned()));
        Carried { principal, role: None, any_of: Vec::new(), until: None, grant: None }
    }

    #[test]
    fn what_was_allowed_until_now_is_cut_now_and_not_before() {
        let lines = Arc::new(Lines::default());
        let at = |millis| UNIX_EPOCH + Duration::from_millis(millis);
        let until = |end: Option<u64>| Carried { until: end.map(at), ..carried("ada") };
        let all = [Some(2_000), Some(1_000), None, Some(500)].map(|end| {
            let line = lines.add();
            line.carry(until(end));
            line
        });
        all[3].rest();
        let cut = |line: &Arc<Line>| line.was_cut().is_some_and(|cut| cut.denial == EXPIRED);
        for (now, want) in [
            (499, [false, false, false, false]),
            (999, [false, false, false, false]),
            (1_000, [false, true, false, false]),
            (1_999, [false, true, false, false]),
            (3_000, [true, true, false, false]),
        ] {
            lines.end(at(now));
            assert_eq!([0, 1, 2, 3].map(|n| cut(&all[n])), want, "{now}");
        }
        all[3].carry(until(Some(3_500)));
        assert_eq!((lines.end(at(3_499)), lines.end(at(3_501))), (0, 1));
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
        let is_ada = |carried: &Carried| (carried.principal.id == "ada").then_some(Cut { since, denial: EXPIRED });
        assert_eq!(lines.cut(is_ada), 1);
        waiting.await.expect("woken");
        assert_eq!([&ada, &bob, &idle].map(|line| line.was_cut().map(|cut| cut.since)), [Some(since), None, None]);
        assert_eq!(lines.cut(is_ada), 0, "once");
        assert_eq!(lines.cut(|_| Some(Cut { since, denial: EXPIRED })), 1);
        assert_eq!(lines.count(), 3);
        drop((ada, bob, idle));
        assert_eq!(lines.count(), 0);
    }
}
