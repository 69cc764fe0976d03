//! A JWT's outer form, checked before any cryptography: size, segments, base64url, JSON, and the header's members.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::domain::AuthnFault;

use super::alg::Alg;
use super::json::parse_object;

/// The longest token taken, in bytes.
pub(super) const MAX_TOKEN: usize = 8 * 1024;

/// A compact JWS (RFC 7515 §7.1) whose header and claims are well-formed and nothing more: nothing in it is proved.
pub(super) struct Token<'a> {
    /// What the signature covers: the first two segments with the dot between.
    pub(super) signed: &'a str,
    /// What the last segment holds.
    pub(super) signature: Vec<u8>,
    /// What the header says the algorithm is; it can only choose among those of the key.
    pub(super) alg: Alg,
    /// The claims, unproved.
    pub(super) claims: Map<String, Value>,
    header: Map<String, Value>,
}

/// Header members that change what is signed or how, none of which is supported. `jwk`, `jku`, `x5u` and `x5c` are not among them: they
/// only offer keys, and no key is ever taken from a token.
const REFUSED_MEMBERS: [&str; 3] = ["crit", "b64", "zip"];

impl<'a> Token<'a> {
    /// Reads the outer form.
    pub(super) fn parse(text: &'a str) -> Result<Self, AuthnFault> {
        Self::parse_with(text, object)
    }

    /// The same where the payload is what this function makes of its segment.
    pub(super) fn parse_with(
        text: &'a str,
        payload: impl Fn(&str) -> Result<Map<String, Value>, AuthnFault>,
    ) -> Result<Self, AuthnFault> {
        if text.len() > MAX_TOKEN || text.bytes().filter(|&b| b == b'.').count() != 2 {
            return Err(AuthnFault::Malformed);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(AuthnFault::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(AuthnFault::Malformed)?;
        if signature.is_empty() {
            return Err(AuthnFault::Malformed);
        }
        let signature = decode(signature)?;
        let header = object(header)?;
        let claims = payload(claims)?;
        if REFUSED_MEMBERS.iter().any(|member| header.contains_key(*member)) {
            return Err(AuthnFault::Critical);
        }
        let alg = header.get("alg").and_then(Value::as_str).and_then(Alg::parse).ok_or(AuthnFault::Algorithm)?;
        Ok(Self { signed, signature, alg, claims, header })
    }

    /// What a token says of itself that another has verified, by whichever algorithm; nothing where it has no claims, as an opaque one.
    ///
    /// # Errors
    /// [`AuthnFault::Malformed`] where it has, and they cannot be read.
    pub(super) fn claims_of(text: &str) -> Result<Option<Map<String, Value>>, AuthnFault> {
        let [_, claims, _] = text.split('.').collect::<Vec<_>>()[..] else { return Ok(None) };
        match decode(claims) {
            Ok(json) if json.trim_ascii_start().first() == Some(&b'{') => object(claims).map(Some),
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// The key id (RFC 7515 §4.1.4), where the header has one: an opaque text of a safe form.
    pub(super) fn kid(&self) -> Result<Option<&str>, AuthnFault> {
        match self.header.get("kid") {
            None => Ok(None),
            Some(kid) => match kid.as_str() {
                Some(kid) if is_kid(kid) => Ok(Some(kid)),
                Some(_) | None => Err(AuthnFault::Malformed),
            },
        }
    }

    /// The media type (RFC 7515 §4.1.9), where the header has one and it is a text.
    pub(super) fn typ(&self) -> Option<&str> {
        self.header.get("typ").and_then(Value::as_str)
    }

    /// The header, whose members nothing proves by itself.
    pub(super) fn header(&self) -> &Map<String, Value> {
        &self.header
    }

    /// The issuer that the token claims (RFC 7519 §4.1.1), unproved.
    pub(super) fn issuer(&self) -> Result<&str, AuthnFault> {
        self.claims.get("iss").and_then(Value::as_str).ok_or(AuthnFault::Claim)
    }
}

/// Whether a text may serve as a key id, of which the form is nobody's business (RFC 7515 §4.1.4): 1 to 128 visible characters of ASCII. It is
/// compared with those of known keys, and nothing else is done with it.
pub(super) fn is_kid(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Strict: no padding, no other alphabet, trailing bits zero. Otherwise one token had many spellings, and a ban on one misses the others.
fn decode(segment: &str) -> Result<Vec<u8>, AuthnFault> {
    URL_SAFE_NO_PAD.decode(segment).map_err(|_| AuthnFault::Malformed)
}

fn object(segment: &str) -> Result<Map<String, Value>, AuthnFault> {
    parse_object(&decode(segment)?).ok_or(AuthnFault::Malformed)
}
