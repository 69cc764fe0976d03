//! The authenticators of one route, and how the one credential that a request presents finds its own.

mod challenge;
mod claimed;
mod exchange;
mod tokens;

pub use exchange::client_credential;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderName, HeaderValue};
use memchr::{memchr, memchr2};

use crate::crypto::api_key;
use crate::domain::{ANONYMOUS, AuthnFault, Denial, Name, Principal, PrincipalKind, ProofFault, RequestView};

use super::authenticator::{CLIENT_CERT, CLIENT_CERT_CHAIN, DPOP, SIGNATURE, SIGNATURE_INPUT};
use super::{
    ApiKeys, Authenticator, Basic, BodyDigest, Dpop, ForwardAuth, HttpSignature, Introspection, Jwt, Mtls,
    TakenSessions, TokenReview,
};
use challenge::Challenges;

/// What a request proved.
#[derive(Debug, Clone)]
pub struct Proof {
    /// Who sent it.
    pub principal: Arc<Principal>,
    /// What its body must come to, where that was signed and there is one.
    pub body: Option<BodyDigest>,
}

/// The authenticators of one route, by what they take.
#[derive(Debug)]
pub struct Chain {
    names: Vec<Box<str>>,
    tokens: Vec<Arc<Jwt>>,
    sessions: Option<TakenSessions>,
    /// Who is asked about a bearer token that none of `tokens` takes.
    asked: Option<TokenService>,
    keys: Vec<Arc<ApiKeys>>,
    certificates: Vec<Arc<Mtls>>,
    signatures: Option<Arc<HttpSignature>>,
    basic: Option<Arc<Basic>>,
    services: Vec<Arc<ForwardAuth>>,
    anonymous: Option<Arc<Principal>>,
    /// Where a credential may stand; two are one too many.
    places: Vec<HeaderName>,
    /// What must not reach an upstream: the places, and what goes with a credential.
    withheld: Vec<HeaderName>,
    dpop: Arc<Dpop>,
    challenges: Challenges,
}

/// A service that says what a token means.
#[derive(Debug, Clone)]
enum TokenService {
    Introspection(Arc<Introspection>),
    TokenReview(Arc<TokenReview>),
}

/// Why authenticators do not go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChainFault {
    /// Two take tokens of the same issuer, so that a token would not say which it is for; with the name of the second.
    SameIssuer(Name),
    /// Two take the same sort of credential, which does not say which it is for; with the name of the second.
    SameSort(Name),
}

/// The scheme of `Authorization` that a token came with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Bearer,
    Dpop,
}

impl Chain {
    /// A chain of these. The realm is what a challenge calls the protected space (RFC 9110 §11.5).
    ///
    /// # Errors
    /// [`ChainFault`] when a credential could belong to more than one.
    pub fn new(authenticators: Vec<Authenticator>, realm: &Name, dpop: Arc<Dpop>) -> Result<Self, ChainFault> {
        let mut chain = Self {
            names: authenticators.iter().map(|one| one.name().into()).collect(),
            tokens: Vec::new(),
            sessions: None,
            asked: None,
            keys: Vec::new(),
            certificates: Vec::new(),
            signatures: None,
            basic: None,
            services: Vec::new(),
            anonymous: None,
            places: vec![AUTHORIZATION],
            withheld: vec![AUTHORIZATION],
            dpop,
            challenges: Challenges::new(&authenticators, realm),
        };
        only_own_places(&authenticators)?;
        for authenticator in authenticators {
            chain.add(authenticator)?;
        }
        Ok(chain)
    }

    fn add(&mut self, authenticator: Authenticator) -> Result<(), ChainFault> {
        for place in authenticator.places() {
            if !self.withheld.contains(&place) {
                self.withheld.push(place.clone());
            }
            let goes_with = [SIGNATURE, DPOP, CLIENT_CERT, CLIENT_CERT_CHAIN].contains(&place);
            if !goes_with && !self.places.contains(&place) {
                self.places.push(place);
            }
        }
        match authenticator {
            Authenticator::Jwt(jwt) => {
                if self.knows_issuer(jwt.issuer()) {
                    return Err(ChainFault::SameIssuer(jwt.name().clone()));
                }
                self.tokens.push(jwt);
            }
            Authenticator::Sessions(sessions) => {
                if let Some(jwt) = self.tokens.iter().find(|jwt| jwt.issuer() == sessions.tokens.issuer()) {
                    return Err(ChainFault::SameIssuer(jwt.name().clone()));
                }
                self.sessions = Some(sessions);
            }
            Authenticator::ApiKey(keys) => self.keys.push(keys),
            Authenticator::Introspection(service) => {
                let name = service.name().clone();
                only_one(&mut self.asked, TokenService::Introspection(service), name)?;
            }
            Authenticator::TokenReview(service) => {
                let name = service.name().clone();
                only_one(&mut self.asked, TokenService::TokenReview(service), name)?;
            }
            Authenticator::Mtls(mtls) => self.certificates.push(mtls),
            Authenticator::HttpSignature(signatures) => {
                let name = signatures.name().clone();
                only_one(&mut self.signatures, signatures, name)?;
            }
            Authenticator::Basic(basic) => {
                let name = basic.name().clone();
                only_one(&mut self.basic, basic, name)?;
            }
            Authenticator::ForwardAuth(service) => self.services.push(service),
            Authenticator::Anonymous => {
                // The name is one that no `[authn.NAME]` can take, so nobody is mistaken for anybody.
                self.anonymous = Name::parse(ANONYMOUS)
                    .ok()
                    .map(|name| Arc::new(Principal::new(name, PrincipalKind::Service, ANONYMOUS.to_owned())));
            }
        }
        Ok(())
    }

