//! Client certificates against real handshakes, and what upstreams are told of callers.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::support::{
    eventually,
    frames::{self, Ending},
    http1::Message,
    mutual::{JOB, Mutual, TLS},
    raw::{Client, request},
    scene::code,
    setup::alice,
    tls::{Authority, Identity},
};

fn get(client: &mut Client, path: &str, headers: &[(&str, &str)]) -> Message {
    client.send(&request("GET", path, headers, b"")).response()
}

#[test]
fn only_a_certificate_of_the_right_authority_and_name_gets_through() {
    let scene = Mutual::new(&format!("{TLS}client_certificate = \"ask\""), "");
    let (other, twin) = (Authority::new("other"), Authority::new("clients"));
    for (what, identity, status, detail) in [
        ("the right one", Some(scene.job()), 200, ""),
        ("none", None, 401, "missing"),
        ("another authority", Some(other.client("job", &[JOB])), 401, "certificate"),
        ("another of the same name", Some(twin.client("job", &[JOB])), 401, "certificate"),
        ("self-signed", Some(Authority::self_signed(&["job.test"])), 401, "certificate"),
        ("for servers", Some(scene.clients.server(&["job.test"])), 401, "certificate"),
        ("ended", Some(scene.clients.expired_server(&["job.test"])), 401, "expired"),
        ("two names", Some(scene.clients.client("job", &[JOB, "spiffe://prod.test/other"])), 401, "claim"),
        ("a NUL", Some(scene.clients.client("job", &["spiffe://prod.test/job\0.evil"])), 401, "claim"),
        ("no name", Some(scene.clients.client("job", &[])), 401, "claim"),
        ("another name", Some(scene.clients.client("job", &["spiffe://prod.test/other"])), 403, ""),
    ] {
        let response = get(&mut scene.connect(identity.as_ref()), "/mtls/x", &[]);
        assert_eq!(response.status(), status, "{what}: {}", response.text());
        assert_eq!(scene.detail(&response), detail, "{what}");
    }
    assert_eq!(scene.upstream.requests().len(), 1, "nothing else went upstream");
}

#[test]
fn revocation_and_authorities_change_for_connections_that_are_open() {
    let scene = Mutual::new(&format!("{TLS}client_certificate = \"ask\""), "");
    let (job, twin) = (scene.job(), Authority::new("clients"));
    let trusting = scene.trusting(Some(&job));
    let connect = || Client::connect_tls(scene.gateway.public(), "gateway.test", Arc::clone(&trusting));
    let mut live = connect().expect("a handshake");
    assert_eq!(get(&mut live, "/mtls/x", &[]).status(), 200);
    let site = scene.gateway.site();
    let becomes = |live: &mut Client, status: u16, detail: &str| {
        eventually("the new file is in force", || {
            let response = get(live, "/mtls/x", &[]);
            (response.status() == status).then(|| assert_eq!(scene.detail(&response), detail))
        });
        // The same configuration of the client: it resumes its session, and is judged anew.
        let mut resumed = connect().expect("a handshake");
        assert_eq!(get(&mut resumed, "/mtls/x", &[]).status(), status);
    };
    site.write("clients.crl", scene.clients.revoking(&[&job]));
    becomes(&mut live, 401, "revoked");
    site.write("clients.crl", scene.clients.revoking(&[]));
    becomes(&mut live, 200, "");
    site.write("clients.pem", twin.pem());
    becomes(&mut live, 401, "certificate");
    site.write("clients.pem", scene.clients.pem());
    becomes(&mut live, 200, "");
    // What cannot be read changes nothing: above all it does not open anything.
    site.write("clients.pem", "");
    eventually("the reload is refused", || (scene.gateway.log().contains("holds no PEM certificate")).then_some(()));
    assert_eq!(get(&mut live, "/mtls/x", &[]).status(), 200);
    let stranger = twin.client("job", &[JOB]);
    assert_eq!(get(&mut scene.connect(Some(&stranger)), "/mtls/x", &[]).status(), 401);
}

/// The status of each of these streams, as GETs of `/mtls/` and the stream's number.
fn statuses(client: &mut Client, streams: &[u32]) -> Vec<u16> {
    statuses_at("gateway.test", client, streams)
}

/// The same at this host.
fn statuses_at(host: &str, client: &mut Client, streams: &[u32]) -> Vec<u16> {
    for stream in streams {
        let path = format!("/mtls/{stream}");
        let fields: [(&str, &[u8]); 4] =
            [(":method", b"GET"), (":scheme", b"https"), (":authority", host.as_bytes()), (":path", path.as_bytes())];
        client.send(&frames::request(*stream, &fields, b""));
    }
    let status = |ending: Ending| match ending {
        Ending::Response { status, .. } => status,
        other => panic!("{other:?}"),
    };
    frames::endings(client, streams).into_iter().map(status).collect()
}

