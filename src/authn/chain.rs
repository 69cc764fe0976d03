//! The authenticators of one route, and how the one credential that a request presents finds its own.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use memchr::{memchr, memchr2};

use crate::domain::{AuthnFault, Denial, Name, Principal, RequestView};

use super::token::{MAX_TOKEN, Token};
use super::{ApiKeys, Jwt};
use crate::crypto::{api_key, sha256};

/// One configured method that turns a presented credential into a principal.
#[derive(Debug, Clone)]
pub enum Authenticator {
    /// Tokens that an issuer signs, in `Authorization: Bearer`.
    Jwt(Arc<Jwt>),
    /// API keys, in `Authorization: Bearer` or a header of their own.
    ApiKey(Arc<ApiKeys>),
}

impl Authenticator {
    /// The NAME of its `[authn.NAME]`.
    pub fn name(&self) -> &Name {
        match self {
            Self::Jwt(jwt) => jwt.name(),
            Self::ApiKey(keys) => keys.name(),
        }
    }

    /// The header that it looks in.
    pub fn place(&self) -> HeaderName {
        match self {
            Self::Jwt(_) => AUTHORIZATION,
            Self::ApiKey(keys) => keys.header().cloned().unwrap_or(AUTHORIZATION),
        }
    }
}

/// The authenticators of one route.
#[derive(Debug)]
pub struct Chain {
    tokens: Vec<Arc<Jwt>>,
    keys: Vec<Arc<ApiKeys>>,
    places: Vec<HeaderName>,
    missing: HeaderValue,
    refused: HeaderValue,
}

/// Why authenticators do not go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChainFault {
    /// Two take tokens of the same issuer, so that a token would not say which it is for; with the name of the second.
    SameIssuer(Name),
}

impl Chain {
    /// A chain of these. The realm is what a challenge calls the protected space (RFC 9110 §11.5).
    ///
    /// # Errors
    /// [`ChainFault`] when a credential could belong to more than one.
    pub fn new(authenticators: Vec<Authenticator>, realm: &Name) -> Result<Self, ChainFault> {
        let mut tokens: Vec<Arc<Jwt>> = Vec::new();
        let mut keys = Vec::new();
        let mut places = vec![AUTHORIZATION];
        for authenticator in authenticators {
            match authenticator {
                Authenticator::Jwt(jwt) => {
                    if tokens.iter().any(|other| other.issuer() == jwt.issuer()) {
                        return Err(ChainFault::SameIssuer(jwt.name().clone()));
                    }
                    tokens.push(jwt);
                }
                Authenticator::ApiKey(known) => {
                    places.extend(known.header().filter(|place| !places.contains(place)).cloned());
                    keys.push(known);
                }
            }
        }
        let [missing, refused] = challenges(realm);
        Ok(Self { tokens, keys, places, missing, refused })
    }

    /// Proves who sent the request, from the one credential that it presents. Never waits: keys that are not there are fetched in the
    /// background, and until then the answer is a [`Denial`].
    ///
    /// # Errors
    /// [`Denial::Unauthenticated`] with the fault, or [`Denial::Unavailable`] while an issuer's keys cannot be had.
    pub fn authenticate(&self, request: &RequestView<'_>, now: SystemTime) -> Result<Arc<Principal>, Denial> {
        let (place, value) = self.presented(request).map_err(Denial::Unauthenticated)?;
        if *place != AUTHORIZATION {
            return self.prove_key(place, value, request, now);
        }
        let credential = bearer(value).map_err(Denial::Unauthenticated)?;
        if credential.starts_with(api_key::MARK) {
            self.prove_key(place, credential, request, now)
        } else {
            self.prove_token(credential, now)
        }
    }

    /// The headers that may hold a credential and so are never forwarded; always with `Authorization`.
    pub fn places(&self) -> &[HeaderName] {
        &self.places
    }

    /// The `WWW-Authenticate` that answers this fault (RFC 6750 §3): without an error code when nothing was presented.
    pub fn challenge(&self, fault: AuthnFault) -> &HeaderValue {
        if fault == AuthnFault::Missing { &self.missing } else { &self.refused }
    }

