//! Attacks on every way to prove an identity, one row each: what is presented, and the status, code and detail that it meets.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use claviger::crypto::{ApiKeyRecord, PasswordDigest, api_key};
use serde_json::{Value, json};

use crate::support::{
    eventually,
    http1::Message,
    issuer::{Issuer, jws},
    raw,
    scene::{Extra, Scene, code},
};

/// What is presented: header fields, and a path where it is not `/door/x`.
type Presented = (Vec<(&'static str, String)>, &'static str);
/// Method, attack, what is presented; status, code and detail.
type Row = (&'static str, &'static str, Presented, (u16, &'static str, &'static str));

const PASSWORD: &str = "correct:horse";
const INVALID: &str = "credential_invalid";

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
    let mut keys = Keys { good: String::new(), expired: String::new(), elsewhere: String::new() };
    let tables = tables(&mut keys);
    let listen = "forwarded_from = [\"127.0.0.0/8\"]";
    (Scene::new(&Extra { listen, tables: &tables, ..Extra::default() }), keys)
}

fn with(credential: impl Into<String>) -> Presented {
    (vec![("Authorization", credential.into())], "/door/x")
}

fn basic(text: &str) -> String {
    format!("Basic {}", STANDARD.encode(text))
}

/// The token with claims that name two subjects, which its signature is not of.
fn with_subject_twice(token: &str, claims: &Value) -> String {
    let text = claims.to_string().replacen('{', r#"{"sub":"root","#, 1);
    let parts: Vec<&str> = token.split('.').collect();
    format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(text), parts[2])
}

fn token_attacks(scene: &Scene) -> Vec<Row> {
    let issuer = &scene.issuer;
    let claims = scene.claims_of("ada", &["reader"]);
    let bearer = |token: String| with(format!("Bearer {token}"));
    let ec = |more: Value| {
        let mut header = json!({"alg": "ES256", "typ": "JWT", "kid": "ec"});
        header.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        header
    };
    let none = |alg: &str| jws(&json!({"alg": alg, "kid": "ec"}), &claims, |_| "AAAA".to_owned());
    let key = issuer.jwks()["keys"][0]["n"].as_str().expect("a modulus").to_owned();
    let confused = jws(&json!({"alg": "HS256", "kid": "rsa"}), &claims, |input| {
        let key = jsonwebtoken::EncodingKey::from_secret(&URL_SAFE_NO_PAD.decode(&key).expect("base64"));
        jsonwebtoken::crypto::sign(input, &key, jsonwebtoken::Algorithm::HS256).expect("a signature")
    });
    let forger = Issuer::start();
    let forged = |header: Value| forger.sign(&header, &claims);
    let zeros = jws(&ec(json!({})), &claims, |_| URL_SAFE_NO_PAD.encode([0; 64]));
    let changed = |key: &str, value: Value| {
        let mut claims = claims.clone();
        claims[key] = value;
        issuer.token(&claims)
    };
    let good = issuer.token(&claims);
    let doubled = with_subject_twice(&good, &claims);
    let jwk = forger.jwks()["keys"][1].clone();
    let refused = |detail| (401, INVALID, detail);
    let two = vec![("Authorization", format!("Bearer {good}")), ("Authorization", format!("Bearer {good}"))];
    vec![
        ("jwt", "alg none", bearer(none("none")), refused("algorithm")),
        ("jwt", "alg NoNe", bearer(none("NoNe")), refused("algorithm")),
        ("jwt", "the public key as HMAC key", bearer(confused), refused("algorithm")),
        ("jwt", "another's key under our kid", bearer(forged(ec(json!({})))), refused("signature")),
        ("jwt", "own key in jwk", bearer(forged(ec(json!({"jwk": jwk})))), refused("signature")),
        (
            "jwt",
            "own key in jku",
            bearer(forged(ec(json!({"kid": "x", "jku": forger.jwks_url()})))),
            refused("unknown_key"),
        ),
        ("jwt", "own key in x5u", bearer(forged(ec(json!({"x5u": forger.jwks_url()})))), refused("signature")),
        ("jwt", "a path as kid", bearer(forged(ec(json!({"kid": "../../dev/null"})))), refused("malformed")),
        ("jwt", "SQL as kid", bearer(forged(ec(json!({"kid": "ec' OR '1'='1"})))), refused("malformed")),
        ("jwt", "crit", bearer(issuer.sign(&ec(json!({"crit": ["exp"]})), &claims)), refused("critical")),
        ("jwt", "r = s = 0", bearer(zeros), refused("signature")),
        ("jwt", "a claim twice", bearer(doubled), refused("malformed")),
        ("jwt", "another audience", bearer(changed("aud", json!("https://other.test"))), refused("audience")),
        ("jwt", "another issuer", bearer(changed("iss", json!("https://other.test"))), refused("issuer")),
        ("jwt", "expired", bearer(changed("exp", json!(1))), refused("expired")),
        ("jwt", "not valid yet", bearer(changed("nbf", json!(9_999_999_999_u64))), refused("not_yet_valid")),
        ("jwt", "no subject", bearer(changed("sub", json!(null))), refused("claim")),
        ("jwt", "9 KiB", bearer(changed("x", json!("x".repeat(9000)))), refused("malformed")),
        ("jwt", "padded base64", bearer(format!("{good}==")), refused("malformed")),
        ("jwt", "cut", bearer(good[..good.len() - 2].to_owned()), refused("signature")),
        ("jwt", "two in two fields", (two, "/door/x"), (401, "credential_ambiguous", "several")),
        (
            "jwt",
            "two in one field",
            with(format!("Bearer {good}, Bearer {good}")),
            (401, "credential_ambiguous", "several"),
        ),
        ("jwt", "in the query", (Vec::new(), "/door/x?access_token=QUERY"), (401, "credential_missing", "missing")),
        (
            "jwt",
            "in a cookie",
            (vec![("Cookie", format!("access_token={good}"))], "/door/x"),
            (401, "credential_missing", "missing"),
        ),
    ]
}

