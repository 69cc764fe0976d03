//! The grants in force, as every request that needs one looks for them, and the access requests behind them.

mod held;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use super::access::{AccessEvent, AccessRequest, AccessState};
use super::store::{KeptAccess, access_row};
use super::{Away, Cut, Earlier, Lines, Peers, Store, StoreError};
use crate::domain::{AccessFault, Bounds, Denial, ExactRequest, Id, Name, Principal};
use held::Held;

/// An access request that was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its id, that of the request.
    pub id: Id,
    /// The `[approval.NAME]` that it stands for.
    pub approval: Name,
    /// Who acted for who asked, where somebody did.
    pub actor: Option<String>,
    /// What it is confined to.
    pub bounds: Bounds,
    /// The one request that it is for, where it is for one.
    pub exact: Option<ExactRequest>,
    /// Whether its uses are counted.
    pub is_counted: bool,
    /// When it is over.
    pub until: SystemTime,
}

/// All access requests of a process, which it shares with others through the store.
#[derive(Debug)]
pub struct Access {
    writing: Mutex<Store>,
    /// For who lists: whoever takes over changes does not wait for them.
    looking: Mutex<Store>,
    reading: Mutex<Reading>,
    held: RwLock<Held>,
    /// Looked at alone while there are none.
    count: AtomicUsize,
    lines: Arc<Lines>,
    /// What nobody had written down when this began.
    first: Mutex<Vec<Untold>>,
    peers: OnceLock<Arc<dyn Peers>>,
    node: Id,
}

#[derive(Debug)]
struct Reading {
    store: Store,
    /// What SQLite counts the changes of others by, and the number of the last change that was read.
    version: Option<i64>,
    seen: i64,
}

/// What a grant is to be used for.
#[derive(Debug, Clone, Copy)]
pub struct Use<'a> {
    /// The `[approval.NAME]`.
    pub approval: &'a Name,
    /// The route.
    pub route: &'a Name,
    /// The method.
    pub method: &'a str,
    /// The request itself, where the approval is for single ones: then a grant for more does not do.
    pub exact: Option<&'a ExactRequest>,
}

impl Use<'_> {
    fn fits(&self, grant: &Grant) -> bool {
        grant.approval == *self.approval
            && grant.bounds.admit(self.route, self.method)
            && grant.exact.as_ref() == self.exact
    }
}

/// Events that nobody wrote down yet, of one access request.
#[derive(Debug, Clone)]
pub struct Untold {
    /// The request as it is now.
    pub request: AccessRequest,
    /// From which of its events on.
    pub from: usize,
}

/// Why nothing became of a change.
#[derive(Debug)]
pub enum AccessError {
    /// It may not be.
    Fault(AccessFault),
    /// The store cannot be used.
    Store(StoreError),
    /// The other nodes cannot be told or asked.
    Away(Away),
}

/// How long what is over is kept, for who lists it.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// How often a change is tried again that another node was faster with.
const ATTEMPTS: u32 = 10;
/// Versions beyond this are of what is over.
const LAST: u64 = 1 << 32;

impl Access {
    /// The most requests of one principal that wait at once.
    pub const MAX_PENDING: u32 = 20;

