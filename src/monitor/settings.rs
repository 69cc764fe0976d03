//! How the monitor works, as it was configured.

use std::path::PathBuf;

use super::detection::{Detection, Rule, SPECS};

/// How the monitor works.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Whether there is one.
    pub is_enabled: bool,
    /// How many principals it knows at most; of those with routes they use, four times as many, and of addresses, identities and sessions as
    /// many.
    pub max_principals: usize,
    /// The file in which what is usual outlives the process.
    pub state: Option<PathBuf>,
    rules: Vec<Rule>,
}

impl Default for Settings {
    fn default() -> Self {
        let rules = SPECS.iter().map(|spec| spec.rule.clone()).collect();
        Self { is_enabled: true, max_principals: 100_000, state: None, rules }
    }
}

impl Settings {
    /// How a detection works.
    pub fn rule(&self, detection: Detection) -> &Rule {
        &self.rules[detection as usize]
    }

    /// The same, to be changed.
    pub fn rule_mut(&mut self, detection: Detection) -> &mut Rule {
        &mut self.rules[detection as usize]
    }
}
