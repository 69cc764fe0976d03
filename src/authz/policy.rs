//! One route's rules, indexed so that a decision costs by the principal's roles and the path's depth, not by the number of rules.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Circumstances, Roles};
use crate::domain::{Methods, Name, NetworkSet, PathPattern, PatternMap, Principal, RequestView};
use crate::session::Grant;

/// One `allow` entry: who may use which methods on which paths, under which conditions.
#[derive(Debug, Clone)]
pub struct Rule {
    /// How records name the rule, such as `route.stripe.allow[0]`.
    pub label: Arc<str>,
    /// Whom it allows.
    pub grantee: Grantee,
    /// The methods it allows.
    pub methods: Methods,
    /// The paths it allows, as the upstream is asked for them.
    pub paths: Vec<PathPattern>,
    /// Scopes that the principal's token must hold as well, all of them.
    pub scopes: Vec<Arc<str>>,
    /// Client networks it holds for; empty for all.
    pub networks: NetworkSet,
    /// What the principal has to hold a grant of.
    pub approval: Option<RuleApproval>,
}

/// What a rule waits for.
#[derive(Debug, Clone)]
pub struct RuleApproval {
    /// The `[approval.NAME]`.
    pub name: Name,
    /// Whether its grants are for single requests, body and all.
    pub is_exact: bool,
}

/// Whom a rule allows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Grantee {
    /// Everybody with a role.
    Role(Arc<str>),
    /// Everybody whose token holds a scope.
    Scope(Arc<str>),
    /// One principal, as `AUTHENTICATOR:ID`.
    Principal(Arc<str>),
}

/// Proof that one request was authorized, by which rule and for whom. Only [`Policy::authorize`] makes one, and without one no credential
/// is to be had.
#[derive(Debug)]
pub struct Permit {
    principal: Arc<Principal>,
    by: By,
}

/// What made a permit.
#[derive(Debug)]
enum By {
    /// A rule, and the grant that it needed.
    Rule { rule: Arc<str>, grantee: Grantee, grant: Option<Arc<Grant>> },
    /// No rule: the policy is only tried out.
    Shadow,
}

/// What becomes of a request that no rule allows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Enforcement {
    /// It is denied.
    #[default]
    Enforce,
    /// It is let through, and told of: the rules are being tried out.
    Shadow,
}

/// Why there is no [`Permit`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unauthorized {
    /// The `[approval.NAME]` with a grant of which a rule would allow it.
    pub approval: Option<Name>,
}

impl Permit {
    /// Who was authorized.
    pub fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// The label of the rule that allowed it; none where none did, and that is not enforced.
    pub fn rule(&self) -> Option<&Arc<str>> {
        match &self.by {
            By::Rule { rule, .. } => Some(rule),
            By::Shadow => None,
        }
    }

    /// The grant that the rule needed.
    pub fn grant(&self) -> Option<&Arc<Grant>> {
        match &self.by {
            By::Rule { grant, .. } => grant.as_ref(),
            By::Shadow => None,
        }
    }

    /// The role, scope or principal that the rule allowed.
    pub fn grantee(&self) -> Option<&Grantee> {
        match &self.by {
            By::Rule { grantee, .. } => Some(grantee),
            By::Shadow => None,
        }
    }

    /// Whether no rule allowed it, and it would be denied if the rules were enforced.
    pub fn is_shadowed(&self) -> bool {
        match self.by {
            By::Rule { .. } => false,
            By::Shadow => true,
        }
    }
}

/// The compiled rules of one route. Default deny: an empty policy allows nobody anything.
#[derive(Debug)]
pub struct Policy {
    pub(super) roles: Arc<Roles>,
    pub(super) rules: Vec<Rule>,
    enforcement: Enforcement,
    has_approvals: bool,
    needs_body: bool,
    places: PatternMap<Place>,
    role_ids: HashMap<Arc<str>, u32, ahash::RandomState>,
    scope_ids: HashMap<Arc<str>, u32, ahash::RandomState>,
    principal_ids: HashMap<Arc<str>, u32, ahash::RandomState>,
    /// Rules by place and grantee; the first of each, the others follow through `next`.
    first: HashMap<(Place, u32), u32, ahash::RandomState>,
    next: Vec<u32>,
}

