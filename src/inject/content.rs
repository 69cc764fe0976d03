//! What a request says of its body, for credentials that need to know it.

use std::fmt;

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
    digest: [u8; 32],
}

impl ReadBody {
    /// All of a body.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let digest = sha256(&bytes);
        Self { bytes, digest }
    }

    /// The body.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Its digest (SHA-256).
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }
}

impl fmt::Debug for ReadBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes]", self.bytes.len())
    }
}
