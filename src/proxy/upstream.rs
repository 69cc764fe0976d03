//! The head that goes upstream: what was matched, without what the client presented, and with the credential.

use http::uri::PathAndQuery;
use http::{HeaderMap, Uri, header};
use pingora::http::RequestHeader;
use pingora::{Error, ErrorType, Result};
use zeroize::Zeroizing;

use super::admission::Admission;
use super::forwarded::REWRITE_FIELDS;
use super::respond::REQUEST_ID;
use crate::domain::RequestId;

/// Makes the head of an admitted exchange ready for its target. Repeatable: every attempt starts from the client's head.
pub(super) fn apply(admission: &Admission, id: RequestId, query: Option<&str>, head: &mut RequestHeader) -> Result<()> {
    for name in &admission.route.stripped {
        head.remove_header(name);
    }
    // The few fields there are, looked for among the names: to look for each name among the fields costs a hash a name.
    let told: Vec<_> = head.headers.keys().filter(|name| REWRITE_FIELDS.contains(&name.as_str())).cloned().collect();
    for name in &told {
        head.remove_header(name);
    }
    head.insert_header(header::HOST, admission.route.target.host_header().clone())?;
    head.insert_header(REQUEST_ID, id.encode(&mut [0; 36]) as &str)?;
    if let Some((name, value)) = admission.injection.as_ref().and_then(|injection| injection.header()) {
        head.insert_header(name.clone(), value.clone())?;
    }
    head.set_uri(target(admission, query)?);
    Ok(())
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

/// Takes off a response what is about the upstream's connection or would lead the client past the proxy.
pub(super) fn strip_response(headers: &HeaderMap) -> impl Iterator<Item = header::HeaderName> + use<> {
    let names = [header::ALT_SVC, REQUEST_ID];
    let present: Vec<_> = names.into_iter().filter(|name| headers.contains_key(name)).collect();
    present.into_iter()
}
