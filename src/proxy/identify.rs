//! The head of a request in normal form, or the one rule that it breaks. Every later phase sees this form and no other.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, Method, Version, header};
use pingora::http::RequestHeader;

use super::ingress::Connection;
use crate::domain::{
    Denial, Host, HostFault, HttpFault, Methods, NormalPath, PathFault, PeerCertificates, RequestView,
};

/// A head as it came.
#[derive(Debug)]
pub struct Arrival<'a> {
    pub(super) method: &'a Method,
    /// The request target's path and query as sent; an absolute-form's authority is apart.
    pub(super) target: &'a [u8],
    /// The authority of HTTP/2's `:authority` or of an absolute-form target.
    pub(super) authority: Option<&'a str>,
    pub(super) version: Version,
    pub(super) headers: &'a HeaderMap,
    /// Whether a body, or what a switched protocol sends, follows.
    pub(super) has_body: bool,
}

impl<'a> Arrival<'a> {
    /// A head without a body that asks for this URL over HTTP/1.1, as somebody writes it who only wants to know.
    pub fn at(method: &'a Method, url: &'a str, headers: &'a HeaderMap) -> Self {
        let (authority, target) = split_absolute(url.as_bytes());
        Self { method, target, authority, version: Version::HTTP_11, headers, has_body: false }
    }

    /// The head that Pingora read.
    pub(super) fn of(head: &'a RequestHeader, has_body: bool) -> Self {
        let (authority, target) = split_absolute(head.raw_path());
        let authority = authority.or_else(|| head.uri.authority().map(http::uri::Authority::as_str));
        Self { method: &head.method, target, authority, version: head.version, headers: &head.headers, has_body }
    }
}

/// A head in normal form.
#[derive(Debug)]
pub struct Identified<'a> {
    /// The host.
    pub host: Host,
    /// The path.
    pub path: NormalPath,
    /// Host and port as the client wrote them; empty where it did not.
    pub authority: &'a str,
    /// Path and query as sent.
    pub target: &'a str,
    /// What stands behind the `?`.
    pub query: Option<&'a str>,
    /// Whether it asks for a WebSocket.
    pub websocket: bool,
    /// The body's length, where the head tells it.
    pub content_length: Option<u64>,
}

impl Identified<'_> {
    /// What engines may look at, of a request that asks for this path once the route has taken its own off.
    pub(super) fn view<'v>(
        &'v self,
        arrival: &Arrival<'v>,
        path: &'v NormalPath,
        connection: &Connection,
        client: IpAddr,
        certificates: Option<&'v PeerCertificates>,
    ) -> RequestView<'v> {
        RequestView {
            method: arrival.method,
            host: &self.host,
            path,
            headers: arrival.headers,
            client,
            peer: connection.peer.ip(),
            is_tls: connection.tls,
            authority: self.authority,
            asked: &self.path,
            query: self.query,
            target: self.target,
            has_body: arrival.has_body && !self.websocket,
            certificates,
        }
    }
}

/// Brings a head to normal form.
///
/// # Errors
/// [`Denial::Malformed`] with the rule that it breaks.
pub fn identify<'a>(arrival: &Arrival<'a>) -> Result<Identified<'a>, Denial> {
    if Methods::of(arrival.method.as_str()) == Methods::NONE {
        return Err(Denial::Malformed(HttpFault::Method));
    }
    let present = check_fields(arrival)?;
    let (path, query) = split_target(arrival.target)?;
    let (host, authority) = host(arrival)?;
    Ok(Identified {
        host,
        authority,
        target: std::str::from_utf8(arrival.target)
            .map_err(|_| Denial::Malformed(HttpFault::Path(PathFault::BadCharacter)))?,
        query,
        path: NormalPath::parse(path).map_err(|fault| Denial::Malformed(HttpFault::Path(fault)))?,
        websocket: present.upgrade && websocket(arrival)?,
        content_length: if present.content_length { content_length(arrival.headers)? } else { None },
    })
}

/// The path and the query of a request target, at its first `?`.
pub(super) fn split_target(target: &[u8]) -> Result<(&[u8], Option<&str>), Denial> {
    let (path, query) = match target.iter().position(|b| *b == b'?') {
        Some(at) => (&target[..at], Some(&target[at + 1..])),
        None => (target, None),
    };
    let Some(query) = query else { return Ok((path, None)) };
    // What stands in a query is the upstream's business, as long as no two parsers can see its end in different places.
    let plain = query.iter().all(|b| matches!(b, b'!'..=b'~') && *b != b'#');
    match std::str::from_utf8(query) {
        Ok(query) if plain => Ok((path, Some(query))),
        _ => Err(Denial::Malformed(HttpFault::Path(PathFault::BadCharacter))),
    }
}

/// The authority and the rest of a request target in absolute-form (RFC 9112 §3.2.2). Any other form stays as it is, for the path's rules
/// to judge.
pub(super) fn split_absolute(target: &[u8]) -> (Option<&str>, &[u8]) {
    let after = |scheme: &[u8]| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    };
    let Some(rest) = after(b"http://").or_else(|| after(b"https://")) else { return (None, target) };
    let end = rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match std::str::from_utf8(authority) {
        Ok(authority) => (Some(authority), if path.is_empty() { b"/" } else { path }),
        Err(_) => (None, target),
    }
}

