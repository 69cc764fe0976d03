//! Sessions: a proof goes in, a session of no more and for no longer comes out, which ends everywhere at once.

use std::{
    path::Path,
    process::{Command, Output},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::{
    eventually,
    gateway::{Gateway, program},
    http1::Message,
    issuer::{Issuer, now},
    proof::ProofKey,
    raw::{self, Client, request},
    scene::{Extra, Scene, code, config},
    setup::{Caller, alice},
    upstream::Upstream,
};

const SESSIONS: &str = r#"
[sessions]
issuer = "https://auth.test"
key = "dir:sessions-key"
authn = ["corp", "keys"]
limits = ["tokens"]
per_principal = 20
[limit.tokens]
by = "client"
concurrent = 100
[role.brief]
max = "10s"
[role.ops]
members = ["corp:ada"]
[route.stay]
path = "/stay/**"
target = "api"
credential = "api"
authn = ["sessions"]
identity = { "X-User" = "{principal.authenticator}:{principal.id}", "X-Roles" = "{principal.roles}" }
allow = [
  { role = "reader", methods = ["GET", "POST"] },
  { role = "user" },
  { role = "ops", paths = ["/ops"] },
  { scope = "a:read", paths = ["/scoped"] },
  { principal = "corp:ada", paths = ["/mine"] },
]
"#;

const CLIENT_CREDENTIALS: &str = "grant_type=client_credentials";

fn tables() -> String {
    format!("{SESSIONS}{}", alice().entry())
}

fn scene_with(upstream: Upstream) -> Scene {
    Scene::with(upstream, &Extra { tables: &tables(), ..Extra::default() })
}

fn scene() -> Scene {
    scene_with(Upstream::echo())
}

/// A request to the token service.
fn ask_with(gateway: &Gateway, path: &str, headers: &[(&str, &str)], form: &str) -> Message {
    let fixed = [("Host", "auth.test"), ("Content-Type", "application/x-www-form-urlencoded"), ("Connection", "close")];
    raw::parse(&raw::exchange(gateway.public(), &request("POST", path, &[&fixed, headers].concat(), form.as_bytes())))
}

fn ask(gateway: &Gateway, path: &str, form: &str) -> Message {
    ask_with(gateway, path, &[], form)
}

/// The form by which a token is exchanged for a session.
fn exchange(subject: &str, more: &str) -> String {
    let urn = "urn:ietf:params:oauth";
    format!(
        "grant_type={urn}:grant-type:token-exchange&subject_token={subject}&subject_token_type={urn}:token-type:jwt{more}"
    )
}

/// The token in an answer that has to be one.
fn token(answer: &Message) -> String {
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json()["access_token"].as_str().expect("a token").to_owned()
}

/// Her session.
fn begin(scene: &Scene, more: &str) -> String {
    token(&ask(&scene.gateway, "/oauth/token", &exchange(&scene.token(), more)))
}

fn get(gateway: &Gateway, path: &str, token: &str) -> Message {
    try_get(gateway, path, token).expect("a whole answer")
}

/// The same while an end takes effect, which may cut it.
fn try_get(gateway: &Gateway, path: &str, token: &str) -> Option<Message> {
    gateway.try_get(path, &[("Host", "api.test"), ("Authorization", &format!("Bearer {token}"))])
}

fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).expect("claims");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

fn command(gateway: &Gateway, arguments: &[&str]) -> Output {
    program().current_dir(gateway.site().folder()).arg("session").args(arguments).output().expect("the program")
}

fn told(gateway: &Gateway, arguments: &[&str]) -> String {
    let output = command(gateway, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_proof_is_exchanged_for_a_session_and_that_is_who_was_proved() {
    let scene = scene();
    let answer = ask(&scene.gateway, "/oauth/token", &exchange(&scene.token(), ""));
    let session = token(&answer);
    let told = answer.json();
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), (Some("no-store"), Some("no-cache")));
    assert_eq!(
        (&told["token_type"], &told["issued_token_type"]),
        (&json!("Bearer"), &json!("urn:ietf:params:oauth:token-type:access_token"))
    );
    let lasts = told["expires_in"].as_u64().expect("seconds");
    assert!((290..=310).contains(&lasts), "as long as the proof is taken: {lasts}");
    let claims = claims(&session);
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!("https://auth.test"), &json!("corp:ada")));
    assert_eq!(claims["roles"], json!(["reader", "ops"]));

    let answer = get(&scene.gateway, "/stay/x", &session);
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let sent = &scene.upstream.requests()[0];
    assert_eq!((sent.header("x-user"), sent.header("x-roles")), (Some("corp:ada"), Some("reader")));
    assert!(!String::from_utf8_lossy(&sent.head).contains(&session));
    let record = scene.record_of(&answer);
    assert_eq!(
        ["authenticator", "principal", "session", "role"].map(|name| record[name].as_str().unwrap_or_default()),
        ["corp", "ada", claims["jti"].as_str().expect("an id"), "reader"]
    );
    for (path, presented, want) in [
        ("/stay/x", scene.token(), (401, "issuer")),
        ("/api/x", session.clone(), (401, "issuer")),
        ("/stay/x", format!("{}x", &session[..session.len() - 1]), (401, "malformed")),
    ] {
        let answer = get(&scene.gateway, path, &presented);
        let record = scene.record_of(&answer);
        let got = (answer.status(), record["detail"].as_str().unwrap_or_default());
        assert!(got.0 == want.0 && (got.1 == want.1 || got.1 == "signature"), "{path}: {record}");
    }
    let begun = scene.gateway.audited("the exchange", |entry| entry["path"] == "/oauth/token");
    assert_eq!(
        ["principal", "session", "outcome"].map(|name| begun[name].as_str().unwrap_or_default()),
        ["ada", claims["jti"].as_str().expect("an id"), "completed"]
    );
}

