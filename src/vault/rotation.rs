//! Replacing a secret of a sealed file: a new one is made, proved, put in use and watched; then the old one is retired, or comes back.
//!
//! Where a rotation stands lies in the same file as the secrets, and both change in one step: whatever is killed when, what is in use is
//! known, and the next process goes on from there.

mod answers;
mod calls;
mod make;
mod provider;
mod renew;
mod retire;
mod settings;
mod state;
mod status;
mod template;
mod turn;

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::files::{self, Stamp};
use super::sealed::{Entries, SealedFile};
use super::worker::Worker;
use super::{KeySource, VaultError, load_key};
use crate::crypto::constant_time_eq;
use crate::domain::{Secret, SecretRef, millis};
use answers::Answers;
use arc_swap::{ArcSwap, ArcSwapOption};
use calls::Made;
use http::StatusCode;
use state::{Change, State, fingerprint, fingerprint_of};
use turn::Turn;

pub use calls::is_id;
pub use provider::{BodyType, Call, CreateCall, HttpProvider, ListCall};
pub use settings::{NewSecret, RotationSettings};
pub use status::{RotationEvent, RotationStage, RotationStatus};
pub use template::{CallTemplate, CallTemplateFault, Placeholder, Written};

/// The replacing of one secret.
#[derive(Debug)]
pub struct Rotation {
    settings: RotationSettings,
    secret: SecretRef,
    file: PathBuf,
    key: KeySource,
    /// Answers while nothing is watched.
    usual: Answers,
    /// Answers to requests with the secret that is watched.
    fresh: Answers,
    watched: ArcSwapOption<Secret>,
    previous: ArcSwapOption<Secret>,
    status: ArcSwap<RotationStatus>,
    running: Mutex<Running>,
}

/// The lock that one process at a time holds. Let go by name: a program that is being started holds whatever its parent has open until it runs, and
/// that something is closed says nothing to it.
struct Alone(File);

impl Drop for Alone {
    fn drop(&mut self) {
        // What cannot be unlocked is closed all the same.
        let _ = self.0.unlock();
    }
}

/// What is known of it in this process alone.
#[derive(Debug, Default)]
struct Running {
    worker: Worker,
    /// How often something failed, one time after another.
    failures: u32,
    /// How often a provider refused to retire what is to be retired now.
    refused: u32,
    /// What failed is not tried again before, unless somebody asks for it.
    not_before: Option<Instant>,
    /// Before that, nothing at all is: the file could not be written, for this reason.
    stuck: Option<(Instant, VaultError)>,
    /// What was made and could not be written yet: nothing is made again before that is.
    made: Option<Made>,
    /// When secrets are renewed again; at once where that is not known.
    renew_at: Option<Instant>,
    /// Whether it was told that the secret in use is too old.
    was_overdue: bool,
    /// The attempt that was begun here.
    attempt: Option<String>,
    /// Whether it may have left a secret of which nothing is known.
    is_in_doubt: bool,
    /// Until when the secret from before a roll-back is known.
    lingers_until: Option<Instant>,
    /// The file as it was when nothing was to be done.
    idle: Option<Stamp>,
}

