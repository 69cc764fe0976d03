//! Who is believed: upstreams by their certificate, balancers by their address, clients never by their own word.

use std::{net::SocketAddr, sync::Arc};

use rustls::ServerConfig;
use serde_json::json;

use crate::support::{
    gateway::{Gateway, Site, free_address},
    raw::{Client, request},
    setup::{Parts, SECRET, alice, config_to},
    tls::Authority,
    upstream::Upstream,
};

fn secure(config: Arc<ServerConfig>) -> Upstream {
    Upstream::start_tls(config, |request, wire| wire.echo(request))
}

#[test]
fn only_an_upstream_that_proves_its_name_by_the_right_authority_gets_the_key() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let cases = [
        ("the right one", ours.serving(&ours.server(&["api.test"]), false), 200),
        ("another name", ours.serving(&ours.server(&["other.test"]), false), 502),
        ("the name only as a suffix", ours.serving(&ours.server(&["x.api.test"]), false), 502),
        ("another authority", other.serving(&other.server(&["api.test"]), false), 502),
        ("expired", ours.serving(&ours.expired_server(&["api.test"]), false), 502),
        ("self-signed", ours.serving(&Authority::self_signed(&["api.test"]), false), 502),
        ("a certificate for clients", ours.serving(&ours.client("api.test", &[]), false), 502),
    ];
    let headers = [("Authorization", &*alice().bearer())];
    let mut right = None;
    for (what, config, status) in cases {
        let upstream = secure(config);
        let gateway = Gateway::start(|site| to_tls(site, "ours.pem", &ours, &upstream));
        for _ in 0..3 {
            let response = gateway.get("/api/x", &headers);
            assert_eq!(response.status(), status, "{what}: {}", response.text());
            assert!(status == 200 || !response.text().contains(SECRET), "{what}");
        }
        let received = upstream.received().concat();
        let got_the_key = String::from_utf8_lossy(&received).contains(SECRET);
        assert_eq!(got_the_key, status == 200, "{what}");
        assert_eq!(received.is_empty(), status != 200, "{what}: not one byte of the request");
        let record = gateway.audited("the record", |record| record["path"] == "/api/x");
        assert_eq!(record["status"], json!(status), "{what}");
        if status == 200 {
            right = Some((gateway, upstream));
        }
    }
    // Connections to the right one are pooled; a configuration that trusts another authority must not find them.
    let (gateway, upstream) = right.expect("the first case");
    gateway.reload(&to_tls(gateway.site(), "other.pem", &other, &upstream));
    assert_eq!(gateway.get("/api/x", &headers).status(), 502, "a pooled connection does not carry trust over");
    assert_eq!(upstream.requests().len(), 3);
}

/// A configuration that trusts this authority, which goes to a file of this name.
fn to_tls(site: &Site, name: &str, trusted: &Authority, upstream: &Upstream) -> String {
    site.write(name, trusted.pem());
    let target = format!("server_name = \"api.test\"\nca = \"{name}\"");
    config_to(site, &upstream.url(), &Parts { target: &target, ..Parts::default() })
}

#[test]
fn the_systems_authorities_do_not_vouch_for_a_private_one() {
    let ours = Authority::new("ours");
    let upstream = secure(ours.serving(&ours.server(&["api.test"]), false));
    let target = "server_name = \"api.test\"";
    let gateway = Gateway::start(|site| config_to(site, &upstream.url(), &Parts { target, ..Parts::default() }));
    assert_eq!(gateway.get("/api/x", &[("Authorization", &alice().bearer())]).status(), 502);
    assert!(upstream.received().concat().is_empty());
}

/// A PROXY protocol header, version 2, for this client (PROXY protocol §2.2).
fn version_2(client: [u8; 4]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".to_vec();
    header.extend_from_slice(&client);
    header.extend_from_slice(&[127, 0, 0, 1]);
    header.extend_from_slice(&[0x12, 0x34, 0x01, 0xbb]);
    header
}

/// Listeners as they stand in [`behind_balancers`].
struct Listeners {
    plain: SocketAddr,
    tls: SocketAddr,
    distrusting: SocketAddr,
}

fn behind_balancers(authority: &Authority, upstream: &Upstream) -> (Gateway, Listeners) {
    let listeners = Listeners { plain: free_address(), tls: free_address(), distrusting: free_address() };
    let gateway = Gateway::start(|site| {
        let identity = authority.server(&["gateway.test"]);
        site.write("cert.pem", identity.certificate_pem());
        site.write("key.pem", identity.key_pem());
        let more = format!(
            "[listen.plain]\naddress = \"{}\"\nproxy_protocol_from = [\"127.0.0.1/32\"]\n\
             [listen.tls]\naddress = \"{}\"\nproxy_protocol_from = [\"127.0.0.1/32\"]\n\
             tls = {{ certificate = \"cert.pem\", key = \"key.pem\" }}\n\
             [listen.distrusting]\naddress = \"{}\"\nproxy_protocol_from = [\"192.0.2.0/24\"]\n",
            listeners.plain, listeners.tls, listeners.distrusting
        );
        config_to(site, &upstream.url(), &Parts { more: &more, ..Parts::default() })
    });
    (gateway, listeners)
}