#[test]
fn a_key_is_taken_in_every_way_that_clients_send_one() {
    let scene = scene();
    let key = alice().key;
    let basic = format!("Basic {}", STANDARD.encode(format!("alice:{key}")));
    for (headers, form) in [
        (vec![("Authorization", alice().bearer())], CLIENT_CREDENTIALS.to_owned()),
        (vec![("Authorization", basic.clone())], CLIENT_CREDENTIALS.to_owned()),
        (vec![], format!("{CLIENT_CREDENTIALS}&client_id=alice&client_secret={key}")),
        (vec![], exchange(&key, "").replace("token-type:jwt", "token-type:access_token")),
    ] {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = ask_with(&scene.gateway, "/oauth/token", &headers, &form);
        let session = token(&answer);
        assert_eq!(answer.json()["expires_in"], 3600, "a key has no end");
        assert_eq!(claims(&session)["sub"], "keys:alice");
        assert_eq!(get(&scene.gateway, "/stay/x", &session).status(), 200);
    }
    assert_eq!(get(&scene.gateway, "/stay/x", &key).status(), 401, "the key itself is not taken there");
}

#[test]
fn a_session_has_no_more_than_was_asked_for() {
    let scene = scene();
    let mut all = scene.claims_of("ada", &["reader"]);
    all["scope"] = json!("a:read b:read");
    let proof = scene.issuer.token(&all);
    let paths = ["/stay/x", "/stay/ops", "/stay/scoped", "/stay/mine"];
    for (more, want) in [
        ("", [200, 200, 200, 200]),
        ("&roles=reader", [200, 200, 200, 200]),
        ("&roles=ops", [403, 200, 200, 403]),
        ("&roles=ops&scope=b:read", [403, 200, 403, 403]),
        ("&roles=ops&scope=a:read", [403, 200, 200, 403]),
        ("&routes=stay", [200, 200, 200, 200]),
        ("&routes=api", [403, 403, 403, 403]),
        ("&methods=POST+PUT", [403, 403, 403, 403]),
        ("&methods=GET", [200, 200, 200, 200]),
    ] {
        let answer = ask(&scene.gateway, "/oauth/token", &exchange(&proof, more));
        let session = token(&answer);
        let got = paths.map(|path| get(&scene.gateway, path, &session).status());
        assert_eq!(got, want, "{more}");
    }
    for (more, error) in [
        ("&roles=admin", "invalid_scope"),
        ("&roles=reader+admin", "invalid_scope"),
        ("&scope=c:read", "invalid_scope"),
        ("&routes=nowhere", "invalid_target"),
        ("&resource=https://other.test", "invalid_target"),
        ("&audience=other", "invalid_target"),
        ("&methods=get", "invalid_request"),
        ("&expires_in=0", "invalid_request"),
        ("&expires_in=-1", "invalid_request"),
    ] {
        let answer = ask(&scene.gateway, "/oauth/token", &exchange(&proof, more));
        assert_eq!((answer.status(), &answer.json()["error"]), (400, &json!(error)), "{more}: {}", answer.text());
    }
}

#[test]
fn a_session_is_good_for_as_many_requests_as_were_asked_for() {
    let scene = scene();
    for uses in ["0", "-1", "x", "10001"] {
        let answer = ask(&scene.gateway, "/oauth/token", &exchange(&scene.token(), &format!("&uses={uses}")));
        assert_eq!((answer.status(), &answer.json()["error"]), (400, &json!("invalid_request")), "{uses}");
    }
    let once = begin(&scene, "&uses=2&roles=ops");
    assert_eq!(get(&scene.gateway, "/stay/x", &once).status(), 403, "what is refused uses nothing");
    let statuses: Vec<u16> = (0..4).map(|_| get(&scene.gateway, "/stay/ops", &once).status()).collect();
    assert_eq!(statuses, [200, 200, 401, 401]);
    let refused = get(&scene.gateway, "/stay/ops", &once);
    assert!(refused.header("www-authenticate").is_some_and(|value| value.contains("invalid_token")));
    assert_eq!(scene.record_of(&refused)["detail"], "spent");
    let id = claims(&once)["jti"].as_str().expect("an id").to_owned();
    assert!(told(&scene.gateway, &["show", &id]).contains("only_uses      2"));
}

#[test]
fn a_session_lasts_no_longer_than_all_that_bounds_it() {
    let scene = scene();
    let lasts = |claims: &Value, more: &str| {
        let answer = ask(&scene.gateway, "/oauth/token", &exchange(&scene.issuer.token(claims), more));
        answer.json()["expires_in"].as_u64().unwrap_or_else(|| panic!("{}", answer.text()))
    };
    let mut long = scene.claims_of("bob", &["reader", "brief"]);
    long["exp"] = json!(now() + 100_000);
    for (more, want) in [
        ("", 10),
        ("&roles=reader", 3600),
        ("&roles=reader+brief", 10),
        ("&roles=reader&expires_in=60", 60),
        ("&roles=reader&expires_in=100000", 3600),
    ] {
        assert_eq!(lasts(&long, more), want, "{more}");
    }
    let mut short = scene.claims_of("bob", &["reader"]);
    short["exp"] = json!(now() + 30);
    let got = lasts(&short, "");
    assert!((20..=40).contains(&got), "{got}");
}

