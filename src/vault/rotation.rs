//! Replacing a secret of a sealed file: a new one is made, proved, put in use and watched; then the old one is retired, or comes back.
//!
//! Where a rotation stands lies in the same file as the secrets, and both change in one step: whatever is killed when, what is in use is
//! known, and the next process goes on from there.

mod turn;

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::{ArcSwap, ArcSwapOption};
use serde::{Deserialize, Serialize};

use super::files::{self, Stamp};
use super::sealed::{Entries, SealedFile};
use super::worker::Worker;
use super::{KeySource, VaultError, load_key};
use crate::domain::{Name, Secret, SecretRef, seconds};
use turn::{State, Turn};

/// How a secret is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RotationSettings {
    /// The `[rotation.NAME]`.
    pub name: Name,
    /// Whose secret it is.
    pub credential: Name,
    /// How old a secret may become; none where it is replaced on command alone.
    pub every: Option<Duration>,
    /// Where a new one comes from.
    pub source: NewSecret,
    /// How long a new one may take until it is taken.
    pub patience: Duration,
    /// How long what the target answers is watched, once the new one is in use.
    pub watch: Duration,
    /// How many of a hundred answers may be refusals, beyond as many as there were before, until the old one comes back.
    pub max_refused: u8,
    /// How long the old one is kept after that.
    pub grace: Duration,
    /// A program that is told of one that is not used any more, on its standard input; empty where nobody is.
    pub retire: Vec<String>,
    /// How long a program may take.
    pub timeout: Duration,
}

/// Where a new secret comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NewSecret {
    /// A program makes it, and prints it.
    Program(Vec<String>),
    /// It is made here, of so many random bytes, written in hexadecimal; a program is told it on its standard input.
    Random(usize, Vec<String>),
}

/// The replacing of one secret.
#[derive(Debug)]
pub struct Rotation {
    settings: RotationSettings,
    secret: SecretRef,
    file: PathBuf,
    key: KeySource,
    answered: AtomicU64,
    refused: AtomicU64,
    previous: ArcSwapOption<Secret>,
    status: ArcSwap<RotationStatus>,
    running: Mutex<Running>,
}

/// What is known of it in this process alone.
#[derive(Debug, Default)]
struct Running {
    worker: Worker,
    /// The answers there were when the secret in use began to be watched, and how many of a hundred were refusals before.
    watched: Option<(u64, u64, f64)>,
    /// How often something failed, one time after another.
    failures: u32,
    /// What failed is not tried again before.
    not_before: Option<Instant>,
    /// Until when the secret from before a roll-back is known.
    lingers_until: Option<Instant>,
    /// The file as it was when nothing was to be done.
    idle: Option<Stamp>,
}

/// What operators may know of a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationStatus {
    /// The `[rotation.NAME]`.
    pub name: Name,
    /// The credential.
    pub credential: Name,
    /// Where its secret is.
    pub secret: SecretRef,
    /// Where it stands; none while that is not known.
    pub stage: Option<RotationStage>,
    /// When the secret in use was put in use, as far as this is known.
    pub since: Option<SystemTime>,
    /// Whether it is older than it should become, by more than a tenth.
    pub is_overdue: bool,
    /// What went wrong last.
    pub fault: Option<String>,
}

/// Where a rotation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RotationStage {
    /// Nothing is to be done.
    Idle,
    /// Somebody, or the schedule, wants a new secret.
    Asked,
    /// There is one, and it is to be proved.
    Probing,
    /// It is in use, and what the target answers is watched.
    Watching,
    /// The old one is kept for a while.
    Grace,
}

/// What became of a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RotationEvent {
    /// A new secret was made.
    Made,
    /// The target took it: it is in use.
    Promoted,
    /// The one before it is in use again, for this reason.
    RolledBack(String),
    /// There is no new one, for this reason; nothing has changed.
    Failed(String),
    /// The old one is retired, or was replaced by somebody else.
    Done,
    /// The old one, or one that was no good, could not be retired, for this reason.
    NotRetired(String),
}

/// Longer than requests wait for an answer that says no.
const LINGERS: Duration = Duration::from_secs(60);

impl Rotation {
    /// How often [`Self::step`] has to be called.
    pub const STEP_EVERY: Duration = Duration::from_millis(250);

    pub(super) fn new(settings: RotationSettings, secret: SecretRef, file: PathBuf, key: KeySource) -> Self {
        let status = RotationStatus {
            name: settings.name.clone(),
            credential: settings.credential.clone(),
            secret: secret.clone(),
            stage: None,
            since: None,
            is_overdue: false,
            fault: None,
        };
        Self {
            settings,
            secret,
            file,
            key,
            answered: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            previous: ArcSwapOption::empty(),
            status: ArcSwap::from_pointee(status),
            running: Mutex::default(),
        }
    }

    /// How it is done.
    pub fn settings(&self) -> &RotationSettings {
        &self.settings
    }

    /// Where it stands.
    pub fn status(&self) -> Arc<RotationStatus> {
        self.status.load_full()
    }

    /// The secret that was in use before, as long as it is kept.
    pub fn previous(&self) -> Option<Arc<Secret>> {
        self.previous.load_full()
    }

