//! What targets are told of the caller in a token that the gateway signs, and the keys that prove it.

use std::{collections::HashSet, sync::atomic::AtomicU32};

use claviger::crypto::SigningKey;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use serde_json::Value;

use crate::support::{
    eventually,
    gateway::Gateway,
    issuer::{Issuer, now},
    raw::{self, Client, request},
    scene::{Extra, Scene, code, config},
    upstream::Upstream,
};

const TABLES: &str = r#"
[identity_token]
issuer = "https://gateway.test"
key = "dir:identity"
other_keys = ["dir:next"]
lifetime = "30s"
[route.told]
path = "/told/**"
target = "api"
credential = "api"
authn = ["corp"]
websocket = true
allow = [{ role = "reader" }]
identity_token = { header = "X-Identity", audience = "https://orders.test" }
"#;

fn new_key() -> String {
    SigningKey::generate().expect("a key").to_string()
}

fn scene() -> Scene {
    let (issuer, upstream) = (Issuer::start(), Upstream::echo());
    let gateway = Gateway::start(|site| {
        site.write("secrets/identity", new_key());
        site.write("secrets/next", rcgen::KeyPair::generate().expect("a P-256 key").serialize_pem());
        config(site, &issuer, &upstream, &Extra { tables: TABLES, ..Extra::default() })
    });
    Scene { issuer, upstream, gateway, bare: AtomicU32::new(0) }
}

fn key_set(gateway: &Gateway) -> JwkSet {
    let response = gateway.get("/.well-known/jwks.json", &[("Host", "gateway.test")]);
    assert_eq!(response.status(), 200, "{}", response.text());
    assert_eq!(response.header("content-type"), Some("application/jwk-set+json"));
    assert!(!response.text().contains("\"d\""), "only public halves");
    serde_json::from_str(&response.text()).expect("a key set")
}

/// The claims of a token that one of these keys signed for orders.test; a library checks them that knows nothing of the gateway.
fn claims(token: &str, keys: &JwkSet) -> Value {
    let header = decode_header(token).expect("a header");
    assert_eq!(header.typ.as_deref(), Some("claviger-identity+jwt"));
    let key = keys.find(header.kid.as_deref().expect("a kid")).expect("a published key");
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&["https://orders.test"]);
    validation.set_issuer(&["https://gateway.test"]);
    let key = DecodingKey::from_jwk(key).expect("a key");
    decode::<Value>(token, &key, &validation).expect("a good token").claims
}

fn get(scene: &Scene, bearer: &str, more: &[(&str, &str)]) -> u16 {
    let mut headers = vec![("Host", "api.test"), ("Authorization", bearer)];
    headers.extend(more);
    scene.gateway.get("/told/x", &headers).status()
}

/// The token that the last request brought to the upstream, in its one field.
fn token(scene: &Scene) -> String {
    let requests = scene.upstream.requests();
    let last = requests.last().expect("a request");
    let all: Vec<_> = last.headers.iter().filter(|(name, _)| name.to_lowercase().contains("identity")).collect();
    assert_eq!(all.len(), 1, "{all:?}");
    last.header("x-identity").expect("a token").to_owned()
}

#[test]
fn a_target_can_prove_who_calls_by_the_published_keys() {
    let scene = scene();
    let keys = key_set(&scene.gateway);
    assert_eq!(keys.keys.len(), 2, "the one that signs, and the next");
    let mut seen = HashSet::new();
    for (subject, roles) in
        [("ada", &["reader", "ops"][..]), ("bob", &["reader"]), ("ada", &["reader"]), ("bob", &["reader"])]
    {
        let bearer = format!("Bearer {}", scene.token_of(subject, roles));
        assert_eq!(get(&scene, &bearer, &[]), 200);
        let token = token(&scene);
        let claims = claims(&token, &keys);
        assert_eq!(claims["sub"], format!("corp:{subject}"));
        assert_eq!(claims["roles"], serde_json::json!(roles));
        assert_eq!(claims["kind"], "human");
        let left = claims["exp"].as_u64().expect("an end") - claims["iat"].as_u64().expect("a beginning");
        assert_eq!(left, 30);
        seen.insert(token);
    }
    assert_eq!(seen.len(), 3, "the same caller has the same token again, and nobody else does");
    assert!(scene.upstream.requests().iter().all(|request| request.header("authorization") != Some("Bearer ada")));
}

