//! Tokens of a certified OpenID provider, as its clients get them.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::json;

use crate::support::{
    gateway::{Gateway, Site},
    issuer::{AUDIENCE, Issuer},
    load::Load,
    proof::ProofKey,
    provider::Provider,
    raw::request,
    setup::{Parts, config},
    upstream::Upstream,
};

/// A gateway whose `/op/**` takes tokens of this issuer with the scope `read`.
fn gateway(site: &Site, upstream: &Upstream, issuer: &str, jwt: &str) -> String {
    let more = format!(
        "[authn.op.jwt]\nissuer = \"{issuer}\"\naudience = \"{AUDIENCE}\"\nkind = \"service\"\n{jwt}\n\
         [route.op]\npath = \"/op/**\"\ntarget = \"api\"\ncredential = \"api\"\nauthn = [\"op\"]\n\
         allow = [{{ scope = \"read\" }}]\n"
    );
    config(site, upstream, &Parts { more: &more, ..Parts::default() })
}

#[test]
fn a_token_of_a_certified_provider_is_found_good_by_discovery_alone() {
    let Some(provider) = Provider::start() else { return };
    let upstream = Upstream::echo();
    let gateway = Gateway::start(|site| gateway(site, &upstream, &provider.issuer, "profile = \"at+jwt\""));
    let token = provider.token("plain", &[]);
    let response = gateway.get("/op/x", &[("Authorization", &format!("Bearer {token}"))]);
    assert_eq!(response.status(), 200, "{}", response.text());
    let record = gateway.audited("the record", |record| record["path"] == "/op/x");
    assert_eq!((&record["principal"], &record["principal_kind"]), (&json!("plain"), &json!("service")));
    let (signed, _) = token.rsplit_once('.').expect("a JWS");
    let (_, signature) =
        provider.token("plain", &[]).rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).expect("a JWS");
    let forged = format!("Bearer {signed}.{signature}");
    assert_eq!(gateway.get("/op/x", &[("Authorization", &forged)]).status(), 401, "another token's signature");
}

#[test]
fn a_token_bound_to_a_key_needs_a_new_proof_for_each_request() {
    let Some(provider) = Provider::start() else { return };
    let upstream = Upstream::echo();
    let gateway = Gateway::start(|site| gateway(site, &upstream, &provider.issuer, "dpop_nonce = true"));
    let key = ProofKey::new();
    let at_token = key.proof("POST", &format!("{}/token", provider.issuer), None, None);
    let token = provider.token("bound", &[("DPoP", &at_token)]);
    let url = "http://gateway.test/op/x";
    let (dpop, bearer) = (format!("DPoP {token}"), format!("Bearer {token}"));
    let ask = |value: &str, proof: Option<&str>| {
        let mut headers = vec![("Authorization", value)];
        headers.extend(proof.map(|proof| ("DPoP", proof)));
        gateway.get("/op/x", &headers)
    };
    assert_eq!(ask(&bearer, None).status(), 401, "as a bearer token it is worth nothing");
    assert_eq!(ask(&dpop, None).status(), 401, "without a proof");
    let challenged = ask(&dpop, Some(&key.proof("GET", url, Some(&token), None)));
    assert_eq!(challenged.status(), 401, "without a nonce");
    assert!(challenged.header("www-authenticate").is_some_and(|value| value.contains("use_dpop_nonce")));
    let nonce = challenged.header("dpop-nonce").expect("a nonce").to_owned();
    let proof = key.proof("GET", url, Some(&token), Some(&nonce));
    let response = ask(&dpop, Some(&proof));
    assert_eq!(response.status(), 200, "{}", response.text());
    assert_eq!(response.header("dpop-nonce"), None);
    assert_eq!(ask(&dpop, Some(&proof)).status(), 401, "a second time");
    let details = |detail: &str| gateway.audited(detail, |record| record["detail"] == detail);
    for detail in ["binding", "nonce", "replay"] {
        details(detail);
    }
    for (what, proof) in [
        ("another's key", ProofKey::new().proof("GET", url, Some(&token), Some(&nonce))),
        ("another method", key.proof("POST", url, Some(&token), Some(&nonce))),
        ("another path", key.proof("GET", "http://gateway.test/op/y", Some(&token), Some(&nonce))),
        ("another token", key.proof("GET", url, Some("x"), Some(&nonce))),
    ] {
        assert_eq!(ask(&dpop, Some(&proof)).status(), 401, "{what}");
    }
    assert_eq!(ask(&dpop, Some(&key.proof("GET", url, Some(&token), Some(&nonce)))).status(), 200);
    for request in upstream.requests() {
        assert_eq!((request.header("dpop"), request.text().contains(&token)), (None, false), "neither goes upstream");
    }
}

