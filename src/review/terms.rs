//! On which terms somebody may have a request, by the rules for one path.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::Method;

use crate::authz::{Enforcement, Grantee, Rule};
use crate::domain::{Host, Methods, Name, NetworkSet, NormalPath};
use crate::state::{Approval, Route, Snapshot};

/// Whom rules allow something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    /// Everybody whom the route's authenticators prove: its rules are not enforced.
    Everybody,
    Role(Arc<str>),
    Scope(Arc<str>),
    Principal(Arc<str>),
}

/// What a rule asks of those whom it allows something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Terms {
    scopes: BTreeSet<Arc<str>>,
    networks: NetworkSet,
    approval: Option<Name>,
}

/// What one configuration makes of a request.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) route: Option<Arc<Route>>,
    pub(super) terms: BTreeMap<Who, Vec<Terms>>,
}

impl Answer {
    /// What a configuration makes of a request, found as a real one's would be.
    pub(super) fn of(snapshot: &Snapshot, host: &Host, path: &NormalPath, method: &Method) -> Self {
        let Ok(route) = snapshot.router.find(host, path, method) else { return Self::default() };
        let mut answer = Self { route: Some(Arc::clone(route)), terms: BTreeMap::new() };
        let is_bait = route.credential.as_ref().is_some_and(|credential| credential.is_canary());
        let Ok(path) = route.check_form(path, false, None) else { return answer };
        if is_bait {
            return answer;
        }
        if route.policy.enforcement() == Enforcement::Shadow {
            answer.terms.insert(Who::Everybody, vec![Terms::none()]);
        }
        let asked = Methods::of(method.as_str());
        for rule in route.policy.rules_for(&path).filter(|rule| rule.methods.intersects(asked)) {
            answer.terms.entry(Who::of(&rule.grantee)).or_default().push(Terms::of(rule));
        }
        answer
    }

    /// Whether somebody may have it on these terms, or easier ones.
    pub(super) fn offers(&self, who: &Who, terms: &Terms) -> bool {
        self.terms.get(who).is_some_and(|all| all.iter().any(|own| own.are_no_harder_than(terms)))
    }

    /// All terms on which somebody may have it, in words; none where they may not.
    pub(super) fn words(&self, who: &Who, snapshot: &Snapshot) -> Option<String> {
        let one = |terms: &Terms| match terms.words(snapshot) {
            words if words.is_empty() => "nothing more".to_owned(),
            words => words.join(" and "),
        };
        let all: BTreeSet<_> = self.terms.get(who)?.iter().map(one).collect();
        Some(all.into_iter().collect::<Vec<_>>().join(" or "))
    }

    /// Those of somebody's terms here that they do not have there.
    pub(super) fn beyond<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (&'a Who, &'a Terms)> {
        let all = self.terms.iter().flat_map(|(who, terms)| terms.iter().map(move |one| (who, one)));
        all.filter(|(who, terms)| !other.offers(who, terms))
    }
}

impl Who {
    fn of(grantee: &Grantee) -> Self {
        match grantee {
            Grantee::Role(name) => Self::Role(Arc::clone(name)),
            Grantee::Scope(name) => Self::Scope(Arc::clone(name)),
            Grantee::Principal(name) => Self::Principal(Arc::clone(name)),
        }
    }
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Everybody => f.write_str("everybody who is proved"),
            Self::Role(name) => write!(f, "role {name}"),
            Self::Scope(name) => write!(f, "scope {name}"),
            Self::Principal(name) => write!(f, "principal {name}"),
        }
    }
}

impl Terms {
    fn none() -> Self {
        Self { scopes: BTreeSet::new(), networks: NetworkSet::default(), approval: None }
    }

    fn of(rule: &Rule) -> Self {
        Self {
            scopes: rule.scopes.iter().cloned().collect(),
            networks: rule.networks.clone(),
            approval: rule.approval.as_ref().map(|approval| approval.name.clone()),
        }
    }

    fn are_no_harder_than(&self, other: &Self) -> bool {
        let is_from_everywhere_there =
            self.networks.is_empty() || (!other.networks.is_empty() && self.networks.covers(&other.networks));
        self.scopes.is_subset(&other.scopes)
            && is_from_everywhere_there
            && (self.approval.is_none() || self.approval == other.approval)
    }

    /// In words, one each.
    pub(super) fn words(&self, snapshot: &Snapshot) -> Vec<String> {
        let mut words: Vec<_> = self.scopes.iter().map(|scope| format!("scope {scope}")).collect();
        if !self.networks.is_empty() {
            words.push(format!("from {}", self.networks.texts().join(", ")));
        }
        if let Some(name) = &self.approval {
            let known = snapshot.access.as_ref().and_then(|access| access.approvals.get(name));
            let span = known.map(|approval: &Arc<Approval>| format!(", {}", humantime::format_duration(approval.max)));
            words.push(format!("approval {name}{}", span.unwrap_or_default()));
        }
        words
    }
}
