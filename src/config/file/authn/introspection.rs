//! `[authn.NAME.introspection]`.

use schemars::JsonSchema;
use serde::Deserialize;

/// `[authn.NAME.introspection]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct IntrospectionTable {}
