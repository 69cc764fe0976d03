//! What a 401 tells of the credentials that a route takes.

use http::HeaderValue;

use crate::authn::{Alg, Authenticator, Dpop};
use crate::domain::{AuthnFault, Name, ProofFault};

/// The values of `WWW-Authenticate` of one route.
#[derive(Debug)]
pub(super) struct Challenges {
    missing: Vec<HeaderValue>,
    refused: Vec<HeaderValue>,
    proof: Vec<HeaderValue>,
    nonce: Vec<HeaderValue>,
    accept_signature: Option<HeaderValue>,
}

/// What the challenges of one answer say is wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Error {
    None,
    Token,
    Proof,
    Nonce,
}

impl Challenges {
    /// One challenge for each scheme that these authenticators take. A name's characters are all allowed in a quoted string.
    pub(super) fn new(authenticators: &[Authenticator], realm: &Name) -> Self {
        let mut schemes: Vec<&str> = Vec::new();
        for authenticator in authenticators {
            let these: &[&str] = match authenticator {
                Authenticator::Jwt(_) | Authenticator::Introspection(_) | Authenticator::Sessions(_) => {
                    &["Bearer", "DPoP"]
                }
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
        let all = |error: Error| schemes.iter().filter_map(|scheme| challenge(scheme, realm, error)).collect();
        // Whoever brought a proof is to make another, and not to take another scheme.
        let again = |error: Error| challenge("DPoP", realm, error).into_iter().collect();
        let signatures = authenticators.iter().find_map(|authenticator| match authenticator {
            Authenticator::HttpSignature(signatures) => Some(signatures),
            Authenticator::Jwt(_)
            | Authenticator::Sessions(_)
            | Authenticator::ApiKey(_)
            | Authenticator::Introspection(_)
            | Authenticator::TokenReview(_)
            | Authenticator::Mtls(_)
            | Authenticator::Basic(_)
            | Authenticator::ForwardAuth(_)
            | Authenticator::Anonymous => None,
        });
        let accept_signature = signatures.and_then(|signatures| HeaderValue::try_from(signatures.asked_for()).ok());
        Self {
            missing: all(Error::None),
            refused: all(Error::Token),
            proof: again(Error::Proof),
            nonce: again(Error::Nonce),
            accept_signature,
        }
    }

    /// What a signature has to look like, where one is taken (RFC 9421 §5.1).
    pub(super) fn accept_signature(&self, fault: AuthnFault) -> Option<&HeaderValue> {
        self.accept_signature.as_ref().filter(|_| !matches!(fault, AuthnFault::Proof(_)))
    }

    pub(super) fn of(&self, fault: AuthnFault) -> &[HeaderValue] {
        if fault == AuthnFault::Missing {
            &self.missing
        } else if fault == AuthnFault::Proof(ProofFault::Nonce) {
            &self.nonce
        } else if matches!(fault, AuthnFault::Proof(_)) {
            &self.proof
        } else {
            &self.refused
        }
    }
}

/// RFC 6750 §3, RFC 9449 §7.1, RFC 7617 §2.
fn challenge(scheme: &str, realm: &Name, error: Error) -> Option<HeaderValue> {
    let mut text = format!("{scheme} realm=\"{realm}\"");
    if matches!(scheme, "Bearer" | "DPoP") {
        text.push_str(match error {
            Error::None => "",
            Error::Token => ", error=\"invalid_token\"",
            Error::Proof => ", error=\"invalid_dpop_proof\"",
            Error::Nonce => ", error=\"use_dpop_nonce\"",
        });
    }
    if scheme == "DPoP" {
        let algs = Dpop::ALGORITHMS.map(Alg::name).join(" ");
        text.push_str(&format!(", algs=\"{algs}\""));
    }
    if scheme == "Basic" {
        text.push_str(", charset=\"UTF-8\"");
    }
    HeaderValue::try_from(text).ok()
}
