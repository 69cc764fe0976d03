//! The head that goes upstream: what was matched, without what the client presented, and with the credential.

use std::time::SystemTime;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Uri, Version, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::{Error, ErrorType, Result};
use pingora_proxy::Session;

use super::admission::Admission;
use super::forwarded::tells_of_another;
use super::record::Draft;
use super::respond::{self, REQUEST_ID, REQUEST_ID_FIELD};
use super::scrub;
use crate::domain::Wiped;
use crate::inject::{Head, Injection};

/// What a client computes of its body, besides the length.
const OF_THE_CLIENTS: [&str; 6] =
    ["transfer-encoding", "content-digest", "repr-digest", "digest", "content-md5", "trailer"];

/// Makes the head of an admitted exchange ready for its target. Repeatable: every attempt starts from the client's head.
pub(super) fn apply(admission: &Admission, draft: &Draft, query: Option<&str>, head: &mut RequestHeader) -> Result<()> {
    // A head has fewer names than there are to look for.
    let is_taken_off = |name: &&HeaderName| admission.route.stripped.contains(name) || tells_of_another(name.as_str());
    let taken_off: Vec<_> = head.headers.keys().filter(is_taken_off).cloned().collect();
    for name in taken_off {
        head.remove_header(&name);
    }
    if let Some(length) = head.headers.get(header::CONTENT_LENGTH) {
        // Written anew: what the client wrote may have zeros in front, which some read as octal and some refuse.
        let length = length.to_str().ok().and_then(|digits| digits.parse::<u64>().ok());
        let length = length.ok_or_else(|| Error::explain(ErrorType::InternalError, "the length of the body"))?;
        head.insert_header(header::CONTENT_LENGTH, HeaderValue::from(length))?;
    }
    join_cookies(head)?;
    head.insert_header("Host", admission.route.target.host_header().clone())?;
    head.insert_header(REQUEST_ID_FIELD, draft.id().encode(&mut [0; 36]) as &str)?;
    draft.trace().apply(head)?;
    for header in &admission.route.identity {
        if let Some(value) = header.value(admission.permit.principal()) {
            head.insert_header(header.name().clone(), value)?;
        }
    }
    if let Some((name, value)) = &admission.identity_token {
        head.insert_header(name.clone(), value.clone())?;
    }
    let Some(injection) = &admission.injection else {
        scrub::prepare(admission, head)?;
        head.set_uri(target(admission, query)?);
        return Ok(());
    };
    for (name, value) in injection.headers() {
        head.insert_header(name.clone(), value.clone())?;
    }
    if let Some(filled) = injection.filled() {
        // Its length is known now, however the client's was told; what was computed of the client's is true no more.
        head.insert_header(header::CONTENT_LENGTH, HeaderValue::from(filled.bytes().len()))?;
        for name in OF_THE_CLIENTS {
            head.remove_header(name);
        }
    }
    if let Some(cookies) = injection.cookies(head.headers.get_all(header::COOKIE).iter()) {
        head.insert_header(header::COOKIE, cookies)?;
    }
    scrub::prepare(admission, head)?;
    head.set_uri(target(admission, query)?);
    sign(injection, head)
}

/// Sees to what both sides' versions of HTTP ask for, where Pingora does not: what an HTTP/2 target tells in between does not come through, and
/// an HTTP/1.0 client takes nothing in between and waits for nothing (RFC 9110 §10.1.1, §15.2); and of a session that is watched over, Pingora
/// takes `TE: trailers` off, without which gRPC does not work.
pub(super) async fn settle_versions(session: &mut Session, head: &mut RequestHeader) -> Result<()> {
    if session.req_header().version == Version::HTTP_10 || head.version == Version::HTTP_2 {
        head.remove_header(&header::EXPECT);
        respond::go_on(session).await?;
    }
    if takes_trailers(session.req_header(), head.version) {
        head.insert_header(header::TE, HeaderValue::from_static("trailers"))?;
    }
    Ok(())
}

