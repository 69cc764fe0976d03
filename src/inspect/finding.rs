//! What was found in a request.

use serde::Serialize;

use super::{Class, Fault};

/// One piece of evidence: which rule, where, and a short look at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule's id.
    pub rule: String,
    /// The rule's class.
    pub class: Class,
    /// What it is worth.
    pub score: u32,
    /// Where, as [`Location`](super::Location) shows it.
    pub at: String,
    /// At most 32 bytes of what was found, escaped.
    pub excerpt: String,
}

impl Report {
    /// The classes of what was found, each once.
    pub fn classes(&self) -> Vec<Class> {
        let mut classes: Vec<_> = self.findings.iter().map(|finding| finding.class).collect();
        classes.extend(self.fault.as_ref().map(|_| Class::Structure));
        classes.sort_unstable();
        classes.dedup();
        classes
    }
}

/// The most that a finding shows of a value, in bytes before escaping.
pub(super) const MAX_EXCERPT: usize = 32;

/// All that was found in a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The evidence, in the order in which it was met; bounded.
    pub findings: Vec<Finding>,
    /// What it comes to: the place with the most, or all together, whichever is more (see `Profile`).
    pub score: u32,
    /// Why the request could not be read, if it could not.
    pub fault: Option<Fault>,
    /// Whether this is to be stopped, by the profile's threshold; its mode decides whether it is.
    pub is_attack: bool,
}
