//! One table: every spelling that a smuggler, a careless client or an old proxy has tried.

use super::*;

const HOST: HttpFault = HttpFault::Host(HostFault::Missing);

/// `fields` after a sound request line and Host.
fn with(fields: &str) -> String {
    format!("GET /a HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

#[test]
fn sound_heads_pass() {
    for head in [
        with(""),
        with("Content-Length: 0\r\n"),
        with("content-length:\t12 \r\n"),
        with("Content-Length: 999999999999999999\r\n"),
        with("Transfer-Encoding: chunked\r\n"),
        with("TRANSFER-ENCODING:Chunked\t\r\n"),
        with("Accept:\r\nX-Empty: \r\n"),
        with("X-Tab: a\tb\r\n"),
        with("X-Bytes: caf\u{e9}\r\n"),
        with("x!#$%&'*+-.^_`|~: token\r\n"),
        with("Hosts: b\r\nX-Host: c\r\n"),
        with("A: b\r\n: c\r\n").replace(": c\r\n", "D: :c:\r\n"),
        "GET / HTTP/1.0\r\n\r\n".into(),
        "GET / HTTP/1.0\r\nHost: a\r\nContent-Length: 1\r\n\r\n".into(),
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".into(),
        "GET http://a/b?c=%23&d={e}|f HTTP/1.1\r\nHost: a\r\n\r\n".into(),
        "M-SEARCH /~a;b=c HTTP/1.1\r\nhOsT: \r\n\r\n".into(),
    ] {
        assert_eq!(check(head.as_bytes()), Ok(()), "{head:?}");
    }
}

#[test]
fn request_lines_have_one_form() {
    for (line, want) in [
        ("", HttpFault::RequestLine),
        ("GET", HttpFault::RequestLine),
        ("GET /", HttpFault::RequestLine),
        ("GET / ", HttpFault::RequestLine),
        ("GET  / HTTP/1.1", HttpFault::RequestLine),
        ("GET /  HTTP/1.1", HttpFault::RequestLine),
        (" GET / HTTP/1.1", HttpFault::RequestLine),
        ("GET / HTTP/1.1 ", HttpFault::RequestLine),
        ("GET\t/\tHTTP/1.1", HttpFault::RequestLine),
        ("GET /a b HTTP/1.1", HttpFault::RequestLine),
        ("GET /a\tb HTTP/1.1", HttpFault::RequestLine),
        ("GET /a#b HTTP/1.1", HttpFault::RequestLine),
        ("GET /\"a\" HTTP/1.1", HttpFault::RequestLine),
        ("GET /<a> HTTP/1.1", HttpFault::RequestLine),
        ("GET /\u{0} HTTP/1.1", HttpFault::RequestLine),
        ("GET /\u{7f} HTTP/1.1", HttpFault::RequestLine),
        ("GET /\u{e9} HTTP/1.1", HttpFault::RequestLine),
        ("GET / http/1.1", HttpFault::RequestLine),
        ("GET / HTTP/1.2", HttpFault::RequestLine),
        ("GET / HTTP/1.10", HttpFault::RequestLine),
        ("GET / HTTP/2.0", HttpFault::RequestLine),
        ("GET / HTTP/0.9", HttpFault::RequestLine),
        ("G@T / HTTP/1.1", HttpFault::RequestLine),
        ("G\u{e9}T / HTTP/1.1", HttpFault::RequestLine),
        ("GET /\ra HTTP/1.1", HttpFault::LineEnd),
        ("GET / HTTP/1.1\r", HttpFault::LineEnd),
        ("\rGET / HTTP/1.1", HttpFault::LineEnd),
        ("\r\nGET / HTTP/1.1", HttpFault::RequestLine),
        ("PRI * HTTP/2.0", HttpFault::RequestLine),
        ("PROXY TCP4 10.0.0.1 10.0.0.2 1 2", HttpFault::RequestLine),
    ] {
        let head = format!("{line}\r\nHost: a\r\n\r\n");
        assert_eq!(check(head.as_bytes()), Err(want), "{head:?}");
    }
}

#[test]
fn fields_have_one_reading() {
    for (fields, want) in [
        ("X : a\r\n", HttpFault::Field),
        ("X\t: a\r\n", HttpFault::Field),
        ("Content-Length : 5\r\n", HttpFault::Field),
        ("Transfer-Encoding : chunked\r\n", HttpFault::Field),
        (" X: a\r\n", HttpFault::Field),
        ("X: a\r\n folded\r\n", HttpFault::Field),
        ("X: a\r\n\tfolded: b\r\n", HttpFault::Field),
        (": a\r\n", HttpFault::Field),
        ("nothing\r\n", HttpFault::Field),
        ("X[0]: a\r\n", HttpFault::Field),
        ("X\u{0}: a\r\n", HttpFault::Field),
        ("X\u{e9}: a\r\n", HttpFault::Field),
        ("X: a\u{0}b\r\n", HttpFault::Field),
        ("X: a\u{b}b\r\n", HttpFault::Field),
        ("X: a\u{7f}b\r\n", HttpFault::Field),
        ("X: a\rb\r\n", HttpFault::LineEnd),
        ("X: a\r\r\n", HttpFault::LineEnd),
        ("X\r: a\r\n", HttpFault::LineEnd),
        ("X: a\n", HttpFault::LineEnd),
        ("X: a\nContent-Length: 5\r\n", HttpFault::LineEnd),
        ("\rTransfer-Encoding: chunked\r\n", HttpFault::LineEnd),
        ("Host: a\r\n", HttpFault::Repeated),
        ("HOST: b\r\n", HttpFault::Repeated),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", HttpFault::Repeated),
        ("Content-Length: 5\r\ncontent-length: 6\r\n", HttpFault::Repeated),
        ("Content-Length:\r\n", HttpFault::ContentLength),
        ("Content-Length: +5\r\n", HttpFault::ContentLength),
        ("Content-Length: -1\r\n", HttpFault::ContentLength),
        ("Content-Length: 0x5\r\n", HttpFault::ContentLength),
        ("Content-Length: 5, 5\r\n", HttpFault::ContentLength),
        ("Content-Length: 5 5\r\n", HttpFault::ContentLength),
        ("Content-Length: 5.0\r\n", HttpFault::ContentLength),
        ("Content-Length: 1e3\r\n", HttpFault::ContentLength),
        ("Content-Length: 18446744073709551617\r\n", HttpFault::ContentLength),
        ("Content-Length: \u{665}\r\n", HttpFault::ContentLength),
        ("Transfer-Encoding:\r\n", HttpFault::TransferEncoding),
        ("Transfer-Encoding: gzip, chunked\r\n", HttpFault::TransferEncoding),
        ("Transfer-Encoding: chunked, chunked\r\n", HttpFault::TransferEncoding),
        ("Transfer-Encoding: chunked,\r\n", HttpFault::TransferEncoding),
        ("Transfer-Encoding: chunked;q=1\r\n", HttpFault::TransferEncoding),
        ("Transfer-Encoding: xchunked\r\n", HttpFault::TransferEncoding),
        ("Transfer-Encoding: \"chunked\"\r\n", HttpFault::TransferEncoding),
        ("Transfer-Encoding: identity\r\n", HttpFault::TransferEncoding),
        ("Transfer-Encoding: chunke\u{212a}\r\n", HttpFault::TransferEncoding),
        ("Transfer-Encoding: \u{b}chunked\r\n", HttpFault::Field),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", HttpFault::Repeated),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", HttpFault::Repeated),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", HttpFault::ContentLength),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", HttpFault::ContentLength),
    ] {
        let head = with(fields);
        assert_eq!(check(head.as_bytes()), Err(want), "{head:?}");
    }
}

