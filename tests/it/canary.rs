//! Decoys: whoever uses one learns nothing from it, those in charge learn of it, and the sessions of those from whom it was stolen end.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    eventually,
    gateway::{Gateway, program},
    http1::Message,
    raw::{self, Client, request},
    scene::{Extra, Scene, code},
};

/// A decoy by `claviger key new`, which ends the sessions of `corp:ada`.
fn new_canary() -> Value {
    let arguments = ["key", "new", "--owner", "ci-bot", "--name", "planted", "--canary", "--json"];
    let output = program().args(arguments).args(["--revokes", "corp:ada"]).output().expect("the program");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&made["canary"], &made["revokes"]), (&true.into(), &json!(["corp:ada"])));
    made
}

fn tables(canary: &Value) -> String {
    let text = |name: &str| canary[name].as_str().expect("text");
    let (prefix, digest) = (text("prefix"), text("digest"));
    format!(
        r#"
[sessions]
issuer = "https://auth.test"
key = "dir:sessions-key"
authn = ["corp", "keys"]
[authn.keys.api_key.key.planted]
prefix = "{prefix}"
digest = "{digest}"
owner = "ci-bot"
canary = true
revokes = ["corp:ada"]
[credential.bait.canary]
target = "api"
[route.keys]
path = "/keys/**"
target = "api"
credential = "api"
authn = ["keys", "corp"]
allow = [{{ role = "reader" }}]
[route.stay]
path = "/stay/**"
target = "api"
credential = "api"
authn = ["sessions"]
allow = [{{ role = "reader" }}]
[route.bait]
path = "/vault/**"
target = "api"
credential = "bait"
authn = ["sessions", "corp"]
allow = [{{ role = "reader" }}]
"#
    )
}

/// A key of the same form that nobody knows.
fn unknown(canary: &Value) -> String {
    format!("clv_000000000000{}", &canary["key"].as_str().expect("a key")["clv_000000000000".len()..])
}

fn begin(scene: &Scene, subject: &str) -> String {
    let urn = "urn:ietf:params:oauth";
    let subject = scene.token_of(subject, &["reader"]);
    let form = format!(
        "grant_type={urn}:grant-type:token-exchange&subject_token={subject}&subject_token_type={urn}:token-type:jwt"
    );
    let headers = [("Host", "auth.test"), ("Content-Type", "application/x-www-form-urlencoded")];
    let answer = scene.gateway.send(&request("POST", "/oauth/token", &headers, form.as_bytes()));
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json()["access_token"].as_str().expect("a token").to_owned()
}

fn get(gateway: &Gateway, path: &str, bearer: &str) -> Message {
    gateway.get(path, &[("Host", "api.test"), ("Authorization", &format!("Bearer {bearer}"))])
}

/// Whether a session is over.
fn is_over(scene: &Scene, session: &str) -> Option<()> {
    let headers = [("Host", "api.test"), ("Authorization", &*format!("Bearer {session}"))];
    let answer = scene.gateway.try_get("/stay/x", &headers)?;
    (answer.status() == 401 && scene.record_of(&answer)["detail"] == "revoked").then_some(())
}

/// How often somebody was told.
fn alarms(scene: &Scene) -> usize {
    scene.gateway.log().lines().filter(|line| line.contains("canary ") && line.to_lowercase().contains("error")).count()
}

