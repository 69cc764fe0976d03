//! What an operator did, as the log tells it.

use std::time::SystemTime;

use super::Phrase;
use crate::domain::{AccessDeed, Name};

/// A revocation that took effect, or was lifted; or something that was done with an access request, a secret, or a key of pseudonyms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// When it took effect here.
    pub time: SystemTime,
    /// What was done.
    pub deed: Deed,
    /// The id of the revocation, or of the access request.
    pub id: String,
    /// Whom a revocation ends, as it is written in commands; who asked for access, as `AUTHENTICATOR:ID`.
    pub of: Phrase,
    /// Why.
    pub reason: String,
    /// Who did it.
    pub by: Phrase,
    /// When it was asked for.
    pub since: SystemTime,
    /// Until when it holds, where that was said.
    pub until: Option<SystemTime>,
    /// The `[approval.NAME]` that access was asked for.
    pub approval: Option<Name>,
    /// The ticket that was named.
    pub ticket: Option<String>,
    /// What access was asked for: for how long, and what it is confined to.
    pub terms: Option<String>,
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
    /// A key of pseudonyms was destroyed.
    Erased,
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
    /// The one in use is older than it should become.
    Overdue,
    /// The vault has another one, whoever put it there.
    Changed,
}

impl RotationDeed {
    /// Those that a rotation comes to.
    pub const RESULTS: [Self; 6] =
        [Self::Promoted, Self::RolledBack, Self::Failed, Self::Retired, Self::NotRetired, Self::Overdue];

    /// The word for it in records.
    pub fn text(self) -> &'static str {
        match self {
            Self::Promoted => "promoted",
            Self::RolledBack => "rolled_back",
            Self::Failed => "failed",
            Self::Retired => "retired",
            Self::NotRetired => "not_retired",
            Self::Overdue => "overdue",
            Self::Changed => "changed",
        }
    }
}

/// Records that a sink's receiver will never have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// When that was found.
    pub time: SystemTime,
    /// The `[sink.NAME]`.
    pub sink: Name,
    /// How many.
    pub count: u64,
    /// Why.
    pub reason: SkippedFor,
}

/// Why records are not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkippedFor {
    /// The receiver was away for longer than they are kept for it.
    Age,
    /// The receiver does not take them.
    Refused,
}

impl SkippedFor {
    /// The word for it in records.
    pub fn text(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Refused => "refused",
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
    /// Records that were not delivered.
    Skipped(Box<Skipped>),
    /// What the monitor told.
    Alert(Box<super::AlertRecord>),
    /// From here on this configuration is in force, by its number and digest.
    Configured(u64, [u8; 32]),
}

impl From<super::AlertRecord> for Entry {
    fn from(alert: super::AlertRecord) -> Self {
        Self::Alert(Box::new(alert))
    }
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

impl From<Skipped> for Entry {
    fn from(skipped: Skipped) -> Self {
        Self::Skipped(Box::new(skipped))
    }
}
