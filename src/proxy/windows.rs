//! A body that is looked through as it passes: in windows that overlap, so that no cut hides what is in it.

use std::sync::Arc;

use bytes::{Buf as _, Bytes, BytesMut};

use super::inspect::kind;
use crate::domain::{Denial, Inspection};
use crate::inspect::Report;
use crate::state::Inspecting;

/// How much is looked at together, in bytes, and how much of it stays for the next look.
const WINDOW: usize = 64 * 1024;
const OVERLAP: usize = 4 * 1024;

/// A body under way.
#[derive(Debug)]
pub(super) struct Windows {
    inspecting: Arc<Inspecting>,
    held: BytesMut,
    /// What was found first.
    found: Option<Report>,
    /// Whether it is in a coding, so that nothing can be seen.
    is_coded: bool,
    /// Whether nothing may wait for what follows it: whoever sends it may wait for an answer.
    flows: bool,
}

impl Windows {
    /// A body of which nothing has come.
    pub(super) fn new(inspecting: Arc<Inspecting>, is_coded: bool, flows: bool) -> Self {
        Self { inspecting, held: BytesMut::new(), found: None, is_coded, flows }
    }

    pub(super) fn inspecting(&self) -> &Arc<Inspecting> {
        &self.inspecting
    }

    /// What was found.
    pub(super) fn found(&self) -> Option<&Report> {
        self.found.as_ref()
    }

    /// Begins anew.
    pub(super) fn restart(&mut self) {
        self.held.clear();
    }

    /// Takes what has come and leaves what may go on.
    ///
    /// # Errors
    /// [`Denial::Inspection`], where what was found stops it.
    pub(super) fn take(&mut self, chunk: &mut Option<Bytes>, is_end: bool) -> Result<(), Denial> {
        if self.is_coded {
            let enforces = self.inspecting.enforces();
            return if enforces { Err(Denial::Inspection(Inspection::Unsupported)) } else { Ok(()) };
        }
        self.held.extend_from_slice(chunk.as_deref().unwrap_or_default());
        if self.flows {
            self.judge()?;
            // What has gone on is looked at once more with what follows it.
            let over = self.held.len().saturating_sub(OVERLAP);
            self.held.advance(over);
            return Ok(());
        }
        if !is_end && self.held.len() < WINDOW {
            // Never none, which would end the body.
            *chunk = Some(Bytes::new());
            return Ok(());
        }
        self.judge()?;
        let kept = if is_end { 0 } else { OVERLAP };
        *chunk = Some(self.held.split_to(self.held.len().saturating_sub(kept)).freeze());
        Ok(())
    }

    fn judge(&mut self) -> Result<(), Denial> {
        let report = self.inspecting.profile.judge_window(&self.held);
        if report.is_attack {
            let kind = kind(&report);
            self.found.get_or_insert(report);
            if self.inspecting.enforces() {
                return Err(Denial::Inspection(kind));
            }
        }
        Ok(())
    }
}