#[test]
fn a_certificate_proves_every_stream_of_its_connection_until_it_is_revoked() {
    let listen = "tls = { certificate = \"cert.pem\", key = \"key.pem\" }\nclient_certificate = \"ask\"";
    let scene = Mutual::new(listen, "");
    let connect = |identity: Option<&Identity>| {
        let mut config = (*scene.trusting(identity)).clone();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let mut client = Client::connect_tls(scene.gateway.public(), "gateway.test", Arc::new(config));
        client.as_mut().expect("a handshake").send(&frames::opening_without_table());
        client.expect("a handshake")
    };
    let (job, other) = (scene.job(), scene.job());
    let (mut live, mut nobody, mut neighbour) = (connect(Some(&job)), connect(None), connect(Some(&other)));
    assert_eq!(statuses(&mut live, &[1, 3, 5, 7, 9]), [200; 5]);
    let seen = scene.upstream.requests();
    assert_eq!(seen.len(), 5);
    assert!(seen.iter().all(|request| request.all("x-user") == [JOB]), "each is told to the upstream as its");
    assert_eq!(statuses(&mut nobody, &[1, 3]), [401; 2]);
    // A client may use the connection for each host of the server's certificate (RFC 9113 §9.1.1); the client's was shown to one.
    assert_eq!(statuses_at("other.test", &mut live, &[11, 13]), [421; 2]);

    scene.gateway.site().write("clients.crl", scene.clients.revoking(&[&job]));
    let mut streams = (15..).step_by(2);
    let refused = eventually("the next stream is refused", || {
        let stream = streams.next()?;
        (statuses(&mut live, &[stream]) == [401]).then_some(stream)
    });
    let path = format!("/mtls/{refused}");
    let record = scene.gateway.audited("the refusal", |record| record["path"] == *path && record["status"] == 401);
    assert_eq!((&record["detail"], &record["protocol"]), (&"revoked".into(), &"HTTP/2".into()));
    let next = [refused + 2, refused + 4];
    assert_eq!(statuses(&mut live, &next), [401; 2], "and so are all that follow");
    assert_eq!(statuses(&mut neighbour, &[1]), [200], "the connection of another goes on");

    scene.gateway.site().write("clients.crl", scene.clients.revoking(&[]));
    let mut streams = (refused + 6..).step_by(2);
    eventually("the open connection is good again", || {
        (statuses(&mut live, &[streams.next()?]) == [200]).then_some(())
    });
}

#[test]
fn a_certificate_is_good_for_the_host_of_its_handshake_alone() {
    let scene = Mutual::new(&format!("{TLS}client_certificate = \"ask\""), "");
    let job = scene.job();
    for (identity, host, status) in [
        (Some(&job), "gateway.test", 200),
        (Some(&job), "GATEWAY.test:443", 200),
        (Some(&job), "other.test", 421),
        (None, "other.test", 401),
    ] {
        let response = get(&mut scene.connect(identity), "/mtls/x", &[("Host", host)]);
        assert_eq!(response.status(), status, "{host}");
        assert!(status != 421 || code(&response) == "misdirected");
    }
    // A handshake with an address names no server.
    for (host, status) in [("127.0.0.1", 200), ("gateway.test", 421)] {
        let unnamed = Client::connect_tls(scene.gateway.public(), "127.0.0.1", scene.trusting(Some(&job)));
        let response = get(&mut unnamed.expect("a handshake"), "/mtls/x", &[("Host", host)]);
        assert_eq!(response.status(), status, "{host}");
    }
}

#[test]
fn a_listener_that_requires_a_certificate_has_no_connection_without_one() {
    let scene = Mutual::new(&format!("{TLS}client_certificate = \"require\""), "");
    let job = scene.job();
    assert_eq!(get(&mut scene.connect(Some(&job)), "/mtls/x", &[]).status(), 200);
    // With TLS 1.3 the client ends its handshake before it hears of the refusal.
    if let Ok(mut client) = Client::connect_tls(scene.gateway.public(), "gateway.test", scene.trusting(None)) {
        client.send(&request("GET", "/open/x", &[], b""));
        assert!(client.try_response().ok().flatten().is_none(), "no answer without a certificate");
    }
    assert_eq!(scene.upstream.requests().len(), 1);
}

