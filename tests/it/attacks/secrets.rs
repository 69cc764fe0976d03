//! Attacks on keys, passwords and nobody in particular, where tokens are taken too; and on guessing.

use base64::{Engine, engine::general_purpose::STANDARD};
use claviger::crypto::{ApiKeyRecord, PasswordDigest, api_key};
use serde_json::Value;

use super::{Bench, MISSING, Row, Sent, refused, tokens};
use crate::support::{
    eventually,
    http1::Message,
    raw,
    scene::{Extra, Scene, code},
};

const PASSWORD: &str = "correct:horse";

const SCHEMES: &[(&str, &[&str])] = &[
    ("door", &["Bearer", "DPoP", "Basic"]),
    ("open", &["Bearer", "DPoP", "Basic"]),
    ("api", &["Bearer", "DPoP"]),
    ("headed", &["Bearer"]),
];

struct Keys {
    good: String,
    expired: String,
    elsewhere: String,
}

/// A door that takes tokens, keys, passwords; one that takes also nobody; one for keys in a header of their own.
fn tables(keys: &mut Keys) -> String {
    let mut entries = String::new();
    for (label, text, more) in [
        ("good", &mut keys.good, ""),
        ("expired", &mut keys.expired, "expires = \"2020-01-01T00:00:00Z\"\n"),
        ("elsewhere", &mut keys.elsewhere, "networks = [\"10.0.0.0/8\"]\n"),
    ] {
        let (key, record): (_, ApiKeyRecord) = api_key::generate();
        text.clone_from(&key);
        let (prefix, digest) = (record.prefix(), record.digest_text());
        entries += &format!(
            "[authn.keys.api_key.key.{label}]\nprefix = \"{prefix}\"\ndigest = \"{digest}\"\nowner = \"{label}\"\nroles = [\"reader\"]\n{more}"
        );
    }
    let digest = PasswordDigest::generate(PASSWORD.as_bytes()).expect("a digest").to_text();
    format!(
        r#"[failures]
{entries}
[authn.headed.api_key]
header = "X-Api-Key"
[authn.passwords.basic.user."ada@example.com"]
password_digest = "{digest}"
roles = ["reader"]
[authn.passwords.basic.user.old]
password_digest = "{digest}"
expires = "2020-01-01T00:00:00Z"
[authn.passwords.basic.user.elsewhere]
password_digest = "{digest}"
networks = ["10.0.0.0/8"]
[route.door]
path = "/door/**"
target = "api"
authn = ["corp", "keys", "passwords"]
allow = [{{ role = "reader" }}]
[route.open]
path = "/open/**"
target = "api"
authn = ["corp", "passwords", "anonymous"]
allow = [{{ role = "reader" }}, {{ principal = "anonymous:anonymous", paths = ["/public/**"] }}]
[route.headed]
path = "/headed/**"
target = "api"
authn = ["headed"]
allow = [{{ role = "reader" }}]
"#
    )
}

fn scene() -> (Scene, Keys) {
    scene_with("")
}

/// The same with these lines in `[failures]`.
fn scene_with(failures: &str) -> (Scene, Keys) {
    let mut keys = Keys { good: String::new(), expired: String::new(), elsewhere: String::new() };
    let tables = tables(&mut keys).replacen("[failures]\n", &format!("[failures]\n{failures}"), 1);
    let listen = "forwarded_from = [\"127.0.0.0/8\"]";
    (Scene::new(&Extra { listen, tables: &tables, ..Extra::default() }), keys)
}

fn with(credential: impl Into<String>) -> Sent {
    Sent::get("/door/x", [("Authorization", credential.into())])
}

fn basic(text: &str) -> String {
    format!("Basic {}", STANDARD.encode(text))
}

