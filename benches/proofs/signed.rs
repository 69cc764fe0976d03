//! What is signed anew for each request.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use claviger::crypto::sha256;
use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::KeyPair;
use serde_json::{Value, json};

use super::Keys;

/// A token of this header and these claims.
pub(super) fn jws(header: &Value, claims: &Value, key: &EncodingKey, alg: Algorithm) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let signed = format!("{header}.{claims}");
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), key, alg).expect("a signature");
    format!("{signed}.{signature}")
}

/// `Signature-Input` and `Signature` (RFC 9421) of one more request.
pub(super) fn fields(
    keys: &Keys,
    key: &str,
    authority: &str,
    path: &str,
    now: SystemTime,
    nth: usize,
) -> (String, String) {
    let alg = match key {
        "hmac" => Algorithm::HS256,
        "ed25519" => Algorithm::EdDSA,
        _ => Algorithm::ES256,
    };
    let params = format!(
        "(\"@method\" \"@authority\" \"@path\" \"@query\");created={};nonce=\"{key}-{nth}\";keyid=\"{key}\"",
        seconds(now)
    );
    let base = format!(
        "\"@method\": GET\n\"@authority\": {authority}\n\"@path\": {path}\n\"@query\": ?\n\"@signature-params\": {params}"
    );
    let signature = jsonwebtoken::crypto::sign(base.as_bytes(), &keys.signer(alg), alg).expect("a signature");
    let signature = STANDARD.encode(URL_SAFE_NO_PAD.decode(signature).expect("base64url"));
    (format!("sig={params}"), format!("sig=:{signature}:"))
}

/// A P-256 key as a proof shows it, and its thumbprint (RFC 7638).
pub(super) fn holder(key: &KeyPair) -> (Value, String) {
    let point = key.public_key_raw();
    let [x, y] = [&point[1..33], &point[33..65]].map(|half| URL_SAFE_NO_PAD.encode(half));
    let text = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    (json!({"kty": "EC", "crv": "P-256", "x": x, "y": y}), URL_SAFE_NO_PAD.encode(sha256(text.as_bytes())))
}

/// One more proof (RFC 9449) that the caller holds the key which this token is bound to.
pub(super) fn proof(key: &KeyPair, token: &str, authority: &str, path: &str, now: SystemTime, nth: usize) -> String {
    let (jwk, _) = holder(key);
    let signer = EncodingKey::from_ec_pem(key.serialize_pem().as_bytes()).expect("a key");
    let covers = URL_SAFE_NO_PAD.encode(sha256(token.as_bytes()));
    let claims = json!({
        "jti": format!("proof-{nth}"), "htm": "GET", "htu": format!("https://{authority}{path}"), "iat": seconds(now), "ath": covers,
    });
    jws(&json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk}), &claims, &signer, Algorithm::ES256)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}
