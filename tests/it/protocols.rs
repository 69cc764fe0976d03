//! What passes through: WebSocket, event streams, gRPC, large and chunked bodies, HEAD, expectations, both versions of HTTP over TLS.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use tokio::net::{TcpListener as AsyncListener, TcpStream as AsyncStream};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::support::{
    eventually,
    frames::{self, Ending},
    raw::{Client, request},
    scene::{Extra, SECRET, Scene, code},
    streams::Streams,
    tls::Authority,
    upstream::Upstream,
    websocket,
};

const MEGABYTES: usize = 10 * 1024 * 1024;

#[test]
fn both_versions_of_http_are_spoken_over_tls_and_chosen_by_alpn() {
    let authority = Authority::new("ours");
    let server = authority.server(&["api.test"]);
    let (issuer, upstream) = (crate::support::issuer::Issuer::start(), Upstream::echo());
    let gateway = crate::support::gateway::Gateway::start(|site| {
        site.write("tls/cert.pem", server.certificate_pem());
        site.write("tls/key.pem", server.key_pem());
        let listen = "tls = { certificate = \"tls/cert.pem\", key = \"tls/key.pem\" }";
        crate::support::scene::config(site, &issuer, &upstream, &Extra { listen, ..Extra::default() })
    });
    let mut claims = issuer.claims("ada");
    claims["roles"] = serde_json::json!(["reader"]);
    let bearer = format!("Bearer {}", issuer.token(&claims));
    let client = |protocol: &[u8]| {
        let mut config = (*authority.trusting_client(None)).clone();
        config.alpn_protocols = vec![protocol.to_vec()];
        Client::connect_tls(gateway.public(), "api.test", Arc::new(config)).expect("a trusted certificate")
    };
    let fields = [("Host", "api.test"), ("Authorization", bearer.as_str())];
    let response = client(b"http/1.1").send(&request("GET", "/api/one", &fields, b"")).response();
    assert_eq!((response.status(), response.json()["path"].as_str()), (200, Some("/one")));
    let ending = frames::ask(&mut client(b"h2"), &h2_fields("POST", "/api/two", &bearer), b"hello");
    let Ending::Response { status: 200, body } = ending else { panic!("{ending:?}") };
    let echo: serde_json::Value = serde_json::from_slice(&body).expect("an echo");
    assert_eq!((echo["path"].as_str(), echo["body"].as_str()), (Some("/two"), Some("hello")));
    let entry = gateway.audited("the HTTP/2 exchange", |entry| entry["path"] == "/api/two");
    assert_eq!(entry["protocol"], "HTTP/2");
    assert_eq!(gateway.audited("the other", |entry| entry["path"] == "/api/one")["protocol"], "HTTP/1.1");
}

fn h2_fields<'a>(method: &'a str, path: &'a str, bearer: &'a str) -> [(&'a str, &'a [u8]); 5] {
    [
        (":method", method.as_bytes()),
        (":scheme", b"https"),
        (":authority", b"api.test"),
        (":path", path.as_bytes()),
        ("authorization", bearer.as_bytes()),
    ]
}

#[test]
fn http2_in_the_clear_needs_to_be_configured() {
    let scene = Scene::new(&Extra { listen: "http2 = false", ..Extra::default() });
    let bearer = scene.bearer();
    let ending = frames::ask(&mut Client::connect(scene.gateway.public()), &h2_fields("GET", "/api/x", &bearer), b"");
    assert!(!matches!(ending, Ending::Response { status: 200, .. }), "{ending:?}");
    assert_eq!(scene.get("/api/x").status(), 200);
    assert_eq!(scene.upstream.requests().len(), 1);
}