fn attacks(keys: &Keys) -> Vec<Row> {
    let nothing = |path: &str| Sent::get(path, [] as [(&str, String); 0]);
    let authorized = |path: &str, value: String| Sent::get(path, [("Authorization", value)]);
    let bearer = |text: &str| with(format!("Bearer {text}"));
    let last = if keys.good.ends_with('a') { "b" } else { "a" };
    let wrong = format!("{}{last}", &keys.good[..keys.good.len() - 1]);
    let unknown = format!("clv_{}_{}", "a".repeat(12), "b".repeat(43));
    let spelled = |text: &str| with(format!("Basic {text}"));
    vec![
        ("api_key", "wrong", bearer(&wrong), refused("signature")),
        ("api_key", "unknown", bearer(&unknown), refused("unknown_key")),
        ("api_key", "expired", bearer(&keys.expired), refused("expired")),
        ("api_key", "from another network", bearer(&keys.elsewhere), refused("network")),
        ("api_key", "cut", bearer(&keys.good[..50]), refused("malformed")),
        ("api_key", "in another header", Sent::get("/door/x", [("X-Api-Key", &*keys.good)]), MISSING),
        (
            "api_key",
            "of another route's header",
            authorized("/headed/x", format!("Bearer {}", keys.good)),
            refused("malformed"),
        ),
        ("basic", "wrong password", with(basic("ada@example.com:wrong")), refused("signature")),
        ("basic", "unknown user", with(basic(&format!("root:{PASSWORD}"))), refused("unknown_key")),
        ("basic", "user in another case", with(basic(&format!("ADA@example.com:{PASSWORD}"))), refused("unknown_key")),
        ("basic", "expired", with(basic(&format!("old:{PASSWORD}"))), refused("expired")),
        ("basic", "from another network", with(basic(&format!("elsewhere:{PASSWORD}"))), refused("network")),
        ("basic", "no colon", with(basic("ada@example.com")), refused("malformed")),
        ("basic", "empty password", with(basic("ada@example.com:")), refused("malformed")),
        ("basic", "line end behind", with(basic(&format!("ada@example.com:{PASSWORD}\n"))), refused("malformed")),
        ("basic", "no base64", spelled("ada:horse"), refused("malformed")),
        ("basic", "unpadded", spelled("YWRhOnB3Cg"), refused("malformed")),
        ("basic", "trailing bits", spelled("YWRhOnB4eR=="), refused("malformed")),
        ("basic", "no UTF-8", spelled("/////w=="), refused("malformed")),
        (
            "basic",
            "300 bytes of password",
            with(basic(&format!("ada@example.com:{}", "x".repeat(300)))),
            refused("malformed"),
        ),
        ("basic", "on a route without it", authorized("/api/x", basic("ada@example.com:x")), refused("malformed")),
        ("anonymous", "on a route without it", nothing("/door/x"), MISSING),
        ("anonymous", "where no rule allows it", nothing("/open/x"), (403, "not_allowed", "")),
        (
            "anonymous",
            "a wrong token falls back",
            authorized("/open/public/x", "Bearer x.y.z".to_owned()),
            refused("malformed"),
        ),
        (
            "anonymous",
            "a wrong password falls back",
            authorized("/open/public/x", basic("ada@example.com:wrong")),
            refused("signature"),
        ),
    ]
}

