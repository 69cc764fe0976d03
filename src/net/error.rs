//! What can go wrong with a call of the proxy's own. Never holds an address, a header or a body, which may be secrets.

use std::fmt;

use super::resolver::Forbidden;

/// Why a call failed: one variant per way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetError {
    /// The additional certificate authorities are not PEM certificates.
    Authorities,
    /// The client certificate and its key are no PEM, or do not belong together.
    Identity,
    /// The TLS library could not be set up.
    Setup,
    /// The text is no absolute URL with a host, or it holds user information.
    Url,
    /// Plain HTTP where only HTTPS is allowed, or another scheme.
    Scheme,
    /// The egress rules forbid every address of the host.
    Address,
    /// The host's name could not be resolved.
    Name,
    /// No connection, or no TLS session with a trusted certificate.
    Connect,
    /// No whole answer in time.
    Timeout,
    /// The server redirects, which is never followed.
    Redirect,
    /// The server answered with another status than 200.
    Status(u16),
    /// The body is larger than allowed.
    TooLarge,
    /// The server broke HTTP or the connection broke.
    Interrupted,
}

impl NetError {
    /// Names the failure that the HTTP client reports, and lets go of the rest of the report.
    pub(super) fn of(error: &reqwest::Error) -> Self {
        if is_forbidden(error) {
            Self::Address
        } else if error.is_timeout() {
            Self::Timeout
        } else if error.is_dns() {
            Self::Name
        } else if error.is_connect() {
            Self::Connect
        } else {
            Self::Interrupted
        }
    }
}

fn is_forbidden(error: &reqwest::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.is::<Forbidden>() {
            return true;
        }
        cause = error.source();
    }
    false
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authorities => "the additional certificate authorities are not PEM certificates",
            Self::Identity => "the client certificate and its key are no PEM, or do not belong together",
            Self::Setup => "TLS could not be set up",
            Self::Url => "not an absolute URL with a host and without user information",
            Self::Scheme => "only https is allowed there",
            Self::Address => "the egress rules forbid the host's addresses",
            Self::Name => "the host's name could not be resolved",
            Self::Connect => "no connection to the host, or its certificate is not trusted",
            Self::Timeout => "no whole answer in time",
            Self::Redirect => "the server redirects, which is never followed",
            Self::Status(status) => return write!(f, "the server answered with status {status}"),
            Self::TooLarge => "the answer is larger than allowed",
            Self::Interrupted => "the answer broke off or is not HTTP",
        })
    }
}

impl std::error::Error for NetError {}
