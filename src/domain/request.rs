//! One request as engines see it, without any framework's types.

use std::fmt;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};

use super::{Host, NormalPath};

/// What engines may look at: the normal form, the head's fields and where it came from.
#[derive(Clone, Copy)]
pub struct RequestView<'a> {
    /// The method; one of [`Methods::KNOWN`].
    pub method: &'a Method,
    /// The host in normal form.
    pub host: &'a Host,
    /// The path in normal form, as the upstream will be asked for it.
    pub path: &'a NormalPath,
    /// The header fields as they came.
    pub headers: &'a HeaderMap,
    /// The client's address: the connection's, or what a trusted peer said it was.
    pub client: IpAddr,
    /// The other end of the TCP connection.
    pub peer: IpAddr,
    /// Whether TLS protects the connection.
    pub is_tls: bool,
    /// The host, and the port if there is one, as the client wrote them (`Host`, `:authority`).
    pub authority: &'a str,
    /// The path in normal form as the client asked for it: with what the route takes off.
    pub asked: &'a NormalPath,
    /// What stands behind the `?` of the request target.
    pub query: Option<&'a str>,
    /// Path and query as the client sent them, before anything was brought to normal form.
    pub target: &'a str,
    /// Whether a body comes, of whatever length.
    pub has_body: bool,
    /// The certificates that the client showed in the TLS handshake. That it holds the key of the first is proved; nothing else is.
    pub certificates: Option<&'a PeerCertificates>,
}

/// A client's certificate, and those that it sent to lead to an authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificates {
    /// DER, the client's own first; never empty.
    pub chain: Vec<Vec<u8>>,
    /// The SHA-256 of the first (RFC 8705 §3.1).
    pub thumbprint: [u8; 32],
}

/// The id of one exchange: a UUIDv7 (RFC 9562 §5.7), so ids sort by time. Callers may quote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId(uuid::Uuid);

impl RequestId {
    /// Its bytes, the last 62 bits of which are random.
    pub fn bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// A new id of an exchange that began at this time.
    pub fn new(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        // Without a counter, which all threads would share: within a millisecond the order is left to chance.
        let time = uuid::Timestamp::from_unix(uuid::NoContext, since.as_secs(), since.subsec_nanos());
        Self(uuid::Uuid::new_v7(time))
    }

    /// The id as text, written into room that the caller has.
    pub fn encode(self, room: &mut [u8; 36]) -> &str {
        self.0.as_hyphenated().encode_lower(room)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.as_hyphenated(), f)
    }
}

/// A set of request methods, as bits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Methods(u8);

impl Methods {
    /// The methods this proxy forwards (RFC 9110 §9.3, RFC 5789). TRACE and CONNECT are refused, others are unknown.
    pub const KNOWN: [&'static str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];
    /// Every known method.
    pub const ALL: Self = Self(0x7f);
    /// No method.
    pub const NONE: Self = Self(0);

    /// The set of one method by its exact, upper-case name; empty when the method is not known.
    pub fn of(method: &str) -> Self {
        Self::KNOWN.iter().position(|known| *known == method).map_or(Self::NONE, |bit| Self(1 << bit))
    }

    /// Both sets together.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether a method is in both.
    pub fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The names in the set, in the order of [`Self::KNOWN`].
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::KNOWN.into_iter().enumerate().filter(move |(bit, _)| self.0 & (1 << bit) != 0).map(|(_, name)| name)
    }
}

impl From<Methods> for String {
    fn from(methods: Methods) -> Self {
        methods.to_string()
    }
}

impl TryFrom<String> for Methods {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.split(", ").try_fold(Self::NONE, |set, name| match Self::of(name) {
            Self::NONE => Err("no such method"),
            one => Ok(set.union(one)),
        })
    }
}

impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().collect::<Vec<_>>().join(", "))
    }
}

impl fmt::Debug for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_exact_names() {
        assert_eq!(Methods::of("GET").union(Methods::of("PATCH")).to_string(), "GET, PATCH");
        for unknown in ["get", "TRACE", "CONNECT", "PURGE", ""] {
            assert_eq!(Methods::of(unknown), Methods::NONE, "{unknown}");
        }
        assert_eq!(Methods::KNOWN.iter().fold(Methods::NONE, |set, m| set.union(Methods::of(m))), Methods::ALL);
    }
}
