//! `claviger top`: what goes on at a gateway now.

mod screen;
mod tally;

use std::io::{BufRead, BufReader, Read as _, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use clap::Args;

use super::Failure;
use crate::server;
use tally::{Shown, Tally};

/// Where to look, and how it is shown.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct TopArgs {
    /// The address of the gateway's `[admin]` listener; without it, that of the configuration.
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<SocketAddr>,
    /// The configuration that names it.
    #[arg(long, value_name = "FILE", default_value = "claviger.toml", conflicts_with = "admin")]
    config: PathBuf,
    /// Show it once, after so many seconds of looking, and end.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", value_parser = clap::value_parser!(u64).range(1..=60))]
    once: Option<u64>,
    /// Print JSON, one object for each look.
    #[arg(long)]
    json: bool,
    /// Look at these records alone, such as `route=stripe` or `code=not_allowed`; may be given several times.
    #[arg(long, value_name = "MEMBER=VALUE")]
    only: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  claviger top                                    the gateway of claviger.toml, drawn anew every second
  claviger top --admin 127.0.0.1:9901 --only route=stripe
  claviger top --once --json                      two seconds of it, for a script

Exit codes: 0 done, 1 the gateway cannot be asked, 2 the configuration is wrong.";

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The largest answer that is read, in bytes.
const MAX: u64 = 64 * 1024 * 1024;
/// How many events may wait to be counted.
const WAITING: usize = 65_536;
const SECOND: Duration = Duration::from_secs(1);

impl TopArgs {
    /// Shows it.
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let address = match self.admin {
            Some(address) => address,
            None => server::site(&self.config)
                .map_err(|error| Failure::new(2, error.to_string()))?
                .admin
                .ok_or_else(|| Failure::new(2, "claviger: the configuration has no `[admin]` listener"))?,
        };
        let events = listen(address, &self.only)?;
        let mut tally = Tally::new(self.once.map_or(10, |seconds| seconds as usize));
        let began = Instant::now();
        tally.metrics(&get(address, "/metrics")?, began);
        loop {
            let until = Instant::now() + SECOND;
            count(&events, &mut tally, until)?;
            tally.metrics(&get(address, "/metrics")?, Instant::now());
            let is_last = self.once.is_some_and(|seconds| began.elapsed() >= Duration::from_secs(seconds));
            if self.once.is_none() || is_last {
                self.show(out, &tally.shown())?;
            }
            if is_last {
                return Ok(());
            }
            tally.next_second();
        }
    }

    fn show(&self, out: &mut dyn Write, shown: &Shown) -> Result<(), Failure> {
        if self.json {
            let text = serde_json::to_string(shown).map_err(|error| Failure::new(1, format!("claviger: {error}")))?;
            writeln!(out, "{text}")?;
        } else {
            let front = if self.once.is_some() { "" } else { screen::CLEAR };
            write!(out, "{front}{}", screen::draw(shown))?;
        }
        Ok(out.flush()?)
    }
}

/// Counts what comes until then.
fn count(events: &Receiver<String>, tally: &mut Tally, until: Instant) -> Result<(), Failure> {
    loop {
        match events.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) => tally.record(&line),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => return Ok(()),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => {
                return Err(Failure::new(1, "claviger: the gateway tells nothing more"));
            }
        }
    }
}

/// Begins to listen; what comes is the data of events.
fn listen(address: SocketAddr, only: &[String]) -> Result<Receiver<String>, Failure> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for one in only {
        let (member, value) =
            one.split_once('=').ok_or_else(|| Failure::new(2, "claviger: `--only` takes `MEMBER=VALUE`"))?;
        query.append_pair(member, value);
    }
    let mut stream = BufReader::new(ask(address, &format!("/events?{}", query.finish()))?);
    let status = head(&mut stream)?;
    if status != 200 {
        let mut said = String::new();
        stream.take(1024).read_to_string(&mut said)?;
        // What it does not understand is what was written behind `--only`.
        let code = if status == 400 { 2 } else { 1 };
        return Err(Failure::new(code, format!("claviger: {address} answered {status}: {}", said.trim_end())));
    }
    // Somebody who is told nothing is told that, so that this is no end.
    stream.get_ref().set_read_timeout(Some(Duration::from_secs(60)))?;
    let (sender, events) = sync_channel(WAITING);
    std::thread::spawn(move || forward(stream, &sender));
    Ok(events)
}

fn forward(mut stream: BufReader<TcpStream>, events: &SyncSender<String>) {
    let mut line = String::new();
    while matches!(stream.read_line(&mut line), Ok(1..)) {
        if let Some(data) = line.strip_prefix("data: ")
            && events.send(data.trim_end().to_owned()).is_err()
        {
            return;
        }
        line.clear();
    }
}

fn get(address: SocketAddr, path: &str) -> Result<String, Failure> {
    let mut stream = BufReader::new(ask(address, path)?);
    let status = head(&mut stream)?;
    let mut body = String::new();
    stream.take(MAX).read_to_string(&mut body)?;
    if status == 200 { Ok(body) } else { Err(Failure::new(1, format!("claviger: {address} answered {status}"))) }
}

/// Asks for a body that ends with its connection.
fn ask(address: SocketAddr, path: &str) -> Result<TcpStream, Failure> {
    let away = |error: std::io::Error| Failure::new(1, format!("claviger: nobody answers at {address}: {error}"));
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).map_err(away)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").map_err(away)?;
    Ok(stream)
}

/// Reads a head; tells its status.
fn head(stream: &mut BufReader<TcpStream>) -> Result<u16, Failure> {
    let (mut first, mut line) = (String::new(), String::new());
    stream.read_line(&mut first)?;
    while stream.read_line(&mut line)? > 2 {
        line.clear();
    }
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| Failure::new(1, "claviger: this is no answer of a gateway"))
}
