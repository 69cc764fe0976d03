//! The harness tested against itself: a broken upstream, reader or issuer would make every other test worthless.

use std::{io::Read, sync::mpsc, thread};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite;

use crate::support::{
    eventually, gateway,
    issuer::{self, AUDIENCE, DISCOVERY_PATH, Issuer, JWKS_PATH},
    raw::{self, Client, request},
    tls::Authority,
    upstream::{Then, Upstream},
};

#[test]
fn an_upstream_keeps_exact_bytes_and_echoes_what_it_understood() {
    let upstream = Upstream::echo();
    let sent = b"POST /a?b=%20 HTTP/1.1\r\nhOST:x\r\nX-One: 1\r\nx-one:  2 \r\nContent-Length: 3\r\n\r\nabc";
    let response = raw::parse(&raw::exchange(upstream.address(), sent));
    assert_eq!(response.status(), 200);
    let echo = response.json();
    assert_eq!((&echo["method"], &echo["path"], &echo["body"]), (&json!("POST"), &json!("/a?b=%20"), &json!("abc")));
    assert_eq!(echo["headers"][1], json!(["X-One", "1"]));
    assert_eq!(upstream.received(), [sent.to_vec()]);
    let requests = upstream.requests();
    assert_eq!(requests[0].all("X-ONE"), ["1", "2"]);
    assert!(sent.starts_with(&requests[0].head) && requests[0].body == b"abc");
}

#[test]
fn connections_are_kept_counted_and_severed() {
    let upstream = Upstream::echo();
    let mut first = Client::connect(upstream.address());
    for path in ["/1", "/2"] {
        assert_eq!(first.send(&request("GET", path, &[], b"")).response().json()["path"], path);
    }
    let mut second = Client::connect(upstream.address());
    second.send(&request("GET", "/3", &[("Connection", "close")], b""));
    assert_eq!(second.response().status(), 200);
    assert_eq!(second.rest(), b"", "`Connection: close` is obeyed");
    assert_eq!((upstream.connection_count(), upstream.requests().len()), (2, 3));
    assert_eq!(upstream.requests_on(0).iter().map(|r| r.path().to_owned()).collect::<Vec<_>>(), ["/1", "/2"]);
    upstream.sever();
    assert_eq!(first.rest(), b"");
    assert_eq!(raw::get(upstream.address(), "/4", &[]).status(), 200, "a severed upstream still listens");
}

#[test]
fn an_upstream_that_is_dropped_is_gone() {
    let upstream = Upstream::echo();
    let address = upstream.address();
    let mut client = Client::connect(address);
    assert_eq!(client.send(&request("GET", "/", &[], b"")).response().status(), 200);
    drop(upstream);
    assert_eq!(client.rest(), b"");
    eventually("nobody listens there", || Client::try_connect(address).err());
}

