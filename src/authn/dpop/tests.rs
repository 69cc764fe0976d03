//! Proofs, sound and forged, alone and with the tokens that are bound to their keys.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;
use crate::authn::testing::{
    ISSUER, Issuer, NOW, Signer, at, claims, header, name, proven, with, with_request, without,
};
use crate::authn::{Authenticator, Chain};
use crate::domain::PeerCertificates;

const TOKEN: &str = "an.access.token";

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn key_of(signer: &Signer) -> [u8; 32] {
    thumbprint(signer.jwk("k").as_object().expect("a key")).expect("a thumbprint")
}

/// The key as a proof shows it.
fn shown(signer: &Signer) -> Value {
    let mut jwk = signer.jwk("k");
    let members = jwk.as_object_mut().expect("a key");
    members.retain(|name, _| !["kid", "use", "alg"].contains(&name.as_str()));
    jwk
}

fn head(alg: &str, signer: &Signer) -> Value {
    json!({"typ": "dpop+jwt", "alg": alg, "jwk": shown(signer)})
}

fn body(token: &str) -> Value {
    json!({"htm": "GET", "htu": "https://api.example.com/", "iat": NOW, "jti": "1", "ath": encode(&sha256(token.as_bytes()))})
}

fn judge_at(dpop: &Dpop, proofs: &[&str], key: [u8; 32], nonce: bool, now: u64) -> Result<(), Denial> {
    let headers: Vec<_> = proofs.iter().map(|proof| ("dpop", *proof)).collect();
    with_request(&headers, |request| {
        dpop.verify_here(request, &Wanted { token: Some(TOKEN), key: Some(key), nonce }, at(now)).map(drop)
    })
}

fn judge(proof: &str, key: [u8; 32]) -> Result<(), Denial> {
    judge_at(&Dpop::new(None), &[proof], key, false, NOW)
}

/// RFC 9449 §7.1 with the key of §6.1.
#[test]
fn the_example_of_the_rfc_is_sound_once_and_in_its_time() {
    let token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    let proof = concat!(
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJo",
        "RjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJq",
        "dGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNv",
        "dXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqz",
        "hrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA",
    );
    let key = confirmation::digest(&json!("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I")).expect("a thumbprint");
    let host = Host::parse("resource.example.org").expect("a host");
    let path = NormalPath::parse(b"/protectedresource").expect("a path");
    let dpop = Dpop::new(None);
    use ProofFault::{Expired, NotYetValid, Replay};
    for (now, want) in [
        (1_562_262_607, Err(NotYetValid)),
        (1_562_262_608, Ok(())),
        (1_562_262_678, Err(Replay)),
        (1_562_262_679, Err(Expired)),
    ] {
        let got = with_request(&[("dpop", proof)], |request| {
            let asked = RequestView { host: &host, asked: &path, authority: "resource.example.org", ..*request };
            dpop.verify_here(&asked, &Wanted { token: Some(token), key: Some(key), nonce: false }, at(now)).map(drop)
        });
        assert_eq!(got, want.map_err(refused), "{now}");
    }
}

