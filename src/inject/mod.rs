//! The closed set of injections: what puts a credential on an upstream request. Acquiring may fail; applying cannot.

mod identity;
mod identity_token;

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwapOption;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use zeroize::Zeroizing;

use crate::authz::Permit;
use crate::domain::{Denial, Name, Secret, Unavailable};
use crate::vault::Slot;

pub use identity::{IdentityHeader, TemplateFault};
pub use identity_token::{IdentityToken, Issuer, IssuerSettings, TYPE as IDENTITY_TOKEN_TYPE};

/// Everything but the unreserved characters, which are to stay as they are (RFC 3986 §2.3).
const ESCAPED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A configured credential: a named secret, how it is put on a request, and the one target it may be sent to.
#[derive(Debug)]
pub struct Credential {
    name: Name,
    target: Name,
    method: Method,
    secret: Arc<Slot>,
    prepared: ArcSwapOption<Prepared>,
}

/// How a secret is put on a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Method {
    /// `NAME: PREFIX SECRET`.
    Header {
        /// The field's name.
        name: HeaderName,
        /// What stands before the secret, blank included; often empty.
        prefix: String,
    },
    /// `Authorization: Bearer SECRET` (RFC 6750 §2.1).
    Bearer,
    /// `Authorization: Basic base64(USERNAME:SECRET)` (RFC 7617).
    Basic {
        /// The user name; without `:`.
        username: String,
    },
    /// A query parameter, for APIs that know nothing better.
    Query {
        /// The parameter's name.
        parameter: String,
    },
}

/// What one request gets: made from a secret, bound to a target, repeatable on every attempt. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Injection {
    credential: Name,
    target: Name,
    prepared: Arc<Prepared>,
}

/// The secret in the form in which it is sent, kept until the secret changes.
struct Prepared {
    version: u64,
    part: Part,
}