    /// Proves who sent the request, from the one credential that it presents. Waits for an authenticator that has to ask somebody, and
    /// with a token that is not known yet for its turn: an issuer's keys that are not there are fetched in the background, and until then the
    /// answer is a [`Denial`].
    ///
    /// # Errors
    /// [`Denial::Unauthenticated`] with the fault, or [`Denial::Unavailable`] while somebody who is needed is away.
    pub async fn authenticate(&self, request: &RequestView<'_>, now: SystemTime) -> Result<Proof, Denial> {
        let Some((place, value)) = self.presented(request).map_err(Denial::Unauthenticated)? else {
            return self.prove_nothing(request, now).map(Proof::of);
        };
        if *place == SIGNATURE_INPUT
            && let Some(signatures) = &self.signatures
        {
            return Box::pin(signatures.verify(request, now)).await;
        }
        if let Some(service) = self.services.iter().find(|service| service.places().contains(place)) {
            return Box::pin(service.verify(request, now)).await.map(Proof::of);
        }
        if *place != AUTHORIZATION {
            return self.prove_key(place, value, request, now).map(Proof::of);
        }
        let (scheme, credential) = split(value).map_err(Denial::Unauthenticated)?;
        if scheme.eq_ignore_ascii_case("Bearer") {
            if credential.starts_with(api_key::MARK) {
                return self.prove_key(place, credential, request, now).map(Proof::of);
            }
            self.prove_token(Scheme::Bearer, credential, request, now).await.map(Proof::of)
        } else if scheme.eq_ignore_ascii_case("DPoP") {
            self.prove_token(Scheme::Dpop, credential, request, now).await.map(Proof::of)
        } else if scheme.eq_ignore_ascii_case("Basic")
            && let Some(basic) = &self.basic
        {
            Box::pin(basic.verify(credential, request.client, now)).await.map(Proof::of)
        } else {
            Err(Denial::Unauthenticated(AuthnFault::Malformed))
        }
    }

