//! Issuers that are slow, say what makes no sense, redirect, or are away: at the start, and later.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::support::{
    eventually,
    gateway::{Gateway, Site, free_address},
    issuer::{AUDIENCE, DISCOVERY_PATH, Fault, Issuer, JWKS_PATH, discovery},
    load::within,
    raw,
    scene::code,
    setup::{Parts, alice, config},
    upstream::{Then, Upstream},
};

/// A fault of the answers for both documents.
fn says(status: u16, headers: &'static [(&'static str, &'static str)], body: impl Into<String>) -> Fault {
    let body = body.into();
    Arc::new(move |_, wire| wire.respond(status, headers, body.as_bytes()))
}

/// 64 MiB of blanks, packed into about 64 KiB.
fn says_packed() -> Fault {
    let output = std::process::Command::new("sh")
        .args(["-c", "head -c 67108864 /dev/zero | tr '\\0' ' ' | gzip -9"])
        .output()
        .expect("gzip, which Debian always has");
    assert!(output.stdout.len() > 10_000 && output.stdout.len() < 100_000, "{}", output.stdout.len());
    let headers = [("Content-Type", "application/json"), ("Content-Encoding", "gzip")];
    Arc::new(move |_, wire| wire.respond(200, &headers, &output.stdout))
}

/// A discovery document with this member changed, and sound keys behind it.
fn discovers(issuer: &Issuer, member: &'static str, value: &str) -> Fault {
    let (url, keys, value) = (issuer.url(), issuer.jwks(), value.to_owned());
    Arc::new(move |request, wire| {
        let mut document = discovery(&url);
        document[member] = json!(value);
        wire.json(200, if request.path() == DISCOVERY_PATH { &document } else { &keys })
    })
}

/// Every way to fail, each of an issuer of its own.
fn broken() -> Vec<(&'static str, Issuer, Fault)> {
    let redirect = [("Location", JWKS_PATH)];
    let elsewhere = Issuer::start();
    let huge = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(1 << 20));
    let mut all: Vec<(&str, Issuer, Fault)> = Vec::new();
    for (what, fault) in [
        ("silence", Arc::new(|_: &_, wire: &mut crate::support::upstream::Wire<'_>| wire.until_closed()) as Fault),
        ("the end of the connection", Arc::new(|_: &_, _: &mut _| Ok(Then::Close))),
        ("an error", says(500, &[], "{}")),
        ("a redirect", Arc::new(move |_: &_, wire: &mut _| wire.respond(302, &redirect, b""))),
        ("garbage", says(200, &[], "garbage")),
        ("HTML", says(200, &[("Content-Type", "text/html")], "<html>Sign in</html>")),
        ("nothing", says(200, &[], "")),
        ("more than 1 MiB", says(200, &[], huge)),
        ("a bomb", says_packed()),
        ("redirects in a circle", says(307, &[("Location", DISCOVERY_PATH)], "")),
    ] {
        all.push((what, Issuer::start(), fault));
    }
    let keys = |body: &'static str| -> Fault {
        Arc::new(move |request, wire| match request.path() {
            DISCOVERY_PATH => {
                let base = format!("http://{}", request.header("host").unwrap_or_default());
                wire.json(200, &discovery(&base))
            }
            _ => wire.respond(200, &[], body.as_bytes()),
        })
    };
    all.push(("keys of no sort", Issuer::start(), keys("{}")));
    all.push(("keys twice", Issuer::start(), keys("{\"keys\":[],\"keys\":[]}")));
    let issuer = Issuer::start();
    let fault = discovers(&issuer, "issuer", &elsewhere.url());
    all.push(("another issuer's document", issuer, fault));
    let issuer = Issuer::start();
    let fault = discovers(&issuer, "jwks_uri", &elsewhere.jwks_url());
    all.push(("keys in the clear from another origin", issuer, fault));
    let issuer = Issuer::start();
    let fault = discovers(&issuer, "jwks_uri", "file:///etc/passwd");
    all.push(("keys from a file", issuer, fault));
    all
}

fn gateway(site: &Site, upstream: &Upstream, issuers: &[String]) -> String {
    let tables: String = issuers
        .iter()
        .enumerate()
        .map(|(n, issuer)| {
            format!(
                "[authn.i{n}.jwt]\nissuer = \"{issuer}\"\naudience = \"{AUDIENCE}\"\n[route.i{n}]\npath = \"/{n}/**\"\n\
                 target = \"api\"\nauthn = [\"i{n}\"]\nallow = [{{ scope = \"read\" }}]\n"
            )
        })
        .collect();
    config(site, upstream, &Parts { more: &tables, ..Parts::default() })
}

