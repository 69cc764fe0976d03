//! What an operator did, as the log tells it.

use std::time::SystemTime;

/// A revocation that took effect, or was lifted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// When it took effect here.
    pub time: SystemTime,
    /// What was done.
    pub deed: Deed,
    /// The revocation's id.
    pub id: String,
    /// Whom it ends, as it is written in commands.
    pub of: String,
    /// Why.
    pub reason: String,
    /// Who did it.
    pub by: String,
    /// When it was asked for.
    pub since: SystemTime,
    /// Until when it holds, where that was said.
    pub until: Option<SystemTime>,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Access was ended.
    Revoked,
    /// It was given back before its time.
    Lifted,
}

/// What becomes a line.
#[derive(Debug)]
pub enum Entry {
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
