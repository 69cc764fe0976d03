//! `[limit.NAME]`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Period, Spanned, Text};

/// `[limit.NAME]`: a rate, a concurrency, or both.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct LimitTable {
    /// What is counted: `client` (address), `principal` or `route`.
    pub(in crate::config) by: Text,
    /// How many requests per `per`. Default: any number.
    pub(in crate::config) requests: Option<Spanned<u32>>,
    /// The span of time that `requests` is for. Default `1s`.
    pub(in crate::config) per: Option<Period>,
    /// How many may come at once. Default: as many as `requests`.
    pub(in crate::config) burst: Option<Spanned<u32>>,
    /// How many may be under way at once. Default: any number.
    pub(in crate::config) concurrent: Option<Spanned<u32>>,
}
