//! Requests that are signed with a shared key, as an upstream that has the same key checks them.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::support::{
    frames::{Ending, ask},
    http1::Message,
    raw::{Client, request},
    scene::{Extra, Scene, code},
    upstream::{Then, Upstream},
};

const KEY: &str = "an-hmac-key-0123456789";

const TABLES: &str = r#"
[credential.hook.hmac]
target = "api"
secret = "dir:hmac"
signed = "{time}.{body}"
header = "X-Hook-Signature"
template = "t={time},v1={signature}"
[credential.exact.hmac]
target = "api"
secret = "dir:hmac-base64"
key_encoding = "base64"
algorithm = "sha512"
encoding = "base64"
signed = "{time_ms}\n{method}\n{host}\n{path}\n{query}\n{header:X-Order}\n{body_sha256}"
header = "Authorization"
template = "Shop {signature}"
time_header = "X-Time"
[credential.head.hmac]
target = "api"
secret = "dir:hmac"
algorithm = "sha1"
signed = "{method} {target}"
header = "X-Signature"
"#;

fn scene_with(upstream: Upstream) -> Scene {
    let scene = Scene::with(upstream, &Extra::default());
    let site = scene.gateway.site();
    site.write("secrets/hmac", KEY);
    site.write("secrets/hmac-base64", STANDARD.encode(KEY));
    let mut config = std::fs::read_to_string(site.config_path()).expect("the configuration") + TABLES;
    for name in ["hook", "exact", "head"] {
        config.push_str(&format!(
            "[route.{name}]\npath = \"/{name}/**\"\ntarget = \"api\"\ncredential = \"{name}\"\nauthn = [\"corp\"]\n\
             allow = [{{ role = \"reader\" }}]\n"
        ));
    }
    scene.gateway.reload(&config);
    scene
}

fn mac(algorithm: hmac::Algorithm, text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, KEY.as_bytes()), text).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a request says of when it was signed, in seconds, has to be about now.
fn is_recent(seconds: u64) {
    let at = UNIX_EPOCH + Duration::from_secs(seconds);
    let age = SystemTime::now().duration_since(at).expect("not ahead");
    assert!(age < Duration::from_secs(60), "{age:?}");
}

/// As the documentation of such a hook would have it checked.
fn check_hook(seen: &Message) {
    let all = seen.all("x-hook-signature");
    let [value] = all[..] else { panic!("{all:?}") };
    let (time, signature) = value.split_once(",v1=").expect("two parts");
    let time = time.strip_prefix("t=").expect("a time");
    is_recent(time.parse().expect("seconds"));
    let text = [time.as_bytes(), b".", &seen.body].concat();
    assert_eq!(signature, hex(&mac(hmac::HMAC_SHA256, &text)), "{:?}", seen.path());
}

/// The same of one that signs nearly everything.
fn check_exact(seen: &Message) -> u64 {
    let time = seen.header("x-time").expect("a time");
    let (path, query) = seen.path().split_once('?').unwrap_or((seen.path(), ""));
    let digest = hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &seen.body).as_ref());
    let (host, order) = (seen.header("host").expect("a host"), seen.header("x-order").unwrap_or_default());
    let text = [time, seen.method(), host, path, query, order, &digest].join("\n");
    let want = format!("Shop {}", STANDARD.encode(mac(hmac::HMAC_SHA512, text.as_bytes())));
    assert_eq!(seen.all("authorization"), [want], "{text}");
    let time = time.parse().expect("milliseconds");
    is_recent(time / 1_000);
    time
}

#[test]
fn an_upstream_that_has_the_key_finds_every_signature_right() {
    let scene = scene_with(Upstream::echo());
    let bearer = scene.bearer();
    let fields = [
        ("Authorization", &*bearer),
        ("X-Hook-Signature", "t=1,v1=evil"),
        ("x-hook-signature", "evil"),
        ("X-Time", "evil"),
        ("X-Signature", "evil"),
        ("X-Order", "17"),
    ];
    let large = vec![b'x'; 65_535];
    for (method, path, body) in [
        ("GET", "/", &b""[..]),
        ("POST", "/", b"{\"a\": \"\xc3\xa9\"}"),
        ("PUT", "/a%20b/c?b=2&a=1", b"\0\xff\r\n\r\n"),
        ("POST", "/x?", &large),
        ("DELETE", "/x?y", b""),
    ] {
        for route in ["hook", "exact", "head"] {
            // What a client says of its own signature goes only to routes that have no such header.
            let own = |name: &str| match route {
                "hook" => name.eq_ignore_ascii_case("x-hook-signature"),
                "exact" => name == "X-Time",
                _ => name == "X-Signature",
            };
            let is_sent = |name: &str| matches!(name, "Authorization" | "X-Order") || own(name);
            let sent: Vec<_> = fields.iter().copied().filter(|(name, _)| is_sent(name)).collect();
            let answer = scene.gateway.send(&request(method, &format!("/{route}{path}"), &sent, body));
            assert_eq!(answer.status(), 200, "{route} {path}: {}", answer.text());
            let seen = scene.upstream.requests().pop().expect("a request");
            assert_eq!((seen.path(), &*seen.body), (path, body));
            match route {
                "hook" => check_hook(&seen),
                "exact" => drop(check_exact(&seen)),
                _ => {
                    let text = format!("{method} {path}");
                    let want = hex(&mac(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()));
                    assert_eq!(seen.all("x-signature"), [want]);
                }
            }
            assert_eq!(scene.record_of(&answer)["credential"], *route);
        }
    }
    for received in scene.upstream.received() {
        let text = String::from_utf8_lossy(&received).into_owned();
        assert!(!text.contains(KEY) && !text.contains("evil") && !text.contains(&bearer), "{text}");
    }
}

