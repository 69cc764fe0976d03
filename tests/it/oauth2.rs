//! Credentials that are tokens of an authorization server: had ahead, used until replaced, and none in place of one that cannot be had.

use std::{
    collections::{HashMap, HashSet},
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, jwk::Jwk};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};

use crate::support::{
    eventually,
    gateway::Gateway,
    issuer::{AUDIENCE, Issuer},
    provider::Provider,
    raw,
    scene::{Extra, Scene, config},
    upstream::Upstream,
};

/// The credential, and the route on which it is.
fn tables(provider: &str, more: &str) -> String {
    format!(
        r#"
[credential.obtained.oauth2]
target = "api"
token_url = "{provider}/token"
scope = "read"
{more}
[route.obtained]
path = "/obtained/**"
target = "api"
credential = "obtained"
authn = ["corp"]
allow = [{{ role = "reader" }}]
"#
    )
}

fn start(provider: &str, secret: &str, more: &str) -> Scene {
    let (issuer, upstream) = (Issuer::start(), Upstream::echo());
    let gateway = Gateway::spawn(|site| {
        site.write("secrets/client", secret);
        config(site, &issuer, &upstream, &Extra { tables: &tables(provider, more), ..Extra::default() })
    });
    Scene { issuer, upstream, gateway, bare: Default::default() }
}

/// The claims of the token that the upstream saw last.
fn obtained(scene: &Scene) -> Option<Value> {
    let answer = scene.get("/obtained/x");
    if answer.status() != 200 {
        return None;
    }
    let seen = scene.upstream.requests().pop()?.header("authorization")?.to_owned();
    let claims = seen.strip_prefix("Bearer ")?.split('.').nth(1)?;
    Some(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).expect("claims"))
}

#[test]
fn a_token_is_had_with_each_proof_of_the_gateways_own() {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).expect("PKCS#8");
    let jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).expect("a public half");
    let jwk = serde_json::to_string(&jwk).expect("JSON");
    let Some(provider) = Provider::start_with(&[("GATE_KEY", &jwk)]) else { return };
    let pem = pair.serialize_pem();
    let audience = &provider.issuer;
    let sent = |way: &str| format!("client_secret = \"dir:client\"\nclient_auth = \"{way}\"");
    let ways = [
        ("plain", "secret-of-plain", sent("post")),
        ("gate-basic", "secret:of/gate +100%", sent("basic")),
        (
            "gate-key",
            &pem,
            format!("assertion = {{ key = \"dir:client\", algorithm = \"ES256\", audience = \"{audience}\" }}"),
        ),
    ];
    for (client, secret, way) in ways {
        let more = format!("client_id = \"{client}\"\n{way}\nresource = \"{AUDIENCE}\"");
        let mut scene = start(&provider.issuer, secret, &more);
        scene.gateway.wait_until_ready();
        let (first, second) = (obtained(&scene).expect("served"), obtained(&scene).expect("served"));
        assert_eq!(
            (&first["iss"], &first["client_id"], &first["aud"], &first["scope"]),
            (&provider.issuer.as_str().into(), &client.into(), &AUDIENCE.into(), &"read".into())
        );
        assert_eq!(first["jti"], second["jti"], "one for all requests");
        let log = scene.gateway.log();
        assert!(!log.contains(secret) && !log.contains("eyJ"), "{log}");
    }
}

#[test]
fn where_no_token_is_had_nothing_is_sent_and_the_reason_is_told() {
    let Some(provider) = Provider::start() else { return };
    let more = format!(
        "client_id = \"plain\"\nclient_secret = \"dir:client\"\nclient_auth = \"post\"\nresource = \"{AUDIENCE}\""
    );
    let scene = start(&provider.issuer, "not-the-secret", &more);
    let headers = [("Host", "api.test"), ("Authorization", &*scene.bearer())];
    let refused = eventually("it answers", || scene.gateway.try_get("/obtained/x", &headers));
    assert_eq!(refused.status(), 503, "{}", refused.text());
    assert_eq!(scene.upstream.requests().len(), 0);
    assert_eq!(scene.record_of(&refused)["detail"], "credential");
    let status = scene.gateway.status();
    assert!(status["secrets"].to_string().contains("the authorization server refuses"), "{status}");
    // The right one is used without a restart, as soon as it is asked for again.
    scene.gateway.site().write("secrets/client", "secret-of-plain");
    eventually("a token is had", || obtained(&scene));
}

