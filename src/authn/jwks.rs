//! Sets of keys, and how a published one (RFC 7517) is read.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value};

use crate::domain::AuthnFault;

use super::alg::{Alg, Algs, Family};
use super::json::parse_object;
use super::key::{self, Key};
use super::token::is_kid;

/// The keys that prove the tokens of one issuer, at one time. A later set replaces it as a whole.
pub(super) struct KeySet(Vec<Key>);

/// Why a text is not a key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwksFault {
    /// Not one JSON object without repeated keys.
    Json,
    /// There is no array `keys`.
    NoKeys,
    /// It holds more than 100 keys.
    TooMany,
}

/// The most keys that a set may hold.
const MAX_KEYS: usize = 100;

impl KeySet {
    /// A set of one key.
    pub(super) fn single(key: Key) -> Self {
        Self(vec![key])
    }

    /// Reads a JWK set (RFC 7517 §5). Keys that are not for verifying with one of the allowed algorithms are passed over, as are symmetric
    /// ones, those that give their private part away, and those whose numbers or points are unsafe.
    pub(super) fn parse(body: &[u8], allowed: Algs) -> Result<Self, JwksFault> {
        let document = parse_object(body).ok_or(JwksFault::Json)?;
        let listed = document.get("keys").and_then(Value::as_array).ok_or(JwksFault::NoKeys)?;
        if listed.len() > MAX_KEYS {
            return Err(JwksFault::TooMany);
        }
        let mut set = Self(Vec::with_capacity(listed.len()));
        for key in listed.iter().filter_map(Value::as_object).filter_map(|jwk| read(jwk, allowed)) {
            // A key listed twice would be ambiguous with itself.
            if !set.holds(key.id()) {
                set.0.push(key);
            }
        }
        Ok(set)
    }

    /// Whether no key is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the key of this identity is in it.
    pub(super) fn holds(&self, id: &[u8; 32]) -> bool {
        self.0.iter().any(|key| key.id() == id)
    }

    /// The one key for a token with this key id and algorithm. Without a key id, exactly one key of the whole set must take the algorithm.
    pub(super) fn pick(&self, kid: Option<&str>, alg: Alg) -> Result<&Key, AuthnFault> {
        let mut named = self.0.iter().filter(|key| kid.is_none() || key.kid().map(|own| &**own) == kid).peekable();
        if named.peek().is_none() {
            return Err(AuthnFault::UnknownKey);
        }
        let mut fitting = named.filter(|key| key.takes(alg));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(key),
            (Some(_), Some(_)) => Err(AuthnFault::UnknownKey),
            (None, _) => Err(AuthnFault::Algorithm),
        }
    }
}

/// One JWK (RFC 7517 §4), where it is usable.
pub(super) fn read(jwk: &Map<String, Value>, allowed: Algs) -> Option<Key> {
    let is_for_signatures = jwk.get("use").is_none_or(|purpose| purpose == "sig");
    let may_verify =
        jwk.get("key_ops").is_none_or(|ops| ops.as_array().is_some_and(|ops| ops.iter().any(|op| op == "verify")));
    if !is_for_signatures || !may_verify || jwk.contains_key("d") {
        return None;
    }
    let kid = match jwk.get("kid") {
        None => None,
        Some(kid) => Some(kid.as_str().filter(|kid| is_kid(kid))?),
    };
    let bound = match jwk.get("alg") {
        None => allowed,
        Some(alg) => Algs::of([Alg::parse(alg.as_str()?)?]).intersection(allowed),
    };
    let (able, decoding) = public_key(jwk)?;
    Key::new(kid, able.intersection(bound), decoding)
}

/// The key itself and the algorithms that its type can be used with (RFC 7518 §6, RFC 8037 §2).
fn public_key(jwk: &Map<String, Value>) -> Option<(Algs, DecodingKey)> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
    let ec = |alg| Some((Algs::of([alg]), key::ec(alg, &bytes("x")?, &bytes("y")?)?));
    match (text("kty")?, text("crv")) {
        ("RSA", _) => Some((Algs::of_family(Family::Rsa), key::rsa(&bytes("n")?, &bytes("e")?)?)),
        ("EC", Some("P-256")) => ec(Alg::Es256),
        ("EC", Some("P-384")) => ec(Alg::Es384),
        ("OKP", Some("Ed25519")) => Some((Algs::of_family(Family::Ed), key::ed(&bytes("x")?)?)),
        _ => None,
    }
}

impl fmt::Display for JwksFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "the key set is not one JSON object without repeated keys",
            Self::NoKeys => "the key set has no array `keys`",
            Self::TooMany => "the key set holds more than 100 keys",
        })
    }
}

impl std::error::Error for JwksFault {}
