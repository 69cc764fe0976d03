//! One batch on its way to a receiver.

use std::time::Instant;

use tokio::io::AsyncWriteExt;

use super::batch::Batch;
use super::settings::{CONFIRM_EVERY, Confirm, SinkSettings, SinkTo};
use super::{otlp, webhook};
use crate::net::Stream;

/// What has been said to a receiver, and is not confirmed yet.
pub(super) struct Transport {
    settings: SinkSettings,
    open: Option<Open>,
}

/// A connection on which something was written.
struct Open {
    stream: Stream,
    since: Instant,
}

/// What a receiver has let know.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Receipt {
    /// It has all that was sent up to here, but for so many records that it does not take.
    Acknowledged { refused: u64 },
    /// That is not known yet.
    Pending,
}

const TAKEN: Receipt = Receipt::Acknowledged { refused: 0 };

impl Transport {
    pub(super) fn new(settings: SinkSettings) -> Self {
        Self { settings, open: None }
    }

    /// Sends a batch.
    ///
    /// # Errors
    /// Why it may not have arrived: everything that is not acknowledged has to be sent again.
    pub(super) async fn send(&mut self, batch: &Batch) -> Result<Receipt, String> {
        match &self.settings.to {
            SinkTo::Syslog { stream, head, confirm } => {
                let (mut framed, mut message) = (Vec::with_capacity(batch.bytes().len() * 5 / 4), Vec::new());
                batch.lines().for_each(|line| head.frame(&mut framed, &mut message, line));
                let mut open = match self.open.take() {
                    Some(open) => open,
                    None => Open { stream: Stream::connect(stream).await.map_err(told)?, since: Instant::now() },
                };
                open.stream.write(&framed).await.map_err(told)?;
                let receipt = if *confirm == Confirm::Write { TAKEN } else { Receipt::Pending };
                self.open = Some(open);
                Ok(receipt)
            }
            SinkTo::Webhook { url, client, format, gzip, proof } => {
                let proof = proof.as_ref().map(|proof| proof.header()).transpose()?;
                let lines: Vec<_> = batch.lines().collect();
                let question = webhook::question(*format, *gzip, &lines, &batch.key(), proof);
                let status = client.tell(url, question).await.map_err(told)?;
                if status.is_success() { Ok(TAKEN) } else { Err(format!("it answered {}", status.as_u16())) }
            }
            SinkTo::Otlp { exporter, proof } => {
                let proof = proof.as_ref().map(|proof| proof.header()).transpose()?;
                let sent = exporter.send(&otlp::request(batch.lines(), &self.settings.host), proof).await?;
                if sent.rejected > 0 {
                    log::error!(sink = self.settings.name.as_str(), refused = sent.rejected; "records were refused: {}", sent.reason);
                }
                Ok(Receipt::Acknowledged { refused: sent.rejected })
            }
            SinkTo::Stdout => {
                let mut out = tokio::io::stdout();
                out.write_all(batch.bytes()).await.map_err(|error| error.to_string())?;
                out.flush().await.map_err(|error| error.to_string())?;
                Ok(TAKEN)
            }
        }
    }

    /// Whether what is pending has been so for as long as it should be.
    pub(super) fn is_due(&self) -> bool {
        self.open.as_ref().is_some_and(|open| self.settings.confirms() && open.since.elapsed() >= CONFIRM_EVERY)
    }

    /// Waits until the receiver has let know that it has everything that is pending.
    ///
    /// # Errors
    /// Why that is not known.
    pub(super) async fn settle(&mut self) -> Result<Receipt, String> {
        if let Some(open) = self.open.take().filter(|_| self.settings.confirms()) {
            open.stream.settle().await.map_err(told)?;
        }
        Ok(TAKEN)
    }

    /// Forgets what is pending.
    pub(super) fn reset(&mut self) {
        self.open = None;
    }
}

impl SinkSettings {
    fn confirms(&self) -> bool {
        match &self.to {
            SinkTo::Syslog { confirm, .. } => *confirm == Confirm::Close,
            SinkTo::Webhook { .. } | SinkTo::Otlp { .. } | SinkTo::Stdout => false,
        }
    }
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}