#[test]
fn what_is_wrong_is_told_in_the_words_of_oauth() {
    let scene = scene();
    let (proof, key) = (scene.token(), alice().key);
    let mut expired = scene.claims_of("ada", &["reader"]);
    expired["exp"] = json!(now() - 100);
    let (expired, twice) = (scene.issuer.token(&expired), format!("{CLIENT_CREDENTIALS}&{CLIENT_CREDENTIALS}"));
    let acting = exchange(&proof, "&actor_token=x&actor_token_type=urn:ietf:params:oauth:token-type:jwt");
    let bearer = alice().bearer();
    for (authorization, form, status, error) in [
        ("", CLIENT_CREDENTIALS, 401, "invalid_client"),
        ("Bearer clv_wrong", CLIENT_CREDENTIALS, 401, "invalid_client"),
        ("Basic YWxpY2U6d3Jvbmc=", CLIENT_CREDENTIALS, 401, "invalid_client"),
        (&bearer, "", 400, "invalid_request"),
        (&bearer, "grant_type=", 400, "invalid_request"),
        (&bearer, "grant_type=password&username=a&password=b", 400, "unsupported_grant_type"),
        (&bearer, "grant_type=authorization_code&code=x", 400, "unsupported_grant_type"),
        (&bearer, &twice, 400, "invalid_request"),
        (&bearer, &format!("{CLIENT_CREDENTIALS}&client_id=alice&client_secret={key}"), 401, "invalid_client"),
        (&bearer, &exchange(&proof, ""), 400, "invalid_request"),
        ("", &exchange(&expired, ""), 400, "invalid_request"),
        ("", &exchange("x", ""), 400, "invalid_request"),
        ("", &exchange(&proof, "").replace("token-type:jwt", "token-type:saml2"), 400, "invalid_request"),
        ("", &exchange(&proof, "&requested_token_type=urn:ietf:params:oauth:token-type:saml2"), 400, "invalid_request"),
        ("", &acting, 400, "invalid_request"),
    ] {
        let headers = if authorization.is_empty() { vec![] } else { vec![("Authorization", authorization)] };
        let answer = ask_with(&scene.gateway, "/oauth/token", &headers, form);
        let body = answer.json();
        assert_eq!((answer.status(), &body["error"]), (status, &json!(error)), "{authorization} {form}: {body}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(
            answer.header("www-authenticate").is_some(),
            status == 401 || error == "invalid_request" && body["code"] != "invalid_request",
            "{form}: {body}"
        );
        assert_eq!(scene.record_of(&answer)["outcome"], "denied", "{form}");
        assert!(!answer.text().contains(&proof) && !answer.text().contains(&key));
    }
    // A page elsewhere can have a browser send a form, with the password or the certificate that the browser knows.
    for site in [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-site"), ("Origin", "https://evil.test")] {
        let answer = ask_with(&scene.gateway, "/oauth/token", &[("Authorization", &bearer), site], CLIENT_CREDENTIALS);
        assert_eq!((answer.status(), &answer.json()["error"]), (403, &json!("unauthorized_client")), "{site:?}");
    }
    let get = scene.gateway.get("/oauth/token", &[("Host", "auth.test")]);
    assert_eq!((get.status(), get.header("allow")), (405, Some("POST")));
    let elsewhere = scene.gateway.get("/oauth/token", &[("Host", "api.test")]);
    assert_eq!((elsewhere.status(), code(&elsewhere)), (404, "no_route".to_owned()));
    let large = ask(&scene.gateway, "/oauth/token", &format!("{CLIENT_CREDENTIALS}&x={}", "y".repeat(70_000)));
    assert_eq!((large.status(), &large.json()["error"]), (413, &json!("invalid_request")));
    assert!(told(&scene.gateway, &["list"]).contains("Nobody has a session."));
}

#[test]
fn who_has_as_many_sessions_as_allowed_gets_no_more_until_one_ends() {
    let scene = scene();
    let all: Vec<_> = (0..20).map(|_| begin(&scene, "")).collect();
    let refused = ask(&scene.gateway, "/oauth/token", &exchange(&scene.token(), ""));
    assert_eq!((refused.status(), &refused.json()["error"]), (429, &json!("temporarily_unavailable")));
    assert_eq!(refused.json()["code"], "too_many_sessions");
    assert_eq!(get(&scene.gateway, "/stay/x", &all[19]).status(), 200);
    let bob = exchange(&scene.token_of("bob", &["reader"]), "");
    token(&ask(&scene.gateway, "/oauth/token", &bob));
}

