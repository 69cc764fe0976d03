//! Access that is ended at once: from the next request on, in the middle of what is under way while no byte flows, and for good.

use std::{
    io::{ErrorKind, Read},
    process::Output,
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::Value;
use tokio_tungstenite::tungstenite;

use crate::support::{
    eventually,
    frames::{self, Ending},
    gateway::{Gateway, Site, program},
    http1::Message,
    raw::{Client, request},
    scene::{Extra, Scene, code},
    upstream::Upstream,
    websocket,
};

/// `claviger revocation` with these arguments, in the gateway's folder.
fn command(site: &Site, arguments: &[&str]) -> Output {
    program().current_dir(site.folder()).arg("revocation").args(arguments).output().expect("the program")
}

/// What a command that has to work prints.
fn told(site: &Site, arguments: &[&str]) -> String {
    let output = command(site, arguments);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {complaint}");
    String::from_utf8(output.stdout).expect("text")
}

/// Ends this access; gives the revocation's id.
fn revoke(gateway: &Gateway, of: &str) -> String {
    let text = told(gateway.site(), &["add", of, "--reason", "a lost laptop", "--json"]);
    let shown: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&shown["of"], &shown["until"]), (&Value::from(of), &Value::Null));
    shown["id"].as_str().expect("an id").to_owned()
}

fn get(scene: &Scene, subject: &str, roles: &[&str]) -> Message {
    try_get(scene, subject, roles).expect("a whole answer")
}

/// The same while a revocation takes effect, which may cut it.
fn try_get(scene: &Scene, subject: &str, roles: &[&str]) -> Option<Message> {
    let bearer = format!("Bearer {}", scene.token_of(subject, roles));
    scene.gateway.try_get("/api/x", &[("Host", "api.test"), ("Authorization", &bearer)])
}

#[test]
fn whoever_is_revoked_is_refused_from_the_next_request_on_until_that_is_lifted() {
    let scene = Scene::new(&Extra::default());
    let (ada, bob) = (|| get(&scene, "ada", &["reader"]), || get(&scene, "bob", &["reader", "ops"]));
    for (of, refused) in [
        ("principal:corp:ada", [401, 200]),
        ("role:ops", [200, 401]),
        // The role that allows, which no claim has to be called.
        ("role:reader", [401, 401]),
        ("authn:corp", [401, 401]),
        ("all", [401, 401]),
    ] {
        assert_eq!([ada().status(), bob().status()], [200, 200], "before {of}");
        let id = revoke(&scene.gateway, of);
        eventually(&format!("{of} is revoked"), || {
            let (ada, bob) = (try_get(&scene, "ada", &["reader"])?, try_get(&scene, "bob", &["reader", "ops"])?);
            ([ada.status(), bob.status()] == refused).then_some(())
        });
        let listed: Value = serde_json::from_str(&told(scene.gateway.site(), &["list", "--json"])).expect("JSON");
        assert_eq!((listed[0]["id"].as_str(), listed.as_array().map(Vec::len)), (Some(id.as_str()), Some(1)));
        told(scene.gateway.site(), &["lift", &id]);
        eventually(&format!("{of} is lifted"), || ([ada().status(), bob().status()] == [200, 200]).then_some(()));
        for act in ["revoked", "lifted"] {
            let line = scene.gateway.audited(act, |entry| entry["id"] == id.as_str() && entry["act"] == act);
            let uid = format!("uid:{}", rustix::process::getuid().as_raw());
            let want = ["revocation", of, "a lost laptop", &uid];
            assert_eq!(["kind", "of", "reason", "by"].map(|name| line[name].as_str().unwrap_or_default()), want);
        }
    }
    revoke(&scene.gateway, "principal:corp:ada");
    let refused =
        eventually("she is refused", || try_get(&scene, "ada", &["reader"]).filter(|answer| answer.status() == 401));
    let challenge = refused.header("www-authenticate").expect("a challenge").to_owned();
    assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    assert_eq!(code(&refused), "credential_invalid");
    let record = scene.record_of(&refused);
    assert_eq!(
        (&record["outcome"], &record["detail"], &record["principal"]),
        (&"denied".into(), &"revoked".into(), &"ada".into())
    );
    assert_eq!(scene.gateway.metric("claviger_revocations", &[]), Some(1.0));
}

const CHAT: &str = r#"
[route.chat]
path = "/chat/**"
target = "api"
credential = "api"
authn = ["corp"]
websocket = true
allow = [{ role = "reader" }]
"#;