/// One `Cookie` of several lines, as HTTP/2 splits it and HTTP/1 has it once (RFC 9113 §8.2.3, RFC 6265 §5.4).
fn join_cookies(head: &mut RequestHeader) -> Result<()> {
    let lines = head.headers.get_all(header::COOKIE);
    if lines.iter().nth(1).is_none() {
        return Ok(());
    }
    let lines: Vec<_> = lines.iter().map(HeaderValue::as_bytes).collect();
    let joined = HeaderValue::from_bytes(&lines.join(&b"; "[..]));
    head.insert_header(header::COOKIE, joined.map_err(|_| Error::explain(ErrorType::InternalError, "the cookies"))?)
}

/// Signs the head, where the credential is a key that signs. Last: nothing is changed after it.
fn sign(injection: &Injection, head: &mut RequestHeader) -> Result<()> {
    let (path, query) = (head.uri.path(), head.uri.query());
    let to_sign = Head { method: &head.method, path, query, headers: &head.headers };
    let signed = injection.sign(&to_sign, SystemTime::now);
    let signed = signed.map_err(|_| Error::explain(ErrorType::InternalError, "a head that cannot be signed"))?;
    for (name, value) in signed {
        head.insert_header(name, value)?;
    }
    Ok(())
}

/// Whether both sides speak HTTP/2 and the client said that it takes trailers (RFC 9113 §8.2.2).
fn takes_trailers(asked: &RequestHeader, upstream: Version) -> bool {
    let is_said = || asked.headers.get(header::TE).is_some_and(|te| te.as_bytes() == b"trailers");
    asked.version == Version::HTTP_2 && upstream == Version::HTTP_2 && is_said()
}

/// The request target in origin-form: the target's base path, what the credential puts behind it, the path as it was matched, and the query.
fn target(admission: &Admission, query: Option<&str>) -> Result<Uri> {
    let injected = admission.injection.as_ref().and_then(|injection| injection.query(query));
    let query = injected.as_ref().map(|query| query.as_str()).or(query);
    let base = &admission.route.target.settings().base_path;
    let front = admission.injection.as_ref().map_or("", Injection::path_front);
    let path = admission.path.as_str();
    let room = base.len() + front.len() + path.len() + query.map_or(0, |q| q.len() + 1);
    let mut text = Wiped::with_capacity(room);
    text.extend(base.as_bytes());
    text.extend(front.as_bytes());
    // What stands in front is asked for without the slash that stands for an empty rest.
    if path != "/" || text.is_empty() {
        text.extend(path.as_bytes());
    }
    if let Some(query) = query {
        text.extend(b"?");
        text.extend(query.as_bytes());
    }
    // Not copied: it is wiped with the last who has it.
    let target = PathAndQuery::from_maybe_shared(Bytes::from_owner(text));
    target.map(Uri::from).map_err(|_| Error::explain(ErrorType::InternalError, "the request target"))
}

/// Takes off the fields of a response that do not reach the client: what would lead it past the proxy, what the proxy sets itself, and what
/// repeats a secret that was put on the request, as redirects to the same place do. Tells how many were of the last sort.
pub(super) fn strip_response(head: &mut ResponseHeader, injection: Option<&Injection>) -> Result<u64> {
    for name in [header::ALT_SVC, REQUEST_ID] {
        head.remove_header(&name);
    }
    let needles = injection.map(Injection::needles).filter(|needles| !needles.is_empty());
    let Some(needles) = needles else { return Ok(0) };
    let mut repeating = Vec::new();
    let mut look = |name: &[u8], value: &HeaderValue| {
        let is_named = needles.is_in(name);
        if is_named || needles.is_in(value.as_bytes()) {
            repeating.extend(HeaderName::from_bytes(name).ok().map(|name| (name, is_named)));
        }
    };
    // As names are written, where that is known: in the map they are in lower case. Of a head that came by HTTP/2 the map is all there is.
    if head.has_case() {
        head.case_header_iter().for_each(|(name, value)| look(name.as_slice(), value));
    } else {
        head.headers.iter().for_each(|(name, value)| look(name.as_str().as_bytes(), value));
    }
    let found = repeating.len() as u64;
    repeating.dedup_by(|(one, _), (other, _)| one == other);
    for (name, is_named) in repeating {
        let is_clean = |value: &&HeaderValue| !is_named && !needles.is_in(value.as_bytes());
        let clean: Vec<_> = head.headers.get_all(&name).iter().filter(is_clean).cloned().collect();
        head.remove_header(&name);
        for value in clean {
            head.append_header(name.clone(), value)?;
        }
    }
    Ok(found)
}