/// The provider publishes a key before it signs with it, and keeps the old one in the set while its tokens live.
#[test]
fn keys_that_change_under_load_refuse_no_good_token_and_a_retired_key_proves_nothing() {
    let Some(provider) = Provider::start() else { return };
    let upstream = Upstream::echo();
    let gateway = Gateway::start(|site| gateway(site, &upstream, &provider.issuer, ""));
    let old = format!("Bearer {}", provider.token("plain", &[]));
    let current = Arc::new(Mutex::new(old.clone()));
    let used = Arc::clone(&current);
    let load = Load::start(
        2,
        gateway.public(),
        move |_, _| request("GET", "/op/x", &[("Authorization", &used.lock().expect("lock"))], b""),
        |response| response.status(),
    );
    load.wait_for(50);
    let ask = |bearer: &str| gateway.get("/op/y", &[("Authorization", bearer)]).status();
    provider.control("publish");
    provider.control("switch");
    // The first use of a key that is not known yet has it fetched; the load goes on with the old one meanwhile.
    let new = format!("Bearer {}", provider.token("plain", &[]));
    crate::support::eventually("the new key is known", || (ask(&new) == 200).then_some(()));
    assert_eq!(ask(&old), 200, "the old one is in the set still");
    current.lock().expect("lock").clone_from(&new);
    load.wait_for(50);
    provider.control("retire");
    provider.control("publish");
    provider.control("switch");
    let third = format!("Bearer {}", provider.token("plain", &[]));
    // An unknown key is asked for once in 30 s.
    let began = Instant::now();
    while ask(&third) != 200 {
        assert!(began.elapsed() < Duration::from_secs(40), "the third key is known");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!((ask(&old), ask(&new)), (401, 200), "the retired key proves nothing, remembered or not");
    let tally = load.stop();
    assert!(tally.answers.iter().all(|status| *status == 200), "no good token was refused");
}

#[test]
fn a_flood_of_unknown_keys_fetches_once_and_an_outage_keeps_the_last_good_keys() {
    let (issuer, upstream) = (Issuer::start(), Upstream::echo());
    let jwks = format!("jwks_url = \"{}\"", issuer.jwks_url());
    let gateway = Gateway::start(|site| gateway(site, &upstream, &issuer.url(), &jwks));
    let mut claims = issuer.claims("ada");
    claims["scope"] = json!("read");
    let ask = |token: &str| gateway.get("/op/x", &[("Authorization", &format!("Bearer {token}"))]).status();
    let good = issuer.token(&claims);
    assert_eq!((ask(&good), issuer.fetches()), (200, 1));
    let huge = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(1 << 20));
    issuer.publish(200, huge);
    for count in 0..200 {
        let token = issuer.sign(&json!({"alg": "ES256", "kid": format!("k{count}")}), &claims);
        assert_eq!(ask(&token), 401);
    }
    crate::support::eventually("the keys were asked for again", || (issuer.fetches() >= 2).then_some(()));
    // A fetch that fails is tried again after 1, 2, 4, ... s, flood or none.
    assert!(issuer.fetches() <= 6, "{} fetches", issuer.fetches());
    claims["jti"] = json!("another");
    assert_eq!(ask(&issuer.token(&claims)), 200, "the last good keys prove a token that was never seen");
    for (status, body) in [(500, "{}"), (302, ""), (200, "garbage"), (200, "{\"keys\":[],\"keys\":[]}")] {
        issuer.publish(status, body);
        assert_eq!(ask(&good), 200, "{status} {body}");
    }
}
