//! The closed set of authenticators: a presented credential becomes a Principal, or a fault. Never waits for the network.

mod alg;
mod api_key;
mod chain;
mod claims;
mod facts;
mod json;
mod jwks;
mod jwt;
mod key;
mod keys;
mod registry;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod token;

pub use alg::Alg;
pub use api_key::{ApiKeyEntry, ApiKeyFault, ApiKeySettings, ApiKeys};
pub use chain::{Authenticator, Chain, ChainFault};
pub use jwks::JwksFault;
pub use jwt::{Jwt, JwtFault, JwtSettings};
pub use keys::{KeyFault, KeySource, SharedKey};
pub use registry::Authenticators;
