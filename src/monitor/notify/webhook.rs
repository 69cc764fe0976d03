//! A service that takes JSON by POST, signed.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::post;
use crate::crypto::hmac_sha256;
use crate::domain::hex;
use crate::monitor::alert::Notice;
use crate::net::Client;
use crate::vault::Slot;

/// A service that takes JSON: `{"alerts": [...]}`, each as the admin API shows it.
#[derive(Debug)]
pub struct SignedWebhook {
    /// Where it is.
    pub url: String,
    /// What it is called with.
    pub client: Arc<Client>,
    /// What signs.
    pub secret: Arc<Slot>,
}

const SIGNATURE: HeaderName = HeaderName::from_static("x-claviger-signature");

impl SignedWebhook {
    pub(super) async fn tell(&self, notices: &[Notice]) -> Result<(), String> {
        let alerts: Vec<_> = notices.iter().map(|notice| notice.alert.json(notice.change)).collect();
        let body = Bytes::from(serde_json::json!({ "alerts": alerts }).to_string());
        let secret = self.secret.load().map_err(|error| error.to_string())?;
        let mac = format!("sha256={}", hex(&hmac_sha256(secret.expose().trim_ascii_end(), &body)));
        let mut headers = HeaderMap::new();
        headers.insert(SIGNATURE, HeaderValue::try_from(mac).map_err(|error| error.to_string())?);
        post(&self.client, &self.url, headers, body).await
    }
}
