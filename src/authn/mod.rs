//! The closed set of authenticators: a presented credential becomes a Principal, or a fault.

mod alg;
mod api_key;
mod asked;
mod authenticator;
mod basic;
mod body_digest;
mod chain;
mod claims;
mod client_auth;
mod client_cert;
mod confirmation;
mod dpop;
mod facts;
mod flights;
mod forward_auth;
mod http_signature;
mod introspection;
mod json;
mod jwks;
mod jwt;
mod key;
mod keys;
mod mtls;
mod passwords;
mod registry;
mod replay;
mod structured;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod token;
mod token_review;
mod turns;

pub use alg::Alg;
pub use api_key::{ApiKeyEntry, ApiKeyFault, ApiKeySettings, ApiKeys};
pub use asked::{AskFault, AskSettings};
pub use authenticator::{ANONYMOUS, Authenticator};
pub use basic::{Basic, BasicFault, BasicSettings, BasicUser};
pub use body_digest::{BodyCheck, BodyDigest};
pub use chain::{Chain, ChainFault, Proof};
pub use client_auth::{ClientAuth, LiveSecret};
pub use client_cert::{forwarded_certificates, peer_certificates};
pub use dpop::Dpop;
pub use forward_auth::{ForwardAuth, ForwardAuthSettings};
pub use http_signature::{HttpSignature, HttpSignatureFault, HttpSignatureSettings, SignatureKeyEntry};
pub use introspection::{Introspection, IntrospectionSettings};
pub use jwks::JwksFault;
pub use jwt::{Jwt, JwtFault, JwtSettings, KindSource};
pub use keys::{KeyFault, KeySource, SharedKey};
pub use mtls::{CertificateName, Mtls, MtlsFault, MtlsSettings};
pub use passwords::Passwords;
pub use registry::Authenticators;
pub use replay::ReplayCache;
pub use token_review::{OwnToken, TokenReview, TokenReviewSettings};
