//! What must not leave does not, however an upstream sends it; and what may is as it was sent.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message as Frame;

use crate::support::{
    eventually,
    http1::Message,
    raw::{Client, request},
    scene::{Extra, Scene, code},
    streams::Streams,
    upstream::{Then, Upstream, Wire},
    websocket,
};

/// 30 characters and their checksum, behind the beginning of GitHub's tokens.
const TOKEN: &str = "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";
const CARD: &str = "4111 1111 1111 1111";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\\n-----END PRIVATE KEY-----\\n";
const TRACE: &str = "<h1>500</h1><pre>java.lang.NullPointerException\n\tat com.acme.Orders.find(Orders.java:42)</pre>";

const TABLES: &str = r#"
[leak.plain]
[route.plain]
path = "/plain/**"
target = "api"
authn = ["corp"]
leak = "plain"
websocket = true
allow = [{ role = "reader" }]
[leak.counting]
token = "count"
card = "off"
error_details = "off"
content_type = "off"
[route.counting]
path = "/counting/**"
target = "api"
credential = "api"
authn = ["corp"]
leak = "counting"
allow = [{ role = "reader" }]
[leak.blocking]
token = "block"
emails = "block"
emails_max = 2
error_details = "mask"
content_type = "refuse"
[route.blocking]
path = "/blocking/**"
target = "api"
credential = "api"
authn = ["corp"]
leak = "blocking"
allow = [{ role = "reader" }]
[leak.pages]
error_details = "mask-html"
[route.pages]
path = "/pages/**"
target = "api"
authn = ["corp"]
leak = "pages"
allow = [{ role = "reader" }]
"#;

fn scene() -> Scene {
    Scene::with(Upstream::start(answer), &Extra { tables: TABLES, ..Extra::default() })
}

fn document() -> String {
    format!("{{\"before\": 1, \"token\": \"{TOKEN}\", \"card\": \"{CARD}\", \"key\": \"{KEY}\", \"after\": 2}}")
}

