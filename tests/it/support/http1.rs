//! A plain HTTP/1.1 reader for both directions. It keeps exact bytes and judges nothing: the tests do.

use std::io::{self, Read, Write};

use serde_json::Value;

/// A byte stream of either kind, plain or TLS.
pub(crate) trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// One request or response as it stood on the wire.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// The exact bytes up to and with the empty line.
    pub(crate) head: Vec<u8>,
    /// The request or status line.
    pub(crate) start: String,
    /// Names as sent and values without surrounding blanks, in order; bytes above 127 read as Latin-1.
    pub(crate) headers: Vec<(String, String)>,
    /// The content, with chunked framing undone.
    pub(crate) body: Vec<u8>,
    /// Fields after the last chunk.
    pub(crate) trailers: Vec<(String, String)>,
}

impl Message {
    /// A request's method.
    pub(crate) fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or_default()
    }

    /// A request's path and query, exactly as sent.
    pub(crate) fn path(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    /// A response's status code.
    pub(crate) fn status(&self) -> u16 {
        self.path().parse().unwrap_or_else(|_| panic!("no status in {:?}", self.start))
    }

    /// The first value of a header, by any case of its name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// All values of a header, by any case of its name, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("no JSON ({e}) after {:?}: {:?}", self.start, self.text()))
    }

    fn names_in(&self, list: &str, word: &str) -> bool {
        self.all(list).iter().flat_map(|value| value.split(',')).any(|w| w.trim().eq_ignore_ascii_case(word))
    }

    /// Whether the sender means to close the connection after this message.
    pub(crate) fn closes(&self) -> bool {
        self.names_in("connection", "close")
    }

    fn is_chunked(&self) -> bool {
        self.names_in("transfer-encoding", "chunked")
    }

    fn length(&self) -> io::Result<Option<usize>> {
        self.header("content-length")
            .map(|v| v.parse().map_err(|_| io::Error::other("a Content-Length of no digits")))
            .transpose()
    }
}

/// Reads messages from a stream; what it has read ahead stays in `buffer`.
pub(crate) struct Reader<S> {
    pub(crate) stream: S,
    pub(crate) buffer: Vec<u8>,
}

impl<S: Read> Reader<S> {
    /// A reader with nothing read ahead.
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// The next message's head, its body still unread; nothing when the peer closed instead.
    pub(crate) fn head(&mut self) -> io::Result<Option<Message>> {
        if self.buffer.is_empty() && self.fill()? == 0 {
            return Ok(None);
        }
        let head = self.until(b"\r\n\r\n")?;
        let text: String = head.iter().copied().map(char::from).collect();
        let mut lines = text.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let headers = lines.filter(|line| !line.is_empty()).map(field).collect();
        Ok(Some(Message { head, start, headers, body: Vec::new(), trailers: Vec::new() }))
    }

    /// Reads a request's body, which has one only by Content-Length or chunked coding.
    pub(crate) fn request_body(&mut self, request: &mut Message) -> io::Result<()> {
        if request.is_chunked() {
            return self.chunks(request);
        }
        request.body = self.take(request.length()?.unwrap_or(0))?;
        Ok(())
    }

    /// The next final response with its body (RFC 9112 §6.3), interim ones skipped; nothing when the peer closed instead.
    pub(crate) fn response(&mut self, to_head: bool) -> io::Result<Option<Message>> {
        let mut response = loop {
            let Some(response) = self.head()? else { return Ok(None) };
            if response.status() >= 200 || response.status() == 101 {
                break response;
            }
        };
        if to_head || matches!(response.status(), 101 | 204 | 304) {
            return Ok(Some(response));
        }
        if response.is_chunked() {
            self.chunks(&mut response)?;
        } else if let Some(length) = response.length()? {
            response.body = self.take(length)?;
        } else {
            response.body = self.rest()?;
        }
        Ok(Some(response))
    }

    /// Everything until the peer closes.
    pub(crate) fn rest(&mut self) -> io::Result<Vec<u8>> {
        while self.fill()? > 0 {}
        Ok(std::mem::take(&mut self.buffer))
    }

    /// Bytes up to and with the mark.
    pub(crate) fn until(&mut self, mark: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(mark.len()).position(|w| w == mark) {
                return self.take(at + mark.len());
            }
            self.must_fill()?;
        }
    }

    /// Exactly so many bytes.
    pub(crate) fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.must_fill()?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// The next chunk's content, empty for the last one, whose trailers are left to read.
    pub(crate) fn chunk(&mut self) -> io::Result<Vec<u8>> {
        let line = self.until(b"\r\n")?;
        let size = String::from_utf8_lossy(&line);
        let size = size.split([';', '\r']).next().unwrap_or_default();
        let size = usize::from_str_radix(size, 16).map_err(|_| io::Error::other(format!("no chunk size: {size:?}")))?;
        let content = self.take(size)?;
        if size > 0 && self.take(2)? != b"\r\n" {
            return Err(io::Error::other("a chunk without its line end"));
        }
        Ok(content)
    }

    fn chunks(&mut self, message: &mut Message) -> io::Result<()> {
        loop {
            let content = self.chunk()?;
            if content.is_empty() {
                break;
            }
            message.body.extend(content);
        }
        loop {
            let line = self.until(b"\r\n")?;
            if line == b"\r\n" {
                return Ok(());
            }
            message.trailers.push(field(&line.iter().copied().map(char::from).collect::<String>()));
        }
    }

    fn must_fill(&mut self) -> io::Result<()> {
        match self.fill()? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed in the middle of a message")),
            _ => Ok(()),
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut chunk = [0; 16 * 1024];
        let count = loop {
            match self.stream.read(&mut chunk) {
                // A signal, such as of a child that was killed.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.buffer.extend_from_slice(&chunk[..count]);
        Ok(count)
    }
}

fn field(line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    (name.to_owned(), value.trim().to_owned())
}
