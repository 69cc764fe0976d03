//! What one authorized request gets, and how it goes on the head. Applying cannot fail.

use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderName, HeaderValue};
use zeroize::Zeroizing;

use super::body::Filled;
use super::content::ReadBody;
use super::method::{self, Part, names};
use super::needles::Needles;
use super::{Head, Prepared};
use crate::crypto::sigv4::{self, Payload};
use crate::domain::{ClientIdentity, Name};

/// What one request gets: made from secrets, bound to a target, repeatable on every attempt. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Injection {
    pub(super) credential: Name,
    pub(super) target: Name,
    pub(super) prepared: Arc<Prepared>,
    pub(super) payload: Payload,
    /// The body, where this credential signs it.
    pub(super) body: Option<ReadBody>,
    /// What is sent in place of the body.
    pub(super) filled: Option<Filled>,
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

    /// What of it must not come back.
    pub fn needles(&self) -> &Arc<Needles> {
        &self.prepared.needles
    }

    /// Who the gateway is to the target in the connection itself; none where the injection leaves that alone.
    pub fn client(&self) -> Option<&ClientIdentity> {
        self.prepared.client()
    }

    /// The headers to set, each replacing any of that name.
    pub fn headers(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.prepared.parts.iter().filter_map(|part| match part {
            Part::Header(name, value) => Some((name, value)),
            Part::Query { .. }
            | Part::Cookie { .. }
            | Part::Path(_)
            | Part::Body(_)
            | Part::Aws(_)
            | Part::Hmac(_)
            | Part::Client(_) => None,
        })
    }

    /// What to put in front of the path that is asked for; nothing where the injection leaves the path alone.
    pub fn path_front(&self) -> &str {
        let front = self.prepared.parts.iter().find_map(|part| match part {
            Part::Path(front) => Some(front.path.as_str()),
            Part::Header(..)
            | Part::Query { .. }
            | Part::Cookie { .. }
            | Part::Body(_)
            | Part::Aws(_)
            | Part::Hmac(_)
            | Part::Client(_) => None,
        });
        front.unwrap_or_default()
    }

    /// What to send in place of the client's body; none where the injection leaves the body alone.
    pub fn filled(&self) -> Option<&Filled> {
        self.filled.as_ref()
    }

    /// The query to send in place of `query`: the client's own parameters of these names, however escaped, are dropped. `None` where the
    /// injection leaves the query alone.
    pub fn query(&self, query: Option<&str>) -> Option<Zeroizing<String>> {
        let mut changed: Option<Zeroizing<String>> = None;
        for part in &self.prepared.parts {
            let so_far = changed.as_ref().map(|text| text.as_str()).or(query);
            match part {
                Part::Query { parameter, pair } => changed = Some(with_pair(so_far, parameter, pair)),
                Part::Aws(_) => changed = so_far.map(|text| Zeroizing::new(sigv4::query_to_send(text))),
                Part::Header(..)
                | Part::Cookie { .. }
                | Part::Path(_)
                | Part::Body(_)
                | Part::Hmac(_)
                | Part::Client(_) => {}
            }
        }
        changed
    }

    /// The value of `Cookie` to send in place of these fields; `None` where the injection sets no cookie.
    pub fn cookies<'a>(&self, fields: impl Iterator<Item = &'a HeaderValue>) -> Option<HeaderValue> {
        let own = self.prepared.parts.iter().filter_map(|part| match part {
            Part::Cookie { name, pair } => Some((name.as_str(), pair)),
            Part::Header(..)
            | Part::Query { .. }
            | Part::Path(_)
            | Part::Body(_)
            | Part::Aws(_)
            | Part::Hmac(_)
            | Part::Client(_) => None,
        });
        let own: Vec<_> = own.collect();
        if own.is_empty() {
            return None;
        }
        method::cookies(fields, &own)
    }

    /// The headers that sign this head at this time, each replacing any of that name; none where nothing is signed. Whoever signs is the only
    /// piece of its credential.
    ///
    /// # Errors
    /// A [`sigv4::Fault`] for a head that cannot be signed: the upstream would refuse it.
    pub fn sign(
        &self,
        head: &Head<'_>,
        now: impl FnOnce() -> SystemTime,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, sigv4::Fault> {
        for part in &self.prepared.parts {
            match part {
                Part::Aws(aws) => return Ok(aws.sign(head, self.payload, now())?.into_headers().collect()),
                Part::Hmac(hmac) => return hmac.sign(head, self.body.as_ref(), now()),
                Part::Header(..)
                | Part::Query { .. }
                | Part::Cookie { .. }
                | Part::Path(_)
                | Part::Body(_)
                | Part::Client(_) => {}
            }
        }
        Ok(Vec::new())
    }
}

/// The query with this pair, and without others of its name.
fn with_pair(query: Option<&str>, parameter: &str, pair: &str) -> Zeroizing<String> {
    // With all the room it needs, it is never moved and leaves no copies.
    let room = query.map_or(0, |query| query.len() + 1) + pair.len();
    let mut joined = Zeroizing::new(String::with_capacity(room));
    let kept = query.into_iter().flat_map(|query| query.split('&')).filter(|own| !own.is_empty());
    for own in kept.filter(|own| !names(own, parameter)) {
        joined.push_str(own);
        joined.push('&');
    }
    joined.push_str(pair);
    joined
}
