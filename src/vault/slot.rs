//! One secret in use: what the data plane reads, and how long it may.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::crypto::constant_time_eq;
use crate::domain::{Secret, SecretRef};

use super::VaultError;
use super::provider::{Look, Mark, Pass};

/// One secret in use. Reading it takes no lock and does no I/O; [`super::Vaults::refresh`] keeps it current.
///
/// | the source | the slot |
/// |---|---|
/// | answers with a value | gives it |
/// | answers that there is no such secret | fails at once |
/// | is away, or its content makes no sense | gives the last good value for `max_stale`, then fails and forgets it |
/// | is not asked any more (the refresh hangs) | the same |
#[derive(Debug)]
pub struct Slot {
    name: SecretRef,
    max_stale: Duration,
    created: Instant,
    /// When the source last agreed with what is held, in milliseconds after `created`; negative, where that was before.
    confirmed: AtomicI64,
    held: ArcSwap<Held>,
    /// Held through a look, so that an older reading never replaces a newer one.
    seen: Mutex<Option<Mark>>,
    /// Where another value can be had for the asking: what tells that somebody wants one.
    doubts: Option<Doubts>,
    /// Told of each look.
    looked: Notify,
    /// Whether it is one principal's own: whether the gateway is ready does not hang on it.
    is_own: bool,
    /// In which pass of its vault it was looked at last.
    turn: AtomicU64,
}

/// What is known of a value that was not taken.
#[derive(Debug, Default)]
struct Doubts {
    /// Whether another is to be had at the next look.
    is_wanted: AtomicBool,
    /// When one was wanted last.
    last: Mutex<Option<Instant>>,
}

/// Another value is had no more often, however often one is not taken: whoever can bring that about must not be able to have a server asked
/// without end.
const DOUBT_EVERY: Duration = Duration::from_secs(5);
/// How long anybody waits for another value.
const DOUBT_WAITS: Duration = Duration::from_secs(3);

#[derive(Debug)]
struct Held {
    version: u64,
    secret: Option<Arc<Secret>>,
    fault: Option<VaultError>,
    /// When the lease is over, where there is one: nobody may use the secret after it.
    ends: Option<Instant>,
}

/// What operators may know of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotStatus {
    /// The vault and the path in it.
    pub name: SecretRef,
    /// See [`Slot::version`].
    pub version: u64,
    /// Whether the slot gives a secret now.
    pub usable: bool,
    /// How long ago the source last agreed with what the slot holds; none when it never had a secret.
    pub age: Option<Duration>,
    /// How much longer its lease lasts, where it has one.
    pub lease: Option<Duration>,
    /// Why the last look failed, where it did.
    pub fault: Option<VaultError>,
}

impl Slot {
    /// A slot that has not been read yet.
    pub(super) fn new(name: SecretRef, max_stale: Duration, now: Instant) -> Self {
        let held = ArcSwap::from_pointee(Held { version: 0, secret: None, fault: None, ends: None });
        Self {
            name,
            max_stale,
            created: now,
            confirmed: AtomicI64::new(0),
            held,
            seen: Mutex::new(None),
            doubts: None,
            looked: Notify::new(),
            is_own: false,
            turn: AtomicU64::new(0),
        }
    }

    /// The same, of which another value can be had for the asking.
    pub(super) fn renewable(self) -> Self {
        Self { doubts: Some(Doubts::default()), ..self }
    }

    /// The same of one principal.
    pub(super) fn own(self) -> Self {
        Self { is_own: true, ..self }
    }

    pub(super) fn is_own(&self) -> bool {
        self.is_own
    }

    pub(super) fn turn(&self) -> u64 {
        self.turn.load(Ordering::Relaxed)
    }

    pub(super) fn had_turn(&self, turn: u64) {
        self.turn.store(turn, Ordering::Relaxed);
    }

    /// Waits until it was looked for once, or for so long.
    pub async fn read_within(&self, patience: Duration) {
        let until = tokio::time::Instant::now() + patience;
        loop {
            let looked = self.looked.notified();
            tokio::pin!(looked);
            looked.as_mut().enable();
            if !self.is_unread() || tokio::time::timeout_at(until, looked).await.is_err() {
                return;
            }
        }
    }