/// One GET that comes from this address, as a trusted peer says.
fn get(scene: &Scene, path: &str, from: &str, headers: &[(&'static str, String)]) -> Message {
    let forwarded = format!("for={from}");
    let mut all = vec![("Host", "api.test"), ("Forwarded", forwarded.as_str())];
    all.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
    raw::get(scene.gateway.public(), path, &all)
}

#[test]
fn every_attack_on_a_token_a_key_or_a_password_meets_its_answer() {
    let (scene, keys) = scene();
    let mut rows = [tokens::attacks(&scene), attacks(&keys)].concat();
    // Each from an address of its own: nobody is locked out.
    for (nth, (_, _, sent, _)) in rows.iter_mut().enumerate() {
        sent.headers.push(("Forwarded", format!("for=192.0.2.{}", nth + 1)));
    }
    Bench { gateway: &scene.gateway, upstream: &scene.upstream, schemes: SCHEMES }.refuses(rows);
}

#[test]
fn what_is_right_is_taken_and_who_presents_nothing_is_nobody_in_particular() {
    let (scene, keys) = scene();
    for (path, headers, principal) in [
        ("/door/x", vec![("Authorization", scene.bearer())], "ada"),
        ("/door/x", vec![("Authorization", format!("Bearer {}", keys.good))], "good"),
        ("/door/x", vec![("Authorization", basic(&format!("ada@example.com:{PASSWORD}")))], "ada@example.com"),
        ("/door/x", vec![("Authorization", basic(&format!("ada@example.com:{PASSWORD}")))], "ada@example.com"),
        ("/open/public/x", Vec::new(), "anonymous"),
    ] {
        let response = get(&scene, path, "192.0.2.1", &headers);
        assert_eq!(response.status(), 200, "{path} {headers:?}: {}", response.text());
        assert!(scene.record_of(&response)["principal"].to_string().contains(principal), "{principal}");
    }
    assert!(scene.upstream.requests().iter().all(|request| !request.head.windows(6).any(|part| part == b"Basic ")));
}

#[test]
fn who_guesses_is_locked_out_for_longer_and_longer_and_nobody_else() {
    let (scene, _) = scene();
    let wrong = || [("Authorization", basic("ada@example.com:wrong"))];
    let right = || [("Authorization", basic(&format!("ada@example.com:{PASSWORD}")))];
    for _ in 0..10 {
        assert_eq!(get(&scene, "/door/x", "192.0.2.7", &wrong()).status(), 401);
    }
    let mut waits = Vec::new();
    // Even the right password is not looked at, and the neighbour is kept from this user, but not from others.
    for (from, headers, detail) in
        [("192.0.2.7", right().to_vec(), "address"), ("192.0.2.8", right().to_vec(), "identity")]
    {
        let response = get(&scene, "/door/x", from, &headers);
        assert_eq!((response.status(), code(&response).as_str()), (429, "locked_out"), "{from}");
        assert_eq!(scene.record_of(&response)["detail"], detail);
        waits.push(response.header("retry-after").expect("a time").parse::<u64>().expect("seconds"));
    }
    assert_eq!(waits, [1, 1]);
    assert_eq!(get(&scene, "/door/x", "192.0.2.8", &[("Authorization", scene.bearer())]).status(), 200);
    assert_eq!(get(&scene, "/door/x", "198.51.100.1", &right()).status(), 200, "from another network");
    assert_eq!(get(&scene, "/open/public/x", "192.0.2.7", &[]).status(), 200, "who presents nothing guesses nothing");

    for longer in [2, 4] {
        eventually("the lock-out ends, and the next guess is looked at", || {
            (get(&scene, "/door/x", "192.0.2.7", &wrong()).status() == 401).then_some(())
        });
        let response = get(&scene, "/door/x", "192.0.2.7", &wrong());
        assert_eq!(response.header("retry-after"), Some(longer.to_string().as_str()));
    }
    let begun = |by: &str| scene.gateway.metric("claviger_lockouts_total", &[&format!("by=\"{by}\"")]);
    assert_eq!((begun("address"), begun("identity")), (Some(1.0), Some(1.0)));
    eventually("both are told as going on", || {
        scene.gateway.metric("claviger_lockouts", &[]).filter(|&sum| (sum - 2.0).abs() < 0.1)
    });
    assert_eq!(scene.gateway.log().matches("a lock-out begins").count(), 2, "once for each");
}

/// Comparing passwords takes time, and all of these come before the first was found to be wrong.
#[test]
fn guesses_at_once_are_told_of_no_more_than_guesses_one_after_the_other() {
    const GUESSES: usize = 40;
    let (scene, _) = scene_with("delay = \"1m\"\n");
    let guess = |password: &str| {
        let authorization = basic(&format!("ada@example.com:{password}"));
        let headers = [("Host", "api.test"), ("Forwarded", "for=192.0.2.7"), ("Authorization", &*authorization)];
        raw::request("GET", "/door/x", &headers, b"")
    };
    let mut clients: Vec<_> = (0..GUESSES).map(|_| raw::Client::connect(scene.gateway.public())).collect();
    for (nth, client) in clients.iter_mut().enumerate() {
        client.send(&guess(&format!("wrong{nth}")));
    }
    let first = clients[0].response();
    // The last one is right and comes when all others wait already: it learns no more than they do.
    let mut last = raw::Client::connect(scene.gateway.public());
    last.send(&guess(PASSWORD));
    let rest = clients[1..].iter_mut().chain([&mut last]).map(raw::Client::response);
    let answers: Vec<_> = [first].into_iter().chain(rest).collect();
    let with = |status: u16| answers.iter().filter(|answer| answer.status() == status).count();
    assert_eq!(
        (with(401), with(429)),
        (10, GUESSES - 9),
        "{:?}",
        answers.iter().map(Message::status).collect::<Vec<_>>()
    );
    let right = answers.last().expect("an answer");
    assert_eq!(code(right), "locked_out");
    assert_eq!(scene.record_of(right)["principal"], Value::Null, "nor does its record tell more");
    assert!(scene.upstream.requests().is_empty());
}
