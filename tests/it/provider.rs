//! Tokens of a certified OpenID provider, as its clients get them.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use jsonwebtoken::{Algorithm, EncodingKey, jwk::Jwk};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::json;

use crate::support::{
    gateway::{Gateway, Site},
    issuer::{AUDIENCE, Issuer},
    load::{Load, within},
    mutual::TLS,
    proof::ProofKey,
    provider::Provider,
    raw::{Client, request},
    setup::{Parts, config},
    tls::{Authority, Identity},
    upstream::Upstream,
};

/// A gateway whose `/op/**` takes tokens of this issuer with the scope `read`.
fn gateway(site: &Site, upstream: &Upstream, issuer: &str, jwt: &str) -> String {
    gateway_at("", site, upstream, issuer, jwt)
}

/// The same with these lines in its listener's table.
fn gateway_at(listen: &str, site: &Site, upstream: &Upstream, issuer: &str, jwt: &str) -> String {
    let more = format!(
        "[authn.op.jwt]\nissuer = \"{issuer}\"\naudience = \"{AUDIENCE}\"\nkind = \"service\"\n{jwt}\n\
         [route.op]\npath = \"/op/**\"\ntarget = \"api\"\ncredential = \"api\"\nauthn = [\"op\"]\n\
         allow = [{{ scope = \"read\" }}]\n"
    );
    config(site, upstream, &Parts { more: &more, listen, ..Parts::default() })
}

#[test]
fn a_token_of_a_certified_provider_is_found_good_by_discovery_alone() {
    let Some(provider) = Provider::start() else { return };
    let upstream = Upstream::echo();
    let gateway = Gateway::start(|site| gateway(site, &upstream, &provider.issuer, "profile = \"at+jwt\""));
    let token = provider.token("plain", &[]);
    let response = gateway.get("/op/x", &[("Authorization", &format!("Bearer {token}"))]);
    assert_eq!(response.status(), 200, "{}", response.text());
    let record = gateway.audited("the record", |record| record["path"] == "/op/x");
    assert_eq!((&record["principal"], &record["principal_kind"]), (&json!("plain"), &json!("service")));
    let (signed, _) = token.rsplit_once('.').expect("a JWS");
    let (_, signature) =
        provider.token("plain", &[]).rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).expect("a JWS");
    let forged = format!("Bearer {signed}.{signature}");
    assert_eq!(gateway.get("/op/x", &[("Authorization", &forged)]).status(), 401, "another token's signature");
}

#[test]
fn a_token_bound_to_a_key_needs_a_new_proof_for_each_request() {
    let Some(provider) = Provider::start() else { return };
    let upstream = Upstream::echo();
    let gateway = Gateway::start(|site| gateway(site, &upstream, &provider.issuer, "dpop_nonce = true"));
    let key = ProofKey::new();
    let at_token = key.proof("POST", &format!("{}/token", provider.issuer), None, None);
    let token = provider.token("bound", &[("DPoP", &at_token)]);
    let url = "http://gateway.test/op/x";
    let (dpop, bearer) = (format!("DPoP {token}"), format!("Bearer {token}"));
    let ask = |value: &str, proof: Option<&str>| {
        let mut headers = vec![("Authorization", value)];
        headers.extend(proof.map(|proof| ("DPoP", proof)));
        gateway.get("/op/x", &headers)
    };
    assert_eq!(ask(&bearer, None).status(), 401, "as a bearer token it is worth nothing");
    assert_eq!(ask(&dpop, None).status(), 401, "without a proof");
    let unproved = ask(&dpop, None);
    assert!(unproved.header("www-authenticate").is_some_and(|value| value.contains("invalid_dpop_proof")));
    let challenged = ask(&dpop, Some(&key.proof("GET", url, Some(&token), None)));
    assert_eq!(challenged.status(), 401, "without a nonce");
    assert!(challenged.header("www-authenticate").is_some_and(|value| value.contains("use_dpop_nonce")));
    let nonce = challenged.header("dpop-nonce").expect("a nonce").to_owned();
    let proof = key.proof("GET", url, Some(&token), Some(&nonce));
    let response = ask(&dpop, Some(&proof));
    assert_eq!(response.status(), 200, "{}", response.text());
    assert_eq!(response.header("dpop-nonce"), None);
    assert_eq!(ask(&dpop, Some(&proof)).status(), 401, "a second time");
    let details = |detail: &str| gateway.audited(detail, |record| record["detail"] == detail);
    for detail in ["binding", "proof_missing", "proof_nonce", "proof_replay"] {
        details(detail);
    }
    for (what, proof) in [
        ("another's key", ProofKey::new().proof("GET", url, Some(&token), Some(&nonce))),
        ("another method", key.proof("POST", url, Some(&token), Some(&nonce))),
        ("another path", key.proof("GET", "http://gateway.test/op/y", Some(&token), Some(&nonce))),
        ("another token", key.proof("GET", url, Some("x"), Some(&nonce))),
    ] {
        assert_eq!(ask(&dpop, Some(&proof)).status(), 401, "{what}");
    }
    assert_eq!(ask(&dpop, Some(&key.proof("GET", url, Some(&token), Some(&nonce)))).status(), 200);
    for request in upstream.requests() {
        assert_eq!((request.header("dpop"), request.text().contains(&token)), (None, false), "neither goes upstream");
    }
}

