//! What is told of one decision.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use serde::Serialize;

use crate::authz::{Considered, Grantee, Permit, RoleFault, RuleFault};
use crate::domain::{Denial, Methods, Principal};
use crate::proxy::Identified;
use crate::state::Route;

/// A decision, with all that led to it.
#[derive(Debug, Clone, Serialize)]
pub struct Explained {
    /// What becomes of the request.
    pub verdict: Verdict,
    /// Why, in one sentence.
    pub because: String,
    /// The status that the client would be answered with, where it is denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The code that the client would be told; of a request in shadow, the one that it would be told if rules were enforced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// What exactly was wrong, which only records tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'static str>,
    /// The rule that allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The method, as it was asked.
    pub method: String,
    /// The URL, as it was asked.
    pub url: String,
    /// The host in normal form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The path in normal form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The route that takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The routes that do not.
    pub passed_over: Vec<Passed>,
    /// The route's authenticators.
    pub authn: Vec<String>,
    /// Who asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// Every role of theirs, by claims and configuration, whether it counts now or not.
    pub roles: Vec<String>,
    /// The path that rules judge and the upstream is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules_path: Option<String>,
    /// The route's rules.
    pub rules: Vec<RuleTold>,
    /// The route's limits, in which it would count.
    pub limits: Vec<String>,
    /// How it would be looked through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inspect: Option<String>,
    /// The credential that would be put on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// The target that it would go to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What the target would be asked for, without the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// What else there is to know.
    pub notes: Vec<String>,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// A rule allows it.
    Allow,
    /// It is denied.
    Deny,
    /// No rule allows it, which is not enforced.
    Shadow,
    /// The gateway answers it itself.
    Own,
}

/// A route that does not take the request.
#[derive(Debug, Clone, Serialize)]
pub struct Passed {
    /// Its name.
    pub route: String,
    /// Its host and path.
    pub place: String,
    /// Why.
    pub why: Why,
}

/// Why a route does not take a request; what comes close first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Another is more specific.
    LessSpecific,
    /// It is for other methods.
    Method,
    /// It is for other paths.
    Path,
    /// It is for other hosts.
    Host,
}

/// A rule of the route.
#[derive(Debug, Clone, Serialize)]
pub struct RuleTold {
    /// Its place in the configuration.
    pub rule: String,
    /// Whom it allows.
    pub of: String,
    /// What approval it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<String>,
    /// What in it does not fit; nothing where all does.
    pub faults: Vec<String>,
}

impl Explained {
    pub(super) fn new(method: &str, url: &str) -> Self {
        Self {
            verdict: Verdict::Deny,
            because: String::new(),
            status: None,
            code: None,
            detail: None,
            rule: None,
            method: method.to_owned(),
            url: url.to_owned(),
            host: None,
            path: None,
            route: None,
            passed_over: Vec::new(),
            authn: Vec::new(),
            principal: None,
            roles: Vec::new(),
            rules_path: None,
            rules: Vec::new(),
            limits: Vec::new(),
            inspect: None,
            credential: None,
            target: None,
            upstream: None,
            notes: Vec::new(),
        }
    }

    pub(super) fn proved(&mut self, principal: &Principal, roles: &[Arc<str>]) {
        self.principal = Some(format!("{} ({})", principal.name(), principal.kind.text()));
        self.roles = roles.iter().map(ToString::to_string).collect();
    }

    pub(super) fn permitted(&mut self, permit: &Permit) {
        self.rule = permit.rule().map(ToString::to_string);
        match permit.grantee() {
            Some(grantee) => {
                let grant =
                    permit.grant().map_or(String::new(), |grant| format!(", with a grant of {}", grant.approval));
                self.verdict = Verdict::Allow;
                self.because =
                    format!("{} allows it to {}{grant}", self.rule.as_deref().unwrap_or_default(), of(grantee));
            }
            None => {
                self.verdict = Verdict::Shadow;
                self.code = Some(Denial::NotAllowed.code());
                "no rule allows it, which this route does not enforce (`mode = \"shadow\"`)"
                    .clone_into(&mut self.because);
            }
        }
    }

    pub(super) fn denied(&mut self, denial: &Denial) {
        self.verdict = Verdict::Deny;
        self.status = Some(denial.status());
        self.code = Some(denial.code());
        self.detail = Some(denial.detail()).filter(|detail| !detail.is_empty());
        denial.public_text().clone_into(&mut self.because);
    }
}

impl Passed {
    pub(super) fn of(route: &Route, request: &Identified<'_>, method: Methods) -> Self {
        let why = if !route.host.matches(&request.host) {
            Why::Host
        } else if !route.path.matches(&request.path) {
            Why::Path
        } else if !route.methods.intersects(method) {
            Why::Method
        } else {
            Why::LessSpecific
        };
        Self { route: route.name.to_string(), place: format!("{} {}", route.host, route.path), why }
    }
}

