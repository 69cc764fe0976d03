//! What one client can take: time, connections, memory. It gets its bound, and everybody else is served meanwhile.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    PATIENCE, eventually,
    frames::{
        self, CONTINUATION, DATA, END_HEADERS, END_STREAM, Ending, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS,
        WINDOW_UPDATE,
    },
    gateway::{Gateway, metric_in},
    raw::{Client, request},
    scene::{Extra, Scene, code},
    upstream::Upstream,
};

const LIMITS: &str = r#"
max_head = "4KiB"
head_timeout = "700ms"
idle_timeout = "900ms"
write_timeout = "700ms"
"#;

/// How much a flood may add to the process's memory: a debug build with allocator slack, far below what the flood would fill.
const ROOM_KIB: u64 = 50 * 1024;

/// The memory that the process holds, in KiB.
fn resident(gateway: &Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).expect("a running process");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a size");
    line.split_whitespace().nth(1).expect("a number").parse().expect("digits")
}

fn timeouts(scene: &Scene, kind: &str) -> f64 {
    scene.gateway.metric("claviger_ingress_timeouts_total", &[&format!("kind=\"{kind}\"")]).expect("the metric")
}

/// Writes one byte at a time until the peer closes; how long that took.
fn drip(scene: &Scene, first: &[u8], every: Duration) -> Duration {
    let mut socket = TcpStream::connect(scene.gateway.public()).expect("a connection");
    socket.set_read_timeout(Some(every)).expect("a deadline");
    let since = Instant::now();
    socket.write_all(first).expect("sent");
    loop {
        assert!(since.elapsed() < PATIENCE, "a client that drips {:?} is never closed", String::from_utf8_lossy(first));
        let closed = match socket.read(&mut [0; 1024]) {
            Ok(count) => count == 0,
            Err(e) => !matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
        };
        if closed || socket.write_all(b"x").is_err() {
            return since.elapsed();
        }
    }
}

#[test]
fn who_is_slow_is_closed_and_nobody_waits_for_it() {
    let upstream = Upstream::start(|request, wire| match request.path() {
        "/endless" => {
            wire.begin(200, "text/plain")?;
            loop {
                wire.chunk(&[b'x'; 65536])?;
            }
        }
        _ => wire.echo(request),
    });
    let scene = Scene::with(upstream, &Extra { listen: LIMITS, route: "body_timeout = \"700ms\"", ..Extra::default() });
    let bearer = scene.bearer();
    let tick = Duration::from_millis(50);
    thread::scope(|scope| {
        let scene = &scene;
        let bearer = &bearer;
        for first in [&b"GET /api/x HTTP/1.1\r\nX-Drip: aaaaaaaaaaaaaaaaaaaaaa"[..], b"G", b"PRI * HTTP/2.0\r\n\r\n"] {
            scope.spawn(move || assert!(drip(scene, first, tick) < Duration::from_secs(10)));
        }
        scope.spawn(move || {
            let silent = Client::connect(scene.gateway.public()).rest();
            assert_eq!(silent, b"", "a connection on which nothing comes");
        });
        scope.spawn(move || {
            let mut client = Client::connect(scene.gateway.public());
            client.send(&request("GET", "/api/idle", &[("Authorization", bearer)], b""));
            assert_eq!(client.response().status(), 200);
            assert_eq!(client.rest(), b"", "a connection that idles after an answer");
        });
        scope.spawn(move || {
            let head = format!(
                "POST /api/drip HTTP/1.1\r\nHost: api.test\r\nAuthorization: {bearer}\r\nContent-Length: 100000\r\n\r\n"
            );
            drip(scene, head.as_bytes(), tick);
            let record = scene.gateway.audited("the slow body", |entry| entry["path"] == "/api/drip");
            assert_ne!(record["outcome"], "completed", "{record}");
        });
        scope.spawn(move || {
            // No byte of the body: found by the clock, where a dripped one may be found by its next byte.
            let fields = [("Authorization", bearer.as_str()), ("Content-Length", "100000")];
            let mut client = Client::connect(scene.gateway.public());
            client.send(&request("POST", "/api/none", &fields, b""));
            let response = client.response();
            assert_eq!((response.status(), code(&response).as_str()), (408, "request_timeout"));
            let record = scene.gateway.audited("the missing body", |entry| entry["path"] == "/api/none");
            assert_eq!((&record["outcome"], &record["code"]), (&"denied".into(), &"request_timeout".into()));
        });
        scope.spawn(move || mute_stream(scene, bearer));
        scope.spawn(move || {
            let mut socket = TcpStream::connect(scene.gateway.public()).expect("a connection");
            socket.write_all(&request("GET", "/api/endless", &[("Authorization", bearer)], b"")).expect("sent");
            let record =
                scene.gateway.audited("the reader that does not read", |entry| entry["path"] == "/api/endless");
            assert_ne!(record["outcome"], "completed", "{record}");
        });
        let since = Instant::now();
        while since.elapsed() < Duration::from_secs(2) {
            let asked = Instant::now();
            assert_eq!(scene.get("/api/other").status(), 200);
            assert!(asked.elapsed() < Duration::from_secs(2), "somebody else waited {:?}", asked.elapsed());
        }
    });
    for kind in ["head", "idle", "body", "write"] {
        eventually(&format!("a slow {kind} is counted"), || (timeouts(&scene, kind) > 0.0).then_some(()));
    }
}