#[test]
fn a_balancers_client_cert_is_believed_and_nobody_elses() {
    let field = |identity: &Identity| format!(":{}:", STANDARD.encode(identity.der()));
    for (from, trusted) in [("127.0.0.0/8", true), ("192.0.2.0/24", false)] {
        let listen = format!("client_cert_from = [\"{from}\"]");
        let scene = Mutual::new(&listen, "");
        let job = field(&scene.job());
        let stranger = field(&Authority::new("clients").client("job", &[JOB]));
        let ask = |headers: &[(&str, &str)]| scene.gateway.get("/mtls/x", headers);
        for (what, headers, status, detail) in [
            ("none", vec![], 401, "missing"),
            ("the right one", vec![("Client-Cert", &*job)], 200, ""),
            ("a stranger's", vec![("Client-Cert", &*stranger)], 401, "certificate"),
            ("two", vec![("Client-Cert", &*job), ("Client-Cert", &*job)], 401, "several"),
            ("garbage", vec![("Client-Cert", "garbage")], 401, "malformed"),
            ("no certificate", vec![("Client-Cert", ":AQID:")], 401, "certificate"),
            ("only a chain", vec![("Client-Cert-Chain", &*job)], 401, "malformed"),
        ] {
            let response = ask(&headers);
            let (status, detail) = if trusted { (status, detail) } else { (401, "missing") };
            assert_eq!(response.status(), status, "{what} from {from}: {}", response.text());
            assert_eq!(scene.detail(&response), detail, "{what} from {from}");
            let sent = response.text().to_ascii_lowercase();
            assert!(status != 200 || !sent.contains("client-cert"), "{what}: it goes no further: {sent}");
        }
        // Nor by a route that asks for none.
        let bearer = alice().bearer();
        let response = scene
            .gateway
            .get("/api/x", &[("Authorization", &bearer), ("Client-Cert", &job), ("Client-Cert-Chain", &job)]);
        assert_eq!(response.status(), 200);
        assert!(!response.text().to_ascii_lowercase().contains("client-cert"));
    }
}

#[test]
fn a_trusted_peers_own_certificate_is_not_its_clients() {
    let listen = format!("{TLS}client_certificate = \"ask\"\nclient_cert_from = [\"127.0.0.0/8\"]");
    let scene = Mutual::new(&listen, "");
    let job = scene.job();
    let response = get(&mut scene.connect(Some(&job)), "/mtls/x", &[]);
    assert_eq!((response.status(), scene.detail(&response)), (401, "missing".to_owned()));
    let field = format!(":{}:", STANDARD.encode(job.der()));
    let balancer = scene.clients.client("balancer", &["spiffe://prod.test/balancer"]);
    // The balancer's handshake is for any name that it likes.
    let headers = [("Host", "api.test"), ("Client-Cert", &*field)];
    assert_eq!(get(&mut scene.connect(Some(&balancer)), "/mtls/x", &headers).status(), 200);
}

#[test]
fn the_upstream_hears_of_the_caller_from_the_proxy_alone() {
    let scene = Mutual::new(&format!("{TLS}client_certificate = \"ask\""), "");
    let job = scene.job();
    let forged = [("X-User", "admin"), ("x-uSER", "root"), ("X-Roles", "admin"), ("X-Actor", "admin")];
    let told = |response: &Message| {
        assert_eq!(response.status(), 200, "{}", response.text());
        let sent = response.json()["headers"].to_string().to_ascii_lowercase();
        assert!(!sent.contains("admin") && !sent.contains("root"), "{sent}");
        let sent = scene.upstream.requests().pop().expect("a request");
        ["x-user", "x-roles", "x-actor"].map(|name| sent.all(name).join("|"))
    };
    let mut client = scene.connect(Some(&job));
    assert_eq!(told(&get(&mut client, "/mtls/x", &forged)), [JOB, "batch", ""], "and of nobody who acts for it");
    assert_eq!(told(&get(&mut client, "/open/x", &forged)), [JOB, "", ""]);
    // A route that tells nothing goes to the same target.
    let bearer = alice().bearer();
    let headers = [&forged[..], &[("Authorization", &*bearer)]].concat();
    assert_eq!(told(&get(&mut client, "/api/x", &headers)), ["", "", ""]);
    for (name, value) in [("X_User", "admin"), ("X.User", "admin"), ("Connection", "X-User")] {
        let response = get(&mut scene.connect(Some(&job)), "/mtls/x", &[(name, value)]);
        assert_eq!(response.status(), 400, "{name}: {value}");
    }
}
