//! Requests as exact bytes, and what came back.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::Arc,
};

use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};

use super::{
    PATIENCE,
    http1::{Message, Reader, Stream},
};

/// One connection of a client that sends exactly what it is told; every read has a deadline.
pub(crate) struct Client {
    reader: Reader<Box<dyn Stream>>,
    socket: TcpStream,
}

impl Client {
    /// Connects in the clear.
    ///
    /// # Panics
    /// When nobody listens.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).unwrap_or_else(|e| panic!("connecting to {address}: {e}"))
    }

    /// Connects in the clear.
    ///
    /// # Errors
    /// What the system says, most often that nobody listens.
    pub(crate) fn try_connect(address: SocketAddr) -> io::Result<Self> {
        let socket = open(address)?;
        let stream = Box::new(socket.try_clone()?);
        Ok(Self { reader: Reader::new(stream), socket })
    }

    /// Connects with TLS and completes the handshake.
    ///
    /// # Errors
    /// What the handshake met: an unknown authority, a certificate refused. TLS 1.3 reports a refused *client*
    /// certificate only at the first read.
    pub(crate) fn connect_tls(address: SocketAddr, name: &str, config: Arc<ClientConfig>) -> io::Result<Self> {
        Self::connect_tls_after(address, b"", name, config)
    }

    /// The same, with these bytes sent before the handshake.
    ///
    /// # Errors
    /// What the handshake met.
    pub(crate) fn connect_tls_after(
        address: SocketAddr,
        first: &[u8],
        name: &str,
        config: Arc<ClientConfig>,
    ) -> io::Result<Self> {
        let mut socket = open(address)?;
        socket.write_all(first)?;
        let name = ServerName::try_from(name.to_owned()).expect("a server name");
        let connection = ClientConnection::new(config, name).expect("a sound client configuration");
        let mut stream = StreamOwned::new(connection, socket.try_clone()?);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self { reader: Reader::new(Box::new(stream)), socket })
    }

    /// Writes these bytes. A peer that has already closed is no failure here: its answer is still to be read.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> &mut Self {
        let stream = &mut self.reader.stream;
        match stream.write_all(bytes).and_then(|()| stream.flush()) {
            Err(e) if !matches!(e.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => panic!("sending: {e}"),
            Ok(()) | Err(_) => self,
        }
    }

    /// Ends the sending side and leaves the other open. A peer that has already closed is no failure here either.
    pub(crate) fn finish(&mut self) -> &mut Self {
        match self.socket.shutdown(Shutdown::Write) {
            Err(e) if e.kind() != ErrorKind::NotConnected => panic!("ending: {e}"),
            Ok(()) | Err(_) => self,
        }
    }

    /// The next response, to any method but HEAD.
    ///
    /// # Panics
    /// When the peer closes, sends something else, or stays silent.
    pub(crate) fn response(&mut self) -> Message {
        self.try_response().expect("a whole response").expect("a response before the connection closed")
    }

    /// The next response; nothing when the peer closed instead.
    ///
    /// # Errors
    /// A response that breaks off, or none in time.
    pub(crate) fn try_response(&mut self) -> io::Result<Option<Message>> {
        self.reader.response(false)
    }

    /// What reads heads, chunks and bytes as they arrive, for streams.
    pub(crate) fn reader(&mut self) -> &mut Reader<Box<dyn Stream>> {
        &mut self.reader
    }

    /// Everything until the peer closes; a reset counts as closing.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        match self.reader.rest() {
            Ok(bytes) => bytes,
            Err(e) if closed(&e) => std::mem::take(&mut self.reader.buffer),
            Err(e) => panic!("awaiting the end of the connection: {e}; so far {}", lossy(&self.reader.buffer)),
        }
    }
}

/// Sends exactly these bytes on a new connection and returns all that came back: one whole response, or whatever there
/// was when the peer closed.
///
/// # Panics
/// When neither happens in time.
pub(crate) fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut client = Client::connect(address);
    client.send(bytes);
    let mut reader = Reader::new(Kept { stream: &mut client.reader.stream, bytes: Vec::new() });
    match reader.response(bytes.starts_with(b"HEAD ")) {
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            panic!("no whole answer within {PATIENCE:?}; so far {}", lossy(&reader.stream.bytes))
        }
        Ok(_) | Err(_) => reader.stream.bytes,
    }
}

/// A request in plain form: `Host: gateway.test`, these headers, and a Content-Length when there is a body.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\n").into_bytes();
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        bytes.extend_from_slice(b"Host: gateway.test\r\n");
    }
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if !body.is_empty() {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// One GET on a connection of its own.
pub(crate) fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Message {
    Client::connect(address).send(&request("GET", path, headers, b"")).response()
}

/// The one response in these bytes.
///
/// # Panics
/// When they hold no whole response.
pub(crate) fn parse(bytes: &[u8]) -> Message {
    let parsed = Reader::new(bytes).response(false);
    parsed.ok().flatten().unwrap_or_else(|| panic!("no whole response: {}", lossy(bytes)))
}

/// Bytes for a failure message.
pub(crate) fn lossy(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(bytes))
}

/// A connection on which nothing is awaited for longer than [`PATIENCE`].
pub(crate) fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

fn closed(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof)
}

/// Keeps what is read through it.
struct Kept<S> {
    stream: S,
    bytes: Vec<u8>,
}

impl<S: Read> Read for Kept<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(into)?;
        self.bytes.extend_from_slice(&into[..count]);
        Ok(count)
    }
}