#[test]
fn a_leaked_key_of_an_issuer_takes_what_it_proved_with_it_and_sessions_end_all_at_once() {
    let scene = scene();
    let (one, other) = (begin(&scene, ""), begin(&scene, ""));
    let bob = token(&ask(&scene.gateway, "/oauth/token", &exchange(&scene.token_of("bob", &["reader"]), "")));
    let status = |session: &str| get(&scene.gateway, "/stay/x", session).status();
    let used = get(&scene.gateway, "/stay/x", &one);
    let kid = scene.record_of(&used)["key"].as_str().expect("the key that proved who began it").to_owned();
    let revoke = |arguments: &[&str]| {
        let arguments = [&["revocation"], arguments].concat();
        let output =
            program().current_dir(scene.gateway.site().folder()).args(arguments).output().expect("the program");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let added = revoke(&["add", &format!("key:corp:{kid}"), "--reason", "leaked"]);
    eventually("its sessions are refused", || [&one, &bob].iter().all(|session| status(session) == 401).then_some(()));
    assert_eq!(scene.gateway.get("/api/x", &[("Host", "api.test"), ("Authorization", &scene.bearer())]).status(), 401);
    let listed = told(&scene.gateway, &["list"]);
    assert_eq!(listed.matches(&format!("refused: key:corp:{kid} is revoked")).count(), 3, "{listed}");
    revoke(&["lift", added.split_once(' ').expect("an id").0]);
    eventually("they go on", || (status(&one) == 200).then_some(()));

    let ended = told(&scene.gateway, &["revoke", "--of", "corp:ada", "--reason", "signed out"]);
    assert_eq!(ended.lines().count(), 2);
    eventually("hers are over", || [&one, &other].iter().all(|session| status(session) == 401).then_some(()));
    assert_eq!((status(&bob), status(&begin(&scene, ""))), (200, 200), "a new one may be begun");
    let id = claims(&one)["jti"].as_str().expect("an id").to_owned();
    let log = scene.gateway.site().audit_path();
    let about = eventually("its end is told", || {
        let about = program().args(["audit", "query", &log, "--session", &id]).output().expect("the program");
        String::from_utf8(about.stdout).ok().filter(|about| about.contains("revocation revoked"))
    });
    assert!(about.contains("/stay/x"), "{about}");
    let nothing =
        program().args(["audit", "query", &log, "/dev/null", "--session", &id]).output().expect("the program");
    assert_eq!(nothing.status.code(), Some(1), "one of them is no log");
    assert_eq!(told(&scene.gateway, &["revoke", "--all", "--reason", "signed out"]).lines().count(), 2);
    assert!(told(&scene.gateway, &["list"]).contains("Nobody has a session."));
}

#[test]
fn a_session_ends_when_its_caller_or_an_operator_says_so() {
    let scene = scene();
    let (one, other) = (begin(&scene, ""), begin(&scene, ""));
    let status = |session: &str| get(&scene.gateway, "/stay/x", session).status();
    assert_eq!([status(&one), status(&other)], [200, 200]);
    let ended = ask(&scene.gateway, "/oauth/revoke", &format!("token={one}"));
    assert_eq!(ended.status(), 200, "{}", ended.text());
    assert_eq!([status(&one), status(&other)], [401, 200], "from the next request on");
    for _ in 0..5 {
        assert_eq!(ask(&scene.gateway, "/oauth/revoke", &format!("token={one}")).status(), 200);
    }
    let list = ["revocation", "list", "--json"];
    let output = program().current_dir(scene.gateway.site().folder()).args(list).output().expect("the program");
    let listed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "ended once: {listed}");
    for nothing in ["x", "", &scene.token(), &one] {
        let form = if nothing.is_empty() { "x=y".to_owned() } else { format!("token={nothing}") };
        let want = if nothing.is_empty() { 400 } else { 200 };
        assert_eq!(ask(&scene.gateway, "/oauth/revoke", &form).status(), want, "{nothing}");
    }
    let id = claims(&other)["jti"].as_str().expect("an id").to_owned();
    let listed: Value = serde_json::from_str(&told(&scene.gateway, &["list", "--json"])).expect("JSON");
    let ids: Vec<_> = listed.as_array().expect("a list").iter().map(|one| one["id"].clone()).collect();
    assert_eq!(ids, [json!(id)], "what was ended is not there any more");
    let shown: Value = serde_json::from_str(&told(&scene.gateway, &["show", &id, "--json"])).expect("JSON");
    assert_eq!((&shown["principal"], &shown["proof_roles"]), (&json!("corp:ada"), &json!(["reader"])));
    assert!(told(&scene.gateway, &["revoke", &id, "--reason", "a lost laptop"]).contains("ended"));
    eventually("it has ended", || (try_get(&scene.gateway, "/stay/x", &other)?.status() == 401).then_some(()));
    let line = scene.gateway.audited("the act", |entry| entry["of"] == format!("session:{id}"));
    assert_eq!(
        (&line["kind"], &line["act"], &line["reason"]),
        (&json!("revocation"), &json!("revoked"), &json!("a lost laptop"))
    );
    for arguments in [&["show", &id][..], &["revoke", "00000000000000000000000000000000", "--reason", "x"]] {
        let output = command(&scene.gateway, arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("claviger session list"));
    }
}

