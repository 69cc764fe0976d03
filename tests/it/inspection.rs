//! Requests that are looked through before anything is sent: bodies arrive as they were whatever their size, and what is found stops them.

use std::io::Write as _;

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::{
    Frame,
    coding::{Data, OpCode},
};

use crate::support::{
    http1,
    raw::{Client, request},
    scene::{Extra, Scene, code},
    streams::Streams,
    upstream::{Then, Upstream},
    websocket,
};

const TEXT: (&str, &str) = ("Content-Type", "text/plain");
const JSON: (&str, &str) = ("Content-Type", "application/json");

/// A rule of the operator's own, so that what is tested here does not hang on the ready-made ones.
const RULES: &str = r#"
[[rule]]
id = "own.marker"
class = "custom"
score = 5
about = "A text that nobody honest sends."
any = ["evil-marker"]
"#;

fn scene_with(upstream: Upstream, inspect: &str, target: &str) -> Scene {
    let scene = Scene::with(upstream, &Extra { target, route: "max_body = \"64MiB\"", ..Extra::default() });
    let site = scene.gateway.site();
    site.write("own.toml", RULES);
    let config = std::fs::read_to_string(site.config_path()).expect("the configuration");
    let config = config.replace("[route.api]", "[route.api]\ninspect = \"own\"");
    scene.gateway.reload(&format!("{config}\n[inspect.own]\nrules = [\"own.toml\"]\n{inspect}\n"));
    scene
}

fn scene(inspect: &str) -> Scene {
    scene_with(Upstream::echo(), inspect, "")
}

fn post(scene: &Scene, fields: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let bearer = scene.bearer();
    request("POST", "/api/x", &[&[("Host", "api.test"), ("Authorization", &*bearer)], fields].concat(), body)
}

