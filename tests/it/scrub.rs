//! What was injected never comes back, however the upstream writes it.

use std::io::Write as _;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message as Frame;

use crate::support::{
    eventually,
    http1::Message,
    raw::{Client, request},
    scene::{Extra, SECRET, Scene, code},
    streams::Streams,
    upstream::{Then, Upstream, Wire},
    websocket,
};

/// The secret in every common encoding, each with what makes it.
fn forms() -> Vec<(&'static str, String)> {
    let hex = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let percent = SECRET.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let unicode = SECRET.bytes().map(|byte| format!("\\u{byte:04x}")).collect::<String>();
    let html = SECRET.bytes().map(|byte| format!("&#{byte};")).collect::<String>();
    vec![
        ("plain", SECRET.to_owned()),
        ("the header's value", format!("Bearer {SECRET}")),
        ("base64", STANDARD.encode(SECRET)),
        ("base64 behind one byte", STANDARD.encode(format!("x{SECRET}"))),
        ("base64 as of Basic", STANDARD.encode(format!("us:{SECRET}"))),
        ("base64 for URLs", URL_SAFE_NO_PAD.encode(format!("{{\"k\":\"{SECRET}\"}}"))),
        ("hex", hex.clone()),
        ("upper hex", hex.to_uppercase()),
        ("percent", percent.clone()),
        ("half of it percent", format!("{}{}", &percent[..30], &SECRET[10..])),
        ("unicode escapes", unicode),
        ("HTML references", html),
    ]
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

/// Writes the secret in the form of the path's number back, in the way of its last word.
fn reflect(request: &Message, wire: &mut Wire<'_>) -> std::io::Result<Then> {
    let words: Vec<&str> = request.path().split(['/', '?']).filter(|word| !word.is_empty()).collect();
    let [number, how, ..] = words[..] else { return wire.echo(request) };
    let Some((_, form)) = number.parse().ok().and_then(|n: usize| forms().into_iter().nth(n)) else {
        return wire.echo(request);
    };
    let text = format!("{{\"before\": 1, \"leak\": \"{form}\", \"after\": 2}}");
    let coded = |coding: &str, bytes: Vec<u8>, wire: &mut Wire<'_>| {
        wire.respond(200, &[("Content-Type", "application/json"), ("Content-Encoding", coding)], &bytes)
    };
    match how {
        "header" => wire.respond(200, &[("X-Leak", &form), ("X-Fine", "fine"), ("Set-Cookie", &form)], b"fine"),
        "reason" => {
            wire.send(format!("HTTP/1.1 200 {form}\r\nContent-Length: 4\r\n\r\nfine").as_bytes())?;
            Ok(Then::KeepAlive)
        }
        "location" => wire.respond(302, &[("Location", &format!("https://x.test/?k={form}"))], b""),
        "json" => wire.respond(200, &[("Content-Type", "application/json")], text.as_bytes()),
        "error" => wire.respond(500, &[("Content-Type", "text/html")], format!("<p>{text}</p>").as_bytes()),
        "gzip" => coded("gzip", gzip(text.as_bytes()), wire),
        "br" => {
            let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22);
            encoder.write_all(text.as_bytes())?;
            coded("br", encoder.into_inner(), wire)
        }
        "zstd" => coded("zstd", zstd::encode_all(text.as_bytes(), 3)?, wire),
        "bytes" => {
            wire.begin(200, "application/json")?;
            text.as_bytes().iter().try_for_each(|byte| wire.chunk(&[*byte]))?;
            wire.end()
        }
        "gzip-bytes" => {
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            gzip(text.as_bytes()).iter().try_for_each(|byte| wire.chunk(&[*byte]))?;
            wire.end()
        }
        "events" => {
            wire.begin(200, "text/event-stream")?;
            wire.event("first")?;
            wire.event(&form)?;
            wire.event("last")?;
            wire.end()
        }
        "close" => {
            wire.send(format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{text}").as_bytes())?;
            Ok(Then::Close)
        }
        "fine" => {
            wire.respond(200, &[("Content-Type", "text/plain"), ("X-Fine", "fine")], b"sk-live is how keys begin")
        }
        _ => wire.echo(request),
    }
}

