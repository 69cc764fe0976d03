//! Access for a time: denied with a hint, asked for, approved by others, used, ended; and no way around.

use std::{
    process::Output,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use aws_lc_rs::{digest, hmac};
use serde_json::{Value, json};

use crate::support::{
    eventually,
    frames::{self, Ending},
    gateway::{Gateway, program},
    http1::Message,
    raw::{self, Client, request},
    scene::{Extra, OTHER_SECRET, Scene, code},
    upstream::Upstream,
};

const TABLES: &str = r#"
[access]
url = "http://127.0.0.1"
authn = ["corp"]
[approval.finance]
approvers = ["lead"]
max = "10m"
requesters = ["reader"]
break_glass = ["on-call"]
[approval.payroll]
approvers = ["lead", "chief"]
needed = 2
ticket = true
[approval.single]
approvers = ["lead"]
exact = true
[route.pay]
path = "/pay/**"
target = "api"
credential = "api"
authn = ["corp"]
allow = [
  { role = "reader", methods = ["GET"], paths = ["/free"] },
  { role = "reader", approval = "finance", paths = ["/refunds", "/events", "/silence", "/free"] },
  { role = "reader", approval = "payroll", paths = ["/salaries"] },
  { role = "reader", approval = "single", paths = ["/wires"] },
]
[route.other]
path = "/other/**"
target = "api"
authn = ["corp"]
allow = [{ role = "reader", approval = "finance" }]
"#;

/// How long a gateway's own answers may take to be seen.
fn scene() -> Scene {
    Scene::with(upstream(), &Extra { tables: TABLES, ..Extra::default() })
}

fn upstream() -> Upstream {
    Upstream::echo_with_events()
}

struct Person<'a> {
    scene: &'a Scene,
    bearer: String,
}

