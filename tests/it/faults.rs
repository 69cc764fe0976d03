//! What happens when the parts around the gateway, or the gateway itself, fail.

use std::{
    fs,
    io::Write as _,
    net::{Shutdown, SocketAddr, TcpStream},
    os::unix::fs::symlink,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;

use crate::support::{
    eventually,
    gateway::Gateway,
    load::Load,
    raw::{self, Client, request},
    setup::{Parts, SECRET, alice, config, config_to},
    tls::Authority,
    upstream::{Then, Upstream},
};

/// How many heads of this method the upstream has read, whole requests or not.
fn heads(upstream: &Upstream, method: &str) -> usize {
    let mark = format!("{method} /");
    let received: Vec<u8> = upstream.received().concat();
    received.windows(mark.len()).filter(|window| *window == mark.as_bytes()).count()
}

/// Fault 1, in the request.
#[test]
fn an_upstream_that_dies_in_the_middle_of_a_body_is_a_502_and_the_request_is_sent_once() {
    for method in ["POST", "PUT"] {
        let upstream = Upstream::echo();
        let gateway = Gateway::start(|site| config(site, &upstream, &Parts::default()));
        let mut client = Client::connect(gateway.public());
        let bearer = alice().bearer();
        let head = format!(
            "{method} /api/x HTTP/1.1\r\nHost: gateway.test\r\nAuthorization: {bearer}\r\nContent-Length: 100000\r\n\r\n"
        );
        client.send(head.as_bytes()).send(&[b'a'; 50_000]);
        eventually("half of it has arrived", || {
            (upstream.received().first().is_some_and(|bytes| bytes.len() > 40_000)).then_some(())
        });
        upstream.sever();
        let response = client.response();
        assert_eq!((response.status(), &response.json()["code"]), (502, &json!("upstream_unreachable")), "{method}");
        assert_eq!(heads(&upstream, method), 1, "{method} is not sent again");
        let record = gateway.audited("the record", |record| record["method"] == method);
        assert_eq!((&record["outcome"], &record["status"]), (&json!("failed"), &json!(502)));
        assert_eq!(gateway.get("/api/x", &[("Authorization", &bearer)]).status(), 200, "the next one is well");
    }
}

/// Fault 1, in the response.
#[test]
fn a_response_that_breaks_off_breaks_off_at_the_client_too_and_poisons_nothing() {
    for (framing, broken) in [
        ("a length", &b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"[..]),
        ("chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
        ("half a chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf"),
    ] {
        let upstream = Upstream::start(move |request, wire| match request.path() {
            "/broken" => {
                wire.send(broken)?;
                Ok(Then::Close)
            }
            _ => wire.echo(request),
        });
        let gateway = Gateway::start(|site| config(site, &upstream, &Parts::default()));
        let bearer = alice().bearer();
        let headers = [("Authorization", &*bearer)];
        for method in ["GET", "POST"] {
            let mut client = Client::connect(gateway.public());
            client.send(&request(method, "/api/broken", &headers, b""));
            assert!(client.try_response().is_err(), "{framing}: a client can tell that it is not whole");
            assert_eq!(heads(&upstream, &format!("{method} /broken").replace(" /broken", "")), 1, "{framing} {method}");
            assert_eq!(gateway.get("/api/well", &headers).json()["path"], "/well", "{framing}");
            let seen = upstream.requests().iter().filter(|r| r.method() == method && r.path() == "/broken").count();
            assert_eq!(seen, 1, "{framing}: {method} is not sent again once an answer has begun");
            gateway.audited("the record", |r| r["method"] == method && r["outcome"] == "failed");
            if method == "GET" {
                continue;
            }
            let records = gateway.audit();
            assert!(
                records.iter().filter(|r| r["path"] == "/api/broken").all(|r| r["outcome"] == "failed"),
                "{framing}"
            );
        }
    }
}

#[test]
fn what_an_upstream_sends_past_its_response_reaches_nobody() {
    let upstream = Upstream::start(|request, wire| {
        let path = request.path();
        let honest = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len());
        // In one piece: what comes after the connection was given to another request is that one's answer to anybody who reads it.
        wire.send(format!("{honest}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil").as_bytes())?;
        Ok(Then::KeepAlive)
    });
    let gateway = Gateway::start(|site| config(site, &upstream, &Parts::default()));
    let bearer = alice().bearer();
    let mut client = Client::connect(gateway.public());
    for count in 0..50 {
        let path = format!("/{count}");
        client.send(&request("GET", &format!("/api{path}"), &[("Authorization", &bearer)], b""));
        match client.try_response() {
            Ok(Some(response)) if response.status() == 200 => assert_eq!(response.text(), path),
            Ok(Some(response)) => assert_eq!(response.status(), 502),
            Ok(None) | Err(_) => client = Client::connect(gateway.public()),
        }
    }
}

#[test]
fn a_connection_that_turns_out_dead_is_replaced_for_a_get_and_never_for_a_post() {
    let dying = Arc::new(AtomicBool::new(false));
    let dies = Arc::clone(&dying);
    let upstream = Upstream::start(move |request, wire| {
        // A request is read and answered by hanging up.
        if dies.swap(false, Ordering::SeqCst) { Ok(Then::Close) } else { wire.echo(request) }
    });
    let gateway = Gateway::start(|site| config(site, &upstream, &Parts::default()));
    let headers = [("Authorization", &*alice().bearer())];
    let ask = |method: &str| {
        let mut client = Client::connect(gateway.public());
        client.send(&request(method, "/api/x", &headers, b"")).response().status()
    };
    for (method, want) in [("GET", (200, 2)), ("POST", (502, 1))] {
        eventually("a pooled connection is used", || {
            assert_eq!(ask("GET"), 200);
            let (before, connections) = (upstream.requests().len(), upstream.connection_count());
            dying.store(true, Ordering::SeqCst);
            let got = (ask(method), upstream.requests().len() - before);
            // A connection made for the request was not dead before: what it sent may have been acted on.
            let is_pooled = got.1 == 2 || upstream.connection_count() == connections;
            assert_eq!(got, if is_pooled { want } else { (502, 1) }, "{method}");
            is_pooled.then_some(())
        });
    }
}

#[test]
fn an_upstream_that_is_away_slow_or_mad_is_a_502_or_504_and_recovers() {
    let mad = |bytes: &'static [u8]| {
        Upstream::start(move |_, wire| {
            wire.send(bytes)?;
            wire.until_closed()
        })
    };
    let slow = Upstream::start(|_, wire| wire.until_closed());
    let away = {
        let gone = Upstream::echo();
        gone.url()
    };
    let upstreams = [
        ("away", None, 502, "upstream_unreachable"),
        ("slow", Some(slow), 504, "upstream_timeout"),
        ("garbage", Some(mad(b"\x00\x01\x02 not http at all\r\n\r\n")), 502, "upstream_invalid"),
        ("no status", Some(mad(b"HTTP/1.1 \r\n\r\n")), 502, "upstream_invalid"),
        ("another protocol", Some(mad(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")), 502, "upstream_invalid"),
        (
            "a switch of protocols that nobody asked for",
            Some(mad(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")),
            502,
            "upstream_invalid",
        ),
        ("hangs up", Some(Upstream::start(|_, _| Ok(Then::Close))), 502, "upstream_unreachable"),
    ];
    let parts = Parts { target: "read_timeout = \"500ms\"\nconnect_timeout = \"500ms\"", ..Parts::default() };
    let well = Upstream::echo();
    let gateway = Gateway::start(|site| config(site, &well, &parts));
    let headers = [("Authorization", &*alice().bearer())];
    for (what, upstream, status, code) in upstreams {
        let url = upstream.as_ref().map_or_else(|| away.clone(), Upstream::url);
        gateway.reload(&config_to(gateway.site(), &url, &parts));
        let began = Instant::now();
        let response = gateway.get("/api/x", &headers);
        assert_eq!((response.status(), &response.json()["code"]), (status, &json!(code)), "{what}");
        assert!(began.elapsed() < Duration::from_secs(5), "{what}");
        assert!(!response.text().contains(SECRET));
        gateway.reload(&config(gateway.site(), &well, &parts));
        assert_eq!(gateway.get("/api/x", &headers).status(), 200, "after {what}");
    }
}

/// Fault 10.
#[test]
fn without_descriptors_it_sheds_connections_and_goes_on_with_those_it_has_and_with_admin_and_audit() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(|site| config(site, &upstream, &Parts::default()));
    let headers = [("Authorization", &*alice().bearer())];
    assert_eq!(gateway.get("/api/x", &headers).status(), 200);
    let used = fs::read_dir(format!("/proc/{}/fd", gateway.pid())).expect("a running process").count();
    let limit = u64::try_from(used).expect("a number") + 30;
    let pid = Pid::from_raw(i32::try_from(gateway.pid()).expect("a pid"));
    prlimit(pid, Resource::Nofile, Rlimit { current: Some(limit), maximum: Some(limit) }).expect("our child");
    let mut kept = Client::connect(gateway.public());
    kept.send(&request("GET", "/api/first", &headers, b""));
    assert_eq!(kept.response().status(), 200);
    let crowd: Vec<TcpStream> =
        (0..100).map(|_| TcpStream::connect(gateway.public()).expect("the backlog takes it")).collect();
    eventually("those that are too many are closed", || {
        crowd.iter().filter(|socket| is_closed(socket)).count().gt(&50).then_some(())
    });
    for count in 0..5 {
        let path = format!("/api/in-need-{count}");
        kept.send(&request("GET", &path, &headers, b""));
        assert_eq!(kept.response().status(), 200, "who is in is served");
        gateway.audited("it is recorded", |record| record["path"] == *path);
    }
    eventually("they are counted", || {
        gateway.metric("claviger_connections_refused_total", &["reason=\"total\""]).filter(|count| *count > 50.0)
    });
    assert_eq!(gateway.try_admin("/ready").map(|response| response.status()), Some(200));
    drop(crowd);
    eventually("it takes new ones again", || {
        let mut client = Client::try_connect(gateway.public()).ok()?;
        client.send(&request("GET", "/api/after", &headers, b""));
        client.try_response().ok().flatten().filter(|response| response.status() == 200)
    });
}

fn is_closed(socket: &TcpStream) -> bool {
    socket.set_nonblocking(true).expect("a socket");
    match socket.peek(&mut [0]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    }
}

/// Fault 14.
#[test]
fn a_process_killed_anywhere_starts_again_at_once_and_the_audit_log_goes_on() {
    let turns = if std::env::var("CLAVIGER_FULL").is_ok_and(|full| full == "1") { 100 } else { 20 };
    let upstream = Upstream::echo();
    let mut gateway = Gateway::start(|site| config(site, &upstream, &Parts::default()));
    let bearer = alice().bearer();
    let load = Load::start(
        2,
        gateway.public(),
        move |_, _| request("POST", "/api/x", &[("Authorization", &bearer)], b"{}"),
        |response| response.status(),
    );
    for turn in 0..turns {
        // Somewhere in the load, at another place each time.
        load.wait_for(1 + (turn * 37) % 200);
        gateway.kill_and_restart();
        let began = Instant::now();
        gateway.wait_until_ready();
        assert!(began.elapsed() < Duration::from_secs(2), "turn {turn}: ready after {:?}", began.elapsed());
    }
    load.wait_for(50);
    let tally = load.stop();
    assert!(tally.answers.iter().all(|status| *status == 200));
    gateway.terminate();
    let text = fs::read_to_string(gateway.site().audit_path()).expect("the log");
    assert!(text.ends_with('\n'));
    let broken = text.lines().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_err()).count();
    assert!(broken <= turns, "{broken} torn lines of {turns} kills: a tear is closed off, and what follows is whole");
    assert!(text.lines().count() - broken > tally.answers.len() / 2);
}

#[test]
fn a_line_that_was_torn_is_closed_off_and_the_next_begins_its_own() {
    let upstream = Upstream::echo();
    let mut gateway = Gateway::start(|site| {
        fs::write(site.audit_path(), "{\"kind\":\"exchange\"}\n{\"kind\":\"excha").expect("written");
        config(site, &upstream, &Parts::default())
    });
    assert_eq!(gateway.get("/api/x", &[("Authorization", &alice().bearer())]).status(), 200);
    gateway.terminate();
    let text = fs::read_to_string(gateway.site().audit_path()).expect("the log");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[..2], ["{\"kind\":\"exchange\"}", "{\"kind\":\"excha"]);
    assert!(lines[2].contains("\"kind\":\"torn\"") && lines[2].contains("\"bytes\":14"), "{lines:?}");
    assert_eq!(lines[3..].iter().filter(|line| line.contains("\"path\":\"/api/x\"")).count(), 1, "{lines:?}");
}

fn break_audit(how: &str, folder: &Path) {
    if how == "a full disk" {
        fs::rename(folder.join("logs/audit.jsonl"), folder.join("before.jsonl")).expect("moved");
        symlink("/dev/full", folder.join("logs/audit.jsonl")).expect("a link");
    } else {
        fs::rename(folder.join("logs"), folder.join("away")).expect("moved");
    }
}

fn mend_audit(how: &str, folder: &Path) {
    if how == "a full disk" {
        fs::remove_file(folder.join("logs/audit.jsonl")).expect("removed");
    } else {
        fs::rename(folder.join("away"), folder.join("logs")).expect("moved");
    }
}

/// Fault 5.
#[test]
fn requests_are_refused_while_the_audit_log_cannot_be_written_and_taken_again_when_it_can() {
    let upstream = Upstream::echo();
    for what in ["a full disk", "a directory that is gone"] {
        let gateway = Gateway::start(|site| {
            fs::create_dir(site.folder().join("logs")).expect("a folder");
            config(site, &upstream, &Parts::default()).replace("audit.jsonl", "logs/audit.jsonl")
        });
        let headers = [("Authorization", &*alice().bearer())];
        let mut delivered = Vec::new();
        let mut ask = || {
            let response = gateway.get("/api/x", &headers);
            delivered.extend((response.status() == 200).then(|| response.header("x-request-id").map(str::to_owned)));
            response
        };
        assert_eq!(ask().status(), 200, "{what}");
        let folder = gateway.site().folder();
        let moved = folder.join("before.jsonl");
        eventually("the first is written", || {
            fs::read(folder.join("logs/audit.jsonl")).ok().filter(|log| !log.is_empty())
        });
        break_audit(what, folder);
        let refused = eventually("requests are refused", || Some(ask()).filter(|response| response.status() == 503));
        assert_eq!(refused.json()["code"], "unavailable", "{what}");
        assert_eq!(gateway.try_admin("/ready").map(|ready| ready.status()), Some(503), "{what}");
        let seen = upstream.requests().len();
        assert_eq!(ask().status(), 503);
        assert_eq!(upstream.requests().len(), seen, "{what}: a refused one opens nothing");
        mend_audit(what, folder);
        eventually("requests are taken again", || Some(ask()).filter(|response| response.status() == 200));
        eventually("every delivered request has its record", || {
            let read = |path: std::path::PathBuf| fs::read_to_string(path).unwrap_or_default();
            let log = read(folder.join("logs/audit.jsonl")) + &read(moved.clone());
            delivered.iter().flatten().all(|id| log.contains(id.as_str())).then_some(())
        });
        assert!(delivered.len() > 1);
        assert!(gateway.metric("claviger_audit_errors_total", &[]).is_some_and(|count| count > 0.0), "{what}");
    }
}

#[test]
fn no_client_can_write_the_log() {
    let upstream = Upstream::start(|request, wire| match request.path() {
        "/slow" => wire.until_closed(),
        // No echo: a secret that comes back is told of.
        _ => wire.respond(200, &[], b"{}"),
    });
    let authority = Authority::new("ours");
    let secure = crate::support::gateway::free_address();
    let gateway = Gateway::start(|site| {
        let identity = authority.server(&["gateway.test"]);
        site.write("cert.pem", identity.certificate_pem());
        site.write("key.pem", identity.key_pem());
        let more = format!(
            "[listen.secure]\naddress = \"{secure}\"\ntls = {{ certificate = \"cert.pem\", key = \"key.pem\" }}\n\
             [listen.balanced]\naddress = \"{}\"\nproxy_protocol_from = [\"127.0.0.0/8\"]\n",
            crate::support::gateway::free_address()
        );
        config(site, &upstream, &Parts { more: &more, ..Parts::default() })
    });
    let bearer = alice().bearer();
    let before = gateway.log();
    let chunked = format!(
        "POST /api/x HTTP/1.1\r\nHost: a\r\nAuthorization: {bearer}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    );
    let slow = request("GET", "/api/slow", &[("Authorization", &bearer)], b"");
    let half = format!("POST /api/x HTTP/1.1\r\nHost: a\r\nAuthorization: {bearer}\r\nContent-Length: 9\r\n\r\nhalf");
    let nasty: [(&str, SocketAddr, &[u8]); 12] = [
        ("nothing", gateway.public(), b""),
        ("half a head", gateway.public(), b"GET / HT"),
        ("garbage", gateway.public(), b"\x00\x01\x02\x03\r\n\r\n"),
        ("a bad length", gateway.public(), b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"),
        ("CONNECT", gateway.public(), b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"),
        ("no route", gateway.public(), b"GET /ERROR\\n HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("bad chunks", gateway.public(), chunked.as_bytes()),
        ("half a body", gateway.public(), half.as_bytes()),
        ("an impatient one", gateway.public(), &slow),
        ("no TLS", secure, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("half a handshake", secure, b"\x16\x03\x01\x02\x00\x01\x00"),
        ("HTTP/2 where there is none", gateway.public(), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\xff\xff\xff"),
    ];
    for (what, address, bytes) in nasty {
        for hurry in [false, true] {
            let mut socket = TcpStream::connect(address).unwrap_or_else(|error| panic!("{what}: {error}"));
            socket.write_all(bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
            if !hurry {
                // The other side may have hung up already.
                let _ = socket.shutdown(Shutdown::Write);
                socket.set_read_timeout(Some(Duration::from_millis(300))).expect("a socket");
                let _ = std::io::Read::read(&mut socket, &mut [0; 4096]);
            }
        }
    }
    eventually("all of it is over", || gateway.metric("claviger_in_flight", &[]).filter(|count| *count == 0.0));
    assert_eq!(raw::get(gateway.public(), "/api/x", &[("Authorization", &bearer)]).status(), 200);
    assert_eq!(gateway.log(), before, "what clients do is in records and metrics");
}
