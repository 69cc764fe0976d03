//! Private keys that sign what the gateway says of itself.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::sha256;
use crate::domain::Secret;

/// A private key with the one algorithm that it signs with. Its `Debug` shows the public half alone.
pub struct SigningKey {
    pair: Pair,
    kid: String,
}

enum Pair {
    Ed25519(Box<Ed25519KeyPair>),
    P256(Box<EcdsaKeyPair>),
}

/// A text that is not one private key in PEM (PKCS #8), of Ed25519 or P-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SigningKeyFault;

impl SigningKey {
    /// Reads a private key in PEM (PKCS #8, RFC 5958): Ed25519 or P-256.
    ///
    /// # Errors
    /// [`SigningKeyFault`] for anything else.
    pub fn from_pem(text: &Secret) -> Result<Self, SigningKeyFault> {
        let der = decode(text).ok_or(SigningKeyFault)?;
        let ed25519 = Ed25519KeyPair::from_pkcs8(&der).map(|pair| Pair::Ed25519(Box::new(pair)));
        let pair = ed25519.or_else(|_| {
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).map(|pair| Pair::P256(Box::new(pair)))
        });
        let pair = pair.map_err(|_| SigningKeyFault)?;
        let kid = URL_SAFE_NO_PAD.encode(sha256(pair.members().as_bytes()));
        Ok(Self { pair, kid })
    }

    /// A new Ed25519 key in PEM.
    ///
    /// # Errors
    /// [`SigningKeyFault`] when the library makes none.
    pub fn generate() -> Result<Zeroizing<String>, SigningKeyFault> {
        let pair = Ed25519KeyPair::generate().map_err(|_| SigningKeyFault)?;
        let der = pair.to_pkcs8v1().map_err(|_| SigningKeyFault)?;
        let body = Zeroizing::new(STANDARD.encode(der.as_ref()));
        let mut pem = Zeroizing::new(String::with_capacity(body.len() + 64));
        pem.push_str("-----BEGIN PRIVATE KEY-----\n");
        for line in body.as_bytes().chunks(64) {
            pem.extend(line.iter().map(|byte| char::from(*byte)));
            pem.push('\n');
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        Ok(pem)
    }

    /// The algorithm's name in a JOSE header (RFC 7518 §3.1, RFC 8037 §3.1).
    pub fn alg(&self) -> &'static str {
        match self.pair {
            Pair::Ed25519(_) => "EdDSA",
            Pair::P256(_) => "ES256",
        }
    }

    /// What the public key is called: its thumbprint (RFC 7638), so that no other key has the same name.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key as a JWK (RFC 7517 §4).
    pub fn jwk(&self) -> String {
        let members = self.pair.members();
        let public = members.trim_end_matches('}');
        format!(r#"{public},"kid":"{}","alg":"{}","use":"sig"}}"#, self.kid, self.alg())
    }

    /// The public key in PEM (SubjectPublicKeyInfo, RFC 8410 §4); none of P-256.
    pub fn public_pem(&self) -> Option<String> {
        const PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
        match &self.pair {
            Pair::Ed25519(pair) => {
                let body = STANDARD.encode([&PREFIX, pair.public_key().as_ref()].concat());
                Some(format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"))
            }
            Pair::P256(_) => None,
        }
    }

    /// These claims as a token of this type (RFC 7515 §7.1), signed.
    ///
    /// # Errors
    /// [`SigningKeyFault`] when the library does not sign.
    pub fn token(&self, kind: &str, claims: Map<String, Value>) -> Result<String, SigningKeyFault> {
        let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let head = json!({ "alg": self.alg(), "kid": self.kid(), "typ": kind });
        let mut token = format!("{}.{}", encode(head), encode(Value::Object(claims)));
        let signature = self.sign(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// The signature of these bytes, in the form of a JWS (RFC 7518 §3.4, RFC 8037 §3.1).
    ///
    /// # Errors
    /// [`SigningKeyFault`] when the library does not sign.
    pub fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, SigningKeyFault> {
        match &self.pair {
            Pair::Ed25519(pair) => Ok(pair.sign(bytes).as_ref().to_vec()),
            Pair::P256(pair) => pair
                .sign(&SystemRandom::new(), bytes)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| SigningKeyFault),
        }
    }
}

/// What stands between the lines of PEM (RFC 7468 §2), of which there is one pair and nothing around it. Libraries that read PEM leave the
/// decoded key behind in memory.
fn decode(text: &Secret) -> Option<Zeroizing<Vec<u8>>> {
    let text = std::str::from_utf8(text.expose()).ok()?.trim();
    let body = text.strip_prefix("-----BEGIN PRIVATE KEY-----")?.strip_suffix("-----END PRIVATE KEY-----")?;
    let body: Zeroizing<Vec<u8>> = Zeroizing::new(body.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect());
    STANDARD.decode(&*body).ok().map(Zeroizing::new)
}

impl Pair {
    /// The members of the public JWK that a thumbprint is made of, in its order (RFC 7638 §3.2, RFC 8037 §2).
    fn members(&self) -> String {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Ed25519(pair) => {
                format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encode(pair.public_key().as_ref()))
            }
            Self::P256(pair) => {
                // Uncompressed: 4, then x and y of 32 bytes each (SEC 1 §2.3.3).
                let point = pair.public_key().as_ref();
                let (x, y) = point.split_at(1).1.split_at(32);
                format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, encode(x), encode(y))
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("alg", &self.alg()).field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl fmt::Display for SigningKeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not one private key in PEM (PKCS #8), of Ed25519 or P-256")
    }
}

impl std::error::Error for SigningKeyFault {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{SignatureAlgorithm, SignatureKey};

    fn secret(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec())
    }

    /// The key of RFC 8037, appendix A.1, and its thumbprint, A.3.
    #[test]
    fn a_key_is_called_by_its_thumbprint() {
        let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").expect("base64");
        let der = [&[0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20][..], &seed].concat();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der));
        let key = SigningKey::from_pem(&secret(&pem)).expect("a key");
        assert_eq!((key.kid(), key.alg()), ("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "EdDSA"));
        let public = SignatureKey::public(SignatureAlgorithm::Ed25519, key.public_pem().expect("one").as_bytes());
        assert!(public.expect("a key").verify(b"x", &key.sign(b"x").expect("signed")));
        let jwk: serde_json::Value = serde_json::from_str(&key.jwk()).expect("JSON");
        assert_eq!(jwk["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert!(jwk.get("d").is_none() && !format!("{key:?}").contains("nWGx"));
    }

    #[test]
    fn both_sorts_sign_and_nothing_else_is_a_key() {
        let ed = SigningKey::generate().expect("made");
        let ec = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("made").serialize_pem();
        for (pem, alg) in [(ed.as_str(), "EdDSA"), (ec.as_str(), "ES256")] {
            let key = SigningKey::from_pem(&secret(pem)).expect(alg);
            assert_eq!((key.alg(), key.sign(b"x").expect("signed").len()), (alg, 64));
            let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_str(&key.jwk()).expect("a JWK");
            let public = jsonwebtoken::DecodingKey::from_jwk(&jwk).expect("a key");
            let signature = URL_SAFE_NO_PAD.encode(key.sign(b"x").expect("signed"));
            let alg = alg.parse().expect("known");
            assert_eq!(jsonwebtoken::crypto::verify(&signature, b"x", &public, alg), Ok(true));
        }
        let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("made").serialize_pem();
        for other in [p384.as_str(), "", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            assert_eq!(SigningKey::from_pem(&secret(other)).err(), Some(SigningKeyFault));
        }
    }
}
