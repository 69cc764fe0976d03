//! The closed set of authenticators: a presented credential becomes a Principal, or a fault.

mod alg;
mod api_key;
mod authenticator;
mod basic;
mod chain;
mod claims;
mod dpop;
mod facts;
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
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod token;
mod token_review;

pub use alg::Alg;
pub use api_key::{ApiKeyEntry, ApiKeyFault, ApiKeySettings, ApiKeys};
pub use authenticator::{ANONYMOUS, Authenticator};
pub use basic::{Basic, BasicFault, BasicSettings, BasicUser};
pub use chain::{BodyDigest, Chain, ChainFault, Proof};
pub use dpop::Dpop;
pub use forward_auth::ForwardAuth;
pub use http_signature::HttpSignature;
pub use introspection::Introspection;
pub use jwks::JwksFault;
pub use jwt::{Jwt, JwtFault, JwtSettings};
pub use keys::{KeyFault, KeySource, SharedKey};
pub use mtls::Mtls;
pub use passwords::Passwords;
pub use registry::Authenticators;
pub use token_review::TokenReview;