/// Revokes her and waits until the upstream's connection is ended and the exchange is recorded as what it is.
fn cut(scene: &Scene, ended: &AtomicUsize, path: &str) {
    let before = ended.load(Ordering::Relaxed);
    let id = revoke(&scene.gateway, "principal:corp:ada");
    eventually(&format!("{path}: the upstream's side ends"), || (ended.load(Ordering::Relaxed) > before).then_some(()));
    let record = scene.gateway.audited(path, |entry| entry["path"] == path);
    assert_eq!((&record["outcome"], &record["detail"]), (&"denied".into(), &"revoked".into()), "{record}");
    told(scene.gateway.site(), &["lift", &id]);
    eventually("she is let in again", || (get(scene, "ada", &["reader"]).status() == 200).then_some(()));
}

#[test]
fn whom_nothing_here_knows_is_revoked_and_that_is_said() {
    let keys = "[authn.keys.api_key.key.ci]\nprefix = \"abcdefghijkl\"\n\
                digest = \"sha256:0000000000000000000000000000000000000000000000000000000000000000\"\n\
                owner = \"ci\"\nroles = [\"reader\"]\n";
    let scene = Scene::with(Upstream::echo(), &Extra { tables: keys, ..Extra::default() });
    for (of, note) in [
        ("key:keys:ci", None),
        ("key:keys:cl", Some("the configuration has no such key")),
        ("principal:keys:ci", None),
        ("principal:keys:cl", Some("the configuration has no key of theirs")),
        ("principal:corp:somebody", None),
        ("session:00000000000000000000000000000001", Some("no such session goes on")),
    ] {
        let text = told(scene.gateway.site(), &["add", of, "--reason", "a lost laptop"]);
        let found = text.split_once("(note: ").map(|(_, note)| note.trim_end().trim_end_matches(')'));
        assert_eq!(found, note, "{text}");
    }
}

fn http1(scene: &Scene, path: &str) -> Client {
    let mut client = Client::connect(scene.gateway.public());
    client.send(&request("GET", path, &[("Host", "api.test"), ("Authorization", &scene.bearer())], b""));
    client
}

#[test]
fn what_is_under_way_over_http1_is_cut_while_no_byte_flows() {
    let (upstream, ended) = Upstream::silent();
    let scene = Scene::with(upstream, &Extra::default());

    let mut events = http1(&scene, "/api/events");
    let begun = events.reader().until(b"data: first\n\n").expect("the first event");
    assert!(begun.starts_with(b"HTTP/1.1 200"));
    cut(&scene, &ended, "/api/events");
    let rest = events.rest();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "it does not look whole: {rest:?}");

    let mut waiting = http1(&scene, "/api/silence");
    eventually("it is at the upstream", || {
        scene.upstream.requests().iter().any(|r| r.path() == "/silence").then_some(())
    });
    cut(&scene, &ended, "/api/silence");
    let answer = waiting.response();
    assert_eq!((answer.status(), code(&answer)), (401, "credential_invalid".to_owned()));

    // A client that does not read: the gateway waits to write.
    let flooded = http1(&scene, "/api/flood");
    eventually("the upstream is held back", || {
        let blocked = scene.upstream.requests().iter().any(|r| r.path() == "/flood");
        blocked.then_some(())
    });
    cut(&scene, &ended, "/api/flood");
    drop(flooded);
    let cuts = scene.gateway.metric("claviger_revocation_cut_seconds_count", &[]);
    assert_eq!(cuts, Some(3.0));
}

#[test]
fn an_upload_that_stalls_is_cut() {
    let (upstream, _) = Upstream::silent();
    let scene = Scene::with(upstream, &Extra::default());
    let bearer = scene.bearer();
    let mut client = Client::connect(scene.gateway.public());
    let head = format!(
        "POST /api/upload HTTP/1.1\r\nHost: api.test\r\nAuthorization: {bearer}\r\nContent-Length: 10\r\n\r\nabc"
    );
    client.send(head.as_bytes());
    eventually("its beginning is at the upstream", || {
        scene.upstream.received().iter().any(|bytes| bytes.ends_with(b"abc")).then_some(())
    });
    revoke(&scene.gateway, "principal:corp:ada");
    let answer = client.response();
    assert_eq!((answer.status(), code(&answer)), (401, "credential_invalid".to_owned()));
    let record = scene.record_of(&answer);
    assert_eq!((&record["path"], &record["detail"]), (&"/api/upload".into(), &"revoked".into()));
    assert!(scene.upstream.requests().is_empty(), "never whole");
}

