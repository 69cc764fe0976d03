//! What is told before an answer (RFC 9110 §15.2), whatever each side speaks: it is passed on or told here, and is never taken for the answer.

use serde_json::json;

use crate::support::{
    frames::{self, Ending},
    http1::Message,
    raw::{Client, request},
    scene::{Extra, Scene, code},
    streams::Streams,
    upstream::{Then, Upstream, Wire},
};

/// Tells something in between, and then does what the path says.
fn tell(request: &Message, wire: &mut Wire<'_>) -> std::io::Result<Then> {
    wire.send(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")?;
    match request.path() {
        "/dies" => Ok(Then::Close),
        "/nonsense" => {
            wire.send(b"nonsense\r\n\r\n")?;
            Ok(Then::Close)
        }
        "/old" => {
            wire.send(b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n")?;
            Ok(Then::Close)
        }
        _ => wire.respond(200, &[], b"fine"),
    }
}

fn ask(scene: &Scene, head: &str) -> Client {
    let mut client = Client::connect(scene.gateway.public());
    let (line, fields) = head.split_once('\n').unwrap_or((head, ""));
    client.send(format!("{line}\r\nHost: api.test\r\nAuthorization: {}\r\n{fields}\r\n", scene.bearer()).as_bytes());
    client
}

#[test]
fn a_failure_after_it_is_answered_and_recorded() {
    let scene = Scene::with(Upstream::start(tell), &Extra::default());
    for (path, want) in [("/dies", "upstream_unreachable"), ("/nonsense", "upstream_invalid")] {
        let mut client = ask(&scene, &format!("POST /api{path} HTTP/1.1\nContent-Length: 0\r\n"));
        let hints = client.reader().head().expect("read").expect("what is told in between");
        assert_eq!((hints.status(), hints.header("link")), (103, Some("</style.css>; rel=preload")), "{path}");
        let answer = client.try_response().expect("read").expect("an answer");
        assert_eq!((answer.status(), code(&answer).as_str()), (502, want), "{path}");
        let record = scene.record_of(&answer);
        assert_eq!((&record["status"], &record["code"]), (&json!(502), &json!(want)), "{record}");
    }
}

#[test]
fn a_client_of_http10_is_told_nothing_in_between_and_versions_are_each_sides_own() {
    let scene = Scene::with(Upstream::start(tell), &Extra::default());
    let answer = ask(&scene, "GET /api/x HTTP/1.0").reader().head().expect("read").expect("an answer");
    assert_eq!(answer.status(), 200, "the first that comes is the answer");
    let inspected = Extra { route: "inspect = \"strict\"", tables: "[inspect.strict]\n", ..Extra::default() };
    let held = Scene::with(Upstream::start(tell), &inspected);
    let body = "x".repeat(100_000);
    let mut client = ask(&held, "POST /api/x HTTP/1.0\nContent-Type: text/plain\r\nContent-Length: 100000\r\n");
    let answer = client.send(body.as_bytes()).reader().head().expect("read").expect("an answer");
    assert_eq!(answer.status(), 200, "also where the body was read first");
    let mut client = ask(&scene, "GET /api/old HTTP/1.1");
    assert_eq!(client.reader().head().expect("read").expect("hints").status(), 103);
    let answer = client.response();
    assert!(answer.head.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer.head));
    assert_eq!(answer.text(), "fine");
}

#[test]
fn who_waits_to_send_a_body_to_a_target_of_http2_is_told_to() {
    let streams = Streams::echo();
    let scene = streams.scene("", "");
    let mut client = ask(&scene, "POST /modern/x HTTP/1.1\nContent-Length: 5\r\nExpect: 100-continue\r\n");
    assert_eq!(client.reader().head().expect("read").expect("to go on").status(), 100);
    assert_eq!(client.send(b"hello").response().text(), "hello");
    assert!(!streams.received()[0].headers.contains_key("expect"), "nobody waits any more");
    // Who waits for nothing is told nothing.
    let head = [("Host", "api.test"), ("Authorization", &*scene.bearer())];
    let answer = scene.gateway.send(&request("POST", "/modern/x", &head, b"hello"));
    assert_eq!((answer.status(), answer.text().as_str()), (200, "hello"));
}

#[test]
fn cookies_that_http2_splits_come_to_a_target_of_http1_as_one() {
    let scene = Scene::new(&Extra { listen: "http2 = true", ..Extra::default() });
    let bearer = scene.bearer();
    let fields: [(&str, &[u8]); 7] = [
        (":method", b"GET"),
        (":scheme", b"http"),
        (":authority", b"api.test"),
        (":path", b"/api/x"),
        ("authorization", bearer.as_bytes()),
        ("cookie", b"a=1"),
        ("cookie", b"b=2; c=3"),
    ];
    let ending = frames::ask(&mut Client::connect(scene.gateway.public()), &fields, b"");
    assert!(matches!(ending, Ending::Response { status: 200, .. }), "{ending:?}");
    assert_eq!(scene.upstream.requests()[0].all("cookie"), ["a=1; b=2; c=3"]);
}
