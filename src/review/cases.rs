//! Cases for rules, tried on a configuration.

use std::time::SystemTime;

use serde::Serialize;

use super::{Caller, Configuration, Explained, Question, Verdict};
use crate::config::{Case, Expected};

/// A case, and what came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Tested {
    /// What it is called.
    pub name: String,
    /// Where it stands in its file.
    pub line: usize,
    /// Whether it came out as expected.
    pub passed: bool,
    /// What was expected.
    pub expected: Outcome,
    /// What came of it.
    pub got: Outcome,
    /// What led to it.
    pub explained: Explained,
}

/// What becomes of a request, as far as a case says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// `allow`, `deny`, `shadow` or `own`.
    pub verdict: String,
    /// The rule that allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The code of the denial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl Configuration {
    /// Tries a case.
    pub async fn test(&self, case: &Case) -> Tested {
        let caller = match &case.principal {
            Some(name) => Caller::proved(name.clone(), case.kind, &case.roles, &case.scopes),
            None => Caller::Nobody,
        };
        let question = Question {
            method: case.method.clone(),
            url: case.url.clone(),
            caller,
            client: case.client,
            time: case.time.unwrap_or_else(SystemTime::now),
            granted: case.granted.clone(),
        };
        let explained = self.explain(&question).await;
        let (expected, got) = (Outcome::expected(&case.expect), Outcome::of(&explained));
        let passed = got.is_as(&expected);
        Tested { name: case.name.clone(), line: case.line, passed, expected, got, explained }
    }
}

impl Outcome {
    fn expected(expected: &Expected) -> Self {
        Self { verdict: expected.verdict.clone(), rule: expected.rule.clone(), code: expected.code.clone() }
    }

    fn of(explained: &Explained) -> Self {
        let verdict = match explained.verdict {
            Verdict::Allow => "allow",
            Verdict::Deny => "deny",
            Verdict::Shadow => "shadow",
            Verdict::Own => "own",
        };
        Self { verdict: verdict.to_owned(), rule: explained.rule.clone(), code: explained.code.map(str::to_owned) }
    }

    /// Whether this is what was expected, as far as that says something.
    fn is_as(&self, expected: &Self) -> bool {
        let agrees = |mine: &Option<String>, theirs: &Option<String>| theirs.is_none() || mine == theirs;
        self.verdict == expected.verdict && agrees(&self.rule, &expected.rule) && agrees(&self.code, &expected.code)
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.verdict)?;
        let more = self.rule.iter().map(|rule| format!(" by {rule}"));
        more.chain(self.code.iter().map(|code| format!(" with {code}"))).try_for_each(|text| f.write_str(&text))
    }
}
