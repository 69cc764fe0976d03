//! A target's URL: the origin that a credential is bound to, and the path that every request begins with.

use std::fmt;
use std::net::IpAddr;

use http::HeaderValue;

use crate::domain::{Host, HostFault, NormalPath, PathFault};

/// How a target is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP over plain TCP.
    Http,
    /// HTTP over TLS, always verified.
    Https,
}

/// What a credential is bound to (RFC 6454 §4): scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Whether TLS is spoken.
    pub scheme: Scheme,
    /// The host in normal form: lower case, no trailing dot, an IPv6 address in brackets.
    pub host: String,
    /// The port, never 0.
    pub port: u16,
}

/// A target's URL, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetUrl {
    /// Where requests go.
    pub origin: Origin,
    /// What goes before each request's path: empty, or a path in normal form without a trailing slash.
    pub base_path: String,
    /// What upstream requests carry as `Host` unless the operator says otherwise: the host, and the port where it is not the scheme's own.
    pub host_header: HeaderValue,
}

/// Why a text is not a target's URL. One rule each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlFault {
    /// It does not begin with `https://` or `http://`, in lower case.
    Scheme,
    /// A user name or password before the host: a credential belongs in a vault.
    UserInfo,
    /// A query.
    Query,
    /// A fragment.
    Fragment,
    /// The host breaks a rule.
    Host(HostFault),
    /// Port 0.
    Port,
    /// The path breaks a rule of the normal form.
    Path(PathFault),
}

impl Scheme {
    /// The port that a URL of this scheme means when it names none.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// The scheme as text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl Origin {
    /// The address, where the host is one and not a name.
    pub fn literal_ip(&self) -> Option<IpAddr> {
        literal_ip(&self.host)
    }

    fn authority(&self) -> String {
        if self.port == self.scheme.default_port() { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme.as_str(), self.host, self.port)
    }
}

impl TargetUrl {
    /// Reads `https://api.example.com[:port][/base/path]`.
    ///
    /// # Errors
    /// A [`UrlFault`] naming the rule that the text breaks; nothing is repaired.
    pub fn parse(text: &str) -> Result<Self, UrlFault> {
        let (scheme, rest) = match text.split_once("://") {
            Some(("https", rest)) => (Scheme::Https, rest),
            Some(("http", rest)) => (Scheme::Http, rest),
            _ => return Err(UrlFault::Scheme),
        };
        if rest.contains('#') {
            return Err(UrlFault::Fragment);
        }
        if rest.contains('?') {
            return Err(UrlFault::Query);
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(UrlFault::UserInfo);
        }
        let (host, port) = parse_authority(authority)?;
        let origin = Origin { scheme, host, port: port.unwrap_or(scheme.default_port()) };
        let host_header = parse_host_header(&origin.authority())?;
        Ok(Self { origin, base_path: base_path(path)?, host_header })
    }
}

/// Checks a `Host` header for upstream requests (RFC 9110 §7.2): `name[:port]`.
///
/// # Errors
/// A [`UrlFault`] about the host or the port.
pub fn parse_host_header(text: &str) -> Result<HeaderValue, UrlFault> {
    parse_authority(text)?;
    HeaderValue::from_str(text).map_err(|_| UrlFault::Host(HostFault::Malformed))
}

/// The host in normal form and the port, if one is named.
pub(super) fn parse_authority(text: &str) -> Result<(String, Option<u16>), UrlFault> {
    let host = Host::parse(text).map_err(UrlFault::Host)?.as_str().to_owned();
    let port = match text.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => {
            let port = port.parse().map_err(|_| UrlFault::Host(HostFault::BadPort))?;
            if port == 0 {
                return Err(UrlFault::Port);
            }
            Some(port)
        }
        _ => None,
    };
    Ok((host, port))
}

/// The address, where a host in normal form is one.
pub(super) fn literal_ip(host: &str) -> Option<IpAddr> {
    host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host).parse().ok()
}

fn base_path(path: &str) -> Result<String, UrlFault> {
    if path.is_empty() {
        return Ok(String::new());
    }
    let path = NormalPath::parse(path.as_bytes()).map_err(UrlFault::Path)?;
    if path.has_encoded_slash() {
        return Err(UrlFault::Path(PathFault::EncodedSlash));
    }
    Ok(path.as_str().strip_suffix('/').unwrap_or(path.as_str()).to_owned())
}