/// How long to wait after something that failed, twice as long after each time, up to an hour.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
const AGAIN_AFTER_AT_MOST: Duration = Duration::from_secs(3600);
const WRITE_AGAIN_AFTER: Duration = Duration::from_secs(2);
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
            asked_by: None,
            fault: None,
        };
        Self {
            settings,
            secret,
            file,
            key,
            usual: Answers::default(),
            fresh: Answers::default(),
            watched: ArcSwapOption::empty(),
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
    pub fn answered(&self, secret: &Secret, status: StatusCode) {
        match &*self.watched.load() {
            None => self.usual.add(status),
            Some(watched) if constant_time_eq(watched.expose(), secret.expose()) => self.fresh.add(status),
            // Of one that is not used any more, nobody wants to know.
            Some(_) => {}
        }
    }

    /// Asks for a new secret now, in the name of this one; whoever calls [`Self::step`] makes it.
    ///
    /// # Errors
    /// [`VaultError::Busy`] while one is being replaced, and those of the file.
    pub fn ask(&self, by: &str, now: SystemTime) -> Result<(), VaultError> {
        let key = load_key(&self.key)?;
        SealedFile::new(self.file.clone()).update(&key, |all| {
            let state = self.state(all)?.unwrap_or_else(|| State::new(now));
            if state.stage != RotationStage::Idle {
                return Err(VaultError::Busy);
            }
            let (stage, asked_by) = (RotationStage::Asked, Some(by.to_owned()));
            self.put(all, &State { stage, since_ms: millis(now), fault: None, asked_by, ..state })
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
        let is_renewed = self.settings.source.is_renewed() && running.is_renewal_due();
        if running.idle == Some(file.stamp()?) && !self.is_due(now) && !is_renewed {
            return Ok(Vec::new());
        }
        let key = load_key(&self.key)?;
        // What is in use is known also while another process is at it.
        self.remember(&mut running, file.read(&key)?, now)?;
        if let Some((_, error)) = running.stuck.filter(|(until, _)| Instant::now() < *until) {
            return Err(error);
        }
        let Some(_alone) = self.alone()? else { return Ok(Vec::new()) };
        let (mut entries, stamp) = file.read_stamped(&key)?;
        let found = self.state(&entries)?;
        let in_use = entries.get(&self.secret.path).map(fingerprint);
        let is_overdue = self.status.load().is_overdue;
        let was_overdue = std::mem::replace(&mut running.was_overdue, is_overdue);
        let events = if is_overdue && !was_overdue { vec![RotationEvent::Overdue] } else { Vec::new() };
        let mut turn = Turn { rotation: self, running: &mut running, now, in_use: in_use.clone(), events };
        let next = turn.take(found.as_ref(), &mut entries, prove);
        let events = turn.events;
        let Some((mut state, change)) = next else {
            let is_idle = found.as_ref().is_some_and(|state| state.stage == RotationStage::Idle);
            running.idle = Some(stamp).filter(|stamp| is_idle && stamp.is_settled(now));
            return Ok(events);
        };
        running.idle = None;
        state.ids.follow(&change, &self.settings.source);
        if change.is_promotion() {
            // Before anybody can come with the new one.
            self.previous.store(entries.take(&self.secret.path).map(Arc::new));
        }
        if matches!(change, Change::RollBack) {
            running.lingers_until = Some(Instant::now() + LINGERS);
        }
        let has_made = matches!(change, Change::Stage(..));
        let written = file.update(&key, |all| {
            // Somebody may have changed it while a program ran, or the target was asked.
            let is_same = all.get(&self.secret.path).map(fingerprint) == in_use;
            if self.state(all)? != found || (change.rests_on_use() && !is_same) {
                return Err(VaultError::Busy);
            }
            change.make(self, all)?;
            self.put(all, &state)
        });
        match written {
            Ok(()) => {
                (running.stuck, running.made) = (None, None);
                self.remember(&mut running, file.read(&key)?, now).map(|()| events)
            }
            Err(VaultError::Busy) => Ok(Vec::new()),
            Err(error) => {
                // Nobody may wait long for what is no good to go.
                let wait = if has_made { running.next_wait() } else { WRITE_AGAIN_AFTER };
                running.stuck = Some((Instant::now() + wait, error));
                Err(error)
            }
        }
    }

    /// Whether the secret in use is as old as it should become, as far as this process knows.
    fn is_due(&self, now: SystemTime) -> bool {
        let age = self.status.load().since.and_then(|since| now.duration_since(since).ok());
        self.settings.every.is_some_and(|every| age.is_none_or(|age| age >= every))
    }

    /// Takes over what lies in the file: the secret that is watched, the one before it, and where all stands.
    fn remember(&self, running: &mut Running, mut entries: Entries, now: SystemTime) -> Result<(), VaultError> {
        let state = self.state(&entries)?;
        let is_watched = state.as_ref().is_some_and(|state| state.stage == RotationStage::Watching);
        let watched = entries.take(&self.secret.path).filter(|_| is_watched).map(Arc::new);
        if watched.is_none() || self.watched.load().is_none() {
            self.fresh.clear();
        }
        self.watched.store(watched);
        // Requests under way with one that was rolled back still need the one before it.
        if running.lingers_until.is_none() {
            self.previous.store(entries.take(&self.named("previous")).map(Arc::new));
        }
        self.status.store(Arc::new(self.status_of(state.as_ref(), now)));
        Ok(())
    }

    fn status_of(&self, state: Option<&State>, now: SystemTime) -> RotationStatus {
        let since = state.map(|state| UNIX_EPOCH + Duration::from_secs(state.rotated));
        let age = since.and_then(|since| now.duration_since(since).ok()).unwrap_or_default();
        RotationStatus {
            stage: state.map(|state| state.stage),
            since,
            is_overdue: self.settings.every.is_some_and(|every| age > every + every / 10),
            asked_by: state.and_then(|state| state.asked_by.clone()),
            fault: state.and_then(|state| state.fault.clone()),
            ..RotationStatus::clone(&self.status.load())
        }
    }

    /// Held while one step is done; none while another process does one.
    fn alone(&self) -> Result<Option<Alone>, VaultError> {
        let file = std::fs::canonicalize(&self.file).map_err(|error| VaultError::Unreadable(error.kind()))?;
        let path = files::sibling(&file, &format!(".{}.rotation", &fingerprint_of(self.secret.path.as_bytes())[..16]));
        let opened = files::lock_file(&path, &file).map_err(|error| VaultError::Unwritable(error.kind()))?;
        Ok(opened.try_lock().is_ok().then(|| Alone(opened)))
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

/// How long to wait after so many failures, one after another.
fn wait_after(failures: u32) -> Duration {
    let doubled = AGAIN_AFTER.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(AGAIN_AFTER_AT_MOST)
}

impl Running {
    /// How long to wait after something that failed, longer each time.
    fn next_wait(&mut self) -> Duration {
        self.failures += 1;
        wait_after(self.failures)
    }
}

#[cfg(test)]
mod tests;
