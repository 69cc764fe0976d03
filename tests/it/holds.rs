//! Held until somebody approves: from the attack to the hold, to the approval by others, and on; and no way around.

use serde_json::{Value, json};

use crate::support::{
    eventually,
    gateway::{Gateway, program},
    http1::Message,
    nodes::Nodes,
    raw::{Client, request},
    scene::{Extra, Scene, code},
    upstream::Upstream,
};

const TABLES: &str = r#"
[access]
url = "http://127.0.0.1"
authn = ["corp"]
[approval.security]
approvers = ["lead"]
[monitor.detect.probing]
at = 3
action = "require_approval"
approval = "security"
[route.pay]
path = "/pay/**"
target = "api"
credential = "api"
authn = ["corp"]
allow = [{ role = "reader", methods = ["GET"] }, { role = "reader", methods = ["PUT"], approval = "security" }]
"#;

struct Person<'a> {
    gateway: &'a Gateway,
    bearer: String,
}

impl<'a> Person<'a> {
    fn new(scene: &'a Scene, name: &str, roles: &[&str]) -> Self {
        Self { gateway: &scene.gateway, bearer: format!("Bearer {}", scene.token_of(name, roles)) }
    }

    fn send(&self, method: &str, path: &str, body: &str) -> Message {
        let headers = [
            ("Host", "127.0.0.1"),
            ("Authorization", &*self.bearer),
            ("Content-Type", "application/json"),
            ("Connection", "close"),
        ];
        self.gateway.send(&request(method, path, &headers, body.as_bytes()))
    }

    fn read(&self) -> Message {
        self.send("GET", "/pay/x", "")
    }

    /// The same, of which an answer that is cut as access ends is none.
    fn try_read(&self) -> Option<Message> {
        self.gateway.try_get("/pay/x", &[("Host", "127.0.0.1"), ("Authorization", &self.bearer)])
    }

    /// Asks for what no rule allows until the monitor has had enough.
    fn probe(&self) {
        for _ in 0..3 {
            assert_eq!(self.send("DELETE", "/pay/x", "").status(), 403);
        }
        let held = eventually("the caller is held", || self.try_read().filter(|answer| answer.status() != 200));
        assert_eq!((held.status(), code(&held)), (403, "on_hold".to_owned()), "{}", held.text());
    }

