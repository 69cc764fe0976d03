//! One step of a rotation: what is due, and what is changed together with where it stands.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::answers::share;
use super::{NewSecret, Rotation, RotationEvent, RotationStage, Running, wait_after};
use crate::crypto::{random, sha256};
use crate::domain::{Secret, hex, seconds};
use crate::vault::VaultError;
use crate::vault::command::{self, Asked};
use crate::vault::sealed::{Entries, check_secret};

/// Where a rotation stands, as it lies in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) stage: RotationStage,
    /// When it came there, in seconds since 1970.
    pub(super) since: u64,
    /// When the secret in use was put in use, and the one before it.
    pub(super) rotated: u64,
    #[serde(default)]
    pub(super) rotated_before: u64,
    /// The digest of the secret in use as this rotation knows it (SHA-256): another one was set by somebody else.
    pub(super) used: Option<String>,
    /// How many of a hundred answers were refusals before the secret in use.
    #[serde(default)]
    pub(super) usual: f64,
    pub(super) fault: Option<String>,
    /// How many new secrets were no good, one after another.
    #[serde(default)]
    pub(super) failures: u32,
}

/// So few answers that say that nobody is known by a secret tell nothing.
const FEW: u64 = 5;
/// So few that say that it allows nothing: whoever asks for what they may not have brings them about.
const FEW_FORBIDDEN: u64 = 50;
/// Between two tries to have a new secret taken.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// Between two tries to have it installed.
const INSTALL_EVERY: Duration = Duration::from_secs(5);

/// What is changed together with where a rotation stands.
pub(super) enum Change {
    Nothing,
    /// There is a new one.
    Stage(Secret),
    /// The new one is the one in use.
    Promote,
    /// The one before is, and the one in use is used no more.
    RollBack,
    /// The new one is used no more.
    GiveUp,
    /// The one before is used no more.
    Expire,
    /// There is none but the one in use.
    Forget,
}

impl Change {
    pub(super) fn is_promotion(&self) -> bool {
        matches!(self, Self::Promote)
    }

    /// Whether it is right only for the secret in use as it was found.
    pub(super) fn rests_on_use(&self) -> bool {
        match self {
            Self::Promote | Self::RollBack | Self::Expire => true,
            Self::Nothing | Self::Stage(_) | Self::GiveUp | Self::Forget => false,
        }
    }

    pub(super) fn make(self, rotation: &Rotation, all: &mut Entries) -> Result<(), VaultError> {
        let [next, previous, unused] = ["next", "previous", "unused"].map(|what| rotation.named(what));
        let path = &rotation.secret.path;
        let rename = |all: &mut Entries, from: &str, to: &str| match all.take(from) {
            Some(secret) => all.set(to, secret),
            None => Ok(()),
        };
        match self {
            Self::Nothing => {}
            Self::Stage(secret) => all.set(&next, secret)?,
            Self::Promote => {
                rename(all, path, &previous)?;
                rename(all, &next, path)?;
            }
            Self::RollBack => {
                rename(all, path, &unused)?;
                rename(all, &previous, path)?;
            }
            Self::GiveUp => rename(all, &next, &unused)?,
            Self::Expire => rename(all, &previous, &unused)?,
            Self::Forget => [next, previous, unused].iter().for_each(|name| drop(all.take(name))),
        }
        Ok(())
    }
}

/// One step.
pub(super) struct Turn<'a> {
    pub(super) rotation: &'a Rotation,
    pub(super) running: &'a mut Running,
    pub(super) now: SystemTime,
    /// The digest of the secret in use.
    pub(super) in_use: Option<String>,
    pub(super) events: Vec<RotationEvent>,
}

