//! Attacks on signed tokens that are bound to nothing.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{MISSING, Row, SEVERAL, Sent, refused};
use crate::support::{
    issuer::{Issuer, jws},
    scene::Scene,
};

/// The token with claims that name two subjects, which its signature is not of.
fn with_subject_twice(token: &str, claims: &Value) -> String {
    let text = claims.to_string().replacen('{', r#"{"sub":"root","#, 1);
    let parts: Vec<&str> = token.split('.').collect();
    format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(text), parts[2])
}

/// Attacks on tokens that anybody may bear.
pub(super) fn attacks(scene: &Scene) -> Vec<Row> {
    let issuer = &scene.issuer;
    let claims = scene.claims_of("ada", &["reader"]);
    let bearer = |token: String| Sent::get("/door/x", [("Authorization", format!("Bearer {token}"))]);
    let ec = |more: Value| {
        let mut header = json!({"alg": "ES256", "typ": "JWT", "kid": "ec"});
        header.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        header
    };
    let none = |alg: &str| jws(&json!({"alg": alg, "kid": "ec"}), &claims, |_| "AAAA".to_owned());
    let key = issuer.jwks()["keys"][0]["n"].as_str().expect("a modulus").to_owned();
    let confused = jws(&json!({"alg": "HS256", "kid": "rsa"}), &claims, |input| {
        let key = jsonwebtoken::EncodingKey::from_secret(&URL_SAFE_NO_PAD.decode(&key).expect("base64"));
        jsonwebtoken::crypto::sign(input, &key, jsonwebtoken::Algorithm::HS256).expect("a signature")
    });
    let forger = Issuer::start();
    let forged = |header: Value| forger.sign(&header, &claims);
    let zeros = jws(&ec(json!({})), &claims, |_| URL_SAFE_NO_PAD.encode([0; 64]));
    let changed = |key: &str, value: Value| {
        let mut claims = claims.clone();
        claims[key] = value;
        issuer.token(&claims)
    };
    let good = issuer.token(&claims);
    let doubled = with_subject_twice(&good, &claims);
    let jwk = forger.jwks()["keys"][1].clone();
    let two = bearer(good.clone()).with("Authorization", format!("Bearer {good}"));
    let in_query = Sent::get(&format!("/door/x?access_token={good}"), [] as [(&str, String); 0]);
    let in_cookie = Sent::get("/door/x", [("Cookie", format!("access_token={good}"))]);
    vec![
        ("jwt", "alg none", bearer(none("none")), refused("algorithm")),
        ("jwt", "alg NoNe", bearer(none("NoNe")), refused("algorithm")),
        ("jwt", "the public key as HMAC key", bearer(confused), refused("algorithm")),
        ("jwt", "another's key under our kid", bearer(forged(ec(json!({})))), refused("signature")),
        ("jwt", "own key in jwk", bearer(forged(ec(json!({"jwk": jwk})))), refused("signature")),
        (
            "jwt",
            "own key in jku",
            bearer(forged(ec(json!({"kid": "x", "jku": forger.jwks_url()})))),
            refused("unknown_key"),
        ),
        ("jwt", "own key in x5u", bearer(forged(ec(json!({"x5u": forger.jwks_url()})))), refused("signature")),
        ("jwt", "a path as kid", bearer(forged(ec(json!({"kid": "../../dev/null"})))), refused("unknown_key")),
        ("jwt", "SQL as kid", bearer(forged(ec(json!({"kid": "ec' OR '1'='1"})))), refused("malformed")),
        ("jwt", "crit", bearer(issuer.sign(&ec(json!({"crit": ["exp"]})), &claims)), refused("critical")),
        ("jwt", "r = s = 0", bearer(zeros), refused("signature")),
        ("jwt", "a claim twice", bearer(doubled), refused("malformed")),
        ("jwt", "another audience", bearer(changed("aud", json!("https://other.test"))), refused("audience")),
        ("jwt", "another issuer", bearer(changed("iss", json!("https://other.test"))), refused("issuer")),
        ("jwt", "expired", bearer(changed("exp", json!(1))), refused("expired")),
        ("jwt", "not valid yet", bearer(changed("nbf", json!(9_999_999_999_u64))), refused("not_yet_valid")),
        ("jwt", "no subject", bearer(changed("sub", json!(null))), refused("claim")),
        ("jwt", "9 KiB", bearer(changed("x", json!("x".repeat(9000)))), refused("malformed")),
        ("jwt", "padded base64", bearer(format!("{good}==")), refused("malformed")),
        ("jwt", "cut", bearer(good[..good.len() - 2].to_owned()), refused("signature")),
        ("jwt", "two in two fields", two, SEVERAL),
        ("jwt", "two in one field", bearer(format!("{good}, Bearer {good}")), SEVERAL),
        ("jwt", "in the query", in_query, MISSING),
        ("jwt", "in a cookie", in_cookie, MISSING),
    ]
}
