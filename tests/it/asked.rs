//! Authenticators that ask somebody over HTTP: what an answer is worth, for how long, and what an outage does.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::support::{
    eventually,
    gateway::{Gateway, Site},
    http1::Message,
    raw,
    tls::Authority,
    upstream::{Then, Upstream, Wire},
};

/// The proxy's own secret at the one who is asked.
const OWN: &str = "own-secret-5d1f";

type Script = Arc<Mutex<Box<dyn Fn(&Message, &mut Wire<'_>) -> io::Result<Then> + Send + Sync>>>;

/// One who is asked, and answers as the test says at the time.
struct Oracle {
    server: Upstream,
    script: Script,
}

impl Oracle {
    fn new(answer: impl Fn(&Message, &mut Wire<'_>) -> io::Result<Then> + Send + Sync + 'static) -> Self {
        let script: Script = Arc::new(Mutex::new(Box::new(answer)));
        let asked = Arc::clone(&script);
        let server = Upstream::start(move |request, wire| asked.lock().expect("no script panics")(request, wire));
        Self { server, script }
    }

    fn says(&self, status: u16, body: impl Into<String>) {
        let body = body.into();
        self.does(move |_, wire| wire.respond(status, &[], body.as_bytes()));
    }

    fn does(&self, answer: impl Fn(&Message, &mut Wire<'_>) -> io::Result<Then> + Send + Sync + 'static) {
        *self.script.lock().expect("no script panics") = Box::new(answer);
    }

    fn asks(&self) -> usize {
        self.server.requests().len()
    }
}

/// What an authorization server says of a token that is good for an hour.
fn active() -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    json!({"active": true, "sub": "ada", "aud": "claviger", "roles": ["user"], "exp": now + 3600})
}

/// An echo behind `/api/**`, for the role `user`, as this authenticator proves it.
fn config(site: &Site, upstream: &Upstream, authn: &str) -> String {
    site.write("secrets/own", OWN);
    let (admin, public, audit, url) = (site.admin, site.public, site.audit_path(), upstream.url());
    format!(
        "[server]\nthreads = 2\n[admin]\naddress = \"{admin}\"\n[audit]\npath = \"{audit}\"\n\
         [egress]\nallow = [\"127.0.0.0/8\"]\n[listen.public]\naddress = \"{public}\"\n\
         [vault.dir.directory]\npath = \"secrets\"\n[target.api]\nurl = \"{url}\"\n{authn}\n\
         [route.api]\npath = \"/api/**\"\ntarget = \"api\"\nauthn = [\"corp\"]\nallow = [{{ role = \"user\" }}]\n"
    )
}

fn introspection(oracle: &Oracle, more: &str) -> String {
    format!(
        "[authn.corp.introspection]\nurl = \"{}/introspect\"\nclient_id = \"claviger\"\nclient_secret = \"dir:own\"\n\
         audience = \"claviger\"\nroles = \"roles\"\n{more}",
        oracle.server.url()
    )
}

fn get(gateway: &Gateway, token: &str) -> Message {
    gateway.get("/api/x", &[("Host", "api.test"), ("Authorization", &format!("Bearer {token}"))])
}

fn code(response: &Message) -> (u16, String) {
    let code = if response.status() == 200 { String::new() } else { response.json()["code"].to_string() };
    (response.status(), code.trim_matches('"').to_owned())
}

fn detail(gateway: &Gateway, response: &Message) -> String {
    let id = response.header("x-request-id").expect("a request id").to_owned();
    let record = gateway.audited(&format!("the record of {id}"), |entry| entry["id"] == id.as_str());
    record["detail"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn only_a_plain_yes_lets_anybody_in_and_every_refusal_says_why_in_the_record() {
    let upstream = Upstream::echo();
    let oracle = Oracle::new(|_, wire| wire.json(200, &active()));
    let gateway = Gateway::start(|site| config(site, &upstream, &introspection(&oracle, "timeout = \"1s\"")));
    let changed = |key: &str, value: Value| {
        let mut answer = active();
        answer[key] = value;
        answer.to_string()
    };
    let twice = active().to_string().replacen('{', "{\"active\":false,", 1);
    let (away, invalid) = ((503, "unavailable"), (401, "credential_invalid"));
    for (nth, (what, status, body, want, why)) in [
        ("a plain yes", 200, active().to_string(), (200, ""), ""),
        ("an error", 500, active().to_string(), away, "authenticator"),
        ("our own secret refused", 401, "{}".to_owned(), away, "authenticator"),
        ("garbage", 200, "active=true".to_owned(), away, "authenticator"),
        ("a redirect", 302, active().to_string(), away, "authenticator"),
        ("too large", 200, changed("pad", "x".repeat(70_000).into()), away, "authenticator"),
        ("a key twice", 200, twice, away, "authenticator"),
        ("active as text", 200, changed("active", "true".into()), away, "authenticator"),
        ("a plain no", 200, changed("active", false.into()), invalid, "inactive"),
        ("for somebody else", 200, changed("aud", "other".into()), invalid, "audience"),
        ("over", 200, changed("exp", 1.into()), invalid, "expired"),
        ("a refresh token", 200, changed("token_type", "refresh_token".into()), invalid, "type"),
        ("without a role", 200, changed("roles", json!([])), (403, "not_allowed"), ""),
    ]
    .into_iter()
    .enumerate()
    {
        oracle.says(status, body);
        let response = get(&gateway, &format!("token-{nth}"));
        assert_eq!(code(&response), (want.0, want.1.to_owned()), "{what}");
        if response.status() != 403 {
            assert_eq!(detail(&gateway, &response), why, "{what}");
        }
    }
    let request = oracle.server.requests().remove(0);
    assert_eq!((request.method(), request.path()), ("POST", "/introspect"));
    assert_eq!(request.text(), "token=token-0&token_type_hint=access_token");
    assert_eq!(oracle.asks(), 13, "a redirect is not followed");
    assert_eq!(upstream.requests().len(), 1);
    assert!(upstream.requests()[0].header("authorization").is_none(), "the caller's token stays here");
    assert!(!gateway.log().contains("token-0") && !gateway.log().contains(OWN));
}

#[test]
fn a_hundred_callers_with_one_token_are_one_ask_and_nobody_waits_for_ever() {
    let upstream = Upstream::echo();
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let oracle = Oracle::new(move |_, wire| {
        eventually("the gate opens", || gate.load(Ordering::SeqCst).then_some(()));
        wire.json(200, &active())
    });
    let gateway = Gateway::start(|site| config(site, &upstream, &introspection(&oracle, "timeout = \"15s\"")));
    let public = gateway.public();
    thread::scope(|scope| {
        let callers: Vec<_> = (0..100)
            .map(|_| {
                let mut client = raw::Client::connect(public);
                client.send(&raw::request("GET", "/api/x", &[("Host", "a"), ("Authorization", "Bearer same")], b""));
                scope.spawn(move || client.response().status())
            })
            .collect();
        eventually("the one ask is there", || (oracle.asks() == 1).then_some(()));
        open.store(true, Ordering::SeqCst);
        for caller in callers {
            assert_eq!(caller.join().expect("no panic"), 200);
        }
    });
    assert_eq!(oracle.asks(), 1);
    assert_eq!(get(&gateway, "same").status(), 200);
    assert_eq!(oracle.asks(), 1, "the answer holds");
    assert_eq!(get(&gateway, "samf").status(), 200);
    assert_eq!(oracle.asks(), 2, "for this token alone");

    gateway.reload(&config(gateway.site(), &upstream, &introspection(&oracle, "timeout = \"15s\"")));
    assert_eq!(
        (get(&gateway, "same").status(), oracle.asks()),
        (200, 2),
        "a reload that changes nothing keeps answers"
    );
    gateway.reload(&config(gateway.site(), &upstream, &introspection(&oracle, "timeout = \"500ms\"")));
    assert_eq!((get(&gateway, "same").status(), oracle.asks()), (200, 3), "with other settings they are void");

    oracle.does(|_, wire| wire.until_closed());
    let began = Instant::now();
    assert_eq!(code(&get(&gateway, "slow")), (503, "unavailable".to_owned()));
    assert!((Duration::from_millis(400)..Duration::from_secs(5)).contains(&began.elapsed()), "{:?}", began.elapsed());
}

#[test]
fn a_revoked_token_is_refused_within_the_cache() {
    let upstream = Upstream::echo();
    let oracle = Oracle::new(|_, wire| wire.json(200, &active()));
    let gateway = Gateway::start(|site| config(site, &upstream, &introspection(&oracle, "cache = \"2s\"")));
    assert_eq!(get(&gateway, "t").status(), 200);
    oracle.says(200, r#"{"active":false}"#);
    let revoked = Instant::now();
    eventually("the revocation is in force", || (get(&gateway, "t").status() == 401).then_some(()));
    assert!(revoked.elapsed() < Duration::from_secs(4), "{:?}", revoked.elapsed());

    gateway.reload(&config(gateway.site(), &upstream, &introspection(&oracle, "cache = \"0s\"")));
    oracle.says(200, active().to_string());
    assert_eq!(get(&gateway, "t").status(), 200);
    oracle.says(200, r#"{"active":false}"#);
    assert_eq!(code(&get(&gateway, "t")), (401, "credential_invalid".to_owned()), "without a cache, at once");
}

#[test]
fn an_outage_refuses_the_unknown_and_ends_the_known_in_time() {
    let upstream = Upstream::echo();
    let oracle = Oracle::new(|_, wire| wire.json(200, &active()));
    let gateway = Gateway::start(|site| config(site, &upstream, &introspection(&oracle, "cache = \"3s\"")));
    let asked = Instant::now();
    assert_eq!(get(&gateway, "known").status(), 200);
    oracle.does(|_, _| Ok(Then::Close));
    assert_eq!(code(&get(&gateway, "unknown")), (503, "unavailable".to_owned()));
    if asked.elapsed() < Duration::from_secs(2) {
        let known = get(&gateway, "known").status();
        assert!(known == 200 || asked.elapsed() > Duration::from_secs(3), "{known}: what is known lives on");
    }
    eventually("what is known has ended", || (get(&gateway, "known").status() == 503).then_some(()));
    assert!(asked.elapsed() < Duration::from_secs(6), "{:?}", asked.elapsed());
    drop(oracle);
    assert_eq!(code(&get(&gateway, "known")), (503, "unavailable".to_owned()));
}

#[test]
fn a_new_secret_of_the_proxy_is_in_use_at_once() {
    let upstream = Upstream::echo();
    let oracle = Oracle::new(|_, wire| wire.json(200, &active()));
    let way = "client_auth = \"post\"\ncache = \"0s\"";
    let gateway = Gateway::start(|site| config(site, &upstream, &introspection(&oracle, way)));
    assert_eq!(get(&gateway, "t").status(), 200);
    assert!(oracle.server.requests()[0].text().ends_with(&format!("client_id=claviger&client_secret={OWN}")));
    gateway.site().write("secrets/own", "another");
    eventually("the new secret is sent", || {
        assert_eq!(get(&gateway, "t").status(), 200);
        oracle.server.requests().last()?.text().ends_with("client_secret=another").then_some(())
    });
}

#[test]
fn a_cluster_is_asked_over_tls_that_its_own_authority_vouches_for() {
    let upstream = Upstream::echo();
    let (ours, other) = (Authority::new("cluster"), Authority::new("elsewhere"));
    let cluster = Upstream::start_tls(ours.serving(&ours.server(&["localhost"]), false), |request, wire| {
        let asked = request.json();
        let is_good = asked["spec"]["token"] == "good";
        wire.json(
            201,
            &json!({
                "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {}, "spec": asked["spec"],
                "status": {
                    "authenticated": is_good, "audiences": ["claviger"],
                    "user": {"username": "system:serviceaccount:shop:billing", "groups": ["user"]},
                },
            }),
        )
    });
    let authn = |ca: &str| {
        format!(
            "[authn.corp.token_review]\nurl = \"https://localhost:{}\"\naudience = \"claviger\"\n\
             token_file = \"secrets/own\"\nca = \"{ca}\"\ncache = \"0s\"\n",
            cluster.address().port()
        )
    };
    let gateway = Gateway::start(|site| {
        site.write("ours.pem", ours.pem());
        site.write("other.pem", other.pem());
        config(site, &upstream, &authn("ours.pem"))
    });
    assert_eq!(get(&gateway, "good").status(), 200);
    assert_eq!(code(&get(&gateway, "bad")), (401, "credential_invalid".to_owned()));
    let request = cluster.requests().remove(0);
    assert_eq!(request.path(), "/apis/authentication.k8s.io/v1/tokenreviews");
    assert_eq!(request.header("authorization"), Some(&*format!("Bearer {OWN}")));
    gateway.site().write("secrets/own", "rotated\n");
    assert_eq!(get(&gateway, "good").status(), 200);
    assert_eq!(cluster.requests().pop().expect("asked").header("authorization"), Some("Bearer rotated"));

    gateway.reload(&config(gateway.site(), &upstream, &authn("other.pem")));
    assert_eq!(code(&get(&gateway, "good")), (503, "unavailable".to_owned()), "a server that anybody could be");
}

#[test]
fn a_service_is_asked_about_any_scheme_and_the_credential_stays_here() {
    let upstream = Upstream::echo();
    let oracle = Oracle::new(|request, wire| match request.header("x-session") {
        Some("good") => wire.respond(200, &[("X-User", "ada"), ("X-Roles", "user, other")], b"ignored"),
        Some("nameless") => wire.respond(200, &[("X-Roles", "user")], b""),
        _ => wire.respond(403, &[("X-User", "ada"), ("X-Roles", "user")], b""),
    });
    let authn = format!(
        "[authn.corp.forward_auth]\nurl = \"{}/check?x=1\"\ncredential_headers = [\"X-Session\"]\n\
         request_headers = [\"X-Device\"]\nid_header = \"X-User\"\nroles_header = \"X-Roles\"\n",
        oracle.server.url()
    );
    let gateway = Gateway::start(|site| config(site, &upstream, &authn));
    let ask = |session: &str, more: &[(&str, &str)]| {
        let headers = [&[("Host", "API.test:80"), ("X-Session", session)][..], more].concat();
        gateway.get("/api/%61b?secret=1", &headers)
    };
    let spoofed = [("X-Device", "phone"), ("X-Forwarded-Uri", "/public"), ("X-User", "root"), ("X-Roles", "admin")];
    assert_eq!(ask("good", &spoofed).status(), 200);
    let asked = oracle.server.requests().remove(0);
    assert_eq!((asked.method(), asked.path()), ("GET", "/check?x=1"));
    for (name, want) in [
        ("x-session", vec!["good"]),
        ("x-device", vec!["phone"]),
        ("x-forwarded-method", vec!["GET"]),
        ("x-forwarded-host", vec!["api.test"]),
        ("x-forwarded-uri", vec!["/api/ab"]),
        ("x-forwarded-for", vec!["127.0.0.1"]),
        ("x-user", vec![]),
    ] {
        assert_eq!(asked.all(name), want, "{name}");
    }
    assert!(upstream.requests()[0].header("x-session").is_none(), "the credential stays here");
    for (session, more, want) in [
        ("bad", &[][..], (401, "credential_invalid")),
        ("nameless", &[], (503, "unavailable")),
        ("good", &[("X-Session", "bad")], (401, "credential_ambiguous")),
        ("good", &[("Authorization", "Bearer x")], (401, "credential_ambiguous")),
    ] {
        assert_eq!(code(&ask(session, more)), (want.0, want.1.to_owned()), "{session} {more:?}");
    }
    assert_eq!(oracle.asks(), 3, "what is ambiguous is not asked about");
    assert_eq!(ask("good", &[]).status(), 200);
    assert_eq!(oracle.asks(), 4, "without `cache`, each request is asked about");
    assert_eq!(upstream.requests().len(), 2);
}

/// Fault 15 of a gateway: one who is asked is slow, or says what is not so.
#[test]
fn one_who_is_slow_or_lies_denies_in_time_and_harms_nobody_else() {
    let upstream = Upstream::echo();
    let oracle = Oracle::new(|_, wire| wire.until_closed());
    let caller = crate::support::setup::alice();
    let tables = format!(
        "{}timeout = \"1s\"\n{}[route.beside]\npath = \"/beside/**\"\ntarget = \"api\"\nauthn = [\"keys\"]\n\
         allow = [{{ role = \"user\" }}]\n",
        introspection(&oracle, ""),
        caller.entry(),
    );
    let gateway = Gateway::start(|site| config(site, &upstream, &tables));
    let beside = || {
        let began = Instant::now();
        let response = gateway.get("/beside/x", &[("Host", "a"), ("Authorization", &caller.bearer())]);
        assert_eq!(response.status(), 200);
        began.elapsed()
    };
    let resident = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).expect("our child");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its highest resident size");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
    };
    beside();
    let at_first = resident();
    let public = gateway.public();
    let slow = |n: usize| {
        let began = Instant::now();
        let mut client = raw::Client::connect(public);
        let bearer = format!("Bearer slow-{n}");
        client.send(&raw::request("GET", "/api/x", &[("Host", "a"), ("Authorization", &bearer)], b""));
        (client.response().status(), began.elapsed())
    };
    thread::scope(|scope| {
        let callers: Vec<_> = (0..100).map(|n| scope.spawn(move || slow(n))).collect();
        eventually("somebody is asked", || (oracle.asks() > 0).then_some(()));
        let mut waits: Vec<_> = (0..50).map(|_| beside()).collect();
        waits.sort();
        assert!(waits[25] < Duration::from_millis(200), "others are served as ever: {waits:?}");
        for caller in callers {
            let (status, took) = caller.join().expect("no panic");
            assert_eq!(status, 503);
            assert!(took < Duration::from_secs(6), "within the timeout and what a busy machine adds: {took:?}");
        }
    });
    let refused = || gateway.audit().iter().filter(|record| record["detail"] == "authenticator").count();
    // Records are written after the answers.
    eventually("each has its record", || (refused() == 100).then_some(()));
    let lie = |what: &str, body: Vec<u8>| {
        oracle.does(move |_, wire| wire.respond(200, &[("Content-Type", "application/json")], &body));
        code(&get(&gateway, what))
    };
    let away = (503, "unavailable".to_owned());
    let mut other = active();
    other["aud"] = json!("other");
    assert_eq!(lie("for-another", other.to_string().into()), (401, "credential_invalid".to_owned()));
    assert_eq!(lie("html", b"<html>{\"active\":true,\"sub\":\"ada\",\"roles\":[\"user\"]}</html>".to_vec()), away);
    let mut padded = active();
    padded["pad"] = json!("x".repeat(10 << 20));
    for n in 0..5 {
        assert_eq!(lie(&format!("huge-{n}"), padded.to_string().into()), away);
    }
    assert!(upstream.requests().iter().all(|request| request.path().starts_with("/x")), "as the target has it");
    assert_eq!(upstream.requests().len(), 51, "the others' alone");
    let grown = resident().saturating_sub(at_first);
    assert!(grown < 32 * 1024, "{grown} KiB");
    oracle.says(200, active().to_string());
    assert_eq!(get(&gateway, "honest-again").status(), 200, "and it recovers by itself");
}
