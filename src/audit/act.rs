//! What an operator did, as the log tells it.

use std::time::SystemTime;

use crate::domain::{AccessDeed, Name};

/// A revocation that took effect, or was lifted; or something that was done with an access request, or a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// When it took effect here.
    pub time: SystemTime,
    /// What was done.
    pub deed: Deed,
    /// The id of the revocation, or of the access request.
    pub id: String,
    /// Whom a revocation ends, as it is written in commands; who asked for access, as `AUTHENTICATOR:ID`.
    pub of: String,
    /// Why.
    pub reason: String,
    /// Who did it.
    pub by: String,
    /// When it was asked for.
    pub since: SystemTime,
    /// Until when it holds, where that was said.
    pub until: Option<SystemTime>,
    /// The `[approval.NAME]` that access was asked for.
    pub approval: Option<Name>,
    /// The ticket that was named.
    pub ticket: Option<String>,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Access was ended.
    Revoked,
    /// It was given back before its time.
    Lifted,
    /// This was done with an access request.
    Access(AccessDeed),
    /// This came of replacing a secret.
    Rotation(RotationDeed),
}

/// What came of replacing a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationDeed {
    /// The new one was taken by its target and is in use.
    Promoted,
    /// The one before is in use again.
    RolledBack,
    /// There is no new one.
    Failed,
    /// The old one is not kept any more.
    Retired,
    /// One that is not used could not be retired.
    NotRetired,
}

impl RotationDeed {
    /// The word for it in records.
    pub fn text(self) -> &'static str {
        match self {
            Self::Promoted => "promoted",
            Self::RolledBack => "rolled_back",
            Self::Failed => "failed",
            Self::Retired => "retired",
            Self::NotRetired => "not_retired",
        }
    }
}

/// What becomes a line.
#[derive(Debug)]
pub enum Entry {
    /// An exchange that is about to be forwarded, where the disk has to have that first. Its record follows, with the same id.
    Decision(Box<super::Record>),
    /// An exchange that ended.
    Exchange(Box<super::Record>),
    /// What an operator did.
    Act(Box<Act>),
}

impl From<super::Record> for Entry {
    fn from(record: super::Record) -> Self {
        Self::Exchange(Box::new(record))
    }
}

impl From<Box<super::Record>> for Entry {
    fn from(record: Box<super::Record>) -> Self {
        Self::Exchange(record)
    }
}

impl From<Act> for Entry {
    fn from(act: Act) -> Self {
        Self::Act(Box::new(act))
    }
}
