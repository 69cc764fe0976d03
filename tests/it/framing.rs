//! Where a request and a response end is never a guess: smuggling, pipelining, splitting, and answers for somebody else.

use std::sync::atomic::Ordering;

use crate::support::{
    frames::{self, Ending},
    raw::{Client, lossy, request},
    scene::{
        Extra, SECRET, Scene,
        Want::{self, Refused},
        check_or_bare, code,
    },
    upstream::{Then, Upstream},
};

const BAD: Want = Refused(400, "malformed_request", "");

/// Fields that tell in two ways, or in no known way, where the body ends. Each head is followed by a body that is a request of its own.
const FRAMINGS: [&str; 55] = [
    "Content-Length: 5\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 5",
    "Content-Length: 0\r\nTransfer-Encoding: chunked",
    "Content-Length: 5\r\nTransfer-Encoding: identity",
    "Content-Length: 5\r\ntransfer-encoding:chunked",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: identity, chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: chunked,",
    "Transfer-Encoding: ,chunked",
    "Transfer-Encoding: chunked;q=1",
    "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding: 'chunked'",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: cow\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding\t: chunked",
    " Transfer-Encoding: chunked",
    "Transfer-Encoding:\x0bchunked",
    "Transfer-Encoding:\x0cchunked",
    "Transfer-Encoding: chunked\x0b",
    "Transfer-Encoding: chunked\0",
    "Transfer-Encoding: \r\n chunked",
    "X: y\r\n\tTransfer-Encoding: chunked",
    "X: y\nTransfer-Encoding: chunked",
    "X: y\rTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\nContent-Length: 5",
    "Transfer_Encoding: chunked\r\nContent-Length: 5",
    "Transfer-Encoding: chun\u{212a}ed",
    "Transfer-Encoding: chunke",
    "Transfer-Encoding:",
    "Transfer-Encoding: identity",
    "Content-Length: 5\r\nContent-Length: 5",
    "Content-Length: 5\r\nContent-Length: 6",
    "Content-Length: 5, 5",
    "Content-Length: 5,6",
    "Content-Length: +5",
    "Content-Length: -5",
    "Content-Length: 0x5",
    "Content-Length: 5.0",
    "Content-Length: 5e0",
    "Content-Length: 5 5",
    "Content-Length: \"5\"",
    "Content-Length:",
    "Content-Length: \x0b5",
    "Content-Length: 5;x",
    "Content-Length: 99999999999999999999",
    "Content-Length: 18446744073709551621",
    "Content-Length : 5",
    "Content_Length: 5\r\nContent-Length: 0",
    "Content-Length: \u{0665}",
];

/// Heads that are wrong as a whole; `{auth}` is the line of a good credential.
const HEADS: [&str; 14] = [
    "POST /api/x HTTP/1.0\r\nHost: api.test\r\n{auth}Transfer-Encoding: chunked\r\n\r\n",
    "POST /api/x HTTP/1.2\r\nHost: api.test\r\n{auth}\r\n",
    "POST /api/x HTTP/2.0\r\nHost: api.test\r\n{auth}\r\n",
    "POST /api/x HTTP/1.1x\r\nHost: api.test\r\n{auth}\r\n",
    "POST /api/x http/1.1\r\nHost: api.test\r\n{auth}\r\n",
    "POST  /api/x HTTP/1.1\r\nHost: api.test\r\n{auth}\r\n",
    "POST /api/x  HTTP/1.1\r\nHost: api.test\r\n{auth}\r\n",
    "POST\t/api/x HTTP/1.1\r\nHost: api.test\r\n{auth}\r\n",
    "POST /api/x HTTP/1.1\nHost: api.test\n{auth}\n",
    "POST /api/x HTTP/1.1\r\nHost: api.test\r\n{auth}\n",
    "POST /api/x HTTP/1.1\r\nHost: api.test\n{auth}\r\n",
    "POST /api/x HTTP/1.1 \r\nHost: api.test\r\n{auth}\r\n",
    "\r\nPOST /api/x HTTP/1.1\r\nHost: api.test\r\n{auth}\r\n",
    "POST /api/x\r\nHost: api.test\r\n{auth}\r\n\r\n",
];

