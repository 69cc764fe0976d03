//! Sound tokens and how long they stay so.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::authn::testing::{Issuer, NOW, SECRET, Signer, at, claims, client, header, prove, settings, with, without};
use crate::authn::{Alg, Jwt, KeySource, KindSource, SharedKey};
use crate::domain::{AuthnFault, Denial, PrincipalKind, Secret};

#[test]
fn a_good_token_of_each_algorithm_proves_its_principal() {
    for (alg, signer) in [
        ("RS256", Signer::rs256()),
        ("PS256", Signer::ps256()),
        ("ES256", Signer::es256()),
        ("ES384", Signer::es384()),
        ("EdDSA", Signer::ed()),
    ] {
        let issuer = Issuer::new(&[signer.jwk("k1")], |_| {});
        let token = signer.token(&header(alg, "k1").to_string(), &claims().to_string());
        let first = prove(&issuer.jwt, &token, NOW).expect(alg);
        assert_eq!((first.id.as_str(), first.authenticator.as_str()), ("alice@example.com", "corp"));
        let text = |names: &[Arc<str>]| names.join(" ");
        assert_eq!((text(&first.roles), text(&first.scopes)), ("billing ops".to_owned(), "read write".to_owned()));
        assert_eq!(first.expires, Some(at(NOW + 610)));
        let again = prove(&issuer.jwt, &token, NOW).expect(alg);
        assert!(Arc::ptr_eq(&first, &again), "{alg}: remembered");
    }
}

#[test]
fn a_shared_key_proves_hmac_tokens_and_no_others() {
    let key = SharedKey::new(Arc::new(Secret::new(SECRET.to_vec())), None);
    let jwt = Arc::new(Jwt::new(settings(KeySource::Secret { key, alg: Alg::Hs256 }), &client()).expect("jwt"));
    for (alg, signer, want) in [
        ("HS256", Signer::hs256(SECRET), Ok(())),
        ("HS256", Signer::hs256(b"another"), Err(AuthnFault::Signature)),
        ("HS512", Signer::hs256(SECRET), Err(AuthnFault::Algorithm)),
        ("RS256", Signer::rs256(), Err(AuthnFault::Algorithm)),
    ] {
        let token = signer.token(&header(alg, "any").to_string(), &claims().to_string());
        assert_eq!(prove(&jwt, &token, NOW).map(drop), want.map_err(Denial::Unauthenticated), "{alg}");
    }
}

#[test]
fn unusual_but_sound_tokens_pass() {
    let signer = Signer::rs256();
    let issuer = Issuer::new(&[signer.jwk("k1")], |_| {});
    let head = || header("RS256", "k1");
    for (header, claims) in [
        (with(head(), "typ", json!("application/AT+JWT")), claims().to_string()),
        (without(head(), "kid"), claims().to_string()),
        (with(head(), "jku", json!("https://evil.example/")), claims().to_string()),
        (head().to_string(), with(claims(), "aud", json!(["x", "urn:second"]))),
        (head().to_string(), with(claims(), "exp", json!(NOW as f64 + 0.5))),
        (head().to_string(), with(claims(), "exp", json!(1e300))),
        (head().to_string(), with(claims(), "exp", json!(NOW - 9))),
        (head().to_string(), with(claims(), "nbf", json!(NOW + 10))),
        (head().to_string(), without(claims(), "nbf")),
        (head().to_string(), without(claims(), "realm_access")),
        (head().to_string(), with(claims(), "realm_access.roles", json!("one"))),
        (head().to_string(), with(claims(), "scope", json!(["read"]))),
    ] {
        let token = signer.token(&header, &claims);
        assert_eq!(prove(&issuer.jwt, &token, NOW).map(drop), Ok(()), "{header} {claims}");
    }
}

#[test]
fn a_remembered_token_ends_when_it_would_have() {
    let signer = Signer::ed();
    let issuer = Issuer::new(&[signer.jwk("k1")], |_| {});
    let token = signer.token(&header("EdDSA", "k1").to_string(), &claims().to_string());
    for (now, want) in [
        (NOW, Ok(())),
        (NOW + 609, Ok(())),
        (NOW + 610, Err(AuthnFault::Expired)),
        (NOW - 70, Ok(())),
        (NOW - 71, Err(AuthnFault::NotYetValid)),
    ] {
        let got = prove(&issuer.jwt, &token, now).map(drop);
        assert_eq!(got, want.map_err(Denial::Unauthenticated), "{now}");
    }
}

#[test]
fn an_actor_a_kind_and_prefixed_roles_come_from_claims_or_the_token_is_refused() {
    let signer = Signer::ed();
    let issuer = Issuer::new(&[signer.jwk("k1")], |settings| {
        settings.roles_prefix = Some("api:".to_owned());
        settings.kind = KindSource::Claim("x.kind".to_owned());
    });
    let prove_with = |act: Value, kind: Value| {
        let mut claims = claims();
        claims["act"] = act;
        claims["x"] = json!({ "kind": kind });
        claims["realm_access"]["roles"] = json!(["api:reader", "api:", "admin", "xapi:writer"]);
        prove(&issuer.jwt, &signer.token(&header("EdDSA", "k1").to_string(), &claims.to_string()), NOW)
    };
    let outer = json!({"sub": "agent-7", "act": {"sub": "agent-1"}});
    for (kind, want) in
        [("human", PrincipalKind::Human), ("service", PrincipalKind::Service), ("agent", PrincipalKind::Agent)]
    {
        let principal = prove_with(outer.clone(), json!(kind)).expect(kind);
        assert_eq!((principal.kind, principal.actor.as_deref()), (want, Some("agent-7")));
        assert_eq!(principal.roles, [Arc::from("reader")]);
    }
    let refused = Err(Denial::Unauthenticated(AuthnFault::Claim));
    for kind in [json!("Human"), json!(""), json!("root"), json!(null), json!(["human"])] {
        assert_eq!(prove_with(outer.clone(), kind.clone()).map(drop), refused, "{kind}");
    }
    for act in [json!(null), json!("agent"), json!({}), json!({"sub": 7}), json!({"sub": ""}), json!({"sub": "a\nb"})] {
        assert_eq!(prove_with(act.clone(), json!("agent")).map(drop), refused, "{act}");
    }
}

#[test]
fn the_profile_of_access_tokens_demands_what_its_rfc_does() {
    let signer = Signer::ed();
    let issuer = Issuer::new(&[signer.jwk("k1")], |settings| {
        settings.types = Vec::new();
        settings.is_access_token_profile = true;
    });
    let mut whole = claims();
    whole["client_id"] = json!("c");
    whole["jti"] = json!("1");
    let prove_token = |header: &str, claims: &str| prove(&issuer.jwt, &signer.token(header, claims), NOW).map(drop);
    let head = header("EdDSA", "k1");
    assert_eq!(prove_token(&head.to_string(), &whole.to_string()), Ok(()));
    for member in ["client_id", "jti", "iat", "sub"] {
        let got = prove_token(&head.to_string(), &without(whole.clone(), member));
        assert_eq!(got, Err(Denial::Unauthenticated(AuthnFault::Claim)), "{member}");
    }
    for header in [without(head.clone(), "typ"), with(head.clone(), "typ", json!("JWT"))] {
        assert_eq!(prove_token(&header, &whole.to_string()), Err(Denial::Unauthenticated(AuthnFault::Type)));
    }
}
