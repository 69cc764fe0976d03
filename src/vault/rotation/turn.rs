//! One step of a rotation: what is due, and what is changed together with where it stands.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::{NewSecret, Rotation, RotationEvent, RotationStage, Running};
use crate::crypto::{random, sha256};
use crate::domain::{Secret, hex, seconds};
use crate::vault::VaultError;
use crate::vault::command::{self, Asked};
use crate::vault::sealed::{Entries, check_secret};

/// Where a rotation stands, as it lies in the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) stage: RotationStage,
    /// When it came there, in seconds since 1970.
    pub(super) since: u64,
    /// When the secret in use was put in use.
    pub(super) rotated: u64,
    /// The digest of the secret that was put in use (SHA-256): another one was set by somebody else.
    pub(super) used: Option<String>,
    pub(super) fault: Option<String>,
}

/// So few refusals say nothing.
const FEW: u64 = 5;
/// How long to wait after something that failed, twice as long after each time, up to an hour.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
const AGAIN_AFTER_AT_MOST: Duration = Duration::from_secs(3600);
/// Between two tries to have a new secret taken.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// What is changed together with where a rotation stands.
pub(super) enum Change {
    Nothing,
    /// There is a new one.
    Stage(Secret),
    /// The new one is the one in use.
    Promote,
    /// The one before is.
    RollBack,
    /// There is none but the one in use.
    Forget,
}

impl Change {
    pub(super) fn make(self, rotation: &Rotation, all: &mut Entries) -> Result<(), VaultError> {
        let [next, previous] = ["next", "previous"].map(|what| rotation.named(what));
        let path = &rotation.secret.path;
        match self {
            Self::Nothing => {}
            Self::Stage(secret) => all.set(&next, secret)?,
            Self::Promote => {
                let (new, old) = (all.take(&next), all.take(path));
                all.set(path, new.ok_or(VaultError::NotFound)?)?;
                old.map(|old| all.set(&previous, old)).transpose()?;
            }
            Self::RollBack => {
                let old = all.take(&previous).ok_or(VaultError::NotFound)?;
                all.set(path, old)?;
            }
            Self::Forget => [next, previous].iter().for_each(|name| drop(all.take(name))),
        }
        Ok(())
    }
}

/// One step.
pub(super) struct Turn<'a> {
    pub(super) rotation: &'a Rotation,
    pub(super) running: &'a mut Running,
    pub(super) now: SystemTime,
    pub(super) events: Vec<RotationEvent>,
}