/// Chunked bodies that two parsers may read differently.
const CHUNKS: [&str; 24] = [
    "0x5\r\nhello\r\n0\r\n\r\n",
    "+5\r\nhello\r\n0\r\n\r\n",
    "-5\r\nhello\r\n0\r\n\r\n",
    " 5\r\nhello\r\n0\r\n\r\n",
    "5_0\r\nhello\r\n0\r\n\r\n",
    "5g\r\nhello\r\n0\r\n\r\n",
    "\r\nhello\r\n0\r\n\r\n",
    ";x\r\nhello\r\n0\r\n\r\n",
    "5\nhello\r\n0\r\n\r\n",
    "5\rhello\r\n0\r\n\r\n",
    "5\r\nhello\n0\r\n\r\n",
    "5\r\nhello0\r\n\r\n",
    "5\r\nhelloXX0\r\n\r\n",
    "5\r\nhello\r\r\n0\r\n\r\n",
    "5;a\nb\r\nhello\r\n0\r\n\r\n",
    "5;a=\"\n\"\r\nhello\r\n0\r\n\r\n",
    "10000000000000005\r\nhello\r\n0\r\n\r\n",
    "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello\r\n0\n\r\n",
    "5\r\nhello\r\n00x\r\n\r\n",
    "5\r\nhello\r\nGET /api/smuggled HTTP/1.1\r\n\r\n",
    "5 5\r\nhello\r\n0\r\n\r\n",
    "\u{0665}\r\nhello\r\n0\r\n\r\n",
];

fn smuggled(bearer: &str) -> String {
    format!("GET /api/smuggled HTTP/1.1\r\nHost: api.test\r\nAuthorization: {bearer}\r\n\r\n")
}

#[test]
fn no_spelling_of_a_length_smuggles_a_request() {
    let scene = Scene::new(&Extra::default());
    let bearer = scene.bearer();
    let body = format!("0\r\n\r\n{}", smuggled(&bearer));
    for fields in FRAMINGS {
        let head =
            format!("POST /api/x HTTP/1.1\r\nHost: api.test\r\nAuthorization: {bearer}\r\n{fields}\r\n\r\n{body}");
        check_or_bare(&scene, head.as_bytes(), BAD);
        closes(&scene, head.as_bytes());
    }
    for head in HEADS {
        let head = head.replace("{auth}", &format!("Authorization: {bearer}\r\n"));
        check_or_bare(&scene, head.as_bytes(), BAD);
        closes(&scene, [head.as_str(), &smuggled(&bearer)].concat().as_bytes());
    }
    scene.nothing_went_upstream();
}

#[test]
fn no_spelling_of_a_chunk_ends_a_body_elsewhere() {
    let scene = Scene::new(&Extra::default());
    let bearer = scene.bearer();
    for (nth, chunks) in CHUNKS.iter().enumerate() {
        let head = format!(
            "POST /api/{nth} HTTP/1.1\r\nHost: api.test\r\nAuthorization: {bearer}\r\nTransfer-Encoding: chunked\r\n\r\n\
             {chunks}{}",
            smuggled(&bearer)
        );
        // In one piece, and with the body behind the head.
        let (first, rest) = head.split_once("\r\n\r\n").expect("a head");
        for pieces in [vec![head.clone()], vec![format!("{first}\r\n\r\n"), rest.to_owned()]] {
            let mut client = Client::connect(scene.gateway.public());
            for piece in pieces {
                client.send(piece.as_bytes());
            }
            let all = String::from_utf8_lossy(&client.finish().rest()).into_owned();
            assert!(!all.contains("HTTP/1.1 2"), "{chunks:?}: {all}");
            assert!(!all.contains(SECRET), "{chunks:?}");
        }
        // One that came with its head is refused before its path is looked at.
        let path = format!("/api/{nth}");
        let is_its = |entry: &serde_json::Value| entry["path"] == path.as_str() || entry["code"] == "malformed_request";
        let record = scene.gateway.audited(&format!("the record of {chunks:?}"), is_its);
        assert_ne!(record["outcome"], "completed", "{chunks:?}: {record}");
    }
    assert!(scene.gateway.audit().iter().all(|entry| entry["outcome"] != "completed"));
    let whole: Vec<String> = scene.upstream.requests().iter().map(|request| request.path().to_owned()).collect();
    assert_eq!(whole, [""; 0], "no body of these came to an end upstream");
    assert_eq!(scene.get("/api/after").status(), 200);
}

