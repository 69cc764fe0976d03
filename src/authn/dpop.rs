//! Proofs that a caller holds the key which its token is bound to (RFC 9449).

use std::time::SystemTime;

use crate::domain::{Denial, RequestView};

/// Checks proofs, and remembers those that were used.
#[derive(Debug, Default)]
pub struct Dpop {}

impl Dpop {
    /// Checks the request's one `DPoP` field for this access token; gives the SHA-256 thumbprint of the key that made it (RFC 7638).
    pub(super) fn verify(&self, request: &RequestView<'_>, token: &str, now: SystemTime) -> Result<[u8; 32], Denial> {
        let _ = (request, token, now);
        Err(Denial::Internal)
    }
}