    /// Whether another value than that of this version is there, after having asked for one where that may help: for whoever was told that
    /// this one is no good. Waits no longer than some seconds.
    pub async fn renew(&self, version: u64) -> bool {
        if self.version() != version {
            return true;
        }
        let Some(doubts) = &self.doubts else { return false };
        let until = tokio::time::Instant::now() + DOUBT_WAITS;
        let looked = self.looked.notified();
        tokio::pin!(looked);
        looked.as_mut().enable();
        if !doubts.begin(Instant::now()) {
            return false;
        }
        // Those who come while one is asked for wait with whoever was first.
        while self.version() == version && doubts.is_wanted.load(Ordering::Acquire) {
            if tokio::time::timeout_at(until, looked.as_mut()).await.is_err() {
                break;
            }
            looked.set(self.looked.notified());
            looked.as_mut().enable();
        }
        self.version() != version
    }

    /// The secret.
    ///
    /// # Errors
    /// Why there is none; whatever needed it has to be refused.
    pub fn load(&self) -> Result<Arc<Secret>, VaultError> {
        self.load_at(Instant::now()).map(|(_, secret)| secret)
    }

    /// Whether nobody has looked for it yet.
    pub(super) fn is_unread(&self) -> bool {
        let held = self.held.load();
        held.version == 0 && held.fault.is_none()
    }

    /// Where the secret is kept.
    pub fn name(&self) -> &SecretRef {
        &self.name
    }

    /// Rises with each new value and when a value is withdrawn; 0 before the first value.
    pub fn version(&self) -> u64 {
        self.held.load().version
    }