impl Why {
    fn text(self) -> &'static str {
        match self {
            Self::LessSpecific => "another is more specific",
            Self::Method => "is for other methods",
            Self::Path => "is for other paths",
            Self::Host => "is for other hosts",
        }
    }
}

impl RuleTold {
    pub(super) fn of(considered: &Considered) -> Self {
        Self {
            rule: considered.label.to_string(),
            of: of(&considered.grantee),
            approval: considered.approval.as_ref().map(ToString::to_string),
            faults: considered.faults.iter().map(fault).collect(),
        }
    }
}

fn of(grantee: &Grantee) -> String {
    match grantee {
        Grantee::Role(name) => format!("role {name}"),
        Grantee::Scope(name) => format!("scope {name}"),
        Grantee::Principal(name) => format!("principal {name}"),
    }
}

fn fault(fault: &RuleFault) -> String {
    match fault {
        RuleFault::Role(RoleFault::NotHeld) => "the caller does not have the role".to_owned(),
        RuleFault::Role(RoleFault::Authenticator) => "the role requires another authenticator".to_owned(),
        RuleFault::Role(RoleFault::Network) => "the role does not count from this network".to_owned(),
        RuleFault::Role(RoleFault::Hours) => "the role does not count at this hour".to_owned(),
        RuleFault::Scope => "the token does not hold the scope".to_owned(),
        RuleFault::Principal => "it is for another principal".to_owned(),
        RuleFault::Confined => "the session is confined to roles".to_owned(),
        RuleFault::Method => "it is for other methods".to_owned(),
        RuleFault::Path => "it is for other paths".to_owned(),
        RuleFault::MissingScope(scope) => format!("the token lacks scope {scope}"),
        RuleFault::Network => "it is for other client networks".to_owned(),
    }
}

/// How many routes that do not take it are shown to people.
const SHOWN: usize = 8;

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Allow => "allowed".to_owned(),
            Verdict::Shadow => "passes in shadow".to_owned(),
            Verdict::Own => "answered".to_owned(),
            Verdict::Deny => {
                let detail = self.detail.map_or(String::new(), |detail| format!(", {detail}"));
                format!("denied with {} {}{detail}", self.status.unwrap_or_default(), self.code.unwrap_or_default())
            }
        };
        writeln!(f, "{verdict}: {}\n", self.because)?;
        row(f, "asked", &format!("{} {}", self.method, self.url))?;
        if let (Some(host), Some(path)) = (&self.host, &self.path) {
            row(f, "normal form", &format!("{host} {path}"))?;
        }
        row_if(f, "route", self.route.as_ref())?;
        for passed in self.passed_over.iter().take(SHOWN) {
            row(f, "", &format!("not {} ({}): {}", passed.route, passed.place, passed.why.text()))?;
        }
        let more = self.passed_over.len().saturating_sub(SHOWN);
        if more > 0 {
            row(f, "", &format!("and {more} more"))?;
        }
        row_if(f, "proved by", Some(self.authn.join(", ")).filter(|names| !names.is_empty()).as_ref())?;
        row_if(f, "caller", self.principal.as_ref())?;
        row_if(f, "roles", Some(self.roles.join(", ")).filter(|names| !names.is_empty()).as_ref())?;
        row_if(f, "rules see", self.rules_path.as_ref())?;
        for (nth, rule) in self.rules.iter().enumerate() {
            row(f, if nth == 0 { "rules" } else { "" }, &rule.to_string())?;
        }
        row_if(f, "limits", Some(self.limits.join(", ")).filter(|names| !names.is_empty()).as_ref())?;
        row_if(f, "inspected", self.inspect.as_ref())?;
        row_if(f, "credential", self.credential.as_ref())?;
        let target =
            self.target.as_ref().map(|name| format!("{name}, {}", self.upstream.as_deref().unwrap_or_default()));
        row_if(f, "target", target.as_ref())?;
        self.notes.iter().try_for_each(|note| row(f, "note", note))
    }
}

impl fmt::Display for RuleTold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let approval = self.approval.as_ref().map_or(String::new(), |name| format!(" with approval {name}"));
        let faults = if self.faults.is_empty() { "fits".to_owned() } else { self.faults.join("; ") };
        write!(f, "{}, {}{approval}: {faults}", self.rule, self.of)
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, text: &str) -> fmt::Result {
    // Nothing that somebody wrote into a URL may move the cursor of whoever reads it.
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            write!(plain, "{}", c.escape_default())?;
        } else {
            plain.push(c);
        }
    }
    writeln!(f, "  {name:<12} {plain}")
}

fn row_if(f: &mut fmt::Formatter<'_>, name: &str, text: Option<&String>) -> fmt::Result {
    text.map_or(Ok(()), |text| row(f, name, text))
}