#[test]
fn a_websocket_is_cut_while_nobody_says_anything() {
    let (upstream, ended) = Upstream::silent();
    let scene = Scene::with(upstream, &Extra { tables: CHAT, ..Extra::default() });
    let mut socket = websocket::open(scene.gateway.public(), "ws://api.test/chat/chat", &scene.bearer());
    socket.send(tungstenite::Message::text("hello")).expect("sent");
    assert_eq!(socket.read().expect("an echo"), tungstenite::Message::text("hello"));
    cut(&scene, &ended, "/chat/chat");
    let told = socket.read().expect("told why");
    let tungstenite::Message::Close(Some(close)) = told else { panic!("{told}") };
    assert_eq!((u16::from(close.code), close.reason.as_str()), (1008, "credential_invalid"));
}

#[test]
fn a_stream_of_http2_is_cut_and_those_beside_it_are_not() {
    let (upstream, ended) = Upstream::silent();
    let scene = Scene::with(upstream, &Extra::default());
    let (ada, bob) = (scene.bearer(), format!("Bearer {}", scene.token_of("bob", &["reader"])));
    let fields = |method: &'static str, path: &'static str, bearer: &str| {
        frames::block(&[
            (":method", method.as_bytes()),
            (":scheme", b"http"),
            (":authority", b"api.test"),
            (":path", path.as_bytes()),
            ("authorization", bearer.as_bytes()),
        ])
    };
    let whole = frames::END_HEADERS | frames::END_STREAM;
    let mut client = Client::connect(scene.gateway.public());
    client.send(&frames::opening_without_table());
    client.send(&frames::frame(frames::HEADERS, whole, 1, &fields("GET", "/api/events", &ada)));
    client.send(&frames::frame(frames::HEADERS, whole, 3, &fields("GET", "/api/events", &bob)));
    let mut begun = 0;
    while begun < 2 {
        let frame = frames::read(&mut client).expect("a frame");
        begun += usize::from(frame.kind == frames::DATA && frame.payload.starts_with(b"data: first"));
    }
    // An upload that stalls.
    client.send(&frames::frame(frames::HEADERS, frames::END_HEADERS, 5, &fields("POST", "/api/upload", &ada)));
    client.send(&frames::frame(frames::DATA, 0, 5, b"abc"));
    eventually("its beginning is at the upstream", || {
        scene.upstream.received().iter().any(|bytes| bytes.windows(3).any(|part| part == b"abc")).then_some(())
    });
    revoke(&scene.gateway, "principal:corp:ada");
    let endings = frames::endings(&mut client, &[1, 5]);
    assert!(matches!(endings[0], Ending::Reset(_)), "{endings:?}");
    assert!(matches!(endings[1], Ending::Response { status: 401, .. }), "{endings:?}");
    eventually("hers ends at the upstream", || (ended.load(Ordering::Relaxed) == 1).then_some(()));
    client.send(&frames::frame(frames::HEADERS, whole, 7, &fields("GET", "/api/x", &bob)));
    assert!(matches!(frames::ending(&mut client, 7), Ending::Response { status: 200, .. }));
    client.send(&frames::frame(frames::HEADERS, whole, 9, &fields("GET", "/api/x", &ada)));
    assert!(matches!(frames::ending(&mut client, 9), Ending::Response { status: 401, .. }));
    assert_eq!(ended.load(Ordering::Relaxed), 1, "his goes on");
    for path in ["/api/events", "/api/upload"] {
        let record = scene.gateway.audited(path, |entry| entry["path"] == path && entry["principal"] == "ada");
        assert_eq!((&record["outcome"], &record["detail"]), (&"denied".into(), &"revoked".into()), "{record}");
    }
}

#[test]
fn what_was_acknowledged_outlives_every_kind_of_end() {
    let mut scene = Scene::new(&Extra::default());
    revoke(&scene.gateway, "principal:corp:ada");
    scene.gateway.kill_and_restart();
    scene.gateway.wait_until_ready();
    assert_eq!(get(&scene, "ada", &["reader"]).status(), 401, "from the first request on");
    assert_eq!(get(&scene, "ada", &["nobody"]).status(), 401, "whatever rules say");
    assert_eq!(get(&scene, "bob", &["nobody"]).status(), 403);
    assert_eq!(get(&scene, "bob", &["reader"]).status(), 200);
    assert_eq!(scene.gateway.upgrade().code(), Some(0));
    scene.gateway.wait_until_ready();
    assert_eq!(get(&scene, "ada", &["reader"]).status(), 401);
    // Told while nobody served, told once somebody does.
    assert_eq!(scene.gateway.terminate().code(), Some(0));
    let id = revoke(&scene.gateway, "principal:corp:bob");
    scene.gateway.kill_and_restart();
    scene.gateway.wait_until_ready();
    assert_eq!(get(&scene, "bob", &["reader"]).status(), 401);
    scene.gateway.audited("bob's", |entry| entry["id"] == id.as_str() && entry["act"] == "revoked");
}

