//! Keys that end by themselves are kept alive as long as they are needed, and replaced where that is not possible any more.

use std::time::Instant;

use super::calls::CallFault;
use super::state::{Change, State};
use super::turn::{INSTALL_EVERY, Turn};
use super::{NewSecret, RotationStage, Running};
use crate::vault::VaultError;

impl Turn<'_> {
    /// Has those renewed that are in use, staged and kept, where that is due; the next stage, where the one in use has no future.
    pub(super) fn renew(&mut self, state: &State) -> Option<(State, Change)> {
        let NewSecret::Http(provider) = &self.rotation.settings.source else { return None };
        let (call, every) = provider.renew.as_ref()?;
        if !self.running.is_renewal_due() {
            return None;
        }
        self.running.renew_at = Some(Instant::now() + *every);
        let mut is_over = false;
        for id in [&state.ids.used, &state.ids.previous, &state.ids.next].into_iter().flatten() {
            let kept = self.running.worker.wait(provider.keep(call, id));
            let kept =
                kept.unwrap_or_else(|error| Err(CallFault::Away(VaultError::Unreadable(error.kind()).to_string())));
            match kept {
                Ok(()) => {}
                Err(CallFault::Refused(reason)) => {
                    log::warn!("rotation {}: a key cannot be kept alive: {reason}", self.rotation.settings.name);
                    is_over |= state.ids.used.as_ref() == Some(id);
                }
                Err(CallFault::Away(reason) | CallFault::Unknown(reason)) => {
                    log::warn!("rotation {}: no key is kept alive: {reason}", self.rotation.settings.name);
                    self.running.renew_at = Some(Instant::now() + INSTALL_EVERY);
                }
            }
        }
        let may_begin = is_over && state.stage == RotationStage::Idle;
        may_begin.then(|| (self.at(state, RotationStage::Asked), Change::Nothing))
    }
}

impl Running {
    pub(super) fn is_renewal_due(&self) -> bool {
        self.renew_at.is_none_or(|at| Instant::now() >= at)
    }
}