    /// The one credential in all places. A second one, wherever it stands, could be the one that somebody else reads.
    fn presented<'a>(&'a self, request: &RequestView<'a>) -> Result<(&'a HeaderName, &'a str), AuthnFault> {
        let headers = request.headers;
        let mut all =
            self.places.iter().flat_map(|place| headers.get_all(place).iter().map(move |value| (place, value)));
        let (place, value) = all.next().ok_or(AuthnFault::Missing)?;
        if all.next().is_some() {
            return Err(AuthnFault::Several);
        }
        Ok((place, visible(value).ok_or(AuthnFault::Malformed)?))
    }

    fn prove_key(
        &self,
        place: &HeaderName,
        presented: &str,
        request: &RequestView<'_>,
        now: SystemTime,
    ) -> Result<Arc<Principal>, Denial> {
        let mut fault = AuthnFault::Malformed;
        for keys in self.keys.iter().filter(|keys| keys.header().unwrap_or(&AUTHORIZATION) == place) {
            match keys.verify(presented, request.client, now) {
                Ok(principal) => return Ok(principal),
                Err(AuthnFault::UnknownKey) => fault = AuthnFault::UnknownKey,
                Err(decisive) => return Err(Denial::Unauthenticated(decisive)),
            }
        }
        Err(Denial::Unauthenticated(fault))
    }

    fn prove_token(&self, presented: &str, now: SystemTime) -> Result<Arc<Principal>, Denial> {
        if self.tokens.is_empty() || presented.len() > MAX_TOKEN {
            return Err(Denial::Unauthenticated(AuthnFault::Malformed));
        }
        let digest = sha256(presented.as_bytes());
        if let Some(principal) = self.tokens.iter().find_map(|jwt| jwt.recall(&digest, now)) {
            return Ok(principal);
        }
        let token = Token::parse(presented).map_err(Denial::Unauthenticated)?;
        let issuer = token.issuer().map_err(Denial::Unauthenticated)?;
        let jwt = self.tokens.iter().find(|jwt| jwt.issuer() == issuer);
        jwt.ok_or(Denial::Unauthenticated(AuthnFault::Issuer))?.verify(&token, digest, now)
    }
}

/// The value as text if it is visible ASCII, blanks and tabs. A token is long and comes with each request: written so that the compiler can
/// look at many bytes at once.
fn visible(value: &HeaderValue) -> Option<&str> {
    let bytes = value.as_bytes();
    let is_visible = bytes.iter().fold(true, |sound, &b| sound & (matches!(b, b' '..=b'~') | (b == b'\t')));
    if is_visible { std::str::from_utf8(bytes).ok() } else { None }
}

/// What stands in `Authorization` behind `Bearer` (RFC 6750 §2.1) and one space. A comma would begin a second credential.
fn bearer(value: &str) -> Result<&str, AuthnFault> {
    if memchr(b',', value.as_bytes()).is_some() {
        return Err(AuthnFault::Several);
    }
    let (scheme, credential) = value.split_once(' ').ok_or(AuthnFault::Malformed)?;
    let is_bearer = scheme.eq_ignore_ascii_case("Bearer");
    let is_one_word = !credential.is_empty() && memchr2(b' ', b'\t', credential.as_bytes()).is_none();
    if is_bearer && is_one_word { Ok(credential) } else { Err(AuthnFault::Malformed) }
}

/// The challenge for nothing and the one for a refused credential. A name's characters are all allowed in a header value.
fn challenges(realm: &Name) -> [HeaderValue; 2] {
    let value = |text: String| HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Bearer"));
    [value(format!("Bearer realm=\"{realm}\"")), value(format!("Bearer realm=\"{realm}\", error=\"invalid_token\""))]
}

impl fmt::Display for ChainFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameIssuer(name) => {
                write!(f, "`{name}` takes tokens of an issuer that another authenticator takes too")
            }
        }
    }
}

impl std::error::Error for ChainFault {}