#[test]
fn chunked_requests_with_trailers_and_expectations_are_understood() {
    let upstream = Upstream::echo();
    let head = b"PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut client = Client::connect(upstream.address());
    client.send(head);
    assert_eq!(client.reader().head().expect("an answer").expect("a head").status(), 100);
    client.send(b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 7\r\n\r\n");
    assert_eq!(client.response().json()["body"], "abcde");
    assert_eq!(upstream.requests()[0].trailers, [("X-Sum".to_owned(), "7".to_owned())]);
}

#[test]
fn a_response_can_break_off_in_the_middle() {
    let upstream = Upstream::start(|_, wire| {
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")?;
        Ok(Then::Close)
    });
    let mut client = Client::connect(upstream.address());
    assert!(client.send(&request("GET", "/", &[], b"")).try_response().is_err());
    let bytes = raw::exchange(upstream.address(), &request("GET", "/", &[], b""));
    assert!(bytes.ends_with(b"\r\n\r\nhalf"), "{}", raw::lossy(&bytes));
}

#[test]
fn a_stream_arrives_event_by_event_when_the_test_says() {
    let (next, events) = mpsc::channel::<String>();
    let events = std::sync::Mutex::new(events);
    let upstream = Upstream::start(move |_, wire| {
        wire.begin(200, "text/event-stream")?;
        for event in events.lock().expect("one stream").iter() {
            wire.event(&event)?;
        }
        wire.end()
    });
    let mut client = Client::connect(upstream.address());
    client.send(&request("GET", "/events", &[], b""));
    let head = client.reader().head().expect("an answer").expect("a head");
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    for event in ["one", "two"] {
        next.send(event.to_owned()).expect("the stream is open");
        assert_eq!(client.reader().chunk().expect("a chunk"), format!("data: {event}\n\n").as_bytes());
    }
    drop(next);
    assert_eq!(client.reader().chunk().expect("the last chunk"), b"");
}

#[test]
fn an_upstream_can_wait_for_the_other_side_to_go_away() {
    let (gone, went) = mpsc::channel();
    let upstream = Upstream::start(move |_, wire| {
        wire.begin(200, "text/plain")?;
        let then = wire.until_closed();
        gone.send(()).expect("the test waits");
        then
    });
    let mut client = Client::connect(upstream.address());
    client.send(&request("GET", "/", &[], b""));
    client.reader().head().expect("an answer").expect("a head");
    assert!(went.try_recv().is_err());
    client.send(b"more").finish();
    went.recv().expect("the handler saw the end");
    assert!(upstream.received()[0].ends_with(b"more"));
}

#[test]
fn an_upstream_speaks_websocket() {
    let upstream = Upstream::start(|request, wire| wire.websocket_echo(request));
    let stream = raw::open(upstream.address()).expect("a connection");
    let (mut socket, response) =
        tungstenite::client(format!("ws://{}/chat", upstream.address()), stream).expect("a handshake");
    assert_eq!(response.status(), 101);
    for message in [tungstenite::Message::text("hello"), tungstenite::Message::binary(vec![0, 255])] {
        socket.send(message.clone()).expect("sent");
        assert_eq!(socket.read().expect("an echo"), message);
    }
    socket.close(None).expect("a close frame");
    assert!(socket.read().is_ok_and(|message| message.is_close()));
}

#[test]
fn responses_are_read_by_the_rules_of_framing() {
    for (bytes, want) in [
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500"[..], (200, "ok")),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", (200, "ok")),
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", (200, "to the end")),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", (204, "")),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", (304, "")),
    ] {
        let response = raw::parse(bytes);
        assert_eq!((response.status(), response.text().as_str()), want, "{}", raw::lossy(bytes));
    }
    let broken = thread::spawn(|| raw::parse(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok")).join();
    assert!(broken.is_err(), "half a response is no response");
}

#[test]
fn tls_material_makes_servers_and_clients_that_trust_each_other_and_nobody_else() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let server = ours.server(&["api.test", "127.0.0.1"]);
    let upstream = Upstream::start_tls(ours.serving(&server, true), |request, wire| wire.echo(request));
    let tried = |name: &str, config| {
        let mut client = Client::connect_tls(upstream.address(), name, config)?;
        client.send(&request("GET", "/tls", &[], b"")).try_response()
    };
    let caller = ours.client("caller", &["spiffe://test/caller"]);
    let response = tried("api.test", ours.trusting_client(Some(&caller))).expect("trust").expect("a response");
    assert_eq!(response.json()["path"], "/tls");
    assert!(tried("else.test", ours.trusting_client(Some(&caller))).is_err(), "another name");
    assert!(tried("api.test", other.trusting_client(Some(&caller))).is_err(), "another authority");
    assert!(!matches!(tried("api.test", ours.trusting_client(None)), Ok(Some(_))), "no client certificate");
    let stranger = other.client("caller", &[]);
    assert!(
        !matches!(tried("api.test", ours.trusting_client(Some(&stranger))), Ok(Some(_))),
        "a stranger's certificate"
    );
    assert!(server.certificate_pem().contains("BEGIN CERTIFICATE") && server.key_pem().contains("PRIVATE KEY"));
}