#[test]
fn a_websocket_passes_where_the_route_says_so_and_nowhere_else() {
    let upstream = Upstream::start(|request, wire| wire.websocket_echo(request));
    let tables = r#"
[route.chat]
path = "/chat/**"
target = "api"
credential = "api"
authn = ["corp"]
websocket = true
allow = [{ role = "reader" }]
"#;
    let scene = Scene::with(upstream, &Extra { tables, ..Extra::default() });
    let handshake =
        |path: &str, bearer: &str| websocket::offer(scene.gateway.public(), &format!("ws://api.test{path}"), bearer);
    for (path, bearer, want) in [("/api/x", scene.bearer(), 400), ("/chat/x", "Bearer x".to_owned(), 401)] {
        let failure = handshake(path, &bearer).expect_err("a handshake that should fail");
        let tungstenite::HandshakeError::Failure(tungstenite::Error::Http(response)) = *failure else {
            panic!("{path}: {failure}");
        };
        assert_eq!(response.status(), want, "{path}");
    }
    assert_eq!(scene.upstream.connection_count(), 0);
    let (mut socket, response) = handshake("/chat/room", &scene.bearer()).expect("a handshake");
    assert_eq!(response.status(), 101);
    for message in [Message::text("hello"), Message::binary(vec![7; 100_000]), Message::text("again")] {
        socket.send(message.clone()).expect("sent");
        assert_eq!(socket.read().expect("an echo"), message);
    }
    let sent = &scene.upstream.requests()[0];
    assert_eq!((sent.path(), sent.all("authorization")), ("/room", vec![format!("Bearer {SECRET}").as_str()]));
    socket.close(None).expect("a close frame");
    while socket.read().is_ok() {}
    let record = scene.gateway.audited("the WebSocket's end", |entry| entry["path"] == "/chat/room");
    assert_eq!(record["status"], 101, "{record}");
}

#[test]
fn a_websocket_outlives_an_upstream_that_answers_before_it_is_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let hasty = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            // To the key of RFC 6455 §1.3.
            let answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
            socket.write_all(answer).expect("an open connection");
            std::thread::spawn(move || {
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\nhello") {
                    let mut byte = [0];
                    socket.read_exact(&mut byte).expect("a request and a message");
                    asked.extend(byte);
                }
                socket.write_all(b"hello").expect("an open connection");
            });
        }
    });
    let tables = format!(
        r#"
[target.hasty]
url = "http://{hasty}"

[route.chat]
path = "/chat/**"
target = "hasty"
authn = ["corp"]
websocket = true
allow = [{{ role = "reader" }}]
"#
    );
    let scene = Scene::new(&Extra { tables: &tables, ..Extra::default() });
    let bearer = scene.bearer();
    let fields = [
        ("Authorization", bearer.as_str()),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    for _ in 0..32 {
        let mut client = Client::connect(scene.gateway.public());
        client.send(&request("GET", "/chat/x", &fields, b""));
        assert_eq!(client.reader().head().expect("an answer").expect("a head").status(), 101);
        assert_eq!(client.send(b"hello").rest(), b"hello");
    }
}

#[test]
fn events_arrive_one_by_one() {
    let (next, events) = std::sync::mpsc::channel::<String>();
    let events = std::sync::Mutex::new(events);
    let upstream = Upstream::start(move |_, wire| {
        wire.begin(200, "text/event-stream")?;
        for event in events.lock().expect("one stream").iter() {
            wire.event(&event)?;
        }
        wire.end()
    });
    let scene = Scene::with(upstream, &Extra::default());
    let mut client = Client::connect(scene.gateway.public());
    client.send(&request("GET", "/api/events", &[("Authorization", &scene.bearer())], b""));
    assert_eq!(client.reader().head().expect("an answer").expect("a head").status(), 200);
    for event in ["one", "two", "three"] {
        next.send(event.to_owned()).expect("the stream is open");
        let wanted = format!("data: {event}\n\n");
        let mut arrived = Vec::new();
        while arrived.len() < wanted.len() {
            arrived.extend(client.reader().chunk().expect("a chunk"));
        }
        assert_eq!(String::from_utf8_lossy(&arrived), wanted);
    }
    drop(next);
    assert_eq!(client.reader().chunk().expect("the last chunk"), b"");
}

