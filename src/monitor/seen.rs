//! One record as detections look at it: keys of fixed size, made once.

use std::fmt;
use std::hash::Hasher as _;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use siphasher::sip::SipHasher13;

use crate::audit::{Outcome, Record};
use crate::domain::{Denial, canonical_ip};

/// One record, in numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// When it began, in seconds since 1970.
    pub(super) began: u32,
    /// Whom it was proved to be of; zero for nobody.
    pub(super) principal: u64,
    /// The principal and the route.
    pub(super) pair: u64,
    /// The client's address; of IPv6, its /64.
    pub(super) address: u64,
    /// The client's network: /24, of IPv6 /48.
    pub(super) network: u64,
    /// The route; zero for none.
    pub(super) route: u64,
    /// The route and the method.
    pub(super) way: u64,
    /// The path; zero for none.
    pub(super) path: u64,
    /// The session; zero for none.
    pub(super) session: u64,
    /// Whether a wrong credential was presented.
    pub(super) is_wrong_credential: bool,
    /// Whether it was refused.
    pub(super) is_denied: bool,
    /// Whether what was asked for is not there, or not for who asked.
    pub(super) is_miss: bool,
    /// Whether no rule allows it.
    pub(super) is_not_allowed: bool,
    /// Whether it was answered 5xx.
    pub(super) is_error: bool,
    /// Bytes of the answer.
    pub(super) answered: u64,
    /// Bytes both ways.
    pub(super) moved: u64,
}

/// Makes keys of texts and addresses. Keyed, so that no client can choose two that are equal.
#[derive(Clone, Copy)]
pub(super) struct Keys {
    hasher: SipHasher13,
    secret: [u8; 16],
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys([redacted])")
    }
}

impl Keys {
    pub(super) fn new(secret: &[u8; 16]) -> Self {
        Self { hasher: SipHasher13::new_with_key(secret), secret: *secret }
    }

    /// What makes them keys of this monitor, for whoever is to know the same principals by the same numbers.
    pub(super) fn secret(&self) -> &[u8; 16] {
        &self.secret
    }

    /// The key of these texts; never zero, which means none.
    pub(super) fn of(&self, parts: &[&[u8]]) -> u64 {
        let mut hasher = self.hasher;
        for part in parts {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        hasher.finish().max(1)
    }

    fn address(&self, ip: IpAddr, v4: usize, v6: usize) -> u64 {
        match canonical_ip(ip) {
            IpAddr::V4(ip) => self.of(&[ip.octets().get(..v4).unwrap_or_default()]),
            IpAddr::V6(ip) => self.of(&[ip.octets().get(..v6).unwrap_or_default()]),
        }
    }

    /// A record in numbers.
    pub(super) fn seen(&self, record: &Record) -> Seen {
        // What anybody did who came without a credential is no habit of anybody's, and nobody is to be frozen for it.
        let proved = record.principal.as_ref().filter(|principal| !principal.is_anonymous());
        let principal = proved.map_or(0, |principal| self.of(&principal.key_parts()));
        let route = record.route.as_ref().map_or(0, |route| self.of(&[b"route", route.as_str().as_bytes()]));
        let number = |key: u64| key.to_le_bytes();
        let method = record.method.as_ref().map_or("", |method| method.as_str());
        let session = proved.and_then(|principal| principal.session.as_ref());
        let status = record.status.unwrap_or(0);
        let denial = record.denial;
        let is_not_allowed = matches!(denial, Some(Denial::NotAllowed | Denial::MethodNotAllowed(_)));
        let is_absent = denial.is_none() && matches!(status, 403 | 404 | 410);
        Seen {
            began: seconds(record.time),
            principal,
            pair: self.of(&[&number(principal), &number(route)]),
            address: self.address(record.client, 4, 8),
            network: self.address(record.client, 3, 6),
            route,
            way: self.of(&[&number(route), method.as_bytes()]),
            path: record.path.as_ref().map_or(0, |path| self.of(&[path.as_bytes()])),
            session: session.map_or(0, |session| self.of(&[&session.id.0])),
            is_wrong_credential: denial.is_some_and(|denial| denial.is_wrong_credential() || is_locked_out(denial)),
            is_denied: record.outcome == Outcome::Denied,
            is_miss: is_absent || is_not_allowed || denial == Some(Denial::NoRoute),
            is_not_allowed,
            is_error: status >= 500 && record.outcome != Outcome::Denied,
            answered: record.response_bytes,
            moved: record.response_bytes.saturating_add(record.request_bytes),
        }
    }
}

fn is_locked_out(denial: Denial) -> bool {
    matches!(denial, Denial::LockedOut(..))
}

/// A time in whole seconds since 1970; what lies before or too far behind, as near as can be.
pub(super) fn seconds(time: SystemTime) -> u32 {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// The address as alerts show it: of IPv6, the /64.
pub(super) fn shown(ip: IpAddr) -> String {
    match canonical_ip(ip) {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("{}/64", std::net::Ipv6Addr::from(ip.to_bits() >> 64 << 64)),
    }
}
