//! Keys: which are used for what, and what their loss means.

use std::fs;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::KeyPair;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use crate::authn::testing::{Issuer, NOW, RSA, SECRET, Signer, claims, client, header, prove, settings, with, without};
use crate::authn::{Alg, JwksFault, Jwt, JwtFault, JwtSettings, KeyFault, KeySource, SharedKey};
use crate::domain::{AuthnFault, Denial, Secret, Unavailable};
use crate::net::NetError;

#[tokio::test]
async fn a_removed_key_takes_what_it_proved_with_it() {
    let (old, new) = (Signer::ed(), Signer::ed());
    let issuer = Issuer::new(&[old.jwk("old")], |_| {});
    let token = old.token(&header("EdDSA", "old").to_string(), &claims().to_string());
    let first = prove(&issuer.jwt, &token, NOW).expect("proved");

    issuer.publish(&[new.jwk("new"), old.jwk("old")]).await;
    assert!(Arc::ptr_eq(&first, &prove(&issuer.jwt, &token, NOW).expect("still proved")), "remembered across sets");

    issuer.publish(&[new.jwk("new")]).await;
    assert_eq!(prove(&issuer.jwt, &token, NOW), Err(Denial::Unauthenticated(AuthnFault::UnknownKey)));

    issuer.publish(&[new.jwk("old")]).await;
    assert_eq!(prove(&issuer.jwt, &token, NOW), Err(Denial::Unauthenticated(AuthnFault::Signature)), "same kid");

    issuer.publish(&[]).await;
    assert_eq!(prove(&issuer.jwt, &token, NOW), Err(Denial::Unauthenticated(AuthnFault::UnknownKey)));
}

#[tokio::test]
async fn a_broken_key_set_leaves_the_last_good_one() {
    let signer = Signer::ed();
    let issuer = Issuer::new(&[signer.jwk("k1")], |_| {});
    let token = signer.token(&header("EdDSA", "k1").to_string(), &claims().to_string());
    for (body, fault) in [
        ("{", KeyFault::Jwks(JwksFault::Json)),
        (r#"{"keys":[],"keys":[]}"#, KeyFault::Jwks(JwksFault::Json)),
        ("{}", KeyFault::Jwks(JwksFault::NoKeys)),
        (&json!({"keys": vec![0; 101]}).to_string(), KeyFault::Jwks(JwksFault::TooMany)),
        (&" ".repeat(1 << 21), KeyFault::File),
    ] {
        fs::write(&issuer.path, body).expect("written");
        assert_eq!(issuer.jwt.refresh().await, Err(fault));
        assert!(prove(&issuer.jwt, &token, NOW).is_ok());
    }
}

#[test]
fn keys_of_a_set_are_used_only_as_they_say() {
    let signer = Signer::rs256();
    let jwk = || signer.jwk("k1");
    let set = |jwk: String| vec![serde_json::from_str(&jwk).expect("a key")];
    let zero_modulus = URL_SAFE_NO_PAD.encode([0xff; 128]);
    for (what, keys, alg, want) in [
        ("bound to its algorithm", set(with(jwk(), "alg", json!("RS256"))), "RS256", Ok(())),
        ("bound to another", set(with(jwk(), "alg", json!("PS256"))), "RS256", Err(AuthnFault::Algorithm)),
        ("bound to encryption", set(with(jwk(), "alg", json!("RSA-OAEP"))), "RS256", Err(AuthnFault::UnknownKey)),
        ("bound to HMAC", set(with(jwk(), "alg", json!("HS256"))), "RS256", Err(AuthnFault::UnknownKey)),
        ("for encryption", set(with(jwk(), "use", json!("enc"))), "RS256", Err(AuthnFault::UnknownKey)),
        ("for verifying", set(with(jwk(), "key_ops", json!(["verify"]))), "RS256", Ok(())),
        ("for signing only", set(with(jwk(), "key_ops", json!(["sign"]))), "RS256", Err(AuthnFault::UnknownKey)),
        ("given away", set(with(jwk(), "d", json!("AQAB"))), "RS256", Err(AuthnFault::UnknownKey)),
        ("unusable kid", set(with(jwk(), "kid", json!("k 1"))), "RS256", Err(AuthnFault::UnknownKey)),
        ("without kid", set(without(jwk(), "kid")), "RS256", Err(AuthnFault::UnknownKey)),
        ("1024 bits", set(with(jwk(), "n", json!(zero_modulus))), "RS256", Err(AuthnFault::UnknownKey)),
        ("exponent of one", set(with(jwk(), "e", json!("AQ"))), "RS256", Err(AuthnFault::UnknownKey)),
        ("listed twice", vec![jwk(), jwk()], "RS256", Ok(())),
        ("a second with this kid", vec![jwk(), Signer::es256().jwk("k1")], "RS256", Ok(())),
    ] {
        let issuer = Issuer::new(&keys, |_| {});
        let token = signer.token(&header(alg, "k1").to_string(), &claims().to_string());
        let got = prove(&issuer.jwt, &token, NOW).map(drop);
        assert_eq!(got, want.map_err(Denial::Unauthenticated), "{what}");
    }
}

#[test]
fn a_symmetric_key_in_a_published_set_proves_nothing() {
    let signer = Signer::hs256(SECRET);
    let issuer = Issuer::new(&[signer.jwk("k1")], |_| {});
    let token = signer.token(&header("HS256", "k1").to_string(), &claims().to_string());
    assert_eq!(prove(&issuer.jwt, &token, NOW), Err(Denial::Unauthenticated(AuthnFault::Algorithm)));
}

#[test]
fn a_token_without_kid_needs_exactly_one_key_that_fits() {
    let (first, second) = (Signer::ed(), Signer::ed());
    let nameless = |signer: &Signer| serde_json::from_str(&without(signer.jwk("x"), "kid")).expect("a key");
    let token = first.token(&without(header("EdDSA", "x"), "kid"), &claims().to_string());
    for (keys, want) in [
        (vec![nameless(&first)], Ok(())),
        (vec![nameless(&first), Signer::es256().jwk("k2")], Ok(())),
        (vec![nameless(&first), second.jwk("k2")], Err(AuthnFault::UnknownKey)),
        (vec![nameless(&second)], Err(AuthnFault::Signature)),
    ] {
        let issuer = Issuer::new(&keys, |_| {});
        assert_eq!(prove(&issuer.jwt, &token, NOW).map(drop), want.map_err(Denial::Unauthenticated));
    }
}

#[test]
fn a_pinned_public_key_proves_tokens_whatever_their_kid() {
    let der: PublicKeyX509Der<'_> = RSA.public_key().as_der().expect("DER");
    let text = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der.as_ref()));
    let jwt = Jwt::new(settings(KeySource::Pem { text: text.clone(), alg: Alg::Ps256 }), &client());
    let jwt = Arc::new(jwt.expect("an authenticator"));
    let token = |signer: Signer, alg| signer.token(&header(alg, "any").to_string(), &claims().to_string());
    assert!(prove(&jwt, &token(Signer::ps256(), "PS256"), NOW).is_ok());
    let got = prove(&jwt, &token(Signer::rs256(), "RS256"), NOW);
    assert_eq!(got, Err(Denial::Unauthenticated(AuthnFault::Algorithm)));
    for (text, alg, fault) in [
        (text.clone(), Alg::Es256, KeyFault::Pem),
        (text.clone(), Alg::EdDsa, KeyFault::Pem),
        (text, Alg::Hs256, KeyFault::Algorithm),
        ("nonsense".to_owned(), Alg::Rs256, KeyFault::Pem),
    ] {
        let made = Jwt::new(settings(KeySource::Pem { text, alg }), &client());
        assert_eq!(made.err(), Some(JwtFault::Keys(fault)));
    }
}

