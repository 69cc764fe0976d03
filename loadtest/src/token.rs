//! Who signs tokens, and the ways in which a token may be wrong.

use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::json;

use crate::fault::{Fault, While};
use crate::report::median;

pub(crate) const ISSUER: &str = "https://login.example.test";
pub(crate) const AUDIENCE: &str = "https://api.example.test";
/// The role that the rule asks for.
pub(crate) const ROLE: &str = "reader";
/// Where the issuer's public key is, in a site's folder.
pub(crate) const PUBLIC_KEY: &str = "issuer.pem";

/// What is wrong with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    Nothing,
    OtherIssuer,
    OtherAudience,
    Expired,
    NotYet,
    /// What it says was changed after it was signed.
    Forged,
    /// It is good, but its subject has another role.
    OtherRole,
}

/// The issuer, with its RSA key.
pub(crate) struct Issuer {
    key: EncodingKey,
    public: String,
}

impl Issuer {
    pub(crate) fn new() -> Result<Self, Fault> {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).during("making an RSA key")?;
        let key = EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).during("reading the RSA key")?;
        Ok(Self { key, public: pair.public_key_pem() })
    }

    /// Leaves the public key in a folder.
    pub(crate) fn publish(&self, folder: &Path) -> Result<(), Fault> {
        std::fs::write(folder.join(PUBLIC_KEY), &self.public).during("writing the issuer's key")
    }

    /// The public key as a set of keys (RFC 7517).
    pub(crate) fn key_set(&self) -> Result<String, Fault> {
        let key = Jwk::from_encoding_key(&self.key, Algorithm::RS256).during("telling the RSA key")?;
        Ok(json!({ "keys": [key] }).to_string())
    }

    /// A token that outlives any measurement, if nothing is wrong with it.
    pub(crate) fn token(&self, subject: &str, flaw: Flaw) -> Result<String, Fault> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).during("reading the clock")?.as_secs();
        let issuer = if flaw == Flaw::OtherIssuer { "https://other.example.test" } else { ISSUER };
        let audience = if flaw == Flaw::OtherAudience { "https://other.example.test" } else { AUDIENCE };
        let role = if flaw == Flaw::OtherRole { "writer" } else { ROLE };
        let (from, to) = match flaw {
            Flaw::Expired => (now - 7200, now - 3600),
            Flaw::NotYet => (now + 3600, now + 7200),
            Flaw::Nothing | Flaw::OtherIssuer | Flaw::OtherAudience | Flaw::Forged | Flaw::OtherRole => {
                (now, now + 86_400)
            }
        };
        let claims = json!({
            "iss": issuer, "aud": audience, "sub": subject, "groups": [role], "iat": from, "nbf": from, "exp": to,
        });
        let token =
            jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key).during("signing a token")?;
        if flaw != Flaw::Forged {
            return Ok(token);
        }
        // The signature of another token behind what this one says.
        let other = self.token(&format!("not-{subject}"), Flaw::Nothing)?;
        match (token.rsplit_once('.'), other.rsplit_once('.')) {
            (Some((says, _)), Some((_, signature))) => Ok(format!("{says}.{signature}")),
            _ => Err(Fault::new("a token has three parts")),
        }
    }

    /// Microseconds that the library takes to verify one of these, its claims included.
    pub(crate) fn verification(&self, tokens: &[String]) -> Result<f64, Fault> {
        let key = DecodingKey::from_rsa_pem(self.public.as_bytes()).during("reading the public key")?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        let mut took = Vec::new();
        for token in tokens {
            let began = Instant::now();
            jsonwebtoken::decode::<serde_json::Value>(token, &key, &validation).during("verifying a token")?;
            took.push(began.elapsed().as_secs_f64() * 1e6);
        }
        // The median, as whoever else wants the core is not part of it.
        Ok(median(took.into_iter()))
    }
}
