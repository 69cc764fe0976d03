//! What an operator says about a target. Equal settings mean the same running target across reloads.

use std::num::NonZeroU8;
use std::ops::RangeInclusive;
use std::time::Duration;

use http::HeaderValue;
use http::uri::PathAndQuery;

use super::peer::Link;
use super::tls::UpstreamTls;
use super::url::{Origin, TargetUrl, UrlFault, parse_authority};
use crate::domain::Name;

/// All that decides how a target behaves.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Settings {
    /// The operator's name for it.
    pub name: Name,
    /// What credentials are bound to.
    pub origin: Origin,
    /// What goes before each request's path: empty, or a path in normal form without a trailing slash.
    pub base_path: String,
    /// What upstream requests carry as `Host`.
    pub host_header: HeaderValue,
    /// Where the origin is served, if not at its own host and port; they must prove the origin's TLS name.
    pub backends: Vec<BackendAddress>,
    /// How a backend is chosen.
    pub balance: Balance,
    /// Which HTTP is spoken.
    pub protocol: Protocol,
    /// How an `https` upstream proves who it is.
    pub tls: UpstreamTls,
    /// How long anything may take.
    pub timeouts: Timeouts,
    /// How many backends one exchange may try, the first among them; another is tried only when nothing was sent.
    pub attempts: NonZeroU8,
    /// How backends are checked; without it they always count as healthy.
    pub health: Option<Health>,
    /// How often names are resolved again; one second at least.
    pub resolve_every: Duration,
}

/// Where a target is served.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BackendAddress {
    /// A name or an address, in normal form.
    pub host: String,
    /// The port, never 0.
    pub port: u16,
    /// Its share of requests relative to the others'; each address that a name resolves to gets it.
    pub weight: NonZeroU8,
}

/// How a backend is chosen. Weights count in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Balance {
    /// In turn.
    RoundRobin,
    /// The same key gets the same backend; when backends come and go only the keys of those move (Ketama).
    ConsistentHash,
    /// The one with the fewest requests in flight for its weight, of all targets that share it.
    LeastRequests,
}

/// Which HTTP is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2: alone in ALPN over TLS (an upstream that then negotiates nothing gets HTTP/1.1), by prior knowledge over plain TCP
    /// (RFC 9113 §3.3).
    Http2,
    /// What TLS negotiates, HTTP/2 first; HTTP/1.1 over plain TCP.
    Auto,
}

/// How long anything may take. Pingora's own default is for ever.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Timeouts {
    /// Until TCP is connected, and again until TLS is.
    pub connect: Duration,
    /// Until both are.
    pub total_connect: Duration,
    /// Between two reads.
    pub read: Duration,
    /// For one write.
    pub write: Duration,
    /// How long an idle connection is kept: less than the upstream keeps it, or requests run into its close.
    pub idle: Duration,
}

/// How backends are checked: `GET` on a connection of its own, over the same TLS as requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Health {
    /// The whole path, to which the base path is not added.
    pub path: PathAndQuery,
    /// Statuses of a healthy backend.
    pub expect: RangeInclusive<u16>,
    /// Between the end of one check and the next.
    pub interval: Duration,
    /// For one check, from connecting to the response head.
    pub timeout: Duration,
    /// Passed checks in a row that make an unhealthy backend healthy.
    pub healthy_after: NonZeroU8,
    /// Failed checks in a row that make a healthy backend unhealthy.
    pub unhealthy_after: NonZeroU8,
    /// `Host` of the check, if not that of requests.
    pub host: Option<HeaderValue>,
}

impl Settings {
    /// Settings with every default: the origin itself as the one backend, in turn, protocol as negotiated, two attempts, no checks, names
    /// resolved again after 30 s.
    pub fn new(name: Name, url: TargetUrl, tls: UpstreamTls) -> Self {
        Self {
            name,
            origin: url.origin,
            base_path: url.base_path,
            host_header: url.host_header,
            backends: Vec::new(),
            balance: Balance::RoundRobin,
            protocol: Protocol::Auto,
            tls,
            timeouts: Timeouts::default(),
            attempts: NonZeroU8::MIN.saturating_add(1),
            health: None,
            resolve_every: Duration::from_secs(30),
        }
    }

    /// The backends, the origin itself where none is named.
    pub(super) fn served_at(&self) -> Vec<BackendAddress> {
        if !self.backends.is_empty() {
            return self.backends.clone();
        }
        vec![BackendAddress { host: self.origin.host.clone(), port: self.origin.port, weight: NonZeroU8::MIN }]
    }

    /// How a connection is made, for requests and checks alike.
    pub(super) fn link(&self) -> Link {
        Link { scheme: self.origin.scheme, protocol: self.protocol, tls: self.tls.clone() }
    }
}

impl BackendAddress {
    /// Reads `host[:port]`.
    ///
    /// # Errors
    /// A [`UrlFault`] about the host or the port.
    pub fn parse(text: &str, default_port: u16, weight: NonZeroU8) -> Result<Self, UrlFault> {
        let (host, port) = parse_authority(text)?;
        Ok(Self { host, port: port.unwrap_or(default_port), weight })
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            total_connect: Duration::from_secs(10),
            read: Duration::from_secs(60),
            write: Duration::from_secs(30),
            idle: Duration::from_secs(55),
        }
    }
}
