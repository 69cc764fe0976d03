//! The main job: an identity of the caller's own goes in, the real key comes out, and nobody else gets anything.

use std::process::{Command, Stdio};
use std::{io::Write, time::Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};

use crate::support::{
    eventually,
    gateway::{Gateway, Site, program},
    issuer::{AUDIENCE, Issuer, jws},
    raw::{Client, request},
    scene::{Extra, SECRET, Scene, code},
    upstream::{Then, Upstream},
};

const HMAC_SECRET: &str = "an-hmac-secret-of-more-than-thirty-two-bytes";

/// One gateway with a route `/NAME/**` for each way of proving an identity and of injecting a secret.
struct Ways {
    issuer: Issuer,
    file_key: EncodingKey,
    api_key: Value,
    upstream: Upstream,
    gateway: Gateway,
}

impl Ways {
    fn new() -> Self {
        let (issuer, upstream) = (Issuer::start(), Upstream::echo());
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let file_key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).expect("PKCS#8");
        let api_key = new_key(&["--owner", "robot", "--role", "reader", "--name", "ci"]);
        let gateway = Gateway::start(|site| {
            site.write("issuer.pem", pair.public_key_pem());
            site.write("issuer.jwks", issuer.jwks().to_string());
            site.write("secrets/hmac", HMAC_SECRET);
            site.write("secrets/api-key", SECRET);
            site.set_env("UP_API_KEY", "from-the-environment");
            seal(site, "api/key", "from-the-sealed-file");
            configuration(site, &issuer, &upstream, &api_key)
        });
        Self { issuer, file_key, api_key, upstream, gateway }
    }

    fn claims(&self, issuer: &str) -> Value {
        let mut claims = self.issuer.claims("ada");
        claims["iss"] = json!(issuer);
        claims["roles"] = json!(["reader"]);
        claims
    }

    /// One GET with this bearer; the request as it reached the upstream.
    fn swapped(&self, path: &str, bearer: &str) -> crate::support::http1::Message {
        let response = self.gateway.get(path, &[("Authorization", &format!("Bearer {bearer}"))]);
        assert_eq!(response.status(), 200, "{path}: {}", response.text());
        self.upstream.requests().pop().expect("a request")
    }
}

fn configuration(site: &Site, issuer: &Issuer, upstream: &Upstream, api_key: &Value) -> String {
    let (public, admin, audit) = (site.public, site.admin, site.audit_path());
    let (api, authenticators) = (upstream.url(), authenticators(issuer, api_key));
    let routes = routes();
    format!(
        r#"
admin.address = "{admin}"
audit.path = "{audit}"
egress.allow = ["127.0.0.0/8"]
failures.enabled = false
listen.public.address = "{public}"
target.api.url = "{api}/base"
{authenticators}
[vault.dir.directory]
path = "secrets"
[vault.env.environment]
prefix = "UP_"
[vault.local.sealed_file]
path = "secrets.sealed"
key_file = "master.key"
[credential.bearer.bearer]
target = "api"
secret = "dir:api-key"
[credential.basic.basic]
target = "api"
username = "svc"
secret = "env:api-key"
[credential.header.header]
target = "api"
name = "x-token"
prefix = "Token "
secret = "local:api/key"
[credential.query.query]
target = "api"
parameter = "api_key"
secret = "dir:api-key"
{routes}
"#
    )
}

