//! Checkpoints of the audit log on their way to another service. It has a thread of its own: nobody's record waits for it.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::audit::Head;
use crate::domain::Wiped;
use crate::net::{NetError, Question, sensitive};
use crate::state::{AuditAnchor, Services};

/// The pause after a failure, and the longest.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
const AGAIN_AT_MOST: Duration = Duration::from_secs(60);

/// What the service has under a checkpoint's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// The checkpoint.
    Same,
    /// Something else.
    Other,
    /// Something that it does not show: it answered so.
    Hidden(StatusCode),
}

/// Starts the thread, where there is a service to tell; it ends with the process.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn start(services: &Arc<Services>) -> std::io::Result<()> {
    if services.snapshot().audit_anchor.is_none() {
        return Ok(());
    }
    let Some(waiting) = services.audit.checkpoints() else { return Ok(()) };
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
            match send(&anchor, &line).await {
                Ok(kept) => {
                    tell(services, &line, kept);
                    break;
                }
                Err(fault) => {
                    services.engines.metrics.audit.anchor_errors.inc();
                    log::error!("a checkpoint of the audit log does not get to the anchor: {fault}");
                }
            }
            tokio::time::sleep(pause).await;
            pause = (2 * pause).min(AGAIN_AT_MOST);
        }
        services.audit.anchored();
    }
}

/// Says so where the anchor does not hold a checkpoint that it should, which trying again would not change.
fn tell(services: &Services, line: &[u8], kept: Kept) {
    let metrics = &services.engines.metrics.audit;
    let seq = Head::parse(line).map_or(0, |head| head.seq);
    match kept {
        Kept::Same => {}
        Kept::Other => {
            metrics.anchor_conflicts.inc();
            log::error!(
                seq;
                "the anchor holds something else than the audit log's checkpoint of this number: one of them was tampered with, or two logs go on behind one line"
            );
        }
        Kept::Hidden(status) => {
            metrics.anchor_errors.inc();
            log::error!(
                seq, status = status.as_u16();
                "the anchor holds something under the number of this checkpoint of the audit log, and does not let it be read: it cannot be compared"
            );
        }
    }
}

/// Puts one where only it is, and nothing in place of another: sent twice, it is there once.
async fn send(anchor: &AuditAnchor, line: &[u8]) -> Result<Kept, String> {
    let head = Head::parse(line).ok_or("it is no checkpoint")?;
    let url = format!("{}/{}/{:020}.json", anchor.url.trim_end_matches('/'), head.chain, head.seq);
    let mut headers = proof(anchor)?;
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
    let body = Bytes::from([line, b"\n"].concat());
    let told = anchor.client.tell(&url, Question { method: Method::PUT, headers, body }).await;
    match told.map_err(|error| error.to_string())? {
        status if status.is_success() => Ok(Kept::Same),
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => compare(anchor, &url, line).await,
        status => Err(format!("it answered {status}")),
    }
}

/// What is there already: this checkpoint, where an answer to an earlier try was lost.
async fn compare(anchor: &AuditAnchor, url: &str, line: &[u8]) -> Result<Kept, String> {
    let question = Question { method: Method::GET, headers: proof(anchor)?, body: Bytes::new() };
    match anchor.client.ask(url, question).await {
        Ok(answer) if answer.status.is_success() => {
            let is_same = answer.body.trim_ascii_end() == line;
            Ok(if is_same { Kept::Same } else { Kept::Other })
        }
        Ok(answer) => match answer.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::METHOD_NOT_ALLOWED => {
                Ok(Kept::Hidden(answer.status))
            }
            status => Err(format!("it has one, and answered {status} when it was asked for it")),
        },
        Err(NetError::TooLarge) => Ok(Kept::Other),
        Err(error) => Err(error.to_string()),
    }
}

fn proof(anchor: &AuditAnchor) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    if let Some(token) = &anchor.token {
        let token = token.load().map_err(|error| error.to_string())?;
        let mut value = Wiped::with_capacity(token.expose().len() + 7);
        value.extend(b"Bearer ");
        value.extend(token.expose());
        let value = sensitive(value).ok_or("its token can be in no header")?;
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}
