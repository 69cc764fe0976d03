//! Least privilege: which rules and roles nobody used, by the records, and the narrowest rules that still allow what was used.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Configuration;
use super::narrow::{Narrow, Used};
use crate::authz::{Grantee, Rule};
use crate::config::toml_text;
use crate::domain::{Methods, NormalPath};
use crate::state::Route;

/// What was used of a configuration, record by record.
pub struct Usage<'c> {
    configuration: &'c Configuration,
    rules: BTreeMap<(String, String), RuleUse<'c>>,
    /// Who used which role.
    roles: BTreeSet<(String, String)>,
    /// Whether there were more pairs than are kept.
    is_full: bool,
    /// The time of the first record.
    since: Option<String>,
    read: u64,
    counted: u64,
}

struct RuleUse<'c> {
    route: &'c Route,
    rule: &'c Rule,
    count: u64,
    used: Used,
}

/// The members of a record that say what was used.
#[derive(Debug, Deserialize)]
pub struct UsedRecord<'r> {
    #[serde(borrow)]
    time: Option<std::borrow::Cow<'r, str>>,
    #[serde(borrow)]
    route: Option<std::borrow::Cow<'r, str>>,
    #[serde(borrow)]
    rule: Option<std::borrow::Cow<'r, str>>,
    #[serde(borrow)]
    role: Option<std::borrow::Cow<'r, str>>,
    #[serde(borrow)]
    authenticator: Option<std::borrow::Cow<'r, str>>,
    #[serde(borrow)]
    principal: Option<std::borrow::Cow<'r, str>>,
    #[serde(borrow)]
    method: Option<std::borrow::Cow<'r, str>>,
    #[serde(borrow)]
    path: Option<std::borrow::Cow<'r, str>>,
    /// Which key its pseudonyms are under, where it has some.
    #[serde(borrow)]
    pub period: Option<std::borrow::Cow<'r, str>>,
}

/// What could be taken away.
#[derive(Debug, Serialize)]
pub struct Advice {
    /// How many records were read, of those that a rule allowed.
    pub records: u64,
    /// The time of the first of them, as it was written; none where there are none.
    pub since: Option<String>,
    /// How many of these a rule of the configuration would allow still.
    pub counted: u64,
    /// Rules, in the order of the configuration.
    pub rules: Vec<RuleAdvice>,
    /// Members of roles who never used them. Roles that `[approval.NAME]` names are left out: what is done with these is not in these records.
    pub members: Vec<UnusedMember>,
    /// Whether more principals and roles were in the records than are kept: then `members` is empty, for it cannot be said.
    pub is_full: bool,
}

/// What was used of one rule.
#[derive(Debug, Serialize)]
pub struct RuleAdvice {
    /// Its route.
    pub route: String,
    /// Its place in the configuration.
    pub rule: String,
    /// Whom it allows.
    pub of: String,
    /// How often it was used.
    pub uses: u64,
    /// The narrowest rules that allow what was used, as TOML; none where it was not used.
    pub narrowest: Vec<String>,
    /// Whether these say the same as the rule.
    pub is_narrow: bool,
}

/// Somebody who has a role by configuration and never used it.
#[derive(Debug, Serialize)]
pub struct UnusedMember {
    /// The role.
    pub role: String,
    /// Who, as `AUTHENTICATOR:ID`.
    pub member: String,
}

/// The most pairs of principals and roles that are kept.
const MOST_PAIRS: usize = 1 << 20;

impl<'c> Usage<'c> {
    /// Nothing was used yet.
    pub fn new(configuration: &'c Configuration) -> Self {
        let routes = configuration.snapshot.router.routes();
        let rules = routes.flat_map(|route| {
            route.policy.rules().map(move |rule| {
                let key = (route.name.to_string(), rule.label.to_string());
                (key, RuleUse { route, rule, count: 0, used: Used::default() })
            })
        });
        Self {
            configuration,
            rules: rules.collect(),
            roles: BTreeSet::new(),
            is_full: false,
            since: None,
            read: 0,
            counted: 0,
        }
    }

    /// The principals whom the configuration names, as `AUTHENTICATOR:ID`.
    pub fn principals(&self) -> impl Iterator<Item = &str> {
        let routes = || self.configuration.snapshot.router.routes();
        let members = routes().next().into_iter().flat_map(|route| route.policy.roles().members());
        let own = self.rules.values().filter_map(|own| match &own.rule.grantee {
            Grantee::Principal(name) => Some(&**name),
            Grantee::Role(_) | Grantee::Scope(_) => None,
        });
        members.map(|(member, _)| member).chain(own)
    }

