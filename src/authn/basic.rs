//! User names and passwords (RFC 7617).

use std::sync::Arc;
use std::time::SystemTime;

use crate::domain::{Denial, Name, Principal};

/// An `[authn.NAME.basic]`.
#[derive(Debug)]
pub struct Basic {
    name: Name,
}

impl Basic {
    /// The NAME of its `[authn.NAME]`.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The principal that it proves.
    pub(super) async fn verify(&self, credentials: &str, now: SystemTime) -> Result<Arc<Principal>, Denial> {
        let _ = (credentials, now);
        Err(Denial::Internal)
    }
}
