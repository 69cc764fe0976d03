//! Tokens that are had on each caller's behalf (RFC 8693): one each, for what the gateway signs about them, and never another's.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use claviger::crypto::SigningKey;
use jsonwebtoken::{Algorithm, EncodingKey, jwk::Jwk};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};

use crate::support::{
    eventually,
    gateway::Gateway,
    http1::Message,
    issuer::{AUDIENCE, Issuer, now},
    provider::Provider,
    scene::{Extra, Scene, code, config},
    upstream::{Upstream, Wire},
};

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

fn tables(server: &str, more: &str) -> String {
    format!(
        r#"
[identity_token]
issuer = "https://gateway.test"
key = "dir:identity"
lifetime = "30s"
[credential.behalf.oauth2]
target = "api"
token_url = "{server}/token"
grant = "token_exchange"
subject_audience = "{server}"
requested_token_type = "{ACCESS_TOKEN}"
client_id = "x"
{more}
[route.behalf]
path = "/behalf/**"
target = "api"
credential = "behalf"
authn = ["corp"]
allow = [{{ role = "reader" }}]
"#
    )
}

fn start(upstream: Upstream, secret: &str, tables: &str) -> Scene {
    let issuer = Issuer::start();
    let gateway = Gateway::start(|site| {
        site.write("secrets/client", secret);
        site.write("secrets/identity", &*SigningKey::generate().expect("a key"));
        config(site, &issuer, &upstream, &Extra { tables, ..Extra::default() })
    });
    Scene { issuer, upstream, gateway, bare: AtomicU32::default() }
}

fn get(scene: &Scene, subject: &str, roles: &[&str]) -> Message {
    let bearer = format!("Bearer {}", scene.token_of(subject, roles));
    scene.gateway.get("/behalf/x", &[("Host", "api.test"), ("Authorization", &bearer)])
}

/// What the target is sent for them.
fn sent(scene: &Scene, subject: &str, roles: &[&str]) -> String {
    let answer = get(scene, subject, roles);
    assert_eq!(answer.status(), 200, "{subject}: {} {}", answer.text(), scene.gateway.log());
    let seen = scene.upstream.requests().pop().expect("a request");
    let token = seen.header("authorization").and_then(|value| value.strip_prefix("Bearer ")).expect("a token");
    token.to_owned()
}

fn claims(token: &str) -> Value {
    let claims = token.split('.').nth(1).expect("a JWT");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).expect("base64url")).expect("claims")
}

fn assert_refused(scene: &Scene, answer: &Message) {
    assert_eq!((answer.status(), code(answer).as_str()), (503, "unavailable"), "{}", answer.text());
    assert_eq!(scene.record_of(answer)["detail"], "credential");
}

#[test]
fn each_caller_has_a_token_of_their_own_for_what_the_gateway_signs_about_them() {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).expect("PKCS#8");
    let jwk = serde_json::to_string(&Jwk::from_encoding_key(&key, Algorithm::ES256).expect("a public half"));
    let Some(provider) = Provider::start_with(&[("GATE_KEY", &jwk.expect("JSON"))]) else { return };
    let (url, pem) = (&provider.issuer, pair.serialize_pem());
    let way = |way: &str| format!("client_secret = \"dir:client\"\nclient_auth = \"{way}\"");
    let key = format!("assertion = {{ key = \"dir:client\", algorithm = \"ES256\", audience = \"{url}\" }}");
    for (client, secret, way) in [
        ("plain", "secret-of-plain", way("post")),
        ("gate-basic", "secret:of/gate +100%", way("basic")),
        ("gate-key", &*pem, key),
    ] {
        let more = format!("{way}\nresource = \"{AUDIENCE}\"\nscope = \"read\"");
        let tables = tables(url, &more).replace("client_id = \"x\"", &format!("client_id = \"{client}\""));
        let scene = start(Upstream::echo(), secret, &tables);
        provider.control(&format!("gate/{}", scene.gateway.public()));
        let (ada, bob) = (sent(&scene, "ada", &["reader"]), sent(&scene, "bob", &["reader"]));
        for (subject, token) in [("ada", &ada), ("bob", &bob)] {
            let told = claims(token);
            assert_eq!(
                (&told["iss"], &told["sub"], &told["aud"], &told["act"]["sub"], &told["scope"]),
                (
                    &url.as_str().into(),
                    &format!("corp:{subject}").into(),
                    &AUDIENCE.into(),
                    &client.into(),
                    &"read".into()
                )
            );
        }
        assert_eq!((sent(&scene, "ada", &["reader"]), sent(&scene, "bob", &["reader"])), (ada.clone(), bob.clone()));
        let more_roles = sent(&scene, "ada", &["reader", "ops"]);
        assert_eq!(claims(&more_roles)["roles"], json!(["reader", "ops"]));
        assert_eq!(sent(&scene, "ada", &["reader"]), ada, "who comes with less has no token of more");

        let count = scene.upstream.requests().len();
        let refused = get(&scene, "mallory", &["reader"]);
        assert_refused(&scene, &refused);
        assert_eq!(scene.upstream.requests().len(), count, "nothing went upstream");
        let log = scene.gateway.log();
        assert!(log.contains("behalf:corp:ada") && log.contains("behalf:corp:mallory"), "{log}");
        for hidden in ["a-detail-for-nobody", "eyJ", secret] {
            assert!(!log.contains(hidden) && !refused.text().contains(hidden), "{hidden}: {log}");
        }
    }
}

