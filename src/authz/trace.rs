//! Why a rule allows a request or not, for people who ask: the conditions of `policy`, each by itself. Decides nothing.

use std::sync::Arc;
use std::time::SystemTime;

use super::policy::is_confined;
use super::{Circumstances, Grantee, Policy, RoleFault, Roles, Rule};
use crate::domain::{Methods, Name, NormalPath, Principal, RequestView};

/// A rule that was looked at, and what in it does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Considered {
    /// How records name it.
    pub label: Arc<str>,
    /// Whom it allows.
    pub grantee: Grantee,
    /// The approval of which the principal would have to hold a grant.
    pub approval: Option<Name>,
    /// All that does not fit; where nothing is here and no approval is needed, it allows the request.
    pub faults: Vec<RuleFault>,
}

/// Why a rule does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleFault {
    /// It is for a role that does not count for this principal.
    Role(RoleFault),
    /// It is for a scope that the token does not hold.
    Scope,
    /// It is for another principal.
    Principal,
    /// It names the principal, whose session is confined to roles.
    Confined,
    /// It is for other methods.
    Method,
    /// It is for other paths.
    Path,
    /// The token lacks this scope.
    MissingScope(Arc<str>),
    /// It is for other client networks.
    Network,
}

impl Policy {
    /// The rules, as they were written.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        // A rule with several paths stands here once for each, one after the other.
        let before = std::iter::once(None).chain(self.rules.iter().map(|rule| Some(&rule.label)));
        self.rules.iter().zip(before).filter(|(rule, before)| Some(&rule.label) != *before).map(|(rule, _)| rule)
    }

    /// The rules for this path, as the upstream is asked for it.
    pub fn rules_for<'a>(&'a self, path: &'a NormalPath) -> impl Iterator<Item = &'a Rule> {
        self.rules().filter(move |rule| rule.paths.iter().any(|pattern| pattern.matches(path)))
    }

    /// Who has which role, as this policy knows it.
    pub fn roles(&self) -> &Roles {
        &self.roles
    }

    /// Every rule with what in it does not fit a request.
    pub fn trace(&self, principal: &Principal, request: &RequestView<'_>, now: SystemTime) -> Vec<Considered> {
        let when = Circumstances { client: request.client, time: now };
        let considered = |rule: &Rule| Considered {
            label: Arc::clone(&rule.label),
            grantee: rule.grantee.clone(),
            approval: rule.approval.as_ref().map(|approval| approval.name.clone()),
            faults: self.faults(rule, principal, request, &when),
        };
        self.rules().map(considered).collect()
    }

    fn faults(
        &self,
        rule: &Rule,
        principal: &Principal,
        request: &RequestView<'_>,
        when: &Circumstances,
    ) -> Vec<RuleFault> {
        let grantee = match &rule.grantee {
            Grantee::Role(role) => self.roles.fault(principal, role, when).map(RuleFault::Role),
            Grantee::Scope(scope) => (!principal.scopes.contains(scope)).then_some(RuleFault::Scope),
            Grantee::Principal(name) if principal.name() != **name => Some(RuleFault::Principal),
            Grantee::Principal(_) => is_confined(principal).then_some(RuleFault::Confined),
        };
        let mut faults: Vec<_> = grantee.into_iter().collect();
        if !rule.methods.intersects(Methods::of(request.method.as_str())) {
            faults.push(RuleFault::Method);
        }
        if !rule.paths.iter().any(|pattern| pattern.matches(request.path)) {
            faults.push(RuleFault::Path);
        }
        faults.extend(rule.missing_scopes(principal).map(|scope| RuleFault::MissingScope(Arc::clone(scope))));
        if !rule.admits_network(request.client) {
            faults.push(RuleFault::Network);
        }
        faults
    }
}