#[test]
fn whoever_loses_their_access_loses_their_sessions() {
    let scene = scene();
    let session = begin(&scene, "");
    let status = || get(&scene.gateway, "/stay/x", &session).status();
    assert_eq!(status(), 200);
    let revocation = |arguments: &[&str]| {
        let output = program()
            .current_dir(scene.gateway.site().folder())
            .arg("revocation")
            .args(arguments)
            .output()
            .expect("run");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let text = revocation(&["add", "principal:corp:ada", "--reason", "stolen", "--json"]);
    eventually("her session too", || (try_get(&scene.gateway, "/stay/x", &session)?.status() == 401).then_some(()));
    let refused = ask(&scene.gateway, "/oauth/token", &exchange(&scene.token(), ""));
    assert_eq!((refused.status(), scene.record_of(&refused)["detail"].clone()), (400, json!("revoked")));
    let shown: Value = serde_json::from_str(&text).expect("JSON");
    revocation(&["lift", shown["id"].as_str().expect("an id")]);
    eventually("it is given back", || (status() == 200).then_some(()));
    // Of an authenticator that may begin none any more, none goes on.
    let config = std::fs::read_to_string(scene.gateway.site().config_path()).expect("the configuration");
    let config = config.replace(r#"authn = ["corp", "keys"]"#, r#"authn = ["keys"]"#);
    scene.gateway.reload(&config);
    let answer = get(&scene.gateway, "/stay/x", &session);
    assert_eq!((answer.status(), scene.record_of(&answer)["detail"].clone()), (401, json!("inactive")));
}

#[test]
fn a_key_that_is_revoked_takes_the_sessions_with_it_that_it_began() {
    let mut tables = tables();
    tables.push_str(&Caller::new("phone").entry().replace("owner = \"phone\"", "owner = \"alice\""));
    tables.push_str("networks = [\"127.0.0.0/8\"]\n");
    let scene = Scene::with(Upstream::echo(), &Extra { tables: &tables, ..Extra::default() });
    let of_key = |key: &str| {
        token(&ask(&scene.gateway, "/oauth/token", &format!("{CLIENT_CREDENTIALS}&client_id=x&client_secret={key}")))
    };
    let (laptop, phone) = (of_key(&alice().key), of_key(&Caller::new("phone").key));
    assert_eq!([&laptop, &phone].map(|one| claims(one)["sub"].clone()), ["keys:alice", "keys:alice"]);
    let revoke = ["revocation", "add", "key:keys:phone", "--reason", "lost"];
    let output = program().current_dir(scene.gateway.site().folder()).args(revoke).output().expect("the program");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    eventually("it has ended", || (try_get(&scene.gateway, "/stay/x", &phone)?.status() == 401).then_some(()));
    let used = get(&scene.gateway, "/stay/x", &laptop);
    assert_eq!((used.status(), scene.record_of(&used)["key"].clone()), (200, json!("alice")), "the other key goes on");
    let again = ask(
        &scene.gateway,
        "/oauth/token",
        &format!("{CLIENT_CREDENTIALS}&client_id=x&client_secret={}", Caller::new("phone").key),
    );
    assert_eq!(again.status(), 401);
}

#[test]
fn a_session_is_for_the_networks_of_the_key_that_began_it() {
    let tables = format!("{}networks = [\"10.0.0.0/8\"]\n", tables());
    let extra = Extra { tables: &tables, listen: "forwarded_from = [\"127.0.0.0/8\"]", ..Extra::default() };
    let scene = Scene::with(Upstream::echo(), &extra);
    let bearer = alice().bearer();
    let begin = |from: &str| {
        let headers = [("Authorization", &*bearer), ("X-Forwarded-For", from)];
        ask_with(&scene.gateway, "/oauth/token", &headers, CLIENT_CREDENTIALS)
    };
    assert_eq!(begin("192.0.2.7").status(), 401);
    let session = format!("Bearer {}", token(&begin("10.1.2.3")));
    let used = |from: &str| {
        let headers = [("Host", "api.test"), ("Authorization", &*session), ("X-Forwarded-For", from)];
        let answer = scene.gateway.get("/stay/x", &headers);
        (answer.status(), scene.record_of(&answer)["detail"].clone())
    };
    for _ in 0..2 {
        assert_eq!(used("10.9.9.9"), (200, Value::Null));
        assert_eq!(used("192.0.2.7"), (401, json!("network")));
    }
}

#[test]
fn whoever_guesses_what_is_handed_in_is_not_listened_to() {
    let tables = format!("{}\n[failures]\nfree = 3\ndelay = \"1m\"\n", tables());
    let scene = Scene::with(Upstream::echo(), &Extra { tables: &tables, ..Extra::default() });
    let wrong = alice().key.replace("alicex", "guess_");
    let got: Vec<_> = (0..5).map(|_| ask(&scene.gateway, "/oauth/token", &exchange(&wrong, "")).status()).collect();
    assert_eq!(got.last(), Some(&429), "{got:?}");
    assert_eq!(ask(&scene.gateway, "/oauth/token", &exchange(&alice().key, "")).status(), 429, "the right one neither");
}

#[test]
fn only_its_own_principal_and_auditors_learn_what_a_token_means() {
    let scene = scene();
    let session = begin(&scene, "&roles=reader");
    let introspect = |proof: &str, token: &str| {
        let bearer = format!("Bearer {proof}");
        let form = format!("token={token}");
        ask_with(&scene.gateway, "/oauth/introspect", &[("Authorization", &bearer)], &form)
    };
    let auditor = scene.token_of("eve", &["auditor"]);
    for proof in [&scene.token(), &auditor] {
        let answer = introspect(proof, &session);
        let told = answer.json();
        assert_eq!((&told["active"], &told["sub"]), (&json!(true), &json!("corp:ada")), "{told}");
        assert_eq!((&told["roles"], &told["jti"]), (&json!(["reader"]), &claims(&session)["jti"]));
    }
    let inactive = json!({"active": false});
    assert_eq!(introspect(&scene.token_of("bob", &["reader"]), &session).json(), inactive);
    assert_eq!(introspect(&auditor, &scene.token()).json(), inactive);
    assert_eq!(introspect("x", &session).status(), 401);
    assert_eq!(ask(&scene.gateway, "/oauth/introspect", &format!("token={session}")).status(), 401);
    ask(&scene.gateway, "/oauth/revoke", &format!("token={session}"));
    assert_eq!(introspect(&auditor, &session).json(), inactive);
    let once = begin(&scene, "&uses=1");
    assert_eq!(introspect(&auditor, &once).json()["active"], true);
    assert_eq!(get(&scene.gateway, "/stay/x", &once).status(), 200);
    assert_eq!(introspect(&auditor, &once).json(), inactive, "it is good for nothing more");
}

#[test]
fn a_nonce_that_an_issuers_tokens_need_is_needed_to_begin_a_session_and_in_it() {
    let scene = scene();
    let config = std::fs::read_to_string(scene.gateway.site().config_path()).expect("the configuration");
    let nonced = config.replacen("[authn.corp.jwt]\n", "[authn.corp.jwt]\ndpop_nonce = true\n", 1);
    assert_ne!(nonced, config);
    scene.gateway.reload(&nonced);
    let key = ProofKey::new();
    let mut claims = scene.claims_of("ada", &["reader"]);
    claims["cnf"] = json!({"jkt": key.thumbprint()});
    let subject = scene.issuer.token(&claims);
    let (asked, used) = ("https://auth.test/oauth/token", "http://api.test/stay/x");
    let begin = |nonce: Option<&str>| {
        let proof = key.proof("POST", asked, None, nonce);
        ask_with(&scene.gateway, "/oauth/token", &[("DPoP", &proof)], &exchange(&subject, ""))
    };
    let refused = begin(None);
    assert_eq!(
        (refused.status(), refused.json()["error"].as_str()),
        (400, Some("use_dpop_nonce")),
        "{}",
        refused.text()
    );
    let nonce = refused.header("dpop-nonce").expect("a nonce").to_owned();
    let session = token(&begin(Some(&nonce)));
    let send = |nonce: Option<&str>| {
        let proof = key.proof("GET", used, Some(&session), nonce);
        let dpop = format!("DPoP {session}");
        scene.gateway.get("/stay/x", &[("Host", "api.test"), ("Authorization", &dpop), ("DPoP", &proof)])
    };
    let refused = send(None);
    assert_eq!(refused.status(), 401);
    assert!(refused.all("www-authenticate").iter().any(|one| one.contains("use_dpop_nonce")), "{:?}", refused.headers);
    let nonce = refused.header("dpop-nonce").expect("a nonce").to_owned();
    assert_eq!(send(Some(&nonce)).status(), 200);
}

#[test]
fn a_session_is_bound_to_the_key_that_it_was_asked_for_with() {
    let scene = scene();
    let (key, other) = (ProofKey::new(), ProofKey::new());
    let (asked, used) = ("https://auth.test/oauth/token", "http://api.test/stay/x");
    let begin = |proof: &str, subject: &str| {
        ask_with(&scene.gateway, "/oauth/token", &[("DPoP", proof)], &exchange(subject, ""))
    };
    let proof = key.proof("POST", asked, None, None);
    let answer = begin(&proof, &scene.token());
    let session = token(&answer);
    assert_eq!(answer.json()["token_type"], "DPoP");
    assert_eq!(claims(&session)["cnf"], json!({"jkt": key.thumbprint()}));
    let dpop = format!("DPoP {session}");
    let send = |authorization: &str, proof: &str| {
        let headers = [("Host", "api.test"), ("Authorization", authorization), ("DPoP", proof)];
        scene.gateway.get("/stay/x", &headers).status()
    };
    assert_eq!(send(&dpop, &key.proof("GET", used, Some(&session), None)), 200);
    assert_eq!(send(&dpop, &other.proof("GET", used, Some(&session), None)), 401, "another key");
    assert_eq!(get(&scene.gateway, "/stay/x", &session).status(), 401, "no proof");
    // A proof is good once, and only for what it is of.
    for (proof, why) in [
        (proof, "replayed"),
        (key.proof("GET", asked, None, None), "of another method"),
        (key.proof("POST", "https://auth.test/oauth/revoke", None, None), "of another endpoint"),
        ("x".to_owned(), "none"),
    ] {
        assert_eq!(begin(&proof, &scene.token()).status(), 400, "{why}");
    }
    // What the proof is bound to, who hands it in has to hold.
    let mut bound = scene.claims_of("ada", &["reader"]);
    bound["cnf"] = json!({"jkt": key.thumbprint()});
    let bound = scene.issuer.token(&bound);
    assert_eq!(begin(&key.proof("POST", asked, None, None), &bound).status(), 200);
    assert_eq!(begin(&other.proof("POST", asked, None, None), &bound).status(), 400, "another key");
    assert_eq!(ask(&scene.gateway, "/oauth/token", &exchange(&bound, "")).status(), 400, "no proof");
}

#[test]
fn what_is_under_way_is_cut_when_its_session_ends() {
    let upstream = Upstream::echo_with_events();
    let scene = scene_with(upstream);
    let session = begin(&scene, "&expires_in=2");
    let mut events = Client::connect(scene.gateway.public());
    let bearer = format!("Bearer {session}");
    events.send(&request("GET", "/stay/events", &[("Host", "api.test"), ("Authorization", &bearer)], b""));
    let begun = events.reader().until(b"data: first\n\n").expect("the first event");
    assert!(begun.starts_with(b"HTTP/1.1 200"));
    let rest = events.rest();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "it does not look whole: {rest:?}");
    let record = scene.gateway.audited("the stream", |entry| entry["path"] == "/stay/events");
    assert_eq!((&record["outcome"], &record["detail"]), (&json!("denied"), &json!("expired")), "{record}");
    let lasted = record["total_us"].as_u64().map(Duration::from_micros).expect("a time");
    assert!(lasted < Duration::from_secs(4), "{lasted:?}");
    assert_eq!(get(&scene.gateway, "/stay/x", &session).status(), 401);
}

#[test]
fn sessions_outlive_every_kind_of_end_of_the_process() {
    let mut scene = scene();
    let (session, ended) = (begin(&scene, ""), begin(&scene, ""));
    let keys = |scene: &Scene| scene.gateway.get("/oauth/jwks.json", &[("Host", "auth.test")]).json();
    let before = keys(&scene);
    assert_eq!(ask(&scene.gateway, "/oauth/revoke", &format!("token={ended}")).status(), 200);
    scene.gateway.kill_and_restart();
    scene.gateway.wait_until_ready();
    let status = |scene: &Scene| [&session, &ended].map(|one| get(&scene.gateway, "/stay/x", one).status());
    assert_eq!(status(&scene), [200, 401]);
    assert_eq!(keys(&scene), before, "the same keys");
    assert_eq!(scene.gateway.upgrade().code(), Some(0));
    scene.gateway.wait_until_ready();
    assert_eq!((status(&scene), keys(&scene)), ([200, 401], before));
}

#[test]
fn without_the_key_that_seals_there_are_no_sessions_and_that_is_told() {
    let mut scene = scene();
    let session = begin(&scene, "");
    assert_eq!(scene.gateway.terminate().code(), Some(0));
    let output = program().args(["key", "sealing"]).output().expect("the program");
    scene.gateway.site().write("secrets/sessions-key", &output.stdout);
    scene.gateway.kill_and_restart();
    eventually("it serves", || scene.gateway.try_admin("/ready"));
    eventually("why it is not ready is told", || {
        let ready = scene.gateway.try_admin("/ready")?;
        (ready.status() == 503 && ready.text().contains("sessions")).then_some(())
    });
    assert_eq!(get(&scene.gateway, "/stay/x", &session).status(), 503);
    assert_eq!(ask(&scene.gateway, "/oauth/token", &exchange(&scene.token(), "")).status(), 503);
    assert!(scene.gateway.log().contains("does not open"), "{}", scene.gateway.log());
    assert_eq!(scene.get("/api/x").status(), 200, "all else goes on");
}

#[test]
fn the_service_says_what_it_is() {
    let scene = scene();
    let document = scene.gateway.get("/.well-known/oauth-authorization-server", &[("Host", "auth.test")]);
    assert_eq!(document.header("content-type"), Some("application/json"));
    let document = document.json();
    assert_eq!(document["issuer"], "https://auth.test");
    assert_eq!(document["token_endpoint"], "https://auth.test/oauth/token");
    let keys = scene.gateway.get("/oauth/jwks.json", &[("Host", "auth.test")]).json();
    let session = begin(&scene, "");
    let header = URL_SAFE_NO_PAD.decode(session.split('.').next().expect("a header")).expect("base64url");
    let header: Value = serde_json::from_slice(&header).expect("JSON");
    assert_eq!((&header["typ"], &header["alg"]), (&json!("at+jwt"), &json!("EdDSA")));
    assert_eq!((&keys["keys"][0]["kid"], keys["keys"].as_array().map(Vec::len)), (&header["kid"], Some(1)));
    assert!(keys["keys"][0].get("d").is_none());
}

#[test]
fn a_session_that_is_confined_to_routes_decides_nothing_elsewhere() {
    let access = r#"
[access]
url = "https://auth.test"
authn = ["corp", "sessions"]
[approval.finance]
approvers = ["lead"]
requesters = ["reader"]
[role.lead]
members = ["corp:bob"]
"#;
    let tables = format!("{}{access}", tables());
    let scene = Scene::with(Upstream::echo(), &Extra { tables: &tables, ..Extra::default() });
    let ask = |bearer: &str, path: &str, body: &str| {
        let headers = [
            ("Host", "auth.test"),
            ("Authorization", bearer),
            ("Content-Type", "application/json"),
            ("Connection", "close"),
        ];
        raw::parse(&raw::exchange(scene.gateway.public(), &request("POST", path, &headers, body.as_bytes())))
    };
    let asked = ask(&scene.bearer(), "/access/requests", r#"{"approval":"finance","reason":"x"}"#);
    let path = format!("/access/requests/{}/approve", asked.json()["id"].as_str().expect("an id"));
    let bob = scene.token_of("bob", &["reader"]);
    for (more, want) in [("&routes=stay", 403), ("&methods=GET", 403), ("&roles=reader", 404)] {
        let session = token(&ask_with(&scene.gateway, "/oauth/token", &[], &exchange(&bob, more)));
        assert_eq!(ask(&format!("Bearer {session}"), &path, "{}").status(), want, "{more}");
    }
    // One that is for a single request decides once; to look, and to be refused, uses none.
    let once = token(&ask_with(&scene.gateway, "/oauth/token", &[], &exchange(&bob, "&uses=1")));
    let once = format!("Bearer {once}");
    let list = scene.gateway.get("/access/requests", &[("Host", "auth.test"), ("Authorization", &once)]);
    assert_eq!((list.status(), ask(&once, "/access/requests", "{}").status()), (200, 400));
    let others: Vec<_> = (0..2)
        .map(|_| {
            ask(&scene.bearer(), "/access/requests", r#"{"approval":"finance","reason":"y"}"#).json()["id"].clone()
        })
        .map(|id| format!("/access/requests/{}/approve", id.as_str().expect("an id")))
        .collect();
    assert_eq!([&others[0], &others[1]].map(|path| ask(&once, path, "{}").status()), [200, 401]);
    // Of a role that is revoked nobody decides, whoever gave it.
    let revoke = ["revocation", "add", "role:lead", "--reason", "incident"];
    let output = program().current_dir(scene.gateway.site().folder()).args(revoke).output().expect("the program");
    assert!(output.status.success());
    let sees = |bearer: &str| {
        let headers = [("Host", "auth.test"), ("Authorization", bearer)];
        scene.gateway.get(path.trim_end_matches("/approve"), &headers).status()
    };
    let bearer = format!("Bearer {bob}");
    eventually("it holds", || (sees(&bearer) == 404).then_some(()));
    assert_eq!(ask(&bearer, &path, "{}").status(), 404);
    let output = program()
        .current_dir(scene.gateway.site().folder())
        .args(["revocation", "lift", String::from_utf8_lossy(&output.stdout).split(' ').next().expect("an id")])
        .output()
        .expect("the program");
    assert!(output.status.success());
    let session = token(&ask_with(&scene.gateway, "/oauth/token", &[], &exchange(&bob, "&roles=lead")));
    let bearer = format!("Bearer {session}");
    eventually("it is lifted", || (sees(&bearer) == 200).then_some(()));
    assert_eq!(ask(&bearer, &path, "{}").status(), 200);
}

#[test]
fn a_stock_client_of_another_language_obtains_uses_and_ends_sessions() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("target/provider");
    if !folder.join("node_modules/openid-client").is_dir() {
        println!("skipped: node absent, or scripts/test has not installed the OAuth client");
        return;
    }
    let (issuer, upstream) = (Issuer::start(), Upstream::echo());
    let gateway = Gateway::start(|site| {
        let tables = tables().replace("https://auth.test", &format!("http://{}", site.public));
        config(site, &issuer, &upstream, &Extra { tables: &tables, ..Extra::default() })
    });
    let mut claims = issuer.claims("ada");
    claims["roles"] = json!(["reader"]);
    let text = std::fs::read_to_string(root.join("tests/provider/client.mjs")).expect("the program");
    let output = Command::new("node")
        .args(["--input-type=module", "--eval", &text])
        .current_dir(folder)
        .env("ISSUER", format!("http://{}", gateway.public()))
        .env("CLIENT_ID", "alice")
        .env("CLIENT_SECRET", alice().key)
        .env("SUBJECT_TOKEN", issuer.token(&claims))
        .env("RESOURCE", format!("http://{}/stay/x", gateway.public()))
        .output()
        .expect("node runs");
    let complaint = String::from_utf8_lossy(&output.stderr);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {complaint}"));
    let own = json!({"type": "bearer", "used": 200, "active": true, "sub": "keys:alice", "after": 401});
    let want = json!({
        "basic": own, "post": own,
        "exchange": {"type": "dpop", "used": 200, "expires_in": 60, "bare": 401},
        "refused": {"error": "invalid_scope", "status": 400},
    });
    assert_eq!(told, want, "{complaint}");
}

#[test]
fn nothing_that_was_acknowledged_is_lost_when_the_process_is_killed_in_the_middle() {
    let tables = tables().replace("per_principal = 20", "per_principal = 2000");
    let mut scene = Scene::with(Upstream::echo(), &Extra { tables: &tables, ..Extra::default() });
    let (begun, ended, tried) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()), AtomicUsize::new(0));
    let form = exchange(&scene.token(), "");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while tried.fetch_add(1, Ordering::Relaxed) < 1000 {
                    let Some(answer) = try_ask(&scene.gateway, "/oauth/token", &form) else { return };
                    let session = token(&answer);
                    let nth = tried.load(Ordering::Relaxed);
                    if nth % 5 == 0 {
                        let Some(answer) = try_ask(&scene.gateway, "/oauth/revoke", &format!("token={session}")) else {
                            return;
                        };
                        assert_eq!(answer.status(), 200);
                        ended.lock().expect("no panic").push(session);
                    } else {
                        begun.lock().expect("no panic").push(session);
                    }
                }
            });
        }
        // In the middle of it, wherever that is.
        eventually("half of it is done", || (tried.load(Ordering::Relaxed) > 500).then_some(()));
        scene.gateway.signal(rustix::process::Signal::KILL);
    });
    scene.gateway.kill_and_restart();
    scene.gateway.wait_until_ready();
    let (begun, ended) = (begun.into_inner().expect("done"), ended.into_inner().expect("done"));
    assert!(begun.len() > 50 && ended.len() > 50, "{} begun, {} ended", begun.len(), ended.len());
    for (sessions, want) in [(&begun, 200), (&ended, 401)] {
        let lost = sessions.iter().filter(|session| get(&scene.gateway, "/stay/x", session).status() != want).count();
        assert_eq!(lost, 0, "of {} that are to be answered {want}", sessions.len());
    }
}