/// A token endpoint of a test's own: what it was handed, and what it answers to the nth question.
struct Server {
    forms: Arc<Mutex<Vec<HashMap<String, String>>>>,
    upstream: Upstream,
}

impl Server {
    fn start(
        answer: impl Fn(usize, &mut Wire<'_>) -> std::io::Result<crate::support::upstream::Then> + Send + Sync + 'static,
    ) -> Self {
        let forms = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&forms);
        let upstream = Upstream::start(move |request, wire| {
            let form = form_urlencoded::parse(request.text().as_bytes()).into_owned().collect();
            let nth = {
                let mut seen = seen.lock().expect("no panic");
                seen.push(form);
                seen.len()
            };
            answer(nth, wire)
        });
        Self { forms, upstream }
    }

    fn count(&self) -> usize {
        self.forms.lock().expect("no panic").len()
    }
}

fn token(nth: usize, lasts: u64) -> Value {
    json!({ "access_token": format!("token-{nth}"), "issued_token_type": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": lasts })
}

#[test]
fn what_is_asked_is_what_the_rfc_says_and_ends_with_the_callers_proof() {
    let server = Server::start(|nth, wire| wire.json(200, &token(nth, 300)));
    let more = "audience = \"orders\"\nresource = \"https://orders.test\"\nscope = \"a b\"";
    let scene = start(Upstream::echo(), "x", &tables(&server.upstream.url(), more));
    let mut claims_of = scene.claims_of("ada", &["reader"]);
    claims_of["exp"] = (now() + 12).into();
    let bearer = format!("Bearer {}", scene.issuer.token(&claims_of));
    let headers = [("Host", "api.test"), ("Authorization", &*bearer)];
    assert_eq!(scene.gateway.get("/behalf/x", &headers).status(), 200);
    let form = server.forms.lock().expect("no panic").pop().expect("a form");
    let want = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token_type", JWT),
        ("requested_token_type", ACCESS_TOKEN),
        ("audience", "orders"),
        ("resource", "https://orders.test"),
        ("scope", "a b"),
        ("client_id", "x"),
    ];
    for (name, value) in want {
        assert_eq!(form.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert_eq!(form.len(), want.len() + 1);
    let told = claims(&form["subject_token"]);
    assert_eq!((&told["sub"], &told["aud"]), (&"corp:ada".into(), &server.upstream.url().into()));
    assert_eq!(told["exp"].as_u64(), claims_of["exp"].as_u64().map(|end| end + 10), "the leeway counts too");
}

#[test]
fn a_hundred_requests_of_one_caller_ask_once() {
    let server = Server::start(|nth, wire| {
        std::thread::sleep(Duration::from_millis(300));
        wire.json(200, &token(nth, 300))
    });
    let scene = start(Upstream::echo(), "x", &tables(&server.upstream.url(), ""));
    std::thread::scope(|scope| {
        let each: Vec<_> = (0..100).map(|_| scope.spawn(|| get(&scene, "ada", &["reader"]).status())).collect();
        assert!(each.into_iter().all(|one| one.join().expect("no panic") == 200));
    });
    assert_eq!(server.count(), 1);
}

#[test]
fn a_token_is_replaced_ahead_of_its_end_and_never_used_beyond_it() {
    let away = Arc::new(AtomicBool::default());
    let is_away = Arc::clone(&away);
    let server = Server::start(move |nth, wire| {
        if is_away.load(Ordering::Relaxed) { wire.respond(500, &[], b"") } else { wire.json(200, &token(nth, 4)) }
    });
    let scene = start(Upstream::echo(), "x", &tables(&server.upstream.url(), ""));
    assert_eq!(sent(&scene, "ada", &["reader"]), "token-1");
    eventually("the third is in use, and nobody was refused", || {
        (sent(&scene, "ada", &["reader"]) == "token-3").then_some(())
    });
    away.store(true, Ordering::Relaxed);
    let refused = eventually("the last has ended", || {
        Some(get(&scene, "ada", &["reader"])).filter(|answer| answer.status() != 200)
    });
    assert_refused(&scene, &refused);
    let count = server.count();
    (0..50).for_each(|_| assert_eq!(get(&scene, "ada", &["reader"]).status(), 503));
    assert!(server.count() <= count + 2, "it is not asked for each");
    away.store(false, Ordering::Relaxed);
    eventually("the next is had", || (get(&scene, "ada", &["reader"]).status() == 200).then_some(()));
}

#[test]
fn no_other_sort_of_token_is_sent_anywhere() {
    let bearer =
        |issued: &str, sort: &str| json!({ "access_token": "t-4711", "issued_token_type": issued, "token_type": sort });
    let cases = [
        (200, bearer(ACCESS_TOKEN, "bearer"), 200),
        (200, bearer(ACCESS_TOKEN, "N_A"), 503),
        (200, bearer(ACCESS_TOKEN, "DPoP"), 503),
        (200, bearer(JWT, "Bearer"), 503),
        (200, bearer("urn:ietf:params:oauth:token-type:refresh_token", "Bearer"), 503),
        (200, json!({ "access_token": "t-4711", "token_type": "Bearer" }), 503),
        (200, json!({ "access_token": "t-4711", "issued_token_type": ACCESS_TOKEN }), 503),
        (200, json!({ "access_token": "", "issued_token_type": ACCESS_TOKEN, "token_type": "Bearer" }), 503),
        (400, json!({ "error": "invalid_target", "error_description": "t-4711" }), 503),
        (302, json!({}), 503),
    ];
    let answers: Vec<_> = cases.iter().map(|(status, answer, _)| (*status, answer.clone())).collect();
    let server = Server::start(move |nth, wire| {
        let (status, answer) = &answers[nth - 1];
        wire.json(*status, answer)
    });
    let scene = start(Upstream::echo(), "x", &tables(&server.upstream.url(), ""));
    for (nth, (_, answer, want)) in cases.iter().enumerate() {
        let got = get(&scene, &format!("caller-{nth}"), &["reader"]);
        assert_eq!(got.status(), *want, "{answer}");
        assert!(!got.text().contains("t-4711") || *want == 200, "{}", got.text());
    }
    assert_eq!(scene.upstream.requests().len(), 1, "nothing else went upstream");
    assert!(!scene.gateway.log().contains("t-4711"));
}

#[test]
fn a_token_that_is_not_taken_any_more_is_replaced_for_its_caller_alone() {
    let revoked = Arc::new(Mutex::new(String::new()));
    let is_revoked = Arc::clone(&revoked);
    let upstream = Upstream::start(move |request, wire| {
        let token = request.header("authorization").unwrap_or_default();
        let is_taken = token != *is_revoked.lock().expect("no panic");
        wire.respond(if is_taken { 200 } else { 401 }, &[], b"")
    });
    let server = Server::start(|nth, wire| wire.json(200, &token(nth, 300)));
    let scene = start(upstream, "x", &tables(&server.upstream.url(), ""));
    let (ada, bob) = (sent(&scene, "ada", &["reader"]), sent(&scene, "bob", &["reader"]));
    *revoked.lock().expect("no panic") = format!("Bearer {ada}");
    let answer = get(&scene, "ada", &["reader"]);
    assert_eq!(answer.status(), 200);
    assert_eq!(scene.record_of(&answer)["attempts"], 2);
    assert_eq!(sent(&scene, "ada", &["reader"]), "token-3");
    assert_eq!(sent(&scene, "bob", &["reader"]), bob);
    assert_eq!(server.count(), 3);
    // Nobody has the server asked without end by it.
    *revoked.lock().expect("no panic") = "Bearer token-3".to_owned();
    (0..20).for_each(|_| assert_eq!(get(&scene, "ada", &["reader"]).status(), 401));
    assert_eq!(server.count(), 3, "another one is had once in five seconds at most");
}