impl Turn<'_> {
    /// Where it stands after this step, and what is changed with that; none where nothing is due.
    pub(super) fn take(
        &mut self,
        found: Option<&State>,
        entries: &mut Entries,
        prove: impl Fn(&Arc<Secret>) -> Result<(), String>,
    ) -> Option<(State, Change)> {
        let settings = &self.rotation.settings;
        // Older than now it may be, but nobody knows.
        let Some(state) = found else { return Some((State::new(self.now), Change::Nothing)) };
        let now = seconds(self.now);
        let is_over = |time: Duration| now.saturating_sub(state.since) >= time.as_secs();
        let is_old = settings.every.is_some_and(|every| now.saturating_sub(state.rotated) >= every.as_secs());
        let is_left = state.used == self.in_use;
        let next = |entries: &mut Entries| entries.take(&self.rotation.named("next"));
        match state.stage {
            // Whichever process it was that failed.
            RotationStage::Idle if is_old && (state.failures == 0 || is_over(wait_after(state.failures))) => {
                Some((self.at(state, RotationStage::Asked), Change::Nothing))
            }
            RotationStage::Idle => None,
            // Written before anything is made: where that cannot be, nothing is.
            RotationStage::Asked => Some((self.at(state, RotationStage::Making), Change::Nothing)),
            RotationStage::Making => Some(self.make(state)),
            RotationStage::Installing | RotationStage::Probing if !is_left => {
                Some(self.give_up(state, "somebody has set another secret meanwhile".to_owned()))
            }
            RotationStage::Installing | RotationStage::Probing if !self.may_try() => None,
            RotationStage::Installing => match next(entries) {
                Some(secret) => self.install(state, &secret, is_over(settings.patience)),
                None => Some(self.give_up(state, "there is no new secret".to_owned())),
            },
            RotationStage::Probing => match next(entries) {
                Some(secret) => self.probe(state, Arc::new(secret), is_over(settings.patience), prove),
                None => Some(self.give_up(state, "there is no new secret".to_owned())),
            },
            RotationStage::Watching | RotationStage::Grace if !is_left => {
                self.events.push(RotationEvent::LeftAlone);
                Some((State { rotated: now, ..self.at(state, RotationStage::Idle) }, Change::Forget))
            }
            RotationStage::Watching => match self.too_many_refusals(state) {
                Some(reason) if entries.get(&self.rotation.named("previous")).is_some() => {
                    Some(self.roll_back(state, reason))
                }
                _ if is_over(settings.watch) => {
                    Some((State { failures: 0, ..self.at(state, RotationStage::Grace) }, Change::Nothing))
                }
                _ => None,
            },
            RotationStage::Grace if is_over(settings.grace) => {
                Some((self.at(state, RotationStage::Retiring), Change::Expire))
            }
            RotationStage::Grace => None,
            RotationStage::Retiring if self.may_try() => self.retire(state, entries),
            RotationStage::Retiring => None,
        }
    }

    fn at(&self, state: &State, stage: RotationStage) -> State {
        State { stage, since: seconds(self.now), fault: None, ..state.clone() }
    }

    fn failed(&self, state: &State, reason: String, stage: RotationStage) -> State {
        State { fault: Some(reason), failures: state.failures.saturating_add(1), ..self.at(state, stage) }
    }

    fn may_try(&self) -> bool {
        self.running.not_before.is_none_or(|until| Instant::now() >= until)
    }

    fn wait(&mut self, time: Duration) {
        self.running.not_before = Some(Instant::now() + time);
    }

    /// What there is of a new one is retired.
    fn give_up(&mut self, state: &State, reason: String) -> (State, Change) {
        self.running.not_before = None;
        self.events.push(RotationEvent::Failed(reason.clone()));
        (self.failed(state, reason, RotationStage::Retiring), Change::GiveUp)
    }

    fn make(&mut self, state: &State) -> (State, Change) {
        let made = match &self.rotation.settings.source {
            _ if self.running.made.is_some() => self.running.made.take().ok_or(VaultError::NotFound),
            NewSecret::Program(program) => self.run(program, None),
            NewSecret::Random(bytes, _) => {
                let random: [u8; 512] = random();
                Ok(Secret::new(hex(random.get(..*bytes).unwrap_or(&random)).into_bytes()))
            }
        };
        let checked = made.and_then(|secret| check_secret(&secret).map(|()| secret)).map_err(|error| error.to_string());
        let fresh = checked.and_then(|secret| {
            // It would be retired as the old one in the end.
            if self.in_use.as_ref() == Some(&fingerprint(&secret)) {
                Err("it is the one in use".to_owned())
            } else {
                Ok(secret)
            }
        });
        let stage = match &self.rotation.settings.source {
            NewSecret::Random(_, install) if !install.is_empty() => RotationStage::Installing,
            NewSecret::Random(..) | NewSecret::Program(_) => RotationStage::Probing,
        };
        match fresh {
            Ok(secret) => {
                self.running.not_before = None;
                self.events.push(RotationEvent::Made);
                self.running.made = Some(Secret::new(secret.expose().to_vec()));
                (State { used: self.in_use.clone(), ..self.at(state, stage) }, Change::Stage(secret))
            }
            Err(reason) => {
                let reason = format!("no new secret could be made: {reason}");
                self.events.push(RotationEvent::Failed(reason.clone()));
                (self.failed(state, reason, RotationStage::Idle), Change::Forget)
            }
        }
    }

    fn install(&mut self, state: &State, secret: &Secret, is_late: bool) -> Option<(State, Change)> {
        let NewSecret::Random(_, install) = &self.rotation.settings.source else {
            return Some((self.at(state, RotationStage::Probing), Change::Nothing));
        };
        match self.run(install, Some(secret)) {
            Ok(_) => Some((self.at(state, RotationStage::Probing), Change::Nothing)),
            Err(error) if is_late => Some(self.give_up(state, format!("the new secret was not installed: {error}"))),
            Err(error) => {
                log::warn!("rotation {}: the new secret is not installed: {error}", self.rotation.settings.name);
                self.wait(INSTALL_EVERY);
                None
            }
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
                let [all, unauthorized, forbidden] = self.rotation.usual.counts();
                let state = State {
                    rotated: seconds(self.now),
                    rotated_before: state.rotated,
                    used: Some(fingerprint(&secret)),
                    usual: share(unauthorized + forbidden, all),
                    ..self.at(state, RotationStage::Watching)
                };
                Some((state, Change::Promote))
            }
            Err(reason) if is_late => Some(self.give_up(state, format!("the new secret was not taken: {reason}"))),
            Err(reason) => {
                log::info!("rotation {}: the new secret is not taken yet: {reason}", self.rotation.settings.name);
                self.wait(PROBE_EVERY);
                None
            }
        }
    }

    fn too_many_refusals(&self, state: &State) -> Option<String> {
        let [all, unauthorized, forbidden] = self.rotation.fresh.counts();
        let refused = unauthorized + forbidden;
        let allowed = state.usual + f64::from(self.rotation.settings.max_refused);
        let is_told = unauthorized >= FEW || refused >= FEW_FORBIDDEN;
        let is_too_many = is_told && share(refused, all) > allowed;
        is_too_many.then(|| format!("{refused} of {all} requests with it were refused by the target"))
    }

    fn roll_back(&mut self, state: &State, reason: String) -> (State, Change) {
        self.events.push(RotationEvent::RolledBack(reason.clone()));
        let failed = self.failed(state, reason, RotationStage::Retiring);
        (State { used: None, rotated: state.rotated_before, ..failed }, Change::RollBack)
    }

    /// Tells off what is not used any more; what went wrong before is still told then.
    fn retire(&mut self, state: &State, entries: &mut Entries) -> Option<(State, Change)> {
        let program = &self.rotation.settings.retire;
        let unused = entries.take(&self.rotation.named("unused"));
        if let Some(secret) = unused.filter(|_| !program.is_empty()) {
            // Somebody may have set it again.
            let done = if self.in_use.as_ref() == Some(&fingerprint(&secret)) {
                Err("it is in use".to_owned())
            } else {
                match self.run(program, Some(&secret)) {
                    Ok(_) | Err(VaultError::NotFound) => Ok(()),
                    Err(error) => {
                        self.events.push(RotationEvent::NotRetired(error.to_string()));
                        let wait = self.running.next_wait();
                        self.wait(wait);
                        return None;
                    }
                }
            };
            self.events.push(done.map_or_else(RotationEvent::NotRetired, |()| RotationEvent::Retired));
        }
        (self.running.failures, self.running.not_before) = (0, None);
        Some((State { fault: state.fault.clone(), ..self.at(state, RotationStage::Idle) }, Change::Forget))
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
        let now = seconds(now);
        Self {
            stage: RotationStage::Idle,
            since: now,
            rotated: now,
            rotated_before: now,
            used: None,
            usual: 0.0,
            fault: None,
            failures: 0,
        }
    }
}

pub(super) fn fingerprint(secret: &Secret) -> String {
    fingerprint_of(secret.expose())
}

pub(super) fn fingerprint_of(bytes: &[u8]) -> String {
    hex(&sha256(bytes))
}
