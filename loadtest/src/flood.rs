//! A burst: very many requests, each with a token of its own, over some keep-alive connections, as fast as they are answered or at a rate.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::fault::{Fault, While};
use crate::http;

/// How long a whole burst may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// How much less the burst's own work counts than the callers', who share its core: they are the ones that are measured.
const NICE: i32 = 10;

/// What became of a burst.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flood {
    /// When its first request was sent, with all connections open already.
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    /// Requests that were not answered 200.
    pub(crate) errors: u64,
}

/// Sends one request with each token, so many a second; none for as fast as they are answered.
pub(crate) fn run(
    address: SocketAddr,
    tokens: &[String],
    connections: u32,
    rate: Option<NonZeroU32>,
) -> Result<Flood, Fault> {
    let share = tokens.len().div_ceil(connections as usize).max(1);
    let shares = tokens.chunks(share).map(|share| share.iter().map(|token| http::request(address, token)).collect());
    let shares: Vec<Vec<Vec<u8>>> = shares.collect();
    // A thread of its own, since being nice is for good.
    let burst = thread::spawn(move || {
        rustix::process::setpriority_process(None, NICE).during("giving way to the callers")?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().during("starting the burst")?;
        runtime.block_on(async {
            let sending = tokio::time::timeout(PATIENCE, send(address, shares, rate));
            sending.await.during("waiting for the end of the burst")?.during("sending the burst")
        })
    });
    burst.join().map_err(|_| Fault::new("the burst broke off"))?
}

async fn send(address: SocketAddr, shares: Vec<Vec<Vec<u8>>>, rate: Option<NonZeroU32>) -> std::io::Result<Flood> {
    let mut open = Vec::new();
    for share in shares {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        open.push((stream, share));
    }
    let began = Instant::now();
    // Each connection has its turn in each period.
    let every = rate.map(|rate| Duration::from_secs(1) / rate.get());
    let period = every.map(|every| every * u32::try_from(open.len()).unwrap_or(u32::MAX));
    let mut talks = JoinSet::new();
    for (nth, (stream, share)) in (0_u32..).zip(open) {
        let pace = every.zip(period).map(|(every, period)| (began + every * nth, period));
        talks.spawn(converse(stream, share, pace));
    }
    let mut errors = 0;
    while let Some(talk) = talks.join_next().await {
        errors += talk.map_err(std::io::Error::other)??;
    }
    Ok(Flood { began, ended: Instant::now(), errors })
}

/// Sends one request after the other, from a time on and one in each period where there is a pace; gives the number of those that were not
/// answered 200.
async fn converse(
    mut stream: TcpStream,
    requests: Vec<Vec<u8>>,
    pace: Option<(Instant, Duration)>,
) -> std::io::Result<u64> {
    let (mut errors, mut answer) = (0, Vec::new());
    for (nth, request) in (0_u32..).zip(requests) {
        if let Some((first, period)) = pace {
            tokio::time::sleep_until((first + period * nth).into()).await;
        }
        stream.write_all(&request).await?;
        answer.clear();
        let status = loop {
            if stream.read_buf(&mut answer).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(status) = http::status(&answer)? {
                break status;
            }
        };
        errors += u64::from(status != 200);
    }
    Ok(errors)
}
