//! A secret in place of a text in the body: what arrives, however the body comes, and what is refused.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{
    eventually,
    frames::{self, Ending},
    raw::{Client, request},
    scene::{Extra, Scene, code},
    streams::Streams,
    upstream::{Then, Upstream},
};

const KEY: &str = "k\"ey&0123456789=é";
const IN_JSON: &str = "k\\\"ey&0123456789=é";
const IN_FORM: &str = "k%22ey%260123456789%3D%C3%A9";
const JSON: (&str, &str) = ("Content-Type", "application/json");
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");

fn scene_with(upstream: Upstream, url: Option<&str>) -> Scene {
    let scene = Scene::with(upstream, &Extra::default());
    let site = scene.gateway.site();
    site.write("secrets/body-key", KEY);
    let config = std::fs::read_to_string(site.config_path()).expect("the configuration");
    let url = url.map_or_else(|| scene.upstream.url(), str::to_owned);
    let http = if url == scene.upstream.url() { "1" } else { "2" };
    scene.gateway.reload(&format!(
        "{config}[target.keyed]\nurl = \"{url}\"\nhttp = \"{http}\"\n[credential.keyed.body]\ntarget = \"keyed\"\n\
         secret = \"dir:body-key\"\nplaceholder = \"__API_KEY__\"\nfield = \"k\"\n[route.keyed]\npath = \"/keyed/**\"\n\
         target = \"keyed\"\ncredential = \"keyed\"\nauthn = [\"corp\"]\nallow = [{{ role = \"reader\" }}]\n"
    ));
    scene
}

