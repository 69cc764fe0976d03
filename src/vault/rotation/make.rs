//! Making a new secret, and what to do where nobody knows whether one was made.

use super::calls::{CallFault, Made};
use super::provider::HttpProvider;
use super::state::{Change, Ids, State, fingerprint};
use super::turn::{INSTALL_EVERY, Turn};
use super::{NewSecret, RotationEvent, RotationStage};
use crate::crypto::random;
use crate::domain::{Secret, hex};
use crate::vault::VaultError;
use crate::vault::sealed::check_secret;

impl Turn<'_> {
    /// Makes one; none where it is to be tried again.
    pub(super) fn make(&mut self, state: &State, is_late: bool) -> Option<(State, Change)> {
        let source = &self.rotation.settings.source;
        if let (NewSecret::Http(_), None) = (source, &state.attempt) {
            // Written before anybody is asked: whoever goes on after this process knows what it may have left.
            let attempt = hex(&random::<16>());
            (self.running.attempt, self.running.is_in_doubt) = (Some(attempt.clone()), false);
            return Some((State { attempt: Some(attempt), ..self.at(state, RotationStage::Making) }, Change::Nothing));
        }
        let made = match self.running.made.take() {
            Some(made) => Ok(made),
            None => self.made(state),
        };
        // It would be retired as the old one in the end.
        let is_in_use = |made: &Made| self.in_use.as_ref() == Some(&fingerprint(&made.secret));
        match made {
            Ok(made) if is_in_use(&made) => {
                self.not_made(state, CallFault::Refused("it is the one in use".to_owned()), is_late)
            }
            // By this id, the one in use would be retired in the end.
            Ok(Made { id: Some(id), .. }) if state.ids.kept(source.first_id()).contains(&id.as_str()) => {
                let reason =
                    format!("the provider calls it {id}, as it does the one in use, which it may have replaced");
                self.not_made(state, CallFault::Refused(reason), is_late)
            }
            Ok(made) => Some(self.stage(state, made)),
            Err(fault) => self.not_made(state, fault, is_late),
        }
    }

    fn made(&mut self, state: &State) -> Result<Made, CallFault> {
        let made = match &self.rotation.settings.source {
            NewSecret::Http(provider) => {
                return self.ask_for_one(provider, state);
            }
            NewSecret::Program(program) => self.run(program, None),
            NewSecret::Random(bytes, _) => {
                let random: [u8; 512] = random();
                Ok(Secret::new(hex(random.get(..*bytes).unwrap_or(&random)).into_bytes()))
            }
        };
        let checked = made.and_then(|secret| check_secret(&secret).map(|()| secret));
        checked.map(|secret| Made { secret, id: None }).map_err(|error| CallFault::Refused(error.to_string()))
    }

    fn ask_for_one(&mut self, provider: &HttpProvider, state: &State) -> Result<Made, CallFault> {
        let attempt = state.attempt.as_deref().unwrap_or_default();
        if self.running.attempt.as_deref() != Some(attempt) {
            // Another process has begun it, and was ended.
            (self.running.attempt, self.running.is_in_doubt) = (Some(attempt.to_owned()), true);
            if !provider.tells_attempts_apart() {
                return Err(CallFault::Unknown("the process that asked for it was ended".to_owned()));
            }
        }
        let asked = self.running.worker.wait(provider.make(attempt, &state.ids.kept(provider.first_id.as_deref())));
        asked.unwrap_or_else(|error| Err(CallFault::Away(VaultError::Unreadable(error.kind()).to_string())))
    }

    fn stage(&mut self, state: &State, Made { secret, id }: Made) -> (State, Change) {
        let stage = match &self.rotation.settings.source {
            NewSecret::Random(_, install) if !install.is_empty() => RotationStage::Installing,
            NewSecret::Random(..) | NewSecret::Program(_) | NewSecret::Http(_) => RotationStage::Probing,
        };
        self.running.not_before = None;
        self.events.push(RotationEvent::Made);
        self.running.made = Some(Made { secret: Secret::new(secret.expose().to_vec()), id: id.clone() });
        let is_other = state.used.is_some() && state.used != self.in_use;
        let ids = if is_other { Ids::lost() } else { state.ids.clone() };
        (State { used: self.in_use.clone(), attempt: None, ids, ..self.at(state, stage) }, Change::Stage(secret, id))
    }

    fn not_made(&mut self, state: &State, fault: CallFault, is_late: bool) -> Option<(State, Change)> {
        let tells = match &self.rotation.settings.source {
            NewSecret::Http(provider) => provider.tells_attempts_apart(),
            NewSecret::Program(_) | NewSecret::Random(..) => false,
        };
        let (reason, may_repeat) = match fault {
            CallFault::Refused(reason) => (reason, false),
            CallFault::Away(reason) => (reason, true),
            CallFault::Unknown(reason) => {
                self.running.is_in_doubt = true;
                (reason, tells)
            }
        };
        if may_repeat && !is_late {
            log::warn!("rotation {}: no new secret is made yet: {reason}", self.rotation.settings.name);
            self.wait(INSTALL_EVERY);
            return None;
        }
        self.running.not_before = None;
        let reason = format!("no new secret could be made: {reason}");
        self.events.push(RotationEvent::Failed(reason.clone()));
        Some(if self.running.is_in_doubt {
            (self.failed(state, reason, RotationStage::Retiring), Change::Forget)
        } else {
            (State { attempt: None, ..self.failed(state, reason, RotationStage::Idle) }, Change::Forget)
        })
    }
}

/// What is told where nobody can find out.
pub(super) const LEFT: &str = "a key may have been made of which nothing is known: look for it at the provider";
