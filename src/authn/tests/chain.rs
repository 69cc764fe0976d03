//! Where a request's one credential is looked for, and who judges it.

use std::sync::Arc;

use serde_json::json;

use crate::authn::testing::{
    Issuer, NOW, Signer, api_key_entry, claims, header, key_text, name, proven, with, with_request,
};
use crate::authn::{ApiKeySettings, ApiKeys, Authenticator, Chain, ChainFault};
use crate::domain::{AuthnFault, Denial};

#[test]
fn exactly_one_credential_is_looked_at() {
    let signer = Signer::ed();
    let issuer = Issuer::new(&[signer.jwk("k1")], |_| {});
    let token = signer.token(&header("EdDSA", "k1").to_string(), &claims().to_string());
    let keys = |place: Option<http::HeaderName>, label: &str, prefix: &str| {
        let settings =
            ApiKeySettings { name: name("keys"), header: place, keys: vec![api_key_entry(label, prefix, 'x')] };
        Authenticator::ApiKey(Arc::new(ApiKeys::new(settings).expect("keys")))
    };
    let chain = Chain::new(
        vec![
            Authenticator::Jwt(Arc::clone(&issuer.jwt)),
            keys(None, "bearer", "bearer000000"),
            keys(Some("x-api-key".parse().expect("a header")), "header", "header000000"),
        ],
        &name("api"),
        Arc::default(),
    )
    .expect("a chain");
    let (in_bearer, in_header) = (key_text("bearer000000", 'x'), key_text("header000000", 'x'));
    let bearer = |credential: &str| format!("Bearer {credential}");
    let (token_value, key_value, misplaced) = (bearer(&token), bearer(&in_bearer), bearer(&in_header));
    use AuthnFault::{Malformed, Missing, Several, UnknownKey};
    for (headers, want) in [
        (vec![], Err(Missing)),
        (vec![("authorization", &*token_value)], Ok("alice@example.com")),
        (vec![("authorization", &key_value)], Ok("bearer")),
        (vec![("x-api-key", &in_header)], Ok("header")),
        (vec![("authorization", &misplaced)], Err(UnknownKey)),
        (vec![("x-api-key", &in_bearer)], Err(UnknownKey)),
        (vec![("x-api-key", &key_value)], Err(Malformed)),
        (vec![("x-api-key", "")], Err(Malformed)),
        (vec![("x-api-key", &token)], Err(Malformed)),
        (vec![("authorization", &token_value), ("authorization", &token_value)], Err(Several)),
        (vec![("authorization", &token_value), ("x-api-key", &in_header)], Err(Several)),
        (vec![("authorization", ""), ("x-api-key", &in_header)], Err(Several)),
        (vec![("x-api-key", &in_header), ("x-api-key", &in_header)], Err(Several)),
        (vec![("authorization", "Basic YTpi")], Err(Malformed)),
        (vec![("authorization", "Bearer")], Err(Malformed)),
        (vec![("authorization", "Bearer ")], Err(Malformed)),
        (vec![("authorization", &token)], Err(Malformed)),
        (vec![("authorization", &format!("Bearer  {token}"))], Err(Malformed)),
        (vec![("authorization", &format!("bEARER {token}"))], Ok("alice@example.com")),
        (vec![("authorization", &format!("Bearer {token} {token}"))], Err(Malformed)),
        (vec![("authorization", "Bearer \u{e9}")], Err(Malformed)),
    ] {
        let got = with_request(&headers, |request| proven(&chain, request, NOW));
        let got = got.as_ref().map(|principal| principal.id.as_str()).map_err(|denial| *denial);
        assert_eq!(got, want.map_err(Denial::Unauthenticated), "{headers:?}");
    }
    assert_eq!(chain.places(), ["authorization", "dpop", "x-api-key"]);
    assert_eq!(
        chain.challenges(Missing),
        [r#"Bearer realm="api""#, r#"DPoP realm="api", algs="ES256 ES384 EdDSA PS256 RS256""#]
    );
    assert_eq!(chain.challenges(Several)[0], r#"Bearer realm="api", error="invalid_token""#);
}

#[test]
fn a_token_goes_to_the_authenticator_of_its_issuer() {
    let signers = [Signer::ed(), Signer::ed()];
    let issuers = ["https://one.example", "https://two.example"];
    let sides: Vec<Issuer> = (signers.iter().zip(issuers))
        .map(|(signer, issuer)| Issuer::new(&[signer.jwk("k1")], |settings| settings.issuer = issuer.to_owned()))
        .collect();
    let jwts = || sides.iter().map(|side| Authenticator::Jwt(Arc::clone(&side.jwt)));
    let chain = Chain::new(jwts().collect(), &name("api"), Arc::default()).expect("a chain");
    for (signer, issuer, want) in [
        (&signers[0], issuers[0], Ok(())),
        (&signers[1], issuers[1], Ok(())),
        (&signers[0], issuers[1], Err(AuthnFault::Signature)),
        (&signers[1], "https://three.example", Err(AuthnFault::Issuer)),
    ] {
        let token = signer.token(&header("EdDSA", "k1").to_string(), &with(claims(), "iss", json!(issuer)));
        let value = format!("Bearer {token}");
        let got = with_request(&[("authorization", &value)], |request| proven(&chain, request, NOW));
        assert_eq!(got.map(drop), want.map_err(Denial::Unauthenticated), "{issuer}");
    }
    let twice = Chain::new(jwts().chain(jwts()).collect(), &name("api"), Arc::default());
    assert_eq!(twice.err(), Some(ChainFault::SameIssuer(name("corp"))));
}

#[test]
fn nothing_configured_lets_nobody_in() {
    let chain = Chain::new(Vec::new(), &name("api"), Arc::default()).expect("a chain");
    for (headers, fault) in
        [(vec![], AuthnFault::Missing), (vec![("authorization", "Bearer x.y.z")], AuthnFault::Malformed)]
    {
        let got = with_request(&headers, |request| proven(&chain, request, NOW));
        assert_eq!(got, Err(Denial::Unauthenticated(fault)));
    }
}