impl<'a> Person<'a> {
    fn new(scene: &'a Scene, name: &str, roles: &[&str]) -> Self {
        Self { scene, bearer: format!("Bearer {}", scene.token_of(name, roles)) }
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Message {
        let headers = [("Host", "127.0.0.1"), ("Authorization", &*self.bearer), ("Content-Type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let headers = [&headers[..], &[("Connection", "close")]].concat();
        raw::parse(&raw::exchange(self.scene.gateway.public(), &request(method, path, &headers, body.as_bytes())))
    }

    fn use_it(&self, path: &str) -> u16 {
        self.send("GET", path, &Value::Null).status()
    }

    fn ask(&self, approval: &str, more: Value) -> Message {
        let mut body = json!({"approval": approval, "reason": "case 7"});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        self.send("POST", "/access/requests", &body)
    }

    fn asked(&self, approval: &str, more: Value) -> String {
        let answer = self.ask(approval, more);
        assert_eq!(answer.status(), 201, "{}", answer.text());
        answer.json()["id"].as_str().expect("an id").to_owned()
    }

    fn decide(&self, id: &str, verb: &str) -> Message {
        self.send("POST", &format!("/access/requests/{id}/{verb}"), &json!({"reason": "looked at"}))
    }

    fn sees(&self, query: &str) -> Vec<String> {
        let told = self.send("GET", &format!("/access/requests{query}"), &Value::Null).json();
        let all = told["requests"].as_array().expect("a list");
        all.iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect()
    }
}

#[test]
fn what_is_denied_with_a_hint_is_asked_for_approved_used_and_ended() {
    let scene = scene();
    let (ada, bob) = (Person::new(&scene, "ada", &["reader"]), Person::new(&scene, "bob", &["lead"]));
    let denied = ada.send("POST", "/pay/refunds", &Value::Null);
    assert_eq!((denied.status(), code(&denied)), (403, "approval_needed".to_owned()));
    let hint = json!({"name": "finance", "request": "http://127.0.0.1/access/requests"});
    assert_eq!(denied.json()["approval"], hint);
    assert_eq!(ada.use_it("/pay/free"), 200, "what another rule allows needs no approval");

    let id = ada.asked("finance", json!({"for": "5m"}));
    assert_eq!(ada.use_it("/pay/refunds"), 403, "it waits");
    assert_eq!((ada.sees("?state=pending"), bob.sees("")), (vec![id.clone()], vec![id.clone()]));
    let approved = bob.decide(&id, "approve");
    assert_eq!(approved.status(), 200, "{}", approved.text());
    assert_eq!(approved.json()["state"], "granted");
    let used = ada.send("GET", "/pay/refunds", &Value::Null);
    assert_eq!(used.status(), 200, "from the answer on");
    let record = scene.record_of(&used);
    assert_eq!((&record["grant"], &record["rule"]), (&json!(id), &json!("route.pay.allow[1]")));
    assert_eq!([ada.use_it("/other/x"), ada.use_it("/pay/salaries")], [200, 403]);
    assert_eq!(bob.use_it("/pay/refunds"), 403, "a grant is its requester's alone");

    let mut events = Client::connect(scene.gateway.public());
    events.send(&request("GET", "/pay/events", &[("Host", "api.test"), ("Authorization", &ada.bearer)], b""));
    events.reader().until(b"data: first\n\n").expect("the first event");
    assert_eq!(bob.decide(&id, "end").json()["state"], "ended");
    let rest = events.rest();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "it is cut: {rest:?}");
    assert_eq!(ada.use_it("/pay/refunds"), 403);
    for deed in ["asked", "approved", "granted", "ended"] {
        let line = scene.gateway.audited(deed, |entry| entry["kind"] == "access" && entry["act"] == deed);
        assert_eq!((&line["id"], &line["of"], &line["approval"]), (&json!(id), &json!("corp:ada"), &json!("finance")));
        assert_eq!(line["by"], if deed == "asked" { "corp:ada" } else { "corp:bob" });
        assert_eq!(line["terms"], "for 5m");
    }
    for (asked, want) in [
        (&["--grant", &*id, "--kind", "access"][..], &["asked", "approved", "granted", "ended"][..]),
        (&["--grant", &id, "--kind", "exchange", "--method", "GET"], &["/pay/refunds", "/other/x", "/pay/events"]),
        (&["--principal", "corp:bob", "--kind", "access"], &["approved", "granted", "ended"]),
        (&["--principal", "corp:ada", "--act", "approved"], &["approved"]),
        (&["--by", "corp:bob", "--act", "granted"], &["granted"]),
        (&["--by", "other:bob"], &[]),
        (&["--key", "corp:ec", "--grant", &id], &["/pay/refunds", "/other/x", "/pay/events"]),
        (&["--key", "other:ec"], &[]),
        (&["--key", "ec", "--grant", &id], &["/pay/refunds", "/other/x", "/pay/events"]),
    ] {
        let log = scene.gateway.site().audit_path();
        let output = program().args(["audit", "query", &log, "--json"]).args(asked).output().expect("the program");
        let lines = String::from_utf8(output.stdout).expect("text");
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let member = |line: Value| line["act"].as_str().or(line["path"].as_str()).expect("a text").to_owned();
        assert_eq!(lines.map(member).collect::<Vec<_>>(), want, "{asked:?}");
    }
}

#[test]
fn nobody_comes_to_a_grant_past_those_who_have_to_approve() {
    let scene = scene();
    let person = |name, roles: &[&str]| Person::new(&scene, name, roles);
    let (ada, bob) = (person("ada", &["reader", "lead"]), person("bob", &["lead"]));
    let (eve, mallory) = (person("eve", &["chief"]), person("mallory", &["reader", "admin"]));
    let id = ada.asked("payroll", json!({"ticket": "T-1"}));
    let refused = |answer: Message, status: u16, want: &str| {
        assert_eq!((answer.status(), code(&answer)), (status, want.to_owned()), "{}", answer.text());
        assert_eq!(scene.record_of(&answer)["outcome"], "denied");
    };
    refused(ada.decide(&id, "approve"), 403, "self_approval");
    refused(mallory.decide(&id, "approve"), 403, "not_allowed");
    refused(person("joe", &["reader"]).decide(&id, "approve"), 404, "access_request_unknown");
    assert_eq!(bob.decide(&id, "approve").json()["state"], "pending");
    refused(bob.decide(&id, "approve"), 409, "already_approved");
    assert_eq!(ada.use_it("/pay/salaries"), 403, "one of two");
    assert_eq!(eve.decide(&id, "approve").json()["state"], "granted");
    assert_eq!(ada.use_it("/pay/salaries"), 200);
    refused(bob.decide(&id, "deny"), 409, "access_request_decided");
    refused(eve.decide(&id, "approve"), 409, "access_request_decided");
    refused(eve.decide(&id, "review"), 409, "access_request_decided");

    let denied = ada.asked("payroll", json!({"ticket": "T-2"}));
    assert_eq!(eve.decide(&denied, "deny").json()["state"], "denied");
    refused(bob.decide(&denied, "approve"), 409, "access_request_decided");
    let withdrawn = ada.asked("payroll", json!({"ticket": "T-3"}));
    assert_eq!(ada.decide(&withdrawn, "end").json()["state"], "ended");
    refused(bob.decide(&withdrawn, "approve"), 409, "access_request_decided");

    for (who, approval, more, status, want) in [
        (&ada, "payroll", json!({}), 400, "access_request_invalid"),
        (&ada, "nothing", json!({}), 400, "access_request_invalid"),
        (&ada, "finance", json!({"for": "11m"}), 400, "access_request_invalid"),
        (&ada, "finance", json!({"routes": ["nowhere"]}), 400, "access_request_invalid"),
        (&ada, "finance", json!({"state": "granted"}), 400, "access_request_invalid"),
        (&ada, "finance", json!({"reason": ""}), 400, "access_request_invalid"),
        (&ada, "finance", json!({"break_glass": true}), 403, "not_allowed"),
        (&bob, "finance", json!({}), 403, "not_allowed"),
        (&bob, "payroll", json!({"ticket": "T-4"}), 403, "not_allowed"),
    ] {
        refused(who.ask(approval, more), status, want);
    }
    // Who acts for an approver, or for who asked, is somebody else.
    let by_bot = |name: &str, roles: &[&str]| {
        let mut claims = scene.claims_of(name, roles);
        claims["act"] = json!({"sub": "bot"});
        Person { scene: &scene, bearer: format!("Bearer {}", scene.issuer.token(&claims)) }
    };
    let waiting = ada.asked("finance", json!({}));
    refused(by_bot("bob", &["lead"]).decide(&waiting, "approve"), 403, "not_allowed");
    refused(by_bot("kim", &["reader", "on-call"]).ask("finance", json!({"break_glass": true})), 403, "not_allowed");
    assert_eq!(bob.decide(&waiting, "approve").json()["state"], "granted");
    assert_eq!([ada.use_it("/pay/refunds"), by_bot("ada", &["reader"]).use_it("/pay/refunds")], [200, 403]);
    // A page elsewhere can have a browser send a form, and says where it comes from.
    let headers = |kind, site| [("Host", "127.0.0.1"), ("Authorization", &*bob.bearer), ("Content-Type", kind), site];
    let path = format!("/access/requests/{withdrawn}/approve");
    for (kind, site) in
        [("text/plain", ("Connection", "close")), ("application/x-www-form-urlencoded", ("Connection", "close"))]
    {
        let answer = scene.gateway.send(&request("POST", &path, &headers(kind, site), b"{}"));
        refused(answer, 400, "access_request_invalid");
    }
    for site in [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-site"), ("Origin", "http://evil.test")] {
        let answer = scene.gateway.send(&request("POST", &path, &headers("application/json", site), b"{}"));
        refused(answer, 403, "not_allowed");
    }
    // By another name, as after rebinding, there is nothing.
    let answer = scene.gateway.get("/access/requests", &[("Host", "evil.test"), ("Authorization", &bob.bearer)]);
    refused(answer, 404, "no_route");
    let answer = scene.gateway.get("/access/requests", &[("Host", "127.0.0.1")]);
    refused(answer, 401, "credential_missing");
}

#[test]
fn a_grant_is_for_no_more_than_was_asked_for() {
    let scene = scene();
    let (ada, bob) = (Person::new(&scene, "ada", &["reader"]), Person::new(&scene, "bob", &["lead"]));
    let granted = |more| {
        let id = ada.asked("finance", more);
        assert_eq!(bob.decide(&id, "approve").json()["state"], "granted");
        id
    };
    let id = granted(json!({"routes": ["pay"], "methods": ["POST"]}));
    let line = scene.gateway.audited("that", |entry| entry["act"] == "granted" && entry["id"] == id);
    assert!(line["terms"].as_str().expect("text").ends_with("; routes pay; methods POST"), "{line}");
    let post = |path: &str| ada.send("POST", path, &Value::Null).status();
    assert_eq!([post("/pay/refunds"), ada.use_it("/pay/refunds"), post("/other/x")], [200, 403, 403]);
    bob.decide(&id, "end");

    granted(json!({"uses": 3}));
    let got: Vec<_> = (0..5).map(|_| ada.use_it("/pay/refunds")).collect();
    assert_eq!(got, [200, 200, 200, 403, 403]);
    assert_eq!(ada.use_it("/pay/free"), 200, "and needs none of them");

    // What the last use is for can be ended too.
    let last = granted(json!({"uses": 1}));
    let mut events = Client::connect(scene.gateway.public());
    events.send(&request("GET", "/pay/events", &[("Host", "api.test"), ("Authorization", &ada.bearer)], b""));
    events.reader().until(b"data: first\n\n").expect("the first event");
    assert_eq!(bob.decide(&last, "end").json()["state"], "ended");
    let rest = events.rest();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "it is cut: {rest:?}");

    let short = granted(json!({"for": "1s"}));
    assert_eq!(ada.use_it("/pay/refunds"), 200);
    let mut events = Client::connect(scene.gateway.public());
    events.send(&request("GET", "/pay/events", &[("Host", "api.test"), ("Authorization", &ada.bearer)], b""));
    events.reader().until(b"data: first\n\n").expect("the first event");
    let rest = events.rest();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "it ends with its grant: {rest:?}");
    assert_eq!(ada.use_it("/pay/refunds"), 403);
    let shown = ada.send("GET", &format!("/access/requests/{short}"), &Value::Null).json();
    assert_eq!(shown["state"], "over");
}

