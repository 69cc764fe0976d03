//! The only place that answers a client itself: problem documents (RFC 9457) that say what a client may know.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, Version, header};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora_proxy::Session;

use super::admission::{Document, Refusal};
use super::tokens::{self, Refused};
use crate::domain::{Denial, RequestId};

/// The field that tells a client the id of its exchange, to quote.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static(REQUEST_ID_FIELD);
/// Its name, as it is written: what is made of a static text is not copied.
pub(super) const REQUEST_ID_FIELD: &str = "x-request-id";

const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Answers a refusal. A connection whose framing is in doubt, or that is about to go, is closed after it.
pub(super) async fn refuse(session: &mut Session, refusal: &Refusal, id: RequestId, draining: bool) -> Result<()> {
    let denial = &refusal.denial;
    let mut fields = vec![(header::CONTENT_TYPE, PROBLEM), (header::CACHE_CONTROL, NO_STORE)];
    fields.extend(refusal.fields.iter().cloned());
    let status = status(denial);
    // Both are ours: a name, and a URL that was looked at.
    let approval = refusal.approval.as_ref();
    let approval = approval
        .map(|told| (&told.0, &told.1))
        .map(|(name, url)| format!(r#""approval":{{"name":"{name}","request":"{url}"}},"#))
        .unwrap_or_default();
    answer(session, status, &fields, document(denial, status, &approval, id), id, draining || closes(denial)).await
}

/// Answers with what the gateway publishes, which may be kept for less time than a key that follows is published before it signs.
pub(super) async fn publish(session: &mut Session, document: &Document, id: RequestId, draining: bool) -> Result<()> {
    let fields = [
        (header::CONTENT_TYPE, HeaderValue::from_static(document.kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
    ];
    let body = Bytes::copy_from_slice(document.text.as_bytes());
    answer(session, StatusCode::OK, &fields, body, id, draining).await
}

/// Answers a request to the gateway itself: with what nobody may keep (RFC 6749 §5.1).
pub(super) async fn tell(
    session: &mut Session,
    status: StatusCode,
    json: Bytes,
    id: RequestId,
    draining: bool,
) -> Result<()> {
    let fields = [(header::CONTENT_TYPE, JSON), (header::CACHE_CONTROL, NO_STORE), (header::PRAGMA, NO_CACHE)];
    answer(session, status, &fields, json, id, draining).await
}

/// Refuses a request to the token service: a problem document that is an error of OAuth too (RFC 6749 §5.2).
pub(super) async fn refuse_token(
    session: &mut Session,
    refused: &Refused,
    id: RequestId,
    draining: bool,
) -> Result<()> {
    let denial = &refused.refusal.denial;
    let mut fields = vec![(header::CONTENT_TYPE, JSON), (header::CACHE_CONTROL, NO_STORE), (header::PRAGMA, NO_CACHE)];
    fields.extend(refused.refusal.fields.iter().cloned());
    let status = tokens::status(refused);
    let error = format!(r#""error":"{}","error_description":"{}","#, refused.error, denial.public_text());
    answer(session, status, &fields, document(denial, status, &error, id), id, draining || closes(denial)).await
}

/// What a client is sent in place of an error that tells too much: the same status, and what of its fields tells when to come again.
pub(super) fn masked(head: &ResponseHeader, id: RequestId) -> Result<(ResponseHeader, Bytes)> {
    let (status, title) = (head.status.as_u16(), head.status.canonical_reason().unwrap_or("Error"));
    let text = format!(
        r#"{{"title":"{title}","status":{status},"code":"upstream_failed","detail":"The upstream failed.","request_id":"{id}"}}"#
    );
    let body = Bytes::from(text + "\n");
    let mut own = ResponseHeader::build(head.status, Some(8))?;
    for (name, value) in [(header::CONTENT_TYPE, PROBLEM), (header::CACHE_CONTROL, NO_STORE)] {
        own.insert_header(name, value)?;
    }
    own.insert_header(header::CONTENT_LENGTH, HeaderValue::from(body.len()))?;
    for name in KEPT {
        for value in head.headers.get_all(name) {
            own.append_header(name, value.clone())?;
        }
    }
    Ok((own, body))
}

/// The fields of a masked error that go on.
const KEPT: [&str; 5] = [REQUEST_ID_FIELD, "retry-after", "ratelimit", "ratelimit-policy", "x-content-type-options"];

/// Tells the client of a WebSocket why it ends, where it can still be told (RFC 6455 §5.5.1, §7.4.1).
pub(super) async fn close(session: &mut Session, denial: &Denial) {
    let code: u16 = match status(denial).as_u16() {
        413 => 1009,
        415 => 1003,
        // There is no room for more now.
        429 => 1013,
        500.. => 1011,
        _ => 1008,
    };
    let reason = denial.code().as_bytes();
    let length = u8::try_from(2 + reason.len()).unwrap_or(u8::MAX);
    let frame = [&[0x88, length][..], &code.to_be_bytes(), reason].concat();
    // It may be gone.
    let _ = session.write_response_body(Some(frame.into()), true).await;
}

async fn answer(
    session: &mut Session,
    status: StatusCode,
    fields: &[(HeaderName, HeaderValue)],
    body: Bytes,
    id: RequestId,
    is_last: bool,
) -> Result<()> {
    if is_last {
        session.set_keepalive(None);
    }
    let mut head = ResponseHeader::build(status, Some(fields.len() + 2))?;
    for (name, value) in fields {
        head.append_header(name.clone(), value.clone())?;
    }
    head.insert_header(header::CONTENT_LENGTH, HeaderValue::from(body.len()))?;
    head.insert_header(REQUEST_ID_FIELD, id.to_string())?;
    let bodiless = session.req_header().method == Method::HEAD;
    session.write_response_header(Box::new(head), bodiless).await?;
    if !bodiless {
        session.write_response_body(Some(body), true).await?;
    }
    Ok(())
}

/// What the client was answered; what is told in between is no answer (RFC 9110 §15.2), and a failure after it has to be answered yet.
pub(super) fn answered(session: &Session) -> Option<StatusCode> {
    session.response_written().filter(|head| is_answer(head)).map(|head| head.status)
}

/// Whether a head is an answer, and not told in between.
pub(super) fn is_answer(head: &ResponseHeader) -> bool {
    !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS
}

/// Has a client send its body that waits to be told so (RFC 9110 §10.1.1): over HTTP/1.0 none does, and over HTTP/2 none can be told.
pub(super) async fn go_on(session: &mut Session) -> Result<()> {
    let asked = session.req_header();
    let waits = asked.version == Version::HTTP_11 && asked.headers.contains_key(header::EXPECT);
    if waits && session.response_written().is_none() {
        session.write_continue_response().await.map_err(|error| error.into_down())?;
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

/// `{"title","status","code","detail","request_id"}`, and other members in front; `type` is `about:blank`, its default. All texts are ours, so
/// nothing needs escaping.
fn document(denial: &Denial, status: StatusCode, others: &str, id: RequestId) -> Bytes {
    let title = status.canonical_reason().unwrap_or("Error");
    let (code, detail) = (denial.code(), denial.public_text());
    let status = status.as_u16();
    let text = format!(
        r#"{{{others}"title":"{title}","status":{status},"code":"{code}","detail":"{detail}","request_id":"{id}"}}"#
    );
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
            let text = document(&denial, status(&denial), "", RequestId::new(std::time::SystemTime::now()));
            let json: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
            assert_eq!(json["status"], denial.status());
            assert_eq!(json["code"], denial.code());
            assert!(!String::from_utf8_lossy(&text).contains("signature"));
        }
    }
}
