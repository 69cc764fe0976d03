//! `[authn.NAME.http_signature]`.

use schemars::JsonSchema;
use serde::Deserialize;

/// `[authn.NAME.http_signature]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct HttpSignatureTable {}