/// A gateway that asks this provider, as three clients of it that prove themselves each in its own way, and as one that cannot.
fn asking(site: &Site, upstream: &Upstream, issuer: &str) -> String {
    site.write("secrets/basic", "secret:of/gate +100%");
    site.write("secrets/post", "secret-of-gate-post");
    let ways = [
        ("basic", "gate-basic", "client_auth = \"basic\"\nclient_secret = \"files:basic\"".to_owned()),
        ("post", "gate-post", "client_auth = \"post\"\nclient_secret = \"files:post\"".to_owned()),
        (
            "key",
            "gate-key",
            format!(
                "client_auth = \"private_key_jwt\"\nprivate_key = \"files:key\"\nsigning_algorithm = \"ES256\"\n\
                 assertion_audience = \"{issuer}\""
            ),
        ),
        ("wrong", "gate-post", "client_auth = \"post\"\nclient_secret = \"files:basic\"".to_owned()),
    ];
    let tables = ways.map(|(name, id, auth)| {
        format!(
            "[authn.{name}.introspection]\nurl = \"{issuer}/token/introspection\"\nissuer = \"{issuer}\"\n\
             client_id = \"{id}\"\n{auth}\nid = \"client_id\"\nkind = \"service\"\ncache = \"2s\"\nany_audience = true\n\
             [route.{name}]\npath = \"/{name}/**\"\ntarget = \"api\"\nauthn = [\"{name}\"]\n\
             allow = [{{ scope = \"read\" }}]\n"
        )
    });
    config(site, upstream, &Parts { more: &tables.concat(), ..Parts::default() })
}

