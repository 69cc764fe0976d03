//! An HTTP service that is asked about a request: any other scheme.

use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderName;

use crate::domain::{Denial, Name, Principal, RequestView};

/// An `[authn.NAME.forward_auth]`.
#[derive(Debug)]
pub struct ForwardAuth {
    name: Name,
}

impl ForwardAuth {
    /// The NAME of its `[authn.NAME]`.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The headers that may hold its credential: a request that has one of them is for it.
    pub fn places(&self) -> &[HeaderName] {
        &[]
    }

    /// The principal that it proves.
    pub(super) async fn verify(&self, request: &RequestView<'_>, now: SystemTime) -> Result<Arc<Principal>, Denial> {
        let _ = (request, now);
        Err(Denial::Internal)
    }
}