#[test]
fn the_proxy_protocol_is_required_of_trusted_peers_and_believed_from_nobody_else() {
    let (authority, upstream) = (Authority::new("ours"), Upstream::echo());
    let (gateway, listeners) = behind_balancers(&authority, &upstream);
    let bearer = alice().bearer();
    let get = |path: &str| request("GET", path, &[("Authorization", &bearer)], b"");
    let recorded = |path: &str| gateway.audited(path, |record| record["path"] == *path)["client"].clone();
    for (path, header) in [
        ("/api/v1", b"PROXY TCP4 203.0.113.7 127.0.0.1 4660 443\r\n".to_vec()),
        ("/api/v2", version_2([203, 0, 113, 7])),
    ] {
        let mut client = Client::connect(listeners.plain);
        client.send(&[header.clone(), get(path)].concat());
        assert_eq!(client.response().status(), 200, "{path}");
        assert_eq!(recorded(path), "203.0.113.7", "{path}");

        let path = format!("{path}-tls");
        let trust = authority.trusting_client(None);
        let mut client = Client::connect_tls_after(listeners.tls, &header, "gateway.test", trust).expect("a handshake");
        client.send(&get(&path));
        assert_eq!(client.response().status(), 200, "{path}");
        assert_eq!(recorded(&path), "203.0.113.7", "{path}");

        // From a peer that is not trusted it is no HTTP, and never a word about the client.
        let path = format!("{path}-distrusted");
        let mut client = Client::connect(listeners.distrusting);
        client.send(&[header, get(&path)].concat());
        let answer = client.rest();
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 400 "),
            "{path}: {}",
            String::from_utf8_lossy(&answer)
        );
    }
    let mut client = Client::connect(listeners.distrusting);
    client.send(&get("/api/own"));
    assert_eq!(client.response().status(), 200, "who is no balancer speaks for itself");
    assert_eq!(recorded("/api/own"), "127.0.0.1");
    for (what, bytes) in [
        ("none", get("/api/none")),
        ("half of one", b"PROXY TCP4 203.0".to_vec()),
        ("garbage after its name", b"PROXY TCP9 a b c d\r\n".to_vec()),
    ] {
        let mut client = Client::connect(listeners.plain);
        client.send(&bytes).finish();
        let answer = client.rest();
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{what}: {}", String::from_utf8_lossy(&answer));
    }
    assert!(
        Client::connect_tls(listeners.tls, "gateway.test", authority.trusting_client(None)).is_err(),
        "a trusted peer has to say for whom"
    );
    let reached = upstream.requests().len();
    assert_eq!(reached, 5, "nothing else went upstream");
    assert!(gateway.audit().iter().all(|record| record["client"] != "203.0.113.7" || record["status"] == 200));
}

#[test]
fn forwarded_addresses_are_believed_from_trusted_proxies_only_and_go_no_further() {
    let upstream = Upstream::echo();
    let headers = [
        ("/api/xff", "X-Forwarded-For", "203.0.113.9"),
        ("/api/forwarded", "Forwarded", "for=203.0.113.9;proto=https"),
        ("/api/chain", "X-Forwarded-For", "198.51.100.1, 203.0.113.9, 127.0.0.1"),
        ("/api/real-ip", "X-Real-IP", "203.0.113.9"),
    ];
    for (listen, trusted) in [("", false), ("forwarded_from = [\"127.0.0.0/8\"]", true)] {
        let gateway = Gateway::start(|site| config_to(site, &upstream.url(), &Parts { listen, ..Parts::default() }));
        for (path, name, value) in headers {
            let response = gateway.get(path, &[("Authorization", &alice().bearer()), (name, value)]);
            assert_eq!(response.status(), 200, "{path}");
            let client = gateway.audited(path, |record| record["path"] == path)["client"].clone();
            let want = if trusted && name != "X-Real-IP" { "203.0.113.9" } else { "127.0.0.1" };
            assert_eq!(client, want, "{path} from a {} peer", if trusted { "trusted" } else { "mere" });
            let sent = response.json()["headers"].to_string();
            assert!(!sent.contains("203.0.113.9"), "{path}: the upstream is told nothing of it: {sent}");
        }
    }
}

#[test]
fn a_rule_for_a_network_goes_by_the_believed_address() {
    let upstream = Upstream::echo();
    for (listen, forwarded, want) in [
        ("", "203.0.113.9", 403),
        ("forwarded_from = [\"127.0.0.0/8\"]", "203.0.113.9", 200),
        ("forwarded_from = [\"127.0.0.0/8\"]", "198.51.100.1", 403),
        ("forwarded_from = [\"127.0.0.0/8\"]", "203.0.113.9, 198.51.100.1", 403),
        ("forwarded_from = [\"192.0.2.0/24\"]", "203.0.113.9", 403),
    ] {
        let gateway = Gateway::start(|site| {
            config_to(site, &upstream.url(), &Parts { listen, ..Parts::default() })
                .replace("{ role = \"user\" }", "{ role = \"user\", networks = [\"203.0.113.0/24\"] }")
        });
        let headers = [("Authorization", &*alice().bearer()), ("X-Forwarded-For", forwarded)];
        assert_eq!(gateway.get("/api/x", &headers).status(), want, "{listen} {forwarded}");
    }
}
