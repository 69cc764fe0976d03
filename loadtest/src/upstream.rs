//! The upstream: answers every request at once with a small body, as cheaply as can be. Takes request bodies of a length that is told, and lets them go.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::fault::{Fault, While};

/// A path that ends so is answered with the head as it arrived, but for [`SPACER`].
pub(crate) const REFLECT: &str = "/reflect";
/// Stands after each byte of that head: a gateway masks its secrets in answers, and would take what was sent from the answer.
pub(crate) const SPACER: char = '\u{1}';
/// A path that ends so is answered with one event, and then with nothing until the client goes.
pub(crate) const STREAM: &str = "/stream";
/// That event.
pub(crate) const FIRST_EVENT: &[u8] = b": open\n\n";

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n{\"items\":[1,2,3],\"more\":0}\n";
/// A head that is longer ends the connection.
const MAX_HEAD: usize = 16 * 1024;

/// Serves until it is killed.
pub(crate) fn serve(address: SocketAddr, work: Duration) -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().during("starting the upstream")?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await.during("listening as the upstream")?;
        loop {
            let (stream, _) = listener.accept().await.during("accepting at the upstream")?;
            // A connection that breaks off is the proxy's business.
            tokio::spawn(async move { drop(converse(stream, work).await) });
        }
    })
}

async fn converse(mut stream: TcpStream, work: Duration) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(MAX_HEAD);
    loop {
        let head = loop {
            if let Some(end) = memmem::find(&buffer, b"\r\n\r\n") {
                break end + 4;
            }
            if buffer.len() >= MAX_HEAD || stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let end = head + length_of(&buffer[..head]);
        while buffer.len() < end {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        if asks_for(&buffer[..head], STREAM) {
            let front = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
            let length = format!("{:x}\r\n", FIRST_EVENT.len());
            stream.write_all(&[front.as_bytes(), length.as_bytes(), FIRST_EVENT, b"\r\n"].concat()).await?;
            buffer.clear();
            while stream.read_buf(&mut buffer).await? > 0 {
                buffer.clear();
            }
            return Ok(());
        }
        if asks_for(&buffer[..head], REFLECT) {
            let spaced: Vec<u8> = buffer[..head].iter().flat_map(|&byte| [byte, SPACER as u8]).collect();
            let length = spaced.len();
            let front = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n");
            stream.write_all(&[front.as_bytes(), &spaced].concat()).await?;
        } else {
            busy(work);
            stream.write_all(ANSWER).await?;
        }
        buffer.drain(..end);
    }
}

/// Uses the core for so long, as an upstream that computes its answers does.
fn busy(work: Duration) {
    let began = Instant::now();
    while began.elapsed() < work {
        std::hint::spin_loop();
    }
}

/// The length of the body behind this head.
fn length_of(head: &[u8]) -> usize {
    let name = b"content-length:";
    let lines = head.split(|&byte| byte == b'\n').filter(|line| line.len() > name.len());
    let mut values = lines.filter_map(|line| {
        let (field, value) = line.split_at(name.len());
        field.eq_ignore_ascii_case(name).then(|| std::str::from_utf8(value).ok()?.trim().parse().ok())?
    });
    values.next().unwrap_or(0)
}

fn asks_for(head: &[u8], ending: &str) -> bool {
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    line.ends_with(format!("{ending} HTTP/1.1").as_bytes())
}