#[test]
fn nobody_approves_access_of_whoever_has_lost_theirs() {
    let scene = scene();
    let (ada, bob) = (Person::new(&scene, "ada", &["reader"]), Person::new(&scene, "bob", &["lead"]));
    let id = ada.asked("finance", json!({}));
    let revocation = |arguments: &[&str]| {
        let arguments = [&["revocation"], arguments].concat();
        let output =
            program().current_dir(scene.gateway.site().folder()).args(arguments).output().expect("the program");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let added = revocation(&["add", "principal:corp:ada", "--reason", "she left"]);
    eventually("she is refused", || (ada.use_it("/pay/free") == 401).then_some(()));
    let answer = bob.decide(&id, "approve");
    assert_eq!((answer.status(), code(&answer)), (409, "requester_revoked".to_owned()));
    let shown = bob.send("GET", &format!("/access/requests/{id}"), &Value::Null).json();
    assert_eq!((&shown["state"], &shown["revoked"]), (&json!("pending"), &json!(true)));
    revocation(&["lift", added.split_once(' ').expect("an id").0]);
    eventually("she is back", || (ada.use_it("/pay/free") == 200).then_some(()));
    assert_eq!(bob.decide(&id, "approve").json()["state"], "granted");
}

#[test]
fn who_waits_while_their_grant_ends_is_told_that_access_has_to_be_asked_for() {
    let scene = scene();
    let (ada, bob) = (Person::new(&scene, "ada", &["reader"]), Person::new(&scene, "bob", &["lead"]));
    for (nth, more) in [json!({}), json!({"for": "1s"})].into_iter().enumerate() {
        let is_ended = more.as_object().is_some_and(serde_json::Map::is_empty);
        let id = ada.asked("finance", more);
        assert_eq!(bob.decide(&id, "approve").json()["state"], "granted");
        let mut waiting = Client::connect(scene.gateway.public());
        waiting.send(&request("GET", "/pay/silence", &[("Host", "api.test"), ("Authorization", &ada.bearer)], b""));
        eventually("it is at the upstream", || {
            let asked = scene.upstream.requests().iter().filter(|request| request.path() == "/silence").count();
            (asked > nth).then_some(())
        });
        if is_ended {
            assert_eq!(bob.decide(&id, "end").json()["state"], "ended");
        }
        let answer = waiting.response();
        assert_eq!((answer.status(), code(&answer)), (403, "approval_needed".to_owned()));
        assert_eq!(scene.record_of(&answer)["outcome"], "denied");
    }
}

#[test]
fn uses_are_counted_once_however_many_ask_at_once() {
    let scene = scene();
    let (ada, bob) = (Person::new(&scene, "ada", &["reader"]), Person::new(&scene, "bob", &["lead"]));
    let id = ada.asked("finance", json!({"uses": 10}));
    bob.decide(&id, "approve");
    let allowed: usize = std::thread::scope(|scope| {
        let send = |_| scope.spawn(|| (0..5).filter(|_| ada.use_it("/pay/refunds") == 200).count());
        let threads: Vec<_> = (0..8).map(send).collect();
        threads.into_iter().map(|thread| thread.join().expect("done")).sum()
    });
    assert_eq!(allowed, 10);
    assert_eq!(scene.upstream.requests().len(), 10);
}

#[test]
fn broken_glass_opens_at_once_and_is_told_loudly() {
    let scene = scene();
    let (ada, bob) = (Person::new(&scene, "ada", &["reader", "on-call"]), Person::new(&scene, "bob", &["lead"]));
    let answer = ada.ask("finance", json!({"break_glass": true, "for": "1m"}));
    assert_eq!(answer.status(), 201, "{}", answer.text());
    let told = answer.json();
    assert_eq!((&told["state"], &told["needs_review"]), (&json!("granted"), &json!(true)));
    assert_eq!(ada.use_it("/pay/refunds"), 200);
    let id = told["id"].as_str().expect("an id");
    scene.gateway.audited("broken glass", |entry| entry["act"] == "broke_glass" && entry["id"] == id);
    eventually("it is counted", || scene.gateway.metric("claviger_broken_glass_total", &[]).filter(|&n| n == 1.0));
    assert!(scene.gateway.log().contains("somebody broke the glass"));
    assert_eq!(code(&ada.decide(id, "review")), "self_approval");
    assert_eq!(bob.decide(id, "review").json()["needs_review"], false);
    assert_eq!(ada.use_it("/pay/refunds"), 200, "it goes on until it ends");
}

#[test]
fn grants_outlive_every_kind_of_end_of_the_process() {
    let mut scene = scene();
    let id = {
        let (ada, bob) = (Person::new(&scene, "ada", &["reader"]), Person::new(&scene, "bob", &["lead"]));
        let id = ada.asked("finance", json!({}));
        bob.decide(&id, "approve");
        id
    };
    scene.gateway.kill_and_restart();
    scene.gateway.wait_until_ready();
    assert_eq!(Person::new(&scene, "ada", &["reader"]).use_it("/pay/refunds"), 200);
    assert_eq!(scene.gateway.upgrade().code(), Some(0));
    scene.gateway.wait_until_ready();
    let (ada, bob) = (Person::new(&scene, "ada", &["reader"]), Person::new(&scene, "bob", &["lead"]));
    assert_eq!(ada.use_it("/pay/refunds"), 200);
    bob.decide(&id, "end");
    assert_eq!(ada.use_it("/pay/refunds"), 403);
    assert_eq!(scene.gateway.metric("claviger_grants", &[]), Some(0.0));
}

fn command(gateway: &Gateway, bearer: &str, arguments: &[&str]) -> Output {
    let token = bearer.trim_start_matches("Bearer ");
    program()
        .arg("access")
        .args(arguments)
        .env("CLAVIGER_GATEWAY", format!("http://{}", gateway.public()))
        .env("CLAVIGER_TOKEN", token)
        .output()
        .expect("the program")
}

#[test]
fn commands_ask_and_decide_as_whoever_their_token_proves() {
    let scene = scene();
    let (ada, bob) = (Person::new(&scene, "ada", &["reader"]), Person::new(&scene, "bob", &["lead"]));
    let run = |who: &Person<'_>, arguments: &[&str]| {
        let output = command(&scene.gateway, &who.bearer, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let ask = ["request", "finance", "--reason", "case 7", "--for", "5m", "--method", "GET", "--json"];
    let asked: Value = serde_json::from_str(&run(&ada, &ask)).expect("JSON");
    let id = asked["id"].as_str().expect("an id");
    assert!(run(&bob, &["list"]).contains("pending, 0 of 1 approvals"));
    let waiting = std::thread::scope(|scope| {
        let more = ["request", "finance", "--reason", "case 8", "--wait"];
        let (gateway, bearer) = (&scene.gateway, &*ada.bearer);
        let waiting = scope.spawn(move || command(gateway, bearer, &more));
        let other =
            eventually("the second is there", || bob.sees("?state=pending").into_iter().find(|other| *other != id));
        assert!(run(&bob, &["deny", &other, "--reason", "not today"]).contains("denied"));
        waiting.join().expect("done")
    });
    assert_eq!(waiting.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&waiting.stderr).contains("not granted: denied"));
    assert!(run(&bob, &["approve", id]).contains("granted until"));
    assert_eq!(ada.use_it("/pay/refunds"), 200);
    assert!(run(&ada, &["show", id]).contains("approved by corp:bob"));
    let refused = command(&scene.gateway, &ada.bearer, &["approve", id]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("self_approval"));
    assert!(run(&ada, &["end", id]).contains("ended"));
    let mut nobody = program();
    let nobody = nobody.args(["access", "list", "--gateway", "http://127.0.0.1:1"]).env_remove("CLAVIGER_TOKEN");
    let nobody = nobody.output().expect("the program");
    assert_eq!(nobody.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("CLAVIGER_TOKEN"));
}

fn sha256(body: &[u8]) -> String {
    digest::digest(&digest::SHA256, body).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn what_was_approved_for_one_request_is_for_that_request_alone() {
    let scene = scene();
    let (ada, bob) = (Person::new(&scene, "ada", &["reader"]), Person::new(&scene, "bob", &["lead"]));
    let (url, body) = ("https://API.test/pay/wires?to=7", b"{\"amount\":100}");
    let wire = |method: &str, path: &str, body: &[u8]| {
        let headers = [("Host", "api.test"), ("Authorization", &*ada.bearer), ("Connection", "close")];
        scene.gateway.send(&request(method, path, &headers, body))
    };
    assert_eq!(code(&wire("POST", "/pay/wires?to=7", body)), "approval_needed");
    assert_eq!(ada.ask("single", json!({})).status(), 400, "which one?");
    assert_eq!(ada.ask("finance", json!({"request": {"method": "GET", "url": url}})).status(), 400, "not a single one");
    let exact = json!({"method": "POST", "url": url, "body_sha256": sha256(body)});
    let id = ada.asked("single", json!({"uses": 2, "request": exact}));
    let shown = bob.send("GET", &format!("/access/requests/{id}"), &Value::Null).json();
    let seen =
        json!({"method": "POST", "host": "api.test", "path": "/pay/wires", "query": "to=7", "body": sha256(body)});
    assert_eq!(shown["request"], seen, "who approves sees what");
    assert_eq!(bob.decide(&id, "approve").json()["state"], "granted");
    for (method, path, body, want) in [
        ("POST", "/pay/wires?to=7", &b"{\"amount\":900}"[..], 403),
        ("POST", "/pay/wires?to=8", body, 403),
        ("POST", "/pay/wires", body, 403),
        ("PUT", "/pay/wires?to=7", body, 403),
        ("POST", "/pay/wires?to=7", b"", 403),
        ("POST", "/pay/refunds?to=7", body, 403),
        ("POST", "/pay/wires?to=7", &[b'x'; 65_536], 413),
        ("POST", "/pay/wires?to=7", body, 200),
    ] {
        let answer = wire(method, path, body);
        assert_eq!(answer.status(), want, "{method} {path}: {}", answer.text());
    }
    let sent = scene.upstream.requests();
    assert_eq!(sent.len(), 1);
    assert_eq!((&sent[0].body[..], sent[0].path()), (&body[..], "/wires?to=7"));
    // Over HTTP/2, and for the last time.
    let block = frames::block(&[
        (":method", b"POST"),
        (":scheme", b"http"),
        (":authority", b"api.test"),
        (":path", b"/pay/wires?to=7"),
        ("authorization", ada.bearer.as_bytes()),
    ]);
    let mut client = Client::connect(scene.gateway.public());
    client.send(&frames::opening_without_table());
    for (stream, want) in [(1, 200), (3, 403)] {
        client.send(&frames::frame(frames::HEADERS, frames::END_HEADERS, stream, &block));
        client.send(&frames::frame(frames::DATA, 0, stream, &body[..5]));
        client.send(&frames::frame(frames::DATA, frames::END_STREAM, stream, &body[5..]));
        let ending = frames::ending(&mut client, stream);
        assert!(matches!(ending, Ending::Response { status, .. } if status == want), "{ending:?}");
    }
    let sent = scene.upstream.requests();
    assert_eq!((sent.len(), &sent[1].body[..]), (2, &body[..]));
    // Whoever is not known has no body kept, and one that does not come in whole is not waited for.
    let stranger = scene.gateway.send(&request("POST", "/pay/wires", &[("Host", "api.test")], body));
    assert_eq!(stranger.status(), 401);
    let mut waiting = Client::connect(scene.gateway.public());
    let head = format!(
        "POST /pay/wires HTTP/1.1\r\nHost: api.test\r\nAuthorization: {}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        ada.bearer
    );
    waiting.send(head.as_bytes());
    assert_eq!(waiting.reader().head().expect("an answer").expect("a head").status(), 100);
    assert_eq!(waiting.send(b"hello").response().status(), 403);
}

#[test]
fn the_description_is_of_what_there_is() {
    let scene = scene();
    let description = scene.gateway.get("/access/openapi.json", &[("Host", "127.0.0.1")]);
    assert_eq!(description.header("content-type"), Some("application/json"));
    let description = description.json();
    let (ada, bob) = (Person::new(&scene, "ada", &["reader"]), Person::new(&scene, "bob", &["lead"]));
    let id = ada.asked("finance", json!({}));
    let paths = description["paths"].as_object().expect("paths");
    for (path, methods) in paths {
        for method in
            methods.as_object().expect("methods").keys().filter(|method| *method == "get" || *method == "post")
        {
            let (path, method) = (path.replace("{id}", &id), method.to_uppercase());
            let answer = bob.send(&method, &path, &if method == "POST" { json!({}) } else { Value::Null });
            assert!(![404, 405].contains(&answer.status()), "{method} {path}: {}", answer.text());
        }
    }
    assert_eq!(paths.len(), 6);
    // What is told has the members that are described, and no other.
    let told = ada.send("GET", &format!("/access/requests/{id}"), &Value::Null).json();
    let names =
        |of: &Value| of.as_object().expect("an object").keys().cloned().collect::<std::collections::BTreeSet<_>>();
    let schemas = &description["components"]["schemas"];
    assert_eq!(names(&told), names(&schemas["AccessRequest"]["properties"]));
    let described = &schemas["NewAccessRequest"]["properties"];
    let all = json!({
        "approval": "finance", "reason": "x", "ticket": "T", "for": "1m", "routes": ["pay"], "methods": ["GET"], "uses": 1,
        "break_glass": false, "request": null,
    });
    assert_eq!(names(&all), names(described));
    let answer = ada.ask("finance", all);
    assert_eq!(answer.status(), 201, "{}", answer.text());
}

#[test]
fn a_webhook_is_told_each_step_in_order_and_again_where_it_failed() {
    let failures = Arc::new(AtomicUsize::new(1));
    let (told, steps) = mpsc::channel::<(String, Value)>();
    let told = Mutex::new(told);
    let left = Arc::clone(&failures);
    let hook = Upstream::start(move |request, wire| {
        if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return wire.respond(503, &[], b"");
        }
        let signature = request.header("x-claviger-signature").unwrap_or_default().to_owned();
        let key = hmac::Key::new(hmac::HMAC_SHA256, OTHER_SECRET.as_bytes());
        let hex: String = hmac::sign(&key, &request.body).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(signature, format!("sha256={hex}"));
        told.lock().expect("no panic").send((signature, request.json())).expect("the test waits");
        wire.respond(204, &[], b"")
    });
    let webhook = format!("webhook = {{ url = \"{}/hook\", secret = \"dir:other-key\" }}", hook.url());
    let tables = TABLES.replace(
        "authn = [\"corp\"]\n[approval.finance]",
        &format!("authn = [\"corp\"]\n{webhook}\n[approval.finance]"),
    );
    let scene = Scene::with(upstream(), &Extra { tables: &tables, ..Extra::default() });
    let (ada, bob) = (Person::new(&scene, "ada", &["reader"]), Person::new(&scene, "bob", &["lead"]));
    let id = ada.asked("finance", json!({}));
    bob.decide(&id, "approve");
    bob.decide(&id, "end");
    let mut acts = Vec::new();
    for _ in 0..4 {
        let (_, step) = steps.recv_timeout(std::time::Duration::from_secs(20)).expect("a step");
        assert_eq!((&step["id"], &step["of"], &step["approval"]), (&json!(id), &json!("corp:ada"), &json!("finance")));
        acts.push(step["act"].as_str().expect("an act").to_owned());
    }
    assert_eq!(acts, ["asked", "approved", "granted", "ended"]);
    assert_eq!(scene.gateway.metric("claviger_webhook_failures_total", &[]), Some(0.0));
}

#[test]
fn who_asks_for_what_cannot_be_is_told_what_is_wrong_with_it() {
    let scene = scene();
    let ada = Person::new(&scene, "ada", &["reader"]);
    for (approval, more, says) in [
        ("payroll", json!({}), "`ticket`"),
        ("nothing", json!({}), "no such approval"),
        ("finance", json!({"for": "11m"}), "last so long"),
        ("finance", json!({"routes": ["nowhere"]}), "no such route"),
        ("finance", json!({"uses": 0}), "so many requests"),
        ("single", json!({}), "one `request`"),
    ] {
        let told = ada.ask(approval, more).text();
        assert!(told.contains(says), "{approval}: {told}");
    }
}