fn authenticators(issuer: &Issuer, api_key: &Value) -> String {
    let (url, jwks) = (issuer.url(), issuer.jwks_url());
    let (prefix, digest) = (&api_key["prefix"], &api_key["digest"]);
    format!(
        r#"
[authn.url.jwt]
issuer = "{url}"
audience = "{AUDIENCE}"
jwks_url = "{jwks}"
roles = "roles"
[authn.discovered.jwt]
issuer = "{url}"
audience = ["https://other.test", "{AUDIENCE}"]
roles = "realm_access.roles"
[authn.pem.jwt]
issuer = "https://pem.test"
audience = "{AUDIENCE}"
public_key_file = "issuer.pem"
algorithms = ["ES256"]
roles = "roles"
[authn.set.jwt]
issuer = "https://set.test"
audience = "{AUDIENCE}"
jwks_file = "issuer.jwks"
roles = "roles"
typ = ["at+jwt"]
[authn.shared.jwt]
issuer = "https://shared.test"
audience = "{AUDIENCE}"
hmac_secret = "dir:hmac"
algorithms = ["HS256"]
roles = "roles"
[authn.keys.api_key.key.ci]
prefix = {prefix}
digest = {digest}
owner = "robot"
roles = ["reader"]
[authn.headed.api_key]
header = "x-api-key"
[authn.headed.api_key.key.ci]
prefix = {prefix}
digest = {digest}
owner = "robot"
roles = ["reader"]
"#
    )
}

/// One for each authenticator, and one for each other way to inject.
fn routes() -> String {
    let mut text = String::new();
    let routes = [
        ("url", "bearer"),
        ("discovered", "bearer"),
        ("pem", "bearer"),
        ("set", "bearer"),
        ("shared", "bearer"),
        ("keys", "bearer"),
        ("headed", "bearer"),
    ];
    let more = ["basic", "header", "query"].map(|credential| ("url", credential));
    for (nth, (authn, credential)) in routes.into_iter().chain(more).enumerate() {
        let name = if nth < routes.len() { authn } else { credential };
        text.push_str(&format!(
            "[route.{name}]\npath = \"/{name}/**\"\ntarget = \"api\"\ncredential = \"{credential}\"\nauthn = [\"{authn}\"]\n\
             methods = [\"GET\", \"POST\"]\nallow = [{{ role = \"reader\", methods = [\"GET\"] }}]\n"
        ));
    }
    text
}