/// Which of the fields that have a say in what a head means it has.
#[derive(Default)]
struct Present {
    connection: bool,
    content_length: bool,
    expect: bool,
    transfer_encoding: bool,
    upgrade: bool,
}

impl Present {
    /// By one walk: a head has fewer names than there are to look for.
    fn note(&mut self, name: &HeaderName) {
        match *name {
            header::CONNECTION => self.connection = true,
            header::CONTENT_LENGTH => self.content_length = true,
            header::EXPECT => self.expect = true,
            header::TRANSFER_ENCODING => self.transfer_encoding = true,
            header::UPGRADE => self.upgrade = true,
            _ => {}
        }
    }
}

fn check_fields(arrival: &Arrival<'_>) -> Result<Present, Denial> {
    let refuse = |fault| Err(Denial::Malformed(fault));
    let mut present = Present::default();
    for name in arrival.headers.keys() {
        if name.as_str().bytes().any(|b| matches!(b, b'_' | b'.')) {
            return refuse(HttpFault::FieldName);
        }
        present.note(name);
    }
    let are_plain =
        || arrival.headers.get_all(header::CONNECTION).iter().all(|value| is_plain_connection(value.as_bytes()));
    if present.connection && !are_plain() {
        return refuse(HttpFault::Connection);
    }
    if present.expect
        && let Some(value) = arrival.headers.get(header::EXPECT)
        && !value.as_bytes().eq_ignore_ascii_case(b"100-continue")
    {
        return refuse(HttpFault::Expect);
    }
    if arrival.version == Version::HTTP_2 {
        if present.transfer_encoding {
            return refuse(HttpFault::TransferEncoding);
        }
        // Of HTTP/1 they are no part of the value; a target of HTTP/2 may end the whole connection for them (RFC 9113 §8.2.1).
        if arrival.headers.values().any(|value| is_padded(value.as_bytes())) {
            return refuse(HttpFault::Field);
        }
    }
    Ok(present)
}

/// Whether blanks stand around a value.
fn is_padded(value: &[u8]) -> bool {
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    is_blank(value.first()) || is_blank(value.last())
}

/// Whether `Connection` names only what is about the connection. Naming another field would have it removed on the way.
fn is_plain_connection(value: &[u8]) -> bool {
    value.split(|b| *b == b',').all(|option| {
        let option = option.trim_ascii();
        [&b"close"[..], b"keep-alive", b"upgrade", b"te"].iter().any(|known| option.eq_ignore_ascii_case(known))
    })
}

/// The host in normal form, and as the client wrote it.
fn host<'a>(arrival: &Arrival<'a>) -> Result<(Host, &'a str), Denial> {
    let refuse = |fault| Denial::Malformed(HttpFault::Host(fault));
    let mut fields = arrival.headers.get_all(header::HOST).iter();
    let field = fields.next().map(|value| value.to_str().map_err(|_| refuse(HostFault::Malformed))).transpose()?;
    if fields.next().is_some() {
        return Err(Denial::Malformed(HttpFault::Repeated));
    }
    let authority = arrival.authority.or(field).unwrap_or_default();
    let host = Host::parse(authority).map_err(refuse)?;
    match (arrival.authority, field) {
        (Some(_), Some(field)) if Host::parse(field).map_err(refuse)? != host => Err(refuse(HostFault::Malformed)),
        _ => Ok((host, authority)),
    }
}

/// Whether this is a WebSocket handshake (RFC 6455 §4.1). Any other upgrade is refused.
fn websocket(arrival: &Arrival<'_>) -> Result<bool, Denial> {
    let mut upgrades = arrival.headers.get_all(header::UPGRADE).iter();
    let Some(upgrade) = upgrades.next() else { return Ok(false) };
    let is_handshake = arrival.version == Version::HTTP_11
        && *arrival.method == Method::GET
        && upgrade.as_bytes().eq_ignore_ascii_case(b"websocket")
        && upgrades.next().is_none()
        && names(arrival.headers, &header::CONNECTION, "upgrade")
        && is_once(arrival.headers, &header::SEC_WEBSOCKET_VERSION, |version| version == b"13")
        && is_once(arrival.headers, &header::SEC_WEBSOCKET_KEY, is_websocket_key)
        && !arrival.headers.contains_key(header::CONTENT_LENGTH)
        && !arrival.headers.contains_key(header::TRANSFER_ENCODING);
    if is_handshake { Ok(true) } else { Err(Denial::Malformed(HttpFault::Upgrade)) }
}

/// Whether a list of tokens has this one.
fn names(headers: &HeaderMap, field: &HeaderName, token: &str) -> bool {
    let mut tokens =
        headers.get_all(field).iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    tokens.any(|own| own.trim().eq_ignore_ascii_case(token))
}

