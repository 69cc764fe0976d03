//! ServiceAccount tokens that a Kubernetes API server reviews.

use std::sync::Arc;
use std::time::SystemTime;

use crate::domain::{Denial, Name, Principal};

/// An `[authn.NAME.token_review]`.
#[derive(Debug)]
pub struct TokenReview {
    name: Name,
}

impl TokenReview {
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
