//! A channel of Slack, or of what takes the same (Mattermost, Rocket.Chat, Discord's `/slack`).

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;

use super::{line, post};
use crate::monitor::alert::Notice;
use crate::net::Client;
use crate::vault::Slot;

/// An incoming webhook of a chat.
#[derive(Debug)]
pub struct Slack {
    /// Its URL, which is a secret.
    pub url: Arc<Slot>,
    /// What it is called with.
    pub client: Arc<Client>,
}

impl Slack {
    pub(super) async fn tell(&self, notices: &[Notice]) -> Result<(), String> {
        let url = self.url.load().map_err(|error| error.to_string())?;
        let url = std::str::from_utf8(url.expose()).map_err(|_| "the secret is no URL")?;
        post(&self.client, url.trim_end(), HeaderMap::new(), body(notices)).await
    }
}

/// One message. Names are the callers': what Slack would take for a mention or a link is written out (`&`, `<`, `>`).
pub(super) fn body(notices: &[Notice]) -> Bytes {
    let lines: Vec<_> = notices.iter().map(line).collect();
    let text = lines.join("\n").replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    Bytes::from(serde_json::json!({ "text": text }).to_string())
}
