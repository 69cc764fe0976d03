//! An upstream API that records every byte it is sent and answers as the test says.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{WebSocket, handshake::derive_accept_key, protocol::Role};

use super::http1::{Message, Reader, Stream};

/// What becomes of the connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// It waits for the next request.
    KeepAlive,
    /// It is closed, wherever the answer stopped.
    Close,
}

/// A TCP server on a port of its own; everything about it ends when it is dropped.
pub(crate) struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
}

type Answer = dyn Fn(&Message, &mut Wire<'_>) -> io::Result<Then> + Send + Sync;

struct Shared {
    answer: Box<Answer>,
    tls: Mutex<Option<Arc<ServerConfig>>>,
    closing: AtomicBool,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// What each connection sent, after TLS.
    bytes: Vec<Vec<u8>>,
    /// Requests in order of arrival, with their connection.
    requests: Vec<(usize, Message)>,
    /// The certificates that clients showed, in order.
    certificates: Vec<Vec<u8>>,
    /// A second handle of each open connection.
    sockets: HashMap<usize, TcpStream>,
}

impl Upstream {
    /// Answers every request with 200 and [`Wire::echo`].
    pub(crate) fn echo() -> Self {
        Self::start(|request, wire| wire.echo(request))
    }

    /// The same, but for `/events`: a stream that tells of one event and then stays open; and for `/silence`, which is no answer.
    pub(crate) fn echo_with_events() -> Self {
        Self::start(|request, wire| match request.path() {
            "/silence" => wire.until_closed(),
            "/events" => {
                wire.begin(200, "text/event-stream")?;
                wire.event("first")?;
                wire.until_closed()
            }
            _ => wire.echo(request),
        })
    }

    /// Begins what the path says and then waits, so that no byte flows; counts the connections that were ended.
    pub(crate) fn silent() -> (Self, Arc<AtomicUsize>) {
        let ended = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&ended);
        let answer = move |request: &Message, wire: &mut Wire<'_>| {
            let then = match request.path() {
                "/chat" => wire.websocket_echo(request)?,
                "/events" => {
                    wire.begin(200, "text/event-stream")?;
                    wire.event("first")?;
                    wire.until_closed()?
                }
                "/flood" => {
                    wire.begin(200, "application/octet-stream")?;
                    while wire.chunk(&[7; 65_536]).is_ok() {}
                    Then::Close
                }
                "/silence" => wire.until_closed()?,
                _ => return wire.echo(request),
            };
            count.fetch_add(1, Ordering::Relaxed);
            Ok(then)
        };
        (Self::start(answer), ended)
    }

    /// Answers as the closure says; it runs on the connection's thread and may block there.
    pub(crate) fn start(answer: impl Fn(&Message, &mut Wire<'_>) -> io::Result<Then> + Send + Sync + 'static) -> Self {
        Self::listen(None, Box::new(answer))
    }

    /// The same over TLS.
    pub(crate) fn start_tls(
        tls: Arc<ServerConfig>,
        answer: impl Fn(&Message, &mut Wire<'_>) -> io::Result<Then> + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Some(tls), Box::new(answer))
    }

    fn listen(tls: Option<Arc<ServerConfig>>, answer: Box<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let shared =
            Arc::new(Shared { answer, tls: Mutex::new(tls), closing: AtomicBool::new(false), seen: Mutex::default() });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &accepting));
        Self { address, shared }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", if self.shared.tls().is_some() { "https" } else { "http" }, self.address)
    }

    /// Serves new connections so, and cuts those that there are.
    pub(crate) fn change_tls(&self, tls: Arc<ServerConfig>) {
        *self.shared.tls.lock().expect("no handler panicked with the lock") = Some(tls);
        self.sever();
    }

    /// The certificates that clients showed, in order.
    pub(crate) fn certificates(&self) -> Vec<Vec<u8>> {
        self.seen(|seen| seen.certificates.clone())
    }

    /// How many connections were ever accepted.
    pub(crate) fn connection_count(&self) -> usize {
        self.seen(|seen| seen.bytes.len())
    }

    /// The exact bytes of each connection so far, by order of accepting.
    pub(crate) fn received(&self) -> Vec<Vec<u8>> {
        self.seen(|seen| seen.bytes.clone())
    }

    /// All whole requests so far, by order of arrival.
    pub(crate) fn requests(&self) -> Vec<Message> {
        self.seen(|seen| seen.requests.iter().map(|(_, request)| request.clone()).collect())
    }

    /// The whole requests of one connection.
    pub(crate) fn requests_on(&self, connection: usize) -> Vec<Message> {
        self.seen(|seen| seen.requests.iter().filter(|(on, _)| *on == connection).map(|(_, r)| r.clone()).collect())
    }

    /// Cuts every open connection, as a crashed upstream would; it goes on listening.
    pub(crate) fn sever(&self) {
        self.seen(|seen| {
            for (_, socket) in seen.sockets.drain() {
                // The peer may have closed first.
                let _ = socket.shutdown(Shutdown::Both);
            }
        });
    }

    fn seen<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.shared.seen.lock().expect("no handler panicked with the lock"))
    }
}

