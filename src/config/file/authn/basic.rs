//! `[authn.NAME.basic]`.

use schemars::JsonSchema;
use serde::Deserialize;

/// `[authn.NAME.basic]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct BasicTable {}
