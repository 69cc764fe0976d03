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
        if is_passed_over || is_of_its_grammar(name.as_str(), value) {
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

/// Whether a field holds nothing but what its own grammar lets it: any other is looked at as the text that it may be to somebody.
fn is_of_its_grammar(name: &str, value: &[u8]) -> bool {
    let signs: &[u8] = match name {
        "accept-language" | "content-language" | "accept-charset" => b" \t,;=.*-_",
        "date" | "last-modified" | "if-modified-since" | "if-unmodified-since" => return is_date(value),
        "if-match" | "if-none-match" | "if-range" | "etag" => return is_tags(value),
        "accept"
        | "accept-encoding"
        | "accept-ranges"
        | "cache-control"
        | "connection"
        | "content-encoding"
        | "content-length"
        | "content-type"
        | "dnt"
        | "expect"
        | "keep-alive"
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
        | "upgrade-insecure-requests" => b" \t,;=/*+-._:\"?",
        "host" | "via" => b" ,/:.-_[]",
        _ if ["sec-fetch-", "sec-websocket-", "sec-gpc"].iter().any(|of| name.starts_with(of)) => b" ,;=/+-._?",
        // Names that are made up so that nobody takes any for granted.
        _ if name.starts_with("sec-ch-") => b" ,;=/+-._\"()?:!&#@%",
        _ => return false,
    };
    // Ways up, addresses and comments have no place in any of them, but lines in boundaries; blanks divide nothing that no other sign divides.
    let is_line = |pair: &[u8]| pair == b"--" && name != "content-type";
    let has_none = |pair: &[u8]| !matches!(pair, b".." | b"//") && !is_line(pair);
    let is_word = |byte: u8| byte.is_ascii_alphanumeric();
    let has_words = |three: &[u8]| three[1] == b' ' && is_word(three[0]) && is_word(three[2]);
    let may_have_words = matches!(name, "via" | "keep-alive") || name.starts_with("sec-ch-");
    value.iter().all(|byte| is_word(*byte) || signs.contains(byte))
        && value.windows(2).all(has_none)
        && (may_have_words || !value.windows(3).any(has_words))
        && !(name == "accept" && value.starts_with(b"/"))
        && !value.starts_with(b";")
}

/// Whether it is a date as HTTP writes it (RFC 9110 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
fn is_date(value: &[u8]) -> bool {
    let is_like = |(byte, like): (&u8, &u8)| match like {
        b'a' => byte.is_ascii_alphabetic(),
        b'0' => byte.is_ascii_digit(),
        other => byte == other,
    };
    const LIKE: &[u8] = b"aaa, 00 aaa 0000 00:00:00 GMT";
    value.len() == LIKE.len() && value.iter().zip(LIKE).all(is_like)
}

/// Whether it is entity tags, or any (RFC 9110 8.8.3, 13.1).
fn is_tags(value: &[u8]) -> bool {
    let is_sign = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=._:-".contains(byte);
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).all(|tag| {
        let tag = tag.strip_prefix(b"W/").unwrap_or(tag);
        match tag.strip_prefix(b"\"").and_then(|tag| tag.strip_suffix(b"\"")) {
            Some(tag) => tag.iter().all(is_sign) && !tag.windows(2).any(|pair| matches!(pair, b".." | b"//")),
            None => tag == b"*" || tag.iter().all(u8::is_ascii_alphanumeric),
        }
    })
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