    /// The names of its authenticators, as they were written.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(AsRef::as_ref)
    }

    /// Whether a principal can come this way: by its own authenticator, or in a session that it may begin.
    pub fn takes(&self, principal: &Principal) -> bool {
        self.names().any(|name| *name == *principal.authenticator.as_str())
            || self.sessions.as_ref().is_some_and(|sessions| sessions.takes(principal))
    }

    /// Whom API keys here prove by this name at this time; none where they are several who differ in what they may.
    pub fn key_owner(&self, principal: &Principal, now: SystemTime) -> Option<&Principal> {
        let keys = self.keys.iter().filter(|keys| *keys.name() == principal.authenticator);
        let mut owners = keys
            .flat_map(|keys| keys.known())
            .filter(|(_, owner, canary)| owner.id == principal.id && canary.is_none())
            .filter(|(_, owner, _)| owner.expires.is_none_or(|end| now < end));
        let (_, first, _) = owners.next()?;
        let is_same = |owner: &Principal| {
            (&owner.kind, &owner.roles, &owner.scopes) == (&first.kind, &first.roles, &first.scopes)
        };
        owners.all(|(_, owner, _)| is_same(owner)).then_some(first)
    }

    /// The headers that may hold a credential, or go with one, and so are never forwarded; always with `Authorization`.
    #[expect(clippy::misnamed_getters, reason = "to whoever asks, what goes with a credential has a place too")]
    pub fn places(&self) -> &[HeaderName] {
        &self.withheld
    }

    /// The values of `WWW-Authenticate` that answer this fault (RFC 9110 §11.6.1): without an error code when nothing was presented.
    pub fn challenges(&self, fault: AuthnFault) -> &[HeaderValue] {
        self.challenges.of(fault)
    }

    /// The value of `Accept-Signature` that goes with this fault (RFC 9421 §5.1).
    pub fn accept_signature(&self, fault: AuthnFault) -> Option<&HeaderValue> {
        self.challenges.accept_signature(fault)
    }

    /// The value of `DPoP-Nonce` that goes with this fault (RFC 9449 §9).
    pub fn nonce(&self, fault: AuthnFault, now: SystemTime) -> Option<HeaderValue> {
        if fault == AuthnFault::Proof(ProofFault::Nonce) { self.dpop.nonce(now) } else { None }
    }

    /// The one credential in all places. A second one, wherever it stands, could be the one that somebody else reads.
    fn presented<'a>(&'a self, request: &RequestView<'a>) -> Result<Option<(&'a HeaderName, &'a str)>, AuthnFault> {
        let headers = request.headers;
        let mut all =
            self.places.iter().flat_map(|place| headers.get_all(place).iter().map(move |value| (place, value)));
        let Some((place, value)) = all.next() else { return Ok(None) };
        // HTTP/2 may send a cookie in pieces (RFC 9113 §8.2.3).
        let is_piece = |other: &HeaderName| *place == COOKIE && *other == COOKIE;
        if all.any(|(other, _)| !is_piece(other)) {
            return Err(AuthnFault::Several);
        }
        Ok(Some((place, visible(value).ok_or(AuthnFault::Malformed)?)))
    }

    /// Without a credential in the head: by the connection's certificate, or nobody in particular.
    fn prove_nothing(&self, request: &RequestView<'_>, now: SystemTime) -> Result<Arc<Principal>, Denial> {
        let mut fault = AuthnFault::Missing;
        for mtls in &self.certificates {
            match mtls.verify(request, now) {
                Ok(principal) => return Ok(principal),
                Err(Denial::Unauthenticated(AuthnFault::Missing)) => {}
                // Another may know the authority that this one does not.
                Err(Denial::Unauthenticated(AuthnFault::Certificate)) => fault = AuthnFault::Certificate,
                Err(decisive) => return Err(decisive),
            }
        }
        match &self.anonymous {
            Some(nobody) if fault == AuthnFault::Missing => Ok(Arc::clone(nobody)),
            Some(_) | None => Err(Denial::Unauthenticated(fault)),
        }
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
                // A decoy takes as long as a key that nobody knows: the others are asked too.
                Err(AuthnFault::Canary) => fault = AuthnFault::Canary,
                Err(AuthnFault::UnknownKey) if fault != AuthnFault::Canary => fault = AuthnFault::UnknownKey,
                Err(AuthnFault::UnknownKey) => {}
                Err(decisive) => return Err(Denial::Unauthenticated(decisive)),
            }
        }
        Err(Denial::Unauthenticated(fault))
    }
}

impl Proof {
    fn of(principal: Arc<Principal>) -> Self {
        Self { principal, body: None }
    }
}

/// Fills the place, unless it is taken.
fn only_one<T>(place: &mut Option<T>, one: T, name: Name) -> Result<(), ChainFault> {
    if place.replace(one).is_some() { Err(ChainFault::SameSort(name)) } else { Ok(()) }
}

/// A service is asked about all that stands in its places, so no other may look there.
fn only_own_places(all: &[Authenticator]) -> Result<(), ChainFault> {
    for (nth, authenticator) in all.iter().enumerate() {
        let Authenticator::ForwardAuth(service) = authenticator else { continue };
        let others = all.iter().enumerate().filter(|(other, _)| *other != nth);
        if others.flat_map(|(_, other)| other.places()).any(|place| service.places().contains(&place)) {
            return Err(ChainFault::SameSort(service.name().clone()));
        }
    }
    Ok(())
}

/// The value as text if it is visible ASCII, blanks and tabs. A token is long and comes with each request: written so that the compiler can
/// look at many bytes at once.
fn visible(value: &HeaderValue) -> Option<&str> {
    let bytes = value.as_bytes();
    let is_visible = bytes.iter().fold(true, |sound, &b| sound & (matches!(b, b' '..=b'~') | (b == b'\t')));
    if is_visible { std::str::from_utf8(bytes).ok() } else { None }
}

/// The scheme in `Authorization`, and what stands behind it and one space. A comma would begin a second credential.
fn split(value: &str) -> Result<(&str, &str), AuthnFault> {
    if memchr(b',', value.as_bytes()).is_some() {
        return Err(AuthnFault::Several);
    }
    let (scheme, credential) = value.split_once(' ').ok_or(AuthnFault::Malformed)?;
    let is_one_word = !credential.is_empty() && memchr2(b' ', b'\t', credential.as_bytes()).is_none();
    if is_one_word { Ok((scheme, credential)) } else { Err(AuthnFault::Malformed) }
}

impl fmt::Display for ChainFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameIssuer(name) => {
                write!(f, "`{name}` takes tokens of an issuer that another authenticator takes too")
            }
            Self::SameSort(name) => {
                write!(f, "`{name}` takes credentials that another authenticator takes too")
            }
        }
    }
}

impl std::error::Error for ChainFault {}
