//! Signed requests (RFC 9421) and signed bodies (RFC 9530) over real connections, and the rotation of API keys.

use http::HeaderMap;

use crate::support::{
    eventually,
    frames::{self, Ending},
    gateway::Gateway,
    raw::{Client, request},
    scene::code,
    setup::{Caller, Parts, SECRET, alice, config},
    signer::{SHARED, lines, sign, signed, sound},
    streams::Streams,
    upstream::Upstream,
};

const TABLES: &str = r#"
[authn.partners.http_signature.key.acme]
algorithm = "hmac-sha256"
secret = "files:acme"
owner = "acme"
[route.signed]
path = "/signed/**"
target = "api"
credential = "api"
authn = ["partners"]
allow = [{ principal = "partners:acme" }]
"#;

fn gateway(upstream: &Upstream, target: &str) -> Gateway {
    Gateway::start(|site| {
        site.write("secrets/acme", SHARED);
        config(site, upstream, &Parts { more: TABLES, target, listen: "http2 = true", ..Parts::default() })
    })
}

fn fields<'a>(signed: &'a [(&'static str, String); 3]) -> Vec<(&'static str, &'a str)> {
    signed.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// A request with a chunked body, in chunks of this size.
fn chunked(path: &str, signed: &[(&'static str, String); 3], body: &[u8], size: usize) -> Vec<u8> {
    let mut all = fields(signed);
    all.push(("transfer-encoding", "chunked"));
    let mut bytes = request("POST", path, &all, b"");
    for chunk in body.chunks(size) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

/// A request over HTTP/2, its body in frames of this size.
fn over_http2(gateway: &Gateway, path: &str, signed: &[(&'static str, String); 3], body: &[u8], size: usize) -> Ending {
    let mut all: Vec<(&str, &[u8])> =
        vec![(":method", b"POST"), (":scheme", b"http"), (":authority", b"gateway.test"), (":path", path.as_bytes())];
    all.extend(signed.iter().map(|(name, value)| (*name, value.as_bytes())));
    let mut client = Client::connect(gateway.public());
    client.send(&frames::opening());
    client.send(&frames::frame(frames::HEADERS, frames::END_HEADERS, 1, &frames::block(&all)));
    let mut chunks = body.chunks(size).peekable();
    while let Some(chunk) = chunks.next() {
        let flags = if chunks.peek().is_none() { frames::END_STREAM } else { 0 };
        client.send(&frames::frame(frames::DATA, flags, 1, chunk));
    }
    frames::ending(&mut client, 1)
}

#[test]
fn a_signed_request_passes_once_and_its_signature_stays_here() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream, "");
    let signed = sign("GET", "/signed/x", b"", "once");
    let bytes = request("GET", "/signed/x", &fields(&signed), b"");
    assert_eq!(gateway.send(&bytes).status(), 200);
    let seen = &upstream.requests()[0];
    assert_eq!(seen.header("authorization"), Some(format!("Bearer {SECRET}").as_str()));
    assert!(seen.header("signature").is_none() && seen.header("signature-input").is_none(), "{:?}", seen.headers);

    let replayed = gateway.send(&bytes);
    assert_eq!((replayed.status(), code(&replayed).as_str()), (401, "credential_invalid"));
    assert!(replayed.header("www-authenticate").is_some_and(|value| value.starts_with("Signature ")));
    let asked = r#"sig=("@method" "@authority" "@path" "@query" "content-digest");created;keyid"#;
    assert_eq!(replayed.header("accept-signature"), Some(asked), "what a signature has to be (RFC 9421 §5.1)");
    gateway.audited("the replay", |record| record["detail"] == "replay");
    // A reload forgets no nonce.
    let config = std::fs::read_to_string(gateway.site().config_path()).expect("the configuration");
    gateway.reload(&format!("{config}\n[role.other]\n"));
    assert_eq!(gateway.send(&bytes).status(), 401);

    for (what, bytes) in [
        ("another path", request("GET", "/signed/y", &fields(&sign("GET", "/signed/x", b"", "a")), b"")),
        ("another spelling", request("GET", "/signed/%78", &fields(&sign("GET", "/signed/x", b"", "b")), b"")),
        ("another query", request("GET", "/signed/x?a", &fields(&sign("GET", "/signed/x", b"", "c")), b"")),
        ("another method", request("PUT", "/signed/x", &fields(&sign("GET", "/signed/x", b"", "d")), b"")),
        ("no signature", request("GET", "/signed/x", &[], b"")),
    ] {
        assert_eq!(gateway.send(&bytes).status(), 401, "{what}");
    }
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_body_that_is_not_the_signed_one_never_reaches_the_upstream_whole() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream, "");
    let large = vec![b'x'; 300_000];
    let mut changed = large.clone();
    *changed.last_mut().expect("a byte") = b'y';
    for (n, (good, bad)) in [(&b"pay 5 to ada"[..], &b"pay 5 to eve"[..]), (&large, &changed)].into_iter().enumerate() {
        let path = |kind: &str| format!("/signed/{kind}{n}");
        // As signed, in each framing.
        let (length, chunks, h2) = (path("length"), path("chunks"), path("h2"));
        let signed = |path: &str, nonce: &str| sign("POST", path, good, &format!("{nonce}{n}"));
        let whole = request("POST", &length, &fields(&signed(&length, "a")), good);
        assert_eq!(gateway.send(&whole).status(), 200, "{n}");
        assert_eq!(gateway.send(&chunked(&chunks, &signed(&chunks, "b"), good, 5_000)).status(), 200, "{n}");
        if n == 0 {
            let ending = over_http2(&gateway, &h2, &signed(&h2, "c"), good, 5);
            assert!(matches!(ending, Ending::Response { status: 200, .. }), "{ending:?}");
        }
        let passed = upstream.requests();
        assert!(passed.iter().all(|request| request.body == good || !request.path().ends_with(&n.to_string())));

        let signed = |nonce: &str| sign("POST", "/signed/bad", good, &format!("{nonce}{n}"));
        let refused = [
            gateway.send(&request("POST", "/signed/bad", &fields(&signed("d")), bad)),
            gateway.send(&request("POST", "/signed/bad", &fields(&signed("e")), &bad[1..])),
            gateway.send(&chunked("/signed/bad", &signed("f"), bad, 5_000)),
            gateway.send(&chunked("/signed/bad", &signed("g"), b"", 1)),
        ];
        for response in &refused {
            assert_eq!((response.status(), code(response).as_str()), (401, "credential_invalid"));
            assert!(response.header("www-authenticate").is_some());
        }
        if n == 0 {
            let ending = over_http2(&gateway, "/signed/bad", &signed("h"), bad, 5);
            assert!(matches!(ending, Ending::Response { status: 401, .. }), "{ending:?}");
        }
    }
    let records = eventually("every refusal has its record", || {
        let records: Vec<_> = gateway.audit().into_iter().filter(|record| record["path"] == "/signed/bad").collect();
        (records.len() == 9).then_some(records)
    });
    for record in records {
        assert_eq!((&record["outcome"], &record["detail"]), (&"denied".into(), &"digest".into()), "{record}");
    }
    // What did reach it: a head, and less than the body that it announced, or chunks without the last one.
    assert!(upstream.requests().iter().all(|request| request.path() != "/bad"), "no whole request");
    for connection in upstream.received() {
        let text = String::from_utf8_lossy(&connection);
        let Some((_, attempt)) = text.split_once("POST /bad ") else { continue };
        assert!(
            !attempt.ends_with("0\r\n\r\n") && !attempt.contains("to eve"),
            "{}",
            &attempt[..300.min(attempt.len())]
        );
    }
}

/// How a request over HTTP/2 ends whose body is followed by trailers.
fn with_trailers(gateway: &Gateway, path: &str, signed: &[(&'static str, String); 3], body: &[u8]) -> Ending {
    let mut all: Vec<(&str, &[u8])> =
        vec![(":method", b"POST"), (":scheme", b"http"), (":authority", b"gateway.test"), (":path", path.as_bytes())];
    all.extend(signed.iter().map(|(name, value)| (*name, value.as_bytes())));
    let mut client = Client::connect(gateway.public());
    client.send(&frames::opening());
    client.send(&frames::frame(frames::HEADERS, frames::END_HEADERS, 1, &frames::block(&all)));
    for part in body.chunks(5) {
        client.send(&frames::frame(frames::DATA, 0, 1, part));
    }
    let trailers = frames::block(&[("content-digest", b"sha-256=:AAAA:"), ("x-sum", b"7")]);
    client.send(&frames::frame(frames::HEADERS, frames::END_HEADERS | frames::END_STREAM, 1, &trailers));
    frames::ending(&mut client, 1)
}

#[test]
fn a_signed_body_is_checked_on_its_way_from_and_to_http2_and_before_trailers() {
    let (streams, upstream) = (Streams::echo(), Upstream::echo());
    let more = format!(
        "{TABLES}[target.modern]\nurl = \"{}\"\nhttp = \"2\"\n[route.modern]\npath = \"/modern/**\"\n\
         target = \"modern\"\nauthn = [\"partners\"]\nallow = [{{ principal = \"partners:acme\" }}]\n",
        streams.url()
    );
    let gateway = Gateway::start(|site| {
        site.write("secrets/acme", SHARED);
        config(site, &upstream, &Parts { more: &more, listen: "http2 = true", ..Parts::default() })
    });
    let (good, bad) = (&b"pay 5 to ada"[..], &b"pay 5 to eve"[..]);
    let mut nonces = (0..).map(|n| format!("h2-{n}"));
    let mut signed = |path: &str| sign("POST", path, good, &nonces.next().expect("a nonce"));
    for route in ["modern", "signed"] {
        let path = format!("/{route}/good");
        let plain = request("POST", &path, &fields(&signed(&path)), good);
        assert_eq!(gateway.send(&plain).status(), 200, "{route}");
        let trailed = |bytes: Vec<u8>| [&bytes[..bytes.len() - 2], b"x-sum: 7\r\n\r\n"].concat();
        assert_eq!(gateway.send(&chunked(&path, &signed(&path), good, 5)).status(), 200, "{route}");
        assert_eq!(gateway.send(&trailed(chunked(&path, &signed(&path), good, 5))).status(), 200, "{route}");
        for ending in
            [over_http2(&gateway, &path, &signed(&path), good, 5), with_trailers(&gateway, &path, &signed(&path), good)]
        {
            assert!(matches!(ending, Ending::Response { status: 200, .. }), "{route}: {ending:?}");
        }

        let path = format!("/{route}/bad");
        let plain = request("POST", &path, &fields(&signed(&path)), bad);
        assert_eq!(gateway.send(&plain).status(), 401, "{route}");
        assert_eq!(gateway.send(&chunked(&path, &signed(&path), bad, 5)).status(), 401, "{route}");
        assert_eq!(gateway.send(&trailed(chunked(&path, &signed(&path), bad, 5))).status(), 401, "{route}");
        for ending in [
            over_http2(&gateway, &path, &signed(&path), bad, 5),
            over_http2(&gateway, &path, &signed(&path), &good[..7], 5),
            with_trailers(&gateway, &path, &signed(&path), bad),
            with_trailers(&gateway, &path, &signed(&path), &good[..7]),
            with_trailers(&gateway, &path, &signed(&path), b""),
        ] {
            assert!(matches!(ending, Ending::Response { status: 401, .. }), "{route}: {ending:?}");
        }
        let records = eventually("every refusal has its record", || {
            let records: Vec<_> = gateway.audit().into_iter().filter(|record| record["path"] == *path).collect();
            (records.len() == 8).then_some(records)
        });
        assert!(records.iter().all(|record| record["detail"] == "digest"), "{records:?}");
    }
    let received = streams.received();
    let whole: Vec<_> = received.iter().filter(|one| one.trailers.is_some()).collect();
    assert_eq!(whole.len(), 5, "{received:?}");
    for one in whole {
        assert_eq!((one.path.as_str(), one.body.as_slice()), ("/good", good));
        assert!(!one.headers.contains_key("signature") && !one.headers.contains_key("x-sum"), "{one:?}");
        assert!(one.trailers.as_ref().is_some_and(HeaderMap::is_empty), "{one:?}");
    }
    assert!(upstream.requests().iter().all(|one| one.path() == "/good" && one.body == good && one.trailers.is_empty()));
    assert_eq!(upstream.requests().len(), 5);
}

#[test]
fn a_signature_that_leaves_the_body_out_is_refused_where_one_comes() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream, "");
    let [digest, ..] = sign("POST", "/signed/x", b"", "n");
    let [input, signature] = signed(SHARED, &lines("POST", "/signed/x"), &sound("n"));
    let signed = [digest, input, signature];
    assert_eq!(gateway.send(&request("POST", "/signed/x", &fields(&signed), b"body")).status(), 401);
    assert_eq!(gateway.send(&chunked("/signed/x", &signed, b"body", 2)).status(), 401);
    gateway.audited("what was left out", |record| record["detail"] == "component");
    assert_eq!(upstream.connection_count(), 0);
    assert_eq!(gateway.send(&request("POST", "/signed/x", &fields(&signed), b"")).status(), 200);
}

/// The upstream cuts the first attempt after the whole body: the second one is checked and sent from the beginning.
#[test]
fn a_signed_body_that_is_sent_again_is_whole_again() {
    let attempts = std::sync::atomic::AtomicUsize::new(0);
    let upstream =
        Upstream::start(move |request, wire| match attempts.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            1 => Ok(crate::support::upstream::Then::Close),
            _ => wire.echo(request),
        });
    let gateway = gateway(&upstream, "");
    let body = vec![b'x'; 20_000];
    // The first one leaves a connection behind, which the second one finds cut.
    for (n, nonce) in ["a", "b"].into_iter().enumerate() {
        let signed = sign("PUT", "/signed/x", &body, nonce);
        let response = gateway.send(&request("PUT", "/signed/x", &fields(&signed), &body));
        assert_eq!((response.status(), response.json()["body"].as_str().map(str::len)), (200, Some(20_000)), "{n}");
    }
    assert_eq!(upstream.requests().len(), 3);
    assert!(upstream.requests().iter().all(|request| request.body == body));
}

#[test]
fn a_key_is_rotated_without_a_failed_request() {
    let upstream = Upstream::echo();
    let next = Caller::new("next");
    // The same owner: rules, limits and records see one principal.
    let entry = next.entry().replace("owner = \"next\"", "owner = \"alice\"");
    let mut old = String::new();
    let gateway = Gateway::start(|site| {
        old = config(site, &upstream, &Parts::default());
        old.clone()
    });
    let asks = |caller: &Caller| gateway.get("/api/x", &[("Authorization", &caller.bearer())]).status();
    assert_eq!((asks(&alice()), asks(&next)), (200, 401));
    let both = format!("{old}\n{entry}");
    let only_next = both.replace(&alice().entry(), "[authn.keys.api_key]\n");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let using = |caller: Caller| {
        let (stop, gateway) = (&stop, &gateway);
        move || {
            let mut statuses = Vec::new();
            while statuses.is_empty() || !stop.load(std::sync::atomic::Ordering::SeqCst) {
                statuses.push(gateway.get("/api/x", &[("Authorization", &caller.bearer())]).status());
            }
            statuses
        }
    };
    // The caller uses the old key until the new one is in force, then the new one until the old one is gone.
    for (caller, config) in [(alice(), &both), (Caller::new("next"), &only_next)] {
        stop.store(false, std::sync::atomic::Ordering::SeqCst);
        let statuses = std::thread::scope(|scope| {
            let caller = scope.spawn(using(caller));
            gateway.reload(config);
            stop.store(true, std::sync::atomic::Ordering::SeqCst);
            caller.join().expect("a caller")
        });
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    }
    assert_eq!((asks(&alice()), asks(&next)), (401, 200));
    gateway.audited("the new key", |record| record["status"] == 200 && record["principal"] == "alice");
}
