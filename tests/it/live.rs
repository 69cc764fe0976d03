//! The live view: the feed of records on the admin listener, and `claviger top`, which shows it.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Stdio,
};

use serde_json::Value;

use crate::support::{
    eventually,
    gateway::{Gateway, Site, free_address, program},
    http1::Reader,
    raw,
    setup::{Parts, alice, config},
    upstream::Upstream,
};

fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::start(|site: &mut Site| {
        config(site, upstream, &Parts::default()).replacen("[admin]", "[admin]\nevents = true", 1)
    })
}

/// Somebody who listens; their first event says that they do.
struct Listener(Reader<TcpStream>);

impl Listener {
    fn new(gateway: &Gateway, path: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(gateway.admin()).expect("a connection");
        stream.set_read_timeout(Some(crate::support::PATIENCE)).expect("set");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", gateway.admin()).expect("sent");
        let mut reader = Reader::new(stream);
        let head = reader.head().expect("an answer").expect("a head");
        assert_eq!((head.status(), head.header("content-type")), (200, Some("text/event-stream")));
        let mut listener = Self(reader);
        assert_eq!(listener.event(), ": listening\n\n");
        listener
    }

    fn event(&mut self) -> String {
        String::from_utf8(self.0.until(b"\n\n").expect("an event")).expect("text")
    }

    /// The next record, with its number as the event's id.
    fn record(&mut self) -> (String, Value) {
        let event = self.event();
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).expect("a field").to_owned();
        (field("id: "), serde_json::from_str(&field("data: ")).expect("JSON"))
    }
}

#[test]
fn whoever_holds_connections_of_the_admin_listener_gets_no_more_than_a_few() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(|site| config(site, &upstream, &Parts::default()));
    let mut held = Vec::new();
    let is_refused = (0..200).any(|_| {
        let mut stream = TcpStream::connect(gateway.admin()).expect("a connection");
        stream.write_all(b"GET /health HTTP/1.1\r\n").expect("sent");
        stream.set_read_timeout(Some(std::time::Duration::from_millis(20))).expect("set");
        // One that is held says nothing; one too many is closed.
        let is_closed = match stream.read(&mut [0; 1]) {
            Ok(read) => read == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        };
        held.push(stream);
        is_closed
    });
    assert!(is_refused, "{} are held", held.len());
    assert_eq!(gateway.get("/api/x", &[]).status(), 401, "who is served goes on being served");
    drop(held);
    eventually("it answers again", || gateway.try_admin("/health"));
}

#[test]
fn other_machines_are_told_health_and_metrics_and_nothing_else_and_cannot_sit_there() {
    let (upstream, probes) = (Upstream::echo(), free_address());
    let _gateway = Gateway::start(|site| {
        let config = config(site, &upstream, &Parts::default());
        config.replace("[admin]\n", &format!("[admin]\nprobes = \"{probes}\"\n"))
    });
    let ask = |method: &str, path: &str| {
        let mut client = raw::Client::try_connect(probes).ok()?;
        // By whatever name a cluster calls it.
        client.send(&raw::request(method, path, &[("Host", "10.1.2.3:9902")], b"")).try_response().ok().flatten()
    };
    eventually("it answers", || ask("GET", "/health"));
    let metrics = ask("GET", "/metrics").expect("an answer");
    assert!(metrics.status() == 200 && metrics.text().contains("claviger_requests_total"), "{}", metrics.text());
    assert_eq!(metrics.header("connection"), Some("close"), "a connection for each request");
    eventually("it is ready", || ask("GET", "/ready").filter(|ready| ready.status() == 200));
    for path in ["/status", "/alerts", "/events", "/", "/metrics/", "/api/x"] {
        assert_eq!(ask("GET", path).map(|answer| answer.status()), Some(404), "{path}");
    }
    assert_eq!(ask("POST", "/metrics").map(|answer| answer.status()), Some(405));
    // Whoever takes all places of an address gives them back.
    let held: Vec<_> = (0..100).filter_map(|_| TcpStream::connect(probes).ok()).collect();
    eventually("there is room again", || ask("GET", "/health"));
    drop(held);
}

