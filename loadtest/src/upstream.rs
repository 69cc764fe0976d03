//! The upstream: answers every request at once with a small body, as cheaply as can be. Takes request bodies of a length that is told, and lets them go.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use memchr::memmem;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::fault::{Fault, While};
use crate::wire::{self, Wire};

/// A path that ends so is answered with the head as it arrived, but for [`SPACER`].
pub(crate) const REFLECT: &str = "/reflect";
/// Stands after each byte of that head: a gateway masks its secrets in answers, and would take what was sent from the answer.
pub(crate) const SPACER: char = '\u{1}';
/// A path that ends so is answered with one event, and then with nothing until the client goes.
pub(crate) const STREAM: &str = "/stream";
/// That event.
pub(crate) const FIRST_EVENT: &[u8] = b": open\n\n";
/// A path that has this is answered with a body of as many bytes as the number behind it.
pub(crate) const SIZE: &str = "/size/";

const BODY: &[u8] = b"{\"items\":[1,2,3],\"more\":0}\n";
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n{\"items\":[1,2,3],\"more\":0}\n";
/// A head that is longer ends the connection.
const MAX_HEAD: usize = 16 * 1024;
/// As much of a request's body is read at a time.
const CHUNK: usize = 64 * 1024;

/// How it is set up.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    address: SocketAddr,
    /// Who connects there is told what was counted.
    counts: SocketAddr,
    /// The site's folder, where the certificate is.
    folder: PathBuf,
    #[arg(long, value_enum, default_value_t)]
    wire: Wire,
    /// Microseconds for which it computes each answer.
    #[arg(long, default_value_t = 0)]
    work: u64,
    /// Milliseconds after which it answers, without computing anything.
    #[arg(long, default_value_t = 0)]
    pause: u64,
}

/// What came in since it started.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) connections: u64,
    pub(crate) requests: u64,
}

static CONNECTIONS: AtomicU64 = AtomicU64::new(0);
static REQUESTS: AtomicU64 = AtomicU64::new(0);

/// How long each answer takes.
#[derive(Debug, Clone, Copy)]
struct Pace {
    work: Duration,
    pause: Duration,
}

/// Serves until it is killed.
pub(crate) fn serve(settings: &Settings) -> Result<(), Fault> {
    let tls = match settings.wire {
        Wire::Plain => None,
        Wire::Tls | Wire::Http2 => Some(TlsAcceptor::from(wire::server(&settings.folder, settings.wire)?)),
    };
    let pace = Pace { work: Duration::from_micros(settings.work), pause: Duration::from_millis(settings.pause) };
    let (address, counts, wire) = (settings.address, settings.counts, settings.wire);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().during("starting the upstream")?;
    runtime.block_on(async {
        let counts = TcpListener::bind(counts).await.during("listening for who asks for counts")?;
        tokio::spawn(tell_counts(counts));
        let listener = TcpListener::bind(address).await.during("listening as the upstream")?;
        loop {
            let (stream, _) = listener.accept().await.during("accepting at the upstream")?;
            CONNECTIONS.fetch_add(1, Ordering::Relaxed);
            // A connection that breaks off is the proxy's business.
            tokio::spawn(handle(stream, tls.clone(), wire, pace));
        }
    })
}

async fn handle(stream: TcpStream, tls: Option<TlsAcceptor>, wire: Wire, pace: Pace) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    match (tls, wire) {
        (Some(tls), Wire::Http2) => converse_h2(tls.accept(stream).await?, pace).await.map_err(std::io::Error::other),
        (Some(tls), Wire::Plain | Wire::Tls) => converse(tls.accept(stream).await?, pace).await,
        (None, Wire::Plain | Wire::Tls | Wire::Http2) => converse(stream, pace).await,
    }
}

async fn tell_counts(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let [connections, requests] = [&CONNECTIONS, &REQUESTS].map(|counter| counter.load(Ordering::Relaxed));
        let told = serde_json::to_vec(&Counts { connections, requests }).unwrap_or_default();
        // Who asked and went does not want to know.
        let _ = stream.write_all(&told).await;
    }
}

