//! What is written of one exchange, and the line it becomes.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Method;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::domain::{Denial, Name, Principal, PrincipalKind, RequestId};

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
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

/// The version of HTTP that the client spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Protocol {
    /// HTTP/1.0 (RFC 1945).
    #[serde(rename = "HTTP/1.0")]
    Http10,
    /// HTTP/1.1 (RFC 9112).
    #[serde(rename = "HTTP/1.1")]
    Http11,
    /// HTTP/2 (RFC 9113).
    #[serde(rename = "HTTP/2")]
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
/// The log has one JSON object a line, with these members in this order, those left out that say nothing: `kind` (`exchange`), `time`
/// (RFC 3339, UTC, microseconds), `id`, `node`, `config`, `listener`, `client`, `protocol`, `method`, `host`, `path`, `query`, `route`,
/// `authenticator`, `principal`, `principal_kind`, `actor`, `role`, `rule`, `outcome`, `code`, `detail`, `target`, `backend`, `attempts`, `credential`,
/// `status`, `request_bytes`, `response_bytes`, `authenticate_us`, `authorize_us`, `acquire_us`, `upstream_us`, `total_us`. A line of `kind`
/// `lost` has `time`, `node` and the `count` of exchanges that have no line of their own.
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
    /// The client's address: the connection's, or what a trusted peer said it was.
    pub client: IpAddr,
    /// The version of HTTP that the client spoke.
    pub protocol: Protocol,
    /// The method, where the request had one that is known.
    pub method: Option<Method>,
    /// The host in normal form, where it had one.
    pub host: Option<String>,
    /// The path in normal form, where it has one; never the query.
    pub path: Option<String>,
    /// Whether there was a query.
    pub query: bool,
    /// The `[route.NAME]` that matched.
    pub route: Option<Name>,
    /// Who called.
    pub principal: Option<Arc<Principal>>,
    /// The role by which it was allowed.
    pub role: Option<Arc<str>>,
    /// The rule that allowed it, as the configuration finds it: `route.stripe.allow[1]`.
    pub rule: Option<Arc<str>>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it was refused, or what failed.
    pub denial: Option<Denial>,
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
    /// Bytes of the request's body that were read.
    pub request_bytes: u64,
    /// Bytes of the response's body that were sent to the client.
    pub response_bytes: u64,
    /// The time of each phase.
    pub timings: Timings,
}

/// Exchanges that have no record of their own: the log took none, so that they were refused, or its queue was full.
#[derive(Serialize)]
pub(super) struct Lost<'a> {
    kind: &'static str,
    #[serde(serialize_with = "micros_of_second")]
    time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a str>,
    count: u64,
}

/// The line of one exchange; the order of its fields is part of the format.
#[derive(Serialize)]
pub(super) struct Exchange<'a> {
    kind: &'static str,
    #[serde(serialize_with = "micros_of_second")]
    time: Timestamp,
    #[serde(serialize_with = "display")]
    id: RequestId,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a str>,
    config: u64,
    listener: &'a str,
    client: IpAddr,
    protocol: Protocol,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    query: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authenticator: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal_kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backend: Option<SocketAddr>,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    request_bytes: u64,
    response_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    authenticate_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorize_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acquire_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_us: Option<u64>,
    total_us: u64,
}

impl<'a> Exchange<'a> {
    /// The entry of this exchange on this node.
    pub(super) fn new(record: &'a Record, node: Option<&'a Name>) -> Self {
        let principal = record.principal.as_deref();
        let denial = record.denial.as_ref();
        Self {
            kind: "exchange",
            time: timestamp(record.time),
            id: record.id,
            node: node.map(Name::as_str),
            config: record.config,
            listener: record.listener.as_str(),
            client: record.client,
            protocol: record.protocol,
            method: record.method.as_ref().map(Method::as_str),
            host: record.host.as_deref(),
            path: record.path.as_deref(),
            query: record.query,
            route: record.route.as_ref().map(Name::as_str),
            authenticator: principal.map(|p| p.authenticator.as_str()),
            principal: principal.map(|p| p.id.as_str()),
            principal_kind: principal.map(|p| kind_text(p.kind)),
            actor: principal.and_then(|p| p.actor.as_deref()),
            role: record.role.as_deref(),
            rule: record.rule.as_deref(),
            outcome: record.outcome,
            code: denial.map(Denial::code),
            detail: denial.map(Denial::detail).filter(|detail| !detail.is_empty()),
            target: record.target.as_ref().map(Name::as_str),
            backend: record.backend,
            attempts: record.attempts,
            credential: record.credential.as_ref().map(Name::as_str),
            status: record.status,
            request_bytes: record.request_bytes,
            response_bytes: record.response_bytes,
            authenticate_us: record.timings.authenticate.map(micros),
            authorize_us: record.timings.authorize.map(micros),
            acquire_us: record.timings.acquire.map(micros),
            upstream_us: record.timings.upstream.map(micros),
            total_us: micros(record.timings.total),
        }
    }
}

