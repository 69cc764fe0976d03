//! `[authn.NAME.forward_auth]`.

use schemars::JsonSchema;
use serde::Deserialize;

/// `[authn.NAME.forward_auth]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ForwardAuthTable {}
