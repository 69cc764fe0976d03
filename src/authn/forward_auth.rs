//! An HTTP service that is asked about a request: any other scheme.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::COOKIE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::domain::{AuthnFault, Denial, Name, Principal, PrincipalKind, RequestView};
use crate::net::{Answer, Client, Question};

use super::asked::{AskFault, AskSettings, Asked, digest};
use super::claims::{MAX_NAME, MAX_NAMES};
use super::token::MAX_TOKEN;

/// What an `[authn.NAME.forward_auth]` asks with and takes from the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardAuthSettings {
    /// The service.
    pub ask: AskSettings,
    /// The headers that may hold the credential; at least one.
    pub credential_headers: Vec<HeaderName>,
    /// Further headers of the request that the service is told.
    pub request_headers: Vec<HeaderName>,
    /// The header of the answer that is the principal's id.
    pub id_header: HeaderName,
    /// The header of the answer that names roles, with commas between.
    pub roles_header: Option<HeaderName>,
    /// What sort of caller the service proves.
    pub kind: PrincipalKind,
}

impl Hash for ForwardAuthSettings {
    /// By what tells settings apart in practice; equality looks at everything.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.ask.hash(state);
    }
}

/// An `[authn.NAME.forward_auth]`.
pub struct ForwardAuth {
    settings: ForwardAuthSettings,
    asked: Asked,
}

/// Headers that decide framing, routing or the connection, and those by which the service is told of the request: never copied into a
/// question.
const RESERVED: [&str; 14] = [
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "proxy-authorization",
    "proxy-connection",
    "forwarded",
    "accept-encoding",
];
/// What all names begin with by which the service is told of the request.
const FORWARDED: &str = "x-forwarded-";
/// The most headers of either sort.
const MAX_HEADERS: usize = 32;

impl ForwardAuth {
    /// An authenticator under these settings.
    ///
    /// # Errors
    /// One [`AskFault`] per way in which settings can be unsafe or useless.
    pub fn new(settings: ForwardAuthSettings, client: &Arc<Client>) -> Result<Self, AskFault> {
        let (credentials, others) = (&settings.credential_headers, &settings.request_headers);
        if credentials.is_empty() {
            return Err(AskFault::NoHeader);
        }
        let is_reserved = |name: &HeaderName| RESERVED.contains(&name.as_str()) || name.as_str().starts_with(FORWARDED);
        let too_many = credentials.len() > MAX_HEADERS || others.len() > MAX_HEADERS;
        // A credential that is for another way to prove an identity is not the service's business.
        let tells_tales = others.contains(&http::header::AUTHORIZATION);
        if too_many || tells_tales || credentials.iter().chain(others).any(is_reserved) {
            return Err(AskFault::Header);
        }
        Ok(Self { asked: Asked::new(settings.ask.clone(), client)?, settings })
    }

    /// The NAME of its `[authn.NAME]`.
    pub fn name(&self) -> &Name {
        &self.settings.ask.name
    }

    /// The headers that may hold its credential: a request that has one of them is for it.
    pub fn places(&self) -> &[HeaderName] {
        &self.settings.credential_headers
    }

    /// The principal that it proves.
    pub(super) async fn verify(&self, request: &RequestView<'_>, now: SystemTime) -> Result<Arc<Principal>, Denial> {
        let headers = self.question(request).map_err(Denial::Unauthenticated)?;
        // All that the service is told: its answer may hang on any of it.
        let key = digest(headers.iter().flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()]));
        self.asked.verdict(key, now, || self.ask(headers)).await
    }

    /// The headers of the question.
    fn question(&self, request: &RequestView<'_>) -> Result<HeaderMap, AuthnFault> {
        let mut headers = HeaderMap::new();
        for place in &self.settings.credential_headers {
            for value in request.headers.get_all(place) {
                if value.len() > MAX_TOKEN {
                    return Err(AuthnFault::Malformed);
                }
                let mut value = value.clone();
                value.set_sensitive(true);
                headers.append(place.clone(), value);
            }
        }
        join_cookies(&mut headers)?;
        for name in &self.settings.request_headers {
            // One that may hold the credential is there already.
            if !self.settings.credential_headers.contains(name) {
                request.headers.get_all(name).iter().for_each(|value| {
                    headers.append(name.clone(), value.clone());
                });
            }
        }
        let client = request.client.to_string();
        for (name, value) in [
            ("x-forwarded-method", request.method.as_str()),
            ("x-forwarded-host", request.host.as_str()),
            ("x-forwarded-uri", request.asked.as_str()),
            ("x-forwarded-for", &client),
        ] {
            let value = HeaderValue::from_str(value).map_err(|_| AuthnFault::Malformed)?;
            headers.insert(HeaderName::from_static(name), value);
        }
        Ok(headers)
    }

    async fn ask(&self, headers: HeaderMap) -> Result<Arc<Principal>, Denial> {
        let answer = self.asked.call(Question { method: Method::GET, headers, body: Bytes::new() }).await?;
        self.judge(&answer)
    }

    /// What an answer proves. A yes that does not say who is no answer.
    fn judge(&self, answer: &Answer) -> Result<Arc<Principal>, Denial> {
        match answer.status {
            StatusCode::OK | StatusCode::NO_CONTENT => self
                .principal(&answer.headers)
                .ok_or_else(|| self.asked.away("the answer lacks an id, or holds one or roles of no sound form")),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Denial::Unauthenticated(AuthnFault::Inactive)),
            status => Err(self.asked.odd_status(status)),
        }
    }

    fn principal(&self, headers: &HeaderMap) -> Option<Arc<Principal>> {
        let mut ids = headers.get_all(&self.settings.id_header).iter();
        let id = ids.next()?.to_str().ok()?;
        if ids.next().is_some() || !Principal::is_valid_id(id) {
            return None;
        }
        let mut roles: Vec<Arc<str>> = Vec::new();
        for line in self.settings.roles_header.iter().flat_map(|name| headers.get_all(name)) {
            for role in line.to_str().ok()?.split(',').map(str::trim).filter(|role| !role.is_empty()) {
                if role.len() > MAX_NAME || roles.len() == MAX_NAMES {
                    return None;
                }
                roles.push(role.into());
            }
        }
        let principal = Principal::new(self.name().clone(), self.settings.kind, id.to_owned());
        Some(Arc::new(Principal { roles, ..principal }))
    }
}

/// The pieces of a cookie in one field, as HTTP/1.1 has them (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) -> Result<(), AuthnFault> {
    let pieces: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if pieces.len() > 1 {
        let whole = pieces.join(&b"; "[..]);
        let whole = HeaderValue::from_bytes(&whole).ok().filter(|whole| whole.len() <= MAX_TOKEN);
        let mut whole = whole.ok_or(AuthnFault::Malformed)?;
        whole.set_sensitive(true);
        headers.insert(COOKIE, whole);
    }
    Ok(())
}

impl fmt::Debug for ForwardAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForwardAuth").field("settings", &self.settings).finish_non_exhaustive()
    }
}
