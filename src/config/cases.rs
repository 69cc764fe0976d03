//! A file of cases for rules: who asks for what, and what is to become of it.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::Deserialize;
use toml::Spanned;

use super::diagnostic::{Diagnostics, Report};
use crate::domain::{Name, Principal, PrincipalKind};

/// One case.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it is called: its `name`, or its request.
    pub name: String,
    /// The line of the file in which it begins, from 1.
    pub line: usize,
    /// The principal, by authenticator and id; none for a caller who presents nothing.
    pub principal: Option<(Name, String)>,
    /// What sort of caller it is.
    pub kind: PrincipalKind,
    /// The roles that its proof names.
    pub roles: Vec<String>,
    /// The scopes of its token.
    pub scopes: Vec<String>,
    /// The client's address.
    pub client: IpAddr,
    /// When it asks; none for now.
    pub time: Option<SystemTime>,
    /// The approvals of which it holds a grant.
    pub granted: Vec<Name>,
    /// The method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// What is to become of it.
    pub expect: Expected,
}

/// What is to become of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// `allow`, `deny` or `shadow`.
    pub verdict: String,
    /// The rule that allows it, where it matters.
    pub rule: Option<String>,
    /// The code of the denial, where it matters.
    pub code: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CasesFile {
    #[serde(default)]
    case: Vec<Spanned<CaseTable>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseTable {
    name: Option<String>,
    principal: Option<Spanned<String>>,
    kind: Option<Spanned<String>>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    scopes: Vec<String>,
    client: Option<Spanned<String>>,
    time: Option<Spanned<String>>,
    #[serde(default)]
    granted: Vec<Spanned<String>>,
    request: Spanned<String>,
    expect: Spanned<String>,
    rule: Option<Spanned<String>>,
    code: Option<Spanned<String>>,
}

/// Reads a file of cases. `file` names it in errors.
///
/// # Errors
/// [`Diagnostics`]: everything that is wrong with it.
pub fn cases(file: &Path, text: &str) -> Result<Vec<Case>, Diagnostics> {
    let mut report = Report::new(file, text);
    let read = toml::from_str::<CasesFile>(text);
    let tables = match read {
        Ok(read) => read.case,
        Err(error) => {
            let cure = "write `[[case]]` with `request` and `expect`, and what else the documentation of cases has";
            report.add(error.span().unwrap_or_default(), error.message(), cure);
            Vec::new()
        }
    };
    if tables.is_empty() && report.count() == 0 {
        report.add(0..0, "there are no cases", "write at least one `[[case]]`");
    }
    let line = |span: Range<usize>| text.get(..span.start).unwrap_or(text).matches('\n').count() + 1;
    let all: Vec<_> =
        tables.into_iter().filter_map(|table| case(line(table.span()), table.into_inner(), &mut report)).collect();
    report.finish().map(|()| all)
}

/// Where clients are that a case says nothing of: an address for documentation (RFC 5737).
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fn case(line: usize, table: CaseTable, report: &mut Report<'_>) -> Option<Case> {
    let request = table.request.get_ref();
    let asked = request.split_once(' ').map(|(method, url)| (method.to_owned(), url.trim().to_owned()));
    let asked = asked.filter(|(_, url)| whole_url(url).is_ok());
    let asked = report.take(
        table.request.span(),
        asked.ok_or("this is no request"),
        "write the method and the URL, such as `GET https://api.example.com/v1/charges`",
    );
    let principal = table.principal.as_ref().map(|text| {
        let parsed = Principal::parse_name(text.get_ref()).ok_or("this names no principal");
        report.take(text.span(), parsed, "write `AUTHENTICATOR:ID`")
    });
    let kind = table.kind.as_ref().map_or(Some(PrincipalKind::Human), |text| {
        let parsed = PrincipalKind::parse(text.get_ref()).ok_or("there is no such kind");
        report.take(text.span(), parsed, "choose `human`, `service` or `agent`")
    });
    let client = table.client.as_ref().map_or(Some(ELSEWHERE), |text| {
        report.take(text.span(), text.get_ref().parse::<IpAddr>(), "write an address such as `10.1.2.3`")
    });
    let time = table.time.as_ref().map(|text| {
        let parsed = moment(text.get_ref()).ok_or("this is no moment");
        report.take(text.span(), parsed, "write such as `2026-11-23T09:30:00Z`")
    });
    let granted = table
        .granted
        .iter()
        .map(|text| report.take(text.span(), Name::parse(text.get_ref()), "name an `[approval.NAME]`"));
    let granted: Option<Vec<_>> = granted.collect();
    let expect = expected(&table, report);
    let (method, url) = asked?;
    Some(Case {
        name: table.name.unwrap_or_else(|| request.clone()),
        line,
        principal: match principal {
            Some(parsed) => Some(parsed?),
            None => None,
        },
        kind: kind?,
        roles: table.roles,
        scopes: table.scopes,
        client: client?,
        time: match time {
            Some(parsed) => Some(parsed?),
            None => None,
        },
        granted: granted?,
        method,
        url,
        expect: expect?,
    })
}

/// A whole URL, as a client writes it.
///
/// # Errors
/// How it is to be written.
pub fn whole_url(text: &str) -> Result<String, &'static str> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_whole = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
    is_whole.then(|| text.to_owned()).ok_or("write the whole URL, such as `https://api.example.com/v1/charges`")
}

