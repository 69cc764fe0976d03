//! Client certificates.

use std::sync::Arc;
use std::time::SystemTime;

use crate::domain::{Denial, Name, Principal, RequestView};

/// An `[authn.NAME.mtls]`.
#[derive(Debug)]
pub struct Mtls {
    name: Name,
}

impl Mtls {
    /// The NAME of its `[authn.NAME]`.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The principal that it proves.
    pub(super) fn verify(&self, request: &RequestView<'_>, now: SystemTime) -> Result<Arc<Principal>, Denial> {
        let _ = (request, now);
        Err(Denial::Internal)
    }
}
