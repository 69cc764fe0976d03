//! The revocations in force: what every request is held against, and what cuts the exchanges under way.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use super::store::Kept;
use super::{Carried, Cut, Line, Lines, Revocation, Revoked, Store, StoreError};
use crate::domain::{Id, Name};

/// All revocations in force, as they stand in the store, which other processes change.
#[derive(Debug)]
pub struct Revocations {
    held: RwLock<Held>,
    /// Looked at alone while there are none.
    count: AtomicUsize,
    /// Whether the store could be read when it was last looked at.
    is_current: AtomicBool,
    lines: Arc<Lines>,
    store: Mutex<Store>,
    is_shared: AtomicBool,
}

/// What became of a revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is in force.
    Revoked(Revocation),
    /// It was lifted before its time.
    Lifted(Revocation),
}

#[derive(Debug, Default)]
struct Held {
    all: Vec<Revocation>,
    authenticators: HashMap<Name, Vec<Revocation>, ahash::RandomState>,
    roles: HashMap<String, Vec<Revocation>, ahash::RandomState>,
    principals: ByName,
    keys: ByName,
    sessions: HashMap<Id, Vec<Revocation>, ahash::RandomState>,
    /// How many there are in all of these.
    count: usize,
    /// Those that wait for an approval, once more.
    holds: HashMap<Id, Revocation, ahash::RandomState>,
    /// When those that are over by themselves are.
    ends: BTreeMap<(SystemTime, Id), Revoked>,
}

/// Of one authenticator each.
type ByName = HashMap<Name, HashMap<String, Vec<Revocation>, ahash::RandomState>, ahash::RandomState>;

/// How many changes are taken over at once, while every request waits.
const AT_ONCE: usize = 256;

impl Revocations {
    /// How often to [`refresh`](Self::refresh).
    pub const REFRESH_EVERY: Duration = Duration::from_millis(5);

    /// What the store holds, in force.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn new(mut store: Store) -> Result<Self, StoreError> {
        let (mut held, now) = (Held::default(), SystemTime::now());
        store.news()?.into_iter().for_each(|kept| held.put(kept.one, now));
        Ok(Self {
            count: AtomicUsize::new(held.count),
            held: RwLock::new(held),
            is_current: AtomicBool::new(true),
            lines: Arc::default(),
            store: Mutex::new(store),
            is_shared: AtomicBool::new(false),
        })
    }

    /// Says that there are other nodes, which have to hear of each end.
    pub fn share(&self) {
        self.is_shared.store(true, Ordering::Relaxed);
    }

    /// A line, on which exchanges can be cut.
    pub fn line(&self) -> Arc<Line> {
        self.lines.add()
    }

    /// Cuts what was allowed until now and no longer; tells how many exchanges.
    pub fn end_due(&self, now: SystemTime) -> usize {
        self.lines.end(now)
    }

    /// Says of each session that an exchange of which is under way that it is in use.
    pub fn touch_sessions(&self, now: SystemTime) {
        self.lines.touch(now);
    }

    /// The lines.
    pub fn lines(&self) -> &Arc<Lines> {
        &self.lines
    }

    /// How many are in force.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether what is in force is what the store says.
    pub fn is_current(&self) -> bool {
        self.is_current.load(Ordering::Relaxed)
    }

    /// What ends the access of whom an exchange is for at this time, the latest first and what is no mere hold before what is; none where
    /// nothing does. Nothing is locked while there are no revocations.
    pub fn ended(&self, carried: &Carried, now: SystemTime) -> Option<Cut> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let ending = held.meant(carried).flatten().filter(|one| one.holds(now));
        let last = ending.max_by_key(|one| (one.approval.is_none(), one.since))?;
        Some(Cut { since: last.since, denial: last.denial() })
    }

    /// Those that wait for an approval.
    pub fn holds(&self) -> Vec<Revocation> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).holds.values().cloned().collect()
    }

    /// The one of this id, if it waits for an approval.
    pub fn hold(&self, id: Id) -> Option<Revocation> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).holds.get(&id).cloned()
    }

    /// Lifts one; processes that have the store open take it over within milliseconds. Tells whether it was in force.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written; then it still holds.
    pub fn lift(&self, id: Id, by: &str) -> Result<bool, StoreError> {
        // By another connection: what one has written itself is no news to it.
        let store = self.store().again()?;
        store.lift(id, by)
    }

    /// Takes over what was written to the store since it was last looked at, drops what is over, and cuts what is under way for whoever is
    /// revoked now; tells how many exchanges were cut, and the changes that nobody wrote down yet, for [`told`](Self::told). Costs next to
    /// nothing while nothing changes.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read, or is not the one any more that was opened; what is in force stays so.
    pub fn refresh(&self, now: SystemTime) -> Result<(usize, Vec<Change>), StoreError> {
        let refreshed = self.take_over(now);
        self.is_current.store(refreshed.is_ok(), Ordering::Relaxed);
        refreshed
    }

    /// Has the next look take everything over anew.
    pub fn read_again(&self) {
        self.store().forget_seen();
    }

    fn take_over(&self, now: SystemTime) -> Result<(usize, Vec<Change>), StoreError> {
        let mut store = self.store();
        let news = store.news()?;
        let is_over = self.held.read().unwrap_or_else(PoisonError::into_inner).is_any_over(now);
        if news.is_empty() && !is_over {
            return Ok((0, Vec::new()));
        }
        let untold = news.iter().flat_map(Kept::untold).collect();
        self.with_held(|held| held.end(now));
        let mut news = news.into_iter().peekable();
        while news.peek().is_some() {
            self.with_held(|held| news.by_ref().take(AT_ONCE).for_each(|kept| held.put(kept.one, now)));
        }
        drop(store);
        let cut = self.lines.cut(|carried| self.ended(carried, now));
        Ok((cut, untold))
    }

    fn with_held(&self, change: impl FnOnce(&mut Held)) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut held);
        self.count.store(held.count, Ordering::Release);
    }

    /// The changes that nobody wrote down yet, also those of the time before this process began.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn untold(&self) -> Result<Vec<Change>, StoreError> {
        self.store().untold()
    }

    /// Says that these changes are written down. Before that, another process may tell of them too.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written; then they are told again.
    pub fn told(&self, changes: &[Change]) -> Result<(), StoreError> {
        let store = self.store();
        store.all_told(changes)
    }

    /// Forgets what is over, once it was told.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub fn tidy(&self, now: SystemTime) -> Result<(), StoreError> {
        self.store().remove_ended(now, self.is_shared.load(Ordering::Relaxed))
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Change {
    /// The revocation.
    pub fn revocation(&self) -> &Revocation {
        match self {
            Self::Revoked(one) | Self::Lifted(one) => one,
        }
    }

    /// Its id.
    pub(super) fn id(&self) -> Id {
        self.revocation().id
    }
}

