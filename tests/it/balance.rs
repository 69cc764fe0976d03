//! Several backends of one target: who is chosen, who stands in, and what health has to do with it.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::json;

use crate::support::{
    eventually,
    gateway::{Gateway, Site, free_address},
    raw::{Client, request},
    setup::{Caller, Parts, SECRET, alice, config_to},
    upstream::{Then, Upstream},
};

/// A configuration with these backends as they stand in TOML.
fn balanced(site: &Site, backends: &[String], more: &str) -> String {
    let target = format!("backends = [{}]\n{more}", backends.join(", "));
    config_to(site, "http://api.test", &Parts { target: &target, ..Parts::default() })
}

fn backend(address: SocketAddr) -> String {
    format!("{{ address = \"{address}\" }}")
}

fn ask(gateway: &Gateway, method: &str, caller: &Caller) -> u16 {
    let mut client = Client::connect(gateway.public());
    client.send(&request(method, "/api/x", &[("Authorization", &caller.bearer())], b"")).response().status()
}

/// An address where nobody listens and nobody else will.
fn nobody() -> SocketAddr {
    free_address()
}

#[test]
fn requests_are_shared_by_weight() {
    for (balance, weights, want) in [("round_robin", [1, 1], [40, 40]), ("weighted", [1, 3], [20, 60])] {
        let upstreams = [Upstream::echo(), Upstream::echo()];
        let backends: Vec<String> = upstreams
            .iter()
            .zip(weights)
            .map(|(upstream, weight)| format!("{{ address = \"{}\", weight = {weight} }}", upstream.address()))
            .collect();
        let more = format!("balance = \"{balance}\"");
        let gateway = Gateway::start(|site| balanced(site, &backends, &more));
        for _ in 0..80 {
            assert_eq!(ask(&gateway, "GET", &alice()), 200);
        }
        for (upstream, want) in upstreams.iter().zip(want) {
            let got = upstream.requests().len();
            assert!(usize::abs_diff(got, want) <= 2, "{balance} {weights:?}: {got} instead of {want}");
            assert!(upstream.requests().iter().all(|request| request.header("host") == Some("api.test")));
        }
    }
}

#[test]
fn least_requests_avoids_the_backend_that_is_busy() {
    let stuck = Arc::new(AtomicBool::new(true));
    let wait = Arc::clone(&stuck);
    let slow = Upstream::start(move |request, wire| {
        eventually("the test is done with it", || (!wait.load(Ordering::SeqCst)).then_some(()));
        wire.echo(request)
    });
    let quick = Upstream::echo();
    let backends = [backend(slow.address()), backend(quick.address())];
    let gateway = Gateway::start(|site| balanced(site, &backends, "balance = \"least_requests\""));
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let mut client = Client::connect(gateway.public());
        client.send(&request("GET", "/api/x", &[("Authorization", &alice().bearer())], b""));
        waiting.push(client);
        let sent = waiting.len();
        eventually("it went somewhere", || (slow.requests().len() + quick.requests().len() >= sent).then_some(()));
        if slow.requests().len() == 1 {
            break;
        }
    }
    assert_eq!(slow.requests().len(), 1, "with nothing under way both are equal, and ties go round");
    // An answer comes before its exchange has ended: until then the quick one is as busy.
    let ended = |count: usize| eventually("it has ended", || (gateway.audit().len() >= count).then_some(()));
    ended(waiting.len() - 1);
    for nth in 0..20 {
        assert_eq!(ask(&gateway, "GET", &alice()), 200);
        ended(waiting.len() + nth);
    }
    assert_eq!(slow.requests().len(), 1, "one is under way there already");
    stuck.store(false, Ordering::SeqCst);
    for client in &mut waiting {
        assert_eq!(client.response().status(), 200);
    }
}

