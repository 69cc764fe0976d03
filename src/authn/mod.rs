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

use aws_lc_rs::digest;

pub use alg::Alg;
pub use api_key::{ApiKeyEntry, ApiKeyFault, ApiKeySettings, ApiKeys};
pub use chain::{Authenticator, Chain, ChainFault};
pub use jwks::JwksFault;
pub use jwt::{Jwt, JwtFault, JwtSettings};
pub use keys::{KeyFault, KeySource, SharedKey};
pub use registry::Authenticators;

/// SHA-256 (FIPS 180-4): the name under which a credential is known once it was seen.
fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    sum
}