/// What `claviger key new` prints.
fn new_key(arguments: &[&str]) -> Value {
    let output = program().args(["key", "new", "--json"]).args(arguments).output().expect("the program runs");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Puts a secret into the site's sealed file by the program itself.
fn seal(site: &Site, name: &str, value: &str) {
    let vault = |arguments: &[&str]| {
        let mut command = program();
        command.arg("vault").args(arguments).args(["--key-file", &site.path("master.key")]).stdout(Stdio::null());
        command
    };
    let file = site.path("secrets.sealed");
    if !std::path::Path::new(&file).exists() {
        assert!(vault(&["init", &file]).status().expect("the program runs").success());
    }
    feed(vault(&["set", &file, name]), value);
}

fn feed(mut command: Command, input: &str) {
    let mut process = command.stdin(Stdio::piped()).spawn().expect("the program runs");
    process.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("written");
    assert!(process.wait().expect("our child").success());
}

#[test]
fn every_identity_is_proved_and_none_of_it_arrives_upstream() {
    let ways = Ways::new();
    let own = ways.issuer.url();
    let (es, rs) = (json!({"alg": "ES256", "kid": "ec"}), json!({"alg": "RS256", "kid": "rsa"}));
    let mut nested = ways.claims(&own);
    nested["realm_access"] = json!({"roles": ["reader"]});
    let by_file = |input: &[u8]| jsonwebtoken::crypto::sign(input, &ways.file_key, Algorithm::ES256).expect("signed");
    let hmac = EncodingKey::from_secret(HMAC_SECRET.as_bytes());
    let by_secret = |input: &[u8]| jsonwebtoken::crypto::sign(input, &hmac, Algorithm::HS256).expect("signed");
    let typed = json!({"alg": "ES256", "kid": "ec", "typ": "at+jwt"});
    let key = ways.api_key["key"].as_str().expect("a key").to_owned();
    let rows = [
        ("/url/x", "url", ways.issuer.sign(&es, &ways.claims(&own))),
        ("/url/x", "url", ways.issuer.sign(&rs, &ways.claims(&own))),
        ("/url/x", "url", ways.issuer.sign(&json!({"alg": "PS256", "kid": "rsa"}), &ways.claims(&own))),
        ("/discovered/x", "discovered", ways.issuer.sign(&es, &nested)),
        ("/discovered/x", "discovered", ways.issuer.sign(&rs, &nested)),
        ("/pem/x", "pem", jws(&json!({"alg": "ES256"}), &ways.claims("https://pem.test"), by_file)),
        ("/set/x", "set", ways.issuer.sign(&typed, &ways.claims("https://set.test"))),
        ("/shared/x", "shared", jws(&json!({"alg": "HS256"}), &ways.claims("https://shared.test"), by_secret)),
        ("/keys/x", "keys", key.clone()),
    ];
    for (nth, (path, authenticator, bearer)) in rows.iter().enumerate() {
        let sent = ways.swapped(&format!("{path}{nth}"), bearer);
        assert_eq!(sent.all("authorization"), [format!("Bearer {SECRET}")], "{path}");
        assert_eq!(sent.path(), format!("/base/x{nth}"));
        let whole = format!("{path}{nth}");
        let record = ways.gateway.audited(&whole, |entry| entry["path"] == whole.as_str());
        assert_eq!((&record["authenticator"], &record["outcome"]), (&json!(authenticator), &json!("completed")));
        let who = if *authenticator == "keys" { "robot" } else { "ada" };
        assert_eq!(
            (&record["principal"], &record["role"], &record["credential"]),
            (&json!(who), &json!("reader"), &json!("bearer"))
        );
        assert_eq!(record["rule"], format!("route.{authenticator}.allow[0]"));
    }
    let response = ways.gateway.get("/headed/x", &[("X-Api-Key", &key)]);
    assert_eq!(response.status(), 200, "{}", response.text());
    let received = ways.upstream.received().concat();
    for presented in rows.iter().map(|(_, _, bearer)| bearer) {
        let signature = presented.rsplit('.').next().expect("a signature");
        assert!(!contains(&received, signature.as_bytes()), "a presented credential arrived");
    }
}

#[test]
fn every_credential_is_put_where_the_upstream_wants_it() {
    let ways = Ways::new();
    let bearer = ways.issuer.token(&ways.claims(&ways.issuer.url()));
    let sent = ways.swapped("/basic/x", &bearer);
    assert_eq!(sent.all("authorization"), [format!("Basic {}", STANDARD.encode("svc:from-the-environment"))]);
    let sent = ways.swapped("/header/x", &bearer);
    assert_eq!((sent.all("x-token"), sent.header("authorization")), (vec!["Token from-the-sealed-file"], None));
    for (asked, arrived) in [
        ("/query/x", format!("/base/x?api_key={SECRET}")),
        ("/query/x?a=b", format!("/base/x?a=b&api_key={SECRET}")),
        ("/query/x?api_key=mine&a=b", format!("/base/x?a=b&api_key={SECRET}")),
        ("/query/x?api%5Fkey=mine", format!("/base/x?api_key={SECRET}")),
    ] {
        let sent = ways.swapped(asked, &bearer);
        assert_eq!((sent.path(), sent.header("authorization")), (arrived.as_str(), None), "{asked}");
    }
    // A client's own value for the injected header is replaced.
    let fields = [("Authorization", format!("Bearer {bearer}")), ("X-Token", "Token mine".to_owned())];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
    assert_eq!(ways.gateway.get("/header/mine", &fields).status(), 200);
    assert_eq!(ways.upstream.requests().pop().expect("a request").all("x-token"), ["Token from-the-sealed-file"]);
}

#[test]
fn a_changed_secret_is_live_within_a_second_and_without_a_reload() {
    let ways = Ways::new();
    let bearer = ways.issuer.token(&ways.claims(&ways.issuer.url()));
    let number = ways.gateway.metric("claviger_config_number", &[]);
    let site = ways.gateway.site();
    for (path, field, want) in
        [("/url/x", "authorization", "Bearer changed"), ("/header/x", "x-token", "Token changed")]
    {
        match path {
            "/url/x" => drop(site.write("secrets/api-key", "changed")),
            _ => seal(site, "api/key", "changed"),
        }
        let since = Instant::now();
        eventually("the changed secret is sent", || {
            (ways.swapped(path, &bearer).header(field) == Some(want)).then_some(())
        });
        // The promise is a second; the rest is for a machine with more to do than this test.
        assert!(since.elapsed().as_secs() < 5, "{path}: {:?}", since.elapsed());
    }
    assert_eq!(ways.gateway.metric("claviger_config_number", &[]), number, "nothing was reloaded");
}

#[test]
fn another_master_key_takes_the_old_ones_place_under_a_gateway_that_runs() {
    let ways = Ways::new();
    let bearer = ways.issuer.token(&ways.claims(&ways.issuer.url()));
    let site = ways.gateway.site();
    let token = || ways.swapped("/header/x", &bearer).header("x-token").map(str::to_owned);
    let old = std::fs::read(site.path("master.key")).expect("a key");
    let rekey = ["vault", "rekey", &site.path("secrets.sealed"), "--key-file", &site.path("master.key")];
    let output = program().args(rekey).output().expect("the program runs");
    assert!(output.status.success(), "{output:?}");
    assert_ne!(std::fs::read(site.path("master.key")).expect("a key"), old);
    assert_eq!(token().as_deref(), Some("Token from-the-sealed-file"));
    // It opens what is sealed with the new key, which nothing but the new key does.
    seal(site, "api/key", "sealed-anew");
    eventually("what is sealed with the new key is sent", || {
        (token().as_deref() == Some("Token sealed-anew")).then_some(())
    });
}

#[test]
fn a_token_that_proves_nothing_is_refused_with_a_challenge() {
    let ways = Ways::new();
    let own = ways.issuer.url();
    let es = json!({"alg": "ES256", "kid": "ec"});
    let with = |change: &dyn Fn(&mut Value)| {
        let mut claims = ways.claims(&own);
        change(&mut claims);
        ways.issuer.sign(&es, &claims)
    };
    let now = crate::support::issuer::now();
    let good = with(&|_| ());
    let (signed, signature) = good.rsplit_once('.').expect("a signature");
    let flipped = format!("{}{}", if signature.starts_with('A') { 'B' } else { 'A' }, &signature[1..]);
    let public = ways.issuer.jwks()["keys"][1]["x"].as_str().expect("a coordinate").to_owned();
    let confused = EncodingKey::from_secret(public.as_bytes());
    let hs = |input: &[u8]| jsonwebtoken::crypto::sign(input, &confused, Algorithm::HS256).expect("signed");
    let rows = [
        ("expired", with(&|c| c["exp"] = json!(now - 60))),
        ("expired", with(&|c| c["exp"] = json!(0))),
        ("not_yet_valid", with(&|c| c["nbf"] = json!(now + 600))),
        ("claim", with(&|c| drop(c.as_object_mut().expect("claims").remove("exp")))),
        ("claim", with(&|c| c["exp"] = json!("9999999999"))),
        ("claim", with(&|c| c["exp"] = json!(null))),
        ("claim", with(&|c| c["sub"] = json!(null))),
        ("audience", with(&|c| c["aud"] = json!("https://other.test"))),
        ("audience", with(&|c| c["aud"] = json!(format!("{AUDIENCE}.evil")))),
        ("audience", with(&|c| c["aud"] = json!([]))),
        ("issuer", with(&|c| c["iss"] = json!("https://other.test"))),
        ("unknown_key", ways.issuer.sign(&json!({"alg": "ES256", "kid": "other"}), &ways.claims(&own))),
        ("algorithm", ways.issuer.sign(&json!({"alg": "RS256", "kid": "ec"}), &ways.claims(&own))),
        ("algorithm", jws(&json!({"alg": "HS256", "kid": "ec"}), &ways.claims(&own), hs)),
        ("", jws(&json!({"alg": "none", "kid": "ec"}), &ways.claims(&own), |_| String::new())),
        ("", jws(&json!({"alg": "none", "kid": "ec"}), &ways.claims(&own), |_| "AAAA".to_owned())),
        ("critical", ways.issuer.sign(&json!({"alg": "ES256", "kid": "ec", "crit": ["exp"]}), &ways.claims(&own))),
        ("signature", format!("{signed}.{flipped}")),
        ("signature", Issuer::start().sign(&es, &ways.claims(&own))),
        ("malformed", format!("{good}.x")),
        ("malformed", "x".repeat(9000)),
        ("malformed", "a.b.c".to_owned()),
    ];
    for (detail, token) in rows {
        refused(&ways.gateway, "/url/x", &token, detail);
    }
    refused(&ways.gateway, "/set/x", &ways.issuer.sign(&es, &ways.claims("https://set.test")), "type");
    let key = ways.api_key["key"].as_str().expect("a key");
    let other = new_key(&["--owner", "robot"]);
    // Its last character may be any: another one than that.
    let end = if key.ends_with('x') { 'y' } else { 'x' };
    refused(&ways.gateway, "/keys/x", &format!("{}{end}", &key[..key.len() - 1]), "signature");
    refused(&ways.gateway, "/keys/x", other["key"].as_str().expect("a key"), "unknown_key");
    refused(&ways.gateway, "/url/x", key, "");
    refused(&ways.gateway, "/keys/x", &good, "");
    assert_eq!(ways.upstream.connection_count(), 0);
    assert_eq!(ways.swapped("/url/x", &good).path(), "/base/x", "and the good one is taken");
}

fn refused(gateway: &Gateway, path: &str, token: &str, detail: &str) {
    let response = gateway.get(path, &[("Authorization", &format!("Bearer {token}"))]);
    assert_eq!((response.status(), code(&response).as_str()), (401, "credential_invalid"), "{detail} {token}");
    let challenge = response.header("www-authenticate").expect("a challenge");
    assert!(challenge.starts_with("Bearer realm=") && challenge.contains("invalid_token"), "{challenge}");
    assert!(!response.text().contains("expired") && !response.text().contains("signature"), "{}", response.text());
    let id = response.header("x-request-id").expect("an id");
    let record = gateway.audited(id, |entry| entry["id"] == id);
    assert!(detail.is_empty() || record["detail"] == detail, "{detail}: {record}");
}

#[test]
fn a_revoked_key_is_refused_from_the_reload_on() {
    let ways = Ways::new();
    let key = ways.api_key["key"].as_str().expect("a key");
    assert_eq!(ways.swapped("/keys/x", key).path(), "/base/x");
    let other = new_key(&["--owner", "robot"]);
    ways.gateway.reload(&configuration(ways.gateway.site(), &ways.issuer, &ways.upstream, &other));
    refused(&ways.gateway, "/keys/x", key, "unknown_key");
}

#[test]
fn what_is_not_allowed_is_told_apart_from_what_is_not_there() {
    let ways = Ways::new();
    let token = ways.issuer.token(&ways.claims(&ways.issuer.url()));
    let bearer = format!("Bearer {token}");
    let mut nobody = ways.claims(&ways.issuer.url());
    nobody["roles"] = json!([]);
    let nobody = format!("Bearer {}", ways.issuer.token(&nobody));
    for (method, path, auth, status, want) in [
        ("GET", "/url/x", nobody.as_str(), 403, "not_allowed"),
        ("POST", "/url/x", &bearer, 403, "not_allowed"),
        ("GET", "/nowhere", &bearer, 404, "no_route"),
        ("GET", "/", &bearer, 404, "no_route"),
        ("GET", "/nowhere", "Bearer x", 404, "no_route"),
        ("DELETE", "/url/x", &bearer, 405, "method_not_allowed"),
        ("OPTIONS", "/url/x", &bearer, 405, "method_not_allowed"),
    ] {
        let response = ways.gateway.send(&request(method, path, &[("Authorization", auth)], b""));
        assert_eq!((response.status(), code(&response).as_str()), (status, want), "{method} {path}");
        assert_eq!(response.header("allow"), (status == 405).then_some("GET, POST"), "{method} {path}");
        let id = response.header("x-request-id").expect("an id");
        let record = ways.gateway.audited(id, |entry| entry["id"] == id);
        assert_eq!((&record["outcome"], &record["code"]), (&json!("denied"), &json!(want)));
    }
    assert_eq!(ways.upstream.connection_count(), 0);
}

#[test]
fn limits_are_told_and_kept() {
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let upstream = Upstream::start(move |request, wire| {
        if request.path() == "/slow" {
            // Ends when the test lets go of its half.
            let _ = held.lock().expect("one at a time").recv();
        }
        wire.respond(200, &[], b"ok").map(|_| Then::Close)
    });
    let scene = Scene::with(
        upstream,
        &Extra {
            route: "limits = [\"often\"]",
            tables: r#"
[limit.often]
by = "principal"
requests = 3
per = "1h"
[limit.once]
by = "principal"
concurrent = 1
[route.one]
path = "/one/**"
target = "api"
credential = "api"
authn = ["corp"]
limits = ["once"]
allow = [{ role = "reader" }]
"#,
            ..Extra::default()
        },
    );
    for left in [2, 1, 0] {
        let response = scene.get("/api/x");
        assert_eq!((response.status(), response.header("ratelimit-policy")), (200, Some("\"often\";q=3;w=3600")));
        assert!(response.header("ratelimit").is_some_and(|state| state.starts_with(&format!("\"often\";r={left};t="))));
    }
    let response = scene.get("/api/x");
    assert_eq!((response.status(), code(&response).as_str()), (429, "rate_exceeded"));
    let wait: u64 = response.header("retry-after").expect("a wait").parse().expect("seconds");
    assert!((1..=1200).contains(&wait), "{wait}");
    assert_eq!(response.header("ratelimit"), Some(format!("\"often\";r=0;t={wait}").as_str()));
    assert_eq!(scene.record_of(&response)["code"], "rate_exceeded");
    let other = format!("Bearer {}", scene.token_of("grace", &["reader"]));
    assert_eq!(scene.gateway.get("/api/x", &[("Authorization", &other)]).status(), 200, "another principal");

    let bearer = scene.bearer();
    let mut slow = Client::connect(scene.gateway.public());
    slow.send(&request("GET", "/one/slow", &[("Authorization", &bearer)], b""));
    eventually("the slow one is under way", || {
        scene.upstream.requests().iter().find(|r| r.path() == "/slow").map(|_| ())
    });
    let response = scene.gateway.get("/one/x", &[("Authorization", &bearer)]);
    assert_eq!((response.status(), code(&response).as_str()), (429, "too_many_in_flight"));
    assert_eq!(response.header("retry-after"), Some("1"));
    drop(hold);
    assert_eq!(slow.response().status(), 200);
    eventually("the slot is free again", || {
        (scene.gateway.get("/one/x", &[("Authorization", &bearer)]).status() == 200).then_some(())
    });
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn a_redirect_to_another_host_is_passed_on_as_it_is_and_never_followed() {
    let other = Upstream::echo();
    let location = format!("{}/elsewhere?a=b", other.url());
    let told = location.clone();
    let upstream = Upstream::start(move |request, wire| {
        let status = request.path().trim_start_matches('/').parse().expect("a status");
        wire.respond(status, &[("Location", &told)], b"")
    });
    let scene = Scene::with(upstream, &Extra::default());
    for status in [301, 302, 303, 307, 308] {
        let answer = scene.get(&format!("/api/{status}"));
        assert_eq!((answer.status(), answer.header("location")), (status, Some(&*location)));
    }
    assert_eq!((scene.upstream.requests().len(), other.connection_count()), (5, 0));
}

#[test]
fn a_credential_that_the_target_does_not_take_is_told_of() {
    let scene = Scene::with(Upstream::start(|_, wire| wire.respond(401, &[], b"")), &Extra::default());
    let refused = || scene.gateway.metric("claviger_credentials_refused_total", &["credential=\"api\""]);
    assert_eq!(refused(), Some(0.0), "before the first");
    assert_eq!(scene.get("/api/x").status(), 401);
    assert_eq!(scene.gateway.get("/api/x", &[("Host", "api.test")]).status(), 401, "by the gateway, for no proof");
    scene.gateway.audited("both", |entry| entry["code"] == "credential_missing");
    eventually("the target's is counted", || (refused() == Some(1.0)).then_some(()));
}