    /// What the store holds, with the lines on which grants' exchanges can be cut.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn new(store: Store, lines: Arc<Lines>) -> Result<Self, StoreError> {
        let reading = Reading { store: store.again()?, version: None, seen: 0 };
        let access = Self {
            looking: Mutex::new(store.again()?),
            node: store.node()?,
            writing: Mutex::new(store),
            reading: Mutex::new(reading),
            held: RwLock::default(),
            count: AtomicUsize::new(0),
            lines,
            first: Mutex::default(),
            peers: OnceLock::new(),
        };
        let first = access.refresh(SystemTime::now())?;
        Ok(Self { first: Mutex::new(first), ..access })
    }

    /// Decides together with these nodes from now on; once.
    pub fn share_with(&self, peers: Arc<dyn Peers>) {
        // A second time it would be with the same.
        let _ = self.peers.set(peers);
    }

    /// Whether an event is to be told of here: each is told of at the node where it came to be.
    pub fn tells(&self, event: &AccessEvent) -> bool {
        event.node.is_none_or(|node| node == self.node)
    }

    /// Whether there are other nodes, of which nothing was heard for so long that the end of a grant could have been missed.
    pub fn is_cut_off(&self) -> bool {
        self.peers.get().is_some_and(|peers| peers.is_silent())
    }

    /// The grant that a request may use. Nothing is locked while there are none.
    pub fn find(&self, principal: &Principal, wanted: &Use<'_>, now: SystemTime) -> Option<Arc<Grant>> {
        if self.count.load(Ordering::Acquire) == 0 || self.is_cut_off() {
            return None;
        }
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let own = held.of.get(&(principal.authenticator.clone(), principal.id.clone()))?;
        let fits = |one: &&Arc<Grant>| {
            now < one.until && one.actor.as_deref() == principal.actor.as_deref() && wanted.fits(one)
        };
        // One whose uses are counted is spared while there is another.
        own.iter().filter(fits).min_by_key(|one| one.is_counted).map(Arc::clone)
    }

    /// Whether a grant of this principal is still in force: to be asked once its exchange can be cut, so that no end is missed.
    pub fn is_in_force(&self, principal: &Principal, id: Id) -> bool {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let own = held.of.get(&(principal.authenticator.clone(), principal.id.clone()));
        own.is_some_and(|own| own.iter().any(|one| one.id == id))
    }

    /// Asks. On the disk when this returns, and known to the other nodes.
    ///
    /// # Errors
    /// [`AccessFault::TooMany`] where too many wait, [`StoreError`], or [`Away`].
    pub fn ask(&self, request: &AccessRequest, now: SystemTime) -> Result<(), AccessError> {
        let mut request = request.clone();
        request.stamp(self.node);
        let Some(peers) = self.peers.get() else {
            let is_kept = self.writing().add_access(&request, Self::MAX_PENDING, now)?;
            return if is_kept { Ok(()) } else { Err(AccessError::Fault(AccessFault::TooMany)) };
        };
        if !self.looking().may_ask(&request, Self::MAX_PENDING, now)? {
            return Err(AccessError::Fault(AccessFault::TooMany));
        }
        peers.decide(&access_row(&request, 1, now), Earlier::Nothing)?;
        Ok(())
    }

    /// Changes one; on the disk when this returns, and known to the other nodes, of which only one can change the same version of it.
    ///
    /// # Errors
    /// What the change says, [`AccessFault::Unknown`], [`StoreError`], or [`Away`].
    pub fn change(
        &self,
        id: Id,
        change: impl Fn(&mut AccessRequest) -> Result<(), AccessFault>,
    ) -> Result<AccessRequest, AccessError> {
        let change = |request: &mut AccessRequest| {
            let done = change(request);
            request.stamp(self.node);
            done
        };
        let Some(peers) = self.peers.get() else {
            return self.writing().change_access(id, change)?.map_err(AccessError::Fault);
        };
        for _ in 0..ATTEMPTS {
            let found = self.looking().versioned_access(id)?;
            let (was, version) = found.ok_or(AccessError::Fault(AccessFault::Unknown))?;
            let mut one = was.clone();
            let done = change(&mut one);
            let row = access_row(&one, next_version(&one, version), SystemTime::now());
            if one == was || peers.decide(&row, rests_on(&one))? {
                return done.map(|()| one).map_err(AccessError::Fault);
            }
            peers.hear()?;
        }
        Err(AccessError::Away(Away::Link))
    }

    /// Uses one of the requests that a grant is for; on the disk when this returns.
    ///
    /// # Errors
    /// [`AccessFault::Decided`] where none is left, or [`StoreError`].
    pub fn spend(&self, id: Id, now: SystemTime) -> Result<(), AccessError> {
        self.change(id, |request| request.spend(now)).map(drop)
    }

    /// The one of this id.
    ///
    /// # Errors
    /// [`AccessFault::Unknown`], or [`StoreError`].
    pub fn get(&self, id: Id) -> Result<AccessRequest, AccessError> {
        let mut found = self.looking().access(id)?;
        if let (None, Some(peers)) = (&found, self.peers.get()) {
            // It may have been made at another node just now.
            peers.hear()?;
            found = self.looking().access(id)?;
        }
        found.ok_or(AccessError::Fault(AccessFault::Unknown))
    }

    /// The one of this id, if it is known here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn known(&self, id: Id) -> Result<Option<AccessRequest>, StoreError> {
        self.looking().access(id)
    }

    /// All that are kept.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn all(&self) -> Result<Vec<AccessRequest>, AccessError> {
        Ok(self.looking().all_access()?)
    }

    /// Whether what is in force here is at least what this request says.
    pub fn holds(&self, request: &AccessRequest, now: SystemTime) -> bool {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let own = held.of.get(&(request.authenticator.clone(), request.principal.clone()));
        own.is_some_and(|own| own.iter().any(|one| one.id == request.id)) == request.is_granted(now)
    }

    /// Takes over what was written to the store since it was last looked at, and cuts what is under way on grants that were ended; tells the
    /// events that nobody wrote down yet.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read; what is in force stays so.
    pub fn refresh(&self, now: SystemTime) -> Result<Vec<Untold>, StoreError> {
        let mut reading = self.reading();
        let version = reading.store.version()?;
        if reading.version == Some(version) {
            return Ok(Vec::new());
        }
        let news = reading.store.access_since(reading.seen)?;
        reading.seen = news.last().map_or(reading.seen, |kept| kept.number);
        // Only now: what could not be read is read again.
        reading.version = Some(version);
        drop(reading);
        let mut ended = Vec::new();
        if !news.is_empty() {
            let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
            for kept in &news {
                held.put(&kept.one, now);
                if kept.one.state == AccessState::Ended {
                    ended.push((kept.one.id, kept.one.events.last().map_or(now, |event| event.at)));
                }
            }
            self.count.store(held.of.values().map(Vec::len).sum(), Ordering::Release);
        }
        if !ended.is_empty() {
            let denial = Denial::ApprovalNeeded;
            self.lines.cut(|carried| {
                let (_, since) = ended.iter().find(|(id, _)| carried.grant == Some(*id))?;
                Some(Cut { since: *since, denial })
            });
        }
        let is_untold = |kept: &KeptAccess| kept.one.events.iter().skip(kept.told).any(|event| self.tells(event));
        let untold = news.into_iter().filter(is_untold);
        Ok(untold.map(|kept| Untold { from: kept.told, request: kept.one }).collect())
    }

    /// The same before anybody is served; the events are told with those from before.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn catch_up(&self, now: SystemTime) -> Result<(), StoreError> {
        let untold = self.refresh(now)?;
        self.first.lock().unwrap_or_else(PoisonError::into_inner).extend(untold);
        Ok(())
    }

    /// The events that nobody had written down when this began; once.
    pub fn untold(&self) -> Vec<Untold> {
        std::mem::take(&mut self.first.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many grants are in force.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Notes who was not decided on in time, and forgets what has long been over.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub fn settle(&self, now: SystemTime) -> Result<(), StoreError> {
        let late = self.looking().late_access(now)?;
        for id in late {
            let expire = |request: &mut AccessRequest| {
                request.expire(now);
                Ok(())
            };
            // Somebody else may have decided meanwhile, and while the others are away nobody can.
            if let Err(AccessError::Store(error)) = self.change(id, expire) {
                return Err(error);
            }
        }
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.end(now);
        self.count.store(held.of.values().map(Vec::len).sum(), Ordering::Release);
        drop(held);
        now.checked_sub(KEPT).map_or(Ok(()), |over| self.writing().remove_access(over))
    }

    /// Says that so many events of a request are written down.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written; then they are told again.
    pub fn told(&self, id: Id, events: usize) -> Result<(), StoreError> {
        self.writing().told_access(id, events)
    }

    fn looking(&self) -> MutexGuard<'_, Store> {
        self.looking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> MutexGuard<'_, Store> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The version of a request that has become this. One that is over is so whatever else was decided before it, also what is told later.
fn next_version(request: &AccessRequest, version: u64) -> u64 {
    match rests_on(request) {
        Earlier::Nothing if version < LAST => version + LAST,
        Earlier::Nothing | Earlier::Decisions => version + 1,
    }
}

/// What a request that has become this rests on: over it is whatever became of it elsewhere.
fn rests_on(request: &AccessRequest) -> Earlier {
    match request.state {
        AccessState::Denied | AccessState::Expired | AccessState::Ended => Earlier::Nothing,
        AccessState::Pending | AccessState::Granted { .. } => Earlier::Decisions,
    }
}

impl From<StoreError> for AccessError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Away> for AccessError {
    fn from(away: Away) -> Self {
        match away {
            Away::Link => Self::Away(away),
            Away::Store(error) => Self::Store(error),
        }
    }
}

#[cfg(test)]
mod tests;
