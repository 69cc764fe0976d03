//! What is written of a sink in the configuration, compiled.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::syslog::SyslogHead;
use super::webhook::Format;
use crate::domain::{Name, Wiped};
use crate::net::{Client, StreamSettings, sensitive};
use crate::otlp::Exporter;
use crate::vault::Slot;

/// A compiled `[sink.NAME]`.
#[derive(Debug, Clone)]
pub struct SinkSettings {
    /// Its name.
    pub name: Name,
    /// Where records go.
    pub to: SinkTo,
    /// What this machine is called.
    pub host: String,
    /// How old records may become that its receiver has not; those that are older are left out.
    pub max_age: Duration,
    /// The most records that are sent at once.
    pub max_batch: usize,
}

/// Where a sink brings records.
#[derive(Debug, Clone)]
pub enum SinkTo {
    /// To a syslog server.
    Syslog {
        /// The connection.
        stream: StreamSettings,
        /// What every message begins with.
        head: SyslogHead,
        /// Whether the server closes a connection when it has read everything, which is then what is believed.
        confirm: Confirm,
    },
    /// To a URL.
    Webhook {
        /// The URL.
        url: String,
        /// What it is asked with.
        client: Arc<Client>,
        /// How records are one body.
        format: Format,
        /// Whether bodies are compressed.
        gzip: bool,
        /// What proves who sends them.
        proof: Option<SinkProof>,
    },
    /// To an OpenTelemetry receiver.
    Otlp {
        /// The receiver.
        exporter: Exporter,
        /// What proves who sends them.
        proof: Option<SinkProof>,
    },
    /// To standard output.
    Stdout,
}

/// When records that were written to a connection count as received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirm {
    /// When the server has closed the connection because it was told that nothing follows.
    Close,
    /// When they are written. What the server had not read when it broke is lost.
    Write,
}

/// A header that proves to a receiver who sends.
#[derive(Debug, Clone)]
pub struct SinkProof {
    /// Its name.
    pub header: HeaderName,
    /// What stands before the secret.
    pub prefix: String,
    /// The secret.
    pub secret: Arc<Slot>,
}

impl SinkProof {
    /// The header, with the secret as it is now.
    ///
    /// # Errors
    /// Why there is none.
    pub fn header(&self) -> Result<(HeaderName, HeaderValue), String> {
        let secret = self.secret.load().map_err(|error| error.to_string())?;
        let mut value = Wiped::with_capacity(self.prefix.len() + secret.expose().len());
        value.extend(self.prefix.as_bytes());
        value.extend(secret.expose());
        let value = sensitive(value).ok_or("the secret can be in no header")?;
        Ok((self.header.clone(), value))
    }
}

/// How long a syslog connection is used before the server is asked whether it has read everything.
pub(super) const CONFIRM_EVERY: Duration = Duration::from_secs(5);
