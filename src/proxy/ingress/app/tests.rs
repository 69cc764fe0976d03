//! The ingress before Pingora's own HTTP server, over loopback sockets.

mod tls;

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use pingora::apps::{HttpPersistentSettings, HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use pingora::protocols::{SocketDigest, l4};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::*;
use crate::domain::{Name, NetworkSet};
use crate::proxy::ingress::{Settings, connection};

const GOOD: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const CLEAN: &str = "127.0.0.1 clean\n";

/// Answers with the client's address, the verdict and the name asked for in TLS, and reads the body only if told to.
struct Teller {
    options: HttpServerOptions,
    cleaned: AtomicUsize,
}

#[async_trait]
impl HttpServerApp for Teller {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        _shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if !matches!(session.read_request().await, Ok(true)) {
            return None;
        }
        if session.req_header().uri.path() == "/read" {
            while session.read_request_body().await.ok()?.is_some() {}
        }
        let connection = Arc::clone(connection(session.digest())?);
        let verdict = connection.verdict().map_or("clean".to_owned(), |denial| format!("{denial:?}"));
        let name = connection.server_name.as_ref().map_or(String::new(), |name| format!(" {name}"));
        let text = format!("{} {verdict}{name}\n", connection.client.ip());
        let mut head = ResponseHeader::build(200, None).expect("head");
        head.insert_header("content-length", text.len()).expect("length");
        session.write_response_header(Box::new(head)).await.ok()?;
        session.write_response_body(Bytes::from(text), true).await.ok()?;
        connection.exchange_done();
        let settings = HttpPersistentSettings::for_session(&session);
        let reusable = session.finish().await.ok()??;
        Some(ReusedHttpStream::from_reusable_stream(reusable, settings))
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.options)
    }

    async fn http_cleanup(&self) {
        self.cleaned.fetch_add(1, Ordering::Relaxed);
    }
}

struct Rig {
    listener: TcpListener,
    ingress: Arc<Ingress<Teller>>,
    shutdown: watch::Receiver<bool>,
    _signal: watch::Sender<bool>,
}

async fn rig(change: impl FnOnce(&mut Settings), h2c: bool) -> Rig {
    let mut settings = Settings::new(Name::parse("public").expect("name"));
    change(&mut settings);
    let mut options = HttpServerOptions::default();
    options.h2c = h2c;
    let teller = Arc::new(Teller { options, cleaned: AtomicUsize::new(0) });
    let (signal, shutdown) = watch::channel(false);
    Rig {
        listener: TcpListener::bind("127.0.0.1:0").await.expect("bind"),
        ingress: Arc::new(Ingress::new(Gate::new(settings), teller)),
        shutdown,
        _signal: signal,
    }
}

impl Rig {
    /// A client, and the task that serves it until the connection is closed.
    async fn connect(&self) -> (TcpStream, JoinHandle<()>) {
        let client = TcpStream::connect(self.listener.local_addr().expect("address")).await.expect("connect");
        let (socket, _) = self.listener.accept().await.expect("accept");
        let digest = SocketDigest::from_raw_fd(socket.as_raw_fd());
        let mut stream = l4::stream::Stream::from(socket);
        pingora::protocols::GetSocketDigest::set_socket_digest(&mut stream, digest);
        let (ingress, shutdown) = (Arc::clone(&self.ingress), self.shutdown.clone());
        let served = tokio::spawn(async move {
            ingress.process_new(Box::new(stream), &shutdown).await;
        });
        (client, served)
    }

    /// Sends each part once the one before was answered, then the end; gives the answers' bodies.
    async fn tell(&self, parts: &[&str]) -> Vec<String> {
        let (mut client, served) = self.connect().await;
        let mut answers = Vec::new();
        for part in parts {
            if client.write_all(part.as_bytes()).await.is_err() {
                break;
            }
            let mut answer = Vec::new();
            while !answer.ends_with(b"\n") || answer.ends_with(b"\r\n") {
                match client.read_u8().await {
                    Ok(byte) => answer.push(byte),
                    Err(_) => break,
                }
            }
            let answer = String::from_utf8(answer).expect("text");
            answers.extend(answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()));
        }
        drop(client);
        served.await.expect("served");
        answers
    }
}