impl Turn<'_> {
    /// Where it stands after this step, and what is changed with that; none where nothing is due.
    pub(super) fn take(
        &mut self,
        found: Option<&State>,
        entries: &mut Entries,
        prove: impl Fn(&Arc<Secret>) -> Result<(), String>,
    ) -> Result<Option<(State, Change)>, VaultError> {
        let rotation = self.rotation;
        let settings = &rotation.settings;
        let Some(state) = found else {
            // Older than now it may be, but nobody knows.
            return Ok(Some((State::new(self.now), Change::Nothing)));
        };
        let (lasted, age) =
            (seconds(self.now).saturating_sub(state.since), seconds(self.now).saturating_sub(state.rotated));
        let is_over = |time: Duration| lasted >= time.as_secs();
        let in_use = entries.get(&rotation.secret.path).map(fingerprint);
        let is_ours = state.used.is_some() && state.used == in_use;
        Ok(match state.stage {
            RotationStage::Idle if settings.every.is_some_and(|every| age >= every.as_secs()) && self.may_try() => {
                Some((self.at(state, RotationStage::Asked), Change::Nothing))
            }
            RotationStage::Idle => None,
            RotationStage::Asked => Some(self.make(state)),
            RotationStage::Probing if !self.may_try() => None,
            RotationStage::Probing => match entries.take(&rotation.named("next")) {
                Some(secret) => self.probe(state, Arc::new(secret), is_over(settings.patience), prove),
                None => Some(self.fail(state, "there is no new secret".to_owned(), Change::Forget)),
            },
            RotationStage::Watching | RotationStage::Grace if !is_ours => {
                self.events.push(RotationEvent::Done);
                let rotated = seconds(self.now);
                Some((State { rotated, ..self.at(state, RotationStage::Idle) }, Change::Forget))
            }
            RotationStage::Watching => match self.too_many_refusals() {
                Some(reason) => Some(self.roll_back(state, entries, reason)),
                None if is_over(settings.watch) => Some((self.at(state, RotationStage::Grace), Change::Nothing)),
                None => None,
            },
            RotationStage::Grace if is_over(settings.grace) && self.may_try() => self.end(state, entries),
            RotationStage::Grace => None,
        })
    }

    fn at(&self, state: &State, stage: RotationStage) -> State {
        State { stage, since: seconds(self.now), fault: None, ..state.clone() }
    }

    fn fail(&mut self, state: &State, reason: String, change: Change) -> (State, Change) {
        self.back_off();
        self.events.push(RotationEvent::Failed(reason.clone()));
        (State { fault: Some(reason), ..self.at(state, RotationStage::Idle) }, change)
    }

    fn may_try(&self) -> bool {
        self.running.not_before.is_none_or(|until| Instant::now() >= until)
    }

    fn back_off(&mut self) {
        let wait = AGAIN_AFTER.saturating_mul(1 << self.running.failures.min(16)).min(AGAIN_AFTER_AT_MOST);
        self.running.failures += 1;
        self.wait(wait);
    }

    fn wait(&mut self, time: Duration) {
        self.running.not_before = Some(Instant::now() + time);
    }

    fn make(&mut self, state: &State) -> (State, Change) {
        self.running.not_before = None;
        let made = match &self.rotation.settings.source {
            NewSecret::Program(program) => self.run(program, None),
            NewSecret::Random(bytes, tell) => {
                let random: [u8; 1024] = random();
                let secret = Secret::new(hex(random.get(..*bytes).unwrap_or(&random)).into_bytes());
                if tell.is_empty() { Ok(secret) } else { self.run(tell, Some(&secret)).map(|_| secret) }
            }
        };
        match made.and_then(|secret| check_secret(&secret).map(|()| secret)) {
            Ok(secret) => {
                self.events.push(RotationEvent::Made);
                (self.at(state, RotationStage::Probing), Change::Stage(secret))
            }
            Err(error) => self.fail(state, format!("no new secret could be made: {error}"), Change::Forget),
        }
    }

    fn probe(
        &mut self,
        state: &State,
        secret: Arc<Secret>,
        is_late: bool,
        prove: impl Fn(&Arc<Secret>) -> Result<(), String>,
    ) -> Option<(State, Change)> {
        match prove(&secret) {
            Ok(()) => {
                self.events.push(RotationEvent::Promoted);
                let used = Some(fingerprint(&secret));
                self.begin_watch();
                let state = State { rotated: seconds(self.now), used, ..self.at(state, RotationStage::Watching) };
                Some((state, Change::Promote))
            }
            Err(reason) if is_late => {
                self.retire(&secret);
                Some(self.fail(state, format!("the new secret was not taken: {reason}"), Change::Forget))
            }
            Err(reason) => {
                log::info!("rotation {}: the new secret is not taken yet: {reason}", self.rotation.settings.name);
                self.wait(PROBE_EVERY);
                None
            }
        }
    }

    fn begin_watch(&mut self) {
        let (answered, refused) = self.counts();
        self.running.watched = Some((answered, refused, share(refused, answered)));
    }

    fn counts(&self) -> (u64, u64) {
        (self.rotation.answered.load(Ordering::Relaxed), self.rotation.refused.load(Ordering::Relaxed))
    }

    fn too_many_refusals(&mut self) -> Option<String> {
        let (answered, refused) = self.counts();
        // Of a process that has begun since, nothing is known from before.
        let (was_answered, was_refused, before) = *self.running.watched.get_or_insert((answered, refused, 0.0));
        let (answered, refused) = (answered - was_answered, refused - was_refused);
        let allowed = before + f64::from(self.rotation.settings.max_refused);
        let is_too_many = refused >= FEW && share(refused, answered) > allowed;
        is_too_many.then(|| format!("{refused} of {answered} requests with it were refused by the target"))
    }

    fn roll_back(&mut self, state: &State, entries: &mut Entries, reason: String) -> (State, Change) {
        let bad = entries.take(&self.rotation.secret.path);
        if entries.get(&self.rotation.named("previous")).is_none() {
            // The first secret of all: there is none to go back to.
            return (self.at(state, RotationStage::Grace), Change::Nothing);
        }
        self.back_off();
        self.events.push(RotationEvent::RolledBack(reason.clone()));
        if let Some(bad) = bad {
            self.retire(&bad);
        }
        (State { fault: Some(reason), used: None, ..self.at(state, RotationStage::Idle) }, Change::RollBack)
    }

    fn end(&mut self, state: &State, entries: &mut Entries) -> Option<(State, Change)> {
        if let Some(old) = entries.take(&self.rotation.named("previous"))
            && !self.retire(&old)
        {
            self.back_off();
            return None;
        }
        self.running.failures = 0;
        self.events.push(RotationEvent::Done);
        Some((self.at(state, RotationStage::Idle), Change::Forget))
    }

    /// Tells whether nobody uses it any more, as far as that can be told.
    fn retire(&mut self, secret: &Secret) -> bool {
        let program = &self.rotation.settings.retire;
        if program.is_empty() {
            return true;
        }
        match self.run(program, Some(secret)) {
            Ok(_) => true,
            Err(error) => {
                self.events.push(RotationEvent::NotRetired(error.to_string()));
                false
            }
        }
    }

    fn run(&mut self, program: &[String], input: Option<&Secret>) -> Result<Secret, VaultError> {
        let settings = &self.rotation.settings;
        let asked = Asked { program, path: &self.rotation.secret.path, timeout: settings.timeout, input };
        let ran = self.running.worker.wait(command::run(&asked));
        ran.map_err(|error| VaultError::Unreadable(error.kind()))?
    }
}

impl State {
    pub(super) fn new(now: SystemTime) -> Self {
        Self { stage: RotationStage::Idle, since: seconds(now), rotated: seconds(now), used: None, fault: None }
    }
}

fn fingerprint(secret: &Secret) -> String {
    hex(&sha256(secret.expose()))
}

/// How many of a hundred.
#[expect(clippy::cast_precision_loss, reason = "counts")]
pub(super) fn share(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { part as f64 * 100.0 / all as f64 }
}