/// One distinct pattern among the rules.
type Place = u32;

const NO_MORE: u32 = u32::MAX;

impl Policy {
    /// Compiles the rules of one route.
    pub fn compile(rules: Vec<Rule>, roles: Arc<Roles>) -> Self {
        let mut policy = Self {
            roles,
            has_approvals: rules.iter().any(|rule| rule.approval.is_some()),
            needs_body: rules.iter().any(|rule| rule.approval.as_ref().is_some_and(|approval| approval.is_exact)),
            rules: Vec::with_capacity(rules.len()),
            enforcement: Enforcement::Enforce,
            places: PatternMap::default(),
            role_ids: HashMap::default(),
            scope_ids: HashMap::default(),
            principal_ids: HashMap::default(),
            first: HashMap::default(),
            next: Vec::new(),
        };
        let mut grantees = 0;
        let mut places = 0;
        for rule in rules {
            policy.add(rule, &mut grantees, &mut places);
        }
        policy
    }

    /// The same, enforced or tried out. Rules that wait for an approval are always enforced: what waits for it was never meant to pass without.
    #[must_use]
    pub fn with_enforcement(self, enforcement: Enforcement) -> Self {
        let enforcement = if self.has_approvals { Enforcement::Enforce } else { enforcement };
        Self { enforcement, ..self }
    }

    /// What becomes of a request that no rule allows.
    pub fn enforcement(&self) -> Enforcement {
        self.enforcement
    }

    /// Whether a decision may need the request's body.
    pub fn needs_body(&self) -> bool {
        self.needs_body
    }

    fn add(&mut self, rule: Rule, grantees: &mut u32, places: &mut u32) {
        let (ids, name) = match &rule.grantee {
            Grantee::Role(name) => (&mut self.role_ids, name),
            Grantee::Scope(name) => (&mut self.scope_ids, name),
            Grantee::Principal(name) => (&mut self.principal_ids, name),
        };
        let grantee = *ids.entry(Arc::clone(name)).or_insert_with(|| count(grantees));
        for path in &rule.paths {
            let place = *self.places.entry(path, || count(places));
            // A rule with several paths stands once per path, so that each chain is a chain of its own.
            let index = u32::try_from(self.rules.len()).unwrap_or(NO_MORE);
            let follows = self.first.insert((place, grantee), index).unwrap_or(NO_MORE);
            self.next.push(follows);
            self.rules.push(rule.clone());
        }
    }

    /// Decides one request. The grant of an approval is what `granted` finds, which is asked only where no rule allows without.
    ///
    /// # Errors
    /// [`Unauthorized`] where no rule allows it, and the rules are enforced. They always are for a session that is confined to roles: that is no
    /// rule of this policy's, but what the session was asked to be.
    pub fn authorize(
        &self,
        principal: Arc<Principal>,
        request: &RequestView<'_>,
        now: SystemTime,
        granted: impl Fn(&Principal, &RuleApproval) -> Option<Arc<Grant>>,
    ) -> Result<Permit, Unauthorized> {
        let permit = |principal: Arc<Principal>, rule: &Rule, grant| {
            let by = By::Rule { rule: Arc::clone(&rule.label), grantee: rule.grantee.clone(), grant };
            Permit { principal, by }
        };
        if let Some(rule) = self.rule_for(&principal, request, now, &|rule| rule.approval.is_none()) {
            return Ok(permit(principal, rule, None));
        }
        if !self.has_approvals {
            return match self.enforcement {
                Enforcement::Shadow if !is_confined(&principal) => Ok(Permit { principal, by: By::Shadow }),
                Enforcement::Shadow | Enforcement::Enforce => Err(Unauthorized { approval: None }),
            };
        }
        let found = |rule: &Rule| granted(&principal, rule.approval.as_ref()?);
        if let Some(rule) = self.rule_for(&principal, request, now, &|rule| found(rule).is_some()) {
            // Looked for again, it may be over by now.
            let grant = found(rule)
                .ok_or(Unauthorized { approval: rule.approval.as_ref().map(|approval| approval.name.clone()) })?;
            return Ok(permit(principal, rule, Some(grant)));
        }
        let wanting = self.rule_for(&principal, request, now, &|rule| rule.approval.is_some());
        Err(Unauthorized { approval: wanting.and_then(|rule| Some(rule.approval.as_ref()?.name.clone())) })
    }

