//! The only place that answers a client itself: problem documents (RFC 9457) that say what a client may know.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora_proxy::Session;

use super::admission::Refusal;
use crate::domain::{Denial, RequestId};

/// The field that tells a client the id of its exchange, to quote.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static(REQUEST_ID_FIELD);
/// Its name, as it is written: what is made of a static text is not copied.
pub(super) const REQUEST_ID_FIELD: &str = "x-request-id";

const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Answers a refusal. A connection whose framing is in doubt, or that is about to go, is closed after it.
pub(super) async fn refuse(session: &mut Session, refusal: &Refusal, id: RequestId, draining: bool) -> Result<()> {
    if draining || closes(&refusal.denial) {
        session.set_keepalive(None);
    }
    let body = document(&refusal.denial, id);
    let mut head = ResponseHeader::build(status(&refusal.denial), Some(refusal.fields.len() + 5))?;
    head.insert_header(header::CONTENT_TYPE, PROBLEM)?;
    head.insert_header(header::CONTENT_LENGTH, HeaderValue::from(body.len()))?;
    head.insert_header(header::CACHE_CONTROL, NO_STORE)?;
    head.insert_header(REQUEST_ID_FIELD, id.to_string())?;
    for (name, value) in &refusal.fields {
        head.append_header(name.clone(), value.clone())?;
    }
    let bodiless = session.req_header().method == Method::HEAD;
    session.write_response_header(Box::new(head), bodiless).await?;
    if !bodiless {
        session.write_response_body(Some(body), true).await?;
    }
    Ok(())
}

/// Answers with the gateway's own public keys, which may be kept for as long as a key that follows is published before it signs.
pub(super) async fn publish(session: &mut Session, keys: &str, id: RequestId, draining: bool) -> Result<()> {
    if draining {
        session.set_keepalive(None);
    }
    let mut head = ResponseHeader::build(StatusCode::OK, Some(4))?;
    head.insert_header(header::CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"))?;
    head.insert_header(header::CONTENT_LENGTH, HeaderValue::from(keys.len()))?;
    head.insert_header(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"))?;
    head.insert_header(REQUEST_ID_FIELD, id.to_string())?;
    let bodiless = session.req_header().method == Method::HEAD;
    session.write_response_header(Box::new(head), bodiless).await?;
    if !bodiless {
        session.write_response_body(Some(Bytes::copy_from_slice(keys.as_bytes())), true).await?;
    }
    Ok(())
}

/// Reads away what a refused client still sends, within bounds: an answer that crosses with a body is lost to most clients, and the
/// connection with it. A client that waits for `100 Continue`, or whose framing is in doubt, is not listened to.
pub(super) async fn hear_out(session: &mut Session, refusal: &Refusal) {
    let headers = &session.req_header().headers;
    let length = headers.get(header::CONTENT_LENGTH).and_then(|text| text.to_str().ok()?.parse::<usize>().ok());
    if closes(&refusal.denial) || headers.contains_key(header::EXPECT) || length.is_some_and(|length| length > HEARD) {
        return;
    }
    let mut left = HEARD;
    let hearing = async {
        while left > 0
            && let Ok(Some(chunk)) = session.read_request_body().await
        {
            left = left.saturating_sub(chunk.len());
        }
    };
    // One that is too slow gets its answer all the same.
    let _ = tokio::time::timeout(HEARING, hearing).await;
}

/// How much of a refused body is read away, in bytes, and how long that may take.
const HEARD: usize = 64 * 1024;
const HEARING: Duration = Duration::from_millis(500);

/// Whether what follows on the connection can no longer be told apart, or is not worth waiting for.
fn closes(denial: &Denial) -> bool {
    matches!(denial, Denial::Malformed(_) | Denial::HeadTooLarge | Denial::BodyTooLarge | Denial::TimedOut(_))
}

fn status(denial: &Denial) -> StatusCode {
    StatusCode::from_u16(denial.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// `{"title","status","code","detail","request_id"}`; `type` is `about:blank`, its default. All texts are ours, so nothing needs escaping.
fn document(denial: &Denial, id: RequestId) -> Bytes {
    let status = status(denial);
    let title = status.canonical_reason().unwrap_or("Error");
    let (code, detail) = (denial.code(), denial.public_text());
    let status = status.as_u16();
    let text =
        format!(r#"{{"title":"{title}","status":{status},"code":"{code}","detail":"{detail}","request_id":"{id}"}}"#);
    Bytes::from(text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AuthnFault, HttpFault, Methods, Unavailable};

    #[test]
    fn documents_are_json_and_tell_no_more_than_the_code() {
        for denial in [
            Denial::Malformed(HttpFault::LineEnd),
            Denial::Unauthenticated(AuthnFault::Signature),
            Denial::MethodNotAllowed(Methods::ALL),
            Denial::Unavailable(Unavailable::Credential),
            Denial::Internal,
        ] {
            let text = document(&denial, RequestId::new(std::time::SystemTime::now()));
            let json: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
            assert_eq!(json["status"], denial.status());
            assert_eq!(json["code"], denial.code());
            assert!(!String::from_utf8_lossy(&text).contains("signature"));
        }
    }
}