impl Shared {
    fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.tls.lock().expect("no handler panicked with the lock").clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then sees the flag.
        let _ = TcpStream::connect(self.address);
        self.sever();
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for socket in listener.incoming() {
        let Ok(socket) = socket else { continue };
        if shared.closing.load(Ordering::SeqCst) {
            return;
        }
        let connection = {
            let mut seen = shared.seen.lock().expect("no handler panicked with the lock");
            let connection = seen.bytes.len();
            seen.bytes.push(Vec::new());
            seen.sockets.extend(socket.try_clone().map(|handle| (connection, handle)));
            connection
        };
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            // A peer that goes away ends its connection and nothing else.
            let _ = serve(socket, connection, &shared);
            let handle = shared.seen.lock().expect("no handler panicked with the lock").sockets.remove(&connection);
            handle.map(|socket| socket.shutdown(Shutdown::Both))
        });
    }
}

fn serve(socket: TcpStream, connection: usize, shared: &Arc<Shared>) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let stream: Box<dyn Stream> = match shared.tls() {
        None => Box::new(socket),
        Some(config) => {
            let (mut socket, mut session) = (socket, ServerConnection::new(config).map_err(io::Error::other)?);
            session.complete_io(&mut socket)?;
            let shown = session.peer_certificates().and_then(|chain| chain.first()).map(|one| one.to_vec());
            shared.seen.lock().expect("no handler panicked with the lock").certificates.extend(shown);
            Box::new(StreamOwned::new(session, socket))
        }
    };
    let mut reader = Reader::new(Recorded { stream, connection, shared: Arc::clone(shared) });
    while let Some(mut request) = reader.head()? {
        if request.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
            reader.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        reader.request_body(&mut request)?;
        shared.seen.lock().expect("no handler panicked with the lock").requests.push((connection, request.clone()));
        if (shared.answer)(&request, &mut Wire { reader: &mut reader })? == Then::Close || request.closes() {
            break;
        }
    }
    Ok(())
}

/// The answering side of one connection.
pub(crate) struct Wire<'a> {
    reader: &'a mut Reader<Recorded>,
}

impl Wire<'_> {
    /// Exactly these bytes.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reader.stream.write_all(bytes)?;
        self.reader.stream.flush()
    }

    /// A whole response with a Content-Length.
    pub(crate) fn respond(&mut self, status: u16, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Then> {
        self.head(status, headers, &format!("Content-Length: {}", body.len()))?;
        self.send(body)?;
        Ok(Then::KeepAlive)
    }

    /// A whole JSON response.
    pub(crate) fn json(&mut self, status: u16, body: &Value) -> io::Result<Then> {
        self.respond(status, &[("Content-Type", "application/json")], body.to_string().as_bytes())
    }

    /// What was received, as JSON: `method`, `path`, `headers` (a list of pairs), `body`.
    pub(crate) fn echo(&mut self, request: &Message) -> io::Result<Then> {
        self.json(
            200,
            &json!({
                "method": request.method(), "path": request.path(), "headers": request.headers, "body": request.text(),
            }),
        )
    }

    /// The head of a chunked response; [`Self::chunk`]s follow, and [`Self::end`].
    pub(crate) fn begin(&mut self, status: u16, content_type: &str) -> io::Result<()> {
        self.head(status, &[("Content-Type", content_type)], "Transfer-Encoding: chunked")
    }

    /// One chunk, on its way at once.
    pub(crate) fn chunk(&mut self, content: &[u8]) -> io::Result<()> {
        let framed = [format!("{:x}\r\n", content.len()).as_bytes(), content, b"\r\n"].concat();
        self.send(&framed)
    }

    /// One server-sent event, as a chunk of its own; the response began as `text/event-stream`.
    pub(crate) fn event(&mut self, data: &str) -> io::Result<()> {
        self.chunk(format!("data: {data}\n\n").as_bytes())
    }

    /// The last chunk.
    pub(crate) fn end(&mut self) -> io::Result<Then> {
        self.send(b"0\r\n\r\n")?;
        Ok(Then::KeepAlive)
    }

    /// Waits until the other side closes; what it sends meanwhile is recorded.
    pub(crate) fn until_closed(&mut self) -> io::Result<Then> {
        self.reader.rest()?;
        Ok(Then::Close)
    }

    /// Accepts the WebSocket that the request asks for (RFC 6455 §4.2.2) and sends every message back until it closes.
    pub(crate) fn websocket_echo(&mut self, request: &Message) -> io::Result<Then> {
        let accept = derive_accept_key(request.header("sec-websocket-key").unwrap_or_default().as_bytes());
        let upgrade = format!("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}");
        self.head(101, &[], &upgrade)?;
        let ahead = std::mem::take(&mut self.reader.buffer);
        let mut socket = WebSocket::from_partially_read(&mut self.reader.stream, ahead, Role::Server, None);
        while let Ok(message) = socket.read() {
            if (message.is_text() || message.is_binary()) && socket.send(message).is_err() {
                break;
            }
        }
        Ok(Then::Close)
    }

    fn head(&mut self, status: u16, headers: &[(&str, &str)], framing: &str) -> io::Result<()> {
        let reason = http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or("Other");
        let mut head = format!("HTTP/1.1 {status} {reason}\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        self.send(format!("{head}{framing}\r\n\r\n").as_bytes())
    }
}

/// Records what is read through it.
struct Recorded {
    stream: Box<dyn Stream>,
    connection: usize,
    shared: Arc<Shared>,
}

impl Read for Recorded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(into)?;
        let mut seen = self.shared.seen.lock().expect("no handler panicked with the lock");
        seen.bytes[self.connection].extend_from_slice(&into[..count]);
        Ok(count)
    }
}

impl Write for Recorded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
