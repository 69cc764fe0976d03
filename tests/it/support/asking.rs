//! An upstream over TLS that asks for client certificates, speaks HTTP/1.1 and HTTP/2, and tells as whom each request came.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Who comes without a certificate.
pub(crate) const NOBODY: &str = "nobody";

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    /// The number of its connection.
    pub(crate) connection: usize,
    /// The common name in the certificate that this was made with, or [`NOBODY`].
    pub(crate) name: String,
    pub(crate) path: String,
    /// The value of `X-Key`.
    pub(crate) key: Option<String>,
    pub(crate) is_h2: bool,
}

/// A server on a port of its own that answers every GET with 200 and the name of who came; it ends when it is dropped.
pub(crate) struct Asking {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    _runtime: Runtime,
}

#[derive(Default)]
struct Seen {
    connections: usize,
    arrived: Vec<Arrived>,
}

impl Asking {
    /// Starts it.
    pub(crate) fn start(mut tls: ServerConfig) -> Self {
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("its address");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (told, acceptor) = (Arc::clone(&seen), TlsAcceptor::from(Arc::new(tls)));
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = {
                    let mut seen = told.lock().expect("no panic with the lock");
                    seen.connections += 1;
                    seen.connections
                };
                tokio::spawn(serve(stream, acceptor.clone(), number, Arc::clone(&told)));
            }
        });
        Self { address, seen, _runtime: runtime }
    }

    /// Its base URL.
    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// How many connections were ever accepted, with those whose handshake failed.
    pub(crate) fn connection_count(&self) -> usize {
        self.seen.lock().expect("no panic with the lock").connections
    }

    /// All requests so far, by order of arrival.
    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        self.seen.lock().expect("no panic with the lock").arrived.clone()
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, connection: usize, seen: Arc<Mutex<Seen>>) {
    // Who shows no certificate that is taken goes no further.
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let (_, tls) = stream.get_ref();
    let name =
        tls.peer_certificates().and_then(|chain| chain.first()).map_or(NOBODY.to_owned(), |leaf| common_name(leaf));
    let is_h2 = tls.alpn_protocol() == Some(b"h2");
    let arrived = Arrived { connection, name, path: String::new(), key: None, is_h2 };
    let tell = move |path: &str, key: Option<&str>| {
        let arrived = Arrived { path: path.to_owned(), key: key.map(str::to_owned), ..arrived.clone() };
        let name = arrived.name.clone();
        seen.lock().expect("no panic with the lock").arrived.push(arrived);
        name
    };
    if is_h2 {
        serve_h2(stream, tell).await;
    } else {
        while let Some((path, key)) = head(&mut stream).await {
            let name = tell(&path, key.as_deref());
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len());
            if stream.write_all(answer.as_bytes()).await.is_err() || stream.flush().await.is_err() {
                return;
            }
        }
    }
}

async fn serve_h2(stream: TlsStream<TcpStream>, tell: impl Fn(&str, Option<&str>) -> String) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let key = |request: &Request<_>| request.headers().get("x-key")?.to_str().ok().map(str::to_owned);
        let name = tell(request.uri().path(), key(&request).as_deref());
        // A peer that goes away ends its stream and nothing else.
        if let Ok(mut stream) = respond.send_response(Response::new(()), false) {
            let _ = stream.send_data(Bytes::from(name), true);
        }
    }
}

/// The path and `X-Key` of the next request, which has no body.
async fn head(stream: &mut TlsStream<TcpStream>) -> Option<(String, Option<String>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_buf(&mut head).await.ok().filter(|read| *read > 0)?;
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let fields = lines.filter_map(|line| line.split_once(": "));
    let key = fields.filter(|(name, _)| name.eq_ignore_ascii_case("x-key")).map(|(_, value)| value.to_owned()).next();
    Some((path, key))
}

fn common_name(certificate: &[u8]) -> String {
    let (_, parsed) = X509Certificate::from_der(certificate).expect("a certificate");
    let name = parsed.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
    name.expect("a common name").to_owned()
}