#[test]
fn an_opaque_token_is_good_for_as_long_as_its_provider_says() {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).expect("PKCS#8");
    let jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).expect("a public half");
    let jwk = serde_json::to_string(&jwk).expect("JSON");
    let Some(provider) = Provider::start_with(&[("GATE_KEY", &jwk)]) else { return };
    let upstream = Upstream::echo();
    let gateway = Gateway::start(|site| {
        site.write("secrets/key", pair.serialize_pem());
        asking(site, &upstream, &provider.issuer)
    });
    let ask = |way: &str, token: &str| {
        let response = gateway.get(&format!("/{way}/x"), &[("Authorization", &format!("Bearer {token}"))]);
        let id = response.header("x-request-id").expect("an id").to_owned();
        let record = gateway.audited("the record", |record| record["id"] == *id);
        (response.status(), record["detail"].as_str().unwrap_or_default().to_owned())
    };
    let refused = |detail: &str| (401, detail.to_owned());
    let token = provider.opaque_token("plain", &[]);
    assert!(!token.contains('.'), "it is opaque: {token}");
    for way in ["basic", "post", "key"] {
        assert_eq!(ask(way, &token), (200, String::new()), "{way}");
        assert_eq!(ask(way, "unknown"), refused("inactive"), "{way}");
    }
    assert_eq!(ask("wrong", &token), (503, "authenticator".to_owned()), "the provider does not know this client");
    let record = gateway.audited("the record", |record| record["path"] == "/key/x" && record["status"] == 200);
    assert_eq!((&record["principal"], &record["principal_kind"]), (&json!("plain"), &json!("service")));

    let key = ProofKey::new();
    let at_token = key.proof("POST", &format!("{}/token", provider.issuer), None, None);
    let bound = provider.opaque_token("bound", &[("DPoP", &at_token)]);
    assert_eq!(ask("key", &bound), refused("binding"), "bound to a key, and none is shown");
    let proof = key.proof("GET", "http://gateway.test/key/x", Some(&bound), None);
    let headers = [("Authorization", &*format!("DPoP {bound}")), ("DPoP", &*proof)];
    assert_eq!(gateway.get("/key/x", &headers).status(), 200);

    let other = provider.opaque_token("plain", &[]);
    assert_eq!(ask("key", &other), (200, String::new()));
    provider.revoke("plain", &token);
    let revoked = Instant::now();
    for way in ["basic", "post", "key"] {
        crate::support::eventually("the revocation is in force", || {
            (ask(way, &token) == refused("inactive")).then_some(())
        });
    }
    assert!(revoked.elapsed() < Duration::from_secs(4), "{:?}, where answers hold for 2 s", revoked.elapsed());
    assert_eq!(ask("key", &other), (200, String::new()), "another token of the same client is as good as before");
    let log = gateway.log();
    assert!(!log.contains(&token) && !log.contains("secret:of/gate"), "{log}");
}

#[test]
fn a_token_that_a_provider_bound_to_a_certificate_is_good_with_that_one_alone() {
    let (authority, clients) = (Authority::new("servers"), Authority::new("clients"));
    let identity = authority.server(&["127.0.0.1", "gateway.test"]);
    let (certificate, key) = (identity.certificate_pem(), identity.key_pem());
    let Some(provider) = Provider::start_with(&[("TLS_CERTIFICATE", &certificate), ("TLS_KEY", &key)]) else { return };
    let upstream = Upstream::echo();
    let gateway = Gateway::start(|site| {
        site.write("cert.pem", &certificate);
        site.write("key.pem", &key);
        let listen = format!("{TLS}client_certificate = \"ask\"");
        gateway_at(&listen, site, &upstream, &provider.issuer, "profile = \"at+jwt\"")
    });
    let (job, other) = (clients.client("job", &[]), clients.client("job", &[]));
    let token = provider.token_over(authority.trusting_client(Some(&job)), "certified");
    let ask = |identity: Option<&Identity>| {
        let tls = authority.trusting_client(identity);
        let mut client = Client::connect_tls(gateway.public(), "gateway.test", tls).expect("a handshake");
        client.send(&request("GET", "/op/x", &[("Authorization", &format!("Bearer {token}"))], b"")).response().status()
    };
    assert_eq!((ask(Some(&job)), ask(Some(&other)), ask(None)), (200, 401, 401));
    gateway.audited("the refusal", |record| record["detail"] == "binding");
    assert_eq!(upstream.requests().len(), 1);
}