/// A stream of HTTP/2 with no byte of its body: it shares its connection, so its own clock has to find it.
fn mute_stream(scene: &Scene, bearer: &str) {
    let fields: [(&str, &[u8]); 5] = [
        (":method", b"POST"),
        (":scheme", b"http"),
        (":authority", b"api.test"),
        (":path", b"/api/mute"),
        ("authorization", bearer.as_bytes()),
    ];
    let mut client = Client::connect(scene.gateway.public());
    let head = frames::frame(HEADERS, END_HEADERS, 1, &frames::block(&fields));
    client.send(&[frames::opening(), head].concat());
    let Ending::Response { status, .. } = frames::ending(&mut client, 1) else { panic!("no response") };
    assert_eq!(status, 408);
    let record = scene.gateway.audited("the mute stream", |entry| entry["path"] == "/api/mute");
    assert_eq!((&record["outcome"], &record["code"]), (&"denied".into(), &"request_timeout".into()));
}

#[test]
fn heads_are_bounded_in_size_and_number() {
    let scene = Scene::new(&Extra { listen: LIMITS, ..Extra::default() });
    let bearer = scene.bearer();
    let long = "x".repeat(5000);
    let many: Vec<(String, &str)> = (0..300).map(|n| (format!("x{n}"), "y")).collect();
    let mut fields: Vec<(&str, &str)> = vec![("Authorization", &bearer)];
    fields.extend(many.iter().map(|(name, value)| (name.as_str(), *value)));
    for (what, bytes) in [
        ("one long field", request("GET", "/api/x", &[("Authorization", &bearer), ("X-Long", &long)], b"")),
        ("a long path", request("GET", &format!("/api/{long}"), &[("Authorization", &bearer)], b"")),
        ("a long query", request("GET", &format!("/api/x?{long}"), &[("Authorization", &bearer)], b"")),
        ("a long name", request("GET", "/api/x", &[("Authorization", &bearer), (&long, "x")], b"")),
    ] {
        let response = scene.gateway.send(&bytes);
        assert_eq!((response.status(), code(&response).as_str()), (431, "head_too_large"), "{what}");
        assert_eq!(scene.record_of(&response)["code"], "head_too_large", "{what}");
    }
    let response = scene.gateway.send(&request("GET", "/api/x", &fields, b""));
    assert!(matches!(response.status(), 400 | 431), "{}", response.start);
    // Far too large: closed without reading on, whether or not an answer still gets through.
    let mut client = Client::connect(scene.gateway.public());
    let all = client.send(&request("GET", "/api/x", &[("X-Huge", &"x".repeat(4_000_000))], b"")).rest();
    assert!(all.is_empty() || all.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&all));
    assert_eq!(scene.get("/api/other").status(), 200);
    assert_eq!(scene.upstream.requests().len(), 1);
}

#[test]
fn connections_from_one_address_are_bounded() {
    let scene = Scene::new(&Extra { listen: "max_connections_per_address = 8", ..Extra::default() });
    let bearer = scene.bearer();
    let ask = || {
        let mut client = Client::try_connect(scene.gateway.public()).ok()?;
        client.send(&request("GET", "/api/x", &[("Authorization", &bearer)], b""));
        let response = client.try_response().ok().flatten()?;
        (response.status() == 200).then_some(client)
    };
    let held: Vec<Client> = (0..8).map(|_| eventually("one of eight connections is served", ask)).collect();
    for _ in 0..8 {
        assert!(ask().is_none(), "a ninth connection was served");
    }
    let refused = || scene.gateway.metric("claviger_connections_refused_total", &["reason=\"client\""]);
    eventually("the refusals are counted", || refused().filter(|&count| count >= 8.0));
    drop(held);
    eventually("there is room again", ask);
}