/// The same while somebody may end the process.
fn try_ask(gateway: &Gateway, path: &str, form: &str) -> Option<Message> {
    let mut client = Client::try_connect(gateway.public()).ok()?;
    let headers =
        [("Host", "auth.test"), ("Content-Type", "application/x-www-form-urlencoded"), ("Connection", "close")];
    client.send(&request("POST", path, &headers, form.as_bytes()));
    client.try_response().ok().flatten()
}

#[test]
fn sessions_go_on_through_an_upgrade_under_load() {
    let mut scene = scene();
    let sessions: Vec<_> = (0..8).map(|_| begin(&scene, "")).collect();
    let (public, stop, done) = (scene.gateway.public(), AtomicBool::new(false), AtomicUsize::new(0));
    let form = exchange(&scene.token_of("bob", &["reader"]), "");
    std::thread::scope(|scope| {
        for session in &sessions {
            let (stop, done) = (&stop, &done);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let bearer = format!("Bearer {session}");
                    let headers = [("Host", "api.test"), ("Authorization", &*bearer), ("Connection", "close")];
                    let answer = raw::parse(&raw::exchange(public, &request("GET", "/stay/x", &headers, b"")));
                    assert_eq!(answer.status(), 200, "{}", answer.text());
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // What one process begins, the other knows at once.
        let (stop, done) = (&stop, &done);
        let ask = move || {
            let headers = [("Host", "auth.test"), ("Content-Type", "application/x-www-form-urlencoded")];
            let headers = [&headers[..], &[("Connection", "close")]].concat();
            let sent = request("POST", "/oauth/token", &headers, form.as_bytes());
            let session = token(&raw::parse(&raw::exchange(public, &sent)));
            let bearer = format!("Bearer {session}");
            let headers = [("Host", "api.test"), ("Authorization", &*bearer), ("Connection", "close")];
            let used = raw::parse(&raw::exchange(public, &request("GET", "/stay/x", &headers, b"")));
            assert_eq!(used.status(), 200, "{}", used.text());
            let ended = request(
                "POST",
                "/oauth/revoke",
                &[
                    ("Host", "auth.test"),
                    ("Content-Type", "application/x-www-form-urlencoded"),
                    ("Connection", "close"),
                ],
                format!("token={session}").as_bytes(),
            );
            assert_eq!(raw::parse(&raw::exchange(public, &ended)).status(), 200);
        };
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                ask();
            }
        });
        eventually("the load runs", || (done.load(Ordering::Relaxed) > 100).then_some(()));
        assert_eq!(scene.gateway.upgrade().code(), Some(0));
        let before = done.load(Ordering::Relaxed);
        eventually("the new process serves", || (done.load(Ordering::Relaxed) > before + 100).then_some(()));
        stop.store(true, Ordering::Relaxed);
    });
}