#[test]
fn the_secret_arrives_where_the_client_left_room_for_it() {
    let scene = scene_with(Upstream::echo(), None);
    let bearer = scene.bearer();
    for (kind, body, arrived) in [
        (JSON, r#"{"k":"__API_KEY__"}"#, format!(r#"{{"k":"{IN_JSON}"}}"#)),
        (JSON, r#"{"a":["k"],"k":"__API_KEY__","b":{}}"#, format!(r#"{{"a":["k"],"k":"{IN_JSON}","b":{{}}}}"#)),
        (FORM, "a=1&k=__API_KEY__", format!("a=1&k={IN_FORM}")),
        (JSON, r#"{"k":"__API_KEY"}"#, r#"{"k":"__API_KEY"}"#.to_owned()),
        (FORM, "a=1", "a=1".to_owned()),
    ] {
        let digests =
            [("Content-Digest", "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:"), ("Content-MD5", "x")];
        let fields = [&[("Host", "api.test"), ("Authorization", &*bearer), kind][..], &digests].concat();
        let chunked = |body: &str| {
            let head = String::from_utf8(request("POST", "/keyed/x", &fields, b"")).expect("text");
            let head = head.replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n");
            let chunks: String = body
                .as_bytes()
                .chunks(5)
                .map(|part| format!("{:x}\r\n{}\r\n", part.len(), String::from_utf8_lossy(part)))
                .collect();
            format!("{head}{chunks}0\r\n\r\n").into_bytes()
        };
        for bytes in [request("POST", "/keyed/x", &fields, body.as_bytes()), chunked(body)] {
            let answer = scene.gateway.send(&bytes);
            assert_eq!(answer.status(), 200, "{body}: {}", answer.text());
            assert!(!answer.text().contains("0123456789"), "it was echoed: {}", answer.text());
            let seen = scene.upstream.requests().pop().expect("a request");
            let is_changed = body != arrived;
            assert_eq!((seen.text(), seen.header("authorization")), (arrived.clone(), None));
            assert_eq!(seen.header("content-digest").is_none() && seen.header("content-md5").is_none(), is_changed);
            if is_changed {
                let length = arrived.len().to_string();
                assert_eq!((seen.all("content-length"), seen.header("transfer-encoding")), (vec![&*length], None));
            }
            assert_eq!(scene.record_of(&answer)["reflected"].as_u64().is_some(), is_changed);
        }
    }
    let answer = scene.gateway.get("/keyed/x", &[("Host", "api.test"), ("Authorization", &bearer)]);
    assert_eq!(answer.status(), 200, "no body, no secret");
    assert!(!scene.gateway.log().contains("0123456789"));
}

fn over_http2(scene: &Scene, body: &[u8], size: usize) -> Ending {
    let bearer = scene.bearer();
    let fields: [(&str, &[u8]); 6] = [
        (":method", b"POST"),
        (":scheme", b"http"),
        (":path", b"/keyed/x"),
        (":authority", b"api.test"),
        ("authorization", bearer.as_bytes()),
        ("content-type", b"application/json"),
    ];
    let mut client = Client::connect(scene.gateway.public());
    client.send(&frames::opening());
    client.send(&frames::frame(frames::HEADERS, frames::END_HEADERS, 1, &frames::block(&fields)));
    let mut chunks = body.chunks(size).peekable();
    while let Some(chunk) = chunks.next() {
        let flags = if chunks.peek().is_none() { frames::END_STREAM } else { 0 };
        client.send(&frames::frame(frames::DATA, flags, 1, chunk));
    }
    frames::ending(&mut client, 1)
}

#[test]
fn http_2_on_either_side_makes_no_difference() {
    let streams = Streams::echo();
    let body = br#"{"k":"__API_KEY__"}"#;
    let arrived = format!(r#"{{"k":"{IN_JSON}"}}"#);
    for url in [None, Some(streams.url())] {
        let scene = scene_with(Upstream::echo(), url.as_deref());
        for size in [body.len(), 7] {
            let ending = over_http2(&scene, body, size);
            let Ending::Response { status: 200, body } = &ending else { panic!("{ending:?}") };
            assert!(!String::from_utf8_lossy(body).contains("0123456789"), "{ending:?}");
        }
        if url.is_some() {
            let answer = scene.gateway.send(&request(
                "POST",
                "/keyed/x",
                &[("Host", "api.test"), ("Authorization", &scene.bearer()), JSON],
                body,
            ));
            assert_eq!(answer.status(), 200, "{}", answer.text());
            let seen = streams.received();
            assert_eq!(seen.len(), 3);
            for one in seen {
                assert_eq!(String::from_utf8_lossy(&one.body), arrived);
                assert_eq!(one.headers["content-length"].to_str().expect("digits"), arrived.len().to_string());
            }
        } else {
            let seen = scene.upstream.requests();
            assert_eq!(seen.iter().map(|one| one.text()).collect::<Vec<_>>(), [&*arrived, &*arrived]);
        }
    }
}

#[test]
fn another_attempt_sends_the_secret_again() {
    let count = AtomicUsize::new(0);
    let upstream = Upstream::start(move |request, wire| {
        // The second is gone without an answer, on a connection that was in use before.
        if count.fetch_add(1, Ordering::Relaxed) == 1 { Ok(Then::Close) } else { wire.echo(request) }
    });
    let scene = scene_with(upstream, None);
    let bearer = scene.bearer();
    let fields = [("Host", "api.test"), ("Authorization", &*bearer), FORM];
    let mut client = Client::connect(scene.gateway.public());
    for nth in 1..=2 {
        let body = format!("nth={nth}&k=__API_KEY__");
        assert_eq!(client.send(&request("PUT", "/keyed/x", &fields, body.as_bytes())).response().status(), 200);
    }
    let seen: Vec<_> = scene.upstream.requests().iter().map(|one| one.text()).collect();
    let want = |nth: u8| format!("nth={nth}&k={IN_FORM}");
    assert_eq!(seen, [want(1), want(2), want(2)]);
}

#[test]
fn what_no_secret_can_be_put_in_is_refused_before_anything_is_sent() {
    let scene = scene_with(Upstream::echo(), None);
    let bearer = scene.bearer();
    let gzip = ("Content-Encoding", "gzip");
    let large = format!("k={}", "x".repeat(70_000));
    let much = format!("k=__API_KEY__&a={}", "x".repeat(65_510));
    for (fields, body, status, want) in [
        (&[("Content-Type", "text/plain")][..], "__API_KEY__", 415, "body_form"),
        (&[("Content-Type", "multipart/form-data; boundary=x")], "nothing for it", 415, "body_form"),
        (&[], "__API_KEY__", 415, "body_form"),
        (&[JSON, gzip], "__API_KEY__", 415, "body_form"),
        // What a client's own bytes would join with, or have told in halves by a parser that gives up.
        (&[JSON], r#"{"k":"\u__API_KEY__"}"#, 415, "body_form"),
        (&[JSON], r#"{"k":"\__API_KEY__"}"#, 415, "body_form"),
        (&[JSON], r#"{"k":__API_KEY__}"#, 415, "body_form"),
        (&[JSON], "[__API_KEY__e-3]", 415, "body_form"),
        (&[FORM], "k=%__API_KEY__", 415, "body_form"),
        (&[FORM], "k=x__API_KEY__", 415, "body_form"),
        // What the target would keep, show or send elsewhere.
        (&[JSON], r#"{"to":"me@evil.test","body":"__API_KEY__"}"#, 415, "body_form"),
        (&[JSON], r#"{"k":"__API_KEY__","body":"__API_KEY__"}"#, 415, "body_form"),
        (&[JSON], r#"{"k":"__API_KEY__","k":"x"}"#, 415, "body_form"),
        (&[FORM], "k=x&comment=__API_KEY__", 415, "body_form"),
        // A body that is no such thing as its type says.
        (&[JSON], "k=__API_KEY__", 415, "body_form"),
        (&[FORM], r#"{"k":"__API_KEY__"}"#, 415, "body_form"),
        (&[FORM], &large, 413, "body_too_large"),
        (&[FORM], &much, 413, "body_too_large"),
    ] {
        let fields = [&[("Host", "api.test"), ("Authorization", &*bearer)][..], fields].concat();
        let refused = scene.gateway.send(&request("POST", "/keyed/x", &fields, body.as_bytes()));
        assert_eq!((refused.status(), &*code(&refused)), (status, want), "{fields:?}");
        let record = scene.record_of(&refused);
        assert_eq!((&record["outcome"], &record["code"]), (&"denied".into(), &want.into()));
    }
    scene.gateway.site().write("secrets/body-key", [0xff, 0xfe, 0xfd, 0xfc, 0xfb]);
    eventually("a secret that is no text is seen", || {
        let fields = [("Host", "api.test"), ("Authorization", &*bearer), JSON];
        let refused = scene.gateway.send(&request("POST", "/keyed/x", &fields, b"[]"));
        (refused.status() == 503).then(|| assert_eq!(code(&refused), "unavailable"))
    });
}