/// An answer without what differs between any two.
fn plain(answer: &[u8]) -> String {
    let text = raw::lossy(answer);
    let id = raw::parse(answer).header("x-request-id").expect("an id").to_owned();
    let lines = text.replace(&id, "ID");
    lines.lines().filter(|line| !line.to_lowercase().starts_with("date:")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_decoy_key_is_answered_as_one_that_nobody_knows_and_its_owners_sessions_end() {
    let canary = new_canary();
    let scene = Scene::new(&Extra { tables: &tables(&canary), ..Extra::default() });
    let (key, unknown) = (canary["key"].as_str().expect("a key"), unknown(&canary));
    let (ada, bob) = (begin(&scene, "ada"), begin(&scene, "bob"));
    let ask = |key: &str| {
        let bearer = format!("Bearer {key}");
        let headers = [("Host", "api.test"), ("Authorization", &*bearer), ("Connection", "close")];
        raw::exchange(scene.gateway.public(), &request("GET", "/keys/x", &headers, b""))
    };
    assert_eq!(raw::parse(&ask(&unknown)).status(), 401);
    assert_eq!((alarms(&scene), get(&scene.gateway, "/stay/x", &ada).status()), (0, 200));

    let first = ask(key);
    assert_eq!(plain(&first), plain(&ask(&unknown)));
    eventually("her sessions are over", || is_over(&scene, &ada));
    assert_eq!(get(&scene.gateway, "/stay/x", &bob).status(), 200, "and nobody else's");
    let record = scene.record_of(&raw::parse(&first));
    assert_eq!(
        ["code", "detail", "outcome"].map(|name| record[name].as_str().unwrap_or_default()),
        ["credential_invalid", "canary", "denied"]
    );
    assert!(record["principal"].is_null(), "it proves nobody");
    let ended = scene.gateway.audited("her session's end", |entry| entry["by"] == "canary:keys:planted");
    assert_eq!((&ended["kind"], &ended["act"]), (&"revocation".into(), &"revoked".into()));

    // Where it stands as a client's secret, the token service says no more.
    let form = |key: &str| {
        let form = format!("grant_type=client_credentials&client_id=x&client_secret={key}");
        let headers =
            [("Host", "auth.test"), ("Content-Type", "application/x-www-form-urlencoded"), ("Connection", "close")];
        raw::exchange(scene.gateway.public(), &request("POST", "/oauth/token", &headers, form.as_bytes()))
    };
    assert_eq!(plain(&form(key)), plain(&form(&unknown)));

    // Many uses are one episode, and each ends what has begun meanwhile.
    let again = begin(&scene, "ada");
    (0..50).for_each(|_| assert_eq!(raw::parse(&ask(key)).status(), 401));
    eventually("her next session is over", || is_over(&scene, &again));
    assert_eq!(alarms(&scene), 1, "{}", scene.gateway.log());
    assert_eq!(scene.gateway.metric("claviger_canary_uses_total", &["kind=\"key\""]), Some(52.0));
    assert!(!scene.gateway.log().contains(key));
    assert_eq!(scene.upstream.requests().iter().filter(|seen| seen.path().starts_with("/keys")).count(), 0);
}

#[test]
fn a_decoy_key_counts_as_a_wrong_credential_of_its_address() {
    let canary = new_canary();
    let lockout = format!("{}[failures]\nfree = 3\ndelay = \"1m\"\n", tables(&canary));
    let scene = Scene::new(&Extra { tables: &lockout, ..Extra::default() });
    let key = canary["key"].as_str().expect("a key");
    let statuses: Vec<_> = (0..5).map(|_| get(&scene.gateway, "/keys/x", key).status()).collect();
    assert_eq!(statuses, [401, 401, 401, 429, 429]);
}

#[test]
fn whoever_takes_the_bait_is_refused_before_anything_is_sent_and_loses_their_sessions() {
    let canary = new_canary();
    let scene = Scene::new(&Extra { tables: &tables(&canary), ..Extra::default() });
    let (ada, bob) = (begin(&scene, "ada"), begin(&scene, "bob"));
    // A long request of hers is cut too.
    let mut line = Client::connect(scene.gateway.public());
    line.send(
        &format!(
            "POST /stay/slow HTTP/1.1\r\nhost: api.test\r\nauthorization: Bearer {ada}\r\ncontent-length: 10\r\n\r\n"
        )
        .into_bytes(),
    );
    let forbidden = get(&scene.gateway, "/vault/keys", &begin(&scene, "ada"));
    assert_eq!((forbidden.status(), code(&forbidden).as_str()), (403, "not_allowed"));
    eventually("her sessions are over", || is_over(&scene, &ada));
    assert_eq!(line.response().status(), 401);
    assert_eq!(get(&scene.gateway, "/stay/x", &bob).status(), 200, "and nobody else's");
    let record = scene.record_of(&forbidden);
    assert_eq!(
        ["code", "detail", "outcome", "principal", "route"].map(|name| record[name].as_str().unwrap_or_default()),
        ["not_allowed", "canary", "denied", "ada", "bait"]
    );
    scene.gateway.audited("her session's end", |entry| entry["by"] == "canary:bait");

    // With her own proof she is refused each time, and nobody is told again; whoever comes next is told of.
    (0..20).for_each(|_| assert_eq!(get(&scene.gateway, "/vault/keys", &scene.token()).status(), 403));
    assert_eq!(alarms(&scene), 1);
    let again = begin(&scene, "ada");
    assert_eq!(get(&scene.gateway, "/vault/keys", &again).status(), 403);
    eventually("that one is over too", || is_over(&scene, &again));
    assert_eq!(get(&scene.gateway, "/vault/keys", &bob).status(), 403);
    eventually("his are over", || is_over(&scene, &bob));
    assert_eq!(alarms(&scene), 2, "{}", scene.gateway.log());
    // Who may not use it is refused as ever, and no alarm is raised.
    assert_eq!(get(&scene.gateway, "/vault/keys", &scene.token_of("eve", &["other"])).status(), 403);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(alarms(&scene), 2);
    assert_eq!(scene.gateway.metric("claviger_canary_uses_total", &["kind=\"credential\""]), Some(23.0));
    assert!(scene.upstream.requests().iter().all(|seen| !seen.path().starts_with("/keys")));
}
