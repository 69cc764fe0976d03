//! Keys that end by themselves are kept alive as long as they are needed, and replaced where that is not possible any more.

use std::time::Instant;

use super::calls::CallFault;
use super::state::{Change, State};
use super::turn::{INSTALL_EVERY, Turn};
use super::{NewSecret, RotationEvent, RotationStage, Running};
use crate::vault::VaultError;

/// What the fault of a renewal begins with.
const FAULT: &str = "a key is not kept alive: ";

impl Turn<'_> {
    /// Has those renewed that are in use, staged and kept, where that is due; the next stage, where the one in use has no future.
    pub(super) fn renew(&mut self, state: &State) -> Option<(State, Change)> {
        let NewSecret::Http(provider) = &self.rotation.settings.source else { return None };
        let (call, every) = provider.renew.as_ref()?;
        if !self.running.is_renewal_due() {
            return None;
        }
        self.running.renew_at = Some(Instant::now() + *every);
        let (mut is_over, mut fault) = (false, None);
        for id in [&state.ids.used, &state.ids.previous, &state.ids.next].into_iter().flatten() {
            let kept = self.running.worker.wait(provider.keep(call, id));
            let kept =
                kept.unwrap_or_else(|error| Err(CallFault::Away(VaultError::Unreadable(error.kind()).to_string())));
            match kept {
                Ok(()) => {}
                Err(CallFault::Refused(reason)) => {
                    // One that somebody has set has nothing to do with the id of the one before it.
                    is_over |= state.ids.used.as_ref() == Some(id) && state.used == self.in_use;
                    fault = Some(format!("{FAULT}{reason}"));
                }
                Err(CallFault::Away(reason) | CallFault::Unknown(reason)) => {
                    self.running.renew_at = Some(Instant::now() + INSTALL_EVERY);
                    fault = Some(format!("{FAULT}{reason}"));
                }
            }
        }
        self.after_renewal(state, is_over, fault)
    }

    /// What went wrong stands beside where the rotation stands until all is well; other stages have more to tell.
    fn after_renewal(&mut self, state: &State, is_over: bool, fault: Option<String>) -> Option<(State, Change)> {
        let is_idle = state.stage == RotationStage::Idle;
        let was_told = state.fault.as_ref().filter(|told| told.starts_with(FAULT));
        let is_new = fault.as_ref() != was_told;
        if let Some(reason) = fault.as_ref().filter(|_| is_new) {
            log::warn!("rotation {}: {reason}", self.rotation.settings.name);
            if is_idle {
                self.events.push(RotationEvent::Failed(reason.clone()));
            }
        }
        let asked_by = state.asked_by.clone().filter(|_| !is_idle);
        if is_over && is_idle {
            return Some((State { fault, asked_by, ..self.at(state, RotationStage::Asked) }, Change::Nothing));
        }
        let is_shown = is_idle || matches!(state.stage, RotationStage::Watching | RotationStage::Grace);
        (is_shown && is_new).then(|| (State { fault, asked_by, ..state.clone() }, Change::Nothing))
    }
}

impl Running {
    pub(super) fn is_renewal_due(&self) -> bool {
        self.renew_at.is_none_or(|at| Instant::now() >= at)
    }
}
