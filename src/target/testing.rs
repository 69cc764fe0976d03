//! What the tests of this module share: settings, and a loopback upstream that can turn bad.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::endpoint::Check;
use super::settings::{BackendAddress, Health, Settings};
use super::tls::UpstreamTls;
use super::url::TargetUrl;
use crate::domain::{Name, NetworkSet};
use crate::net::Egress;

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().expect("address")
}

/// Egress rules that open every private network.
pub(super) fn open_egress() -> Egress {
    let networks = ["0.0.0.0/0", "::/0"].map(|network| network.parse().expect("network"));
    Egress::new(NetworkSet::new(networks.to_vec()))
}

pub(super) fn settings(url: &str) -> Settings {
    let url = TargetUrl::parse(url).expect(url);
    let tls = UpstreamTls::new(&url.origin, None, None).expect("tls");
    Settings::new(Name::parse("api").expect("name"), url, tls)
}

pub(super) fn backend(address: SocketAddr) -> BackendAddress {
    BackendAddress::parse(&address.to_string(), 80, NonZeroU8::MIN).expect("backend")
}

/// A check that turns health at once, fast enough for a test to wait for.
pub(super) fn health(path: &str) -> Health {
    Health {
        path: path.parse().expect("path"),
        expect: 200..=299,
        interval: Duration::from_millis(10),
        timeout: Duration::from_secs(5),
        healthy_after: NonZeroU8::MIN,
        unhealthy_after: NonZeroU8::MIN,
        host: None,
    }
}

pub(super) fn check(health: Health) -> Check {
    let settings = settings("http://api.test");
    Check { health, host: settings.host_header.clone(), link: settings.link() }
}

/// An upstream on loopback that answers every request for `/up` with the status it is told.
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    status: Arc<AtomicU16>,
}

impl Upstream {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("address");
        let status = Arc::new(AtomicU16::new(200));
        let current = Arc::clone(&status);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {}
                let head = String::from_utf8_lossy(&head).to_lowercase();
                let as_expected = head.starts_with("get /up http/1.1\r\n") && head.contains("host: api.test\r\n");
                let status = if as_expected { current.load(Ordering::Relaxed) } else { 400 };
                let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
                drop(stream.write_all(answer.as_bytes()).await);
            }
        });
        Self { address, status }
    }

    pub(super) fn answer(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }
}

/// An upstream on loopback that speaks TLS with this certificate and answers every request with 200.
pub(super) fn start_tls(certified: &rcgen::CertifiedKey<rcgen::KeyPair>) -> SocketAddr {
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key.into())
        .expect("certificate");
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut connection = rustls::ServerConnection::new(Arc::clone(&config)).expect("connection");
            let mut tls = rustls::Stream::new(&mut connection, &mut stream);
            let mut head = [0; 1024];
            if tls.read(&mut head).is_ok_and(|read| read > 0) {
                drop(tls.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
            }
        }
    });
    address
}
