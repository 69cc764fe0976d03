//! Sinks in a configuration file.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Text;
use crate::config::values::{Period, Spanned};

/// `[sink.NAME.KIND]`: where audit records are brought besides the log's files, from which each sink reads. Records arrive in their order, and
/// at least once. Needs `[audit] path`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum SinkTable {
    /// A syslog server (RFC 5424), over TCP with octet counting (RFC 6587) and TLS (RFC 5425).
    Syslog(SyslogSink),
    /// A URL that is sent batches.
    Webhook(WebhookSink),
    /// An OpenTelemetry receiver (OTLP/HTTP, protobuf).
    Otlp(OtlpSink),
    /// Standard output.
    Stdout(StdoutSink),
}

/// `[sink.NAME.syslog]`. A record is a message's text. Every few seconds the connection is closed and another one opened: a server that then
/// closes its side, as RFC 5425 asks for, has read everything.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct SyslogSink {
    /// `HOST:PORT`.
    pub(in crate::config) address: Text,
    /// Whether it is spoken to over TLS. Without it everybody on the way reads the records. Default `true`.
    pub(in crate::config) tls: Option<bool>,
    /// A PEM file of the authorities that prove the server. Default: those of the system.
    pub(in crate::config) ca: Option<Text>,
    /// The name that its certificate is for. Default: the host of `address`.
    pub(in crate::config) server_name: Option<Text>,
    /// The facility's name. Default `local0`.
    pub(in crate::config) facility: Option<Text>,
    /// Whether the server closes its side when it has read everything. Of one that does not, records count as received when they are
    /// written, and what it had not read when a connection broke is lost. Default `true`.
    pub(in crate::config) confirm: Option<bool>,
    /// How long a step may take, 100ms to 5m. Default `10s`.
    pub(in crate::config) timeout: Option<Spanned<Period>>,
    /// How old records may become that the server has not. Older ones are left out, which the log tells. Default `3d`.
    pub(in crate::config) max_age: Option<Spanned<Period>>,
}

/// `[sink.NAME.webhook]`. An answer of 2xx says that the records arrived. `Idempotency-Key` is the same when the same records are sent again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct WebhookSink {
    /// An `https` URL, or `http` on loopback.
    pub(in crate::config) url: Text,
    /// A PEM file of the authorities that prove the server. Default: those of the system.
    pub(in crate::config) ca: Option<Text>,
    /// `ndjson` for one JSON object a line, or `array` for a JSON array. Default `ndjson`.
    pub(in crate::config) format: Option<Text>,
    /// Whether bodies are compressed. Default `false`.
    pub(in crate::config) gzip: Option<bool>,
    /// A header that proves who sends. Default: none.
    pub(in crate::config) auth: Option<SinkAuth>,
    /// The most records that are sent at once, 1 to 10000. Default `1000`.
    pub(in crate::config) max_batch: Option<Spanned<u32>>,
    /// How long a request may take, 100ms to 5m. Default `10s`.
    pub(in crate::config) timeout: Option<Spanned<Period>>,
    /// How old records may become that the server has not. Older ones are left out, which the log tells. Default `3d`.
    pub(in crate::config) max_age: Option<Spanned<Period>>,
}

/// `[sink.NAME.otlp]`. A record is a log record's body, with attributes to search by.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct OtlpSink {
    /// The whole URL, an `https` one, or `http` on loopback; most often it ends with `/v1/logs`.
    pub(in crate::config) url: Text,
    /// A PEM file of the authorities that prove the server. Default: those of the system.
    pub(in crate::config) ca: Option<Text>,
    /// Whether bodies are compressed. Default `true`.
    pub(in crate::config) gzip: Option<bool>,
    /// A header that proves who sends. Default: none.
    pub(in crate::config) auth: Option<SinkAuth>,
    /// The most records that are sent at once, 1 to 10000. Default `1000`.
    pub(in crate::config) max_batch: Option<Spanned<u32>>,
    /// How long a request may take, 100ms to 5m. Default `10s`.
    pub(in crate::config) timeout: Option<Spanned<Period>>,
    /// How old records may become that the server has not. Older ones are left out, which the log tells. Default `3d`.
    pub(in crate::config) max_age: Option<Spanned<Period>>,
}

/// `[sink.NAME.stdout]`. Each record is a line.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct StdoutSink {
    /// How old records may become that nobody has read. Older ones are left out, which the log tells. Default `3d`.
    pub(in crate::config) max_age: Option<Spanned<Period>>,
}

/// A header that proves to a receiver who sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct SinkAuth {
    /// The secret, as `vault:path`.
    pub(in crate::config) secret: Text,
    /// The header's name. Default `Authorization`.
    pub(in crate::config) name: Option<Text>,
    /// What stands before the secret, blank included. Default: `Bearer ` in `Authorization`, nothing in another header.
    pub(in crate::config) prefix: Option<String>,
}