    /// The secret, as it may be used at this time, and its version. Whoever derives something from it derives again when the version differs.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_at(&self, now: Instant) -> Result<(u64, Arc<Secret>), VaultError> {
        let held = self.held.load();
        match &held.secret {
            Some(secret) if self.age(now) <= self.max_stale && held.ends.is_none_or(|ends| now < ends) => {
                Ok((held.version, Arc::clone(secret)))
            }
            Some(_) | None => Err(held.fault.unwrap_or(VaultError::Stale)),
        }
    }

    pub(super) fn status(&self, now: Instant) -> SlotStatus {
        let held = self.held.load();
        SlotStatus {
            name: self.name.clone(),
            version: held.version,
            usable: self.load_at(now).is_ok(),
            age: (held.version > 0).then(|| self.age(now)),
            lease: held.ends.map(|ends| ends.saturating_duration_since(now)),
            fault: held.fault,
        }
    }

    /// Looks at the source and takes over what it says.
    pub(super) fn refresh(&self, pass: &Pass<'_>, now: Instant) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_wanted = self.doubts.as_ref().is_some_and(|doubts| doubts.is_wanted.load(Ordering::Acquire));
        if is_wanted {
            *seen = None;
        }
        self.look(pass, &mut seen, now);
        if let Some(doubts) = self.doubts.as_ref().filter(|_| is_wanted) {
            doubts.is_wanted.store(false, Ordering::Release);
        }
        self.looked.notify_waiters();
    }

    fn look(&self, pass: &Pass<'_>, seen: &mut Option<Mark>, now: Instant) {
        let looked = pass.look(&self.name.path, *seen, now);
        self.take(looked, seen, now);
    }

    /// Takes over what was found by whoever asks for this secret alone.
    pub(super) fn found(&self, looked: Result<Look, VaultError>, now: Instant) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        self.take(looked, &mut seen, now);
    }

    fn take(&self, looked: Result<Look, VaultError>, seen: &mut Option<Mark>, now: Instant) {
        let held = self.held.load_full();
        match (looked, held.fault) {
            (Ok(Look::NotDue), _) => {}
            (Ok(Look::Unchanged), None) => self.confirm(now),
            (Ok(Look::Unchanged), Some(fault)) => self.fail(&held, fault, now),
            // What was read last was no secret: the one before it is not confirmed by that.
            (Ok(Look::Renewed { .. }), Some(fault)) => self.fail(&held, fault, now),
            (Ok(Look::Renewed { ends, confirmed }), None) => {
                if ends != held.ends {
                    let secret = held.secret.clone();
                    self.held.store(Arc::new(Held { version: held.version, secret, fault: None, ends }));
                }
                self.confirm(confirmed.unwrap_or(now));
            }
            (Ok(Look::Read { mark, outcome, ends, confirmed }), _) => {
                *seen = mark;
                match outcome {
                    Ok(secret) => self.accept(&held, secret, ends, confirmed.unwrap_or(now)),
                    Err(fault) => self.fail(&held, fault, now),
                }
            }
            (Err(fault), _) => {
                *seen = None;
                self.fail(&held, fault, now);
            }
        }
    }

    fn accept(&self, held: &Held, secret: Secret, ends: Option<Instant>, confirmed: Instant) {
        let same = held.secret.as_ref().filter(|old| constant_time_eq(old.expose(), secret.expose()));
        let (version, kept) = match same {
            Some(old) => (held.version, Arc::clone(old)),
            None => (held.version + 1, Arc::new(secret)),
        };
        let is_news = version != held.version || held.fault.is_some();
        if is_news {
            log::info!("secret {}: version {version} is in use", self.name);
        }
        if is_news || ends != held.ends {
            self.held.store(Arc::new(Held { version, secret: Some(kept), fault: None, ends }));
        }
        self.confirm(confirmed);
    }

    fn fail(&self, held: &Held, fault: VaultError, now: Instant) {
        let may_stay = !is_final(fault) && self.age(now) <= self.max_stale && held.ends.is_none_or(|ends| now < ends);
        let keeps = held.secret.as_ref().filter(|_| may_stay);
        let withdrawn = held.secret.is_some() && keeps.is_none();
        if !withdrawn && held.fault == Some(fault) {
            return;
        }
        match keeps {
            Some(_) => log::warn!(
                "secret {}: {fault}; the last good value is used for {:?} at most",
                self.name,
                self.max_stale
            ),
            None => log::error!("secret {}: {fault}; what needs it is refused", self.name),
        }
        let version = held.version + u64::from(withdrawn);
        self.held.store(Arc::new(Held { version, secret: keeps.cloned(), fault: Some(fault), ends: held.ends }));
    }

    fn confirm(&self, at: Instant) {
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let confirmed = match at.checked_duration_since(self.created) {
            Some(after) => millis(after),
            // Rounded so that nothing looks younger than it is.
            None => -millis(self.created.saturating_duration_since(at)).saturating_add(1),
        };
        self.confirmed.store(confirmed, Ordering::Release);
    }

    fn age(&self, now: Instant) -> Duration {
        let confirmed = self.confirmed.load(Ordering::Acquire);
        let distance = Duration::from_millis(confirmed.unsigned_abs());
        let lived = now.saturating_duration_since(self.created);
        if confirmed < 0 { lived.saturating_add(distance) } else { lived.saturating_sub(distance) }
    }
}

impl Doubts {
    /// Whether another value is asked for now.
    fn begin(&self, now: Instant) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_wanted.load(Ordering::Acquire) {
            return true;
        }
        let is_due = last.is_none_or(|last| now.saturating_duration_since(last) >= DOUBT_EVERY);
        if is_due {
            *last = Some(now);
            self.is_wanted.store(true, Ordering::Release);
        }
        is_due
    }
}

/// Whether the source said that there is no such secret, rather than nothing.
fn is_final(fault: VaultError) -> bool {
    match fault {
        VaultError::NotFound | VaultError::Escapes => true,
        VaultError::Unreadable(_)
        | VaultError::Unwritable(_)
        | VaultError::NotAFile
        | VaultError::TooLarge
        | VaultError::Empty
        | VaultError::Stale
        | VaultError::KeyUnreadable(_)
        | VaultError::KeyExposed
        | VaultError::KeyMalformed
        | VaultError::SealedEmpty
        | VaultError::Sealed(_)
        | VaultError::SealedContent
        | VaultError::Call(_)
        | VaultError::LoginUnreadable(_)
        | VaultError::Refused
        | VaultError::AccessKey
        | VaultError::NoToken
        | VaultError::Unfit
        | VaultError::Closed
        | VaultError::Answer
        | VaultError::Late
        | VaultError::Failed
        | VaultError::Busy => false,
    }
}
