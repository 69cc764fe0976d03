//! Policies: what their rules allow, and that a trace tells the same.

use http::{HeaderMap, Method};
use proptest::prelude::*;

use super::*;
use crate::authz::RoleConditions;
use crate::domain::{Bounds, Host, Id, Name, NormalPath, PrincipalKind, Stay};

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

fn with_view<R>(method: &str, path: &str, client: &str, look: impl FnOnce(&RequestView<'_>) -> R) -> R {
    let headers = HeaderMap::new();
    let path = NormalPath::parse(path.as_bytes()).expect("path");
    look(&RequestView {
        method: &Method::from_bytes(method.as_bytes()).expect("method"),
        host: &Host::parse("api.test").expect("host"),
        path: &path,
        headers: &headers,
        client: client.parse().expect("address"),
        peer: client.parse().expect("address"),
        is_tls: true,
        authority: "api.test",
        asked: &path,
        query: None,
        target: "/",
        has_body: false,
        certificates: None,
    })
}

fn decide(policy: &Policy, who: &Arc<Principal>, method: &str, path: &str, client: &str) -> Option<String> {
    let permit = with_view(method, path, client, |view| {
        policy.authorize(Arc::clone(who), view, SystemTime::now(), |_, _| None).ok()
    });
    permit.map(|permit| permit.rule().map_or_else(|| "shadow".to_owned(), ToString::to_string))
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
fn a_policy_in_shadow_lets_through_what_no_rule_allows_but_not_past_an_approval_or_a_confined_session() {
    let shadow = |policy: Policy| policy.with_enforcement(Enforcement::Shadow);
    let empty = || Policy::compile(vec![], Arc::new(Roles::default()));
    let nobody = principal(&[], &[]);
    assert_eq!(decide(&shadow(empty()), &nobody, "GET", "/", "192.0.2.1").as_deref(), Some("shadow"));
    assert_eq!(
        decide(&shadow(policy()), &principal(&["billing"], &[]), "GET", "/v1/refunds", "192.0.2.1").as_deref(),
        Some("read"),
        "what a rule allows is allowed by it"
    );

    let bounds = Bounds { roles: Some(vec!["reader".into()]), ..Bounds::default() };
    let stay = Stay::new(Id([0; 16]), bounds, None, SystemTime::now());
    let confined = Principal { session: Some(Arc::new(stay)), ..Principal::clone(&nobody) };
    assert_eq!(decide(&shadow(empty()), &Arc::new(confined), "GET", "/", "192.0.2.1"), None);

    let approval = RuleApproval { name: Name::parse("finance").expect("name"), is_exact: false };
    let waits = Rule { approval: Some(approval), ..rule("waits", Grantee::Role("x".into()), &["GET"], &["/x"]) };
    let waits = shadow(Policy::compile(vec![waits], Arc::new(Roles::default())));
    assert_eq!(waits.enforcement(), Enforcement::Enforce);
    assert_eq!(decide(&waits, &nobody, "GET", "/", "192.0.2.1"), None);
}

#[test]
fn an_empty_policy_allows_nothing() {
    let policy = Policy::compile(vec![], Arc::new(Roles::default()));
    assert_eq!(decide(&policy, &principal(&["admin"], &[]), "GET", "/", "10.0.0.1"), None);
}

fn any_principal() -> impl Strategy<Value = Arc<Principal>> {
    let words = || proptest::collection::vec(proptest::sample::select(&["a", "b", "c"][..]), 0..3);
    (words(), words()).prop_map(|(roles, scopes)| principal(&roles, &scopes))
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let grantee = prop_oneof![
        proptest::sample::select(&["a", "b", "given"][..]).prop_map(|role| Grantee::Role(role.into())),
        proptest::sample::select(&["a", "b"][..]).prop_map(|scope| Grantee::Scope(scope.into())),
        proptest::sample::select(&["corp:alice", "corp:bob"][..]).prop_map(|name| Grantee::Principal(name.into())),
    ];
    let paths = proptest::sample::subsequence(vec!["/**", "/x", "/x/*", "/x/**", "/y"], 1..3);
    let methods = proptest::sample::subsequence(vec!["GET", "POST"], 1..3);
    let scopes = proptest::sample::subsequence(vec!["a", "c"], 0..2);
    (grantee, methods, paths, scopes, any::<bool>()).prop_map(|(grantee, methods, paths, scopes, is_inside)| Rule {
        scopes: scopes.into_iter().map(Into::into).collect(),
        networks: NetworkSet::new(is_inside.then(|| "10.0.0.0/8".parse().expect("network")).into_iter().collect()),
        ..rule("", grantee, &methods, &paths)
    })
}

proptest! {
    #[test]
    fn a_trace_finds_no_fault_where_the_policy_allows_and_one_in_every_rule_where_it_does_not(
        mut rules in proptest::collection::vec(any_rule(), 0..5),
        who in any_principal(),
        method in proptest::sample::select(&["GET", "POST"][..]),
        path in proptest::sample::select(&["/x", "/x/1", "/x/1/2", "/y", "/z"][..]),
        client in proptest::sample::select(&["10.1.1.1", "192.0.2.1"][..]),
    ) {
        for (nth, rule) in rules.iter_mut().enumerate() {
            rule.label = nth.to_string().into();
        }
        let mut roles = Roles::default();
        roles.add_claim(&"given".into(), "c");
        roles.add_conditions(&"b".into(), RoleConditions { requires: vec![Name::parse("other").expect("name")], ..RoleConditions::default() });
        let policy = Policy::compile(rules.clone(), Arc::new(roles));
        prop_assert_eq!(policy.rules().count(), rules.len());
        let decided = decide(&policy, &who, method, path, client);
        let traced = with_view(method, path, client, |view| policy.trace(&who, view, SystemTime::now()));
        let fits: Vec<_> = traced.iter().filter(|one| one.faults.is_empty()).map(|one| one.label.to_string()).collect();
        prop_assert_eq!(decided.is_some(), !fits.is_empty());
        prop_assert!(decided.is_none_or(|label| fits.contains(&label)));
    }
}
