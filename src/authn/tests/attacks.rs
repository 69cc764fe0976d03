//! Attacks on tokens, and the fault that each meets.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::KeyPair;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::authn::Alg;
use crate::authn::testing::{ISSUER, Issuer, NOW, RSA, Signer, claims, header, prove, with, without};
use crate::domain::{AuthnFault, Denial};

/// Every form in which an attacker may have the RSA public key, to use it as an HMAC key.
fn public_key_forms() -> Vec<Vec<u8>> {
    let pkcs1 = RSA.public_key().as_ref().to_vec();
    let der: PublicKeyX509Der<'_> = RSA.public_key().as_der().expect("DER");
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der.as_ref()));
    let jwk = Signer::rs256().jwk("k1");
    let modulus = jwk["n"].as_str().expect("n").as_bytes().to_vec();
    vec![
        pkcs1,
        der.as_ref().to_vec(),
        pem.trim_end().as_bytes().to_vec(),
        pem.into_bytes(),
        URL_SAFE_NO_PAD.decode(&modulus).expect("base64"),
        modulus,
        jwk.to_string().into_bytes(),
        Vec::new(),
    ]
}

fn header_attacks(signer: &Signer) -> Vec<(&'static str, String, AuthnFault)> {
    use AuthnFault::{Algorithm, Critical, Malformed, Type, UnknownKey};
    let head = || header("RS256", "k1");
    let signed = |header: String| signer.token(&header, &claims().to_string());
    let own = Signer::es256();
    let mut attacks = Vec::new();
    for none in ["none", "None", "NONE", "nOnE", "", "rs256", "RS256\0", "ES512"] {
        attacks.push(("no such algorithm", signed(with(head(), "alg", json!(none))), Algorithm));
    }
    attacks.extend([
        ("no algorithm", signed(without(head(), "alg")), Algorithm),
        ("a list of algorithms", signed(with(head(), "alg", json!(["RS256"]))), Algorithm),
        ("null as algorithm", signed(with(head(), "alg", json!(null))), Algorithm),
        ("another algorithm than the key's", signed(with(head(), "alg", json!("ES256"))), Algorithm),
        ("an algorithm that is not allowed", signed(with(head(), "alg", json!("RS512"))), Algorithm),
        ("crit", signed(with(head(), "crit", json!(["exp"]))), Critical),
        ("empty crit", signed(with(head(), "crit", json!([]))), Critical),
        ("b64", signed(with(head(), "b64", json!(false))), Critical),
        ("zip", signed(with(head(), "zip", json!("DEF"))), Critical),
        ("an id token", signed(with(head(), "typ", json!("JWT"))), Type),
        ("no typ", signed(without(head(), "typ")), Type),
        ("typ of another type", signed(with(head(), "typ", json!(["at+jwt"]))), Type),
        ("unknown kid", signed(with(head(), "kid", json!("k2"))), UnknownKey),
        ("kid in another case", signed(with(head(), "kid", json!("K1"))), UnknownKey),
        ("path as kid", signed(with(head(), "kid", json!("../../dev/null"))), UnknownKey),
        ("SQL as kid", signed(with(head(), "kid", json!("k1' OR '1'='1"))), Malformed),
        ("line ends in kid", signed(with(head(), "kid", json!("k1\r\n"))), Malformed),
        ("URL as kid", signed(with(head(), "kid", json!("https://evil.example/k"))), UnknownKey),
        ("number as kid", signed(with(head(), "kid", json!(1))), Malformed),
        ("null as kid", signed(with(head(), "kid", json!(null))), Malformed),
        ("empty kid", signed(with(head(), "kid", json!(""))), Malformed),
        ("long kid", signed(with(head(), "kid", json!("k".repeat(129)))), Malformed),
        ("header is an array", signed("[]".to_owned()), Malformed),
        ("alg twice", signed(r#"{"alg":"none","alg":"RS256","kid":"k1","typ":"at+jwt"}"#.to_owned()), Malformed),
        (
            "own key in jwk",
            own.token(
                &json!({"alg": "ES256", "typ": "at+jwt", "jwk": own.jwk("x")}).to_string(),
                &claims().to_string(),
            ),
            Algorithm,
        ),
        (
            "own key in jku",
            own.token(
                &json!({"alg": "ES256", "kid": "x", "typ": "at+jwt", "jku": "https://evil.example/"}).to_string(),
                &claims().to_string(),
            ),
            UnknownKey,
        ),
    ]);
    for key in public_key_forms() {
        let token = Signer::hs256(&key).token(&header("HS256", "k1").to_string(), &claims().to_string());
        attacks.push(("public key as HMAC key", token, Algorithm));
    }
    attacks
}

fn claim_attacks(signer: &Signer) -> Vec<(&'static str, String, AuthnFault)> {
    use AuthnFault::{Audience, Claim, Expired, Issuer, NotYetValid};
    let signed = |claims: String| signer.token(&header("RS256", "k1").to_string(), &claims);
    let mut attacks = Vec::new();
    for (key, members, fault) in [
        ("exp", vec![json!("1900000000"), json!(null), json!(true), json!([1]), json!({})], Claim),
        ("exp", vec![json!(NOW - 10), json!(0), json!(-1), json!(-1e300)], Expired),
        ("nbf", vec![json!("0"), json!(null), json!(false), json!([])], Claim),
        ("nbf", vec![json!(NOW + 11), json!(1e300)], NotYetValid),
        ("iat", vec![json!("0"), json!(null)], Claim),
        ("iss", vec![json!(null), json!(7), json!([ISSUER]), json!({})], Claim),
        (
            "iss",
            vec![
                json!("https://login.example.com/"),
                json!("https://LOGIN.example.com"),
                json!("https://login.example.com\0"),
                json!(""),
            ],
            Issuer,
        ),
        ("aud", vec![json!(null), json!(7), json!({}), json!(["https://api.example.com", 7]), json!([null])], Claim),
        (
            "aud",
            vec![
                json!(""),
                json!([]),
                json!("https://api.example.com/"),
                json!("https://api.example.com.evil.example"),
                json!(["x"]),
            ],
            Audience,
        ),
        (
            "sub",
            vec![json!(null), json!(7), json!(["alice"]), json!(""), json!("a@b@c"), json!("a\r\nb"), json!("a\0")],
            Claim,
        ),
        (
            "realm_access",
            vec![
                json!({"roles": 7}),
                json!({"roles": "a b"}),
                json!({"roles": "a,b"}),
                json!({"roles": ["a", 7]}),
                json!({"roles": null}),
            ],
            Claim,
        ),
        (
            "realm_access",
            vec![
                json!({"roles": [""]}),
                json!({"roles": ["x".repeat(129)]}),
                json!({"roles": vec!["x"; 257]}),
                json!({"roles": ["a\n"]}),
            ],
            Claim,
        ),
        ("scope", vec![json!(7), json!(null), json!([7]), json!("x ".repeat(257))], Claim),
    ] {
        attacks.extend(members.into_iter().map(|member| (key, signed(with(claims(), key, member)), fault)));
    }
    for key in ["exp", "iss", "aud", "sub"] {
        attacks.push((key, signed(without(claims(), key)), Claim));
    }
    attacks
}

fn claim_text_attacks(signer: &Signer) -> Vec<(&'static str, String, AuthnFault)> {
    use AuthnFault::Malformed;
    let signed = |claims: String| signer.token(&header("RS256", "k1").to_string(), &claims);
    let text = claims().to_string();
    vec![
        ("sub twice", signed(text.replacen('{', r#"{"sub":"root","#, 1)), Malformed),
        ("exp beyond all numbers", signed(text.replace(&(NOW + 600).to_string(), "1e400")), Malformed),
        ("claims are an array", signed(format!("[{text}]")), Malformed),
        ("bytes after the claims", signed(format!("{text}{{}}")), Malformed),
        ("byte order mark", signed(format!("\u{feff}{text}")), Malformed),
        ("claims are nothing", signed(String::new()), Malformed),
        ("deep nesting", signed(with(claims(), "x", nested(40))), Malformed),
    ]
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!(1), |inner, _| json!([inner]))
}

fn form_attacks(good: &str, signer: &Signer) -> Vec<(&'static str, String, AuthnFault)> {
    use AuthnFault::{Malformed, Several, Signature};
    let parts: Vec<&str> = good.split('.').collect();
    let [head, body, signature] = parts[..] else { panic!("three parts") };
    let other = signer.token(&header("RS256", "k1").to_string(), &with(claims(), "sub", json!("root")));
    let other_body = other.split('.').nth(1).expect("a body");
    // 256 bytes leave four bits of the last character unused, all zero in the canonical spelling.
    let (stem, last) = signature.split_at(signature.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let next = alphabet.find(last).and_then(|at| alphabet.get(at + 1..at + 2)).expect("a trailing bit to set");
    let zeros = URL_SAFE_NO_PAD.encode([0; 256]);
    vec![
        ("trailing bits", format!("{head}.{body}.{stem}{next}"), Malformed),
        ("padding", format!("{good}=="), Malformed),
        ("other alphabet", good.replacen(['-', '_'], "+", 1), Malformed),
        ("blank inside", format!("{head}. {body}.{signature}"), Malformed),
        ("four segments", format!("{good}."), Malformed),
        ("five segments", format!("{good}.x.y"), Malformed),
        ("two segments", format!("{head}.{body}"), Malformed),
        ("leading dot", format!(".{good}"), Malformed),
        ("only dots", ".".repeat(8000), Malformed),
        ("no signature", format!("{head}.{body}."), Malformed),
        ("not a token", "opaque".to_owned(), Malformed),
        ("JSON serialization", r#"{"payload":"x"}"#.to_owned(), Malformed),
        ("two in one", format!("{good},{good}"), Several),
        ("two in one with scheme", format!("{good}, Bearer {good}"), Several),
        (
            "9 KiB",
            signer.token(&header("RS256", "k1").to_string(), &with(claims(), "x", json!("x".repeat(6500)))),
            Malformed,
        ),
        ("other claims", format!("{head}.{other_body}.{signature}"), Signature),
        ("zeros as signature", format!("{head}.{body}.{zeros}"), Signature),
        ("short signature", format!("{head}.{body}.AAAA"), Signature),
    ]
}

#[test]
fn every_attack_meets_its_fault_even_after_the_good_token_was_seen() {
    let signer = Signer::rs256();
    let issuer = Issuer::new(&[signer.jwk("k1")], |settings| settings.algorithms = vec![Alg::Rs256, Alg::Es256]);
    let good = signer.token(&header("RS256", "k1").to_string(), &claims().to_string());
    assert!(prove(&issuer.jwt, &good, NOW).is_ok());
    let attacks =
        [header_attacks(&signer), claim_attacks(&signer), claim_text_attacks(&signer), form_attacks(&good, &signer)];
    for (what, token, fault) in attacks.into_iter().flatten() {
        let got = prove(&issuer.jwt, &token, NOW).map(drop);
        assert_eq!(got, Err(Denial::Unauthenticated(fault)), "{what}: {token}");
    }
    assert!(prove(&issuer.jwt, &good, NOW).is_ok());
}