#[test]
fn an_issuer_signs_what_its_published_keys_verify() {
    let issuer = Issuer::start();
    let address = issuer.url().trim_start_matches("http://").parse().expect("an address");
    let document = raw::get(address, DISCOVERY_PATH, &[("Host", &address.to_string())]).json();
    assert_eq!((&document["issuer"], &document["jwks_uri"]), (&json!(issuer.url()), &json!(issuer.jwks_url())));
    let keys = raw::get(address, JWKS_PATH, &[]).json();
    let claims = issuer.claims("alice");
    for alg in ["RS256", "PS256", "ES256"] {
        let kid = if alg == "ES256" { "ec" } else { "rsa" };
        let token = issuer.sign(&json!({"alg": alg, "typ": "at+jwt", "kid": kid}), &claims);
        assert_eq!(verify(&token, &keys).as_ref(), Some(&claims), "{alg}");
    }
    assert_eq!(verify(&issuer.token(&claims), &keys), Some(claims.clone()));
    assert_eq!(verify(&Issuer::start().token(&claims), &keys), None, "another issuer's key under the same `kid`");
    let unsigned = issuer::jws(&json!({"alg": "none"}), &claims, |_| String::new());
    assert!(unsigned.ends_with('.') && verify(&unsigned, &keys).is_none());
    assert!(!keys.to_string().contains("\"d\""), "private halves stay here: {keys}");
}

#[test]
fn an_issuer_can_fail_and_lie_and_counts_who_asks() {
    let issuer = Issuer::start();
    let address = issuer.url().trim_start_matches("http://").parse().expect("an address");
    assert_eq!(issuer.fetches(), 0);
    issuer.publish(503, "<html>");
    let response = raw::get(address, JWKS_PATH, &[]);
    assert_eq!((response.status(), response.text().as_str()), (503, "<html>"));
    issuer.publish(200, issuer.jwks().to_string());
    assert_eq!(raw::get(address, JWKS_PATH, &[]).json(), issuer.jwks());
    assert_eq!(raw::get(address, "/nowhere", &[]).status(), 404);
    assert_eq!(issuer.fetches(), 2);
}

#[test]
fn an_issuer_speaks_tls() {
    let authority = Authority::new("ours");
    let issuer = Issuer::start_tls(&authority);
    let address = issuer.url().trim_start_matches("https://").parse().expect("an address");
    let mut client =
        Client::connect_tls(address, "127.0.0.1", authority.trusting_client(None)).expect("a trusted certificate");
    let host = address.to_string();
    let document = client.send(&request("GET", DISCOVERY_PATH, &[("Host", &host)], b"")).response().json();
    assert_eq!(document["jwks_uri"], issuer.jwks_url());
}

#[test]
fn a_site_has_ports_and_private_files_of_its_own() {
    let (one, two) = (gateway::Site::new(), gateway::Site::new());
    let ports = [one.public, one.admin, two.public, two.admin].map(|address| address.port());
    assert!(ports.iter().all(|port| ports.iter().filter(|p| *p == port).count() == 1), "{ports:?}");
    let path = one.write("secrets/key", "k");
    assert!(one.folder() != two.folder() && path.starts_with(one.folder().to_str().expect("text")));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).expect("a file").permissions());
    assert_eq!(mode & 0o777, 0o600);
    let mut content = String::new();
    std::fs::File::open(path).expect("a file").read_to_string(&mut content).expect("text");
    assert_eq!(content, "k");
}

#[test]
fn metrics_are_summed_over_the_series_that_match() {
    let text = "# HELP a_total x\na_total{route=\"x\",code=\"200\"} 2\na_total{route=\"y\",code=\"200\"} 3\n\
                a_total_more 9\nplain 1.5\n";
    for (name, labels, want) in [
        ("a_total", &[][..], Some(5.0)),
        ("a_total", &["route=\"x\""], Some(2.0)),
        ("a_total", &["route=\"z\""], None),
        ("plain", &[], Some(1.5)),
        ("absent", &[], None),
    ] {
        assert_eq!(gateway::metric_in(text, name, labels), want, "{name} {labels:?}");
    }
}

/// The claims, if the token holds against these keys.
fn verify(token: &str, keys: &Value) -> Option<Value> {
    let header = jsonwebtoken::decode_header(token).ok()?;
    let keys: JwkSet = serde_json::from_value(keys.clone()).expect("a key set");
    let key = DecodingKey::from_jwk(keys.find(header.kid.as_deref()?)?).expect("a usable key");
    let mut rules = Validation::new(Algorithm::ES256);
    rules.algorithms = vec![header.alg];
    rules.set_audience(&[AUDIENCE]);
    jsonwebtoken::decode::<Value>(token, &key, &rules).ok().map(|token| token.claims)
}