#[test]
fn a_principal_stays_with_its_backend_and_principals_are_spread() {
    let upstreams = [Upstream::echo(), Upstream::echo(), Upstream::echo()];
    let backends: Vec<String> = upstreams.iter().map(|upstream| backend(upstream.address())).collect();
    let callers: Vec<Caller> = (0..24).map(|number| Caller::new(&format!("caller{number}"))).collect();
    let gateway = Gateway::start(|site| {
        let entries: String = callers.iter().map(Caller::entry).collect();
        balanced(site, &backends, "balance = \"consistent_hash\"") + &entries
    });
    for _ in 0..3 {
        for caller in &callers {
            assert_eq!(ask(&gateway, "GET", caller), 200);
        }
    }
    let mut by_principal = BTreeMap::new();
    eventually("all is recorded", || (gateway.audit().len() == callers.len() * 3).then_some(()));
    for record in gateway.audit() {
        let backend = record["backend"].as_str().expect("a backend").to_owned();
        let first = by_principal.entry(record["principal"].to_string()).or_insert_with(|| backend.clone());
        assert_eq!(*first, backend, "{record}");
    }
    let used: std::collections::BTreeSet<_> = by_principal.values().collect();
    assert!(used.len() > 1, "{by_principal:?}");
}

#[test]
fn where_nothing_was_sent_another_backend_is_tried_whatever_the_method() {
    let upstream = Upstream::echo();
    let backends = [backend(nobody()), backend(upstream.address())];
    for balance in ["round_robin", "least_requests", "consistent_hash"] {
        let more = format!("balance = \"{balance}\"");
        let gateway = Gateway::start(|site| balanced(site, &backends, &more));
        let before = upstream.requests().len();
        for method in ["GET", "POST", "DELETE", "GET", "POST", "DELETE"] {
            assert_eq!(ask(&gateway, method, &alice()), 200, "{balance} {method}");
        }
        assert_eq!(upstream.requests().len(), before + 6, "{balance}: each was sent once");
        eventually("all is recorded", || (gateway.audit().len() == 6).then_some(()));
        let attempts: Vec<_> = gateway.audit().iter().map(|record| record["attempts"].as_u64()).collect();
        assert!(attempts.iter().all(|attempts| matches!(attempts, None | Some(2))), "{balance}: {attempts:?}");
        if balance == "round_robin" {
            assert!(attempts.contains(&Some(2)), "one of two is always down: {attempts:?}");
        }
        let body: String =
            upstream.requests().iter().filter_map(|r| r.header("authorization").map(str::to_owned)).collect();
        assert_eq!(body.matches(SECRET).count(), upstream.requests().len());
    }
}

#[test]
fn no_more_backends_are_tried_than_the_target_allows() {
    for (attempts, want) in [(1, "upstream_unreachable"), (2, "upstream_unreachable"), (3, "")] {
        let upstream = Upstream::echo();
        let backends = [backend(nobody()), backend(nobody()), backend(upstream.address())];
        let more = format!("attempts = {attempts}");
        let gateway = Gateway::start(|site| balanced(site, &backends, &more));
        for _ in 0..3 {
            let headers = [("Authorization", &*alice().bearer())];
            let response = gateway.get("/api/x", &headers);
            if response.status() != 200 {
                assert_eq!(response.json()["code"], want, "{attempts}");
            }
        }
        eventually("all is recorded", || (gateway.audit().len() == 3).then_some(()));
        let most = gateway.audit().iter().filter_map(|record| record["attempts"].as_u64()).max();
        assert!(most.unwrap_or(1) <= attempts, "{most:?} of {attempts}");
        let served = gateway.audit().iter().filter(|record| record["status"] == 200).count();
        assert!(served >= 1 && (attempts < 3 || served == 3), "{served} of 3 with {attempts}");
    }
}

/// Whether the backend counts as healthy, by what `/status` says.
fn is_healthy(gateway: &Gateway, address: SocketAddr) -> Option<bool> {
    let status = gateway.status();
    let backends = status["targets"][0]["backends"].as_array()?.clone();
    let addresses = backends.iter().filter_map(|backend| backend["addresses"].as_array()).flatten();
    addresses.filter(|one| one["address"] == json!(address.to_string())).find_map(|one| one["healthy"].as_bool())
}