#[test]
fn floods_of_http2_frames_end_their_own_connection() {
    let scene = Scene::new(&Extra { listen: LIMITS, ..Extra::default() });
    let bearer = scene.bearer();
    assert_eq!(scene.get("/api/warm").status(), 200);
    let before = resident(&scene.gateway);
    let get = frames::block(&[
        (":method", b"GET"),
        (":scheme", b"http"),
        (":authority", b"api.test"),
        (":path", b"/api/flood"),
        ("authorization", bearer.as_bytes()),
    ]);
    let reset = |stream: u32| {
        let head = frames::frame(HEADERS, END_HEADERS | END_STREAM, stream, &get);
        [head, frames::frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
    };
    let rapid_reset: Vec<u8> = (0..20_000).flat_map(|n| reset(n * 2 + 1)).collect();
    let continued = frames::frame(CONTINUATION, 0, 1, &frames::block(&[("x-a", &[b'x'; 1000])]));
    let continuation = [frames::frame(HEADERS, 0, 1, &get), continued.repeat(5_000)].concat();
    let empty = [frames::frame(HEADERS, 0, 1, &get), frames::frame(CONTINUATION, 0, 1, b"").repeat(100_000)].concat();
    // A window that is too large has the server end the stream, while its request goes on upstream (CVE-2025-8671).
    let made_to_reset = |stream: u32| {
        let head = frames::frame(HEADERS, END_HEADERS | END_STREAM, stream, &get);
        [head, frames::frame(WINDOW_UPDATE, 0, stream, &0x7fff_ffff_u32.to_be_bytes())].concat()
    };
    let made_reset: Vec<u8> = (0..20_000).flat_map(|n| made_to_reset(n * 2 + 1)).collect();
    let data = [frames::frame(HEADERS, END_HEADERS, 1, &get), frames::frame(DATA, 0, 1, b"").repeat(100_000)].concat();
    for (what, flood) in [
        ("rapid reset", rapid_reset),
        ("resets of the server's own", made_reset),
        ("continuation", continuation),
        ("empty continuation", empty),
        ("empty data", data),
    ] {
        let mut client = Client::connect(scene.gateway.public());
        client.send(&[frames::opening(), flood].concat());
        let told = until_closed(&mut client);
        assert!(told.contains(&GOAWAY) || told.is_empty(), "{what}: {told:?}");
        assert_eq!(scene.get("/api/other").status(), 200, "after {what}");
    }
    let grown = resident(&scene.gateway).saturating_sub(before);
    assert!(grown < ROOM_KIB, "{grown} KiB more than before");
}

#[test]
fn a_window_that_never_opens_holds_no_exchange() {
    let scene = Scene::new(&Extra { listen: LIMITS, ..Extra::default() });
    let bearer = scene.bearer();
    let mut client = Client::connect(scene.gateway.public());
    // SETTINGS_INITIAL_WINDOW_SIZE = 0 (RFC 9113 §6.5.2): not a byte of any body may be sent.
    let closed = frames::frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let ask = |stream: u32, path: &str, token: &str| {
        let fields = [
            (":method", &b"GET"[..]),
            (":scheme", b"http"),
            (":authority", b"api.test"),
            (":path", path.as_bytes()),
            ("authorization", token.as_bytes()),
        ];
        frames::request(stream, &fields, b"")
    };
    let asked = [ask(1, "/api/pinned", &bearer), ask(3, "/api/refused", "Bearer none")].concat();
    client.send(&[frames::PREFACE, &closed, &asked].concat());
    for path in ["/api/pinned", "/api/refused"] {
        scene.gateway.audited("an exchange whose client takes nothing", |entry| entry["path"] == path);
    }
    eventually("nothing is under way", || {
        (scene.gateway.metric("claviger_in_flight", &[]).expect("the metric") == 0.0).then_some(())
    });
}

#[test]
fn a_header_bomb_is_not_unpacked() {
    let scene = Scene::new(&Extra { listen: LIMITS, ..Extra::default() });
    let bearer = scene.bearer();
    assert_eq!(scene.get("/api/warm").status(), 200);
    let before = resident(&scene.gateway);
    let plain = |stream: u32| {
        let mut block = frames::block(&[
            (":method", b"GET"),
            (":scheme", b"http"),
            (":authority", b"api.test"),
            (":path", b"/api/bomb"),
            ("authorization", bearer.as_bytes()),
        ]);
        if stream == 1 {
            // A field of almost the whole dynamic table, put there by its first use (RFC 7541 §6.2.1).
            block.push(0x40);
            frames::integer(&mut block, 1, 7, 0);
            block.push(b'b');
            frames::integer(&mut block, 4000, 7, 0);
            block.extend([b'x'; 4000]);
        }
        // Each byte stands for all of it: 62 is the newest entry.
        block.extend([0xbe; 10_000]);
        frames::frame(HEADERS, END_HEADERS | END_STREAM, stream, &block)
    };
    let bombs: Vec<u8> = (0..100).flat_map(|n| plain(n * 2 + 1)).collect();
    let mut clients: Vec<Client> = (0..8).map(|_| Client::connect(scene.gateway.public())).collect();
    for client in &mut clients {
        client.send(&[frames::opening(), bombs.clone()].concat());
        let ending = frames::ending(client, 1);
        assert!(!matches!(ending, Ending::Response { status: 200, .. }), "{ending:?}");
    }
    // Unpacked, one of these heads is 40 MB, and all of them are 32 GB.
    let grown = resident(&scene.gateway).saturating_sub(before);
    assert!(grown < ROOM_KIB, "{grown} KiB more than before");
    assert_eq!(scene.get("/api/other").status(), 200);
    assert!(scene.upstream.requests().iter().all(|request| request.path() != "/bomb"));
}

#[test]
fn chatter_that_asks_for_nothing_costs_next_to_nothing() {
    let scene = Scene::new(&Extra { listen: LIMITS, ..Extra::default() });
    let before = resident(&scene.gateway);
    let ping = frames::frame(PING, 0, 0, b"12345678").repeat(20_000);
    let settings = frames::frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]).repeat(20_000);
    let data = frames::frame(DATA, 0, 1, b"").repeat(20_000);
    for (what, flood) in [("ping", ping), ("settings", settings), ("data on no stream", data)] {
        let mut client = Client::connect(scene.gateway.public());
        client.send(&[frames::opening(), flood].concat());
        assert_eq!(scene.get("/api/other").status(), 200, "during {what}");
        // Idle from here on: closed in time.
        until_closed(&mut client);
    }
    let grown = resident(&scene.gateway).saturating_sub(before);
    assert!(grown < ROOM_KIB, "{grown} KiB more than before");
}

