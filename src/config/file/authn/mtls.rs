//! `[authn.NAME.mtls]`.

use schemars::JsonSchema;
use serde::Deserialize;

/// `[authn.NAME.mtls]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct MtlsTable {}
