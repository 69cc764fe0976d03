//! One step of a rotation: what is due, and what is changed together with where it stands.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::answers::share;
use super::state::{Change, Ids, State, fingerprint};
use super::{NewSecret, Rotation, RotationEvent, RotationStage, Running, wait_after};
use crate::domain::{Secret, millis, seconds};
use crate::vault::VaultError;
use crate::vault::command::{self, Asked};
use crate::vault::sealed::Entries;

/// So few answers that say that nobody is known by a secret tell nothing.
const FEW: u64 = 5;
/// So few that say that it allows nothing: whoever asks for what they may not have brings them about.
const FEW_FORBIDDEN: u64 = 50;
/// Between two tries to have a new secret taken.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// Between two tries to have it made or installed.
pub(super) const INSTALL_EVERY: Duration = Duration::from_secs(5);

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
        let Some(state) = found else {
            return Some((State { used: self.in_use.clone(), ..State::new(self.now) }, Change::Nothing));
        };
        let state = &State { ids: state.ids.clone().of(settings.source.origin().as_deref()), ..state.clone() };
        if let Some(next) = self.renew(state) {
            return Some(next);
        }
        let now = seconds(self.now);
        let lasted = Duration::from_millis(millis(self.now).saturating_sub(state.since_ms));
        let is_over = |time: Duration| lasted >= time;
        let is_old = settings.every.is_some_and(|every| now.saturating_sub(state.rotated) >= every.as_secs());
        let is_left = state.used == self.in_use;
        let next = |entries: &mut Entries| entries.take(&self.rotation.named("next"));
        match state.stage {
            RotationStage::Idle if !is_left && self.in_use.is_some() => {
                Some((self.set_by_hand(state), Change::Nothing))
            }
            // Whichever process it was that failed.
            RotationStage::Idle if is_old && (state.failures == 0 || is_over(wait_after(state.failures))) => {
                Some((State { asked_by: None, ..self.at(state, RotationStage::Asked) }, Change::Nothing))
            }
            RotationStage::Idle => None,
            // Written before anything is made: where that cannot be, nothing is.
            RotationStage::Asked => Some((self.at(state, RotationStage::Making), Change::Nothing)),
            RotationStage::Making if !self.may_try() => None,
            RotationStage::Making => self.make(state, is_over(settings.patience)),
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
                Some((self.set_by_hand(state), Change::Forget))
            }
            RotationStage::Watching => match self.too_many_refusals(state) {
                Some(reason) if entries.get(&self.rotation.named("previous")).is_some() => {
                    let previous = entries.get(&self.rotation.named("previous")).map(fingerprint);
                    Some(self.roll_back(state, reason, previous))
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

    /// Somebody has put another secret in use: its age counts from now.
    fn set_by_hand(&mut self, state: &State) -> State {
        let used = self.in_use.clone();
        // As those left it who wrote before this was known.
        if state.used.is_none() {
            return State { used, ..state.clone() };
        }
        self.events.push(RotationEvent::LeftAlone);
        let idle = self.at(state, RotationStage::Idle);
        State { rotated: seconds(self.now), used, failures: 0, ids: Ids::lost(), ..idle }
    }

    pub(super) fn at(&self, state: &State, stage: RotationStage) -> State {
        State { stage, since_ms: millis(self.now), fault: None, ..state.clone() }
    }

    pub(super) fn failed(&self, state: &State, reason: String, stage: RotationStage) -> State {
        State { fault: Some(reason), failures: state.failures.saturating_add(1), ..self.at(state, stage) }
    }

    pub(super) fn may_try(&self) -> bool {
        self.running.not_before.is_none_or(|until| Instant::now() >= until)
    }

    pub(super) fn wait(&mut self, time: Duration) {
        self.running.not_before = Some(Instant::now() + time);
    }

    /// What there is of a new one is retired.
    fn give_up(&mut self, state: &State, reason: String) -> (State, Change) {
        self.running.not_before = None;
        self.events.push(RotationEvent::Failed(reason.clone()));
        (self.failed(state, reason, RotationStage::Retiring), Change::GiveUp)
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

    fn roll_back(&mut self, state: &State, reason: String, previous: Option<String>) -> (State, Change) {
        self.events.push(RotationEvent::RolledBack(reason.clone()));
        let failed = self.failed(state, reason, RotationStage::Retiring);
        (State { used: previous, rotated: state.rotated_before, ..failed }, Change::RollBack)
    }

    pub(super) fn run(&mut self, program: &[String], input: Option<&Secret>) -> Result<Secret, VaultError> {
        let settings = &self.rotation.settings;
        let asked = Asked { program, path: &self.rotation.secret.path, timeout: settings.timeout, input };
        let ran = self.running.worker.wait(command::run(&asked));
        ran.map_err(|error| VaultError::Unreadable(error.kind()))?
    }
}