fn chunked(plain: &[u8], body: &[u8], size: usize) -> Vec<u8> {
    let end = plain.len() - body.len();
    let head = String::from_utf8(plain[..end].to_vec()).expect("text");
    let head: String =
        head.lines().filter(|line| !line.starts_with("Content-Length")).map(|l| format!("{l}\r\n")).collect();
    let mut bytes = head.replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n").into_bytes();
    for chunk in body.chunks(size) {
        write!(bytes, "{:x}\r\n", chunk.len()).expect("written");
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// Text in which no two places look alike.
fn text(length: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(length + 16);
    let mut n = 0u32;
    while text.len() < length {
        n = n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        write!(text, "{n:x} ").expect("written");
    }
    text.truncate(length);
    text
}

const SIZES: [usize; 8] = [0, 1, 65_535, 65_536, 65_537, 1 << 20, (1 << 20) + 1, 10 << 20];

#[test]
fn bodies_of_all_sizes_arrive_as_they_were_and_the_connection_serves_the_next() {
    let scene = scene("body = \"16MiB\"");
    let mut client = Client::connect(scene.gateway.public());
    for size in SIZES {
        let body = text(size);
        let plain = post(&scene, &[TEXT], &body);
        for bytes in [plain.clone(), chunked(&plain, &body, 10_000)] {
            let answer = client.send(&bytes).response();
            assert_eq!(answer.status(), 200, "{size}: {}", answer.text());
            let seen = scene.upstream.requests().pop().expect("a request");
            assert!(seen.body == body, "{size}: {} bytes came", seen.body.len());
            assert!(!answer.closes(), "{size}: the connection serves the next");
        }
    }
    let expecting = post(&scene, &[TEXT, ("Expect", "100-continue")], &text(100_000));
    let head = expecting.len() - 100_000;
    client.send(&expecting[..head]);
    assert_eq!(client.reader().head().expect("an answer").expect("a head").status(), 100);
    let answer = client.send(&expecting[head..]).response();
    assert_eq!((answer.status(), scene.upstream.requests().pop().expect("one").body.len()), (200, 100_000));
}

/// The status that a body over HTTP/2 is answered with.
fn over_http2(scene: &Scene, body: Vec<u8>) -> u16 {
    let (address, bearer) = (scene.gateway.public(), scene.bearer());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async move {
        let stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
        let (client, connection) = h2::client::handshake(stream).await.expect("a handshake");
        tokio::spawn(connection);
        let asked = http::Request::post("http://api.test/api/x").header("authorization", bearer);
        let asked = asked.header("content-type", "text/plain").body(()).expect("a request");
        let mut client = client.ready().await.expect("ready");
        let (response, mut sending) = client.send_request(asked, body.is_empty()).expect("sent");
        let mut left = bytes::Bytes::from(body);
        while !left.is_empty() {
            sending.reserve_capacity(left.len());
            let room = std::future::poll_fn(|cx| sending.poll_capacity(cx)).await.expect("open").expect("room");
            let part = left.split_to(room.min(left.len()));
            sending.send_data(part, left.is_empty()).expect("sent");
        }
        response.await.expect("a response").status().as_u16()
    })
}

#[test]
fn http_2_on_either_side_makes_no_difference() {
    let sizes = [0, 1, 65_535, 65_536, 65_537, 1 << 20];
    let streams = Streams::echo();
    for target in [None, Some(streams.url())] {
        let scene = scene("");
        if let Some(url) = &target {
            let config = std::fs::read_to_string(scene.gateway.site().config_path()).expect("the configuration");
            let config = config.replace(&scene.upstream.url(), url);
            scene.gateway.reload(&config.replace("[target.api]", "[target.api]\nhttp = \"2\""));
        }
        for size in sizes {
            assert_eq!(over_http2(&scene, text(size)), 200, "{size}");
            let arrived = match &target {
                None => scene.upstream.requests().pop().expect("a request").body,
                Some(_) => streams.received().pop().expect("a request").body,
            };
            assert!(arrived == text(size), "{size}: {} bytes came", arrived.len());
        }
        assert_eq!(over_http2(&scene, b"an evil-marker".to_vec()), 403);
        if target.is_some() {
            let large = text(300_000);
            let answer = scene.gateway.send(&post(&scene, &[TEXT], &large));
            assert_eq!(answer.status(), 200, "{}", answer.text());
            assert!(streams.received().pop().expect("a request").body == large);
        }
    }
}

#[test]
fn what_is_found_stops_a_request_before_the_upstream_hears_of_it() {
    let scene = scene("");
    let mut client = Client::connect(scene.gateway.public());
    let long = [&text(200_000)[..], b" evil-marker"].concat();
    for body in [&b"an EVIL-marker"[..], &long] {
        let plain = post(&scene, &[TEXT], body);
        for bytes in [plain.clone(), chunked(&plain, body, 3)].into_iter().take(if body.len() > 1000 { 1 } else { 2 }) {
            let answer = client.send(&bytes).response();
            assert_eq!((answer.status(), code(&answer)), (403, "inspection".into()));
            assert!(!answer.text().contains("marker"), "the client learns nothing: {}", answer.text());
            assert!(!answer.closes());
            let record = scene.record_of(&answer);
            assert_eq!((&record["outcome"], &record["code"]), (&"denied".into(), &"inspection".into()));
            let found = &record["inspection"];
            assert_eq!(
                (&found["profile"], &found["verdict"], &found["score"]),
                (&"own".into(), &"denied".into(), &5.into())
            );
            assert_eq!(
                (&found["findings"][0]["rule"], &found["findings"][0]["at"]),
                (&"own.marker".into(), &"body".into())
            );
        }
    }
    for (path, fields, at) in [
        ("/api/x?q=evil-marker", vec![], "query.q"),
        ("/api/evil-marker/y", vec![], "path"),
        ("/api/x", vec![("X-Note", "evil-marker")], "header.x-note"),
        ("/api/x", vec![("Cookie", "a=1; b=evil-marker")], "cookie.b"),
    ] {
        let bearer = scene.bearer();
        let fields = [vec![("Host", "api.test"), ("Authorization", &*bearer)], fields].concat();
        let answer = client.send(&request("GET", path, &fields, b"")).response();
        assert_eq!(answer.status(), 403, "{path}");
        let record = scene.record_of(&answer);
        assert!(
            record["inspection"]["findings"][0]["at"].as_str().is_some_and(|found| found.starts_with(at)),
            "{record}"
        );
    }
    scene.nothing_went_upstream();
    assert_eq!(scene.gateway.metric("claviger_inspections_total", &["verdict=\"denied\""]), Some(7.0));
}

#[test]
fn what_cannot_be_read_is_refused() {
    let scene = scene("");
    for (fields, body, want) in [
        (vec![JSON], &b"{\"a\":1} x"[..], (400, "unreadable")),
        (vec![JSON], b"{\"a\":1,\"a\":2}", (400, "unreadable")),
        (vec![JSON, ("Content-Encoding", "gzip")], b"{\"a\":1}", (400, "unreadable")),
        (vec![JSON, ("Content-Encoding", "x-own")], b"{\"a\":1}", (415, "body_unsupported")),
        (vec![("Content-Type", "text/plain; charset=utf-7")], b"+ADw-", (415, "body_unsupported")),
    ] {
        let answer = scene.gateway.send(&post(&scene, &fields, body));
        assert_eq!((answer.status(), &*code(&answer)), want, "{fields:?}");
        assert!(scene.record_of(&answer)["inspection"]["fault"].is_string());
    }
    scene.nothing_went_upstream();
}

#[test]
fn in_shadow_mode_all_goes_on_and_the_record_tells() {
    let scene = scene("mode = \"shadow\"\nbody = \"100KiB\"");
    for body in [&b"an evil-marker"[..], &[&text(300_000)[..], b" evil-marker"].concat()] {
        let plain = post(&scene, &[TEXT], body);
        for bytes in [plain.clone(), chunked(&plain, body, 5000)] {
            let answer = scene.gateway.send(&bytes);
            assert_eq!(answer.status(), 200, "{}", answer.text());
            assert!(scene.upstream.requests().pop().expect("a request").body == body);
            let found = &scene.record_of(&answer)["inspection"];
            assert_eq!((&found["verdict"], &found["findings"][0]["rule"]), (&"shadowed".into(), &"own.marker".into()));
        }
    }
}

#[test]
fn what_is_too_large_to_be_judged_whole_is_refused_or_looked_through_as_it_passes() {
    let strict = scene("body = \"100KiB\"");
    let body = text(200_000);
    let plain = post(&strict, &[TEXT], &body);
    for bytes in [plain.clone(), chunked(&plain, &body, 9000)] {
        let answer = strict.gateway.send(&bytes);
        assert_eq!((answer.status(), code(&answer)), (413, "body_too_large".into()));
    }
    strict.nothing_went_upstream();

    let passing = scene("body = \"100KiB\"\nbeyond = \"stream\"");
    for size in [200_000, 5 << 20] {
        let body = text(size);
        let plain = post(&passing, &[TEXT], &body);
        for bytes in [plain.clone(), chunked(&plain, &body, 9000)] {
            let answer = passing.gateway.send(&bytes);
            assert_eq!(answer.status(), 200, "{}", answer.text());
            assert!(passing.upstream.requests().pop().expect("a request").body == body, "{size}");
        }
    }
    let before = passing.upstream.requests().len();
    for at in [0, 65_536 - 5, 150_000, 400_000 - 11] {
        let mut body = text(400_000);
        body[at..at + 11].copy_from_slice(b"evil-marker");
        let plain = post(&passing, &[TEXT], &body);
        for bytes in [plain.clone(), chunked(&plain, &body, 9000)] {
            let answer = passing.gateway.send(&bytes);
            assert_eq!((answer.status(), code(&answer)), (403, "inspection".into()), "{at}");
            assert_eq!(passing.record_of(&answer)["inspection"]["findings"][0]["rule"], "own.marker");
        }
    }
    let whole = |request: &http1::Message| request.body.len() == 400_000;
    assert!(!passing.upstream.requests()[before..].iter().any(whole), "no body with a finding arrives whole");
    let coded = post(&passing, &[TEXT, ("Content-Encoding", "gzip")], &text(200_000));
    let answer = passing.gateway.send(&coded);
    assert_eq!((answer.status(), code(&answer)), (415, "body_unsupported".into()));
}

#[test]
fn another_backend_and_another_try_get_the_same_body() {
    let dead = crate::support::gateway::free_address();
    let upstream = Upstream::echo();
    let target =
        format!("backends = [{{ address = \"{dead}\" }}, {{ address = \"{}\" }}]\nattempts = 2", upstream.address());
    let scene = scene_with(upstream, "body = \"16MiB\"", &target);
    for size in [10, 100_000, 2 << 20, 100_000, 2 << 20] {
        let body = text(size);
        let answer = scene.gateway.send(&post(&scene, &[TEXT], &body));
        assert_eq!(answer.status(), 200, "{size}: {}", answer.text());
        assert!(scene.upstream.requests().pop().expect("a request").body == body, "{size}");
    }
    // A connection that the upstream closed while nobody used it: a PUT is sent again, from where it is kept.
    let once = Upstream::start(|request, wire| {
        wire.echo(request)?;
        Ok(Then::Close)
    });
    let scene = scene_with(once, "", "");
    for _ in 0..3 {
        let body = text(300_000);
        let answer = scene.gateway.send(&post(&scene, &[TEXT], &body));
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert!(scene.upstream.requests().pop().expect("a request").body == body);
    }
}

#[test]
fn who_is_not_known_or_not_allowed_is_not_listened_to() {
    let scene = scene("");
    let body = b"an evil-marker";
    let nobody = request("POST", "/api/x", &[("Host", "api.test"), TEXT], body);
    assert_eq!(scene.gateway.send(&nobody).status(), 401);
    let bearer = format!("Bearer {}", scene.token_of("eve", &["other"]));
    let fields = [("Host", "api.test"), ("Authorization", &*bearer), TEXT];
    let answer = scene.gateway.send(&request("POST", "/api/x", &fields, body));
    assert_eq!((answer.status(), code(&answer)), (403, "not_allowed".into()));
    assert!(scene.record_of(&answer)["inspection"].is_null());
    scene.nothing_went_upstream();
}

#[test]
fn rules_that_change_are_in_force_at_once_and_wrong_ones_change_nothing() {
    let scene = scene("");
    let evil = || scene.gateway.send(&post(&scene, &[TEXT], b"an evil-marker")).status();
    assert_eq!(evil(), 403);
    let site = scene.gateway.site();
    let config = std::fs::read_to_string(site.config_path()).expect("the configuration");
    scene.gateway.reload(&config.replace("[inspect.own]", "[inspect.own]\ntune = { \"own.marker\" = \"off\" }"));
    assert_eq!(evil(), 200);
    scene.gateway.reload(&config.replace("[inspect.own]", "[inspect.own]\nfields = { \"body:**\" = \"opaque\" }"));
    assert_eq!(evil(), 403, "a rule of one's own is heeded in every field");
    site.write("own.toml", RULES.replace("evil-marker", "other-marker"));
    crate::support::eventually("the new rule is in force", || (evil() == 200).then_some(()));
    site.write("own.toml", RULES.replace("any =", "regex = \"(a|b)*c{1000}{1000}\"\nany ="));
    crate::support::eventually("the wrong one is told", || {
        (scene.gateway.metric("claviger_reloads_total", &["result=\"refused\""])? >= 1.0).then_some(())
    });
    let other = scene.gateway.send(&post(&scene, &[TEXT], b"an other-marker"));
    assert_eq!(other.status(), 403, "what was in force stays");
}

/// A route for WebSockets that is inspected.
fn chat(upstream: Upstream) -> Scene {
    let scene = Scene::with(
        upstream,
        &Extra { route: "websocket = true\ninspect = \"strict\"", tables: "[inspect.strict]", ..Extra::default() },
    );
    let site = scene.gateway.site();
    site.write("own.toml", RULES);
    let config = std::fs::read_to_string(site.config_path()).expect("the configuration");
    scene.gateway.reload(&config.replace("[inspect.strict]", "[inspect.strict]\nrules = [\"own.toml\"]"));
    scene
}

#[test]
fn what_a_client_says_over_a_websocket_is_judged_message_by_message() {
    let scene = chat(Upstream::start(|request, wire| wire.websocket_echo(request)));
    let open = |path: &str| websocket::open(scene.gateway.public(), &format!("ws://api.test{path}"), &scene.bearer());
    for (n, (said, code, reason)) in [
        (Message::text("{\"a\": [\"evil-marker\"]}"), 1008, "inspection"),
        (Message::binary(b"\x01\x02evil-marker, behind bytes".as_slice()), 1008, "inspection"),
        (Message::text("{\"a\": 1, \"a\": 2}"), 1008, "unreadable"),
        (Message::text("x".repeat(300_000)), 1009, "body_too_large"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/api/{n}");
        let mut socket = open(&path);
        for honest in [Message::text("hello"), Message::binary(vec![7; 60_000]), Message::text("{\"a\": 1}")] {
            socket.send(honest.clone()).expect("sent");
            assert_eq!(socket.read().expect("an echo"), honest);
        }
        socket.send(said.clone()).expect("sent");
        let told = socket.read().expect("told why");
        let Message::Close(Some(close)) = told else { panic!("{said}: {told}") };
        assert_eq!((u16::from(close.code), close.reason.as_str()), (code, reason), "{said}");
        let record = scene.gateway.audited("its end", |entry| entry["path"] == path);
        assert_eq!((&record["status"], &record["code"]), (&json!(101), &json!(reason)), "{record}");
        assert_eq!(record["inspection"].is_object(), code == 1008, "{record}");
    }
}

#[test]
fn a_message_that_is_begun_and_never_ended_holds_room_for_no_longer_than_a_body_may_take() {
    let echo = Upstream::start(|request, wire| wire.websocket_echo(request));
    let route = "websocket = true\ninspect = \"strict\"\nbody_timeout = \"1s\"";
    let scene = Scene::with(echo, &Extra { route, tables: "[inspect.strict]", ..Extra::default() });
    let mut socket = websocket::open(scene.gateway.public(), "ws://api.test/api/silent", &scene.bearer());
    // The first frame of a text, and nothing behind it.
    let begun = Frame::message("[", OpCode::Data(Data::Text), false);
    socket.send(Message::Frame(begun)).expect("sent");
    let Message::Close(Some(close)) = socket.read().expect("told why") else { panic!("no close frame") };
    assert_eq!((u16::from(close.code), close.reason.as_str()), (1008, "request_timeout"));
    let record = scene.gateway.audited("its end", |entry| entry["path"] == "/api/silent");
    assert_eq!((&record["status"], &record["code"]), (&json!(101), &json!("request_timeout")), "{record}");
}

#[test]
fn a_websocket_in_an_extension_that_was_not_offered_is_refused() {
    // To the key of RFC 6455 §1.3.
    let answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    let scene = chat(Upstream::start(|_, wire| {
        wire.send(answer)?;
        wire.until_closed()
    }));
    let fields = [
        ("Authorization", &*scene.bearer()),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Extensions", "permessage-deflate"),
    ];
    let mut client = Client::connect(scene.gateway.public());
    client.send(&request("GET", "/api/x", &fields, b""));
    assert_eq!(client.reader().head().expect("an answer").expect("a head").status(), 502);
    assert_eq!(scene.upstream.requests()[0].all("sec-websocket-extensions"), Vec::<&str>::new());
}

#[test]
fn bodies_of_other_types_than_a_profile_names_are_refused() {
    let scene = scene("types = [\"application/json\", \"image/*\"]\nbody = \"1KiB\"\nbeyond = \"stream\"");
    let ask = |kind: Option<&str>, body: &[u8]| {
        let kind: Vec<_> = kind.into_iter().map(|kind| ("Content-Type", kind)).collect();
        scene.gateway.send(&post(&scene, &kind, body)).status()
    };
    for (kind, body, want) in [
        (Some("application/json"), &b"{}"[..], 200),
        (Some("Application/JSON ; charset=utf-8"), b"{}", 200),
        (Some("image/png"), b"\x89PNG\r\n\x1a\n", 200),
        (Some("application/msgpack"), b"\x81\xa4user\x81\xa3$ne\xc0", 415),
        (Some("application/json5"), b"{}", 415),
        (Some("image"), b"x", 400),
        (Some("text/plain"), &[b'x'; 3000], 415),
        (None, b"{}", 415),
        (None, b"", 200),
    ] {
        assert_eq!(ask(kind, body), want, "{kind:?}");
    }
    scene.gateway.audited("why", |entry| entry["inspection"]["fault"] == "structure.unknown-type at body");
    // Where that alone stops nothing, bodies are looked through as ever.
    let config = std::fs::read_to_string(scene.gateway.site().config_path()).expect("the configuration");
    scene.gateway.reload(&config.replace(
        "types = [",
        "tune = { \"structure.unknown-type\" = \"shadow\", \"structure.duplicate-key\" = \"off\" }\ntypes = [",
    ));
    assert_eq!(ask(Some("text/plain"), b"hello"), 200);
    assert_eq!(ask(Some("text/plain"), b"an evil-marker"), 403);
    assert_eq!(ask(Some("application/json"), br#"{"a":1,"a":2}"#), 200);
    assert_eq!(
        ask(Some("application/json"), br#"{"a":1,"a":2,"q":"evil-marker"}"#),
        403,
        "behind what ends its reading"
    );
}
