//! Telling another service what is done with access requests. It has a thread of its own: nobody's grant waits for it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::crypto::hmac_sha256;
use crate::domain::hex;
use crate::net::Question;
use crate::state::{Services, Webhook};

/// The most events that wait to be told.
const QUEUE: usize = 1024;
/// How long to wait before each further try.
const AGAIN_AFTER: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(25)];
const SIGNATURE: HeaderName = HeaderName::from_static("x-claviger-signature");

/// Where events go to be told.
#[derive(Debug)]
pub(super) struct Webhooks {
    queue: SyncSender<String>,
    services: Arc<Services>,
}

impl Webhooks {
    /// Starts the thread; it ends with the process.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(services: &Arc<Services>) -> std::io::Result<Self> {
        let (queue, waiting) = sync_channel(QUEUE);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let tell = {
            let services = Arc::clone(services);
            move || runtime.block_on(tell_all(&services, &waiting))
        };
        thread::Builder::new().name("webhooks".to_owned()).spawn(tell)?;
        Ok(Self { queue, services: Arc::clone(services) })
    }

    /// Tells of an event, where somebody is to be told.
    pub(super) fn tell(&self, event: impl FnOnce() -> String) {
        if self.services.snapshot().access.as_ref().is_none_or(|access| access.webhook.is_none()) {
            return;
        }
        match self.queue.try_send(event()) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.services.engines.metrics.webhook_failures.inc();
                log::error!("too many events wait for the webhook: one is left out");
            }
        }
    }
}

async fn tell_all(services: &Services, waiting: &Receiver<String>) {
    while let Ok(event) = waiting.recv() {
        let body = Bytes::from(event);
        let mut tries = AGAIN_AFTER.into_iter();
        loop {
            let Some(webhook) = services.snapshot().access.as_ref().and_then(|access| access.webhook.clone()) else {
                break;
            };
            let Err(fault) = tell_one(&webhook, body.clone()).await else { break };
            let Some(after) = tries.next() else {
                services.engines.metrics.webhook_failures.inc();
                log::error!("the webhook was not told: {fault}");
                break;
            };
            log::warn!("the webhook was not told, and is told again: {fault}");
            tokio::time::sleep(after).await;
        }
    }
}

async fn tell_one(webhook: &Webhook, body: Bytes) -> Result<(), String> {
    let secret = webhook.secret.load().map_err(|error| error.to_string())?;
    let mac = hmac_sha256(secret.expose(), &body);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers
        .insert(SIGNATURE, HeaderValue::try_from(format!("sha256={}", hex(&mac))).map_err(|error| error.to_string())?);
    let told = webhook.client.tell(&webhook.url, Question { method: Method::POST, headers, body }).await;
    let status = told.map_err(|error| error.to_string())?;
    if status.is_success() { Ok(()) } else { Err(format!("it answered {status}")) }
}
