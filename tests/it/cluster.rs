//! Many nodes and one Redis: what is begun, ended or decided at one holds at all, and while they cannot agree, nothing is let through that
//! might not be allowed.

use std::{
    fs,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use aws_lc_rs::digest;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite;

use crate::support::{
    eventually,
    frames::{self, Ending},
    gateway::{Gateway, free_address},
    issuer::Issuer,
    nodes::{Nodes, SEAL, TABLES},
    proof::ProofKey,
    raw::{Client, request},
    redis::{PASSWORD, Redis},
    scene::{Extra, code, config},
    tls::{Authority, Identity},
    upstream::Upstream,
    websocket,
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_session_of_one_node_is_one_of_all_from_its_first_moment_to_its_last() {
    let Some(mut nodes) = Nodes::start(2, "", "") else { return };
    let keys = |node: usize| nodes.all[node].get("/oauth/jwks.json", &[("Host", "auth.test")]).text();
    assert_eq!(keys(0), keys(1), "one set of keys");
    for turn in 0..20 {
        let session = nodes.begin(turn % 2);
        assert_eq!(nodes.use_it(1 - turn % 2, &session), 200, "at once, at the other");
    }
    let session = nodes.begin(0);
    nodes.add();
    assert_eq!(nodes.use_it(2, &session), 200, "also at one that came later");
    assert_eq!(nodes.post(1, "/oauth/revoke", &format!("token={session}")).status(), 200);
    assert_eq!(nodes.use_it(1, &session), 401, "where it was ended, when that is answered");
    nodes.until("it is over at the first", 0, &session, 401);
    nodes.until("and at the last", 2, &session, 401);
    let listed = |node: usize| -> Value {
        serde_json::from_str(&nodes.command(node, &["session", "list", "--json"])).expect("JSON")
    };
    eventually("all tell the same", || {
        let all: Vec<_> = (0..3).map(|node| listed(node).as_array().map_or(0, Vec::len)).collect();
        (all == [20, 20, 20]).then_some(())
    });
    let of_session =
        |entry: &Value| entry["act"] == "revoked" && entry["of"].as_str().is_some_and(|of| of.starts_with("session:"));
    let told: Vec<_> =
        nodes.all.iter().map(|node| node.audit().iter().filter(|entry| of_session(entry)).count()).collect();
    assert_eq!(told, [0, 1, 0], "told once, where it was done");
    // Whoever reads what is shared learns nothing.
    let rows = String::from_utf8_lossy(&nodes.redis.say("HGETALL {claviger}:rows")).into_owned();
    assert!(rows.len() > 5000 && rows.contains("clvseal1"));
    for secret in ["auth.test", "corp", "reader", SEAL, &session] {
        assert!(!rows.contains(secret), "{secret}");
    }
    assert!(nodes.all[2].terminate().success(), "a node leaves in order");
}

#[test]
fn what_is_under_way_at_another_node_is_cut_while_no_byte_flows() {
    let Some(nodes) = Nodes::start(2, "", "") else { return };
    let (session, other) = (nodes.begin(0), nodes.begin(0));
    let bearer = format!("Bearer {session}");
    let node = nodes.all[1].public();

    let mut events = Client::connect(node);
    events.send(&request("GET", "/stay/events", &[("Host", "api.test"), ("Authorization", &bearer)], b""));
    events.reader().until(b"data: first\n\n").expect("the first event");

    let mut socket = websocket::open(node, "ws://api.test/stay/chat", &bearer);
    socket.send(tungstenite::Message::text("hello")).expect("sent");
    assert_eq!(socket.read().expect("an echo"), tungstenite::Message::text("hello"));

    let mut http2 = Client::connect(node);
    let fields = frames::block(&[
        (":method", b"GET"),
        (":scheme", b"http"),
        (":authority", b"api.test"),
        (":path", b"/stay/events"),
        ("authorization", bearer.as_bytes()),
    ]);
    http2.send(&frames::opening_without_table());
    http2.send(&frames::frame(frames::HEADERS, frames::END_HEADERS | frames::END_STREAM, 1, &fields));
    while !frames::read(&mut http2).is_ok_and(|frame| frame.kind == frames::DATA) {}

    let id = nodes.command(0, &["session", "list", "--json"]);
    let listed: Value = serde_json::from_str(&id).expect("JSON");
    assert_eq!(listed.as_array().map(Vec::len), Some(2));
    assert_eq!(nodes.ended.load(Ordering::Relaxed), 0);
    nodes.post(0, "/oauth/revoke", &format!("token={session}"));
    let revoked = Instant::now();
    eventually("all three are ended", || (nodes.ended.load(Ordering::Relaxed) == 3).then_some(()));
    let took = revoked.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(!events.rest().ends_with(b"0\r\n\r\n"), "it does not look whole");
    assert!(socket.read().map_or(true, |told| told.is_close()), "it has ended");
    assert!(!matches!(frames::ending(&mut http2, 1), Ending::Response { status: 200, .. }));
    assert_eq!(nodes.use_it(1, &other), 200, "her other session goes on");
}

#[test]
fn a_session_is_good_for_as_many_requests_as_it_was_begun_for_at_all_nodes_together() {
    let Some(nodes) = Nodes::start(3, "", "") else { return };
    let session = nodes.begin_with(0, "&uses=5");
    let statuses: Vec<u16> = thread::scope(|scope| {
        let uses: Vec<_> = (0..30)
            .map(|n| {
                scope.spawn({
                    let (nodes, session) = (&nodes, &session);
                    move || nodes.use_it(n % 3, session)
                })
            })
            .collect();
        uses.into_iter().map(|one| one.join().expect("no panic")).collect()
    });
    // Who was slower than others ten times over may be told to come again.
    assert!(statuses.iter().all(|status| [200, 401, 503].contains(status)), "{statuses:?}");
    let mut used = statuses.iter().filter(|status| **status == 200).count();
    while nodes.use_it(used % 3, &session) == 200 {
        used += 1;
    }
    assert_eq!(used, 5, "{statuses:?}");
    // Also once Redis has forgotten it.
    let session = nodes.begin_with(1, "&uses=2");
    assert_eq!(nodes.use_it(0, &session), 200);
    nodes.redis.say("FLUSHALL");
    assert_eq!(nodes.until_not(503, 2, &session), 200);
    assert_eq!([0, 1, 2].map(|node| nodes.until_not(503, node, &session)), [401; 3]);
}

#[test]
fn access_is_asked_for_at_one_node_approved_at_others_and_used_at_any_as_often_as_was_granted() {
    let Some(nodes) = Nodes::start(3, "", "") else { return };
    let id = nodes.ask(0, &json!({"approval": "twice", "reason": "case 7", "uses": 3}));
    let bearer = nodes.bearer();
    let denied = nodes.get(1, "/pay/twice", &bearer).expect("an answer");
    assert_eq!((denied.status(), code(&denied)), (403, "approval_needed".to_owned()));
    assert_eq!(nodes.approve(1, "kim", &id).status(), 200);
    let again = nodes.approve(2, "kim", &id);
    assert_eq!(again.status(), 409, "twice the same, wherever: {}", again.text());
    assert_eq!(nodes.approve(2, "eve", &id).json()["state"], "granted");
    eventually("the grant is known everywhere", || {
        nodes.all.iter().all(|node| node.metric("claviger_grants", &[]) == Some(1.0)).then_some(())
    });
    // Many at once at all nodes: three of them are let through.
    let statuses: Vec<u16> = thread::scope(|scope| {
        let uses: Vec<_> = (0..30)
            .map(|n| {
                let (nodes, bearer) = (&nodes, &bearer);
                scope.spawn(move || nodes.get(n % 3, "/pay/twice", bearer).map_or(0, |answer| answer.status()))
            })
            .collect();
        uses.into_iter().map(|one| one.join().expect("no panic")).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 3, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 403, 503].contains(status)), "{statuses:?}");
    for (act, count) in [("asked", 1), ("approved", 2), ("granted", 1)] {
        eventually(act, || (nodes.acts(act, &id) == count).then_some(()));
    }

    // Two who decide at the same time at two nodes: both count, and none is lost.
    for turn in 0..10 {
        let id = nodes.ask(turn % 3, &json!({"approval": "twice", "reason": "case 8"}));
        let answers: Vec<_> = thread::scope(|scope| {
            let votes = [(0, "kim"), (1, "eve")].map(|(node, name)| {
                let (nodes, id) = (&nodes, &id);
                scope.spawn(move || nodes.approve(node, name, id))
            });
            votes.into_iter().map(|one| one.join().expect("no panic").status()).collect()
        });
        assert_eq!(answers, [200, 200], "turn {turn}");
        eventually("it is granted once", || (nodes.acts("granted", &id) == 1).then_some(()));
        let end = nodes.access(2, "ada", &["reader"], &format!("/access/requests/{id}/end"), &json!({}));
        assert_eq!(end.status(), 200);
        eventually("and over everywhere", || {
            let over = |node| nodes.get(node, "/pay/twice", &bearer).is_some_and(|answer| answer.status() == 403);
            (0..3).all(over).then_some(())
        });
    }
}

#[test]
fn while_redis_is_away_known_sessions_go_on_for_a_stated_time_and_all_else_that_needs_it_is_refused() {
    let Some(nodes) = Nodes::start(2, "max_stale = \"4s\"", "") else { return };
    let (session, late) = (nodes.begin(0), nodes.begin(1));
    assert_eq!((nodes.use_it(0, &session), nodes.use_it(1, &session), nodes.use_it(0, &late)), (200, 200, 200));
    let bearer = nodes.bearer();
    let status = |node: usize, path: &str| nodes.get(node, path, &bearer).map_or(0, |answer| answer.status());
    let id = nodes.ask(0, &json!({"approval": "once", "reason": "case 7"}));
    assert_eq!(nodes.approve(0, "kim", &id).status(), 200);
    eventually("the grant is known", || (status(1, "/pay/once") == 200).then_some(()));
    assert_eq!((status(1, "/critical/x"), status(1, "/api/x")), (200, 200));

    nodes.redis.pause();
    let paused = Instant::now();
    let refused = eventually("no session begins", || Some(nodes.try_begin(0)).filter(|answer| answer.status() == 503));
    assert_eq!(refused.json()["error"], "temporarily_unavailable");
    if paused.elapsed() < Duration::from_secs(2) {
        assert_eq!(nodes.use_it(1, &session), 200, "a known one goes on");
    }
    eventually("a route on which no revocation may be missed is closed", || {
        (status(1, "/critical/x") == 503).then_some(())
    });
    assert!(paused.elapsed() >= Duration::from_millis(1500), "only when nothing was heard for a while");
    let asked = nodes.access(0, "ada", &["reader"], "/access/requests", &json!({"approval": "once", "reason": "x"}));
    assert_eq!((asked.status(), code(&asked)), (503, "unavailable".to_owned()));
    assert_eq!(status(1, "/pay/once"), 200, "a grant that is known goes on");
    nodes.until("sessions are not taken any more", 1, &session, 503);
    assert!(paused.elapsed() >= Duration::from_millis(3500), "{:?}", paused.elapsed());
    assert_eq!(status(1, "/api/x"), 200, "who comes without a session is served");
    assert_eq!(nodes.introspect(1, &session), 503, "nor told of");
    assert_eq!(status(1, "/pay/once"), 503, "nor are grants, which may have been ended");
    eventually("it is said", || (nodes.all[1].metric("claviger_cluster_reached", &[]) == Some(0.0)).then_some(()));
    assert!(nodes.all[1].metric("claviger_cluster_silence_seconds", &[]).is_some_and(|silence| silence > 3.0));
    assert!(nodes.all[1].log().contains("the other nodes cannot be reached"));
    // Ended meanwhile at one of them.
    nodes.revoke(0, "principal:corp:ada");
    if std::env::var_os("CLAVIGER_FULL").is_some() {
        thread::sleep(Duration::from_secs(30).saturating_sub(paused.elapsed()));
    }

    nodes.redis.go_on();
    nodes.until("what was revoked meanwhile is known", 1, &late, 401);
    eventually("and everywhere", || (status(1, "/critical/x") == 401).then_some(()));
    assert_eq!(nodes.use_it(0, &session), 401);
    let bob = format!("Bearer {}", nodes.token_of("bob", &["reader"]));
    eventually("all goes on as before", || nodes.get(1, "/critical/x", &bob).filter(|answer| answer.status() == 200));
    eventually("and this is said", || {
        (nodes.all[1].metric("claviger_cluster_reached", &[]) == Some(1.0)).then_some(())
    });
}

#[test]
fn a_redis_that_takes_nothing_more_is_as_good_as_none() {
    let Some(nodes) = Nodes::start(2, "", "") else { return };
    let (session, ended) = (nodes.begin(0), nodes.begin(0));
    assert_eq!((nodes.use_it(1, &session), nodes.use_it(1, &ended)), (200, 200));
    // A replica, as after a failover to somewhere else.
    nodes.redis.say("REPLICAOF 127.0.0.1 1");
    assert_eq!(nodes.try_begin(0).status(), 503);
    let asked = nodes.access(1, "ada", &["reader"], "/access/requests", &json!({"approval": "once", "reason": "x"}));
    assert_eq!(asked.status(), 503);
    nodes.post(0, "/oauth/revoke", &format!("token={ended}"));
    assert_eq!((nodes.use_it(0, &ended), nodes.use_it(1, &session)), (401, 200));
    // What the replica knew it tells on, and nobody could add to it.
    let bearer = nodes.bearer();
    eventually("where no revocation may be missed, nobody is served", || {
        nodes.get(1, "/critical/x", &bearer).filter(|answer| answer.status() == 503)
    });
    eventually("it is said", || nodes.all[0].log().contains("the other nodes cannot be reached").then_some(()));
    nodes.redis.say("REPLICAOF NO ONE");
    nodes.until("what was ended meanwhile is known", 1, &ended, 401);
    eventually("sessions begin", || (nodes.try_begin(0).status() == 200).then_some(()));
}

#[test]
fn a_rate_is_one_rate_at_all_nodes_and_what_was_too_much_is_paid_back() {
    let tables = r#"
[limit.few]
by = "principal"
requests = 20
burst = 20
[route.few]
path = "/few/**"
target = "api"
authn = ["corp"]
limits = ["few"]
allow = [{ role = "reader" }]
"#;
    let Some(nodes) = Nodes::start(3, "", tables) else { return };
    let bearer = nodes.bearer();
    let allowed = AtomicUsize::new(0);
    let begun = Instant::now();
    thread::scope(|scope| {
        for node in 0..3 {
            let (nodes, bearer, allowed) = (&nodes, &bearer, &allowed);
            scope.spawn(move || {
                let mut client = Client::connect(nodes.all[node].public());
                let bytes = request("GET", "/few/x", &[("Host", "api.test"), ("Authorization", bearer)], b"");
                while begun.elapsed() < Duration::from_secs(5) {
                    let status = client.send(&bytes).response().status();
                    assert!([200, 429].contains(&status), "{status}");
                    allowed.fetch_add(usize::from(status == 200), Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(2));
                }
            });
        }
    });
    // Alone each would allow 20 and 20 a second: 360. Together they allow what one would, and a little between settlements.
    let (allowed, one) = (allowed.load(Ordering::Relaxed), 20.0 + 20.0 * begun.elapsed().as_secs_f64());
    assert!((one * 0.8..one * 1.15).contains(&(allowed as f64)), "{allowed} of {one}");
}

#[test]
fn whoever_keeps_to_a_rate_is_not_held_up_by_its_settlement_nor_after_an_outage() {
    let tables = r#"
[limit.even]
by = "principal"
requests = 20
burst = 2
[route.even]
path = "/even/**"
target = "api"
authn = ["corp"]
limits = ["even"]
allow = [{ role = "reader" }]
"#;
    let Some(nodes) = Nodes::start(1, "", tables) else { return };
    let bearer = nodes.bearer();
    let begun = Instant::now();
    let bytes = request("GET", "/even/x", &[("Host", "api.test"), ("Authorization", &bearer)], b"");
    let mut client = Client::connect(nodes.all[0].public());
    let (mut is_paused, mut refused) = (false, 0);
    // Never more than two in 120 ms, and so within the rate at any time; for 2 s, then for 4 s without Redis, then for 3 s.
    while begun.elapsed() < Duration::from_secs(9) {
        let pauses = (2..6).contains(&begun.elapsed().as_secs());
        if pauses != is_paused {
            if pauses {
                nodes.redis.pause()
            } else {
                nodes.redis.go_on()
            }
            is_paused = pauses;
        }
        refused += usize::from(client.send(&bytes).response().status() != 200);
        thread::sleep(Duration::from_millis(60));
    }
    assert_eq!(refused, 0);
}

#[test]
fn a_proof_is_good_once_at_all_nodes_together_also_when_redis_forgot_it() {
    let Some(mut nodes) = Nodes::start(2, "", "") else { return };
    let key = ProofKey::new();
    let url = "http://api.test/api/x";
    let mut claims = nodes.issuer.claims("ada");
    claims["roles"] = json!(["reader"]);
    claims["cnf"] = json!({ "jkt": key.thumbprint() });
    let token = nodes.issuer.token(&claims);
    let authorization = format!("DPoP {token}");
    let send = |nodes: &Nodes, node: usize, proof: &str| {
        let headers = [("Host", "api.test"), ("Authorization", &*authorization), ("DPoP", proof)];
        let answer = nodes.all[node].get("/api/x", &headers);
        (answer.status(), nodes.all[node].audited("a record", |entry| entry["id"] == answer.header("x-request-id").expect("an id"))["detail"].clone())
    };
    // Made before there was this cluster, one may have been used.
    let proof = eventually("a first proof is taken", || {
        let proof = key.proof("GET", url, Some(&token), None);
        (send(&nodes, 0, &proof).0 == 200).then_some(proof)
    });
    for node in [0, 1] {
        assert_eq!(send(&nodes, node, &proof), (401, json!("proof_replay")), "{node}");
    }
    for turn in 0..2 {
        let proof = key.proof("GET", url, Some(&token), None);
        assert_eq!(send(&nodes, turn, &proof).0, 200);
        if turn == 0 {
            nodes.redis.say("FLUSHALL");
        } else {
            nodes.redis.restart();
        }
        let again = eventually("the other node can tell", || {
            Some(send(&nodes, 1 - turn, &proof)).filter(|answer| answer.0 != 503)
        });
        assert_eq!(again, (401, json!("proof_replay")), "turn {turn}");
        eventually("new ones are taken", || {
            (send(&nodes, turn, &key.proof("GET", url, Some(&token), None)).0 == 200).then_some(())
        });
    }
    nodes.redis.stop();
    eventually("nobody can tell", || {
        (send(&nodes, 0, &key.proof("GET", url, Some(&token), None)) == (503, json!("cluster"))).then_some(())
    });
}

#[test]
fn a_redis_that_forgot_everything_is_told_again() {
    let Some(mut nodes) = Nodes::start(2, "", "") else { return };
    let (session, ended) = (nodes.begin(0), nodes.begin(1));
    assert_eq!((nodes.use_it(1, &session), nodes.use_it(0, &ended)), (200, 200));
    nodes.post(0, "/oauth/revoke", &format!("token={ended}"));
    let id = nodes.ask(0, &json!({"approval": "once", "reason": "case 7"}));
    nodes.until("it is over", 1, &ended, 401);
    for turn in 0..2 {
        if turn == 0 {
            nodes.redis.say("FLUSHALL");
        } else {
            nodes.redis.restart();
        }
        // What is shared may be empty, and so nothing is begun on it before all is there again.
        let fresh =
            eventually("sessions begin again", || Some(nodes.try_begin(turn)).filter(|answer| answer.status() == 200));
        let fresh = fresh.json()["access_token"].as_str().expect("a token").to_owned();
        nodes.until("it is known elsewhere", 1 - turn, &fresh, 200);
        nodes.add();
        let last = nodes.all.len() - 1;
        nodes.until("a new node knows what went on before", last, &session, 200);
        assert_eq!(nodes.use_it(last, &ended), 401, "and what was ended");
    }
    assert_eq!(nodes.approve(3, "kim", &id).status(), 200, "a request from before is decided on");
    let bearer = nodes.bearer();
    eventually("and the grant is known", || nodes.get(0, "/pay/once", &bearer).filter(|answer| answer.status() == 200));
    for node in &nodes.all {
        assert!(!node.log().contains("means nothing here"), "{}", node.log());
    }
}

#[test]
fn a_redis_that_lost_or_was_given_a_part_is_told_again() {
    let Some(nodes) = Nodes::start(2, "", "") else { return };
    let session = nodes.begin(0);
    nodes.until("it is known elsewhere", 1, &session, 200);
    let forged = format!("ZADD {{claviger}}:changes 9007199254740992 {}", "x".repeat(8));
    let mut ways: Vec<_> = ["last", "rows", "changes", "ends"].map(|key| format!("DEL {{claviger}}:{key}")).into();
    ways.extend([
        "SET {claviger}:last 1".to_owned(),
        "SET {claviger}:last x".to_owned(),
        "SET {claviger}:last 72057594037927936".to_owned(),
        forged,
    ]);
    for (turn, way) in ways.iter().enumerate() {
        nodes.redis.say(way);
        let (here, there) = (turn % 2, 1 - turn % 2);
        let fresh =
            eventually("sessions begin again", || Some(nodes.try_begin(here)).filter(|answer| answer.status() == 200));
        let fresh = fresh.json()["access_token"].as_str().expect("a token").to_owned();
        nodes.until(&format!("after {way}, it is known elsewhere"), there, &fresh, 200);
        nodes.post(there, "/oauth/revoke", &format!("token={fresh}"));
        nodes.until(&format!("after {way}, its end is"), here, &fresh, 401);
        assert_eq!(nodes.use_it(there, &session), 200, "after {way}");
    }
}

#[test]
fn after_a_reload_redis_is_told_the_password_that_is_in_the_vault_then() {
    let Some(nodes) = Nodes::start(1, "", "") else { return };
    let site = nodes.all[0].site();
    let config = fs::read_to_string(site.config_path()).expect("the configuration");
    let changed = config.replacen("[vault.dir.directory]\n", "[vault.dir.directory]\nmax_stale = \"2s\"\n", 1);
    assert_ne!(changed, config, "another vault, as far as its settings tell");
    nodes.all[0].reload(&changed);
    site.write("secrets/redis", "another password");
    // Longer than what nobody refreshes any more is good for.
    thread::sleep(Duration::from_secs(3));
    let change = "CONFIG SET requirepass \"another password\"";
    nodes.redis.say(&format!("{change}\r\nCLIENT KILL TYPE normal\r\nCLIENT KILL TYPE pubsub"));
    eventually("the node is back", || Some(nodes.try_begin(0)).filter(|answer| answer.status() == 200));
    assert!(!nodes.all[0].log().contains("its password"), "{}", nodes.all[0].log());
}

#[test]
fn redis_is_proved_by_its_certificate_and_asked_with_no_more_rights_than_are_told() {
    let (authority, other) = (Authority::new("redis"), Authority::new("other"));
    let (identity, stranger) = (authority.server(&["127.0.0.1"]), authority.server(&["redis.example.com"]));
    let start = |identity: &Identity, tls: &str| {
        Redis::start_with(|folder| {
            let file = |name: &str, text: String| {
                let path = folder.join(name);
                fs::write(&path, text).expect("written");
                path.display().to_string()
            };
            let digest = hex(digest::digest(&digest::SHA256, PASSWORD.as_bytes()).as_ref());
            let rights = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/scaling.md")).expect("the page");
            let told = rights
                .split_once("A user needs the commands")
                .expect("told")
                .1
                .split_once(" on these keys")
                .expect("told")
                .0;
            let words = told.split(|c: char| !c.is_ascii_uppercase()).filter(|word| word.len() > 2);
            let words: Vec<_> = words.map(|word| format!("+{}", word.to_ascii_lowercase())).collect();
            assert!(words.len() > 15, "{words:?}");
            let user = format!("claviger on #{digest} ~{{claviger}}:* &{{claviger}}:news -@all {}", words.join(" "));
            let mut all = vec!["--tls-port".to_owned(), tls.to_owned(), "--tls-auth-clients".into(), "no".into()];
            all.extend(["--tls-cert-file".to_owned(), file("cert.pem", identity.certificate_pem())]);
            all.extend(["--tls-key-file".to_owned(), file("key.pem", identity.key_pem()), "--user".to_owned()]);
            all.extend(user.split(' ').map(str::to_owned));
            all
        })
    };
    let (issuer, upstream) = (Issuer::start(), Upstream::echo());
    for (identity, ca, is_good) in
        [(&identity, &authority, true), (&identity, &other, false), (&stranger, &authority, false)]
    {
        let tls = free_address().port().to_string();
        let Some(_redis) = start(identity, &tls) else { return };
        let more = format!(
            "[cluster.redis]\nurl = \"rediss://claviger@127.0.0.1:{tls}\"\nca = \"ca.pem\"\npassword = \"dir:redis\"\nkey = \"dir:cluster\"\n{TABLES}"
        );
        let node = Gateway::spawn(|site| {
            site.write("secrets/redis", PASSWORD);
            site.write("secrets/cluster", SEAL);
            site.write("ca.pem", ca.pem());
            config(site, &issuer, &upstream, &Extra { tables: &more, ..Extra::default() })
        });
        let reached = if is_good { 1.0 } else { 0.0 };
        eventually("it is reached, or not", || {
            let said = is_good || node.log().contains("the other nodes cannot be reached");
            (said && node.metric("claviger_cluster_reached", &[]) == Some(reached)).then_some(())
        });
        let key_set = || node.try_get("/oauth/jwks.json", &[("Host", "auth.test")]).map(|answer| answer.text());
        if is_good {
            eventually("keys are made", || key_set().filter(|set| set.contains("kid")));
            assert!(!node.log().contains("NOPERM"), "{}", node.log());
        } else {
            assert!(eventually("it answers", key_set).contains("\"status\":503"), "{:?}", key_set());
            assert!(node.log().contains("certificate"), "{}", node.log());
        }
    }
}

#[test]
fn a_node_with_another_key_and_what_others_wrote_are_not_believed() {
    let Some(nodes) = Nodes::start(1, "", "") else { return };
    let session = nodes.begin(0);
    let stranger = Gateway::spawn(|site| {
        site.write("secrets/redis", PASSWORD);
        site.write("secrets/cluster", "clvmk_AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM");
        config(site, &nodes.issuer, &nodes.upstream, &Extra { tables: &nodes.more, ..Extra::default() })
    });
    eventually("it says why", || stranger.log().contains("all nodes have to have the same `key`").then_some(()));
    let bearer = format!("Bearer {session}");
    let answer =
        eventually("it answers", || stranger.try_get("/stay/x", &[("Host", "api.test"), ("Authorization", &bearer)]));
    assert_eq!(answer.status(), 503, "{}", answer.text());
    // Whoever writes to Redis makes no revocation go away: what was not sealed here stops all hearing, loudly.
    let all = ["rows session:0 1:forged", "changes 1000000 session:0", "ends 99999999999999 session:0", "last 1000000"];
    let all: Vec<_> = ["HSET", "ZADD", "ZADD", "SET"]
        .iter()
        .zip(all)
        .map(|(way, what)| format!("{way} {{claviger}}:{what}"))
        .collect();
    nodes.redis.say(&format!("MULTI\r\n{}\r\nEXEC", all.join("\r\n")));
    eventually("it is said", || {
        nodes.all[0].log().contains("`session:0` was not written by a node with the key of this one").then_some(())
    });
}
