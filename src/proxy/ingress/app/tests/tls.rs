//! The same over TLS, with the gate before the handshake, in a service as Pingora runs it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::IntoRawFd;

use pingora::listeners::Listeners;
use pingora::listeners::tls::TlsSettings;
use pingora::server::{Fds, ListenFds};
use pingora::services::{Service as _, listening::Service};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::*;

struct Secured {
    address: SocketAddr,
    gate: Arc<Gate>,
    client: Arc<ClientConfig>,
    _signal: watch::Sender<bool>,
}

/// A TLS listener for `localhost`, with or without its gate before the handshake.
fn serve(gated: bool) -> Secured {
    let directory = tempfile::tempdir().expect("directory");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("certificate");
    let (certificate, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).expect("write");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("write");
    let tls = TlsSettings::intermediate(&certificate.to_string_lossy(), &key.to_string_lossy()).expect("tls");

    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    socket.set_nonblocking(true).expect("nonblocking");
    let address = socket.local_addr().expect("address");
    let mut bound = Fds::new();
    bound.add(address.to_string(), socket.into_raw_fd());
    let bound: ListenFds = Arc::new(bound.into());

    let mut settings = Settings::new(Name::parse("public").expect("name"));
    settings.proxy_protocol_from = NetworkSet::new(vec!["127.0.0.0/8".parse().expect("network")]);
    let gate = Gate::new(settings);
    let mut listeners = Listeners::new();
    if gated {
        listeners.set_pre_tls_callback(Arc::<Gate>::clone(&gate));
    }
    listeners.add_tls_with_settings(&address.to_string(), None, tls);
    let teller = Arc::new(Teller { options: HttpServerOptions::default(), cleaned: AtomicUsize::new(0) });
    let mut service = Service::with_listeners("test".into(), listeners, Ingress::new(Arc::clone(&gate), teller));
    let (signal, shutdown) = watch::channel(false);
    tokio::spawn(async move {
        let _keys = directory;
        service.start_service(Some(bound), shutdown, 1).await;
    });

    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("root");
    let client = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Secured { address, gate, client: Arc::new(client), _signal: signal }
}

impl Secured {
    /// What comes back for these bytes, sent before TLS and within it; empty if the connection is closed.
    async fn tell(&self, before: &'static str, within: &'static str) -> String {
        let (address, client) = (self.address, Arc::clone(&self.client));
        let told = tokio::task::spawn_blocking(move || {
            let mut socket = TcpStream::connect(address)?;
            socket.write_all(before.as_bytes())?;
            let name = "localhost".try_into().expect("name");
            let mut stream = StreamOwned::new(ClientConnection::new(client, name).expect("client"), socket);
            stream.write_all(within.as_bytes())?;
            let mut answer = Vec::new();
            // A connection that is cut without a TLS close is an error, after what came before it.
            let _ = stream.read_to_end(&mut answer);
            Ok::<_, std::io::Error>(String::from_utf8(answer).expect("text"))
        });
        told.await.expect("client").unwrap_or_default()
    }
}

const HEADER: &str = "PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n";
const CLOSING: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn before_the_handshake_a_trusted_peer_names_the_client() {
    let secured = serve(true);
    let answer = secured.tell(HEADER, CLOSING).await;
    assert!(answer.ends_with("\r\n\r\n192.0.2.7 clean localhost\n"), "{answer:?}");
    assert_eq!(secured.tell("", CLOSING).await, "", "the header is required");
    assert_eq!(secured.gate.counters().refused_proxy_header.load(Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn without_its_gate_before_the_handshake_a_tls_listener_lets_nobody_in() {
    let secured = serve(false);
    assert_eq!(secured.tell("", "PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\nGET / HTTP/1.1\r\n\r\n").await, "");
    assert_eq!(secured.gate.counters().accepted.load(Ordering::Relaxed), 0);
}