fn is_once(headers: &HeaderMap, field: &HeaderName, is_sound: fn(&[u8]) -> bool) -> bool {
    let mut lines = headers.get_all(field).iter();
    lines.next().is_some_and(|value| is_sound(value.as_bytes())) && lines.next().is_none()
}

/// Sixteen bytes in base64.
fn is_websocket_key(text: &[u8]) -> bool {
    let is_base64 = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    text.len() == 24 && text.strip_suffix(b"==").is_some_and(|digits| digits.iter().all(is_base64))
}

fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Denial> {
    let mut fields = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(field) = fields.next() else { return Ok(None) };
    if fields.next().is_some() {
        return Err(Denial::Malformed(HttpFault::Repeated));
    }
    let digits = field.to_str().ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    match digits.and_then(|digits| digits.parse().ok()) {
        Some(length) => Ok(Some(length)),
        None => Err(Denial::Malformed(HttpFault::ContentLength)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(
        method: &str,
        target: &str,
        version: Version,
        fields: &[(&str, &str)],
    ) -> Result<Identified<'static>, Denial> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name.parse::<HeaderName>().expect("name"), value.parse().expect("value"));
        }
        let method = method.parse().expect("method");
        let arrival = Arrival {
            method: &method,
            target: target.as_bytes(),
            authority: None,
            version,
            headers: &headers,
            has_body: false,
        };
        let Identified { host, path, websocket, content_length, .. } = identify(&arrival)?;
        Ok(Identified { host, path, authority: "", target: "", query: None, websocket, content_length })
    }

    #[test]
    fn heads_that_can_be_read_in_two_ways_are_refused() {
        use HttpFault::*;
        let host = ("host", "api.test");
        for (method, target, fields, want) in [
            ("TRACE", "/", &[host][..], Method),
            ("CONNECT", "/", &[host], Method),
            ("get", "/", &[host], Method),
            ("PURGE", "/", &[host], Method),
            ("GET", "/", &[], Host(HostFault::Missing)),
            ("GET", "/", &[("host", "a, b")], Host(HostFault::Malformed)),
            ("GET", "/", &[host, host], Repeated),
            ("GET", "/", &[host, ("x_user", "admin")], FieldName),
            ("GET", "/", &[host, ("x.user", "admin")], FieldName),
            ("GET", "/", &[host, ("connection", "close, authorization")], Connection),
            ("GET", "/", &[host, ("connection", "x-user")], Connection),
            ("GET", "/", &[host, ("expect", "200-ok")], Expect),
            ("GET", "/", &[host, ("upgrade", "h2c")], Upgrade),
            ("POST", "/", &[host, ("upgrade", "websocket"), ("sec-websocket-key", "x")], Upgrade),
            ("POST", "/", &[host, ("content-length", "4, 4")], ContentLength),
            ("POST", "/", &[host, ("content-length", "+4")], ContentLength),
            ("POST", "/", &[host, ("content-length", "99999999999999999999")], ContentLength),
            ("GET", "/?a b", &[host], Path(PathFault::BadCharacter)),
            ("GET", "/?a#b", &[host], Path(PathFault::BadCharacter)),
            ("GET", "/a/../b", &[host], Path(PathFault::DotSegment)),
        ] {
            let got = judge(method, target, Version::HTTP_11, fields).err();
            assert_eq!(got, Some(Denial::Malformed(want)), "{method} {target} {fields:?}");
        }
        let framed = judge("GET", "/", Version::HTTP_2, &[host, ("transfer-encoding", "chunked")]).err();
        assert_eq!(framed, Some(Denial::Malformed(TransferEncoding)));
    }

    #[test]
    fn absolute_form_is_taken_apart_behind_its_authority() {
        for (target, authority, path) in [
            ("/a?b", None, "/a?b"),
            ("/http://api.test/a", None, "/http://api.test/a"),
            ("http://api.test/a?b", Some("api.test"), "/a?b"),
            ("HTTPS://api.test:80/a", Some("api.test:80"), "/a"),
            ("http://api.test", Some("api.test"), "/"),
            ("http://api.test?b", Some("api.test"), "?b"),
            ("http:///a", Some(""), "/a"),
            ("http://api.test\\@evil/a", Some("api.test\\@evil"), "/a"),
            ("ftp://api.test/a", None, "ftp://api.test/a"),
            ("*", None, "*"),
        ] {
            assert_eq!(split_absolute(target.as_bytes()), (authority, path.as_bytes()), "{target}");
        }
    }

    #[test]
    fn ordinary_heads_take_their_normal_form() {
        let fields = [("host", "API.test:80"), ("connection", "keep-alive, Upgrade"), ("content-length", "12")];
        let got = judge("POST", "/%61?q=/../", Version::HTTP_11, &fields).expect("identified");
        assert_eq!((got.host.as_str(), got.path.as_str(), got.content_length), ("api.test", "/a", Some(12)));
        let handshake = [
            ("host", "a.test"),
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        assert!(judge("GET", "/", Version::HTTP_11, &handshake).expect("identified").websocket);
    }
}