    fn decide(&self, id: &str, verb: &str) -> Message {
        self.send("POST", &format!("/access/requests/{id}/{verb}"), r#"{"reason":"asked her"}"#)
    }

    /// What waits for this caller's approval, once there is something.
    fn asked(&self) -> Value {
        let list = || self.send("GET", "/access/requests?state=pending", "").json()["requests"][0].clone();
        eventually("somebody is asked", || Some(list()).filter(|one| !one.is_null()))
    }
}

/// The first line of the log like this, alerts among them, once it is there.
fn line(gateway: &Gateway, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    eventually(what, || gateway.audit_lines().into_iter().find(&is_it))
}

fn id(of: &Value) -> String {
    of["id"].as_str().expect("an id").to_owned()
}

#[test]
fn who_attacks_is_held_until_others_approve_and_then_goes_on() {
    let upstream = Upstream::echo_with_events();
    let mut scene = Scene::with(upstream, &Extra { tables: TABLES, ..Extra::default() });
    // She may approve for others, and not for herself.
    let roles = ["reader", "lead", "admin"];
    let held = {
        let (ada, bob) = (Person::new(&scene, "ada", &roles), Person::new(&scene, "bob", &["reader", "lead"]));
        let mut events = Client::connect(scene.gateway.public());
        events.send(&request("GET", "/pay/events", &[("Host", "api.test"), ("Authorization", &ada.bearer)], b""));
        events.reader().until(b"data: first\n\n").expect("the first event");
        ada.probe();
        assert!(!events.rest().ends_with(b"0\r\n\r\n"), "what was under way is cut");
        let refused = ada.read();
        let record = scene.record_of(&refused);
        assert_eq!((&record["code"], &record["outcome"]), (&json!("on_hold"), &json!("denied")));
        assert_eq!(bob.read().status(), 200, "others go on");

        let asked = bob.asked();
        let is_hers = (&asked["requester"], &asked["hold"], &asked["approval"]);
        assert_eq!(is_hers, (&json!("corp:ada"), &json!(true), &json!("security")));
        let held = id(&asked);
        assert_eq!(code(&ada.decide(&held, "approve")), "on_hold", "not by herself");
        for verb in ["end", "review"] {
            assert_eq!(code(&bob.decide(&held, verb)), "not_allowed", "{verb}: nothing was granted");
        }
        assert_eq!(code(&Person::new(&scene, "eve", &["reader"]).decide(&held, "approve")), "access_request_unknown");
        held
    };
    scene.gateway.kill_and_restart();
    scene.gateway.wait_until_ready();
    let (ada, bob) = (Person::new(&scene, "ada", &roles), Person::new(&scene, "bob", &["reader", "lead"]));
    assert_eq!(code(&ada.read()), "on_hold", "after kill -9");
    let listed = program_of(&scene.gateway, &["revocation", "list"]);
    assert!(listed.contains("principal:corp:ada") && listed.contains("approved by `security`"), "{listed}");
    assert_eq!(bob.decide(&held, "approve").json()["state"], "granted");
    assert_eq!(ada.read().status(), 200, "from the answer on");
    assert_eq!(code(&ada.send("PUT", "/pay/x", "")), "approval_needed", "and nothing more was granted");
    assert_eq!(code(&bob.decide(&held, "approve")), "access_request_decided");
    every_step_is_recorded(&scene.gateway, &held);
}

fn every_step_is_recorded(gateway: &Gateway, held: &str) {
    let alert = line(gateway, "the alert", |entry| entry["kind"] == "alert" && entry["detection"] == "probing");
    assert_eq!((&alert["detection"], &alert["action"]), (&json!("probing"), &json!("require_approval")));
    let monitor = format!("monitor:{}", id(&alert));
    for (kind, act, by) in [
        ("revocation", "revoked", &*monitor),
        ("access", "asked", &monitor),
        ("access", "approved", "corp:bob"),
        ("access", "granted", "corp:bob"),
        ("revocation", "lifted", "corp:bob"),
    ] {
        let line = gateway.audited(act, |entry| entry["kind"] == kind && entry["act"] == act && entry["id"] == held);
        assert_eq!((&line["by"], &line["approval"]), (&json!(by), &json!("security")), "{line}");
    }
}

fn program_of(gateway: &Gateway, arguments: &[&str]) -> String {
    let config = gateway.site().config_path();
    let output = program().args(arguments).arg("--config").arg(config).output().expect("the program");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn who_is_denied_stays_out_also_where_a_hold_lapses_and_until_it_is_lifted() {
    let tables = TABLES.replace("approval = \"security\"\n[route", "approval = \"security\"\nlapse = \"1h\"\n[route");
    let scene = Scene::new(&Extra { tables: &tables, ..Extra::default() });
    let (ada, bob) = (Person::new(&scene, "ada", &["reader"]), Person::new(&scene, "bob", &["lead"]));
    ada.probe();
    let held = id(&bob.asked());
    assert_eq!(bob.decide(&held, "deny").json()["state"], "denied");
    let refused = eventually("she is out", || ada.try_read().filter(|answer| answer.status() == 401));
    assert_eq!(code(&refused), "credential_invalid");
    let list = || -> Value {
        serde_json::from_str(&program_of(&scene.gateway, &["revocation", "list", "--json"])).expect("JSON")
    };
    let all = list();
    let ended = all.as_array().expect("a list").iter().find(|one| one["approval"].is_null()).expect("no mere hold");
    assert_eq!((&ended["by"], &ended["until"]), (&json!("corp:bob"), &Value::Null), "it does not lapse");
    for one in all.as_array().expect("a list") {
        program_of(&scene.gateway, &["revocation", "lift", &id(one)]);
    }
    eventually("she goes on", || ada.try_read().filter(|answer| answer.status() == 200));
}

#[test]
fn a_hold_that_is_lifted_at_the_command_line_waits_for_nobody() {
    let scene = Scene::new(&Extra { tables: TABLES, ..Extra::default() });
    let (ada, bob) = (Person::new(&scene, "ada", &["reader"]), Person::new(&scene, "bob", &["lead"]));
    ada.probe();
    let held = id(&bob.asked());
    program_of(&scene.gateway, &["revocation", "lift", &held]);
    eventually("she goes on", || ada.try_read().filter(|answer| answer.status() == 200));
    let ended = scene.gateway.audited("it is taken back", |entry| entry["act"] == "ended" && entry["id"] == held);
    assert_eq!(ended["by"], "gateway");
    assert_eq!(code(&bob.decide(&held, "approve")), "access_request_decided");
}

#[test]
fn a_hold_of_one_node_is_one_of_all_and_so_is_its_end() {
    let tables = "[monitor.detect.probing]\nat = 3\naction = \"require_approval\"\napproval = \"once\"\n";
    let Some(nodes) = Nodes::start(2, "", tables) else { return };
    let bearer = nodes.bearer();
    let read = |node: usize| nodes.get(node, "/api/x", &bearer).expect("an answer");
    assert_eq!([read(0).status(), read(1).status()], [200, 200]);
    for _ in 0..3 {
        assert_eq!(nodes.get(0, "/pay/other", &bearer).map(|answer| answer.status()), Some(403));
    }
    for node in [0, 1] {
        let held = eventually("she is held", || Some(read(node)).filter(|answer| answer.status() != 200));
        assert_eq!(code(&held), "on_hold", "node {node}");
    }
    let asked = |entry: &Value| entry["kind"] == "access" && entry["act"] == "asked";
    let all = || nodes.all.iter().flat_map(Gateway::audit);
    let held = id(&eventually("it is asked for", || all().find(asked)));
    eventually("it is approved at the other", || (nodes.approve(1, "kim", &held).status() == 200).then_some(()));
    for node in [0, 1] {
        eventually("she goes on", || (read(node).status() == 200).then_some(()));
    }
    assert_eq!([nodes.acts("asked", &held), nodes.acts("granted", &held)], [1, 1], "each is told once");
}

#[test]
fn a_disk_that_is_slow_keeps_the_monitor_from_nothing() {
    let freezes = TABLES.replace("\"require_approval\"\napproval = \"security\"", "\"freeze_principal\"");
    let tables = format!("{freezes}[monitor.detect.failed_logins]\nat = 3\n");
    let scene = Scene::new(&Extra { tables: &tables, ..Extra::default() });
    let (ada, eve) = (Person::new(&scene, "ada", &["reader"]), Person::new(&scene, "eve", &["reader"]));
    let store = rusqlite::Connection::open(scene.gateway.site().path("claviger.db")).expect("opened");
    store.execute_batch("BEGIN IMMEDIATE").expect("nobody else writes now");
    for _ in 0..3 {
        assert_eq!(ada.send("DELETE", "/pay/x", "").status(), 403);
    }
    let forged = Person { bearer: format!("{}AAAA", &eve.bearer[..eve.bearer.len() - 4]), ..eve };
    for _ in 0..3 {
        assert_eq!(forged.read().status(), 401);
    }
    line(&scene.gateway, "the other alert", |entry| entry["detection"] == "failed_logins");
    let is_it = |entry: &Value| entry["detection"] == "probing";
    assert!(!scene.gateway.audit_lines().iter().any(is_it), "what waits for the disk is not told to be done");
    store.execute_batch("ROLLBACK").expect("done");
    assert_eq!(line(&scene.gateway, "the freeze", is_it)["action"], "freeze_principal");
    eventually("she is out", || ada.try_read().filter(|answer| answer.status() == 401));
}

/// Has the store refuse every new end of access, as a full disk does, and take all else; and has it take them again.
fn refuse_ends(gateway: &Gateway, refuses: bool) {
    let store = rusqlite::Connection::open(gateway.site().path("claviger.db")).expect("opened");
    let text = if refuses {
        "CREATE TRIGGER full BEFORE INSERT ON revocation BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    } else {
        "DROP TRIGGER full"
    };
    store.execute_batch(text).expect("done");
}

#[test]
fn a_hold_that_the_store_refuses_is_tried_again_until_it_takes_it() {
    let scene = Scene::new(&Extra { tables: TABLES, ..Extra::default() });
    let ada = Person::new(&scene, "ada", &["reader"]);
    refuse_ends(&scene.gateway, true);
    for _ in 0..3 {
        assert_eq!(ada.send("DELETE", "/pay/x", "").status(), 403);
    }
    let is_it = |entry: &Value| entry["kind"] == "alert" && entry["detection"] == "probing";
    let refused = line(&scene.gateway, "the alert", is_it);
    assert_eq!((&refused["act"], &refused["action"]), (&json!("raised"), &json!("not_frozen")));
    let waiting = || scene.gateway.metric("claviger_monitor_endings_refused", &[]);
    eventually("it is counted", || (waiting() == Some(1.0)).then_some(()));
    assert_eq!(ada.read().status(), 200);
    refuse_ends(&scene.gateway, false);
    // Nothing more is asked for that no rule allows.
    let held = eventually("she is held", || ada.try_read().filter(|answer| answer.status() != 200));
    assert_eq!(code(&held), "on_hold");
    let done = line(&scene.gateway, "it is told", |entry| is_it(entry) && entry["action"] == "require_approval");
    assert_eq!((&done["act"], &done["id"]), (&json!("held"), &refused["id"]));
    eventually("nothing waits", || (waiting() == Some(0.0)).then_some(()));
}

/// How many events of a request count as written down.
fn told(store: &str, request: &str) -> i64 {
    let store = rusqlite::Connection::open(store).expect("opened");
    store.query_row("SELECT told FROM access WHERE id = ?1", [request], |row| row.get(0)).expect("a request")
}

#[test]
fn a_no_that_the_store_refuses_to_act_upon_is_acted_upon_by_the_next_process() {
    let mut scene = Scene::new(&Extra { tables: TABLES, ..Extra::default() });
    let held = {
        let (ada, bob) = (Person::new(&scene, "ada", &["reader"]), Person::new(&scene, "bob", &["lead"]));
        ada.probe();
        let held = id(&bob.asked());
        refuse_ends(&scene.gateway, true);
        assert_eq!(bob.decide(&held, "deny").json()["state"], "denied");
        assert_eq!(code(&ada.read()), "on_hold");
        // What was asked for later counts as written down, so it is time that the no did.
        let eve = Person::new(&scene, "eve", &["reader"]);
        let asked = eve.send("POST", "/access/requests", r#"{"approval":"security","reason":"case 7"}"#);
        assert_eq!(asked.status(), 201, "{}", asked.text());
        let (store, later) = (scene.gateway.site().path("claviger.db"), id(&asked.json()));
        eventually("it is marked", || (told(&store, &later) == 1).then_some(()));
        assert!(told(&store, &held) < 2, "she is not out, and nobody would see to it any more");
        held
    };
    let is_no = |entry: &Value| entry["kind"] == "access" && entry["act"] == "denied" && entry["id"] == held.as_str();
    line(&scene.gateway, "it is written", is_no);
    scene.gateway.kill_and_restart();
    scene.gateway.wait_until_ready();
    refuse_ends(&scene.gateway, false);
    let ended = || {
        let listed = program_of(&scene.gateway, &["revocation", "list", "--json"]);
        let all: Value = serde_json::from_str(&listed).expect("JSON");
        let is_end = |one: &&Value| one["by"] == "corp:bob" && one["approval"].is_null();
        all.as_array().expect("a list").iter().filter(is_end).count()
    };
    eventually("her access is ended", || (ended() == 1).then_some(()));
    let ada = Person::new(&scene, "ada", &["reader"]);
    eventually("she is out", || ada.try_read().filter(|answer| answer.status() == 401));
}