#[test]
fn head_has_no_body_and_keeps_the_connection_in_step() {
    let upstream = Upstream::start(|request, wire| match request.method() {
        "HEAD" => {
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n")?;
            Ok(crate::support::upstream::Then::KeepAlive)
        }
        _ => wire.echo(request),
    });
    let scene = Scene::with(upstream, &Extra::default());
    let bearer = scene.bearer();
    let mut client = Client::connect(scene.gateway.public());
    for path in ["/api/x", "/nowhere"] {
        client.send(&request("HEAD", path, &[("Authorization", &bearer)], b""));
        let head = client.reader().head().expect("an answer").expect("a head");
        let (status, length) = if path == "/nowhere" { (404, None) } else { (200, Some("12345")) };
        assert_eq!(head.status(), status);
        assert!(length.is_none() || head.header("content-length") == length);
    }
    client.send(&request("GET", "/api/y", &[("Authorization", &bearer)], b""));
    assert_eq!(client.response().json()["path"], "/y");
}

#[test]
fn an_expectation_is_met_when_the_request_is_allowed_and_not_before() {
    let scene = Scene::new(&Extra::default());
    let expecting = |bearer: &str| {
        let fields = [("Authorization", bearer), ("Expect", "100-continue"), ("Content-Length", "5")];
        let mut client = Client::connect(scene.gateway.public());
        client.send(&request("POST", "/api/x", &fields, b""));
        client
    };
    let mut refused = expecting("Bearer x");
    let head = refused.reader().head().expect("an answer").expect("a head");
    assert_eq!(head.status(), 401, "no body is asked for that is not wanted");
    assert_eq!(scene.upstream.connection_count(), 0);
    let mut client = expecting(&scene.bearer());
    assert_eq!(client.reader().head().expect("an answer").expect("a head").status(), 100);
    assert_eq!(client.send(b"hello").response().json()["body"], "hello");
}

