//! `[authn.NAME.token_review]`.

use schemars::JsonSchema;
use serde::Deserialize;

/// `[authn.NAME.token_review]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct TokenReviewTable {}