    /// Counts an answer of the target to a request with this secret.
    pub fn answered(&self, is_refusal: bool) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        self.refused.fetch_add(is_refusal.into(), Ordering::Relaxed);
    }

    /// Asks for a new secret now; whoever calls [`Self::step`] makes it.
    ///
    /// # Errors
    /// [`VaultError::Busy`] while one is being replaced, and those of the file.
    pub fn ask(&self, now: SystemTime) -> Result<(), VaultError> {
        let key = load_key(&self.key)?;
        SealedFile::new(self.file.clone()).update(&key, |all| {
            let state = self.state(all)?.unwrap_or_else(|| State::new(now));
            if state.stage != RotationStage::Idle {
                return Err(VaultError::Busy);
            }
            self.put(all, &State { stage: RotationStage::Asked, since: seconds(now), fault: None, ..state })
        })
    }

    /// Where it stands in the file.
    ///
    /// # Errors
    /// Those of the file.
    pub fn look(&self, now: SystemTime) -> Result<RotationStatus, VaultError> {
        let entries = SealedFile::new(self.file.clone()).read(&load_key(&self.key)?)?;
        Ok(self.status_of(self.state(&entries)?.as_ref(), now))
    }

    /// Does what is due, one step; tells what has come of it. `prove` asks the target whether it takes a secret. Blocks, also for programs:
    /// not for threads that serve requests. Only one process does anything at a time.
    ///
    /// # Errors
    /// Those of the file.
    pub fn step(
        &self,
        now: SystemTime,
        prove: impl Fn(&Arc<Secret>) -> Result<(), String>,
    ) -> Result<Vec<RotationEvent>, VaultError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let file = SealedFile::new(self.file.clone());
        if running.lingers_until.take_if(|until| Instant::now() >= *until).is_some() {
            self.previous.store(None);
        }
        if running.idle == Some(file.stamp()?) && !self.is_due(now) {
            return Ok(Vec::new());
        }
        let Some(_alone) = self.alone()? else { return Ok(Vec::new()) };
        let key = load_key(&self.key)?;
        let (mut entries, stamp) = file.read_stamped(&key)?;
        let found = self.state(&entries)?;
        let mut turn = Turn { rotation: self, running: &mut running, now, events: Vec::new() };
        let next = turn.take(found.as_ref(), &mut entries, prove)?;
        let events = turn.events;
        running.idle = None;
        let state = match next {
            Some((state, change)) => {
                file.update(&key, |all| {
                    change.make(self, all)?;
                    self.put(all, &state)
                })?;
                entries = file.read(&key)?;
                Some(state)
            }
            None => {
                let is_idle = found.as_ref().is_some_and(|state| state.stage == RotationStage::Idle);
                running.idle = Some(stamp).filter(|stamp| is_idle && stamp.is_settled(now));
                found
            }
        };
        self.remember(&mut running, entries.take(&self.named("previous")), &events);
        self.status.store(Arc::new(self.status_of(state.as_ref(), now)));
        Ok(events)
    }

    /// Whether the secret in use is as old as it should become, as far as this process knows.
    fn is_due(&self, now: SystemTime) -> bool {
        let age = self.status.load().since.and_then(|since| now.duration_since(since).ok());
        self.settings.every.is_some_and(|every| age.is_none_or(|age| age >= every))
    }

    /// Requests that are under way with a secret that was rolled back still need the one before.
    fn remember(&self, running: &mut Running, previous: Option<Secret>, events: &[RotationEvent]) {
        if events.iter().any(|event| matches!(event, RotationEvent::RolledBack(_))) {
            running.lingers_until = Some(Instant::now() + LINGERS);
        } else if running.lingers_until.is_none() {
            self.previous.store(previous.map(Arc::new));
        }
    }

    fn status_of(&self, state: Option<&State>, now: SystemTime) -> RotationStatus {
        let since = state.map(|state| UNIX_EPOCH + Duration::from_secs(state.rotated));
        let age = since.and_then(|since| now.duration_since(since).ok()).unwrap_or_default();
        RotationStatus {
            stage: state.map(|state| state.stage),
            since,
            is_overdue: self.settings.every.is_some_and(|every| age > every + every / 10),
            fault: state.and_then(|state| state.fault.clone()),
            ..RotationStatus::clone(&self.status.load())
        }
    }

    /// Held while one step is done; none while another process does one.
    fn alone(&self) -> Result<Option<File>, VaultError> {
        let path = files::sibling(&self.file, ".rotation");
        let opened = files::lock_file(&path).map_err(|error| VaultError::Unwritable(error.kind()))?;
        Ok(opened.try_lock().is_ok().then_some(opened))
    }

    /// What lies beside the secret. With a blank in it, no reference can name it.
    fn named(&self, what: &str) -> String {
        format!("{} ({what})", self.secret.path)
    }

    fn state(&self, entries: &Entries) -> Result<Option<State>, VaultError> {
        let Some(text) = entries.get(&self.named("rotation")) else { return Ok(None) };
        serde_json::from_slice(text.expose()).map(Some).map_err(|_| VaultError::SealedContent)
    }

    fn put(&self, entries: &mut Entries, state: &State) -> Result<(), VaultError> {
        let text = serde_json::to_vec(state).map_err(|_| VaultError::SealedContent)?;
        entries.set(&self.named("rotation"), Secret::new(text))
    }
}

impl RotationStage {
    /// The word for it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Asked => "asked",
            Self::Probing => "probing",
            Self::Watching => "watching",
            Self::Grace => "grace",
        }
    }
}

#[cfg(test)]
mod tests;