/// A moment in RFC 3339, from 1970 on.
pub fn moment(text: &str) -> Option<SystemTime> {
    let since = Duration::try_from(text.parse::<Timestamp>().ok()?.duration_since(Timestamp::UNIX_EPOCH)).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(since)
}

fn expected(table: &CaseTable, report: &mut Report<'_>) -> Option<Expected> {
    let verdict = table.expect.get_ref();
    let known = ["allow", "deny", "shadow"].contains(&verdict.as_str());
    let verdict = report.take(
        table.expect.span(),
        known.then(|| verdict.clone()).ok_or("nothing else can become of a request"),
        "choose `allow`, `deny` or `shadow`",
    )?;
    let misplaced = [
        (table.rule.as_ref().filter(|_| verdict != "allow"), "a `rule` allows: nothing else has one"),
        (table.code.as_ref().filter(|_| verdict == "allow"), "a `code` denies: what is allowed has none"),
    ];
    for (text, fault) in misplaced {
        if let Some(text) = text {
            report.add(text.span(), fault, "take it out, or expect something else");
        }
    }
    let text = |value: &Option<Spanned<String>>| value.as_ref().map(|text| text.get_ref().clone());
    Some(Expected { verdict, rule: text(&table.rule), code: text(&table.code) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_that_cannot_be_read_is_told_with_its_place() {
        for (text, want) in [
            ("", "1:1: there are no cases"),
            ("[[case]]\nexpect = \"allow\"\n", "1:1: missing field `request`"),
            ("[[case]]\nrequest = \"x\"\nexpect = \"deny\"\n", "2:11: this is no request"),
            ("[[case]]\nrequest = \"GET x\"\nexpect = \"yes\"\n", "3:10: nothing else can become of a request"),
            ("[[case]]\nrequest = \"GET x\"\nexpect = \"deny\"\nrule = \"r\"\n", "4:8: a `rule` allows"),
            (
                "[[case]]\nrequest = \"GET x\"\nexpect = \"deny\"\nprincipal = \"ada\"\n",
                "4:13: this names no principal",
            ),
            ("[[case]]\nrequest = \"GET x\"\nexpect = \"deny\"\nclient = \"ada\"\n", "4:10: invalid IP address"),
            ("[[case]]\nrequest = \"GET x\"\nexpect = \"deny\"\nwho = \"ada\"\n", "unknown field `who`"),
        ] {
            let wrong = cases(Path::new("cases.toml"), text).expect_err(text).to_string();
            assert!(wrong.contains(want) && wrong.contains("cure: "), "{want}: {wrong}");
        }
        let text = "# first\n[[case]]\nrequest = \"GET https://a/b\"\nexpect = \"allow\"\n";
        let read = cases(Path::new("cases.toml"), text).expect("cases");
        assert_eq!(
            (read.len(), read[0].line, read[0].method.as_str(), read[0].url.as_str()),
            (1, 2, "GET", "https://a/b")
        );
    }
}