#[test]
fn a_server_that_says_more_than_can_be_is_believed_as_far_as_makes_sense() {
    // How long it says that its token lasts, of which type it is, and what a caller is answered then.
    let cases = [
        (json!(u64::MAX), "bearer", 200),
        (json!(0), "Bearer", 503),
        (json!(60), "mac", 503),
        (json!("soon"), "Bearer", 503),
        (json!("3600"), "Bearer", 200),
        (json!(3600.5), "Bearer", 200),
        (json!(null), "Bearer", 200),
    ];
    for (lasts, kind, want) in cases {
        let answer = json!({ "access_token": "a-token", "token_type": kind, "expires_in": lasts });
        let server = Upstream::start({
            let answer = answer.clone();
            move |_, wire| wire.json(200, &answer)
        });
        let scene = start(&server.url(), "x", "client_id = \"x\"\nclient_secret = \"dir:client\"");
        eventually("it is asked", || (!server.requests().is_empty()).then_some(()));
        let headers = [("Host", "api.test"), ("Authorization", &*scene.bearer())];
        let first = eventually("it answers", || {
            let answer = scene.gateway.try_get("/obtained/x", &headers)?;
            (answer.status() == want).then_some(answer)
        });
        assert_eq!(scene.upstream.requests().len(), usize::from(want == 200), "{answer}: {}", first.text());
        let begun = Instant::now();
        let asked = server.requests().len();
        eventually("time goes by", || (begun.elapsed() > Duration::from_secs(2)).then_some(()));
        assert!(server.requests().len() <= asked + 3, "{answer}: it is not asked without end");
        assert_eq!(
            scene.gateway.try_get("/obtained/x", &headers).map(|answer| answer.status()),
            Some(want),
            "{answer}"
        );
    }
}

