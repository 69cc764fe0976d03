//! One contract, kept by one gateway alone with its store and by two nodes around a Redis: the same steps, taken at one and the other in turn,
//! come to the same.

use std::thread;

use serde_json::{Value, json};

use crate::support::{
    eventually,
    http1::Message,
    nodes::{Group, Nodes, SEAL},
    proof::ProofKey,
    scene::code,
    signer::{lines, signed, sound},
};

const TABLES: &str = r#"
[approval.brief]
requesters = ["reader"]
approvers = ["lead"]
expires = "1s"
[authn.partners.http_signature.key.acme]
algorithm = "hmac-sha256"
secret = "dir:cluster"
owner = "acme"
[route.signed]
path = "/signed/**"
target = "api"
authn = ["partners"]
allow = [{ principal = "partners:acme" }]
"#;

/// How many sessions one principal may have, as nothing else is configured.
const MOST_SESSIONS: usize = 100;

#[test]
fn one_gateway_alone_keeps_the_contract() {
    keep_the_contract(&Group::alone(TABLES, 0, |_| {}));
}

#[test]
fn two_nodes_around_a_redis_keep_the_contract_of_one() {
    let Some(nodes) = Nodes::start(2, "", TABLES) else { return };
    keep_the_contract(&nodes);
}

fn keep_the_contract(group: &Group) {
    quota(group);
    sessions(group);
    access(group);
    ends_of_access(group);
    revocations(group);
    proofs(group);
    nonces(group);
}

/// The first and the last, which may be one.
fn both(group: &Group) -> [usize; 2] {
    [0, group.all.len() - 1]
}

/// What so many at once are answered, at one and the other in turn.
fn at_once(group: &Group, count: usize, ask: impl Fn(usize) -> u16 + Sync) -> Vec<u16> {
    let (nodes, ask) = (both(group), &ask);
    thread::scope(|scope| {
        let all: Vec<_> = (0..count).map(|n| scope.spawn(move || ask(nodes[n % 2]))).collect();
        all.into_iter().map(|one| one.join().expect("no panic")).collect()
    })
}

/// Asks on until nothing is left, as whoever was told to come again does; tells how many were let through in all.
fn let_through(group: &Group, statuses: &[u16], spent: u16, ask: impl Fn(usize) -> u16) -> usize {
    let mut through = statuses.iter().filter(|status| **status == 200).count();
    assert!(statuses.iter().all(|status| [200, spent, 503].contains(status)), "{statuses:?}");
    let mut last = both(group).into_iter().cycle();
    eventually("none is left", || {
        let status = ask(last.next().expect("a cycle"));
        through += usize::from(status == 200);
        (status == spent).then_some(())
    });
    through
}

fn sessions(group: &Group) {
    let [here, there] = both(group);
    let session = group.begin(here);
    assert_eq!([there, here].map(|node| group.use_it(node, &session)), [200, 200]);
    assert_eq!([there, here].map(|node| group.introspect(node, &session)), [200, 200]);

    for (more, want) in
        [("&methods=POST", 403), ("&routes=api", 403), ("&roles=reader", 200), ("&methods=GET&routes=stay", 200)]
    {
        let narrow = group.begin_with(there, more);
        assert_eq!([here, there].map(|node| group.use_it(node, &narrow)), [want, want], "{more}");
    }
    for (more, error) in [
        ("&roles=admin", "invalid_scope"),
        ("&routes=nowhere", "invalid_target"),
        ("&expires_in=0", "invalid_request"),
        ("&uses=0", "invalid_request"),
    ] {
        let refused = [here, there].map(|node| group.try_begin_with(node, more));
        assert_eq!(
            refused.map(|answer| (answer.status(), answer.json()["error"].clone())),
            [(); 2].map(|()| (400, json!(error)))
        );
    }

    let few = group.begin_with(here, "&uses=3");
    let got = [there, here, there, here, there].map(|node| group.use_it(node, &few));
    assert_eq!(got, [200, 200, 200, 401, 401]);
    let many = group.begin_with(there, "&uses=5");
    let statuses = at_once(group, 20, |node| group.use_it(node, &many));
    assert_eq!(let_through(group, &statuses, 401, |node| group.use_it(node, &many)), 5, "{statuses:?}");

    group.end(there, &session);
    assert_eq!(group.use_it(there, &session), 401, "where it was ended, when that is answered");
    group.until("it is over everywhere", here, &session, 401);
    assert_eq!(
        [here, there].map(|node| group.post(node, "/oauth/revoke", &format!("token={session}")).status()),
        [200; 2]
    );
    let brief = group.begin_with(here, "&expires_in=1");
    for node in [here, there] {
        group.until("it is over by itself", node, &brief, 401);
    }
}

