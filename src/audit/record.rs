//! What is written of one exchange, and the line it becomes.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Method;

use crate::domain::{Denial, Id, Name, Principal, RequestId, TraceId};

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was allowed, and the whole response went to the client.
    Completed,
    /// It was refused; the denial says why.
    Denied,
    /// It was allowed, but something that it needed failed.
    Failed,
    /// The client went away before the end.
    Aborted,
    /// The proxy itself failed.
    Panicked,
}

impl Outcome {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Completed, Self::Denied, Self::Failed, Self::Aborted, Self::Panicked];

    /// The word for it in records.
    pub fn text(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Denied => "denied",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
            Self::Panicked => "panicked",
        }
    }
}

/// The version of HTTP that the client spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.0 (RFC 1945).
    Http10,
    /// HTTP/1.1 (RFC 9112).
    Http11,
    /// HTTP/2 (RFC 9113).
    Http2,
}

/// The time of each phase; none where it was not reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Proving who calls.
    pub authenticate: Option<Duration>,
    /// Deciding whether it is allowed.
    pub authorize: Option<Duration>,
    /// Getting the credential.
    pub acquire: Option<Duration>,
    /// From the connection to the upstream to the last byte of its answer.
    pub upstream: Option<Duration>,
    /// From the head to the end of the response.
    pub total: Duration,
}

/// One exchange. Made on the request path of what is at hand; turned into text by the writer.
///
/// docs/audit.md has what a line says of it.
#[derive(Debug, Clone)]
pub struct Record {
    /// When the head had arrived.
    pub time: SystemTime,
    /// The exchange's id, which the client was told.
    pub id: RequestId,
    /// The number of the configuration that decided.
    pub config: u64,
    /// The `[listen.NAME]` it came in by.
    pub listener: Name,
    /// The trace that it belongs to.
    pub trace: Option<TraceId>,
    /// The client's address: the connection's, or what a trusted peer said it was.
    pub client: IpAddr,
    /// The version of HTTP that the client spoke.
    pub protocol: Protocol,
    /// The method, where the request had one that is known.
    pub method: Option<Method>,
    /// The host in normal form, where it had one.
    pub host: Option<String>,
    /// The path in normal form, where it has one; never the query.
    pub path: Option<Arc<str>>,
    /// Whether there was a query.
    pub query: bool,
    /// The `[route.NAME]` that matched.
    pub route: Option<Name>,
    /// A number for the identity that was claimed and not proved; never written, and another in each process.
    pub claimed: Option<u64>,
    /// Who called.
    pub principal: Option<Arc<Principal>>,
    /// The role by which it was allowed.
    pub role: Option<Arc<str>>,
    /// The rule that allowed it, as the configuration finds it: `route.stripe.allow[1]`.
    pub rule: Option<Arc<str>>,
    /// The grant that the rule needed.
    pub grant: Option<Id>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it was refused, or what failed.
    pub denial: Option<Denial>,
    /// Why it would have been refused, where the route's rules are not enforced.
    pub shadow: Option<Denial>,
    /// The `[target.NAME]` it went to.
    pub target: Option<Name>,
    /// The address it was last sent to.
    pub backend: Option<SocketAddr>,
    /// How often it was sent, or tried to be.
    pub attempts: u32,
    /// The `[credential.NAME]` that was put on it.
    pub credential: Option<Name>,
    /// The status that the client was sent, where it was sent one.
    pub status: Option<u16>,
    /// What was found in the request, a JSON object; none where nothing was.
    pub inspection: Option<Box<str>>,
    /// How often the response repeated a secret that the request was sent with, which was masked.
    pub reflected: u64,
    /// What was found in the response that must not leave, by kind: how often. What became of it is in the configuration.
    pub leaks: Vec<(&'static str, u32)>,
    /// Bytes of the request's body that were read.
    pub request_bytes: u64,
    /// Bytes of the response's body that were sent to the client.
    pub response_bytes: u64,
    /// The time of each phase.
    pub timings: Timings,
    /// Whether there is a line of the decision to forward it.
    pub is_decided: bool,
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::PrincipalKind;

    fn name(text: &str) -> Name {
        Name::parse(text).expect("name")
    }

    /// A record of a request that got no further than its head.
    pub(in crate::audit) fn bare() -> Record {
        Record {
            time: SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789),
            id: RequestId::new(SystemTime::now()),
            config: 1,
            listener: name("public"),
            trace: None,
            client: [192, 0, 2, 7].into(),
            protocol: Protocol::Http2,
            method: None,
            host: None,
            path: None,
            query: false,
            route: None,
            claimed: None,
            principal: None,
            role: None,
            rule: None,
            grant: None,
            outcome: Outcome::Aborted,
            denial: None,
            shadow: None,
            target: None,
            backend: None,
            attempts: 0,
            credential: None,
            status: None,
            inspection: None,
            reflected: 0,
            leaks: Vec::new(),
            request_bytes: 0,
            response_bytes: 0,
            timings: Timings::default(),
            is_decided: false,
        }
    }

    /// A record of a request that was allowed and sent.
    pub(in crate::audit) fn full(id: &str) -> Record {
        let principal = Principal {
            roles: vec!["billing".into()],
            actor: Some("agent-7".into()),
            ..Principal::new(name("corp"), PrincipalKind::Service, id.to_owned())
        };
        Record {
            protocol: Protocol::Http11,
            method: Some(Method::POST),
            host: Some("api.example.com".to_owned()),
            path: Some("/v1/refunds".into()),
            query: true,
            route: Some(name("stripe")),
            principal: Some(Arc::new(principal)),
            role: Some("billing".into()),
            rule: Some("route.stripe.allow[1]".into()),
            outcome: Outcome::Completed,
            target: Some(name("stripe")),
            backend: Some(([203, 0, 113, 9], 443).into()),
            attempts: 1,
            credential: Some(name("stripe")),
            status: Some(201),
            inspection: None,
            reflected: 0,
            leaks: Vec::new(),
            request_bytes: 120,
            response_bytes: 4096,
            timings: Timings {
                authenticate: Some(Duration::from_micros(12)),
                authorize: Some(Duration::from_nanos(900)),
                acquire: Some(Duration::from_micros(1)),
                upstream: Some(Duration::from_millis(8)),
                total: Duration::from_micros(8_100),
            },
            ..bare()
        }
    }
}
