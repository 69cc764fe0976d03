//! The closed set of methods by which an identity is proved.

use std::sync::Arc;

use http::HeaderName;
use http::header::AUTHORIZATION;

use super::{
    ApiKeys, Basic, ForwardAuth, HttpSignature, Introspection, Jwt, Mtls, SESSIONS, TakenSessions, TokenReview,
};
use crate::domain::ANONYMOUS;

pub(super) const SIGNATURE_INPUT: HeaderName = HeaderName::from_static("signature-input");
pub(super) const SIGNATURE: HeaderName = HeaderName::from_static("signature");
pub(super) const DPOP: HeaderName = HeaderName::from_static("dpop");
pub(super) const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
pub(super) const CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");

/// One configured method that turns a presented credential into a principal.
#[derive(Debug, Clone)]
pub enum Authenticator {
    /// Tokens that an issuer signs, in `Authorization`.
    Jwt(Arc<Jwt>),
    /// API keys, in `Authorization: Bearer` or a header of their own.
    ApiKey(Arc<ApiKeys>),
    /// Tokens that an authorization server is asked about.
    Introspection(Arc<Introspection>),
    /// Tokens that a Kubernetes API server is asked about.
    TokenReview(Arc<TokenReview>),
    /// The certificate of the connection.
    Mtls(Arc<Mtls>),
    /// The request's own signature, in `Signature-Input` and `Signature`.
    HttpSignature(Arc<HttpSignature>),
    /// A name and a password, in `Authorization: Basic`.
    Basic(Arc<Basic>),
    /// Whatever a service knows that is asked, in headers that it names.
    ForwardAuth(Arc<ForwardAuth>),
    /// Sessions that the gateway began, in `Authorization`.
    Sessions(TakenSessions),
    /// Nothing at all: everybody who presents nothing.
    Anonymous,
}

impl Authenticator {
    /// The NAME of its `[authn.NAME]`.
    pub fn name(&self) -> &str {
        match self {
            Self::Jwt(jwt) => jwt.name(),
            Self::ApiKey(keys) => keys.name(),
            Self::Introspection(service) => service.name(),
            Self::TokenReview(service) => service.name(),
            Self::Mtls(mtls) => mtls.name(),
            Self::HttpSignature(signatures) => signatures.name(),
            Self::Basic(basic) => basic.name(),
            Self::ForwardAuth(service) => service.name(),
            Self::Sessions(_) => return SESSIONS,
            Self::Anonymous => return ANONYMOUS,
        }
        .as_str()
    }

    /// Whether DPoP proofs of its principals have to hold a nonce.
    pub fn needs_nonce(&self) -> bool {
        match self {
            Self::Jwt(jwt) => jwt.needs_nonce(),
            Self::ApiKey(_)
            | Self::Introspection(_)
            | Self::TokenReview(_)
            | Self::Mtls(_)
            | Self::HttpSignature(_)
            | Self::Basic(_)
            | Self::ForwardAuth(_)
            | Self::Sessions(_)
            | Self::Anonymous => false,
        }
    }

    /// The headers that it looks in.
    pub fn places(&self) -> Vec<HeaderName> {
        match self {
            Self::Jwt(_) | Self::Introspection(_) | Self::TokenReview(_) | Self::Sessions(_) => {
                vec![AUTHORIZATION, DPOP]
            }
            Self::ApiKey(keys) => vec![keys.header().cloned().unwrap_or(AUTHORIZATION)],
            Self::Mtls(_) => vec![CLIENT_CERT, CLIENT_CERT_CHAIN],
            Self::HttpSignature(_) => vec![SIGNATURE_INPUT, SIGNATURE],
            Self::Basic(_) => vec![AUTHORIZATION],
            Self::ForwardAuth(service) => service.places().to_vec(),
            Self::Anonymous => Vec::new(),
        }
    }
}