/// What a client is to have of it.
fn masked() -> String {
    let stars = |text: &str| "*".repeat(text.len());
    let inside = KEY.split("\\n").nth(1).expect("a line");
    document().replace(TOKEN, &stars(TOKEN)).replace(CARD, &stars(CARD)).replace(inside, &stars(inside))
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

fn answer(request: &Message, wire: &mut Wire<'_>) -> io::Result<Then> {
    let document = document();
    let json = [("Content-Type", "application/json")];
    let words: Vec<&str> = request.path().split('/').filter(|word| !word.is_empty()).collect();
    match words[..] {
        ["json"] => wire.respond(200, &json, document.as_bytes()),
        ["gzip"] => wire.respond(
            200,
            &[("Content-Type", "application/json"), ("Content-Encoding", "gzip")],
            &gzip(document.as_bytes()),
        ),
        ["split", at] => {
            let (one, other) = document.split_at(at.parse().expect("a place"));
            wire.begin(200, "application/json")?;
            [one, other].iter().filter(|part| !part.is_empty()).try_for_each(|part| wire.chunk(part.as_bytes()))?;
            wire.end()
        }
        ["bytes"] => {
            wire.begin(200, "application/json")?;
            document.as_bytes().iter().try_for_each(|byte| wire.chunk(&[*byte]))?;
            wire.end()
        }
        ["events"] => {
            wire.begin(200, "text/event-stream")?;
            wire.event("first")?;
            std::thread::sleep(Duration::from_millis(400));
            wire.event(TOKEN)?;
            wire.event("last")?;
            wire.end()
        }
        ["late"] => {
            wire.begin(200, "application/json")?;
            (0..64).try_for_each(|_| wire.chunk(&[b' '; 2048]))?;
            wire.chunk(document.as_bytes())?;
            wire.end()
        }
        ["field"] => wire.respond(
            200,
            &[("X-Token", TOKEN), ("Location", &format!("/x?t={TOKEN}")), ("X-Fine", "fine")],
            b"fine",
        ),
        ["emails", count] => {
            let all: Vec<_> = (0..count.parse().expect("a number")).map(|n: u32| format!("u{n}@example.com")).collect();
            wire.respond(200, &json, json!(all).to_string().as_bytes())
        }
        ["error", status] => {
            let fields =
                [("Content-Type", "text/html; charset=utf-8"), ("Retry-After", "7"), ("X-Powered-By", "Tomcat")];
            wire.respond(status.parse().expect("a status"), &fields, TRACE.as_bytes())
        }
        ["fault"] => wire.respond(503, &json, b"{\"error\":\"busy\"}"),
        ["page"] => wire.respond(503, &[("Content-Type", "text/html")], b"<p>busy</p>"),
        ["markup"] => wire.respond(200, &json, b" \n<script>alert(1)</script>"),
        ["part"] => wire.respond(206, &[("Content-Range", "bytes 0-11/24")], &TOKEN.as_bytes()[..12]),
        ["clean"] => wire.respond(200, &[("Content-Type", "application/json"), ("ETag", "\"v1\"")], &clean()),
        ["socket"] => wire.websocket_echo(request),
        _ => wire.echo(request),
    }
}

/// What has much that only looks like a secret, and is long.
fn clean() -> Vec<u8> {
    let one = "{\"id\":1234567890123456,\"uuid\":\"f47ac10b-58cc-4372-a567-0e02b2c3d479\",\"at\":\"2026-01-02T03:04:05.678Z\",\"mail\":\"ada@example.com\",\"text\":\"sk-, ghp_ and -----BEGIN are how some begin\",\"n\":0.4111111111111111},\n";
    one.repeat(1000).into_bytes()
}

#[test]
fn secrets_are_masked_however_they_come_and_the_record_tells_how_many() {
    let scene = scene();
    let length = document().len().to_string();
    for how in ["json", "gzip", "bytes"] {
        let answer = scene.get(&format!("/plain/{how}"));
        assert_eq!((answer.status(), answer.text()), (200, masked()), "{how}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let record = scene.record_of(&answer);
        assert_eq!(record["leaks"], json!({"token": 1, "private_key": 1, "card": 1}), "{how}: {record}");
        assert_eq!(record["outcome"], "completed");
        if how == "json" {
            assert_eq!(answer.header("content-length"), Some(&*length), "a mask is as long as what it masks");
        }
    }
    let redacted = scene.gateway.metric("claviger_leaks_total", &["kind=\"token\"", "action=\"redact\""]);
    assert_eq!(redacted, Some(3.0));
    assert_eq!(scene.gateway.log().matches("answered with what must not leave").count(), 1, "once in a while");
    assert!(!scene.gateway.log().contains(TOKEN));
}

#[test]
fn a_secret_is_masked_wherever_two_chunks_are_cut() {
    let scene = scene();
    let bearer = scene.bearer();
    let mut client = Client::connect(scene.gateway.public());
    for at in 0..=document().len() {
        let headers = [("Host", "api.test"), ("Authorization", &*bearer)];
        client.send(&request("GET", &format!("/plain/split/{at}"), &headers, b""));
        assert_eq!(client.response().text(), masked(), "cut at {at}");
    }
}

/// What an HTTP/2 client is answered; none where the answer is broken off.
async fn ask_http2(scene: &Scene, path: &str) -> Option<(u16, Vec<u8>)> {
    let stream = tokio::net::TcpStream::connect(scene.gateway.public()).await.expect("a connection");
    let (client, connection) = h2::client::handshake(stream).await.expect("a handshake");
    tokio::spawn(connection);
    let request = http::Request::get(format!("http://api.test{path}"));
    let request = request.header("authorization", scene.bearer()).body(()).expect("a request");
    let (response, _) = client.ready().await.expect("ready").send_request(request, true).expect("sent");
    let response = response.await.ok()?;
    let status = response.status().as_u16();
    let (mut body, mut all) = (response.into_body(), Vec::new());
    while let Some(data) = body.data().await {
        let data = data.ok()?;
        body.flow_control().release_capacity(data.len()).expect("room");
        all.extend_from_slice(&data);
    }
    Some((status, all))
}

#[test]
fn http2_clients_are_sent_the_same() {
    let scene = scene();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let ask = |path: &str| runtime.block_on(ask_http2(&scene, path));
    for path in ["/plain/json", "/plain/gzip", "/plain/bytes"] {
        assert_eq!(ask(path), Some((200, masked().into_bytes())), "{path}");
    }
    assert!(ask("/blocking/clean") == Some((200, clean())));
    for (path, want, told) in [
        ("/blocking/json", 502, "response_withheld"),
        ("/blocking/markup", 502, "response_withheld"),
        ("/blocking/error/500", 500, "upstream_failed"),
    ] {
        let (status, body) = ask(path).expect("a whole response");
        let problem: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!((status, &problem["code"]), (want, &json!(told)), "{path}");
    }
    assert_eq!(ask("/blocking/late"), None, "it does not look whole");
}

#[test]
fn events_come_while_others_are_waited_for() {
    let scene = scene();
    let bearer = scene.bearer();
    for route in ["plain", "blocking"] {
        let mut client = Client::connect(scene.gateway.public());
        let headers = [("Host", "api.test"), ("Authorization", &*bearer)];
        client.send(&request("GET", &format!("/{route}/events"), &headers, b""));
        let began = Instant::now();
        client.reader().until(b"data: first\n\n").expect("the first event");
        assert!(began.elapsed() < Duration::from_millis(350), "{route}: it waited for the next");
        // What is broken off has no last chunk.
        let rest = client.reader().until(b"0\r\n\r\n").unwrap_or_default();
        let rest = String::from_utf8(rest).expect("text");
        assert!(!rest.contains(TOKEN), "{rest}");
        assert_eq!(rest.contains("data: last"), route == "plain", "{route}: {rest}");
    }
}

#[test]
fn what_may_leave_is_as_it_was_sent() {
    let scene = scene();
    for route in ["plain", "counting", "blocking"] {
        let answer = scene.get(&format!("/{route}/clean"));
        assert_eq!((answer.status(), answer.header("etag")), (200, Some("\"v1\"")), "{route}");
        assert_eq!(answer.header("content-length"), Some(&*clean().len().to_string()), "{route}");
        assert!(answer.body == clean(), "{route}");
        assert_eq!(scene.record_of(&answer)["leaks"], Value::Null, "{route}");
    }
    let answer = scene.get("/counting/json");
    assert!(answer.text().contains(TOKEN));
    assert_eq!(answer.header("x-content-type-options"), None);
    let record = scene.record_of(&answer);
    assert_eq!(record["leaks"], json!({"token": 1, "private_key": 1}), "{record}");
    let asked = scene.gateway.get(
        "/plain/x",
        &[("Host", "api.test"), ("Authorization", &scene.bearer()), ("Accept-Encoding", "br"), ("Range", "bytes=0-1")],
    );
    assert_eq!(asked.status(), 200);
    let asked = scene.upstream.requests().pop().expect("a request");
    assert_eq!((asked.header("accept-encoding"), asked.header("range")), (Some("identity"), None));
    assert_eq!(
        (scene.get("/plain/part").status(), code(&scene.get("/plain/part"))),
        (502, "upstream_invalid".to_owned())
    );
}

#[test]
fn what_is_blocked_is_refused_and_its_connection_lives_on_where_nothing_was() {
    let scene = scene();
    for how in ["json", "gzip", "bytes", "field", "emails/3"] {
        let answer = scene.get(&format!("/blocking/{how}"));
        assert_eq!((answer.status(), code(&answer)), (502, "response_withheld".to_owned()), "{how}");
        let shown = format!("{}{}", String::from_utf8_lossy(&answer.head), answer.text());
        assert!(!shown.contains(&TOKEN[4..]) && !shown.contains("@example.com"), "{how}: {shown}");
        assert!(answer.closes(), "{how}");
        let record = scene.record_of(&answer);
        let told = (&record["outcome"], &record["code"], &record["detail"]);
        assert_eq!(told, (&json!("denied"), &json!("response_withheld"), &json!("leak")), "{how}: {record}");
        let kind = if how.starts_with("emails") { "emails" } else { "token" };
        assert!(record["leaks"][kind].as_u64().is_some_and(|count| count > 0), "{how}: {record}");
    }
    let answer = scene.get("/blocking/emails/2");
    assert_eq!(answer.json(), json!(["u0@example.com", "u1@example.com"]));

    let bearer = scene.bearer();
    let headers = [("Host", "api.test"), ("Authorization", &*bearer)];
    let mut client = Client::connect(scene.gateway.public());
    for path in ["/blocking/emails/1", "/blocking/fault", "/blocking/error/500", "/blocking/clean", "/blocking/x"] {
        client.send(&request("GET", path, &headers, b""));
        let answer = client.response();
        assert!(!answer.closes(), "{path}: one connection carries them all");
    }

    let ended = Client::connect(scene.gateway.public()).send(&request("GET", "/blocking/late", &headers, b"")).rest();
    assert!(!ended.ends_with(b"0\r\n\r\n"), "it does not look whole");
    assert!(!String::from_utf8_lossy(&ended).contains(TOKEN));
    eventually("it is recorded", || {
        let is_it = |entry: &Value| entry["path"] == "/blocking/late" && entry["code"] == "response_withheld";
        scene.gateway.audit().into_iter().any(|entry| is_it(&entry)).then_some(())
    });
}

#[test]
fn fields_do_not_carry_secrets_either() {
    let scene = scene();
    let answer = scene.get("/plain/field");
    let stars = "*".repeat(TOKEN.len());
    assert_eq!((answer.header("x-token"), answer.header("x-fine")), (Some(&*stars), Some("fine")));
    assert_eq!(answer.header("location"), Some(&*format!("/x?t={stars}")));
    assert_eq!(scene.record_of(&answer)["leaks"], json!({"token": 2}));
}

#[test]
fn an_error_that_tells_too_much_is_replaced_where_that_is_wanted() {
    let scene = scene();
    for (path, want, is_masked) in [
        ("/blocking/error/500", 500, true),
        ("/blocking/error/503", 503, true),
        ("/blocking/error/404", 404, false),
        ("/blocking/error/200", 200, false),
        ("/blocking/fault", 503, false),
        ("/blocking/page", 503, false),
        ("/pages/page", 503, true),
        ("/pages/fault", 503, false),
        ("/plain/error/500", 500, false),
    ] {
        let answer = scene.get(path);
        assert_eq!(answer.status(), want, "{path}");
        let record = scene.record_of(&answer);
        assert_eq!((&record["outcome"], &record["status"]), (&json!("completed"), &json!(want)), "{path}: {record}");
        let has_details = path.contains("error") && want >= 400;
        assert_eq!(record["leaks"]["error_details"].is_u64(), has_details, "{path}: {record}");
        assert_eq!(answer.text().contains("java"), !is_masked && path.contains("error"), "{path}");
        if is_masked {
            assert_eq!(code(&answer), "upstream_failed", "{path}");
            assert_eq!(answer.header("x-powered-by"), None, "{path}");
            assert_eq!(answer.header("retry-after"), path.contains("error").then_some("7"), "{path}");
        }
    }
}

#[test]
fn what_is_declared_as_json_and_is_markup_is_refused_where_that_is_wanted() {
    let scene = scene();
    let answer = scene.get("/blocking/markup");
    assert_eq!((answer.status(), code(&answer)), (502, "response_withheld".to_owned()));
    assert_eq!(scene.record_of(&answer)["detail"], "type");
    assert_eq!(scene.get("/plain/markup").status(), 200);
}

#[test]
fn a_websocket_carries_no_secret() {
    let scene = scene();
    let mut socket = websocket::open(scene.gateway.public(), "ws://api.test/plain/socket", &scene.bearer());
    for said in ["hello", TOKEN, "bye"] {
        let want = if said == TOKEN { "*".repeat(TOKEN.len()) } else { said.to_owned() };
        socket.send(Frame::text(said)).expect("sent");
        assert_eq!(socket.read().expect("an echo").into_text().expect("text").as_str(), want);
    }
}

#[test]
fn http2_upstreams_are_looked_through_too() {
    let streams = Streams::echo();
    let target = format!("[target.modern]\nurl = \"{}\"\nhttp = \"2\"\n", streams.url());
    let route = |name: &str, action: &str| {
        format!(
            "[leak.{name}]\ntoken = \"{action}\"\n[route.{name}]\npath = \"/{name}/**\"\ntarget = \"modern\"\n\
             authn = [\"corp\"]\nleak = \"{name}\"\nallow = [{{ role = \"reader\" }}]\n"
        )
    };
    let tables = [target, route("masked", "redact"), route("blocked", "block")].concat();
    let scene = Scene::new(&Extra { tables: &tables, ..Extra::default() });
    let bearer = scene.bearer();
    let headers = [("Host", "api.test"), ("Authorization", &*bearer)];
    let said = document();
    for (path, text, want) in [
        ("/masked/x", &*said, Some(masked())),
        ("/masked/x", "nothing", Some("nothing".to_owned())),
        ("/blocked/x", "nothing", Some("nothing".to_owned())),
        ("/blocked/x", &said, None),
    ] {
        let answer = scene.gateway.send(&request("POST", path, &headers, text.as_bytes()));
        match want {
            Some(want) => assert_eq!((answer.status(), answer.text()), (200, want), "{path}"),
            None => assert_eq!((answer.status(), code(&answer)), (502, "response_withheld".to_owned()), "{path}"),
        }
    }
}