#[test]
fn bodies_in_chunks_and_over_http_2_are_signed_as_they_are_sent() {
    let scene = scene_with(Upstream::echo());
    let bearer = scene.bearer();
    let head = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: api.test\r\nAuthorization: {bearer}\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
    };
    for (chunks, body) in [("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "abcde"), ("0\r\n\r\n", "")] {
        let answer = scene.gateway.send(format!("{}{chunks}", head("/hook/x")).as_bytes());
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let seen = scene.upstream.requests().pop().expect("a request");
        assert_eq!(seen.text(), body);
        check_hook(&seen);
    }
    let fields: [(&str, &[u8]); 5] = [
        (":method", b"POST"),
        (":scheme", b"http"),
        (":path", b"/hook/y"),
        (":authority", b"api.test"),
        ("authorization", bearer.as_bytes()),
    ];
    let mut client = Client::connect(scene.gateway.public());
    let ending = ask(&mut client, &fields, b"abc");
    assert!(matches!(ending, Ending::Response { status: 200, .. }), "{ending:?}");
    let seen = scene.upstream.requests().pop().expect("a request");
    assert_eq!(seen.text(), "abc");
    check_hook(&seen);
}

#[test]
fn each_attempt_has_a_signature_of_its_own() {
    let count = AtomicUsize::new(0);
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let scene = scene_with(Upstream::start(move |request, wire| {
        if count.fetch_add(1, Ordering::Relaxed) != 1 {
            return wire.echo(request);
        }
        // Gone without an answer, on a connection that was in use before, in another millisecond than the next attempt.
        let since = now();
        while now() == since {
            std::hint::spin_loop();
        }
        Ok(Then::Close)
    }));
    let bearer = scene.bearer();
    let fields = [("Host", "api.test"), ("Authorization", &*bearer)];
    let mut client = Client::connect(scene.gateway.public());
    for body in ["first", "second"] {
        let answer = client.send(&request("PUT", "/exact/x?y=1", &fields, body.as_bytes())).response();
        assert_eq!((answer.status(), answer.json()["body"].as_str()), (200, Some(body)));
    }
    let seen = scene.upstream.requests();
    let bodies: Vec<_> = seen.iter().map(Message::text).collect();
    assert_eq!(bodies, ["first", "second", "second"]);
    let times: Vec<_> = seen.iter().map(check_exact).collect();
    assert!(times[1] < times[2], "{times:?}");
}

#[test]
fn what_cannot_be_signed_is_refused_before_anything_is_sent() {
    let scene = scene_with(Upstream::echo());
    let bearer = scene.bearer();
    let fields = [("Host", "api.test"), ("Authorization", &*bearer)];
    let large = vec![b'x'; 70_000];
    for route in ["hook", "exact"] {
        let refused = scene.gateway.send(&request("POST", &format!("/{route}/x"), &fields, &large));
        assert_eq!((refused.status(), code(&refused)), (413, "body_too_large".to_owned()));
    }
    scene.gateway.site().write("secrets/hmac-base64", "no base64 *");
    crate::support::eventually("a key that is none is seen", || {
        let refused = scene.gateway.get("/exact/x", &fields);
        (refused.status() == 503).then(|| assert_eq!(code(&refused), "unavailable"))
    });
    let sent = scene.gateway.send(&request("POST", "/head/x", &fields, &large));
    assert_eq!(sent.status(), 200, "a body that is not signed may be of any size");
}

#[test]
fn a_key_that_comes_back_is_masked_however_it_is_spelled() {
    let scene = scene_with(Upstream::start(|_, wire| {
        wire.respond(200, &[("X-Key", KEY)], format!("{KEY} {}", STANDARD.encode(KEY)).as_bytes())
    }));
    for route in ["exact", "head"] {
        let answer = scene.get(&format!("/{route}/x"));
        assert_eq!(answer.status(), 200);
        assert!(answer.header("x-key").is_none() && !answer.text().contains(KEY), "{}", answer.text());
        assert!(!answer.text().contains(&STANDARD.encode(KEY)[..20]), "{}", answer.text());
    }
}