/// Whether anything of it can be read as the secret, by the simplest of readers.
fn leaks(text: &str) -> bool {
    let unmasked = |form: &str| text.contains(form);
    forms().iter().any(|(_, form)| unmasked(form)) || text.contains(&SECRET[..12]) || text.contains(&SECRET[12..])
}

fn shown(answer: &Message) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&answer.head), answer.text())
}

#[test]
fn an_upstream_that_reflects_the_key_in_any_form_and_place_leaks_nothing() {
    let scene = Scene::with(Upstream::start(reflect), &Extra::default());
    let bearer = scene.bearer();
    let ways = [
        "header",
        "reason",
        "location",
        "json",
        "error",
        "gzip",
        "br",
        "zstd",
        "bytes",
        "gzip-bytes",
        "events",
        "close",
    ];
    let mut wrong = Vec::new();
    for (number, (form, _)) in forms().iter().enumerate() {
        for how in ways {
            let headers = [("Host", "api.test"), ("Authorization", &*bearer), ("Accept-Encoding", "gzip, br")];
            let answer = scene.gateway.get(&format!("/api/{number}/{how}"), &headers);
            let record = scene.record_of(&answer);
            if leaks(&shown(&answer)) {
                wrong.push(format!("{form} by {how}: {}", shown(&answer)));
            }
            let is_whole = match how {
                "json" | "gzip" | "br" | "zstd" | "bytes" | "gzip-bytes" | "close" => {
                    let text = answer.text();
                    text.starts_with("{\"before\": 1, \"leak\": \"")
                        && text.ends_with("\", \"after\": 2}")
                        && text.contains("*****")
                }
                "events" => {
                    answer.text().starts_with("data: first\n\ndata: ") && answer.text().ends_with("data: last\n\n")
                }
                "header" => answer.header("x-fine") == Some("fine") && answer.header("x-leak").is_none(),
                "reason" => answer.text() == "fine",
                "location" => answer.status() == 302 && answer.header("location").is_none(),
                _ => answer.status() == 500 && answer.text().contains("after"),
            };
            if !is_whole {
                wrong.push(format!("{form} by {how}: changed what is none of it: {}", shown(&answer)));
            }
            let is_told = how == "reason" || record["reflected"].as_u64().is_some_and(|count| count > 0);
            if !is_told || record["outcome"] != "completed" {
                wrong.push(format!("{form} by {how}: {record}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of them: {}", wrong.len(), wrong.join("\n"));
    let asked = scene.upstream.requests();
    assert!(asked.iter().all(|one| one.header("accept-encoding") == Some("identity")), "no coding is asked for");
    assert!(scene.gateway.metric("claviger_reflections_total", &[]).is_some_and(|count| count > 100.0));
    let warned = scene.gateway.log().matches("answered with a secret that it was sent").count();
    assert_eq!(warned, 1, "once in a while, whoever brings it about");
}

#[test]
fn an_upstream_of_http2_leaks_nothing_in_its_fields_and_trailers() {
    let streams = Streams::echo();
    let credential = "[credential.modern.bearer]\ntarget = \"modern\"\nsecret = \"dir:api-key\"\n";
    let scene = streams.scene("credential = \"modern\"\n", credential);
    let answer = scene.get("/modern/reflect");
    assert_eq!((answer.status(), answer.header("x-fine")), (200, Some("fine")));
    assert_eq!(streams.received()[0].headers["authorization"], format!("Bearer {SECRET}"), "it was sent the key");
    assert!(!leaks(&shown(&answer)), "{}", shown(&answer));
    assert_eq!(answer.all("x-leak"), ["fine"], "what is none of it stays");
    assert_eq!(scene.record_of(&answer)["reflected"].as_u64(), Some(4), "in fields and trailers");
}

#[test]
fn what_is_none_of_it_passes_as_it_is() {
    let scene = Scene::with(Upstream::start(reflect), &Extra::default());
    let answer = scene.get("/api/0/fine");
    assert_eq!((answer.text().as_str(), answer.header("x-fine")), ("sk-live is how keys begin", Some("fine")));
    assert_eq!(answer.header("content-length"), Some("25"));
    assert_eq!(scene.record_of(&answer)["reflected"], Value::Null);
    assert_eq!(scene.upstream.requests()[0].header("accept-encoding"), None, "whoever did not ask is not asked for");
}

/// Answers with what cannot be looked through.
fn opaque(request: &Message, wire: &mut Wire<'_>) -> std::io::Result<Then> {
    let half = SECRET.as_bytes();
    match request.path().rsplit('/').next().unwrap_or_default() {
        "part" => wire.respond(206, &[("Content-Range", "bytes 0-11/24")], &half[..12]),
        "compress" => wire.respond(200, &[("Content-Encoding", "compress")], half),
        "twice" => wire.respond(200, &[("Content-Encoding", "gzip, gzip")], &gzip(&gzip(half))),
        "two-lines" => {
            let both = [("Content-Encoding", "gzip"), ("Content-Encoding", "br")];
            wire.respond(200, &both, &gzip(half))
        }
        "broken" => wire.respond(200, &[("Content-Encoding", "gzip")], b"this is no gzip, though it says so"),
        "bomb" => wire.respond(200, &[("Content-Encoding", "gzip")], &gzip(&vec![0; 200 << 20])),
        _ => wire.echo(request),
    }
}

#[test]
fn what_cannot_be_looked_through_is_refused_unless_the_route_lets_it_pass() {
    let tables = r#"
[route.lenient]
path = "/lenient/**"
target = "api"
credential = "api"
authn = ["corp"]
scrub = "lenient"
allow = [{ role = "reader" }]
[route.open]
path = "/open/**"
target = "api"
authn = ["corp"]
allow = [{ role = "reader" }]
"#;
    let scene = Scene::with(Upstream::start(opaque), &Extra { tables, ..Extra::default() });
    for how in ["part", "compress", "twice", "two-lines"] {
        let answer = scene.get(&format!("/api/{how}"));
        assert_eq!((answer.status(), code(&answer)), (502, "upstream_invalid".to_owned()), "{how}");
        let record = scene.record_of(&answer);
        assert_eq!((&record["detail"], &record["outcome"]), (&json!("scrub"), &json!("failed")), "{how}");
        for route in ["lenient", "open"] {
            let answer = scene.get(&format!("/{route}/{how}"));
            assert!([200, 206].contains(&answer.status()), "{route} {how}: {}", answer.status());
        }
    }
    let bearer = scene.bearer();
    for how in ["broken", "bomb"] {
        let headers = [("Host", "api.test"), ("Authorization", &*bearer)];
        let ended =
            Client::connect(scene.gateway.public()).send(&request("GET", &format!("/api/{how}"), &headers, b"")).rest();
        assert!(!ended.ends_with(b"0\r\n\r\n"), "{how}: it does not look whole");
        eventually("it is recorded", || {
            let is_it = |entry: &Value| entry["path"] == format!("/api/{how}") && entry["detail"] == "scrub";
            scene.gateway.audit().into_iter().any(|entry| is_it(&entry)).then_some(())
        });
    }
    let ranged = [("Host", "api.test"), ("Authorization", &*bearer), ("Range", "bytes=0-1"), ("If-Range", "x")];
    for (route, want) in [("api", None), ("lenient", Some("bytes=0-1")), ("open", Some("bytes=0-1"))] {
        scene.gateway.get(&format!("/{route}/x"), &ranged);
        let asked = scene.upstream.requests().pop().expect("a request");
        assert_eq!(asked.header("range"), want, "{route}");
    }
}

#[test]
fn a_websocket_echoes_everything_but_the_key() {
    let upstream = Upstream::start(|request, wire| wire.websocket_echo(request));
    let scene = Scene::with(upstream, &Extra { route: "websocket = true", ..Extra::default() });
    let mut socket = websocket::open(scene.gateway.public(), "ws://api.test/api/chat", &scene.bearer());
    for (said, want) in [
        ("hello".to_owned(), "hello".to_owned()),
        (format!("<{SECRET}>"), format!("<{}>", "*".repeat(SECRET.len()))),
        (SECRET[..10].to_owned(), SECRET[..10].to_owned()),
        ("bye".to_owned(), "bye".to_owned()),
    ] {
        socket.send(Frame::text(said)).expect("sent");
        assert_eq!(socket.read().expect("an echo").into_text().expect("text").as_str(), want);
    }
}
