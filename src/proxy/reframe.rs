//! An answer's framing, written anew: what an upstream says of its own connection means nothing on the client's (RFC 9110 §7.6.1, RFC 9112 §6).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, StatusCode, Version, header};
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};

use crate::crypto::websocket_accept;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// What `Connection` may name, and is framed here.
const FRAMED: [HeaderName; 3] = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION];

/// How long a body is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// As long as its head or its chunks say.
    Told,
    /// As long as the connection: HTTP/1.0 has no chunks.
    UntilTheEnd,
}

/// Takes off what is of the upstream's connection, and tells a length in one way.
///
/// # Errors
/// Pingora's, where a field cannot be set.
pub(super) fn reframe(asked: &RequestHeader, head: &mut ResponseHeader) -> Result<Length> {
    if head.version == Version::HTTP_10 {
        // The version is of whoever sends (RFC 9112 §2.3); with that of the upstream, chunks would be none.
        head.set_version(Version::HTTP_11);
    }
    let has_no_body = head.status.is_informational() || head.status == StatusCode::NO_CONTENT;
    if has_no_body || asked.version == Version::HTTP_10 {
        head.remove_header(&header::TRANSFER_ENCODING);
    }
    if has_no_body {
        head.remove_header(&header::CONTENT_LENGTH);
    } else if let Some(length) = length(head) {
        head.insert_header(header::CONTENT_LENGTH, HeaderValue::from(length))?;
    }
    for name in named(head) {
        head.remove_header(&name);
    }
    head.remove_header(&KEEP_ALIVE);
    // 426 says to what (RFC 9110 §15.5.22).
    if !matches!(head.status, StatusCode::SWITCHING_PROTOCOLS | StatusCode::UPGRADE_REQUIRED) {
        head.remove_header(&header::UPGRADE);
    }
    let is_told = asked.version != Version::HTTP_10 || has_no_body || head.headers.contains_key(header::CONTENT_LENGTH);
    Ok(if is_told { Length::Told } else { Length::UntilTheEnd })
}

/// The length, where it is told in another way than by its digits: `5, 5` or `05`, as Pingora has read it.
fn length(head: &ResponseHeader) -> Option<u64> {
    let mut lines = head.headers.get_all(header::CONTENT_LENGTH).iter();
    let first = lines.next()?.to_str().ok()?;
    let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if lines.next().is_none() && is_plain(first) {
        return None;
    }
    first.split(',').next()?.trim().parse().ok()
}

/// The fields that `Connection` names.
fn named(head: &ResponseHeader) -> Vec<HeaderName> {
    let lines = head.headers.get_all(header::CONNECTION).iter().filter_map(|line| line.to_str().ok());
    let tokens = lines.flat_map(|line| line.split(',')).map(str::trim);
    let others =
        tokens.filter(|token| !["close", "keep-alive", "upgrade"].iter().any(|own| token.eq_ignore_ascii_case(own)));
    others.filter_map(|name| HeaderName::try_from(name).ok()).filter(|name| !FRAMED.contains(name)).collect()
}

/// Whether an answer switches to the WebSocket that was asked for, and to nothing else (RFC 6455 §4.1).
pub(super) fn is_websocket(asked: &RequestHeader, head: &ResponseHeader) -> bool {
    let only = |name: &HeaderName| {
        let mut lines = head.headers.get_all(name).iter();
        lines.next().filter(|_| lines.next().is_none()).map(HeaderValue::as_bytes)
    };
    let Some(key) = asked.headers.get(header::SEC_WEBSOCKET_KEY) else { return false };
    let accept = STANDARD.encode(websocket_accept(key.as_bytes()));
    only(&header::UPGRADE).is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
        && only(&header::SEC_WEBSOCKET_ACCEPT) == Some(accept.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(status: u16, fields: &[(&'static str, &'static str)]) -> ResponseHeader {
        let mut head = ResponseHeader::build(status, None).expect("a head");
        for (name, value) in fields {
            head.append_header(*name, *value).expect("a field");
        }
        head
    }

    fn asked(version: Version) -> RequestHeader {
        let mut asked = RequestHeader::build("GET", b"/", None).expect("a head");
        asked.set_version(version);
        asked.insert_header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==").expect("a field");
        asked
    }

    #[test]
    fn what_is_of_the_upstreams_connection_stays_there() {
        let all = [
            ("Connection", "X-Hop, close"),
            ("X-Hop", "1"),
            ("Keep-Alive", "timeout=5"),
            ("Upgrade", "h2c"),
            ("X-Own", "1"),
        ];
        for (version, status, fields, want) in [
            (Version::HTTP_11, 200, &all[..], "connection x-own"),
            (Version::HTTP_11, 200, &[("Content-Length", "5, 5")], "content-length=5"),
            (Version::HTTP_11, 200, &[("Content-Length", "0005")], "content-length=5"),
            (
                Version::HTTP_11,
                200,
                &[("Content-Length", "5"), ("Connection", "content-length")],
                "connection content-length=5",
            ),
            (Version::HTTP_11, 200, &[("Transfer-Encoding", "chunked")], "transfer-encoding"),
            (Version::HTTP_10, 200, &[("Transfer-Encoding", "chunked")], ""),
            (Version::HTTP_11, 204, &[("Content-Length", "40")], ""),
            (Version::HTTP_11, 426, &[("Upgrade", "websocket"), ("Connection", "Upgrade")], "connection upgrade"),
            (Version::HTTP_11, 304, &[("Content-Length", "40")], "content-length=40"),
            (Version::HTTP_11, 103, &[("Transfer-Encoding", "chunked"), ("Link", "x")], "link"),
            (Version::HTTP_11, 101, &[("Upgrade", "websocket"), ("Connection", "Upgrade")], "connection upgrade"),
        ] {
            let mut head = head(status, fields);
            reframe(&asked(version), &mut head).expect("reframed");
            let shown = |(name, value): (&HeaderName, &HeaderValue)| match name.as_str() {
                "content-length" => format!("content-length={}", value.to_str().expect("text")),
                name => name.to_owned(),
            };
            let mut left: Vec<_> = head.headers.iter().map(shown).collect();
            left.sort();
            assert_eq!(left.join(" "), want, "{status} {fields:?}");
        }
    }

    #[test]
    fn only_the_websocket_that_was_asked_for_is_switched_to() {
        // The example of RFC 6455 §1.3.
        let accept = ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        for (fields, want) in [
            (&[("Upgrade", "WebSocket"), accept][..], true),
            (&[accept], false),
            (&[("Upgrade", "h2c"), accept], false),
            (&[("Upgrade", "websocket"), ("Sec-WebSocket-Accept", "x")], false),
            (&[("Upgrade", "websocket")], false),
            (&[("Upgrade", "websocket"), ("Upgrade", "h2c"), accept], false),
        ] {
            assert_eq!(is_websocket(&asked(Version::HTTP_11), &head(101, fields)), want, "{fields:?}");
        }
    }
}
