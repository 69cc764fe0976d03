//! What the monitor told, as the log tells it.

use std::time::SystemTime;

use super::Phrase;
use crate::domain::RequestId;

/// An alert that was raised or cleared.
///
/// Its line has these members: `kind` (`alert`), `time`, `id`, `node`, `period`, `act` (`raised` or `cleared`), `detection`, `severity`, `of`, `evidence`,
/// `times`, `since`, `action`, `records`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRecord {
    /// When that was.
    pub time: SystemTime,
    /// The alert's id.
    pub id: String,
    /// What happened to it.
    pub act: &'static str,
    /// What was found.
    pub detection: &'static str,
    /// How bad it is.
    pub severity: &'static str,
    /// Who or what it is about.
    pub of: Phrase,
    /// The numbers: a JSON object of names of ours.
    pub evidence: String,
    /// How often it happened.
    pub times: u64,
    /// When it was raised.
    pub since: SystemTime,
    /// What was done by itself, where something was.
    pub action: Option<&'static str>,
    /// The ids of records behind it.
    pub records: Vec<RequestId>,
}