#[test]
fn a_health_check_takes_a_backend_out_and_back_in_and_a_reload_forgets_nothing() {
    let sick = Arc::new(AtomicBool::new(false));
    let is_sick = Arc::clone(&sick);
    let changing = Upstream::start(move |request, wire| match (request.path(), is_sick.load(Ordering::SeqCst)) {
        ("/health", true) => wire.respond(500, &[], b""),
        _ => wire.echo(request),
    });
    let steady = Upstream::echo();
    let backends = [backend(changing.address()), backend(steady.address())];
    let health = "health = { path = \"/health\", interval = \"100ms\", timeout = \"2s\", healthy_after = 2, unhealthy_after = 2 }";
    let gateway = Gateway::start(|site| balanced(site, &backends, health));
    let served = |upstream: &Upstream| upstream.requests().iter().filter(|request| request.path() == "/x").count();
    let ask_ten = || (0..10).for_each(|_| assert_eq!(ask(&gateway, "POST", &alice()), 200));
    ask_ten();
    assert_eq!((served(&changing), served(&steady)), (5, 5));
    sick.store(true, Ordering::SeqCst);
    eventually("it is taken out", || is_healthy(&gateway, changing.address()).filter(|healthy| !healthy));
    assert_eq!(is_healthy(&gateway, steady.address()), Some(true));
    ask_ten();
    assert_eq!(served(&changing), 5, "nothing goes to the sick one");
    let longer = health.to_owned() + "\nread_timeout = \"30s\"";
    gateway.reload(&balanced(gateway.site(), &backends, &longer));
    assert_eq!(
        is_healthy(&gateway, changing.address()),
        Some(false),
        "forgotten, it would count as healthy until two checks had failed"
    );
    ask_ten();
    assert_eq!(served(&changing), 5);
    sick.store(false, Ordering::SeqCst);
    eventually("it is taken back in", || is_healthy(&gateway, changing.address()).filter(|healthy| *healthy));
    ask_ten();
    assert!(served(&changing) > 5);
    let checks = changing.requests().into_iter().filter(|request| request.path() == "/health");
    assert!(
        checks.into_iter().all(|check| !String::from_utf8_lossy(&check.head).contains(SECRET)),
        "a check carries no key"
    );
}

#[test]
fn backends_that_all_count_as_sick_are_still_asked() {
    let upstream = Upstream::start(|request, wire| match request.path() {
        "/health" => Ok(Then::Close),
        _ => wire.echo(request),
    });
    let backends = [backend(upstream.address())];
    let health = "health = { path = \"/health\", interval = \"100ms\", unhealthy_after = 1 }";
    let gateway = Gateway::start(|site| balanced(site, &backends, health));
    eventually("it counts as sick", || is_healthy(&gateway, upstream.address()).filter(|healthy| !healthy));
    assert_eq!(ask(&gateway, "GET", &alice()), 200, "a check may be wrong");
    assert!(gateway.status()["targets"][0]["failed_open"].as_u64() > Some(0));
}

#[test]
fn a_name_is_resolved_and_one_that_does_not_resolve_is_a_502_that_the_status_explains() {
    let upstream = Upstream::echo();
    let port = upstream.address().port();
    let gateway = Gateway::start(|site| config_to(site, &format!("http://localhost:{port}"), &Parts::default()));
    let headers = [("Authorization", &*alice().bearer())];
    let response = gateway.get("/api/x", &headers);
    assert_eq!(response.status(), 200);
    let asked = upstream.requests();
    assert_eq!(asked[0].header("host"), Some(&*format!("localhost:{port}")));
    gateway.reload(&config_to(gateway.site(), "http://does-not-exist.invalid", &Parts::default()));
    assert_eq!(gateway.get("/api/x", &headers).status(), 502);
    let backend = &gateway.status()["targets"][0]["backends"][0];
    assert!(backend["resolve_error"].as_str().is_some_and(|error| !error.is_empty()), "{backend}");
    assert_eq!(upstream.requests().len(), 1);
}
