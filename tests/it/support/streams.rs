//! An upstream API that speaks HTTP/2 alone, without TLS, and tells what it was sent and how that ended.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, Response, header::AUTHORIZATION, request::Parts};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
};

use super::scene::{Extra, Scene};

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Its trailers, where it came to its own end; none where the stream was reset or the connection ended.
    pub(crate) trailers: Option<HeaderMap>,
}

/// A server on a port of its own that answers every whole request with 200 and its body, those for `/reflect` also with the `Authorization`
/// that it was sent, in fields and a trailer, those for `/large` with 20 MiB, and those for `/half` with half of an answer, which it takes back; it ends when
/// it is dropped.
pub(crate) struct Streams {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Received>>>,
    _runtime: Runtime,
}

impl Streams {
    /// Starts it.
    pub(crate) fn echo() -> Self {
        Self::after(0)
    }

    /// Starts one that takes nothing on its first connections, so many: it resets their streams.
    pub(crate) fn after(calmed: usize) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("its address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&seen);
        runtime.spawn(async move {
            let mut nth = 0;
            while let Ok((stream, _)) = listener.accept().await {
                nth += 1;
                tokio::spawn(serve(stream, nth <= calmed, Arc::clone(&told)));
            }
        });
        Self { address, seen, _runtime: runtime }
    }

    /// Its base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A gateway with a route `/modern/**` to it, which has these keys too, and these tables.
    pub(crate) fn scene(&self, route: &str, tables: &str) -> Scene {
        let tables = format!(
            "[target.modern]\nurl = \"{}\"\nhttp = \"2\"\n{tables}[route.modern]\npath = \"/modern/**\"\ntarget = \"modern\"\n{route}\
             authn = [\"corp\"]\nallow = [{{ role = \"reader\" }}]\n",
            self.url()
        );
        Scene::new(&Extra { tables: &tables, ..Extra::default() })
    }

    /// All requests so far that ended in one way or another.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.seen.lock().expect("no panic with the lock").clone()
    }
}

async fn serve(stream: TcpStream, is_calmed: bool, seen: Arc<Mutex<Vec<Received>>>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        if is_calmed {
            respond.send_reset(Reason::ENHANCE_YOUR_CALM);
            continue;
        }
        let seen = Arc::clone(&seen);
        tokio::spawn(async move {
            let (head, body) = request.into_parts();
            let received = receive(head, body).await;
            let is_cut = received.path == "/half";
            let answer =
                received.trailers.is_some().then(|| (Bytes::from(received.body.clone()), reflection(&received)));
            seen.lock().expect("no panic with the lock").push(received);
            let Some((body, fields)) = answer else { return };
            let mut response = Response::new(());
            *response.headers_mut() = fields.clone();
            // A peer that goes away ends its stream and nothing else.
            if let Ok(mut stream) = respond.send_response(response, false) {
                if is_cut {
                    let _ = stream.send_data(Bytes::from_static(b"half of "), false);
                    // What was sent goes first.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    return stream.send_reset(Reason::ENHANCE_YOUR_CALM);
                }
                let _ = stream.send_data(body, fields.is_empty());
                if !fields.is_empty() {
                    let _ = stream.send_trailers(fields);
                }
            }
        });
    }
}

fn reflection(received: &Received) -> HeaderMap {
    let mut fields = HeaderMap::new();
    if received.path == "/reflect" {
        let sent = received.headers.get(AUTHORIZATION).expect("the gateway's");
        fields.append("x-leak", "fine".parse().expect("text"));
        fields.append("x-leak", sent.clone());
        fields.append("location", sent.clone());
        fields.append("x-fine", "fine".parse().expect("text"));
    }
    fields
}

async fn receive(head: Parts, mut body: h2::RecvStream) -> Received {
    let path = head.uri.path().to_owned();
    let mut received = Received { path, headers: head.headers, body: Vec::new(), trailers: None };
    if received.path == "/large" {
        received.body = vec![b'x'; 20 << 20];
    }
    while let Some(data) = body.data().await {
        let Ok(data) = data else { return received };
        let _ = body.flow_control().release_capacity(data.len());
        received.body.extend(data);
    }
    received.trailers = body.trailers().await.ok().map(Option::unwrap_or_default);
    received
}