impl Held {
    /// Takes one as it is now.
    fn put(&mut self, one: Revocation, now: SystemTime) {
        self.remove(one.id, &one.of);
        if !one.holds(now) {
            return;
        }
        if let Some(until) = one.until {
            self.ends.insert((until, one.id), one.of.clone());
        }
        if one.approval.is_some() {
            self.holds.insert(one.id, one.clone());
        }
        match &one.of {
            Revoked::All => &mut self.all,
            Revoked::Authenticator(name) => self.authenticators.entry(name.clone()).or_default(),
            Revoked::Role(role) => self.roles.entry(role.clone()).or_default(),
            Revoked::Principal(name, id) => {
                self.principals.entry(name.clone()).or_default().entry(id.clone()).or_default()
            }
            Revoked::Key(name, key) => self.keys.entry(name.clone()).or_default().entry(key.clone()).or_default(),
            Revoked::Session(id) => self.sessions.entry(*id).or_default(),
        }
        .push(one);
        self.count += 1;
    }

    fn remove(&mut self, id: Id, of: &Revoked) {
        self.holds.remove(&id);
        let list = match of {
            Revoked::All => Some(&mut self.all),
            Revoked::Authenticator(name) => self.authenticators.get_mut(name),
            Revoked::Role(role) => self.roles.get_mut(role),
            Revoked::Principal(name, id) => self.principals.get_mut(name).and_then(|ids| ids.get_mut(id)),
            Revoked::Key(name, key) => self.keys.get_mut(name).and_then(|keys| keys.get_mut(key)),
            Revoked::Session(id) => self.sessions.get_mut(id),
        };
        let Some(list) = list else { return };
        let before = list.len();
        list.retain(|one| one.id != id);
        self.count -= before - list.len();
        if !list.is_empty() {
            return;
        }
        // Of principals and sessions there is no end; of the others there are few.
        match of {
            Revoked::Principal(name, id) => drop(self.principals.get_mut(name).and_then(|ids| ids.remove(id))),
            Revoked::Key(name, key) => drop(self.keys.get_mut(name).and_then(|keys| keys.remove(key))),
            Revoked::Session(id) => drop(self.sessions.remove(id)),
            Revoked::All | Revoked::Authenticator(_) | Revoked::Role(_) => {}
        }
    }

    fn is_any_over(&self, now: SystemTime) -> bool {
        self.ends.first_key_value().is_some_and(|((end, _), _)| *end <= now)
    }

    /// Removes those that are over.
    fn end(&mut self, now: SystemTime) {
        while let Some(first) = self.ends.first_entry()
            && first.key().0 <= now
        {
            let ((_, id), of) = first.remove_entry();
            self.remove(id, &of);
        }
    }

    /// The lists that may name whom an exchange is for.
    fn meant<'a>(&'a self, carried: &'a Carried) -> impl Iterator<Item = &'a Vec<Revocation>> {
        let principal = &carried.principal;
        let of_authenticator = self.authenticators.get(&principal.authenticator);
        let own = self.principals.get(&principal.authenticator).and_then(|ids| ids.get(&principal.id));
        let of_roles = carried.roles().filter_map(|role| self.roles.get(role));
        let session = principal.session.as_ref().and_then(|session| self.sessions.get(&session.id));
        let key = principal.key.as_deref().and_then(|key| self.keys.get(&principal.authenticator)?.get(key));
        [&self.all].into_iter().chain(of_authenticator).chain(own).chain(key).chain(session).chain(of_roles)
    }
}

#[cfg(test)]
mod tests;
