//! The end of a session by itself, in the middle of what is under way on it over each protocol; and ends that cannot be kept.

use std::{
    fs,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio_tungstenite::tungstenite;

use crate::support::{
    eventually,
    frames::{self, Ending},
    nodes::{Group, Nodes},
    raw::{Client, request},
    websocket,
};

#[test]
fn what_is_under_way_is_cut_when_its_session_ends_by_itself_over_each_protocol() {
    cut_at_the_end(&Group::alone("", 0, |_| {}), 0);
}

#[test]
fn what_is_under_way_at_another_node_is_cut_when_its_session_ends_by_itself() {
    let Some(nodes) = Nodes::start(2, "", "") else { return };
    cut_at_the_end(&nodes, 1);
}

fn cut_at_the_end(group: &Group, at: usize) {
    let node = group.all[at].public();
    let begun = Instant::now();
    let (session, other) = (group.begin_with(0, "&expires_in=3"), group.begin(0));
    let bearer = format!("Bearer {session}");

    let mut events = Client::connect(node);
    events.send(&request("GET", "/stay/events", &[("Host", "api.test"), ("Authorization", &bearer)], b""));
    events.reader().until(b"data: first\n\n").expect("the first event");

    let mut waiting = Client::connect(node);
    waiting.send(&request("GET", "/stay/silence", &[("Host", "api.test"), ("Authorization", &bearer)], b""));

    let mut socket = websocket::open(node, "ws://api.test/stay/chat", &bearer);
    socket.send(tungstenite::Message::text("hello")).expect("sent");
    assert_eq!(socket.read().expect("an echo"), tungstenite::Message::text("hello"));

    let fields = |session: &str, path: &'static str| {
        frames::block(&[
            (":method", b"GET"),
            (":scheme", b"http"),
            (":authority", b"api.test"),
            (":path", path.as_bytes()),
            ("authorization", format!("Bearer {session}").as_bytes()),
        ])
    };
    let whole = frames::END_HEADERS | frames::END_STREAM;
    let mut http2 = Client::connect(node);
    http2.send(&frames::opening_without_table());
    http2.send(&frames::frame(frames::HEADERS, whole, 1, &fields(&session, "/stay/events")));
    http2.send(&frames::frame(frames::HEADERS, whole, 3, &fields(&other, "/stay/events")));
    let mut streams = 0;
    while streams < 2 {
        let frame = frames::read(&mut http2).expect("a frame");
        streams += usize::from(frame.kind == frames::DATA && frame.payload.starts_with(b"data: first"));
    }
    assert_eq!(group.ended.load(Ordering::Relaxed), 0, "nothing is over before its time");
    assert!(begun.elapsed() < Duration::from_secs(2), "this machine is too slow: {:?}", begun.elapsed());

    let ending = frames::ending(&mut http2, 1);
    let took = begun.elapsed();
    assert!(matches!(ending, Ending::Reset(_)), "{ending:?}");
    assert!((Duration::from_millis(2000)..Duration::from_millis(4500)).contains(&took), "{took:?}");
    assert!(socket.read().map_or(true, |told| told.is_close()), "the WebSocket has ended");
    assert!(!events.rest().ends_with(b"0\r\n\r\n"), "it does not look whole");
    assert_eq!(waiting.response().status(), 401);
    eventually("the upstream's side ends", || (group.ended.load(Ordering::Relaxed) == 4).then_some(()));
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(4500), "{took:?}");
    // On the same connection others go on.
    http2.send(&frames::frame(frames::HEADERS, whole, 5, &fields(&other, "/stay/x")));
    assert!(matches!(frames::ending(&mut http2, 5), Ending::Response { status: 200, .. }));
    http2.send(&frames::frame(frames::HEADERS, whole, 7, &fields(&session, "/stay/x")));
    assert!(matches!(frames::ending(&mut http2, 7), Ending::Response { status: 401, .. }));
    assert_eq!(group.ended.load(Ordering::Relaxed), 4);
    for (path, count) in [("/stay/events", 2), ("/stay/chat", 1), ("/stay/silence", 1)] {
        eventually(path, || {
            let records = group.all[at].audit();
            let cut = records.iter().filter(|one| one["path"] == path && one["detail"] == "expired");
            (cut.filter(|one| one["outcome"] == json!("denied")).count() == count).then_some(())
        });
    }
}

#[test]
fn no_end_of_a_session_is_answered_for_that_the_store_cannot_keep() {
    for broken in ["moved away", "another", "no store at all"] {
        let group = Group::alone("", 0, |_| {});
        let session = group.begin(0);
        assert_eq!(group.use_it(0, &session), 200);
        let store = group.all[0].site().folder().join("claviger.db");
        let kept = store.with_extension("kept");
        fs::rename(&store, &kept).expect("moved");
        match broken {
            "another" => drop(fs::copy(&kept, &store).expect("copied")),
            "no store at all" => fs::write(&store, [b'x'; 5000]).expect("written"),
            _ => {}
        }
        eventually("it is told", || (group.all[0].admin_get("/ready").status() == 503).then_some(()));
        let asked = Instant::now();
        let answer = group.post(0, "/oauth/revoke", &format!("token={session}"));
        assert_eq!(answer.status(), 503, "{broken}: {}", answer.text());
        assert_eq!(answer.json()["error"], "temporarily_unavailable", "{broken}");
        assert!(asked.elapsed() < Duration::from_secs(15), "{broken}: {:?}", asked.elapsed());
        fs::rename(&kept, &store).expect("moved back");
        eventually("it is ready again", || (group.all[0].admin_get("/ready").status() == 200).then_some(()));
        assert_eq!(group.post(0, "/oauth/revoke", &format!("token={session}")).status(), 200, "{broken}");
        assert_eq!(group.use_it(0, &session), 401, "{broken}");
    }
}