#[test]
fn large_bodies_pass_in_both_directions_unchanged() {
    let upstream = Upstream::start(|request, wire| wire.respond(200, &[], &request.body));
    let scene = Scene::with(upstream, &Extra::default());
    let body: Vec<u8> = (0..MEGABYTES).map(|n| (n * 31 % 251) as u8).collect();
    let bearer = scene.bearer();
    let response = scene.gateway.send(&request("POST", "/api/x", &[("Authorization", &bearer)], &body));
    assert!(response.status() == 200 && response.body == body, "{} {}", response.status(), response.body.len());
    let record = scene.record_of(&response);
    assert_eq!((&record["request_bytes"], &record["response_bytes"]), (&MEGABYTES.into(), &MEGABYTES.into()));

    let head = format!(
        "POST /api/y HTTP/1.1\r\nHost: api.test\r\nAuthorization: {bearer}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let mut client = Client::connect(scene.gateway.public());
    client.send(head.as_bytes());
    for chunk in body.chunks(100_000) {
        client.send(&[format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
    }
    let response = client.send(b"0\r\n\r\n").response();
    assert!(response.status() == 200 && response.body == body, "{} {}", response.status(), response.body.len());
}

#[test]
fn a_body_that_is_too_large_is_refused_before_or_cut_off_on_the_way() {
    let scene = Scene::new(&Extra { route: "max_body = \"64KiB\"", ..Extra::default() });
    let bearer = scene.bearer();
    let fields = [("Authorization", bearer.as_str()), ("Content-Length", "65537")];
    let response = scene.gateway.send(&request("POST", "/api/x", &fields, b""));
    assert_eq!((response.status(), code(&response).as_str()), (413, "body_too_large"));
    assert_eq!(scene.record_of(&response)["outcome"], "denied");
    assert_eq!(scene.upstream.connection_count(), 0, "nothing was opened for it");
    let whole = scene.gateway.send(&request("POST", "/api/x", &[("Authorization", &bearer)], &[b'x'; 65536]));
    assert_eq!(whole.status(), 200);

    let head = format!(
        "POST /api/cut HTTP/1.1\r\nHost: api.test\r\nAuthorization: {bearer}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let mut client = Client::connect(scene.gateway.public());
    client.send(head.as_bytes());
    for _ in 0..3 {
        client.send(&[&b"8000\r\n"[..], &[b'x'; 0x8000], b"\r\n"].concat());
    }
    let response = client.send(b"0\r\n\r\n").try_response().ok().flatten().expect("an answer");
    assert_eq!((response.status(), code(&response).as_str()), (413, "body_too_large"));
    let record = scene.gateway.audited("the record", |entry| entry["path"] == "/api/cut");
    assert_eq!((&record["outcome"], &record["code"]), (&"denied".into(), &"body_too_large".into()));
    assert!(scene.upstream.requests().iter().all(|request| request.path() != "/cut"), "it never came to its end");
}

#[test]
fn a_body_that_is_too_large_is_cut_off_on_its_way_to_an_http2_upstream_too() {
    let streams = Streams::echo();
    let scene = streams.scene("max_body = \"64KiB\"\n", "");
    let head = format!(
        "POST /modern/cut HTTP/1.1\r\nHost: api.test\r\nAuthorization: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        scene.bearer()
    );
    for (chunks, status) in [(2, 200), (3, 413)] {
        let mut client = Client::connect(scene.gateway.public());
        client.send(head.as_bytes());
        for _ in 0..chunks {
            client.send(&[&b"8000\r\n"[..], &[b'x'; 0x8000], b"\r\n"].concat());
        }
        let response = client.send(b"0\r\n\r\n").try_response().ok().flatten().expect("an answer");
        assert_eq!(response.status(), status);
        let record = scene.record_of(&response);
        assert_eq!(record["outcome"], if status == 200 { "completed" } else { "denied" }, "{record}");
    }
    let received = eventually("both have ended", || Some(streams.received()).filter(|all| all.len() == 2));
    let whole: Vec<_> = received.iter().map(|one| one.trailers.is_some()).collect();
    assert_eq!(whole, [true, false], "the other stream was reset");
}

#[test]
fn whoever_does_not_read_an_answer_of_an_http2_upstream_holds_up_nobody_else() {
    let streams = Streams::echo();
    let scene = streams.scene("", "");
    let fields = [("Host", "api.test"), ("Authorization", &*scene.bearer())];
    let mut idle: Vec<_> = (0..20).map(|_| Client::connect(scene.gateway.public())).collect();
    for client in &mut idle {
        client.send(&request("GET", "/modern/large", &fields, b""));
        assert_eq!(client.reader().head().expect("read").expect("a head").status(), 200);
    }
    for _ in 0..5 {
        assert_eq!(scene.get("/modern/x").status(), 200);
    }
}

#[test]
fn a_connection_on_which_an_http2_upstream_takes_nothing_more_is_left() {
    let streams = Streams::after(1);
    let scene = streams.scene("", "");
    let fields = [("Host", "api.test"), ("Authorization", &*scene.bearer())];
    let post = || scene.gateway.send(&request("POST", "/modern/x", &fields, b"")).status();
    // It may have done something; what comes next goes over another.
    assert_eq!((post(), post()), (502, 200));
    let streams = Streams::after(1);
    assert_eq!(streams.scene("", "").get("/modern/x").status(), 200, "what may be asked twice is");
}

#[test]
fn an_answer_that_has_begun_is_not_asked_for_again() {
    let streams = Streams::echo();
    let scene = streams.scene("", "");
    let mut client = Client::connect(scene.gateway.public());
    let fields = [("Host", "api.test"), ("Authorization", &*scene.bearer())];
    client.send(&request("GET", "/modern/half", &fields, b""));
    assert_eq!(client.reader().head().expect("read").expect("a head").status(), 200);
    let rest = String::from_utf8_lossy(&client.rest()).into_owned();
    assert!(rest.contains("half of ") && !rest.contains("0\r\n\r\n"), "it is told to be half of one: {rest}");
    let record = scene.gateway.audited("the record", |entry| entry["path"] == "/modern/half");
    assert_eq!((&record["outcome"], streams.received().len()), (&"failed".into(), 1), "{record}");
}

#[test]
fn grpc_passes_with_its_trailers() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let listener = runtime.block_on(AsyncListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("its address");
    let (seen, heads) = std::sync::mpsc::channel::<HeaderMap>();
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_grpc(stream, seen.clone()));
        }
    });
    let issuer = crate::support::issuer::Issuer::start();
    let unused = Upstream::echo();
    let gateway = crate::support::gateway::Gateway::start(|site| {
        let tables = format!(
            r#"
[target.grpc]
url = "http://{address}"
http = "2"
[credential.grpc.bearer]
target = "grpc"
secret = "dir:api-key"
[route.grpc]
path = "/echo.Echo/**"
keep_prefix = true
target = "grpc"
credential = "grpc"
authn = ["corp"]
allow = [{{ role = "reader" }}]
"#
        );
        crate::support::scene::config(site, &issuer, &unused, &Extra { tables: &tables, ..Extra::default() })
    });
    let mut claims = issuer.claims("ada");
    claims["roles"] = serde_json::json!(["reader"]);
    let bearer = format!("Bearer {}", issuer.token(&claims));
    let (body, trailers) = runtime.block_on(call_grpc(gateway.public(), &bearer));
    assert_eq!(body, b"\0\0\0\0\x05hello");
    assert!(trailers["grpc-status"] == "0" && trailers["grpc-message"] == "fine", "{trailers:?}");
    let head = heads.recv_timeout(crate::support::PATIENCE).expect("a request");
    assert_eq!(head["authorization"], format!("Bearer {SECRET}"));
    assert!(head["te"] == "trailers" && head["content-type"] == "application/grpc", "{head:?}");
}

