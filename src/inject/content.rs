//! What a request says of its body, for credentials that need to know it.

use std::fmt;
use std::sync::OnceLock;

use bytes::Bytes;
use http::HeaderMap;

use crate::crypto::sha256;

/// What a request says of its body, for credentials that sign it.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    /// The head's fields, as the client sent them.
    pub headers: &'a HeaderMap,
    /// Whether there is a body.
    pub has_body: bool,
    /// The body, where it was read before.
    pub body: Option<&'a ReadBody>,
}

/// A body that was read before anything was sent. Cheap to clone; `Debug` does not show it.
#[derive(Clone)]
pub struct ReadBody {
    bytes: Bytes,
    digest: OnceLock<[u8; 32]>,
}

impl ReadBody {
    /// All of a body.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), digest: OnceLock::new() }
    }

    /// The body.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Its digest (SHA-256), computed when first asked for.
    pub fn digest(&self) -> [u8; 32] {
        *self.digest.get_or_init(|| sha256(&self.bytes))
    }
}

impl fmt::Debug for ReadBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes]", self.bytes.len())
    }
}