/// RFC 7638 §3.1 and RFC 8037 §A.3.
#[test]
fn thumbprints_are_those_of_the_rfcs() {
    let rsa = json!({
        "kty": "RSA", "alg": "RS256", "kid": "2011-04-29", "e": "AQAB",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    });
    let okp = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    for (jwk, want) in [
        (rsa, Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")),
        (okp, Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")),
        (json!({"kty": "oct", "k": "AAAA"}), None),
        (json!({"kty": "OKP", "crv": "Ed25519"}), None),
        (json!({"kty": "OKP", "crv": "Ed25519", "x": "a\",\"y\":\"b"}), None),
    ] {
        let got = thumbprint(jwk.as_object().expect("a key")).map(|sum| encode(&sum));
        assert_eq!(got.as_deref(), want, "{jwk}");
    }
}

#[test]
fn a_proof_of_each_algorithm_is_taken_and_of_no_other() {
    for (alg, signer, want) in [
        ("ES256", Signer::es256(), Ok(())),
        ("ES384", Signer::es384(), Ok(())),
        ("EdDSA", Signer::ed(), Ok(())),
        ("RS256", Signer::rs256(), Ok(())),
        ("PS256", Signer::ps256(), Ok(())),
        ("RS512", Signer::rs256(), Err(ProofFault::Algorithm)),
        ("ES256", Signer::ed(), Err(ProofFault::Algorithm)),
        ("none", Signer::es256(), Err(ProofFault::Algorithm)),
    ] {
        let proof = signer.token(&head(alg, &signer).to_string(), &body(TOKEN).to_string());
        assert_eq!(judge(&proof, key_of(&signer)), want.map_err(refused), "{alg}");
    }
    let shared = Signer::hs256(&[7; 32]);
    let proof =
        shared.token(&json!({"typ": "dpop+jwt", "alg": "HS256", "jwk": {"kty": "oct", "k": "Bw"}}).to_string(), "{}");
    assert_eq!(judge(&proof, [7; 32]), Err(refused(ProofFault::Algorithm)));
}

#[test]
fn every_forged_proof_meets_its_fault() {
    use ProofFault::{Claim, Expired, Key, Malformed, Missing, NotYetValid, Request, Signature, Token, Type};
    let (signer, other) = (Signer::es256(), Signer::es256());
    let (head, body) = (|| head("ES256", &signer), || body(TOKEN));
    let headed = |header: String| signer.token(&header, &body().to_string());
    let claimed = |claims: String| signer.token(&head().to_string(), &claims);
    let with_private = || serde_json::from_str::<Value>(&with(shown(&signer), "d", json!("AQAB"))).expect("a key");
    let mut cases = vec![
        ("a token's type", headed(with(head(), "typ", json!("at+jwt"))), Type),
        ("no type", headed(without(head(), "typ")), Type),
        ("no key", headed(without(head(), "jwk")), Malformed),
        ("a key by reference", headed(with(head(), "jku", json!("https://evil.example"))), Malformed),
        ("a certificate", headed(with(head(), "x5c", json!([]))), Malformed),
        ("a private key", headed(with(head(), "jwk", with_private())), Malformed),
        ("crit", headed(with(head(), "crit", json!(["jwk"]))), Malformed),
        ("another's key", other.token(&super::tests::head("ES256", &other).to_string(), &body().to_string()), Key),
        ("another's signature", other.token(&head().to_string(), &body().to_string()), Signature),
        ("another method", claimed(with(body(), "htm", json!("POST"))), Request),
        ("a method in lower case", claimed(with(body(), "htm", json!("get"))), Request),
        ("another token", claimed(super::tests::body("x").to_string()), Token),
        ("a token's digest in another spelling", claimed(with(body(), "ath", json!("x=="))), Claim),
        ("too old", claimed(with(body(), "iat", json!(NOW - 61))), Expired),
        ("ahead of its time", claimed(with(body(), "iat", json!(NOW + 11))), NotYetValid),
        ("time as text", claimed(with(body(), "iat", json!("1"))), Claim),
        ("an empty id", claimed(with(body(), "jti", json!(""))), Claim),
        ("a long id", claimed(with(body(), "jti", json!("x".repeat(129)))), Claim),
        ("a number as id", claimed(with(body(), "jti", json!(1))), Claim),
        ("long", claimed(with(body(), "x", json!("x".repeat(4096)))), Malformed),
        ("two in one", format!("{0}, {0}", claimed(body().to_string())), Malformed),
        ("nothing", String::new(), Malformed),
    ];
    for member in ["htm", "htu", "iat", "jti", "ath"] {
        cases.push((member, claimed(without(body(), member)), Claim));
    }
    let dpop = Dpop::new(None);
    for (what, proof, fault) in cases {
        let got = judge_at(&dpop, &[&proof], key_of(&signer), false, NOW);
        assert_eq!(got, Err(refused(fault)), "{what}");
    }
    let good = claimed(body().to_string());
    let twice = || judge_at(&dpop, &[&good, &good], key_of(&signer), false, NOW);
    assert_eq!(twice(), Err(refused(ProofFault::Several)));
    assert_eq!(judge_at(&dpop, &[], key_of(&signer), false, NOW), Err(refused(Missing)));
    // None of them has used the id up; the good one does.
    assert_eq!(judge_at(&dpop, &[&good], key_of(&signer), false, NOW), Ok(()));
    let resigned = claimed(body().to_string());
    let got = judge_at(&dpop, &[&resigned], key_of(&signer), false, NOW + 5);
    assert_eq!(got, Err(refused(ProofFault::Replay)), "the same id under another signature");
    let same_id = other.token(&super::tests::head("ES256", &other).to_string(), &body().to_string());
    assert_eq!(judge_at(&dpop, &[&same_id], key_of(&other), false, NOW), Ok(()), "ids are each key's own");
}

#[test]
fn the_url_is_compared_in_its_normal_form() {
    let asked = NormalPath::parse(b"/v1/a%20b").expect("a path");
    with_request(&[], |request| {
        for (is_tls, authority, htu, want) in [
            (true, "api.example.com", "https://api.example.com/v1/a%20b", true),
            (true, "api.example.com", "HTTPS://API.example.com:443/%761/a%20b?x=1#y", true),
            (true, "API.example.com:443", "https://api.example.com/v1/a%20b", true),
            (true, "api.example.com:8443", "https://api.example.com:8443/v1/a%20b", true),
            (true, "api.example.com:8443", "https://api.example.com/v1/a%20b", false),
            (true, "api.example.com", "https://api.example.com:8443/v1/a%20b", false),
            (true, "api.example.com", "http://api.example.com/v1/a%20b", false),
            (true, "api.example.com", "http://api.example.com:443/v1/a%20b", false),
            (false, "api.example.com", "http://api.example.com/v1/a%20b", true),
            (false, "api.example.com", "https://api.example.com/v1/a%20b", true),
            (true, "api.example.com", "https://evil.example/v1/a%20b", false),
            (true, "api.example.com", "https://api.example.com@evil.example/v1/a%20b", false),
            (true, "api.example.com", "https://evil.example/https://api.example.com/v1/a%20b", false),
            (true, "api.example.com", "https://api.example.com/v1/A%20b", false),
            (true, "api.example.com", "https://api.example.com/v1/a%20b/", false),
            (true, "api.example.com", "https://api.example.com/v1/x/../a%20b", false),
            (true, "api.example.com", "https://api.example.com", false),
            (true, "api.example.com", "/v1/a%20b", false),
            (true, "api.example.com", "ftp://api.example.com/v1/a%20b", false),
            (true, "api.example.com", "", false),
        ] {
            let view = RequestView { is_tls, authority, asked: &asked, ..*request };
            assert_eq!(is_asked(&view, htu), want, "{is_tls} {authority} {htu}");
        }
        assert!(is_asked(request, "https://api.example.com"), "an empty path is the root");
    });
}

#[test]
fn a_nonce_that_is_needed_has_to_be_ours_and_young() {
    let (signer, dpop) = (Signer::ed(), Dpop::new(None));
    let nonce = dpop.nonce(at(NOW)).expect("a nonce").to_str().expect("text").to_owned();
    let foreign = Dpop::new(None).nonce(at(NOW)).expect("a nonce").to_str().expect("text").to_owned();
    for (now, nonce, want) in [
        (NOW, json!(null), Err(ProofFault::Nonce)),
        (NOW, json!(foreign), Err(ProofFault::Nonce)),
        (NOW + 121, json!(nonce), Err(ProofFault::Nonce)),
        (NOW, json!(nonce), Ok(())),
        (NOW, json!(nonce), Err(ProofFault::Replay)),
    ] {
        let mut claims = body(TOKEN);
        claims["iat"] = json!(now);
        let proof = signer.token(&head("EdDSA", &signer).to_string(), &with(claims, "nonce", nonce));
        let got = judge_at(&dpop, &[&proof], key_of(&signer), true, now);
        assert_eq!(got, want.map_err(refused), "{now}");
    }
}

/// A chain of one issuer, and a token of it that is bound to this.
fn bound(needs_nonce: bool, cnf: Option<Value>) -> (Chain, Issuer, String) {
    let maker = Signer::ed();
    let issuer = Issuer::new(&[maker.jwk("k1")], |settings| settings.is_nonce_needed = needs_nonce);
    let mut claims = claims();
    if let Some(cnf) = cnf {
        claims["cnf"] = cnf;
    }
    assert_eq!(claims["iss"], ISSUER);
    let token = maker.token(&header("EdDSA", "k1").to_string(), &claims.to_string());
    let jwt = Authenticator::Jwt(Arc::clone(&issuer.jwt));
    (Chain::new(vec![jwt], &name("api"), Arc::new(Dpop::new(None))).expect("a chain"), issuer, token)
}

#[test]
fn a_bound_token_needs_its_scheme_and_its_proof_and_an_unbound_one_cannot_pretend() {
    let signer = Signer::es256();
    let proof = |token: &str, jti: &str| {
        signer.token(&head("ES256", &signer).to_string(), &with(body(token), "jti", json!(jti)))
    };
    let (chain, _issuer, token) = bound(false, Some(json!({"jkt": encode(&key_of(&signer))})));
    let (free_chain, _free_issuer, free) = bound(false, None);
    use AuthnFault::{Binding, Proof};
    use ProofFault::{Missing, Replay};
    let (bearer, dpop) = (format!("Bearer {token}"), format!("DPoP {token}"));
    let first = proof(&token, "1");
    for (chain, headers, want) in [
        (&chain, vec![("authorization", &bearer)], Err(Binding)),
        (&chain, vec![("authorization", &bearer), ("dpop", &proof(&token, "0"))], Err(Binding)),
        (&chain, vec![("authorization", &dpop)], Err(Proof(Missing))),
        (&chain, vec![("authorization", &dpop), ("dpop", &first)], Ok(())),
        (&chain, vec![("authorization", &dpop), ("dpop", &first)], Err(Proof(Replay))),
        (&chain, vec![("authorization", &dpop), ("dpop", &proof(&token, "2"))], Ok(())),
        (&chain, vec![("authorization", &bearer)], Err(Binding)),
        (&free_chain, vec![("authorization", &format!("Bearer {free}"))], Ok(())),
        (&free_chain, vec![("authorization", &format!("DPoP {free}")), ("dpop", &proof(&free, "3"))], Err(Binding)),
        (&free_chain, vec![("authorization", &format!("DPoP {free}"))], Err(Binding)),
    ] {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let got = with_request(&headers, |request| proven(chain, request, NOW)).map(drop);
        assert_eq!(got, want.map_err(Denial::Unauthenticated), "{headers:?}");
    }
    let (chain, _issuer, token) = bound(true, Some(json!({"jkt": encode(&key_of(&signer))})));
    let headers = [("authorization", &*format!("DPoP {token}")), ("dpop", &*proof(&token, "1"))];
    let got = with_request(&headers, |request| proven(&chain, request, NOW)).map(drop);
    assert_eq!(got, Err(refused(ProofFault::Nonce)));
    let nonce = chain.nonce(Proof(ProofFault::Nonce), at(NOW)).expect("a nonce");
    assert_eq!(chain.nonce(Binding, at(NOW)), None);
    let claims = with(body(&token), "nonce", json!(nonce.to_str().expect("text")));
    let proof = signer.token(&head("ES256", &signer).to_string(), &claims);
    let headers = [("authorization", &*format!("DPoP {token}")), ("dpop", &*proof)];
    assert!(with_request(&headers, |request| proven(&chain, request, NOW)).is_ok());
}

/// RFC 9449 §7.1: the one that is to make another proof is told so, and not to take another token or scheme; which part is wrong nobody is.
#[test]
fn a_challenge_says_whether_the_token_or_the_proof_is_wrong_and_no_more() {
    let (chain, _issuer, _) = bound(false, None);
    let bearer = r#"Bearer realm="api", error="invalid_token""#;
    let dpop = |error: &str| format!(r#"DPoP realm="api", error="{error}", algs="ES256 ES384 EdDSA PS256 RS256""#);
    for (fault, want) in [
        (AuthnFault::Signature, vec![bearer.to_owned(), dpop("invalid_token")]),
        (AuthnFault::Binding, vec![bearer.to_owned(), dpop("invalid_token")]),
        (ProofFault::Missing.into(), vec![dpop("invalid_dpop_proof")]),
        (ProofFault::Signature.into(), vec![dpop("invalid_dpop_proof")]),
        (ProofFault::Key.into(), vec![dpop("invalid_dpop_proof")]),
        (ProofFault::Replay.into(), vec![dpop("invalid_dpop_proof")]),
        (ProofFault::Nonce.into(), vec![dpop("use_dpop_nonce")]),
    ] {
        let told: Vec<_> = chain.challenges(fault).iter().map(|value| value.to_str().expect("text")).collect();
        assert_eq!(told, want, "{fault:?}");
        assert_eq!(chain.nonce(fault, at(NOW)).is_some(), fault == ProofFault::Nonce.into(), "{fault:?}");
    }
}

/// RFC 8705 §3.
#[test]
fn a_token_bound_to_a_certificate_needs_that_connection_each_time() {
    let (chain, _issuer, token) = bound(false, Some(json!({"x5t#S256": encode(&[7; 32])})));
    let certificates = |byte| PeerCertificates { chain: vec![vec![byte]], thumbprint: [byte; 32] };
    let value = format!("Bearer {token}");
    for (shown, want) in [(None, false), (Some(7), true), (Some(8), false), (None, false), (Some(7), true)] {
        let shown = shown.map(certificates);
        let got = with_request(&[("authorization", &value)], |request| {
            proven(&chain, &RequestView { certificates: shown.as_ref(), ..*request }, NOW)
        });
        let want = if want { Ok(()) } else { Err(Denial::Unauthenticated(AuthnFault::Binding)) };
        assert_eq!(got.map(drop), want, "{shown:?}");
    }
}