#[tokio::test]
async fn each_head_on_a_connection_has_its_own_verdict_until_one_is_bad() {
    let rig = rig(|_| {}, false).await;
    let bare = GOOD.replace("a\r\n", "a\n");
    assert_eq!(rig.tell(&[GOOD, GOOD]).await, [CLEAN, CLEAN]);
    let bad = "127.0.0.1 Malformed(LineEnd)\n";
    assert_eq!(rig.tell(&[GOOD, &bare, GOOD]).await, [CLEAN, bad, bad]);
    assert_eq!(rig.ingress.gate.counters().heads_malformed.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_body_is_never_taken_for_a_head_whether_it_is_read_or_not() {
    let rig = rig(|_| {}, false).await;
    let bare = GOOD.replace("a\r\n", "a\n");
    let post = |path: &str| format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{GOOD}", GOOD.len());
    assert_eq!(rig.tell(&[&post("/read"), &bare]).await, [CLEAN, "127.0.0.1 Malformed(LineEnd)\n"]);
    assert_eq!(rig.tell(&[&post("/read"), GOOD]).await, [CLEAN, CLEAN]);
    assert_eq!(rig.tell(&[&post("/leave"), GOOD]).await, [CLEAN], "closed with its body unread");
}

#[tokio::test]
async fn what_is_sent_ahead_of_an_answer_is_dropped_with_the_connection() {
    let rig = rig(|_| {}, false).await;
    assert_eq!(rig.tell(&[&[GOOD, GOOD].concat(), GOOD]).await, [CLEAN]);
    let chunked = "POST /read HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\n\n";
    assert_eq!(rig.tell(&[chunked, GOOD]).await, [CLEAN]);
}

#[tokio::test]
async fn what_pingora_repairs_is_refused() {
    let rig = rig(|_| {}, false).await;
    for (head, want) in [
        ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "RequestLine"),
        ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", "RequestLine"),
        ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "RequestLine"),
        ("GET / HTTP/1.1\r\n\r\n", "Host(Missing)"),
        ("GET / HTTP/1.1\r\nHost: a\n\n", "LineEnd"),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", "ContentLength"),
        ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "TransferEncoding"),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 0\r\n\r\n", "ContentLength"),
    ] {
        assert_eq!(rig.tell(&[head]).await, [format!("127.0.0.1 Malformed({want})\n")], "{head:?}");
    }
}

#[tokio::test]
async fn a_trusted_peer_names_the_client_and_no_other_peer_does() {
    let trust = |settings: &mut Settings| {
        settings.proxy_protocol_from = NetworkSet::new(vec!["127.0.0.0/8".parse().expect("network")]);
    };
    let named = format!("PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n{GOOD}");
    let trusting = rig(trust, false).await;
    assert_eq!(trusting.tell(&[&named, GOOD]).await, ["192.0.2.7 clean\n", "192.0.2.7 clean\n"]);
    assert_eq!(trusting.tell(&[GOOD]).await, [""; 0], "the header is required");
    assert_eq!(trusting.ingress.gate.counters().refused_proxy_header.load(Ordering::Relaxed), 1);
    let plain = rig(|_| {}, false).await;
    assert_eq!(plain.tell(&[&named]).await, [""; 0]);
}

#[tokio::test]
async fn connections_above_the_limit_are_closed_at_once_and_seats_are_freed() {
    let rig = rig(|settings| settings.max_connections_per_address = 1, false).await;
    let (client, served) = rig.connect().await;
    tokio::task::yield_now().await;
    assert_eq!(rig.ingress.gate.open_connections(), 1);
    assert_eq!(rig.tell(&[GOOD]).await, [""; 0]);
    assert_eq!(rig.ingress.gate.counters().refused_per_address.load(Ordering::Relaxed), 1);
    drop(client);
    served.await.expect("served");
    assert_eq!(rig.ingress.gate.open_connections(), 0);
    assert_eq!(rig.tell(&[GOOD]).await, [CLEAN]);
}

#[tokio::test]
async fn without_tls_http2_is_known_by_its_preface_and_http1_still_scanned() {
    let rig = rig(|_| {}, true).await;
    assert_eq!(rig.tell(&[&GOOD.replace("a\r\n", "a\n")]).await, ["127.0.0.1 Malformed(LineEnd)\n"]);
    let (mut client, served) = rig.connect().await;
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.expect("write");
    let mut frame = [0; 9];
    client.read_exact(&mut frame).await.expect("read");
    assert_eq!(frame[3], 4, "a SETTINGS frame");
    assert_eq!(rig.ingress.gate.counters().heads_malformed.load(Ordering::Relaxed), 1, "the one above");
    drop(client);
    served.await.expect("served");
}

#[tokio::test]
async fn idle_connections_are_kept_for_the_lame_duck_time() {
    let rig = rig(|_| {}, false).await;
    tokio::time::pause();
    let ingress = Arc::clone(&rig.ingress);
    let cleanup = tokio::spawn(async move { ingress.cleanup().await });
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(rig.ingress.inner.cleaned.load(Ordering::Relaxed), 0);
    cleanup.await.expect("cleanup");
    assert_eq!(rig.ingress.inner.cleaned.load(Ordering::Relaxed), 1);
}