    /// Counts a record that a rule allowed. What counts is whom it allowed and what was asked for: rules may stand elsewhere by now.
    pub fn count(&mut self, record: &UsedRecord<'_>) {
        let (Some(label), Some(name)) = (&record.rule, &record.route) else { return };
        self.read += 1;
        // All are written alike, in UTC, so that the smaller text is the earlier time.
        if let Some(time) = &record.time
            && self.since.as_deref().is_none_or(|first| **time < *first)
        {
            self.since = Some(time.to_string());
        }
        let principal = match (&record.authenticator, &record.principal) {
            (Some(authenticator), Some(id)) => format!("{authenticator}:{id}"),
            (None, _) | (_, None) => return,
        };
        if let Some(role) = &record.role {
            if self.roles.len() < MOST_PAIRS {
                self.roles.insert((principal.clone(), role.to_string()));
            } else {
                self.is_full |= !self.roles.contains(&(principal.clone(), role.to_string()));
            }
        }
        let methods = Methods::of(record.method.as_deref().unwrap_or_default());
        let Some(path) = record.path.as_ref().and_then(|path| NormalPath::parse(path.as_bytes()).ok()) else { return };
        let from = (name.to_string(), String::new());
        let of_route = self.rules.range_mut(from..).take_while(|((route, _), _)| *route == **name).map(|(_, own)| own);
        let fits = |own: &RuleUse<'_>| {
            let asked = own.route.check_form(&path, false, None).ok()?;
            let is_for = own.rule.methods.intersects(methods) && own.rule.paths.iter().any(|one| one.matches(&asked));
            is_for.then(|| asked.clone())
        };
        let mut fitting: Vec<_> = of_route.filter_map(|own| fits(own).map(|asked| (own, asked))).collect();
        let is_own = |rule: &Rule| matches!(&rule.grantee, Grantee::Principal(name) if **name == *principal);
        let has_own = fitting.iter().any(|(own, _)| is_own(own.rule));
        let is_whose = |rule: &Rule| match &rule.grantee {
            Grantee::Role(role) => record.role.as_deref() == Some(&**role),
            Grantee::Principal(_) => record.role.is_none() && is_own(rule),
            // Records name no scopes: it was one of those that fit, unless a rule for the principal itself did.
            Grantee::Scope(_) => record.role.is_none() && (!has_own || *rule.label == **label),
        };
        let mut is_counted = false;
        for (own, asked) in fitting.iter_mut().filter(|(own, _)| is_whose(own.rule)) {
            own.count += 1;
            own.used.add(methods, asked);
            is_counted = true;
        }
        self.counted += u64::from(is_counted);
    }

    /// What could be taken away.
    pub fn advise(self) -> Advice {
        let used = &self.roles;
        let snapshot = &self.configuration.snapshot;
        let roles = snapshot.router.routes().next().map(|route| route.policy.roles());
        let approvals = snapshot.access.iter().flat_map(|access| access.approvals.values());
        let named: BTreeSet<&str> = approvals
            .flat_map(|approval| approval.requesters.iter().chain(&approval.approvers).chain(&approval.break_glass))
            .map(String::as_str)
            .collect();
        let mut members: Vec<_> = roles
            .into_iter()
            .flat_map(|roles| roles.members())
            .filter(|(_, role)| !self.is_full && !named.contains(&***role))
            .filter(|(member, role)| !used.contains(&((*member).to_owned(), role.to_string())))
            .map(|(member, role)| UnusedMember { role: role.to_string(), member: member.to_owned() })
            .collect();
        members.sort_by(|a, b| (&a.role, &a.member).cmp(&(&b.role, &b.member)));
        let mut rules: Vec<_> = self.rules.values().map(RuleUse::advise).collect();
        rules.sort_by(|a, b| (&a.route, number(&a.rule)).cmp(&(&b.route, number(&b.rule))));
        let (records, since, counted, is_full) = (self.read, self.since, self.counted, self.is_full);
        Advice { records, since, counted, rules, members, is_full }
    }
}

/// The place of a rule in its route.
fn number(label: &str) -> usize {
    label.rsplit('[').next().and_then(|rest| rest.trim_end_matches(']').parse().ok()).unwrap_or_default()
}

impl RuleUse<'_> {
    fn advise(&self) -> RuleAdvice {
        let narrow = self.used.narrowest(&self.rule.paths);
        let is_narrow = matches!(narrow.as_slice(), [one] if one.methods == self.rule.methods && one.paths == self.rule.paths.iter().cloned().collect());
        RuleAdvice {
            route: self.route.name.to_string(),
            rule: self.rule.label.to_string(),
            of: whose(&self.rule.grantee, " "),
            uses: self.count,
            narrowest: narrow.iter().map(|one| self.toml(one)).collect(),
            is_narrow,
        }
    }

    /// The rule as it would be written with these methods and paths, on its own conditions.
    fn toml(&self, narrow: &Narrow) -> String {
        let list = |texts: &mut dyn Iterator<Item = String>| {
            format!("[{}]", texts.map(|text| toml_text(&text)).collect::<Vec<_>>().join(", "))
        };
        let mut keys = vec![whose(&self.rule.grantee, " = ")];
        keys.push(format!("methods = {}", list(&mut narrow.methods.names().map(str::to_owned))));
        keys.push(format!("paths = {}", list(&mut narrow.paths.iter().map(ToString::to_string))));
        if !self.rule.scopes.is_empty() {
            keys.push(format!("scopes = {}", list(&mut self.rule.scopes.iter().map(ToString::to_string))));
        }
        if !self.rule.networks.is_empty() {
            keys.push(format!("networks = {}", list(&mut self.rule.networks.texts().into_iter())));
        }
        if let Some(approval) = &self.rule.approval {
            keys.push(format!("approval = {}", toml_text(approval.name.as_str())));
        }
        format!("{{ {} }}", keys.join(", "))
    }
}

fn whose(grantee: &Grantee, between: &str) -> String {
    let (sort, name) = match grantee {
        Grantee::Role(name) => ("role", name),
        Grantee::Scope(name) => ("scope", name),
        Grantee::Principal(name) => ("principal", name),
    };
    if between.contains('=') { format!("{sort}{between}{}", toml_text(name)) } else { format!("{sort}{between}{name}") }
}