async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, pace: Pace) -> std::io::Result<()> {
    let mut buffer = Vec::with_capacity(MAX_HEAD);
    let mut sized = Sized::default();
    loop {
        let head = loop {
            if let Some(end) = memmem::find(&buffer, b"\r\n\r\n") {
                break end + 4;
            }
            if buffer.len() >= MAX_HEAD || stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        REQUESTS.fetch_add(1, Ordering::Relaxed);
        let after = buffer.split_off(head);
        let Some(after) = skip(&mut stream, after, length_of(&buffer)).await? else { return Ok(()) };
        let path = path_of(&buffer);
        if path.ends_with(STREAM) {
            return hold(stream).await;
        }
        if path.ends_with(REFLECT) {
            stream.write_all(&with_head("text/plain", &spaced(&buffer))).await?;
        } else {
            pace.keep().await;
            stream.write_all(sized.answer(path)).await?;
        }
        buffer = after;
    }
}

/// Reads over so many bytes, of which some are here; gives what is behind them, or nothing where they do not come.
async fn skip(stream: &mut (impl AsyncRead + Unpin), here: Vec<u8>, length: usize) -> std::io::Result<Option<Vec<u8>>> {
    if here.len() >= length {
        return Ok(Some(here.get(length..).unwrap_or_default().to_vec()));
    }
    let mut missing = length - here.len();
    let mut chunk = vec![0; CHUNK.min(missing)];
    while missing > 0 {
        let room = chunk.len().min(missing);
        match stream.read(&mut chunk[..room]).await? {
            0 => return Ok(None),
            read => missing -= read,
        }
    }
    Ok(Some(Vec::new()))
}

/// Says one thing, and then nothing until the client goes.
async fn hold(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
    let front = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let length = format!("{:x}\r\n", FIRST_EVENT.len());
    stream.write_all(&[front.as_bytes(), length.as_bytes(), FIRST_EVENT, b"\r\n"].concat()).await?;
    let mut chunk = [0; 256];
    while stream.read(&mut chunk).await? > 0 {}
    Ok(())
}

async fn converse_h2(stream: impl AsyncRead + AsyncWrite + Unpin, pace: Pace) -> Result<(), h2::Error> {
    let mut connection = h2::server::handshake(stream).await?;
    while let Some(request) = connection.accept().await {
        let (request, mut respond) = request?;
        REQUESTS.fetch_add(1, Ordering::Relaxed);
        let body = if request.uri().path().ends_with(REFLECT) {
            let fields = request.headers().iter();
            let lines = fields.flat_map(|(name, value)| [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
            Bytes::from(spaced(&lines.collect::<Vec<_>>().concat()))
        } else {
            pace.keep().await;
            Bytes::from_static(BODY)
        };
        let response = http::Response::builder().header("content-type", "application/json");
        // Nothing in it could be wrong.
        let Ok(response) = response.header("content-length", body.len()).body(()) else { continue };
        respond.send_response(response, false)?.send_data(body, true)?;
    }
    Ok(())
}

impl Pace {
    async fn keep(self) {
        if !self.pause.is_zero() {
            tokio::time::sleep(self.pause).await;
        }
        // Uses the core for so long, as an upstream that computes its answers does.
        let began = Instant::now();
        while !self.work.is_zero() && began.elapsed() < self.work {
            std::hint::spin_loop();
        }
    }
}

/// The last answer of a length that was asked for.
#[derive(Default)]
struct Sized {
    size: usize,
    answer: Vec<u8>,
}

impl Sized {
    fn answer(&mut self, path: &str) -> &[u8] {
        let Some(size) = path.split_once(SIZE).and_then(|(_, size)| size.parse::<usize>().ok()) else { return ANSWER };
        if self.size != size {
            let text = "a".repeat(size.saturating_sub("{\"text\":\"\"}".len()));
            *self = Self { size, answer: with_head("application/json", format!("{{\"text\":\"{text}\"}}").as_bytes()) };
        }
        &self.answer
    }
}

fn with_head(kind: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let front = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
    [front.as_bytes(), body].concat()
}

fn spaced(head: &[u8]) -> Vec<u8> {
    head.iter().flat_map(|&byte| [byte, SPACER as u8]).collect()
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

/// What was asked for, with its query.
fn path_of(head: &[u8]) -> &str {
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    std::str::from_utf8(line).ok().and_then(|line| line.split(' ').nth(1)).unwrap_or_default()
}