#[test]
fn who_listens_is_told_the_records_that_they_want_as_they_are_in_the_log() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    let mut refused = Listener::new(&gateway, "/events?kind=exchange&code=credential_missing&code=not_allowed", "");
    let mut alices = Listener::new(&gateway, "/events?principal=alice", "");
    let bearer = alice().bearer();
    for path in ["/api/one", "/api/two"] {
        assert_eq!(gateway.get(path, &[("Authorization", &bearer)]).status(), 200);
        assert_eq!(gateway.get(path, &[]).status(), 401);
    }
    for path in ["/api/one", "/api/two"] {
        let (_, record) = refused.record();
        assert_eq!((&record["path"], &record["code"]), (&path.into(), &"credential_missing".into()));
        let (id, record) = alices.record();
        assert_eq!((&record["path"], &record["principal"]), (&path.into(), &"alice".into()));
        assert!(gateway.audit().contains(&record), "as it is in the log");
        assert_eq!(id, record["seq"].to_string());
    }
    // Whoever comes back goes on where they were.
    let known = gateway.audited("a record", |record| record["path"] == "/api/one" && record["outcome"] == "completed");
    let mut again = Listener::new(&gateway, "/events?kind=exchange", &format!("Last-Event-ID: {}\r\n", known["seq"]));
    let seq = |record: &Value| record["seq"].as_u64().expect("a number");
    let next = gateway.audited("the next", |record| record["kind"] == "exchange" && seq(record) > seq(&known));
    assert_eq!(again.record().0, seq(&next).to_string());
}

#[test]
fn the_feed_is_for_this_machine_and_for_so_many_at_once() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    let ask = |path: &str, host: &str| {
        raw::parse(&raw::exchange(
            gateway.admin(),
            &raw::request("GET", path, &[("Host", host), ("Connection", "close")], b""),
        ))
    };
    let host = gateway.admin().to_string();
    assert_eq!(ask("/events", "evil.example").status(), 403);
    let wrong = ask("/events?colour=red", &host);
    assert!(wrong.status() == 400 && wrong.text().contains("principal"), "{}", wrong.text());
    let mut listeners: Vec<_> = (0..16).map(|_| Listener::new(&gateway, "/events", "")).collect();
    assert_eq!(ask("/events", &host).status(), 503);
    assert_eq!(gateway.admin_get("/health").status(), 200, "others are answered meanwhile");
    listeners.pop();
    assert_eq!(gateway.get("/api/x", &[]).status(), 401);
    eventually("a place is free again", || {
        let mut stream = TcpStream::connect(gateway.admin()).ok()?;
        write!(stream, "GET /events HTTP/1.1\r\nHost: {host}\r\n\r\n").ok()?;
        let head = Reader::new(stream).head().ok()??;
        (head.status() == 200).then_some(())
    });
}

#[test]
fn top_shows_who_asks_what_is_refused_and_what_else_happens() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    let top = |arguments: &[&str]| {
        let mut top = program();
        top.arg("top").args(["--config", gateway.site().config_path().to_str().expect("text")]).args(arguments);
        top.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs")
    };
    let (json, text) = (top(&["--once", "3", "--json"]), top(&["--once", "3", "--only", "principal=alice"]));
    let mut children = [json, text];
    let bearer = alice().bearer();
    while children.iter_mut().all(|child| child.try_wait().expect("our child").is_none()) {
        assert_eq!(gateway.get("/api/x", &[("Authorization", &bearer)]).status(), 200);
        assert_eq!(gateway.get("/api/x", &[]).status(), 401);
    }
    let [json, text] = children.map(|child| child.wait_with_output().expect("it ended"));
    assert!(json.status.success() && text.status.success(), "{}", String::from_utf8_lossy(&json.stderr));
    let shown: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert!(shown["requests_per_second"].as_f64().is_some_and(|rate| rate > 1.0), "{shown}");
    assert_eq!(shown["denials"][0]["name"], "credential_missing");
    let names: Vec<_> = shown["principals"].as_array().expect("a list").iter().map(|one| one["name"].clone()).collect();
    assert!(names.contains(&"keys:alice".into()) && names.contains(&"? 127.0.0.1".into()), "{shown}");
    assert_eq!(shown["routes"][0]["name"], "api");
    let text = String::from_utf8(text.stdout).expect("text");
    assert!(text.contains("requests/s") && text.contains("keys:alice") && !text.contains("? 127.0.0.1"), "{text}");
}

#[test]
fn nobody_is_told_records_where_the_configuration_does_not_say_so() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(|site: &mut Site| config(site, &upstream, &Parts::default()));
    let refused = gateway.admin_get("/events");
    assert!(refused.status() == 503 && refused.text().contains("events = true"), "{}", refused.text());
    let output = program().args(["top", "--admin", &gateway.admin().to_string()]).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("events = true"), "{said}");
}

#[test]
fn top_says_why_there_is_nothing_to_show() {
    let site = Site::new();
    let output = program().args(["top", "--admin", &site.admin.to_string()]).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("nobody answers"), "{said}");
}
