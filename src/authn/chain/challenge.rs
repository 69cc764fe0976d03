//! What a 401 tells of the credentials that a route takes.

use http::HeaderValue;

use crate::authn::Authenticator;
use crate::domain::{AuthnFault, Name};

/// The values of `WWW-Authenticate` of one route.
#[derive(Debug)]
pub(super) struct Challenges {
    missing: Vec<HeaderValue>,
    refused: Vec<HeaderValue>,
}

impl Challenges {
    /// One challenge for each scheme that these authenticators take. A name's characters are all allowed in a quoted string.
    pub(super) fn new(authenticators: &[Authenticator], realm: &Name) -> Self {
        let mut schemes: Vec<&str> = Vec::new();
        for authenticator in authenticators {
            let these: &[&str] = match authenticator {
                Authenticator::Jwt(_) | Authenticator::Introspection(_) => &["Bearer", "DPoP"],
                Authenticator::TokenReview(_) | Authenticator::ApiKey(_) => &["Bearer"],
                Authenticator::Basic(_) => &["Basic"],
                Authenticator::HttpSignature(_) => &["Signature"],
                Authenticator::Mtls(_) | Authenticator::ForwardAuth(_) | Authenticator::Anonymous => &[],
            };
            schemes.extend(these.iter().filter(|scheme| !schemes.contains(scheme)).copied().collect::<Vec<_>>());
        }
        if schemes.is_empty() {
            // RFC 9110 §15.5.2 asks for one; a certificate has no scheme of its own.
            schemes.push("Bearer");
        }
        let all = |is_refused: bool| schemes.iter().filter_map(|scheme| challenge(scheme, realm, is_refused)).collect();
        Self { missing: all(false), refused: all(true) }
    }

    pub(super) fn of(&self, fault: AuthnFault) -> &[HeaderValue] {
        if fault == AuthnFault::Missing { &self.missing } else { &self.refused }
    }
}

/// RFC 6750 §3, RFC 9449 §7.1, RFC 7617 §2.
fn challenge(scheme: &str, realm: &Name, is_refused: bool) -> Option<HeaderValue> {
    let mut text = format!("{scheme} realm=\"{realm}\"");
    if is_refused && matches!(scheme, "Bearer" | "DPoP") {
        text.push_str(", error=\"invalid_token\"");
    }
    if scheme == "DPoP" {
        text.push_str(", algs=\"ES256 EdDSA\"");
    }
    if scheme == "Basic" {
        text.push_str(", charset=\"UTF-8\"");
    }
    HeaderValue::try_from(text).ok()
}
