//! The head of a request: its path, its query, its header fields, its cookies.

use http::HeaderMap;

use super::walk::Walk;
use super::{embedded, form, media, path};
use crate::inspect::profile::Head;
use crate::inspect::{Fault, FaultKind, Limits, Part, Sink};

/// Gives all values of a head.
///
/// # Errors
/// What is wrong with its form.
pub(super) fn walk(head: &Head<'_>, limits: &Limits, sink: &mut dyn Sink) -> Result<(), Fault> {
    let mut walk = Walk::new(Part::Path, limits, sink);
    path::walk(&mut walk, head.path)?;
    if let Some(query) = head.query {
        walk.begin(Part::Query);
        form::walk(&mut walk, query.as_bytes())?;
    }
    walk.begin(Part::Header);
    fields(&mut walk, head.headers)?;
    walk.begin(Part::Cookie);
    cookies(&mut walk, head.headers)
}

fn fields(walk: &mut Walk<'_>, headers: &HeaderMap) -> Result<(), Fault> {
    framing(walk, headers)?;
    for (name, value) in headers {
        let value = value.as_bytes();
        if name == http::header::AUTHORIZATION {
            authorization(walk, value);
            continue;
        }
        let is_passed_over = name == http::header::COOKIE || name == http::header::PROXY_AUTHORIZATION;
        if is_passed_over || (has_own_grammar(name.as_str()) && value.iter().all(|byte| is_plain(*byte))) {
            continue;
        }
        let mark = walk.trail.mark();
        walk.trail.push_key(name.as_str().as_bytes());
        walk.text(value);
        walk.trail.cut(mark);
    }
    Ok(())
}

/// Looks at what says how long the body is and what (RFC 9112 6.1, 6.3; CWE-444). Servers look too: this is for what they let pass.
fn framing(walk: &mut Walk<'_>, headers: &HeaderMap) -> Result<(), Fault> {
    let wrong = |walk: &mut Walk<'_>, name: &str, kind| {
        walk.trail.push_key(name.as_bytes());
        Err(walk.fault(kind))
    };
    let mut lengths = headers.get_all(http::header::CONTENT_LENGTH).iter();
    let length = lengths.next();
    let is_number = length.is_none_or(|length| !length.is_empty() && length.as_bytes().iter().all(u8::is_ascii_digit));
    if lengths.next().is_some() || !is_number {
        return wrong(walk, "content-length", FaultKind::BadHead);
    }
    let mut transfers = headers.get_all(http::header::TRANSFER_ENCODING).iter();
    if let Some(transfer) = transfers.next()
        && (transfers.next().is_some() || length.is_some() || !transfer.as_bytes().eq_ignore_ascii_case(b"chunked"))
    {
        return wrong(walk, "transfer-encoding", FaultKind::BadHead);
    }
    let mut types = headers.get_all(http::header::CONTENT_TYPE).iter();
    let media = types.next().map_or(Ok(media::Media::UNKNOWN), |value| media::parse(value.as_bytes()));
    match media {
        Err(kind) => wrong(walk, "content-type", kind),
        Ok(_) if types.next().is_some() => wrong(walk, "content-type", FaultKind::BadHead),
        Ok(_) => Ok(()),
    }
}

/// What a JWT says of itself; the rest of credentials is never looked at, so that no record shows any of it.
fn authorization(walk: &mut Walk<'_>, value: &[u8]) {
    let Some((scheme, token)) = value.split_first_chunk::<7>() else { return };
    if scheme.eq_ignore_ascii_case(b"bearer ") {
        let mark = walk.trail.mark();
        walk.trail.push_key(b"authorization");
        embedded::jwt(walk, token.trim_ascii());
        walk.trail.cut(mark);
    }
}

/// Header fields with a grammar of their own, in which nothing is free text.
fn has_own_grammar(name: &str) -> bool {
    match name {
        "accept"
        | "accept-charset"
        | "accept-encoding"
        | "accept-language"
        | "cache-control"
        | "connection"
        | "content-encoding"
        | "content-language"
        | "content-length"
        | "content-type"
        | "date"
        | "dnt"
        | "etag"
        | "expect"
        | "host"
        | "keep-alive"
        | "last-modified"
        | "max-forwards"
        | "pragma"
        | "priority"
        | "proxy-connection"
        | "range"
        | "te"
        | "trailer"
        | "traceparent"
        | "transfer-encoding"
        | "upgrade"
        | "upgrade-insecure-requests"
        | "via" => true,
        _ => name.starts_with("if-") || name.starts_with("sec-") || name.starts_with("accept-"),
    }
}

/// Whether a byte is of those that such fields are made of; a field with any other is looked at as any text.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" \t,;=:/*+-._~\"()?@!|%&#".contains(&byte)
}

/// Gives each cookie (RFC 6265 5.4).
fn cookies(walk: &mut Walk<'_>, headers: &HeaderMap) -> Result<(), Fault> {
    let (mut size, mut count) = (0, 0);
    for value in headers.get_all(http::header::COOKIE) {
        size += value.len();
        if size > walk.limits.cookies {
            return Err(walk.fault(FaultKind::TooLong));
        }
        for cookie in value.as_bytes().split(|byte| *byte == b';') {
            let cookie = cookie.trim_ascii();
            if cookie.is_empty() {
                continue;
            }
            count += 1;
            if count > walk.limits.parameters {
                return Err(walk.fault(FaultKind::TooMany));
            }
            let (name, value) = form::split(cookie, b'=');
            // Makes some readers take quoted values with signs that end a cookie for others (RFC 2965 3.3.4).
            if name.trim_ascii_end().eq_ignore_ascii_case(b"$version") {
                return Err(walk.fault(FaultKind::BadHead));
            }
            walk.trail.push_key(name);
            walk.name(name);
            let value = value.unwrap_or_default();
            let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
            walk.text(unquoted);
            walk.trail.cut(0);
        }
    }
    Ok(())
}