    /// Whether a rule that waits for an approval of this name is for somebody, whatever they would ask for.
    pub fn may_wait(&self, principal: &Principal, approval: &Name) -> bool {
        let waits = |rule: &&Rule| rule.approval.as_ref().is_some_and(|needed| needed.name == *approval);
        let mut rules = self.rules.iter().filter(waits).peekable();
        if rules.peek().is_none() {
            return false;
        }
        let (roles, name) = (self.roles.of(principal), principal.name());
        rules.any(|rule| match &rule.grantee {
            Grantee::Role(role) => roles.contains(role),
            Grantee::Scope(scope) => principal.scopes.contains(scope),
            Grantee::Principal(named) => **named == *name && !is_confined(principal),
        })
    }

    fn rule_for(
        &self,
        principal: &Principal,
        request: &RequestView<'_>,
        now: SystemTime,
        counts: &dyn Fn(&Rule) -> bool,
    ) -> Option<&Rule> {
        let when = Circumstances { client: request.client, time: now };
        let methods = Methods::of(request.method.as_str());
        let counts = |rule: &Rule| rule.holds(principal, methods, request) && counts(rule);
        let decide = |ids: &HashMap<Arc<str>, u32, ahash::RandomState>, name: &str| {
            let grantee = *ids.get(name)?;
            self.places.find(request.path, |place| self.rule_at(*place, grantee, counts))
        };
        if let Some(rule) = self.roles.find(principal, &when, |role| decide(&self.role_ids, role)) {
            return Some(rule);
        }
        if let Some(rule) = principal.scopes.iter().find_map(|scope| decide(&self.scope_ids, scope)) {
            return Some(rule);
        }
        // A session that is confined to roles was asked to have no more than those.
        if self.principal_ids.is_empty() || is_confined(principal) {
            return None;
        }
        decide(&self.principal_ids, &principal.name())
    }

    fn rule_at(&self, place: Place, grantee: u32, counts: impl Fn(&Rule) -> bool) -> Option<&Rule> {
        let mut index = *self.first.get(&(place, grantee))?;
        while index != NO_MORE {
            let at = usize::try_from(index).ok()?;
            let rule = self.rules.get(at)?;
            if counts(rule) {
                return Some(rule);
            }
            index = *self.next.get(at)?;
        }
        None
    }
}

impl Rule {
    fn holds(&self, principal: &Principal, methods: Methods, request: &RequestView<'_>) -> bool {
        self.methods.intersects(methods)
            && self.missing_scopes(principal).next().is_none()
            && self.admits_network(request.client)
    }

    /// The scopes that the principal's token lacks.
    pub(super) fn missing_scopes<'a>(&'a self, principal: &'a Principal) -> impl Iterator<Item = &'a Arc<str>> {
        self.scopes.iter().filter(|needed| !principal.scopes.contains(needed))
    }

    pub(super) fn admits_network(&self, client: IpAddr) -> bool {
        self.networks.is_empty() || self.networks.contains(client)
    }
}

/// Whether a session is confined to roles: then rules that name the principal itself allow nothing.
pub(super) fn is_confined(principal: &Principal) -> bool {
    principal.session.as_ref().is_some_and(|session| session.bounds.roles.is_some())
}

fn count(counter: &mut u32) -> u32 {
    let taken = *counter;
    *counter += 1;
    taken
}

#[cfg(test)]
mod tests;