/// The provider publishes a key before it signs with it, and keeps the old one in the set while its tokens live.
#[test]
fn keys_that_change_under_load_refuse_no_good_token_and_a_retired_key_proves_nothing() {
    let Some(provider) = Provider::start() else { return };
    let upstream = Upstream::echo();
    let gateway = Gateway::start(|site| gateway(site, &upstream, &provider.issuer, ""));
    let old = format!("Bearer {}", provider.token("plain", &[]));
    let current = Arc::new(Mutex::new(old.clone()));
    let used = Arc::clone(&current);
    let load = Load::start(
        2,
        gateway.public(),
        move |_, _| request("GET", "/op/x", &[("Authorization", &used.lock().expect("lock"))], b""),
        |response| response.status(),
    );
    load.wait_for(50);
    let ask = |bearer: &str| gateway.get("/op/y", &[("Authorization", bearer)]).status();
    provider.control("publish");
    provider.control("switch");
    // The first use of a key that is not known yet has it fetched; the load goes on with the old one meanwhile.
    let new = format!("Bearer {}", provider.token("plain", &[]));
    crate::support::eventually("the new key is known", || (ask(&new) == 200).then_some(()));
    assert_eq!(ask(&old), 200, "the old one is in the set still");
    current.lock().expect("lock").clone_from(&new);
    load.wait_for(50);
    provider.control("retire");
    provider.control("publish");
    provider.control("switch");
    let third = format!("Bearer {}", provider.token("plain", &[]));
    // An unknown key is asked for once in 30 s.
    let began = Instant::now();
    while ask(&third) != 200 {
        assert!(began.elapsed() < Duration::from_secs(40), "the third key is known");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!((ask(&old), ask(&new)), (401, 200), "the retired key proves nothing, remembered or not");
    let tally = load.stop();
    assert!(tally.answers.iter().all(|status| *status == 200), "no good token was refused");
    assert!(tally.failures.is_empty(), "{:?}", tally.failures);
}

/// No request with an unknown key has the set fetched before its time here.
#[test]
fn a_key_that_the_provider_took_back_proves_nothing_after_the_configured_time() {
    let Some(provider) = Provider::start() else { return };
    let upstream = Upstream::echo();
    let gateway = Gateway::start(|site| gateway(site, &upstream, &provider.issuer, "keys_refresh = \"2s\""));
    let ask = |bearer: &str| gateway.get("/op/y", &[("Authorization", bearer)]).status();
    let old = format!("Bearer {}", provider.token("plain", &[]));
    assert_eq!(ask(&old), 200);
    provider.control("publish");
    provider.control("switch");
    let new = format!("Bearer {}", provider.token("plain", &[]));
    crate::support::eventually("the new key is known", || (ask(&new) == 200).then_some(()));
    let bearer = new.clone();
    let load = Load::start(
        2,
        gateway.public(),
        move |_, _| request("GET", "/op/x", &[("Authorization", &bearer)], b""),
        |response| response.status(),
    );
    load.wait_for(50);
    assert_eq!(ask(&old), 200, "the old one is in the set still");
    provider.control("retire");
    let retired = Instant::now();
    while ask(&old) == 200 {
        // The time to fetch comes on top, on a machine that is busy.
        assert!(retired.elapsed() < Duration::from_secs(4), "it proves callers {:?} later", retired.elapsed());
    }
    let refused = gateway.audited("the refusal", |record| record["path"] == "/op/y" && record["outcome"] == "denied");
    assert_eq!(refused["detail"], "unknown_key");
    load.wait_for(50);
    let tally = load.stop();
    assert!(tally.answers.iter().all(|status| *status == 200), "no good token was refused");
    assert!(tally.failures.is_empty(), "{:?}", tally.failures);
}

/// Whoever can be proved without asking the provider is not refused while it fails. Who has to be asked about is, in time and for no
/// longer than it fails.
#[test]
fn a_provider_that_fails_in_whatever_way_refuses_nobody_who_is_proved_without_it_and_proves_nobody() {
    let Some(provider) = Provider::start() else { return };
    let upstream = Upstream::echo();
    let opaque = format!(
        "keys_refresh = \"1s\"\n[authn.opaque.introspection]\nurl = \"{0}/token/introspection\"\nissuer = \"{0}\"\n\
         client_id = \"gate-post\"\nclient_auth = \"post\"\nclient_secret = \"files:post\"\nid = \"client_id\"\n\
         any_audience = true\ncache = \"0s\"\ntimeout = \"1s\"\n[route.opaque]\npath = \"/opaque/**\"\ntarget = \"api\"\n\
         authn = [\"opaque\"]\nallow = [{{ scope = \"read\" }}]",
        provider.issuer
    );
    let gateway = Gateway::start(|site| {
        site.write("secrets/post", "secret-of-gate-post");
        gateway(site, &upstream, &provider.issuer, &opaque)
    });
    let ask = |path: &str, token: &str| {
        let began = Instant::now();
        let response = gateway.get(path, &[("Authorization", &format!("Bearer {token}"))]);
        assert!(began.elapsed() < Duration::from_secs(5), "an answer comes in time: {:?}", began.elapsed());
        let id = response.header("x-request-id").expect("an id").to_owned();
        let record = gateway.audited("the record", |record| record["id"] == *id);
        (response.status(), record["detail"].as_str().unwrap_or_default().to_owned())
    };
    let (good, away) = ((200, String::new()), (503, "authenticator".to_owned()));
    let seen = provider.token("plain", &[]);
    assert_eq!(ask("/op/x", &seen), good);
    let fetches_failed = || gateway.log().matches("the keys of authenticator `op` could not be fetched").count();
    let suffers = |what: &str, never_seen: &str, unknown: &str| {
        assert_eq!(ask("/op/x", &seen), good, "{what}: known");
        assert_eq!(ask("/op/x", never_seen), good, "{what}: by the keys from before");
        assert_eq!(ask("/opaque/x", unknown), away, "{what}: somebody has to be asked");
    };
    for fault in ["error", "garbage", "redirect", "silence"] {
        let (never_seen, unknown) = (provider.token("plain", &[]), provider.opaque_token("plain", &[]));
        let before = fetches_failed();
        provider.control(&format!("fail/{fault}"));
        suffers(fault, &never_seen, &unknown);
        within(Duration::from_secs(40), "the keys were asked for in vain", || fetches_failed() > before);
        suffers(fault, &seen, &unknown);
        provider.control("fail/nothing");
        crate::support::eventually("it is asked again", || (ask("/opaque/x", &unknown) == good).then_some(()));
    }
    let (never_seen, unknown) = (provider.token("plain", &[]), provider.opaque_token("plain", &[]));
    drop(provider);
    suffers("down", &never_seen, &unknown);
    let log = gateway.log();
    assert!(!log.contains(&unknown) && !log.contains("secret-of-gate-post"), "{log}");
}

#[test]
fn a_flood_of_unknown_keys_fetches_once_and_an_outage_keeps_the_last_good_keys() {
    let (issuer, upstream) = (Issuer::start(), Upstream::echo());
    let jwks = format!("jwks_url = \"{}\"", issuer.jwks_url());
    let gateway = Gateway::start(|site| gateway(site, &upstream, &issuer.url(), &jwks));
    let mut claims = issuer.claims("ada");
    claims["scope"] = json!("read");
    let ask = |token: &str| gateway.get("/op/x", &[("Authorization", &format!("Bearer {token}"))]).status();
    let good = issuer.token(&claims);
    assert_eq!((ask(&good), issuer.fetches()), (200, 1));
    let huge = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(1 << 20));
    issuer.publish(200, huge);
    for count in 0..200 {
        let token = issuer.sign(&json!({"alg": "ES256", "kid": format!("k{count}")}), &claims);
        assert_eq!(ask(&token), 401);
    }
    crate::support::eventually("the keys were asked for again", || (issuer.fetches() >= 2).then_some(()));
    // A fetch that fails is tried again after 1, 2, 4, ... s, flood or none.
    assert!(issuer.fetches() <= 6, "{} fetches", issuer.fetches());
    claims["jti"] = json!("another");
    assert_eq!(ask(&issuer.token(&claims)), 200, "the last good keys prove a token that was never seen");
    for (status, body) in [(500, "{}"), (302, ""), (200, "garbage"), (200, "{\"keys\":[],\"keys\":[]}")] {
        issuer.publish(status, body);
        assert_eq!(ask(&good), 200, "{status} {body}");
    }
}
