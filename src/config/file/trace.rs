//! Traces in a configuration file.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{SinkAuth, Text};
use crate::config::values::{Period, Spanned};

/// `[trace]`: spans of exchanges, sent to an OpenTelemetry receiver. A `traceparent` (W3C Trace Context) is passed on to targets with and
/// without it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct TraceTable {
    /// The whole URL, an `https` one, or `http` on loopback; most often it ends with `/v1/traces`.
    pub(in crate::config) url: Text,
    /// Which part of the requests that come without a trace begin one, 0 to 1. Default `0.01`.
    pub(in crate::config) sample: Option<Spanned<f64>>,
    /// Whether of requests that come with a trace those are told that it is sampled for, whoever sends them. Default `true`.
    pub(in crate::config) follow: Option<bool>,
    /// A PEM file of the authorities that prove the server. Default: those of the system.
    pub(in crate::config) ca: Option<Text>,
    /// A header that proves who sends. Default: none.
    pub(in crate::config) auth: Option<SinkAuth>,
    /// How long a request to the receiver may take, 100ms to 5m. Default `10s`.
    pub(in crate::config) timeout: Option<Spanned<Period>>,
}