impl<'a> Lost<'a> {
    /// The entry of so many exchanges without one on this node.
    pub(super) fn new(count: u64, node: Option<&'a Name>, now: SystemTime) -> Self {
        Self { kind: "lost", time: timestamp(now), node: node.map(Name::as_str), count }
    }
}

/// A clock outside what a timestamp can hold must not keep a record from being written.
fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn kind_text(kind: PrincipalKind) -> &'static str {
    match kind {
        PrincipalKind::Human => "human",
        PrincipalKind::Service => "service",
        PrincipalKind::Agent => "agent",
    }
}

fn display<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// RFC 3339 with six digits always, so that lines sort by their text.
fn micros_of_second<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.6}"))
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::AuthnFault;
    use crate::telemetry::write_json;

    fn name(text: &str) -> Name {
        Name::parse(text).expect("name")
    }

    /// A record of a request that got no further than its head.
    pub(in crate::audit) fn bare() -> Record {
        Record {
            time: SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789),
            id: RequestId::generate(),
            config: 1,
            listener: name("public"),
            client: [192, 0, 2, 7].into(),
            protocol: Protocol::Http2,
            method: None,
            host: None,
            path: None,
            query: false,
            route: None,
            principal: None,
            role: None,
            rule: None,
            outcome: Outcome::Aborted,
            denial: None,
            target: None,
            backend: None,
            attempts: 0,
            credential: None,
            status: None,
            request_bytes: 0,
            response_bytes: 0,
            timings: Timings::default(),
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
            path: Some("/v1/refunds".to_owned()),
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

    fn line(record: &Record, node: Option<&Name>) -> String {
        let mut line = Vec::new();
        write_json(&mut line, &Exchange::new(record, node)).expect("written");
        String::from_utf8(line).expect("text")
    }

    #[test]
    fn fields_stand_in_their_documented_order() {
        let record = full("svc-refunds");
        let want = format!(
            r#"{{"kind":"exchange","time":"2023-11-14T22:13:20.123456Z","id":"{}","node":"n1","config":1,"listener":"public","client":"192.0.2.7","protocol":"HTTP/1.1","method":"POST","host":"api.example.com","path":"/v1/refunds","query":true,"route":"stripe","authenticator":"corp","principal":"svc-refunds","principal_kind":"service","actor":"agent-7","role":"billing","rule":"route.stripe.allow[1]","outcome":"completed","target":"stripe","backend":"203.0.113.9:443","attempts":1,"credential":"stripe","status":201,"request_bytes":120,"response_bytes":4096,"authenticate_us":12,"authorize_us":0,"acquire_us":1,"upstream_us":8000,"total_us":8100}}"#,
            record.id
        );
        assert_eq!(line(&record, Some(&name("n1"))), want);
    }

    #[test]
    fn fields_that_say_nothing_are_left_out() {
        let denial = Denial::Unauthenticated(AuthnFault::Expired);
        let record = Record { denial: Some(denial), outcome: Outcome::Denied, status: Some(401), ..bare() };
        let want = format!(
            r#"{{"kind":"exchange","time":"2023-11-14T22:13:20.123456Z","id":"{}","config":1,"listener":"public","client":"192.0.2.7","protocol":"HTTP/2","query":false,"outcome":"denied","code":"credential_invalid","detail":"expired","attempts":0,"status":401,"request_bytes":0,"response_bytes":0,"total_us":0}}"#,
            record.id
        );
        assert_eq!(line(&record, None), want);
    }

    #[test]
    fn a_clock_that_is_far_off_is_no_reason_to_lose_a_record() {
        for time in [SystemTime::UNIX_EPOCH - Duration::from_secs(1 << 40), SystemTime::UNIX_EPOCH + Duration::MAX / 4]
        {
            assert!(line(&Record { time, ..bare() }, None).contains(r#""time":""#));
        }
    }

    proptest! {
        #[test]
        fn whatever_was_sent_stays_on_one_line(id in any::<String>(), path in any::<String>(), host in any::<String>()) {
            let record = Record { path: Some(path.clone()), host: Some(host), ..full(&id) };
            let line = line(&record, None);
            prop_assert!(!line.contains(char::is_control));
            let back: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            prop_assert_eq!(back["principal"].as_str(), Some(id.as_str()));
            prop_assert_eq!(back["path"].as_str(), Some(path.as_str()));
        }
    }
}