enum Part {
    Header(HeaderName, HeaderValue),
    Query { parameter: String, pair: Zeroizing<String> },
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Credential {
    /// A credential for requests to `target`, made from the secret in `secret`.
    pub fn new(name: Name, target: Name, method: Method, secret: Arc<Slot>) -> Self {
        Self { name, target, method, secret, prepared: ArcSwapOption::empty() }
    }

    /// The `[credential.NAME]`.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The `[target.NAME]` that it belongs to.
    pub fn target(&self) -> &Name {
        &self.target
    }

    /// The header that the injection will set, if it sets one: a client's own is taken off first.
    pub fn header(&self) -> Option<HeaderName> {
        match &self.method {
            Method::Header { name, .. } => Some(name.clone()),
            Method::Bearer | Method::Basic { .. } => Some(http::header::AUTHORIZATION),
            Method::Query { .. } => None,
        }
    }

    /// The injection for one authorized request. Asking needs the proof that the request was authorized.
    ///
    /// # Errors
    /// [`Unavailable::Credential`] when the vault has no such secret now, or one that cannot be sent in this form.
    pub fn acquire(&self, _permit: &Permit, now: Instant) -> Result<Injection, Denial> {
        let unavailable = Denial::Unavailable(Unavailable::Credential);
        // The slot is asked each time: a secret that its vault withdrew must not live on in its prepared form.
        let (version, secret) = self.secret.load_at(now).map_err(|_| unavailable)?;
        let prepared = match self.prepared.load_full() {
            Some(prepared) if prepared.version == version => prepared,
            _ => {
                let part = self.method.prepare(&secret).ok_or_else(|| {
                    log::error!(credential = self.name.as_str(); "the secret is empty or holds characters that cannot be sent so");
                    unavailable
                })?;
                let fresh = Arc::new(Prepared { version, part });
                self.prepared.store(Some(Arc::clone(&fresh)));
                fresh
            }
        };
        Ok(Injection { credential: self.name.clone(), target: self.target.clone(), prepared })
    }
}

impl Method {
    fn prepare(&self, secret: &Secret) -> Option<Part> {
        let bytes = secret.expose();
        if bytes.is_empty() {
            return None;
        }
        let joined = |front: &str| Zeroizing::new([front.as_bytes(), bytes].concat());
        match self {
            Self::Header { name, prefix } => Some(Part::Header(name.clone(), sensitive(&joined(prefix))?)),
            Self::Bearer => Some(Part::Header(http::header::AUTHORIZATION, sensitive(&joined("Bearer "))?)),
            Self::Basic { username } => {
                let encoded = Zeroizing::new(STANDARD.encode(&*joined(&format!("{username}:"))));
                let value = Zeroizing::new(format!("Basic {}", *encoded));
                Some(Part::Header(http::header::AUTHORIZATION, sensitive(value.as_bytes())?))
            }
            Self::Query { parameter } => {
                let encoded = Zeroizing::new(percent_encode(bytes, &ESCAPED).to_string());
                let pair = Zeroizing::new(format!("{parameter}={}", *encoded));
                Some(Part::Query { parameter: parameter.clone(), pair })
            }
        }
    }
}

/// A header value that is never shown by `Debug` nor indexed by HPACK.
fn sensitive(bytes: &[u8]) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(bytes).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl Injection {
    /// The `[credential.NAME]` it came from.
    pub fn credential(&self) -> &Name {
        &self.credential
    }

    /// The only target it may be sent to.
    pub fn target(&self) -> &Name {
        &self.target
    }

    /// The header to set, replacing any of that name.
    pub fn header(&self) -> Option<(&HeaderName, &HeaderValue)> {
        match &self.prepared.part {
            Part::Header(name, value) => Some((name, value)),
            Part::Query { .. } => None,
        }
    }

    /// The query to send in place of `query`: the client's own parameter of that name, however escaped, is dropped. `None` where the
    /// injection leaves the query alone.
    pub fn query(&self, query: Option<&str>) -> Option<Zeroizing<String>> {
        let Part::Query { parameter, pair } = &self.prepared.part else {
            return None;
        };
        let mut joined = Zeroizing::new(String::new());
        let kept = query.into_iter().flat_map(|query| query.split('&')).filter(|own| !own.is_empty());
        for own in kept.filter(|own| !names(own, parameter)) {
            joined.push_str(own);
            joined.push('&');
        }
        joined.push_str(pair);
        Some(joined)
    }
}

impl Injection {
    /// Whether a response field repeats a secret that went into the request's target. (One in a field of the request is not looked for here.)
    pub fn is_repeated_in(&self, field: &[u8]) -> bool {
        match &self.prepared.part {
            Part::Header(..) => false,
            Part::Query { pair, .. } => {
                let escaped = pair.split_once('=').map_or("", |(_, value)| value);
                let plain: Zeroizing<Vec<u8>> = Zeroizing::new(percent_encoding::percent_decode_str(escaped).collect());
                memchr::memmem::find(field, escaped.as_bytes()).is_some()
                    || memchr::memmem::find(field, &plain).is_some()
            }
        }
    }
}

/// Whether a raw `name=value` pair has this name once unescaped.
fn names(pair: &str, parameter: &str) -> bool {
    let raw = pair.split_once('=').map_or(pair, |(name, _)| name);
    let unescaped: Vec<u8> = percent_encoding::percent_decode_str(raw).collect();
    unescaped.eq_ignore_ascii_case(parameter.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(method: Method, secret: &str) -> Option<Injection> {
        let part = method.prepare(&Secret::new(secret.as_bytes().to_vec()))?;
        let name = Name::parse("x").expect("name");
        Some(Injection { credential: name.clone(), target: name, prepared: Arc::new(Prepared { version: 1, part }) })
    }

    #[test]
    fn each_method_has_its_form() {
        let x_key = HeaderName::from_static("x-key");
        for (method, want) in [
            (Method::Bearer, "authorization: Bearer s3cret"),
            (Method::Basic { username: "user".into() }, "authorization: Basic dXNlcjpzM2NyZXQ="),
            (Method::Header { name: x_key, prefix: "Key ".into() }, "x-key: Key s3cret"),
        ] {
            let injection = prepared(method, "s3cret").expect("prepared");
            let (name, value) = injection.header().expect("a header");
            assert_eq!(format!("{name}: {}", value.to_str().expect("text")), want);
            assert!(value.is_sensitive());
        }
    }

    #[test]
    fn the_clients_own_parameter_gives_way() {
        let injection = prepared(Method::Query { parameter: "key".into() }, "a b&c").expect("prepared");
        for (query, want) in [
            (None, "key=a%20b%26c"),
            (Some(""), "key=a%20b%26c"),
            (Some("q=1"), "q=1&key=a%20b%26c"),
            (Some("key=evil&q=1&%6bey=x&KEY=y&key"), "q=1&key=a%20b%26c"),
        ] {
            assert_eq!(injection.query(query).expect("a query").as_str(), want);
        }
    }

    #[test]
    fn a_secret_in_the_query_is_seen_when_it_comes_back() {
        let injection = prepared(Method::Query { parameter: "key".into() }, "a b&c").expect("prepared");
        for (field, want) in [("/v1/x/?key=a%20b%26c&q=1", true), ("was: a b&c", true), ("/v1/x/?q=1", false)] {
            assert_eq!(injection.is_repeated_in(field.as_bytes()), want, "{field}");
        }
    }

    #[test]
    fn what_cannot_be_sent_is_not_prepared() {
        for secret in ["", "line\nbreak", "nul\0"] {
            assert!(prepared(Method::Bearer, secret).is_none(), "{secret:?}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let injection = prepared(Method::Query { parameter: "key".into() }, "canary").expect("prepared");
        let bearer = prepared(Method::Bearer, "canary").expect("prepared");
        assert!(!format!("{injection:?}{bearer:?}").contains("canary"));
    }
}
