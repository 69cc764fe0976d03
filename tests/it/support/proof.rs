//! Proofs that a caller holds a key (RFC 9449), sound or not.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, jwk::Jwk};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};

use super::issuer::{jws, now};

/// A key that DPoP proofs are made with (RFC 9449).
pub(crate) struct ProofKey {
    key: EncodingKey,
    jwk: Value,
}

impl ProofKey {
    /// A new P-256 key.
    pub(crate) fn new() -> Self {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).expect("PKCS#8");
        let whole = Jwk::from_encoding_key(&key, Algorithm::ES256).expect("a public half");
        let whole = serde_json::to_value(whole).expect("JSON");
        let jwk = json!({"kty": whole["kty"], "crv": whole["crv"], "x": whole["x"], "y": whole["y"]});
        Self { key, jwk }
    }

    /// The thumbprint by which a token names this key, its `cnf.jkt` (RFC 7638 §3).
    pub(crate) fn thumbprint(&self) -> String {
        let jwk = &self.jwk;
        let needed = format!("{{\"crv\":{},\"kty\":{},\"x\":{},\"y\":{}}}", jwk["crv"], jwk["kty"], jwk["x"], jwk["y"]);
        hash(needed.as_bytes())
    }

    /// The header of a sound proof.
    pub(crate) fn header(&self) -> Value {
        json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk})
    }

    /// The claims of a sound proof for this request; with the access token where one comes with it.
    pub(crate) fn claims(method: &str, url: &str, token: Option<&str>) -> Value {
        let id = uuid::Uuid::now_v7().to_string();
        let mut claims = json!({"htm": method, "htu": url, "iat": now(), "jti": id});
        if let Some(token) = token {
            claims["ath"] = json!(hash(token.as_bytes()));
        }
        claims
    }

    /// These claims under this header, signed with this key whatever the header says.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        jws(header, claims, |input| {
            jsonwebtoken::crypto::sign(input, &self.key, Algorithm::ES256).expect("a signature")
        })
    }

    /// A sound proof for this request.
    pub(crate) fn proof(&self, method: &str, url: &str, token: Option<&str>, nonce: Option<&str>) -> String {
        let mut claims = Self::claims(method, url, token);
        if let Some(nonce) = nonce {
            claims["nonce"] = json!(nonce);
        }
        self.sign(&self.header(), &claims)
    }
}

/// The SHA-256 as JOSE writes it.
pub(crate) fn hash(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, bytes))
}
