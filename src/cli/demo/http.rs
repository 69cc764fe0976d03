//! Just enough HTTP/1.1 for the demo to speak over loopback: one request or response a connection.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

const TIMEOUT: Duration = Duration::from_secs(10);
const MAX: u64 = 1024 * 1024;

/// Asks once.
pub(super) fn ask(address: SocketAddr, method: &str, path: &str, token: Option<&str>) -> io::Result<Answer> {
    send(address, method, path, token, "")
}

/// Asks once, with JSON.
pub(super) fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: &str,
) -> io::Result<Answer> {
    let stream = begin(address, method, path, token, body)?;
    let mut text = Vec::new();
    stream.take(MAX).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("no whole response"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok(Answer { status: status.ok_or_else(|| io::Error::other("no status"))?, body: body.to_owned() })
}

/// A stream of events whose first one has come, and that says nothing more.
pub(super) fn listen(address: SocketAddr, path: &str, token: &str) -> io::Result<TcpStream> {
    let mut stream = begin(address, "GET", path, Some(token), "")?;
    let (mut seen, mut byte) = (Vec::new(), [0]);
    while !seen.ends_with(b"\n\n\r\n") {
        stream.read_exact(&mut byte)?;
        seen.push(byte[0]);
        if seen.len() as u64 > MAX {
            return Err(io::Error::other("no event"));
        }
    }
    Ok(stream)
}

fn begin(address: SocketAddr, method: &str, path: &str, token: Option<&str>, body: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let length = if method == "POST" { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{authorization}{length}Content-Type: application/json\r\n\
         Connection: close\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes())?;
    Ok(stream)
}

/// A request as a server reads it: its first line and its fields, names in lower case.
pub(super) struct Asked {
    pub(super) line: String,
    pub(super) fields: Vec<(String, String)>,
}

/// Reads a request's head; its body, if it has one, is left where it is.
pub(super) fn read_head(stream: &mut TcpStream) -> io::Result<Asked> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < 64 * 1024 {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&head);
    let mut lines = text.lines();
    let line = lines.next().unwrap_or_default().to_owned();
    let fields = lines.filter_map(|line| line.split_once(": ")).map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned()));
    Ok(Asked { line, fields: fields.collect() })
}

/// Answers with JSON and closes.
pub(super) fn answer(stream: &mut TcpStream, body: &str) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

/// Begins a stream of events with one, and waits until nobody listens any more.
pub(super) fn stream(stream: &mut TcpStream) -> io::Result<()> {
    let event = "data: a payout went through\n\n";
    let text = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{event}\r\n",
        event.len()
    );
    stream.write_all(text.as_bytes())?;
    stream.set_read_timeout(None)?;
    stream.read(&mut [0]).map(drop)
}