impl fmt::Display for UrlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str("it must begin with `https://` or `http://`"),
            Self::UserInfo => f.write_str("it holds a user name or password, which belong in a vault"),
            Self::Query => f.write_str("it holds a query"),
            Self::Fragment => f.write_str("it holds a fragment"),
            Self::Host(HostFault::Missing) => f.write_str("it names no host"),
            Self::Host(HostFault::TooLong) => f.write_str("its host is too long"),
            Self::Host(HostFault::Malformed) => f.write_str("its host is malformed"),
            Self::Host(HostFault::BadPort) => f.write_str("its port is no number from 1 to 65535"),
            Self::Port => f.write_str("its port is 0"),
            Self::Path(fault) => write!(f, "its path is not in normal form ({fault:?})"),
        }
    }
}

impl std::error::Error for UrlFault {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn urls_become_an_origin_a_base_path_and_a_host_header() {
        for (text, origin, base_path, host_header) in [
            ("https://api.example.com", "https://api.example.com:443", "", "api.example.com"),
            ("https://api.example.com/", "https://api.example.com:443", "", "api.example.com"),
            ("https://API.Example.com:8443/v1/", "https://api.example.com:8443", "/v1", "api.example.com:8443"),
            ("https://api.test:443/a/%7eb", "https://api.test:443", "/a/~b", "api.test"),
            ("http://api.test.", "http://api.test:80", "", "api.test"),
            ("http://api.test:443", "http://api.test:443", "", "api.test:443"),
            ("http://127.0.0.1:9000/x", "http://127.0.0.1:9000", "/x", "127.0.0.1:9000"),
            ("https://[0::1]", "https://[::1]:443", "", "[::1]"),
            ("https://[::1]:8443", "https://[::1]:8443", "", "[::1]:8443"),
        ] {
            let url = TargetUrl::parse(text).expect(text);
            assert_eq!(url.origin.to_string(), origin, "{text}");
            assert_eq!(url.base_path, base_path, "{text}");
            assert_eq!(url.host_header, host_header, "{text}");
        }
    }

    #[test]
    fn each_way_to_be_wrong_is_named() {
        for (text, want) in [
            ("", UrlFault::Scheme),
            ("api.test", UrlFault::Scheme),
            ("HTTPS://api.test", UrlFault::Scheme),
            ("ftp://api.test", UrlFault::Scheme),
            ("https:/api.test", UrlFault::Scheme),
            ("https://user:password@api.test", UrlFault::UserInfo),
            ("https://@api.test", UrlFault::UserInfo),
            ("https://api.test?x=1", UrlFault::Query),
            ("https://api.test/a?", UrlFault::Query),
            ("https://api.test/#a", UrlFault::Fragment),
            ("https://", UrlFault::Host(HostFault::Missing)),
            ("https:///a", UrlFault::Host(HostFault::Missing)),
            ("https://a b/", UrlFault::Host(HostFault::Malformed)),
            ("https://api.test\\x", UrlFault::Host(HostFault::Malformed)),
            ("https://api.test:", UrlFault::Host(HostFault::BadPort)),
            ("https://api.test:65536", UrlFault::Host(HostFault::BadPort)),
            ("https://api.test:0", UrlFault::Port),
            ("https://api.test/a/../b", UrlFault::Path(PathFault::DotSegment)),
            ("https://api.test/a%2fb", UrlFault::Path(PathFault::EncodedSlash)),
            ("https://api.test//", UrlFault::Path(PathFault::EmptySegment)),
        ] {
            assert_eq!(TargetUrl::parse(text), Err(want), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_was_read_reads_the_same_again(text in "https?://[a-zA-Z0-9.:@\\[\\]-]{0,12}(:[0-9]{1,5})?(/[ -~]{0,12})?") {
            if let Ok(url) = TargetUrl::parse(&text) {
                let written = format!("{}{}", url.origin, url.base_path);
                prop_assert_eq!(TargetUrl::parse(&written), Ok(url.clone()));
                prop_assert!(!url.origin.host.is_empty() && url.origin.port != 0);
                prop_assert!(!url.base_path.ends_with('/'));
            }
        }
    }
}
