//! How long it takes from a command that revokes to the end of the stream that it cuts.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;

use crate::RevokeArgs;
use crate::compare::tell;
use crate::fault::{Fault, While};
use crate::machine::{self, Cores};
use crate::program;
use crate::report::percentile;
use crate::site::{Site, subject};
use crate::upstream::FIRST_EVENT;

/// How long a stream may go on after its caller was revoked, before that counts as a failure.
const PATIENCE: Duration = Duration::from_secs(10);

/// From one moment of the command to the end of the stream, in milliseconds.
#[derive(Debug, Default)]
struct Took(Vec<f64>);

/// What is told of that.
#[derive(Debug, Serialize)]
struct Told {
    p50: f64,
    p99: f64,
    max: f64,
}

/// Measures and prints.
pub(crate) fn run(args: &RevokeArgs, out: &mut dyn Write, progress: &mut dyn Write) -> Result<(), Fault> {
    let file = program::claviger(args.common.claviger.as_deref())?;
    let cores = Cores::choose()?;
    machine::allow_open_files(u64::from(args.streams) * 4 + 1024)?;
    let site = Site::new(cores, 0)?;
    let tokens = site.tokens(args.streams)?;
    let (proxy, elsewhere) = if args.other_node {
        let other = Site::new(cores, 0)?;
        let redis = other.redis()?;
        let node = other.claviger_in_cluster(&file, redis.address)?;
        (site.claviger_in_cluster(&file, redis.address)?, Some((other, node, redis)))
    } else {
        (site.claviger_with_store(&file)?, None)
    };
    // Who is revoked has the same name at both.
    let config = elsewhere.as_ref().map_or_else(|| site.config_path(), |(other, ..)| other.config_path());
    machine::pin(cores.load)?;
    tell(progress, &format!("opening {} streams, each of a caller of its own ...", args.streams))?;
    let open = |token: &String| open(proxy.address, &site.stream_request(token)).during("opening a stream");
    let streams: Vec<_> = tokens.iter().map(open).collect::<Result<_, _>>()?;
    let mut kept = open(&site.token().to_owned())?;
    tell(progress, "revoking their callers, one after the other ...")?;
    let (mut from_start, mut from_end) = (Took::default(), Took::default());
    for ((number, stream), token) in (0..).zip(streams).zip(&tokens) {
        let (start, end) = cut(&config, &file, number, stream)?;
        from_start.0.push(start);
        from_end.0.push(end);
        site.expect_refused(proxy.address, token)?;
    }
    kept.set_nonblocking(true).during("looking at the stream of somebody else")?;
    match kept.read(&mut [0; 64]) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        _ => return Err(Fault::new("the stream of somebody who was not revoked did not go on")),
    }
    // Or claviger would wait for its end.
    drop(kept);
    proxy.program.end()?;
    if let Some((_site, node, redis)) = elsewhere {
        node.program.end()?;
        redis.program.end()?;
    }
    print(args, from_start.told(), from_end.told(), out).during("printing the result")
}

/// Opens a stream and waits for its first event. After that, no byte flows.
fn open(address: SocketAddr, request: &[u8]) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    let (mut answer, mut chunk) = (Vec::new(), [0; 1024]);
    while memchr::memmem::find(&answer, FIRST_EVENT).is_none() {
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            return Err(io::Error::other(String::from_utf8_lossy(&answer).into_owned()));
        }
        answer.extend_from_slice(&chunk[..read]);
    }
    Ok(stream)
}

/// Revokes one caller; gives the milliseconds to the end of the stream from the command's start and from its end, which may come after it.
fn cut(config: &Path, file: &Path, number: u32, mut stream: TcpStream) -> Result<(f64, f64), Fault> {
    let watch = thread::spawn(move || {
        let ended = io::copy(&mut stream, &mut io::sink());
        (Instant::now(), ended)
    });
    let of = format!("principal:corp:{}", subject(number));
    let mut command = Command::new(file);
    command.args(["revocation", "add", &of, "--reason", "measured", "--config"]).arg(config);
    let began = Instant::now();
    let status = command.stdout(Stdio::null()).status().during("starting the command")?;
    let acknowledged = Instant::now();
    if !status.success() {
        return Err(Fault::new(format!("`claviger revocation add {of}` ended with {status}")));
    }
    let (cut, ended) = watch.join().map_err(|_| Fault::new("the watch over a stream broke off"))?;
    if ended.is_err_and(|error| matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)) {
        return Err(Fault::new(format!("the stream of {of} was not cut within {PATIENCE:?}")));
    }
    let millis = |since: Instant| cut.saturating_duration_since(since).as_secs_f64() * 1e3;
    Ok((millis(began), millis(acknowledged)))
}

impl Took {
    fn told(mut self) -> Told {
        self.0.sort_by(f64::total_cmp);
        let [p50, p99, max] = [50, 99, 100].map(|percent| percentile(&self.0, percent));
        Told { p50, p99, max }
    }
}

fn print(args: &RevokeArgs, from_start: Told, from_end: Told, out: &mut dyn Write) -> io::Result<()> {
    if args.common.json {
        let text = json!({ "streams": args.streams, "other_node": args.other_node, "from_start_ms": from_start, "from_acknowledgement_ms": from_end });
        return writeln!(out, "{text:#}");
    }
    writeln!(out, "| to the end of the stream, ms | p50 | p99 | longest |\n|---|--:|--:|--:|")?;
    for (name, Told { p50, p99, max }) in
        [("from the command's start", from_start), ("from its acknowledgement", from_end)]
    {
        writeln!(out, "| {name} | {p50:.1} | {p99:.1} | {max:.1} |")?;
    }
    let (streams, place) = (args.streams, if args.other_node { " at another node" } else { "" });
    writeln!(out, "\n{streams} streams cut{place}, each caller refused afterwards; the stream of somebody else went on")
}