fn quota(group: &Group) {
    let [here, there] = both(group);
    // One that is used up makes room.
    let used = group.begin_with(here, "&uses=1");
    assert_eq!([there, here].map(|node| group.use_it(node, &used)), [200, 401]);
    let mut all = Vec::new();
    let mut nodes = [here, there].into_iter().cycle();
    let refused = loop {
        let answer = group.try_begin(nodes.next().expect("a cycle"));
        if answer.status() != 200 {
            break answer;
        }
        let session = answer.json()["access_token"].as_str().expect("a token").to_owned();
        // Who is asked for it knows of it then.
        assert_eq!([here, there].map(|node| group.use_it(node, &session)), [200, 200]);
        all.push(session);
    };
    let told = |answer: &Message| (answer.status(), answer.json()["code"].clone());
    assert_eq!(all.len(), MOST_SESSIONS);
    for answer in [refused, group.try_begin(here), group.try_begin(there)] {
        assert_eq!(told(&answer), (429, json!("too_many_sessions")));
    }
    for (session, node) in all.iter().zip([there, here].into_iter().cycle()) {
        group.end(node, session);
    }
    for node in [here, there] {
        eventually("there is room again", || (group.try_begin(node).status() == 200).then_some(()));
    }
}

fn state(group: &Group, node: usize, id: &str) -> Value {
    let bearer = format!("Bearer {}", group.token_of("ada", &["reader"]));
    let headers = [("Host", "127.0.0.1"), ("Authorization", &*bearer)];
    group.all[node].get(&format!("/access/requests/{id}"), &headers).json()["state"].clone()
}

/// What a decision comes to: the state that it leads to, or why it is none.
fn decide(group: &Group, node: usize, (name, roles): (&str, &[&str]), id: &str, verb: &str) -> (u16, String) {
    let answer = group.access(node, name, roles, &format!("/access/requests/{id}/{verb}"), &json!({}));
    let told = if answer.status() == 200 {
        answer.json()["state"].as_str().unwrap_or_default().to_owned()
    } else {
        code(&answer)
    };
    (answer.status(), told)
}

const ADA: (&str, &[&str]) = ("ada", &["reader", "lead"]);
const KIM: (&str, &[&str]) = ("kim", &["lead"]);
const EVE: (&str, &[&str]) = ("eve", &["lead"]);

fn refused(status: u16, why: &str) -> (u16, String) {
    (status, why.to_owned())
}

fn access(group: &Group) {
    let ([here, there], bearer) = (both(group), group.bearer());
    let pay = |node: usize| {
        let answer = group.get(node, "/pay/twice", &bearer).expect("an answer");
        if answer.status() == 403 {
            assert_eq!(code(&answer), "approval_needed");
        }
        answer.status()
    };
    assert_eq!([here, there].map(pay), [403, 403]);
    let id = group.ask(here, &json!({"approval": "twice", "reason": "case 7", "uses": 4}));
    let stranger = ("joe", &["reader"][..]);
    for (node, who, verb, want) in [
        (there, ADA, "approve", refused(403, "self_approval")),
        (here, ADA, "approve", refused(403, "self_approval")),
        (there, stranger, "approve", refused(404, "access_request_unknown")),
        (there, KIM, "approve", (200, "pending".to_owned())),
        (here, KIM, "approve", refused(409, "already_approved")),
        (there, KIM, "approve", refused(409, "already_approved")),
        (here, ADA, "approve", refused(403, "self_approval")),
        (here, EVE, "approve", (200, "granted".to_owned())),
        (there, KIM, "deny", refused(409, "access_request_decided")),
        (here, EVE, "approve", refused(409, "access_request_decided")),
    ] {
        if verb == "approve" && who == EVE && want.0 == 200 {
            assert_eq!([here, there].map(pay), [403, 403], "one of two");
        }
        assert_eq!(decide(group, node, who, &id, verb), want, "{who:?} {verb} at {node}");
    }
    eventually("the grant is known", || {
        let known = [here, there].map(|node| group.all[node].metric("claviger_grants", &[]));
        (known == [Some(1.0); 2]).then_some(())
    });
    let statuses = at_once(group, 20, pay);
    assert_eq!(let_through(group, &statuses, 403, pay), 4, "{statuses:?}");
    for (act, count) in [("asked", 1), ("approved", 2), ("granted", 1)] {
        eventually(act, || (group.acts(act, &id) == count).then_some(()));
    }
}

