//! One route's rules, indexed so that a decision costs by the principal's roles and the path's depth, not by the number of rules.

use std::collections::HashMap;
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
    rule: Arc<str>,
    grantee: Grantee,
    grant: Option<Arc<Grant>>,
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

    /// The label of the rule that allowed it.
    pub fn rule(&self) -> &Arc<str> {
        &self.rule
    }

    /// The grant that the rule needed.
    pub fn grant(&self) -> Option<&Arc<Grant>> {
        self.grant.as_ref()
    }

    /// The role, scope or principal that the rule allowed.
    pub fn grantee(&self) -> &Grantee {
        &self.grantee
    }
}

/// The compiled rules of one route. Default deny: an empty policy allows nobody anything.
#[derive(Debug)]
pub struct Policy {
    roles: Arc<Roles>,
    rules: Vec<Rule>,
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
    /// [`Unauthorized`] where no rule allows it.
    pub fn authorize(
        &self,
        principal: Arc<Principal>,
        request: &RequestView<'_>,
        now: SystemTime,
        granted: impl Fn(&Principal, &RuleApproval) -> Option<Arc<Grant>>,
    ) -> Result<Permit, Unauthorized> {
        let permit = |principal: Arc<Principal>, rule: &Rule, grant| {
            let (rule, grantee) = (Arc::clone(&rule.label), rule.grantee.clone());
            Permit { principal, rule, grantee, grant }
        };
        if let Some(rule) = self.rule_for(&principal, request, now, &|rule| rule.approval.is_none()) {
            return Ok(permit(principal, rule, None));
        }
        if !self.has_approvals {
            return Err(Unauthorized { approval: None });
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
        let is_confined = principal.session.as_ref().is_some_and(|session| session.bounds.roles.is_some());
        if self.principal_ids.is_empty() || is_confined {
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
            && self.scopes.iter().all(|needed| principal.scopes.contains(needed))
            && (self.networks.is_empty() || self.networks.contains(request.client))
    }
}

fn count(counter: &mut u32) -> u32 {
    let taken = *counter;
    *counter += 1;
    taken
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;
    use crate::domain::{Host, Name, NormalPath, PrincipalKind};

    fn principal(roles: &[&str], scopes: &[&str]) -> Arc<Principal> {
        Arc::new(Principal {
            roles: roles.iter().map(|r| Arc::from(*r)).collect(),
            scopes: scopes.iter().map(|s| Arc::from(*s)).collect(),
            ..Principal::new(Name::parse("corp").expect("name"), PrincipalKind::Human, "alice".into())
        })
    }

    fn rule(label: &str, grantee: Grantee, methods: &[&str], paths: &[&str]) -> Rule {
        Rule {
            label: label.into(),
            grantee,
            methods: methods.iter().fold(Methods::NONE, |set, m| set.union(Methods::of(m))),
            paths: paths.iter().map(|p| PathPattern::parse(p).expect("pattern")).collect(),
            scopes: vec![],
            networks: NetworkSet::default(),
            approval: None,
        }
    }

    fn decide(policy: &Policy, who: &Arc<Principal>, method: &str, path: &str, client: &str) -> Option<String> {
        let headers = HeaderMap::new();
        let request = RequestView {
            method: &Method::from_bytes(method.as_bytes()).expect("method"),
            host: &Host::parse("api.test").expect("host"),
            path: &NormalPath::parse(path.as_bytes()).expect("path"),
            headers: &headers,
            client: client.parse().expect("address"),
            peer: client.parse().expect("address"),
            is_tls: true,
            authority: "api.test",
            asked: &NormalPath::parse(path.as_bytes()).expect("path"),
            query: None,
            target: "/",
            has_body: false,
            certificates: None,
        };
        policy
            .authorize(Arc::clone(who), &request, SystemTime::now(), |_, _| None)
            .ok()
            .map(|permit| permit.rule().to_string())
    }

    fn policy() -> Policy {
        let mut roles = Roles::default();
        roles.add_member(&"ops".into(), "corp:alice");
        roles.add_member(&"ops".into(), "other:bob");
        roles.add_claim(&"billing".into(), "okta-finance");
        let mut scoped = rule("scoped", Grantee::Role("writer".into()), &["POST"], &["/v1/refunds"]);
        scoped.scopes = vec!["refunds:write".into()];
        let mut office = rule("office", Grantee::Role("admin".into()), &["GET"], &["/**"]);
        office.networks = NetworkSet::new(vec!["10.0.0.0/8".parse().expect("network")]);
        let rules = vec![
            rule("read", Grantee::Role("billing".into()), &["GET"], &["/v1/charges/**", "/v1/refunds"]),
            rule("ops", Grantee::Role("ops".into()), &["DELETE"], &["/v1/charges/*"]),
            rule("scope", Grantee::Scope("charges:read".into()), &["GET"], &["/v1/charges"]),
            rule("bob", Grantee::Principal("corp:bob".into()), &["GET"], &["/**"]),
            scoped,
            office,
        ];
        Policy::compile(rules, Arc::new(roles))
    }

    #[test]
    fn only_what_a_rule_allows_is_allowed() {
        let policy = policy();
        let outside = "192.0.2.1";
        for (roles, scopes, method, path, client, want) in [
            (&["billing"][..], &[][..], "GET", "/v1/charges/1", outside, Some("read")),
            (&["billing"], &[], "GET", "/v1/refunds", outside, Some("read")),
            (&["okta-finance"], &[], "GET", "/v1/charges", outside, Some("read")),
            (&["billing"], &[], "POST", "/v1/charges/1", outside, None),
            (&["billing"], &[], "GET", "/v1/customers", outside, None),
            (&["Billing"], &[], "GET", "/v1/charges", outside, None),
            (&[], &[], "GET", "/v1/charges", outside, None),
            (&[], &[], "DELETE", "/v1/charges/1", outside, Some("ops")),
            (&[], &[], "DELETE", "/v1/charges/1/x", outside, None),
            (&[], &["charges:read"], "GET", "/v1/charges", outside, Some("scope")),
            (&["writer"], &[], "POST", "/v1/refunds", outside, None),
            (&["writer"], &["refunds:write"], "POST", "/v1/refunds", outside, Some("scoped")),
            (&["admin"], &[], "GET", "/x", outside, None),
            (&["admin"], &[], "GET", "/x", "::ffff:10.1.1.1", Some("office")),
        ] {
            let who = principal(roles, scopes);
            let got = decide(&policy, &who, method, path, client);
            assert_eq!(got.as_deref(), want, "{roles:?} {scopes:?} {method} {path} {client}");
        }
    }

    #[test]
    fn the_same_id_from_another_authenticator_is_somebody_else() {
        let policy = policy();
        let mut bob = Principal::clone(&principal(&[], &[]));
        bob.id = "bob".into();
        assert_eq!(decide(&policy, &Arc::new(bob.clone()), "GET", "/x", "192.0.2.1").as_deref(), Some("bob"));
        assert_eq!(decide(&policy, &Arc::new(bob), "DELETE", "/v1/charges/1", "192.0.2.1"), None);
    }

    #[test]
    fn an_empty_policy_allows_nothing() {
        let policy = Policy::compile(vec![], Arc::new(Roles::default()));
        assert_eq!(decide(&policy, &principal(&["admin"], &[]), "GET", "/", "10.0.0.1"), None);
    }
}
