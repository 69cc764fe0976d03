//! Cases for rules, tried on a configuration.

use std::time::SystemTime;

use serde::Serialize;

use super::{Caller, Configuration, Explained, Question, Verdict};
use crate::config::{Case, Expected};
use crate::domain::{Denial, HostFault, HttpFault};

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
    /// Why it may say less than it seems to, though it passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'static str>,
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
        let note = passed.then(|| got.note(&expected)).flatten();
        Tested { name: case.name.clone(), line: case.line, passed, expected, got, note, explained }
    }
}

/// A misspelt host or path is denied as well.
const NO_ROUTE: &str = "denied because no route takes it; write `code = \"no_route\"` where that is meant";
/// So is a misspelt method.
const MALFORMED: &str = "denied because it is malformed; write its `code` where that is meant";

impl Outcome {
    /// What a case that passed leaves open: it says no code, and no rule was even asked.
    fn note(&self, expected: &Self) -> Option<&'static str> {
        let code = self.code.as_deref().filter(|_| expected.code.is_none())?;
        let malformed = [Denial::Malformed(HttpFault::Method), Denial::Malformed(HttpFault::Host(HostFault::Missing))];
        if code == Denial::NoRoute.code() {
            return Some(NO_ROUTE);
        }
        malformed.iter().any(|denial| denial.code() == code).then_some(MALFORMED)
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_without_a_code_that_no_route_takes_is_noted() {
        let outcome =
            |code: Option<&str>| Outcome { verdict: "deny".into(), rule: None, code: code.map(str::to_owned) };
        for (got, expected, want) in
            [("no_route", None, true), ("no_route", Some("no_route"), false), ("not_allowed", None, false)]
        {
            assert_eq!(outcome(Some(got)).note(&outcome(expected)).is_some(), want, "{got} {expected:?}");
        }
    }
}