fn ends_of_access(group: &Group) {
    let ([here, there], bearer) = (both(group), group.bearer());
    let pay = |node: usize| group.get(node, "/pay/once", &bearer).map_or(0, |answer| answer.status());
    let until = |what: &str, want: u16| eventually(what, || ([here, there].map(pay) == [want; 2]).then_some(()));

    let denied = group.ask(here, &json!({"approval": "once", "reason": "case 8"}));
    assert_eq!(decide(group, there, KIM, &denied, "deny"), (200, "denied".to_owned()));
    assert_eq!(decide(group, here, EVE, &denied, "approve"), refused(409, "access_request_decided"));

    let late = group.ask(there, &json!({"approval": "brief", "reason": "case 9"}));
    for node in [here, there] {
        eventually("it waits no longer", || (state(group, node, &late) == "expired").then_some(()));
        assert_eq!(decide(group, node, KIM, &late, "approve"), refused(409, "access_request_decided"));
    }

    let ended = group.ask(there, &json!({"approval": "once", "reason": "case 10"}));
    assert_eq!(decide(group, here, KIM, &ended, "approve"), (200, "granted".to_owned()));
    assert_eq!(pay(here), 200, "where it was approved, when that is answered");
    until("it is granted everywhere", 200);
    assert_eq!(decide(group, there, ADA, &ended, "end"), (200, "ended".to_owned()));
    assert_eq!(pay(there), 403, "where it was ended, when that is answered");
    until("it is over everywhere", 403);

    let brief = group.ask(here, &json!({"approval": "once", "reason": "case 11", "for": "1s"}));
    assert_eq!(decide(group, there, KIM, &brief, "approve"), (200, "granted".to_owned()));
    assert_eq!(pay(there), 200);
    until("it is over by itself", 403);
    assert_eq!([here, there].map(|node| state(group, node, &brief)), [json!("over"), json!("over")]);
}

fn revocations(group: &Group) {
    let [here, there] = both(group);
    let (ada, bob) = (group.bearer(), format!("Bearer {}", group.token_of("bob", &["reader"])));
    let session = group.begin(here);
    let got = |node: usize| {
        let own = |of: &str| group.get(node, "/api/x", of).map_or(0, |answer| answer.status());
        [own(&ada), group.use_it(node, &session), own(&bob)]
    };
    assert_eq!([here, there].map(got), [[200, 200, 200]; 2]);
    let told = group.command(here, &["revocation", "add", "principal:corp:ada", "--reason", "a lost laptop", "--json"]);
    let id = serde_json::from_str::<Value>(&told).expect("JSON")["id"].as_str().expect("an id").to_owned();
    eventually("it holds", || ([here, there].map(got) == [[401, 401, 200]; 2]).then_some(()));
    assert_eq!([here, there].map(|node| group.try_begin(node).status()), [400, 400], "nor does a session begin");
    group.command(there, &["revocation", "lift", &id]);
    eventually("it is lifted", || ([here, there].map(got) == [[200, 200, 200]; 2]).then_some(()));
    for act in ["revoked", "lifted"] {
        eventually(act, || (group.acts(act, &id) > 0).then_some(()));
    }
}

fn proofs(group: &Group) {
    let ([here, there], key) = (both(group), ProofKey::new());
    let mut claims = group.issuer.claims("ada");
    claims["roles"] = json!(["reader"]);
    claims["cnf"] = json!({ "jkt": key.thumbprint() });
    let token = group.issuer.token(&claims);
    let authorization = format!("DPoP {token}");
    let send = |node: usize, proof: &str| {
        let headers = [("Host", "api.test"), ("Authorization", &*authorization), ("DPoP", proof)];
        let answer = group.all[node].get("/api/x", &headers);
        let id = answer.header("x-request-id").expect("an id").to_owned();
        let record = group.all[node].audited("a record", |entry| entry["id"] == id.as_str());
        (answer.status(), record["detail"].clone())
    };
    for node in [here, there] {
        let proof = key.proof("GET", "http://api.test/api/x", Some(&token), None);
        assert_eq!(send(node, &proof), (200, Value::Null));
        let again = (401, json!("proof_replay"));
        assert_eq!([there, here].map(|node| send(node, &proof)), [again.clone(), again]);
    }
    let proof = key.proof("GET", "http://api.test/api/x", Some(&token), None);
    let statuses = at_once(group, 10, |node| send(node, &proof).0);
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
}

/// The nonce of a signature is good once, also where everybody comes at the same time.
fn nonces(group: &Group) {
    let [here, there] = both(group);
    let send = |node: usize, nonce: &str| {
        let fields = signed(SEAL, &lines("GET", "/signed/x"), &sound(nonce));
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, &**value)).collect();
        let answer = group.all[node].get("/signed/x", &fields);
        let id = answer.header("x-request-id").expect("an id").to_owned();
        let record = group.all[node].audited("a record", |entry| entry["id"] == id.as_str());
        (answer.status(), record["detail"].clone())
    };
    for (nonce, node) in [("a", here), ("b", there)] {
        assert_eq!(send(node, nonce), (200, Value::Null));
        let again = (401, json!("replay"));
        assert_eq!([there, here].map(|node| send(node, nonce)), [again.clone(), again]);
    }
    let statuses = at_once(group, 10, |node| send(node, "c").0);
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
}