/// Sends every body back, with a status in the trailers.
async fn serve_grpc(stream: AsyncStream, seen: std::sync::mpsc::Sender<HeaderMap>) {
    let mut connection = h2::server::handshake(stream).await.expect("a handshake");
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let seen = seen.clone();
        tokio::spawn(async move {
            let (head, mut body) = request.into_parts();
            seen.send(head.headers).expect("the test waits");
            let response = Response::builder().header("content-type", "application/grpc").body(()).expect("a response");
            let mut stream = respond.send_response(response, false).expect("sent");
            while let Some(Ok(data)) = body.data().await {
                stream.send_data(data, false).expect("sent");
            }
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().expect("a value"));
            trailers.insert("grpc-message", "fine".parse().expect("a value"));
            stream.send_trailers(trailers).expect("sent");
        });
    }
}

async fn call_grpc(address: std::net::SocketAddr, bearer: &str) -> (Vec<u8>, HeaderMap) {
    let stream = AsyncStream::connect(address).await.expect("a connection");
    let (client, connection) = h2::client::handshake(stream).await.expect("a handshake");
    tokio::spawn(connection);
    let request = Request::builder()
        .method("POST")
        .uri("http://api.test/echo.Echo/Say")
        .header("authorization", bearer)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .expect("a request");
    let (response, mut stream) = client.ready().await.expect("ready").send_request(request, false).expect("sent");
    stream.send_data(Bytes::from_static(b"\0\0\0\0\x05hello"), true).expect("sent");
    let mut body = response.await.expect("a response").into_body();
    let mut all = Vec::new();
    while let Some(data) = body.data().await {
        all.extend(data.expect("data"));
    }
    (all, body.trailers().await.expect("an end").expect("trailers"))
}

#[test]
fn an_aborted_exchange_has_its_record() {
    let upstream = Upstream::start(|_, wire| {
        wire.begin(200, "text/plain")?;
        wire.chunk(b"first")?;
        wire.until_closed()
    });
    let scene = Scene::with(upstream, &Extra::default());
    let mut client = TcpStream::connect(scene.gateway.public()).expect("a connection");
    let bytes = request("GET", "/api/aborted", &[("Authorization", &scene.bearer())], b"");
    std::io::Write::write_all(&mut client, &bytes).expect("sent");
    client.read_exact(&mut [0; 12]).expect("the beginning of an answer");
    drop(client);
    scene.upstream.sever();
    let record = scene.gateway.audited("the record", |entry| entry["path"] == "/api/aborted");
    assert_ne!(record["outcome"], "completed", "{record}");
    assert_eq!(record["status"], 200);
}