fn other_attacks(keys: &Keys) -> Vec<Row> {
    let refused = |detail| (401, INVALID, detail);
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
        (
            "api_key",
            "in another header",
            (vec![("X-Api-Key", keys.good.clone())], "/door/x"),
            (401, "credential_missing", "missing"),
        ),
        (
            "api_key",
            "of another route's header",
            (vec![("Authorization", format!("Bearer {}", keys.good))], "/headed/x"),
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
        (
            "basic",
            "on a route without it",
            (vec![("Authorization", basic("ada@example.com:x"))], "/api/x"),
            refused("malformed"),
        ),
        ("anonymous", "on a route without it", (Vec::new(), "/door/x"), (401, "credential_missing", "missing")),
        ("anonymous", "where no rule allows it", (Vec::new(), "/open/x"), (403, "not_allowed", "")),
        (
            "anonymous",
            "a wrong token falls back",
            (vec![("Authorization", "Bearer x.y.z".to_owned())], "/open/public/x"),
            refused("malformed"),
        ),
        (
            "anonymous",
            "a wrong password falls back",
            (vec![("Authorization", basic("ada@example.com:wrong"))], "/open/public/x"),
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
fn every_attack_meets_its_answer() {
    let (scene, keys) = scene();
    let mut wrong = Vec::new();
    let rows = [token_attacks(&scene), other_attacks(&keys)].concat();
    for (nth, (method, attack, (headers, path), want)) in rows.into_iter().enumerate() {
        let path = path.replace("QUERY", &scene.token());
        // Each from an address of its own: nobody is locked out.
        let response = get(&scene, &path, &format!("192.0.2.{}", nth + 1), &headers);
        let record = scene.record_of(&response);
        let got = (response.status(), code(&response), record["detail"].as_str().unwrap_or_default().to_owned());
        if got != (want.0, want.1.to_owned(), want.2.to_owned()) {
            wrong.push(format!("{method}: {attack}: {got:?} instead of {want:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(scene.upstream.requests().is_empty(), "nothing went upstream");
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
