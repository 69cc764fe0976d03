//! The upstream side of a configuration file: targets.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Text;
use crate::config::values::{Period, Spanned};

/// `[target.NAME]`: an upstream API.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct TargetTable {
    /// Its origin and base path, such as `https://api.example.com/v2`.
    pub(in crate::config) url: Text,
    /// The addresses that serve it, `host:port`. Default: the origin itself.
    #[serde(default)]
    pub(in crate::config) backends: Vec<BackendTable>,
    /// `round_robin`, `weighted`, `consistent_hash` (by principal) or `least_requests`; weights count in each. Default `round_robin`.
    pub(in crate::config) balance: Option<Text>,
    /// The HTTP version spoken: `1`, `2`, or `auto` (by ALPN). Default `1`.
    pub(in crate::config) http: Option<Text>,
    /// The `Host` sent. Default: the origin's.
    pub(in crate::config) host: Option<Text>,
    /// The name that its certificate must hold. Needed where the origin is an address. Default: the origin's host.
    pub(in crate::config) server_name: Option<Text>,
    /// A PEM file of the authorities that its certificate must come from. Default: the system's.
    pub(in crate::config) ca: Option<Text>,
    /// How long connecting may take. Default `5s`.
    pub(in crate::config) connect_timeout: Option<Period>,
    /// How long it may go without sending anything. Default `60s`.
    pub(in crate::config) read_timeout: Option<Period>,
    /// How long it may go without reading anything. Default `30s`.
    pub(in crate::config) write_timeout: Option<Period>,
    /// How long an unused connection is kept. Default `55s`.
    pub(in crate::config) idle_timeout: Option<Period>,
    /// How many backends are tried, as long as none could be connected to. Default `2`.
    pub(in crate::config) attempts: Option<u8>,
    /// How often names are resolved again. Default `30s`.
    pub(in crate::config) resolve_every: Option<Period>,
    /// Active health checks. Default: none.
    pub(in crate::config) health: Option<HealthTable>,
}

/// One backend.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct BackendTable {
    /// `host:port`.
    pub(in crate::config) address: Text,
    /// Its share, 1 to 255. Default `1`.
    pub(in crate::config) weight: Option<usize>,
}

/// `[target.NAME.health]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct HealthTable {
    /// The path asked for.
    pub(in crate::config) path: Text,
    /// The lowest and highest status that mean healthy. Default `[200, 399]`.
    pub(in crate::config) expect: Option<Spanned<(u16, u16)>>,
    /// How often. Default `5s`.
    pub(in crate::config) interval: Option<Period>,
    /// How long an answer may take. Default `2s`.
    pub(in crate::config) timeout: Option<Period>,
    /// Good answers in a row until healthy. Default `2`.
    pub(in crate::config) healthy_after: Option<usize>,
    /// Bad answers in a row until unhealthy. Default `3`.
    pub(in crate::config) unhealthy_after: Option<usize>,
}
