//! The end of a process: what is under way is finished, what was answered is recorded, and it does not take for ever.

use std::{
    collections::HashSet,
    io::{Read, Write},
    net::TcpStream,
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tokio_tungstenite::tungstenite;

use crate::support::{
    PATIENCE, eventually,
    gateway::Gateway,
    load::Load,
    raw::{Client, request},
    setup::{Parts, alice, config},
    upstream::Upstream,
    websocket,
};

/// Holds answers back until it is opened.
#[derive(Clone, Default)]
struct Barrier(Arc<(Mutex<bool>, Condvar)>);

impl Barrier {
    fn wait(&self) {
        let (open, changed) = &*self.0;
        let guard = open.lock().expect("no panic with the lock");
        drop(changed.wait_timeout_while(guard, PATIENCE, |open| !*open).expect("no panic with the lock"));
    }

    fn open(&self) {
        *self.0.0.lock().expect("no panic with the lock") = true;
        self.0.1.notify_all();
    }
}

fn ids(gateway: &Gateway) -> HashSet<String> {
    let records = gateway.audit();
    let ids: HashSet<_> = records.iter().filter_map(|record| record["id"].as_str().map(str::to_owned)).collect();
    assert_eq!(ids.len(), records.len(), "one record an exchange");
    ids
}

#[test]
fn every_request_answered_under_load_has_its_record_when_the_process_is_told_to_end() {
    for signal in [Signal::TERM, Signal::INT] {
        let upstream = Upstream::echo();
        let mut gateway = Gateway::start(|site| config(site, &upstream, &Parts::default()));
        let bearer = alice().bearer();
        let load = Load::start(
            8,
            gateway.public(),
            move |thread, count| {
                // Refused ones count as much.
                let path = if (thread + count) % 3 == 0 { "/nowhere" } else { "/api/x" };
                request("GET", path, &[("Authorization", &bearer)], b"")
            },
            |response| response.header("x-request-id").unwrap_or_default().to_owned(),
        );
        load.wait_for(500);
        gateway.signal(signal);
        let status = gateway.wait();
        let tally = load.stop();
        assert_eq!(status.code(), Some(0), "{signal:?}");
        let (answered, recorded) = (tally.answers.iter().cloned().collect::<HashSet<_>>(), ids(&gateway));
        assert_eq!(answered.len(), tally.answers.len(), "{signal:?}: one id an answer");
        let missing: Vec<_> = answered.difference(&recorded).collect();
        assert!(missing.is_empty(), "{signal:?}: {} answers without a record: {missing:?}", missing.len());
        if signal == Signal::TERM {
            assert_eq!(recorded.len(), answered.len(), "nobody was left without an answer");
            // What the kernel had accepted and the process had not is reset with the listener; nothing was sent there.
            let cut: Vec<_> = tally.failures.iter().filter(|failure| failure.starts_with("kept")).collect();
            assert!(cut.is_empty(), "{cut:?}");
        }
    }
}

/// Fault 11.
#[test]
fn requests_under_way_end_and_a_websocket_is_cut_at_the_deadline() {
    const SLOW: usize = 200;
    const DRAIN: Duration = Duration::from_secs(4);
    let barrier = Barrier::default();
    let held = barrier.clone();
    let upstream = Upstream::start(move |request, wire| match request.path() {
        "/socket" => wire.websocket_echo(request),
        _ => {
            held.wait();
            wire.echo(request)
        }
    });
    let parts = Parts { server: "drain = \"4s\"", route: "websocket = true", ..Parts::default() };
    let mut gateway = Gateway::start(|site| config(site, &upstream, &parts));
    let (public, bearer) = (gateway.public(), alice().bearer());
    let mut slow: Vec<Client> = (0..SLOW).map(|_| Client::connect(public)).collect();
    for client in &mut slow {
        client.send(&request("POST", "/api/slow", &[("Authorization", &bearer)], b"body"));
    }
    eventually("all are under way", || (upstream.requests().len() == SLOW).then_some(()));
    let mut socket = websocket::open(gateway.public(), "ws://api.test/api/socket", &bearer);
    socket.send(tungstenite::Message::text("hello")).expect("sent");
    assert_eq!(socket.read().expect("an echo").into_text().expect("text"), "hello");

    let told = Instant::now();
    gateway.signal(Signal::TERM);
    eventually("the listener is closed", || Client::try_connect(public).err());
    assert!(told.elapsed() < Duration::from_secs(1), "closed after {:?}", told.elapsed());
    assert_eq!(gateway.site().public, public);
    socket.send(tungstenite::Message::text("still here")).expect("sent");
    assert_eq!(socket.read().expect("an echo").into_text().expect("text"), "still here");
    barrier.open();
    for client in &mut slow {
        let response = client.response();
        assert_eq!((response.status(), response.header("connection")), (200, Some("close")));
    }
    let cut = thread::spawn(move || {
        while socket.read().is_ok() {}
        Instant::now()
    });
    let status = gateway.wait();
    let took = told.elapsed();
    assert_eq!(status.code(), Some(0));
    let cut = cut.join().expect("a reader") - told;
    assert!(cut >= DRAIN - Duration::from_millis(200) && cut <= DRAIN + Duration::from_secs(1), "cut after {cut:?}");
    assert!(took <= DRAIN + Duration::from_secs(1), "ended after {took:?}");
    let records = gateway.audit();
    assert_eq!(records.len(), SLOW + 1, "the WebSocket has its record too");
    assert_eq!(
        records.iter().filter(|record| record["outcome"] == "completed" && record["status"] == 200).count(),
        SLOW
    );
    assert_eq!(records.iter().filter(|record| record["path"] == "/api/socket").count(), 1);
}

#[test]
fn a_process_with_nothing_under_way_ends_long_before_the_deadline() {
    let upstream = Upstream::echo();
    let parts = Parts { server: "drain = \"60s\"", ..Parts::default() };
    for (signal, limit) in [(Signal::TERM, Duration::from_secs(5)), (Signal::INT, Duration::from_secs(2))] {
        let mut gateway = Gateway::start(|site| config(site, &upstream, &parts));
        // A connection that is only kept is nothing under way.
        let mut idle = Client::connect(gateway.public());
        let bearer = alice().bearer();
        assert_eq!(idle.send(&request("GET", "/api/x", &[("Authorization", &bearer)], b"")).response().status(), 200);
        let told = Instant::now();
        gateway.signal(signal);
        let status = gateway.wait();
        assert_eq!(status.code(), Some(0), "{signal:?}");
        assert!(told.elapsed() < limit, "{signal:?} took {:?}", told.elapsed());
        assert_eq!(ids(&gateway).len(), 1, "{signal:?}");
    }
}

#[test]
fn an_interrupt_ends_at_once_and_still_records_what_it_cuts() {
    let barrier = Barrier::default();
    let held = barrier.clone();
    let upstream = Upstream::start(move |request, wire| {
        held.wait();
        wire.echo(request)
    });
    let parts = Parts { server: "drain = \"60s\"", ..Parts::default() };
    let mut gateway = Gateway::start(|site| config(site, &upstream, &parts));
    let mut clients: Vec<Client> = (0..20).map(|_| Client::connect(gateway.public())).collect();
    for client in &mut clients {
        client.send(&request("GET", "/api/x", &[("Authorization", &alice().bearer())], b""));
    }
    eventually("all are under way", || (upstream.requests().len() == clients.len()).then_some(()));
    let told = Instant::now();
    gateway.signal(Signal::INT);
    assert_eq!(gateway.wait().code(), Some(0));
    assert!(told.elapsed() < Duration::from_secs(3), "ended after {:?}", told.elapsed());
    barrier.open();
    assert_eq!(ids(&gateway).len(), clients.len());
    assert!(gateway.audit().iter().all(|record| record["outcome"] == "aborted"));
}

#[test]
fn what_was_found_in_an_answer_that_is_cut_is_recorded() {
    let upstream = Upstream::start(|request, wire| {
        let secret = request.header("authorization").unwrap_or_default();
        let head = format!("HTTP/1.1 200 OK\r\nX-Echo: {secret}\r\nTransfer-Encoding: chunked\r\n\r\n");
        wire.send(head.as_bytes())?;
        // Of the end, some is held back for what may follow.
        wire.chunk(&b"and no more ".repeat(1000))?;
        wire.until_closed()
    });
    let mut gateway = Gateway::start(|site| config(site, &upstream, &Parts::default()));
    let mut client = TcpStream::connect(gateway.public()).expect("connected");
    client.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    client.write_all(&request("GET", "/api/x", &[("Authorization", &alice().bearer())], b"")).expect("sent");
    let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&answer).contains("and no more") {
        let count = client.read(&mut chunk).expect("an answer");
        assert_ne!(count, 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&chunk[..count]);
    }
    gateway.signal(Signal::INT);
    assert_eq!(gateway.wait().code(), Some(0));
    let records = gateway.audit();
    assert_eq!((&records[0]["outcome"], &records[0]["reflected"]), (&"aborted".into(), &1.into()), "{records:?}");
    let bytes = records[0]["response_bytes"].as_u64().unwrap_or_default();
    assert!(records[0]["status"] == 200 && bytes > 10_000, "what the client had: {records:?}");
}