/// The kinds of the frames that come until the peer closes.
fn until_closed(client: &mut Client) -> Vec<u8> {
    let since = Instant::now();
    let mut kinds = Vec::new();
    while let Ok(frame) = frames::read(client) {
        if kinds.last() != Some(&frame.kind) {
            kinds.push(frame.kind);
        }
        assert!(since.elapsed() < PATIENCE, "never closed");
    }
    kinds
}

#[test]
fn what_clients_make_up_grows_neither_metrics_nor_memory() {
    const THREADS: usize = 4;
    const EACH: usize = 25_000;
    let scene = Scene::new(&Extra::default());
    let bearer = scene.bearer();
    let series = || scene.gateway.admin_get("/metrics").text().lines().filter(|line| !line.starts_with('#')).count();
    for path in ["/api/x", "/nowhere"] {
        scene.gateway.get(path, &[("Authorization", &bearer)]);
        scene.gateway.get(path, &[("Authorization", "Bearer x")]);
    }
    made_up(&scene, THREADS, EACH / 25);
    let (series_before, before) = (series(), resident(&scene.gateway));
    made_up(&scene, THREADS, EACH);
    assert_eq!(series(), series_before, "metrics have grown");
    let grown = resident(&scene.gateway).saturating_sub(before);
    assert!(grown < ROOM_KIB, "{grown} KiB more than before");
    let counted = scene.gateway.admin_get("/metrics").text();
    let refused = metric_in(&counted, "claviger_denials_total", &["code=\"credential_invalid\""]).expect("the metric");
    assert!(refused >= (THREADS * EACH / 2) as f64, "{refused}");
}

/// On kept connections: requests of which each has a token, a path, a host and a key id that nobody has seen before.
fn made_up(scene: &Scene, threads: usize, each: usize) {
    let token = scene.token();
    let (claims, signature) = token.split_once('.').expect("a token").1.split_once('.').expect("a signature");
    let template = |kid: &str| {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        let head = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#));
        format!("{head}.{claims}.{signature}")
    };
    thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                let mut client = Client::connect(scene.gateway.public());
                for n in 0..each {
                    let id = format!("{thread}-{n}-{each}");
                    let path = if n % 2 == 0 { format!("/api/{id}") } else { format!("/nowhere/{id}") };
                    let bearer = format!("Bearer {}", template(&id));
                    let fields = [("Authorization", bearer.as_str()), ("Host", &format!("h{id}.test"))];
                    client.send(&request("GET", &path, &fields, b""));
                    let want = if n % 2 == 0 { 401 } else { 404 };
                    assert_eq!(client.response().status(), want, "{path}");
                }
            });
        }
    });
}
