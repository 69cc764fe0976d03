//! Telling others of alerts: what is sent, to whom. When, and how often again, is for whoever calls.

mod alertmanager;
mod mail;
mod slack;
mod webhook;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};

use super::alert::{Alert, Change, Notice};
use super::detection::Severity;
use crate::domain::Name;
use crate::net::{Client, Question};

pub use alertmanager::Alertmanager;
pub use mail::MailTo;
pub use slack::Slack;
pub use webhook::SignedWebhook;

/// A compiled `[notify.NAME]`.
#[derive(Debug)]
pub struct Notifier {
    /// What it is called.
    pub name: Name,
    /// The least severity that is told.
    pub severity: Severity,
    /// Where that goes.
    pub channel: Channel,
}

/// Where alerts go.
#[derive(Debug)]
pub enum Channel {
    /// A service that takes JSON.
    Webhook(SignedWebhook),
    /// A chat.
    Slack(Slack),
    /// Alertmanager.
    Alertmanager(Alertmanager),
    /// Mail.
    Mail(Box<MailTo>),
}

impl Notifier {
    /// Whether a notice is for it. That an alert goes on, only those want to hear who would forget it otherwise.
    pub fn wants(&self, notice: &Notice) -> bool {
        let is_bad = notice.alert.severity >= self.severity;
        match (&self.channel, notice.change) {
            (_, Change::Raised | Change::Cleared) | (Channel::Alertmanager(_), Change::Held) => is_bad,
            (Channel::Webhook(_) | Channel::Slack(_) | Channel::Mail(_), Change::Held) => false,
        }
    }

    /// Tells of all of these at once.
    ///
    /// # Errors
    /// Why they were not taken; never with a secret.
    pub async fn tell(&self, notices: &[Notice]) -> Result<(), String> {
        match &self.channel {
            Channel::Webhook(webhook) => webhook.tell(notices).await,
            Channel::Slack(slack) => slack.tell(notices).await,
            Channel::Alertmanager(alertmanager) => alertmanager.tell(notices).await,
            Channel::Mail(mail) => mail.tell(notices).await,
        }
    }
}

/// Posts JSON; only a status of 2xx is an answer.
async fn post(client: &Client, url: &str, mut headers: HeaderMap, body: Bytes) -> Result<(), String> {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let told = client.tell(url, Question { method: Method::POST, headers, body }).await;
    let status = told.map_err(|error| error.to_string())?;
    if status.is_success() { Ok(()) } else { Err(format!("it answered {status}")) }
}

/// One line for people: `CRITICAL raised: canary (address:192.0.2.7): uses 1`.
fn line(notice: &Notice) -> String {
    let Alert { severity, .. } = &notice.alert;
    format!("{} {}: {}", severity.text().to_uppercase(), notice.change.text(), notice.alert.summary())
}

#[cfg(test)]
mod tests;
