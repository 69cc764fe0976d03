//! One exchange from its head to its record: the stage it is in, and the snapshot that it keeps to its end.

use std::sync::Arc;

use super::admission::Admission;
use super::record::Draft;
use crate::domain::Denial;
use crate::state::Snapshot;

/// One exchange under way.
pub struct Exchange {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) stage: Stage,
}

/// The stages of an exchange. Each holds what is known in it and nothing that is not.
pub(super) enum Stage {
    /// The head has come; nobody has looked at it.
    Arrived,
    /// It was refused and answered.
    Refused(Draft),
    /// It was answered here.
    Answered(Draft),
    /// It may be forwarded.
    Admitted(Draft, Box<Admission>),
    /// Its record is written.
    Recorded,
}

impl Exchange {
    pub(super) fn new(snapshot: Arc<Snapshot>) -> Self {
        Self { snapshot, stage: Stage::Arrived }
    }

    /// The record and the admission, where it was admitted.
    pub(super) fn admitted(&mut self) -> Option<(&mut Draft, &mut Admission)> {
        match &mut self.stage {
            Stage::Admitted(draft, admission) => Some((draft, admission)),
            Stage::Arrived | Stage::Refused(_) | Stage::Answered(_) | Stage::Recorded => None,
        }
    }

    /// Says why it is refused after all, of an exchange that was to be answered here.
    pub(super) fn refuse(&mut self, denial: Denial) {
        if let Some(draft) = self.draft() {
            draft.denied(denial);
        }
        self.stage = match std::mem::replace(&mut self.stage, Stage::Arrived) {
            Stage::Answered(draft) => Stage::Refused(draft),
            other @ (Stage::Arrived | Stage::Refused(_) | Stage::Admitted(..) | Stage::Recorded) => other,
        };
    }

    /// The record, while there is one.
    pub(super) fn draft(&mut self) -> Option<&mut Draft> {
        match &mut self.stage {
            Stage::Admitted(draft, _) | Stage::Refused(draft) | Stage::Answered(draft) => Some(draft),
            Stage::Arrived | Stage::Recorded => None,
        }
    }
}

impl Drop for Exchange {
    /// What was found in one that is cut before its end is written down too. Not while it unwinds, since what panicked may be what looks.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        if let Some((draft, admission)) = self.admitted() {
            draft.found(admission, None);
        }
    }
}
