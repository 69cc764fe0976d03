//! Hosts in normal form, and the patterns that routes match them with.

use std::fmt;

/// A request's host in normal form: lower case, one trailing dot dropped, no port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Host(String);

/// Why a `Host` or `:authority` was refused. One rule each; nothing is repaired but case and the one trailing dot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostFault {
    /// Absent or empty.
    Missing,
    /// Longer than 253 characters, or a label longer than 63.
    TooLong,
    /// A character outside letters, digits, `-`, `.`, or an empty label; also userinfo, commas, paths, blanks.
    Malformed,
    /// What follows the last colon is no port.
    BadPort,
}

impl Host {
    /// Normal form of the value of `Host` or `:authority` (RFC 9110 §7.2): `name[:port]`, an IPv4 address, or `[IPv6]`.
    ///
    /// # Errors
    /// A [`HostFault`] naming the rule that the value breaks.
    pub fn parse(authority: &str) -> Result<Self, HostFault> {
        if authority.is_empty() {
            return Err(HostFault::Missing);
        }
        if let Some(rest) = authority.strip_prefix('[') {
            let (address, port) = rest.split_once(']').ok_or(HostFault::Malformed)?;
            let address: std::net::Ipv6Addr = address.parse().map_err(|_| HostFault::Malformed)?;
            check_port(port)?;
            return Ok(Self(format!("[{address}]")));
        }
        let end = authority.bytes().position(|byte| byte == b':').unwrap_or(authority.len());
        let (name, port) = authority.split_at(end);
        check_port(port)?;
        let name = name.strip_suffix('.').unwrap_or(name);
        if name.is_empty() {
            return Err(HostFault::Malformed);
        }
        if name.len() > 253 {
            return Err(HostFault::TooLong);
        }
        check_labels(name)?;
        Ok(Self(name.to_ascii_lowercase()))
    }

    /// The host as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check_port(suffix: &str) -> Result<(), HostFault> {
    match suffix.strip_prefix(':') {
        None if suffix.is_empty() => Ok(()),
        Some(port) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok() => {
            Ok(())
        }
        _ => Err(HostFault::BadPort),
    }
}

fn check_labels(name: &str) -> Result<(), HostFault> {
    for label in name.as_bytes().split(|byte| *byte == b'.') {
        if label.len() > 63 {
            return Err(HostFault::TooLong);
        }
        let plain = label.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-');
        if label.is_empty() || !plain {
            return Err(HostFault::Malformed);
        }
    }
    Ok(())
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which hosts a route answers for; the more specific wins.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// One host, in normal form.
    Exact(String),
    /// `*.suffix`: exactly one label before the suffix; holds the suffix.
    Wildcard(String),
    /// Every host; what a route without `host` says.
    Any,
}

impl HostPattern {
    /// Reads `api.example.com` or `*.example.com`.
    ///
    /// # Errors
    /// A [`HostFault`]; a port is refused as malformed, since routes match names alone.
    pub fn parse(text: &str) -> Result<Self, HostFault> {
        let (wildcard, name) = match text.strip_prefix("*.") {
            Some(suffix) => (true, suffix),
            None => (false, text),
        };
        if name.contains(':') && !name.starts_with('[') {
            return Err(HostFault::Malformed);
        }
        let host = Host::parse(name)?.0;
        Ok(if wildcard { Self::Wildcard(host) } else { Self::Exact(host) })
    }

    /// Whether it is a pattern of this host.
    pub fn matches(&self, host: &Host) -> bool {
        match self {
            Self::Exact(name) => *name == host.0,
            Self::Wildcard(suffix) => host.0.split_once('.').is_some_and(|(_, rest)| rest == suffix),
            Self::Any => true,
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => f.write_str(host),
            Self::Wildcard(suffix) => write!(f, "*.{suffix}"),
            Self::Any => f.write_str("any host"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_take_one_form_or_are_refused() {
        let good = [
            ("API.Test", "api.test"),
            ("api.test.", "api.test"),
            ("api.test:8443", "api.test"),
            ("10.0.0.1:80", "10.0.0.1"),
            ("[::1]:80", "[::1]"),
            ("[0:0::1]", "[::1]"),
        ];
        for (raw, want) in good {
            assert_eq!(Host::parse(raw).map(|h| h.0), Ok(want.to_owned()), "{raw}");
        }
        let long_label = "a".repeat(64);
        let bad = [
            ("", HostFault::Missing),
            (".", HostFault::Malformed),
            ("api.test..", HostFault::Malformed),
            ("a..b", HostFault::Malformed),
            ("a, b", HostFault::Malformed),
            ("user@api.test", HostFault::Malformed),
            ("api.test/path", HostFault::Malformed),
            ("a_b.test", HostFault::Malformed),
            ("\u{212a}.test", HostFault::Malformed),
            ("api.test:", HostFault::BadPort),
            ("api.test:99999", HostFault::BadPort),
            ("api.test:80:80", HostFault::BadPort),
            ("[::1", HostFault::Malformed),
            (&long_label, HostFault::TooLong),
        ];
        for (raw, want) in bad {
            assert_eq!(Host::parse(raw), Err(want), "{raw}");
        }
    }
}