/// A token that was never seen.
fn token(issuer: &Issuer, kid: &str) -> String {
    let mut claims = issuer.claims("ada");
    (claims["scope"], claims["jti"]) = (json!("read"), json!(uuid::Uuid::now_v7().to_string()));
    issuer.sign(&json!({"alg": "ES256", "kid": kid}), &claims)
}

#[test]
fn an_issuer_that_fails_is_a_503_for_its_own_callers_and_keys_once_had_outlive_it() {
    let issuers = broken();
    for (_, issuer, fault) in &issuers {
        issuer.fails(Some(Arc::clone(fault)));
    }
    // One more, at whose address nobody listens.
    let down = format!("http://{}", free_address());
    let urls: Vec<_> = issuers.iter().map(|(_, issuer, _)| issuer.url()).chain([down]).collect();
    let upstream = Upstream::echo();
    let gateway = Gateway::spawn(|site| gateway(site, &upstream, &urls));
    eventually("it serves", || raw::Client::try_connect(gateway.public()).ok().map(drop));
    let highest = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).expect("our child");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its highest resident size");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
    };
    let at_first = highest();
    let ask = |n: usize, token: &str| {
        let began = Instant::now();
        let response = gateway.get(&format!("/{n}/x"), &[("Authorization", &format!("Bearer {token}"))]);
        let id = response.header("x-request-id").expect("an id").to_owned();
        let record = gateway.audited("the record", |record| record["id"] == *id);
        assert!(began.elapsed() < Duration::from_secs(5), "nobody waits for an issuer: {:?}", began.elapsed());
        let said = if response.status() == 200 { String::new() } else { code(&response) };
        (response.status(), said, record["detail"].as_str().unwrap_or_default().to_owned())
    };
    let good = || (200, String::new(), String::new());
    let away = || (503, "unavailable".to_owned(), "issuer_keys".to_owned());
    for (n, (what, issuer, _)) in issuers.iter().enumerate() {
        assert_eq!(ask(n, &token(issuer, "ec")), away(), "{what}");
    }
    let (_, first, _) = &issuers[0];
    let mut claims = first.claims("ada");
    claims["iss"] = json!(urls[issuers.len()]);
    assert_eq!(ask(issuers.len(), &first.token(&claims)), away(), "down");
    assert_eq!(ask(0, "x.y.z").0, 401, "what is no token is none, whoever is away");
    assert!(upstream.requests().is_empty());
    assert_eq!(gateway.get("/api/x", &[("Authorization", &alice().bearer())]).status(), 200, "others are served");
    assert_eq!(gateway.try_admin("/ready").map(|response| response.status()), Some(503));

    // Nobody reloads anything.
    for (_, issuer, _) in &issuers {
        issuer.fails(None);
    }
    let mut known = Vec::new();
    for (n, (what, issuer, _)) in issuers.iter().enumerate() {
        let token = token(issuer, "ec");
        // Tried again after 1, 2, 4, ... s, of which a slow machine may have seen some.
        within(Duration::from_secs(60), &format!("keys are there after {what}"), || ask(n, &token) == good());
        known.push(token);
    }

    for (_, issuer, fault) in &issuers {
        issuer.fails(Some(Arc::clone(fault)));
    }
    let before: Vec<_> = issuers.iter().map(|(_, issuer, _)| issuer.asks()).collect();
    for (n, (what, issuer, _)) in issuers.iter().enumerate() {
        // A key that is not known has the set fetched again, now of an issuer that fails.
        let (status, _, detail) = ask(n, &token(issuer, "new"));
        assert_eq!((status, &*detail), (401, "unknown_key"), "{what}");
    }
    for ((what, issuer, _), before) in issuers.iter().zip(before) {
        eventually(&format!("the issuer of {what} was asked again"), || (issuer.asks() > before).then_some(()));
    }
    for (n, (what, issuer, _)) in issuers.iter().enumerate() {
        assert_eq!(ask(n, &known[n]), good(), "{what}: what was proved before");
        assert_eq!(ask(n, &token(issuer, "ec")), good(), "{what}: what the last good keys prove");
    }
    let config = std::fs::read_to_string(gateway.site().config_path()).expect("the configuration");
    let changed = config.replace("\naudience = ", "\nleeway = \"7s\"\naudience = ");
    assert_ne!(changed, config);
    gateway.reload(&changed);
    for (n, (what, issuer, _)) in issuers.iter().enumerate() {
        assert_eq!(ask(n, &token(issuer, "ec")), good(), "{what}: by keys from before the reload");
    }
    let grown = highest().saturating_sub(at_first);
    assert!(grown < 32 * 1024, "{grown} KiB for answers of which none is taken beyond 1 MiB");
}