#[test]
fn bodies_are_framed_anew() {
    let scene = Scene::new(&Extra::default());
    let bearer = scene.bearer();
    for (fields, body, want) in [
        ("Content-Length: 5", "hello", "hello"),
        ("content-length:005", "hello", "hello"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("Transfer-Encoding: Chunked", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "hello"),
        ("transfer-encoding:\tchunked \t", "05;x=y\r\nhello\r\n000\r\n\r\n", "hello"),
        ("Transfer-Encoding: chunked", "A\r\n0123456789\r\n0\r\nX-Trailer: 1\r\n\r\n", "0123456789"),
        ("X-None: 1", "", ""),
    ] {
        let head =
            format!("POST /api/x HTTP/1.1\r\nHost: api.test\r\nAuthorization: {bearer}\r\n{fields}\r\n\r\n{body}");
        let response = scene.gateway.send(head.as_bytes());
        assert_eq!((response.status(), response.json()["body"].as_str()), (200, Some(want)), "{fields}");
    }
    for sent in scene.upstream.requests() {
        let framed = sent.all("content-length").len() + sent.all("transfer-encoding").len();
        assert!(framed <= 1 && sent.trailers.is_empty(), "{}", lossy(&sent.head));
        assert!(
            sent.header("content-length").is_none_or(|length| length == "5" || length == "0"),
            "{}",
            lossy(&sent.head)
        );
    }
}

#[test]
fn what_is_sent_ahead_of_an_answer_is_never_served() {
    let scene = Scene::new(&Extra::default());
    let bearer = scene.bearer();
    let first = request("GET", "/api/first", &[("Authorization", &bearer)], b"");
    let mut client = Client::connect(scene.gateway.public());
    client.send(&[&first, smuggled(&bearer).as_bytes()].concat());
    assert_eq!(client.response().json()["path"], "/first");
    assert_eq!(lossy(&client.rest()), lossy(b""), "the connection is closed, the second request is dropped");
    let paths: Vec<String> = scene.upstream.requests().iter().map(|request| request.path().to_owned()).collect();
    assert_eq!(paths, ["/first"]);
}

#[test]
fn the_body_of_a_refused_request_is_never_read_as_the_next_one() {
    let scene = Scene::new(&Extra::default());
    let bearer = scene.bearer();
    let inner = smuggled(&bearer);
    for (path, auth, extra) in [
        ("/nowhere", bearer.as_str(), ""),
        ("/api/x", "Bearer wrong", ""),
        ("/api/admin/x", bearer.as_str(), ""),
        ("/api/x", "Bearer wrong", "Expect: 100-continue\r\n"),
    ] {
        let method = if path == "/api/admin/x" { "DELETE" } else { "POST" };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: api.test\r\nAuthorization: {auth}\r\n{extra}Content-Length: {}\r\n\r\n{inner}",
            inner.len()
        );
        let mut client = Client::connect(scene.gateway.public());
        let response = client.send(head.as_bytes()).response();
        assert!(matches!(response.status(), 401 | 403 | 404), "{path}: {}", response.start);
        let next = request("GET", "/api/next", &[("Authorization", "Bearer none"), ("Connection", "close")], b"");
        client.send(&next);
        let rest = String::from_utf8_lossy(&client.rest()).into_owned();
        assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 401"), "{path}: {rest}");
        assert!(!rest.contains("smuggled"), "{path}");
    }
    scene.nothing_went_upstream();
}

#[test]
fn a_length_that_frames_contradict_is_refused_over_http2() {
    let scene = Scene::new(&Extra::default());
    let bearer = scene.bearer();
    let rows: [(&[u8], &[u8]); 5] =
        [(b"5", b"hello!"), (b"9", b"hello"), (b"+5", b"hello"), (b"5, 5", b"hello"), (b"x", b"hello")];
    for (length, body) in rows {
        let fields: [(&str, &[u8]); 6] = [
            (":method", b"POST"),
            (":scheme", b"http"),
            (":authority", b"api.test"),
            (":path", b"/api/x"),
            ("authorization", bearer.as_bytes()),
            ("content-length", length),
        ];
        let ending = frames::ask(&mut Client::connect(scene.gateway.public()), &fields, body);
        assert!(!matches!(ending, Ending::Response { status: 200, .. }), "{}: {ending:?}", lossy(length));
    }
    assert_eq!(scene.upstream.requests().len(), 0, "none of these came to an end upstream");
}

#[test]
fn answers_that_can_be_read_in_two_ways_are_not_passed_on() {
    const ANSWERS: [&str; 16] = [
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nEVIL",
        "HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nEVIL!",
        "HTTP/1.1 200 OK\r\nContent-Length: 4, 5\r\n\r\nEVIL!",
        "HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\nEVIL",
        "HTTP/1.1 200 OK\r\nContent-Length: +4\r\n\r\nEVIL",
        "HTTP/1.1 200 OK\r\nContent-Length: 4x\r\n\r\nEVIL",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 4\r\n\r\nEVIL",
        "HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: x=y\r\nContent-Length: 4\r\n\r\nEVIL",
        "HTTP/1.1 200 OK\r\nX(: y\r\nContent-Length: 4\r\n\r\nEVIL",
        "HTTP/2.0 200 OK\r\nContent-Length: 4\r\n\r\nEVIL",
        "HTTP/1.1 20 OK\r\nContent-Length: 4\r\n\r\nEVIL",
        "HTTP/1.1 999999 OK\r\nContent-Length: 4\r\n\r\nEVIL",
        "ICY 200 OK\r\nContent-Length: 4\r\n\r\nEVIL",
        "EVIL\r\n\r\n",
        "\0\0\0\0EVIL\r\n\r\n",
    ];
    let upstream = Upstream::start(|request, wire| {
        let nth: usize = request.path().trim_start_matches('/').parse().expect("a number");
        wire.send(ANSWERS[nth].as_bytes())?;
        Ok(Then::Close)
    });
    let scene = Scene::with(upstream, &Extra::default());
    for (nth, answer) in ANSWERS.iter().enumerate() {
        let response = scene.get(&format!("/api/{nth}"));
        assert_eq!((response.status(), code(&response).as_str()), (502, "upstream_invalid"), "{answer:?}");
        assert!(!response.text().contains("EVIL"), "{answer:?}");
        let record = scene.record_of(&response);
        assert_eq!((&record["outcome"], &record["code"]), (&"failed".into(), &"upstream_invalid".into()), "{answer:?}");
    }
}

