//! `[limit.NAME]`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Period, Size, Spanned, Text};

/// `[limit.NAME]`: a rate, a concurrency, a volume, or several of them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct LimitTable {
    /// What is counted: `client` (address), `principal` or `route`.
    pub(in crate::config) by: Text,
    /// How many requests per `per`. Default: any number.
    pub(in crate::config) requests: Option<Spanned<u32>>,
    /// The span of time that `requests`, `bytes`, `objects` and `errors` are for. Default `1s`.
    pub(in crate::config) per: Option<Period>,
    /// How many may come at once. Default: as many as `requests`.
    pub(in crate::config) burst: Option<Spanned<u32>>,
    /// How many may be under way at once. Default: any number.
    pub(in crate::config) concurrent: Option<Spanned<u32>>,
    /// How many bytes of bodies, both ways, per `per`. Default: any number.
    pub(in crate::config) bytes: Option<Spanned<Size>>,
    /// How many different paths per `per`, up to 10000; counted within a few of a hundred. Default: any number.
    pub(in crate::config) objects: Option<Spanned<u32>>,
    /// How many of a hundred requests may be answered 4xx or 5xx per `per`, once there were 20. Default: all.
    pub(in crate::config) errors: Option<Spanned<u8>>,
}
