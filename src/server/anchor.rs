//! Checkpoints of the audit log on their way to another service. It has a thread of its own: nobody's record waits for it.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};

use crate::audit::Head;
use crate::domain::Wiped;
use crate::net::{Question, sensitive};
use crate::state::{AuditAnchor, Services};

/// The most checkpoints that wait.
const QUEUE: usize = 1024;
/// The pause after a failure, and the longest.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
const AGAIN_AT_MOST: Duration = Duration::from_secs(60);

/// Starts the thread, where there is a service to tell; it ends with the process.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn start(services: &Arc<Services>) -> std::io::Result<()> {
    if services.snapshot().audit_anchor.is_none() {
        return Ok(());
    }
    let Some(waiting) = services.audit.checkpoints(QUEUE) else { return Ok(()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let services = Arc::clone(services);
    let send = move || runtime.block_on(send_all(&services, &waiting));
    thread::Builder::new().name("audit-anchor-url".to_owned()).spawn(send)?;
    Ok(())
}

async fn send_all(services: &Services, waiting: &Receiver<Vec<u8>>) {
    while let Ok(line) = waiting.recv() {
        let mut pause = AGAIN_AFTER;
        while let Some(anchor) = services.snapshot().audit_anchor.clone() {
            let Err(fault) = send(&anchor, &line).await else { break };
            services.engines.metrics.audit.anchor_errors.inc();
            log::error!("a checkpoint of the audit log does not get to the anchor: {fault}");
            tokio::time::sleep(pause).await;
            pause = (2 * pause).min(AGAIN_AT_MOST);
        }
        services.audit.anchored();
    }
}

/// Puts one where only it is: sent twice, it is there once.
async fn send(anchor: &AuditAnchor, line: &[u8]) -> Result<(), String> {
    let head = Head::parse(line).ok_or("it is no checkpoint")?;
    let url = format!("{}/{}/{:020}.json", anchor.url.trim_end_matches('/'), head.chain, head.seq);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(token) = &anchor.token {
        let token = token.load().map_err(|error| error.to_string())?;
        let mut value = Wiped::with_capacity(token.expose().len() + 7);
        value.extend(b"Bearer ");
        value.extend(token.expose());
        let value = sensitive(value).ok_or("its token can be in no header")?;
        headers.insert(AUTHORIZATION, value);
    }
    let body = Bytes::from([line, b"\n"].concat());
    let answer = anchor.client.ask(&url, Question { method: Method::PUT, headers, body }).await;
    let status = answer.map_err(|error| error.to_string())?.status;
    if status.is_success() { Ok(()) } else { Err(format!("it answered {status}")) }
}
