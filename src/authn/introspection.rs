//! Opaque tokens that an authorization server knows (RFC 7662).

use std::sync::Arc;
use std::time::SystemTime;

use crate::domain::{Denial, Name, Principal};

/// An `[authn.NAME.introspection]`.
#[derive(Debug)]
pub struct Introspection {
    name: Name,
}

impl Introspection {
    /// The NAME of its `[authn.NAME]`.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The principal that it proves.
    pub(super) async fn verify(&self, token: &str, now: SystemTime) -> Result<Arc<Principal>, Denial> {
        let _ = (token, now);
        Err(Denial::Internal)
    }
}
