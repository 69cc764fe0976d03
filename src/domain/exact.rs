//! One request and no other.

use serde::{Deserialize, Serialize};

/// Exactly one request, as somebody can look at it before they approve it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExactRequest {
    /// The method.
    pub method: String,
    /// The host in normal form.
    pub host: String,
    /// The path in normal form, as the client asks for it.
    pub path: String,
    /// What stands behind the `?`, to the letter; none where there is none.
    pub query: Option<String>,
    /// The SHA-256 of the body, in hexadecimal.
    pub body: String,
}