#[test]
fn unsafe_settings_make_no_authenticator() {
    let shared = |bytes: &[u8]| SharedKey::new(Arc::new(Secret::new(bytes.to_vec())), None);
    let url = || KeySource::JwksUrl("https://login.example.com/jwks".to_owned());
    let changed = |change: fn(&mut JwtSettings)| {
        let mut settings = settings(url());
        change(&mut settings);
        settings
    };
    for (settings, fault) in [
        (changed(|s| s.issuer.clear()), JwtFault::NoIssuer),
        (changed(|s| s.audiences.clear()), JwtFault::NoAudience),
        (changed(|s| s.audiences.push(String::new())), JwtFault::NoAudience),
        (changed(|s| s.leeway = std::time::Duration::from_secs(31)), JwtFault::Leeway),
        (changed(|s| s.keys_refresh = Some(std::time::Duration::from_millis(999))), JwtFault::Refresh),
        (changed(|s| s.keys_refresh = Some(std::time::Duration::from_secs(3601))), JwtFault::Refresh),
        (
            changed(|s| {
                s.keys = KeySource::JwksFile("/nonexistent".into());
                s.keys_refresh = Some(std::time::Duration::from_secs(60));
            }),
            JwtFault::Refresh,
        ),
        (changed(|s| s.algorithms = vec![Alg::Rs256, Alg::Hs256]), JwtFault::Keys(KeyFault::Algorithm)),
        (settings(KeySource::Secret { key: shared(SECRET), alg: Alg::Rs256 }), JwtFault::Keys(KeyFault::Algorithm)),
        (settings(KeySource::Secret { key: shared(b"short"), alg: Alg::Hs256 }), JwtFault::Keys(KeyFault::ShortSecret)),
        (settings(KeySource::Secret { key: shared(SECRET), alg: Alg::Hs384 }), JwtFault::Keys(KeyFault::ShortSecret)),
        (
            settings(KeySource::JwksUrl("http://login.example.com/jwks".to_owned())),
            JwtFault::Keys(KeyFault::Net(NetError::Scheme)),
        ),
        (
            changed(|s| {
                s.issuer = "corp".to_owned();
                s.keys = KeySource::Discovery;
            }),
            JwtFault::Keys(KeyFault::Net(NetError::Url)),
        ),
        (settings(KeySource::JwksFile("/nonexistent".into())), JwtFault::Keys(KeyFault::File)),
    ] {
        assert_eq!(Jwt::new(settings, &client()).err(), Some(fault));
    }
}

#[test]
fn keys_that_were_never_fetched_are_unavailable() {
    let jwt = Jwt::new(settings(KeySource::Discovery), &client()).map(Arc::new).expect("an authenticator");
    let token = Signer::rs256().token(&header("RS256", "k1").to_string(), &claims().to_string());
    assert!(!jwt.is_ready() && jwt.is_due());
    assert_eq!(prove(&jwt, &token, NOW), Err(Denial::Unavailable(Unavailable::IssuerKeys)));
}