#[test]
fn extra_bytes_of_an_answer_reach_nobody() {
    let evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL";
    let upstream = Upstream::start(move |request, wire| {
        let more = match request.path() {
            "/length" => format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok{evil}"),
            "/chunked" => format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n{evil}"),
            "/empty" => format!("HTTP/1.1 204 No Content\r\n\r\n{evil}"),
            "/unchanged" => format!("HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n{evil}"),
            "/head" => format!("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{evil}"),
            _ => return wire.respond(200, &[], request.path().as_bytes()),
        };
        wire.send(more.as_bytes())?;
        Ok(Then::KeepAlive)
    });
    let scene = Scene::with(upstream, &Extra::default());
    let bearer = scene.bearer();
    for path in ["length", "chunked", "empty", "unchanged", "head"] {
        let method = if path == "head" { "HEAD" } else { "GET" };
        let mut first = Client::connect(scene.gateway.public());
        let target = format!("/api/{path}");
        let fields = [("Authorization", bearer.as_str()), ("Connection", "close")];
        first.send(&request(method, &target, &fields, b""));
        let all = String::from_utf8_lossy(&first.rest()).into_owned();
        assert!(all.starts_with("HTTP/1.1 ") && !all.contains("EVIL"), "{path}: {all}");
        for nth in 0..4 {
            let other = format!("/api/other-{nth}");
            assert_eq!(scene.get(&other).text(), &other[4..], "after {path}");
        }
    }
}

#[test]
fn a_response_cannot_be_split_by_what_a_client_sends() {
    let upstream = Upstream::start(|request, wire| {
        let location = format!("/moved{}", request.path());
        wire.respond(302, &[("Location", &location)], b"")
    });
    let scene = Scene::with(upstream, &Extra::default());
    for target in ["/api/x?a=%0d%0aSet-Cookie:%20x=y", "/api/x?%0aHTTP/1.1%20200%20OK"] {
        let response = scene.get(target);
        assert_eq!((response.status(), response.header("set-cookie")), (302, None), "{target}");
        assert_eq!(response.all("location").len(), 1);
    }
    for target in [&b"/api/x?a=\r\nSet-Cookie: x=y"[..], b"/api/x?a=\nx", b"/api/x?a=\rx"] {
        let fields = format!(" HTTP/1.1\r\nHost: api.test\r\nAuthorization: {}\r\n\r\n", scene.bearer());
        let head = [b"GET ", target, fields.as_bytes()].concat();
        check_or_bare(&scene, &head, BAD);
    }
}

#[test]
fn a_request_carries_its_own_credential_and_no_other() {
    let scene = Scene::new(&Extra {
        tables: r#"
[credential.other.header]
target = "api"
name = "x-key"
secret = "dir:other-key"
[route.other]
path = "/other/**"
target = "api"
credential = "other"
authn = ["corp"]
allow = [{ role = "reader" }]
"#,
        ..Extra::default()
    });
    let bearer = scene.bearer();
    assert_eq!(scene.gateway.get("/other/x", &[("Authorization", &bearer)]).status(), 200);
    assert_eq!(scene.get("/api/x").status(), 200);
    for sent in scene.upstream.requests() {
        let (own, others) = (sent.header("authorization"), sent.header("x-key"));
        assert!(own.is_some() != others.is_some(), "exactly its own credential: {}", lossy(&sent.head));
    }
}

/// Sends these bytes and asserts that the connection ends after one answer at most.
fn closes(scene: &Scene, bytes: &[u8]) {
    let mut client = Client::connect(scene.gateway.public());
    let all = String::from_utf8_lossy(&client.send(bytes).rest()).into_owned();
    assert!(all.matches("HTTP/1.1 ").count() <= 1, "{}: {all}", lossy(bytes));
    if all.starts_with("HTTP/1.1 400") && !all.contains("x-request-id") {
        scene.bare.fetch_add(1, Ordering::Relaxed);
    }
}