#[test]
fn a_token_ends_with_what_proved_the_caller() {
    let scene = scene();
    let mut claims_of = scene.claims_of("ada", &["reader"]);
    claims_of["exp"] = (now() + 12).into();
    assert_eq!(get(&scene, &format!("Bearer {}", scene.issuer.token(&claims_of)), &[]), 200);
    let told = claims(&token(&scene), &key_set(&scene.gateway));
    let leeway = 10;
    assert_eq!(told["exp"].as_u64(), claims_of["exp"].as_u64().map(|end| end + leeway), "when it is refused here too");
}

#[test]
fn a_clients_own_never_arrives_on_any_route() {
    let scene = scene();
    let bearer = scene.bearer();
    assert_eq!(get(&scene, &bearer, &[("X-Identity", "forged"), ("x-identity", "again")]), 200);
    let _ = claims(&token(&scene), &key_set(&scene.gateway));
    for alias in ["X_Identity", "x.identity"] {
        assert_eq!(get(&scene, &bearer, &[(alias, "forged")]), 400, "{alias}");
    }
    let headers = [("Host", "api.test"), ("Authorization", bearer.as_str()), ("X-Identity", "forged")];
    assert_eq!(scene.gateway.get("/api/x", &headers).status(), 200);
    let last = scene.upstream.requests().pop().expect("a request");
    assert_eq!(last.header("x-identity"), None, "and on a route that tells nothing");
}

#[test]
fn a_websocket_brings_it_too() {
    let scene = scene();
    let bearer = scene.bearer();
    let mut client = Client::connect(scene.gateway.public());
    client.send(&request(
        "GET",
        "/told/ws",
        &[
            ("authorization", &bearer),
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ],
        b"",
    ));
    eventually("the handshake arrives", || (!scene.upstream.requests().is_empty()).then_some(()));
    let _ = claims(&token(&scene), &key_set(&scene.gateway));
}

#[test]
fn a_new_key_signs_at_once_and_a_missing_one_refuses() {
    let scene = scene();
    let bearer = scene.bearer();
    assert_eq!(get(&scene, &bearer, &[]), 200);
    let first = token(&scene);
    scene.gateway.site().write("secrets/identity", new_key());
    eventually("the new key signs", || {
        assert_eq!(get(&scene, &bearer, &[]), 200);
        (token(&scene) != first).then_some(())
    });
    let keys = key_set(&scene.gateway);
    let _ = claims(&token(&scene), &keys);
    assert!(keys.find(&decode_header(&first).expect("a header").kid.expect("a kid")).is_none());

    std::fs::remove_file(scene.gateway.site().folder().join("secrets/identity")).expect("removed");
    eventually("nothing is signed any more", || (get(&scene, &bearer, &[]) == 503).then_some(()));
    let count = scene.upstream.requests().len();
    let headers = [("Host", "api.test"), ("Authorization", bearer.as_str())];
    let refused = scene.gateway.get("/told/x", &headers);
    assert_eq!((refused.status(), code(&refused).as_str()), (503, "unavailable"));
    assert_eq!(scene.gateway.get("/.well-known/jwks.json", &[("Host", "gateway.test")]).status(), 503);
    assert_eq!(scene.upstream.requests().len(), count, "nothing went upstream");
    assert_eq!(scene.gateway.get("/api/x", &headers).status(), 200, "what tells nothing goes on");
}

#[test]
fn the_key_set_is_there_for_its_host_to_be_read_and_recorded() {
    let scene = scene();
    let path = "/.well-known/jwks.json";
    for (method, host, want) in [
        ("GET", "gateway.test", 200),
        ("GET", "GATEWAY.test:8443", 200),
        ("POST", "gateway.test", 405),
        ("OPTIONS", "gateway.test", 405),
        ("GET", "api.test", 404),
    ] {
        let mut client = Client::connect(scene.gateway.public());
        client.send(format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\n\r\n").as_bytes());
        let response = client.response();
        assert_eq!(response.status(), want, "{method} {host}");
        let record = scene.record_of(&response);
        assert_eq!((&record["path"], &record["status"]), (&path.into(), &want.into()), "{method} {host}");
        assert!(record["principal"].is_null());
    }
    let kept = raw::get(scene.gateway.public(), path, &[("Host", "gateway.test")]);
    assert_eq!(kept.header("cache-control"), Some("public, max-age=300"));
    let head = format!("HEAD {path} HTTP/1.1\r\nhost: gateway.test\r\nconnection: close\r\n\r\n");
    let head = raw::exchange(scene.gateway.public(), head.as_bytes());
    assert!(head.starts_with(b"HTTP/1.1 200 ") && head.ends_with(b"\r\n\r\n"), "{}", raw::lossy(&head));
    assert!(scene.upstream.requests().is_empty());
}