#[test]
fn no_revocation_that_was_acknowledged_is_lost_when_its_command_is_killed() {
    let scene = Scene::new(&Extra::default());
    let site = scene.gateway.site();
    let mut acknowledged = Vec::new();
    for nth in 0..60_u32 {
        let of = format!("principal:corp:user-{nth}");
        let mut child = program()
            .current_dir(site.folder())
            .args(["revocation", "add", &of, "--reason", "x"])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("the program");
        // At another moment each time: before, while and after it writes.
        let mut pauses = (0..nth * 400).map(std::hint::black_box);
        while pauses.next().is_some() && child.try_wait().expect("our child").is_none() {}
        match child.kill() {
            Ok(()) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}"),
        }
        let mut text = String::new();
        child.stdout.take().expect("piped").read_to_string(&mut text).expect("text");
        child.wait().expect("our child");
        acknowledged.extend(text.ends_with('\n').then_some(of));
    }
    let listed = told(site, &["list"]);
    let lost: Vec<_> = acknowledged.iter().filter(|of| !listed.contains(&format!("{of} "))).collect();
    assert!(lost.is_empty(), "{lost:?} of {}", acknowledged.len());
    assert_eq!(get(&scene, "ada", &["reader"]).status(), 200);
}

#[test]
fn a_store_that_cannot_be_trusted_is_no_store() {
    let mut scene = Scene::new(&Extra::default());
    revoke(&scene.gateway, "principal:corp:ada");
    eventually("she is refused", || (try_get(&scene, "ada", &["reader"])?.status() == 401).then_some(()));
    let store = scene.gateway.site().folder().join("claviger.db");
    std::fs::rename(&store, store.with_extension("old")).expect("moved");
    eventually("it is not ready", || (scene.gateway.admin_get("/ready").status() == 503).then_some(()));
    assert!(scene.gateway.log().contains("no new revocation takes effect"));
    assert_eq!(get(&scene, "ada", &["reader"]).status(), 401, "what is in force stays so");
    assert_eq!(scene.gateway.terminate().code(), Some(0));
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", store.display()));
    }
    std::fs::write(&store, [b'x'; 5000]).expect("written");
    scene.gateway.kill_and_restart();
    assert_eq!(scene.gateway.wait().code(), Some(1), "it does not start");
    let log = scene.gateway.log();
    assert!(log.contains("claviger.db") && log.contains("put back a copy"), "{log}");
    assert_eq!(std::fs::read(&store).expect("left"), [b'x'; 5000]);
}

#[test]
fn commands_that_would_not_do_what_was_meant_say_so() {
    let scene = Scene::new(&Extra::default());
    let site = scene.gateway.site();
    let unknown = "0123456789abcdef0123456789abcdef";
    for (arguments, status, word) in [
        (&["add", "principal:crop:ada", "--reason", "x"][..], 2, "there is no `[authn.crop]`, only: corp"),
        (&["add", "authn:crop", "--reason", "x"], 2, "there is no `[authn.crop]`"),
        (&["add", "user:ada", "--reason", "x"], 2, "principal:AUTHENTICATOR:ID"),
        (&["add", "all", "--reason", " "], 2, "a reason is one line"),
        (&["add", "all"], 2, "--reason"),
        (&["lift", unknown], 1, "no revocation 0123456789abcdef0123456789abcdef is in force"),
        (&["lift", "7"], 2, "32 hexadecimal digits"),
        (&["list", "--config", "nowhere.toml"], 2, "--store FILE"),
    ] {
        let output = command(site, arguments);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {complaint}");
        assert!(complaint.contains(word), "{arguments:?}: {complaint}");
    }
    assert_eq!(told(site, &["list"]).trim(), "Nobody's access is ended.");
    // In an emergency no configuration is needed.
    told(site, &["add", "principal:corp:ada", "--reason", "x", "--for", "1h", "--store", "claviger.db"]);
    eventually("she is refused", || (try_get(&scene, "ada", &["reader"])?.status() == 401).then_some(()));
    assert!(told(site, &["list"]).contains("principal:corp:ada"));
}