#[test]
fn a_token_is_replaced_ahead_of_its_end_and_never_used_beyond_it() {
    let (away, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let server = Upstream::start({
        let (away, made) = (Arc::clone(&away), Arc::clone(&made));
        move |_, wire| {
            if away.load(Ordering::Relaxed) {
                return wire.respond(500, &[], b"");
            }
            let token = format!("token-{}", made.fetch_add(1, Ordering::Relaxed));
            wire.json(200, &json!({ "access_token": token, "token_type": "Bearer", "expires_in": 5 }))
        }
    });
    let mut scene = start(&server.url(), "x", "client_id = \"x\"\nclient_secret = \"dir:client\"");
    scene.gateway.wait_until_ready();
    let used = || {
        let answer = scene.get("/obtained/x");
        assert_eq!(answer.status(), 200, "nobody waits, and nobody is refused");
        scene.upstream.requests().pop()?.header("authorization").map(str::to_owned)
    };
    eventually("the third is in use", || used().filter(|token| token == "Bearer token-2"));
    away.store(true, Ordering::Relaxed);
    let begun = Instant::now();
    eventually("the last has ended", || (scene.get("/obtained/x").status() == 503).then_some(()));
    let took = begun.elapsed();
    assert!((Duration::from_millis(800)..Duration::from_secs(6)).contains(&took), "{took:?}: it serves to its end");
    away.store(false, Ordering::Relaxed);
    eventually("the next is had", || (scene.get("/obtained/x").status() == 200).then_some(()));
}

#[test]
fn a_request_whose_token_is_not_taken_any_more_is_sent_again_once_with_another() {
    let Some(provider) = Provider::start() else { return };
    let (issuer, is_strict) = (Issuer::start(), Arc::new(AtomicBool::new(false)));
    let refused = Arc::new(Mutex::new(HashSet::<String>::new()));
    let upstream = Upstream::start({
        let (refused, is_strict) = (Arc::clone(&refused), Arc::clone(&is_strict));
        move |request, wire| {
            let token = request.header("authorization").unwrap_or_default().to_owned();
            let is_taken = !is_strict.load(Ordering::Relaxed) && !refused.lock().expect("no panic").contains(&token);
            wire.respond(if is_taken { 200 } else { 401 }, &[], &request.body)
        }
    });
    let more = format!(
        "client_id = \"plain\"\nclient_secret = \"dir:client\"\nclient_auth = \"post\"\nresource = \"{AUDIENCE}\""
    );
    let mut gateway = Gateway::spawn(|site| {
        site.write("secrets/client", "secret-of-plain");
        let tables = tables(&provider.issuer, &more).replace("allow = ", "max_body = \"1MiB\"\nallow = ");
        config(site, &issuer, &upstream, &Extra { tables: &tables, ..Extra::default() })
    });
    gateway.wait_until_ready();
    let mut claims = issuer.claims("ada");
    claims["roles"] = json!(["reader"]);
    let bearer = format!("Bearer {}", issuer.token(&claims));
    let headers = [("Host", "api.test"), ("Authorization", &*bearer)];
    let send = |body: &[u8]| {
        let method = if body.is_empty() { "GET" } else { "POST" };
        gateway.send(&raw::request(method, "/obtained/x", &headers, body))
    };
    let token = || upstream.requests().pop().and_then(|seen| seen.header("authorization").map(str::to_owned));
    let revoke = || refused.lock().expect("no panic").insert(token().expect("a token"));

    let bodies: [&[u8]; 3] = [b"", b"a body", &[b'x'; 60_000]];
    for body in bodies {
        assert_eq!(send(body).status(), 200);
        let first = token();
        revoke();
        let asked = upstream.requests().len();
        // Once in some seconds another one is had.
        let answer = eventually("another token is had", || Some(send(body)).filter(|answer| answer.status() == 200));
        assert_eq!(answer.body, body);
        assert_ne!(token(), first);
        assert!(upstream.requests().len() - asked >= 2);
        let record = gateway.audited("its record", |entry| {
            entry["id"].as_str() == answer.header("x-request-id") && entry["attempts"] == 2
        });
        assert_eq!((&record["outcome"], &record["status"]), (&"completed".into(), &200.into()));
    }
    // What cannot be sent twice is not, and its 401 is the client's.
    assert_eq!(send(&[b'x'; 200_000]).status(), 200);
    revoke();
    assert_eq!(send(&[b'x'; 200_000]).status(), 401);

    // A target that takes none is asked twice at most, and the server is not asked for each.
    is_strict.store(true, Ordering::Relaxed);
    let asked = upstream.requests().len();
    let statuses: Vec<u16> = (0..20).map(|_| send(b"").status()).collect();
    assert!(statuses.iter().all(|status| *status == 401), "{statuses:?}");
    assert!(upstream.requests().len() - asked <= 22, "{}", upstream.requests().len() - asked);
}

/// A server that replaces a refresh token at each use and takes none but the last: which that is, and all that it was handed.
struct Replacing {
    good: String,
    handed: Vec<String>,
}

impl Replacing {
    fn answer(&mut self, form: &[u8]) -> (u16, Value) {
        let form: HashMap<_, _> = form_urlencoded::parse(form).into_owned().collect();
        let token = form.get("refresh_token").cloned().unwrap_or_default();
        self.handed.push(token.clone());
        if form.get("grant_type").is_none_or(|grant| grant != "refresh_token") || token != self.good {
            return (400, json!({ "error": "invalid_grant" }));
        }
        self.good = format!("{token}+next");
        let access = format!("at-4711-{}", self.handed.len());
        (200, json!({ "access_token": access, "token_type": "Bearer", "expires_in": 3, "refresh_token": self.good }))
    }
}

#[test]
fn a_refresh_token_that_the_server_replaces_is_used_until_another_is_configured() {
    let state = Arc::new(Mutex::new(Replacing { good: "configured-refresh".to_owned(), handed: Vec::new() }));
    let server = Upstream::start({
        let state = Arc::clone(&state);
        move |request, wire| {
            let (status, answer) = state.lock().expect("no panic").answer(request.text().as_bytes());
            wire.json(status, &answer)
        }
    });
    let more = "client_id = \"x\"\ngrant = \"refresh_token\"\nrefresh_token = \"dir:client\"";
    let mut scene = start(&server.url(), "configured-refresh", more);
    scene.gateway.wait_until_ready();
    let handed = || state.lock().expect("no panic").handed.clone();
    eventually("it was replaced twice", || {
        assert_eq!(scene.get("/obtained/x").status(), 200, "nobody is refused meanwhile: {:?}", handed());
        (handed().len() > 2).then_some(())
    });
    let want = ["configured-refresh", "configured-refresh+next", "configured-refresh+next+next"];
    assert_eq!(handed()[..3], want, "each is handed in once");
    // A reload that changes nothing about it forgets nothing.
    let tables = tables(&server.url(), more) + "[limit.unused]\nby = \"client\"\nrequests = 1\n";
    let text =
        config(scene.gateway.site(), &scene.issuer, &scene.upstream, &Extra { tables: &tables, ..Extra::default() });
    scene.gateway.reload(&text);
    let count = handed().len();
    eventually("it goes on", || {
        assert_eq!(scene.get("/obtained/x").status(), 200, "{:?}", handed());
        (handed().len() > count).then_some(())
    });
    // Somebody began anew at the server, and configures what they were given.
    state.lock().expect("no panic").good = "another-refresh".to_owned();
    scene.gateway.site().write("secrets/client", "another-refresh");
    eventually("the configured one wins, and is replaced in turn", || {
        let last = handed().pop()?;
        (last == "another-refresh+next" && scene.get("/obtained/x").status() == 200).then_some(())
    });
    // None is configured any more: what was put in its place is no good either.
    fs::remove_file(scene.gateway.site().path("secrets/client")).expect("our file");
    eventually("the last token ends", || (scene.get("/obtained/x").status() == 503).then_some(()));
    let count = handed().len();
    eventually("that is told", || {
        scene.gateway.status()["secrets"].to_string().contains("no secret of this name").then_some(())
    });
    assert_eq!(handed().len(), count, "and nobody is asked");
    let log = scene.gateway.log();
    assert!(!log.contains("-refresh") && !log.contains("at-4711-"), "{log}");
}
