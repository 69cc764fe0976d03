//! Callers that keep to a rate, whatever happens, and take the time of every answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::fault::{Fault, While};
use crate::http;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Samples of one caller that there is room for from the start. All callers would need more at the same moment, and new memory can take
/// milliseconds on a virtual machine: they would feel that, and no proxy.
const ROOM: usize = 1 << 16;

/// One answered request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// When it counts from: when it was due, where its connection was still busy then; else when it was sent.
    pub(crate) began: Instant,
    pub(crate) took: Duration,
    pub(crate) is_ok: bool,
}

/// Callers at work until they are told to stop.
pub(crate) struct Callers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<std::io::Result<Vec<Sample>>>>,
}

impl Callers {
    /// Starts so many, each with a connection of its own and the same token; `rate` is of all together, per second.
    pub(crate) fn start(count: u32, rate: u32, address: SocketAddr, token: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (began, gap) = (Instant::now(), Duration::from_secs(1) / rate);
        let threads = (0..count).map(|nth| {
            let (stop, request) = (Arc::clone(&stop), http::request(address, token));
            // Spread evenly, so that no two are due at the same moment.
            thread::spawn(move || call(address, &request, began + gap * nth, gap * count, &stop))
        });
        Self { threads: threads.collect(), stop }
    }

    /// Ends them; gives all that they saw.
    pub(crate) fn end(self) -> Result<Vec<Sample>, Fault> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for thread in self.threads {
            let seen = thread.join().map_err(|_| Fault::new("a caller broke off"))?;
            all.extend(seen.during("calling with a known token")?);
        }
        Ok(all)
    }
}

fn call(
    address: SocketAddr,
    request: &[u8],
    first: Instant,
    gap: Duration,
    stop: &AtomicBool,
) -> std::io::Result<Vec<Sample>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let (mut due, mut answer) = (first, Vec::with_capacity(4096));
    // Written to, since memory is only there then.
    let mut samples = vec![Sample { began: first, took: Duration::ZERO, is_ok: false }; ROOM];
    samples.clear();
    while !stop.load(Ordering::Relaxed) {
        let early = due.saturating_duration_since(Instant::now());
        thread::sleep(early);
        let began = if early.is_zero() { due } else { Instant::now() };
        stream.write_all(request)?;
        let status = read(&mut stream, &mut answer)?;
        samples.push(Sample { began, took: began.elapsed(), is_ok: status == 200 });
        due += gap;
    }
    Ok(samples)
}

fn read(stream: &mut TcpStream, answer: &mut Vec<u8>) -> std::io::Result<u16> {
    answer.clear();
    let mut chunk = [0; 4096];
    loop {
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(&chunk[..read]);
        if let Some(status) = http::status(answer)? {
            return Ok(status);
        }
    }
}
