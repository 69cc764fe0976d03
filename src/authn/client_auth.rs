//! How the proxy proves to an authorization server that it may ask (RFC 6749 §2.3.1, RFC 7523 §3).

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use jsonwebtoken::{EncodingKey, Header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::crypto::random;
use crate::domain::Secret;
use crate::vault::{Slot, VaultError};

use super::AskFault;
use super::alg::Alg;

/// A secret in its vault: taken from there at each use, so that a new one is in use at once. Equal to another when it is the same slot.
#[derive(Debug, Clone)]
pub struct LiveSecret(Arc<Slot>);

impl LiveSecret {
    /// The secret of this slot.
    pub fn new(slot: Arc<Slot>) -> Self {
        Self(slot)
    }

    /// The secret as it is now.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn load(&self) -> Result<Arc<Secret>, VaultError> {
        self.0.load()
    }

    /// Whether its vault has it now.
    pub(super) fn is_there(&self) -> bool {
        self.load().is_ok()
    }
}

impl PartialEq for LiveSecret {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for LiveSecret {}

/// A way for a client to prove who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientAuth {
    /// Its secret as a password in `Authorization` (`client_secret_basic`).
    Basic(LiveSecret),
    /// Its secret in the body (`client_secret_post`).
    Post(LiveSecret),
    /// A short-lived assertion that its own key signs (`private_key_jwt`).
    PrivateKeyJwt {
        /// The key: PEM, PKCS #8, or PKCS #1 for RSA.
        key: LiveSecret,
        /// ES256, RS256 or EdDSA.
        alg: Alg,
        /// The `kid` by which the server finds the public half, where it needs one.
        key_id: Option<String>,
        /// The `aud` of the assertion.
        audience: String,
    },
}

/// How long an assertion is good, in seconds: one round trip and the clocks' difference.
const ASSERTION_LIFE: u64 = 60;
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// What a form leaves as it is; a blank becomes `%20`, which every reader of forms takes for one.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

impl ClientAuth {
    /// Whether it can work, as far as that can be told without asking.
    pub(super) fn check(&self) -> Result<(), AskFault> {
        let Self::PrivateKeyJwt { key, alg, .. } = self else { return Ok(()) };
        match (alg, key.load()) {
            (Alg::Es256 | Alg::Rs256 | Alg::EdDsa, Ok(pem)) => signing_key(*alg, &pem).map(|_| ()).ok_or(AskFault::Key),
            // One that its vault does not have yet may still come.
            (Alg::Es256 | Alg::Rs256 | Alg::EdDsa, Err(_)) => Ok(()),
            (
                Alg::Hs256
                | Alg::Hs384
                | Alg::Hs512
                | Alg::Rs384
                | Alg::Rs512
                | Alg::Ps256
                | Alg::Ps384
                | Alg::Ps512
                | Alg::Es384,
                _,
            ) => Err(AskFault::Algorithm),
        }
    }

    /// Puts the proof for this client on a form; none while the secret is not to be had or cannot be used.
    pub(super) fn apply(
        &self,
        client_id: &str,
        now: SystemTime,
        headers: &mut HeaderMap,
        form: &mut String,
    ) -> Option<()> {
        match self {
            Self::Basic(secret) => {
                let secret = secret.load().ok()?;
                // Both parts are encoded as in a form first (RFC 6749 §2.3.1), so that a colon in them is no end.
                let pair = format!("{}:{}", encoded(client_id), encoded(text(&secret)?));
                let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair))).ok()?;
                value.set_sensitive(true);
                headers.insert(AUTHORIZATION, value);
            }
            Self::Post(secret) => {
                field(form, "client_id", client_id);
                field(form, "client_secret", text(&*secret.load().ok()?)?);
            }
            Self::PrivateKeyJwt { key, alg, key_id, audience } => {
                let key = signing_key(*alg, &*key.load().ok()?)?;
                field(form, "client_id", client_id);
                field(form, "client_assertion_type", ASSERTION_TYPE);
                field(form, "client_assertion", &assertion(client_id, audience, *alg, key_id.clone(), &key, now)?);
            }
        }
        Some(())
    }
}

/// An assertion of RFC 7523 §3, with an id that is never used again.
fn assertion(
    client_id: &str,
    audience: &str,
    alg: Alg,
    key_id: Option<String>,
    key: &EncodingKey,
    now: SystemTime,
) -> Option<String> {
    let now = now.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let header = Header { kid: key_id, ..Header::new(alg.verifier()) };
    let claims = json!({
        "iss": client_id, "sub": client_id, "aud": audience, "jti": URL_SAFE_NO_PAD.encode(random::<16>()),
        "iat": now, "exp": now + ASSERTION_LIFE,
    });
    jsonwebtoken::encode(&header, &claims, key).ok()
}

fn signing_key(alg: Alg, pem: &Secret) -> Option<EncodingKey> {
    let pem = pem.expose();
    match alg {
        Alg::Rs256 => EncodingKey::from_rsa_pem(pem).ok(),
        Alg::Es256 => EncodingKey::from_ec_pem(pem).ok(),
        Alg::EdDsa => EncodingKey::from_ed_pem(pem).ok(),
        Alg::Hs256
        | Alg::Hs384
        | Alg::Hs512
        | Alg::Rs384
        | Alg::Rs512
        | Alg::Ps256
        | Alg::Ps384
        | Alg::Ps512
        | Alg::Es384 => None,
    }
}

fn text(secret: &Secret) -> Option<&str> {
    std::str::from_utf8(secret.expose()).ok().filter(|text| !text.is_empty())
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, FORM).to_string()
}

/// Adds a field to a form (`application/x-www-form-urlencoded`).
pub(super) fn field(form: &mut String, name: &str, value: &str) {
    if !form.is_empty() {
        form.push('&');
    }
    form.push_str(name);
    form.push('=');
    form.extend(utf8_percent_encode(value, FORM));
}
