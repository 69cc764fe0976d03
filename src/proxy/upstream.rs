//! The head that goes upstream: what was matched, without what the client presented, and with the credential.

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, Version, header};
use pingora::http::RequestHeader;
use pingora::{Error, ErrorType, Result};
use zeroize::Zeroizing;

use super::admission::Admission;
use super::forwarded::tells_of_another;
use super::respond::{REQUEST_ID, REQUEST_ID_FIELD};
use crate::domain::RequestId;
use crate::inject::Injection;

/// Makes the head of an admitted exchange ready for its target. Repeatable: every attempt starts from the client's head.
pub(super) fn apply(admission: &Admission, id: RequestId, query: Option<&str>, head: &mut RequestHeader) -> Result<()> {
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
    head.insert_header("Host", admission.route.target.host_header().clone())?;
    head.insert_header(REQUEST_ID_FIELD, id.encode(&mut [0; 36]) as &str)?;
    for header in &admission.route.identity {
        if let Some(value) = header.value(admission.permit.principal()) {
            head.insert_header(header.name().clone(), value)?;
        }
    }
    if let Some((name, value)) = &admission.identity_token {
        head.insert_header(name.clone(), value.clone())?;
    }
    if let Some((name, value)) = admission.injection.as_ref().and_then(|injection| injection.header()) {
        head.insert_header(name.clone(), value.clone())?;
    }
    head.set_uri(target(admission, query)?);
    Ok(())
}

/// Whether both sides speak HTTP/2 and the client said that it takes trailers (RFC 9113 §8.2.2).
pub(super) fn takes_trailers(asked: &RequestHeader, upstream: Version) -> bool {
    let is_said = || asked.headers.get(header::TE).is_some_and(|te| te.as_bytes() == b"trailers");
    asked.version == Version::HTTP_2 && upstream == Version::HTTP_2 && is_said()
}

/// The request target in origin-form: the target's base path, the path as it was matched, and the query.
fn target(admission: &Admission, query: Option<&str>) -> Result<Uri> {
    let injected = admission.injection.as_ref().and_then(|injection| injection.query(query));
    let query = injected.as_ref().map(|query| query.as_str()).or(query);
    let base = &admission.route.target.settings().base_path;
    let path = admission.path.as_str();
    let mut text = Zeroizing::new(String::with_capacity(base.len() + path.len() + query.map_or(0, |q| q.len() + 1)));
    text.push_str(base);
    // The base path itself is asked for without the slash that stands for an empty rest.
    text.push_str(if path == "/" && !base.is_empty() { "" } else { path });
    if let Some(query) = query {
        text.push('?');
        text.push_str(query);
    }
    let target = PathAndQuery::try_from(text.as_str());
    target.map(Uri::from).map_err(|_| Error::explain(ErrorType::InternalError, "the request target"))
}

/// The fields of a response that do not reach the client: what would lead it past the proxy, what the proxy sets itself, and what repeats a
/// secret that was put into the request's target, as redirects to the same place do.
pub(super) fn strip_response(headers: &HeaderMap, injection: Option<&Injection>) -> Vec<HeaderName> {
    let is_ours = |name: &HeaderName| *name == header::ALT_SVC || *name == REQUEST_ID;
    let repeats = |value: &HeaderValue| injection.is_some_and(|injection| injection.is_repeated_in(value.as_bytes()));
    let fields = headers.iter().filter(|(name, value)| is_ours(name) || repeats(value));
    fields.map(|(name, _)| name.clone()).collect()
}