#[test]
fn heads_as_a_whole_have_one_reading() {
    for (head, want) in [
        ("", HttpFault::LineEnd),
        ("\r\n", HttpFault::RequestLine),
        ("\n", HttpFault::LineEnd),
        ("GET / HTTP/1.1\r\n\r\n", HOST),
        ("GET / HTTP/1.1\r\nHost: a\r\n", HttpFault::LineEnd),
        ("GET / HTTP/1.1\r\nHost: a\r\n\n", HttpFault::LineEnd),
        ("GET / HTTP/1.1\r\nHost: a\n\n", HttpFault::LineEnd),
        ("GET / HTTP/1.1\nHost: a\r\n\r\n", HttpFault::LineEnd),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\nmore", HttpFault::LineEnd),
        ("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", HttpFault::TransferEncoding),
        ("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", HttpFault::Repeated),
    ] {
        assert_eq!(check(head.as_bytes()), Err(want), "{head:?}");
    }
}

#[test]
fn the_end_is_the_first_blank_line_however_it_is_spelled() {
    for (bytes, want) in [
        ("GET / HTTP/1.1\r\n\r\nbody\r\n\r\n", Some(18)),
        ("GET / HTTP/1.1\n\nbody", Some(16)),
        ("GET / HTTP/1.1\r\n\nbody", Some(17)),
        ("GET / HTTP/1.1\n\r\nbody", Some(17)),
        ("GET / HTTP/1.1\r\r\n\r", None),
        ("GET / HTTP/1.1\r\nHost: a\r\n", None),
        ("\r\nGET", Some(2)),
        ("\nGET", Some(1)),
        ("", None),
    ] {
        assert_eq!(end(bytes.as_bytes(), 0), want, "{bytes:?}");
    }
}
