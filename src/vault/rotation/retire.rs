//! Telling off what is not used any more.

use super::calls::CallFault;
use super::make::LEFT;
use super::state::{Change, State, fingerprint};
use super::turn::Turn;
use super::{NewSecret, RotationEvent, RotationStage};
use crate::domain::Secret;
use crate::vault::VaultError;
use crate::vault::sealed::Entries;

/// After so many clear refusals (4xx), one after another, it is left to somebody to retire a secret.
const MAX_REFUSED: u32 = 20;

/// What became of it.
enum Ended {
    /// There was nothing to do.
    Nothing,
    Retired,
    /// It cannot be done.
    Left(String),
    /// It is to be tried again.
    Again(String),
}

impl Turn<'_> {
    /// Tells off what is not used any more; what went wrong before is still told then.
    pub(super) fn retire(&mut self, state: &State, entries: &mut Entries) -> Option<(State, Change)> {
        let unused = match entries.take(&self.rotation.named("unused")) {
            Some(secret) => self.retire_one(state, &secret),
            None => Ended::Nothing,
        };
        let attempt = state.attempt.as_deref().map_or(Ended::Nothing, |attempt| self.retire_attempt(state, attempt));
        let mut is_over = true;
        for ended in [unused, attempt] {
            match ended {
                Ended::Nothing => {}
                Ended::Retired => self.events.push(RotationEvent::Retired),
                Ended::Left(reason) => self.events.push(RotationEvent::NotRetired(reason)),
                Ended::Again(reason) => {
                    self.events.push(RotationEvent::NotRetired(reason));
                    is_over = false;
                }
            }
        }
        if !is_over {
            let wait = self.running.next_wait();
            self.wait(wait);
            return None;
        }
        (self.running.failures, self.running.refused, self.running.not_before) = (0, 0, None);
        let idle = State { fault: state.fault.clone(), attempt: None, ..self.at(state, RotationStage::Idle) };
        Some((idle, Change::Forget))
    }

    fn retire_one(&mut self, state: &State, secret: &Secret) -> Ended {
        let settings = &self.rotation.settings;
        let calls = match &settings.source {
            NewSecret::Http(provider) => provider.retire.is_some().then_some(provider),
            NewSecret::Program(_) | NewSecret::Random(..) => None,
        };
        // Somebody may have set it again.
        let is_in_use = self.in_use.as_ref() == Some(&fingerprint(secret));
        match (calls, &state.ids.unused) {
            (None, _) if settings.retire.is_empty() => Ended::Nothing,
            _ if is_in_use => Ended::Left("it is in use".to_owned()),
            (None, _) => match self.run(&settings.retire, Some(secret)) {
                Ok(_) | Err(VaultError::NotFound) => Ended::Retired,
                Err(error) => Ended::Again(error.to_string()),
            },
            (Some(_), None) => Ended::Left("its id is not known: retire it by hand".to_owned()),
            (Some(provider), Some(id)) if state.ids.kept(provider.first_id.as_deref()).contains(&id.as_str()) => {
                Ended::Left("its id is that of the one in use".to_owned())
            }
            (Some(provider), Some(id)) => match self.running.worker.wait(provider.retire(id)) {
                Ok(Ok(())) => Ended::Retired,
                Ok(Err(fault)) => self.not_retired(fault),
                Err(error) => Ended::Again(VaultError::Unreadable(error.kind()).to_string()),
            },
        }
    }

    /// Whether it is tried again: what is refused time after time will not be done, and would keep the next secret from being made.
    fn not_retired(&mut self, fault: CallFault) -> Ended {
        match fault {
            CallFault::Refused(reason) => {
                self.running.refused += 1;
                match self.running.refused >= MAX_REFUSED {
                    true => Ended::Left(format!("{reason}, {MAX_REFUSED} times: retire it by hand")),
                    false => Ended::Again(reason),
                }
            }
            CallFault::Away(reason) | CallFault::Unknown(reason) => Ended::Again(reason),
        }
    }

    /// Tells off what an attempt has left of which nobody knows how it ended.
    fn retire_attempt(&mut self, state: &State, attempt: &str) -> Ended {
        match &self.rotation.settings.source {
            NewSecret::Http(provider) if provider.list.is_some() => {
                let kept = state.ids.kept(provider.first_id.as_deref());
                match self.running.worker.wait(provider.sweep(attempt, &kept)) {
                    Ok(Ok(0)) => Ended::Nothing,
                    Ok(Ok(_)) => Ended::Retired,
                    Ok(Err(fault)) => self.not_retired(fault),
                    Err(error) => Ended::Again(VaultError::Unreadable(error.kind()).to_string()),
                }
            }
            NewSecret::Http(_) | NewSecret::Program(_) | NewSecret::Random(..) => Ended::Left(LEFT.to_owned()),
        }
    }
}
