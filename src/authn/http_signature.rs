//! Requests that callers sign (RFC 9421).

use std::time::SystemTime;

use crate::domain::{Denial, Name, RequestView};

use super::chain::Proof;

/// An `[authn.NAME.http_signature]`.
#[derive(Debug)]
pub struct HttpSignature {
    name: Name,
}

impl HttpSignature {
    /// The NAME of its `[authn.NAME]`.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The principal that it proves.
    pub(super) fn verify(&self, request: &RequestView<'_>, now: SystemTime) -> Result<Proof, Denial> {
        let _ = (request, now);
        Err(Denial::Internal)
    }
}
