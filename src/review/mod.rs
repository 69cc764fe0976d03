//! What a configuration means to access, for people: two compared, one decision explained, cases tested. Reads compiled configurations and asks the
//! code that serves; nothing here is on a request's path, and nothing here decides.

mod access;
mod advise;
mod cases;
mod cells;
mod change;
mod explain;
mod explained;
mod leaning;
mod members;
mod narrow;
mod question;
mod settings;
mod terms;

use std::path::Path;

use crate::config::{self, LoadError, Plan};
use crate::domain::Name;
use crate::state::{Engines, Snapshot};

pub use advise::{Advice, RuleAdvice, UnusedMember, Usage, UsedRecord};
pub use cases::{Outcome, Tested};
pub use change::{Access, Change, Effect};
pub use explained::{Explained, Passed, RuleTold, Verdict, Why};
pub use question::{Caller, Question};

/// A configuration that was compiled, to be looked at.
#[derive(Debug)]
pub struct Configuration {
    text: String,
    snapshot: Snapshot,
    /// What it was compiled against, which it goes on needing.
    engines: Engines,
    authenticators: Vec<Name>,
}

/// Why a configuration cannot be looked at.
#[derive(Debug)]
pub enum ReviewError {
    /// It cannot be read, or is wrong.
    Load(LoadError),
    /// What it is compiled against could not be made.
    Internal(String),
}

impl std::fmt::Display for ReviewError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Load(error) => error.fmt(f),
            Self::Internal(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for ReviewError {}

impl Configuration {
    /// Reads and compiles a configuration, as a start would.
    ///
    /// # Errors
    /// [`ReviewError`] when it cannot be read or is wrong.
    pub fn load(file: &Path) -> Result<Self, ReviewError> {
        let engines = Engines::new().map_err(|error| ReviewError::Internal(error.to_string()))?;
        let (_, plan) = config::load(file, 1, &engines);
        let Plan { snapshot, authenticators, .. } = plan.map_err(ReviewError::Load)?;
        let text = std::fs::read_to_string(file)
            .map_err(|error| ReviewError::Load(LoadError::Unreadable(file.to_owned(), error)))?;
        Ok(Self { text, snapshot, engines, authenticators })
    }

    /// What a question names that this configuration has not: the answer would be right for the wrong reason.
    pub fn unknown(&self, authenticator: Option<&Name>, granted: &[Name]) -> Option<String> {
        let text = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let is_known = |name: &Name| self.authenticators.contains(name) || name.as_str() == "anonymous";
        if let Some(name) = authenticator.filter(|name| !is_known(name)) {
            let known = text(self.authenticators.iter().map(Name::as_str).collect());
            return Some(format!("there is no `[authn.{name}]`, only: {known}"));
        }
        let approvals = || self.snapshot.access.iter().flat_map(|access| access.approvals.keys());
        let name = granted.iter().find(|name| !approvals().any(|known| known == *name))?;
        let mut known: Vec<_> = approvals().map(Name::as_str).collect();
        known.sort_unstable();
        Some(format!("there is no `[approval.{name}]`, only: {}", text(known)))
    }

    /// What changes with the step from this configuration to another: first what is gained, then what is lost, then all else.
    pub fn compare(&self, next: &Self) -> Vec<Change> {
        let mut changes = members::compare(&self.snapshot, &next.snapshot);
        changes.extend(access::compare(&self.snapshot, &next.snapshot));
        changes.extend(settings::compare(&config::written(&self.text), &config::written(&next.text)));
        changes.sort_by(|a, b| (a.effect, &a.text).cmp(&(b.effect, &b.text)));
        changes.dedup();
        changes
    }
}

#[cfg(test)]
mod tests;
