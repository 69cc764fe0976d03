//! Claviger, bare Pingora and what people would use instead, in turns: at full load, and at a fixed part of what each can do.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::fault::{Fault, While};
use crate::machine::{self, Cores};
use crate::oha::{Manner, Oha};
use crate::peer::Peer;
use crate::report::{Comparison, Measured, Round, Tail, median};
use crate::site::{Proxy, Site};
use crate::wrk::Wrk;
use crate::{documents, program};

/// Load before the first measurement, so that pools, caches and the branch predictor are warm; in seconds.
const WARM_UP: u32 = 1;
/// The part of its own capacity at which each is measured for its tail.
pub(crate) const PART: f64 = 0.7;

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// How often each proxy is measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// How long one measurement takes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub(crate) seconds: u32,
    /// Keep-alive connections that the load generator holds.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) connections: u32,
    /// Only these, in place of all that are found.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Peer>,
    /// Leave out the tails at a fixed rate, for which oha is needed.
    #[arg(long)]
    no_tails: bool,
    /// Keep the load on the proxy's core. What a send takes does not depend then on whether a core for the load sleeps, nor what a core can do on
    /// what its other half does: while the machine is quiet, rounds differ by a hundredth.
    #[arg(long, requires = "no_tails", conflicts_with = "write")]
    pub(crate) one_core: bool,
    #[command(flatten)]
    pub(crate) outcome: Outcome,
}

/// What becomes of the figures.
#[derive(Debug, Args)]
pub(crate) struct Outcome {
    /// The claviger to measure. Default: under cargo, the release build of this workspace, made now; else the one beside this program.
    #[arg(long, value_name = "FILE")]
    pub(crate) claviger: Option<PathBuf>,
    /// Write all figures there as JSON; to standard output, in place of the table, where it is `-`.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Put the table into the README.md of this folder, and charts beside it.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) write: Option<PathBuf>,
    /// How claviger was built, for those who read the table.
    #[arg(long, value_name = "TEXT", default_value = "release profile")]
    pub(crate) build: String,
}

/// A proxy at work, and what was found.
struct Runner {
    proxy: Proxy,
    measured: Measured,
}

/// Measures and prints.
pub(crate) fn run(args: &CompareArgs, out: &mut dyn Write, progress: &mut dyn Write) -> Result<(), Fault> {
    let file = program::claviger(args.outcome.claviger.as_deref())?;
    // Before anything is bound to one of them.
    let cores = Cores::choose_for(args.one_core)?;
    let site = Site::new(cores, 0)?;
    let (peers, missing) = found(args, progress)?;
    let wrk = Wrk::find(site.folder(), site.authorization(), cores.load, args.connections)?;
    let oha = if args.no_tails { None } else { Some(Oha::find(&site)?) };
    let mut runners = start(&peers, &site, &file, progress)?;
    full_load(args, &site, &wrk, &mut runners, progress)?;
    if let Some(oha) = &oha {
        tails(args, oha, &mut runners, progress)?;
    }
    let proxies = runners.into_iter().map(|runner| runner.end(&site)).collect::<Result<_, _>>()?;
    let comparison = Comparison::new(args, proxies, missing);
    let mut table = Vec::new();
    comparison.print(&mut table).during("printing the result")?;
    let table = String::from_utf8_lossy(&table);
    documents::tell(&args.outcome, &table, &comparison.json(), out)?;
    if let Some(folder) = &args.outcome.write {
        documents::replace(&folder.join("README.md"), "compare", &table)?;
        comparison.charts(folder)?;
    }
    match comparison.errors() {
        0 => Ok(()),
        errors => Err(Fault::new(format!("there were {errors} errors under load; the figures do not count"))),
    }
}

/// Whoever can be measured here, and how to get the others.
fn found(args: &CompareArgs, progress: &mut dyn Write) -> Result<(Vec<Peer>, Vec<String>), Fault> {
    let (mut peers, mut missing) = (Vec::new(), Vec::new());
    for peer in Peer::ALL.into_iter().filter(|peer| args.only.is_empty() || args.only.contains(peer)) {
        match peer.find() {
            Ok(()) => peers.push(peer),
            Err(how) if args.only.is_empty() => {
                tell(progress, &format!("{} is left out: {how}", peer.title()))?;
                missing.push(format!("{}: {how}", peer.title()));
            }
            Err(how) => return Err(how),
        }
    }
    Ok((peers, missing))
}

fn start(peers: &[Peer], site: &Site, file: &Path, progress: &mut dyn Write) -> Result<Vec<Runner>, Fault> {
    let mut runners = Vec::new();
    for &peer in peers {
        let proxy = peer.start(site, file)?;
        tell(progress, &format!("{}: proved to do its job", peer.title()))?;
        runners.push(Runner { proxy, measured: Measured::new(peer) });
    }
    Ok(runners)
}

fn full_load(
    args: &CompareArgs,
    site: &Site,
    wrk: &Wrk,
    runners: &mut [Runner],
    progress: &mut dyn Write,
) -> Result<(), Fault> {
    for runner in &mut *runners {
        runner.measured.answered += wrk.run(runner.proxy.address, WARM_UP)?.requests;
    }
    for number in 1..=args.rounds {
        for runner in &mut *runners {
            let round = counted(site, wrk, &mut runner.proxy, args.seconds)?;
            let title = runner.measured.peer.title();
            let said = format!("{:.0} requests/s, {:.1} us of CPU each", round.rate, round.cpu);
            tell(progress, &format!("full load, round {number}/{}: {title}: {said}", args.rounds))?;
            runner.measured.answered += round.requests;
            runner.measured.rounds.push(round);
        }
    }
    Ok(())
}

fn tails(args: &CompareArgs, oha: &Oha, runners: &mut [Runner], progress: &mut dyn Write) -> Result<(), Fault> {
    for number in 1..=args.rounds {
        for runner in &mut *runners {
            let rate = runner.measured.capacity() * PART;
            let manner = Manner { seconds: args.seconds, connections: args.connections, streams: 1, rate: Some(rate) };
            let tail = tail(oha, &mut runner.proxy, manner)?;
            let title = runner.measured.peer.title();
            let said = format!("{:.0} of {rate:.0} requests/s, p99.9 {:.0} us", tail.rate, tail.p999);
            tell(progress, &format!("fixed rate, round {number}/{}: {title}: {said}", args.rounds))?;
            runner.measured.answered += tail.requests;
            runner.measured.tails.push(tail);
        }
    }
    Ok(())
}

/// Loads a proxy at a fixed rate.
pub(crate) fn tail(oha: &Oha, proxy: &mut Proxy, manner: Manner) -> Result<Tail, Fault> {
    proxy.program.cpu_since()?;
    let busy = machine::busy_seconds(oha.core())?;
    let shot = oha.run(proxy.address, manner)?;
    let busy = machine::busy_seconds(oha.core())? - busy;
    let cpu = proxy.program.cpu_since()?;
    let requests = float(shot.requests);
    Ok(Tail {
        requests: shot.requests,
        asked: manner.rate.unwrap_or(f64::NAN),
        rate: requests / shot.seconds,
        cpu: cpu * 1e6 / requests,
        p50: shot.p50,
        p99: shot.p99,
        p999: shot.p999,
        errors: shot.errors,
        load_busy: busy / shot.seconds,
    })
}

/// A round of full load, and how many connections the proxy opened to the upstream for it.
pub(crate) fn counted(site: &Site, wrk: &Wrk, proxy: &mut Proxy, seconds: u32) -> Result<Round, Fault> {
    let before = site.counts()?;
    let round = measure(wrk, proxy, seconds)?;
    let after = site.counts()?;
    let connections = after.connections - before.connections;
    Ok(Round { upstream_connections: connections, upstream_requests: after.requests - before.requests, ..round })
}

/// A round of full load.
pub(crate) fn measure(wrk: &Wrk, proxy: &mut Proxy, seconds: u32) -> Result<Round, Fault> {
    proxy.program.cpu_since()?;
    let load = wrk.run(proxy.address, seconds)?;
    let cpu = proxy.program.cpu_since()?;
    let requests = float(load.requests);
    if load.requests == 0 {
        return Err(Fault::new(format!(
            "{} answered nothing; it said:\n{}",
            proxy.program.name(),
            proxy.program.said()
        )));
    }
    Ok(Round {
        requests: load.requests,
        rate: requests / load.seconds,
        cpu: cpu * 1e6 / requests,
        p50: load.p50,
        p99: load.p99,
        p999: load.p999,
        errors: load.errors,
        refused: load.refused,
        upstream_connections: 0,
        upstream_requests: 0,
    })
}

impl Runner {
    /// Ends the proxy, and proves that it has written a line for each answer.
    fn end(mut self, site: &Site) -> Result<Measured, Fault> {
        self.measured.peak_kib = self.proxy.program.memory()?.peak;
        let (log, title) = (self.measured.peer.access_log(site, &self.proxy), self.measured.peer.title());
        if let Some(log) = log {
            // Only then all is written. Others are killed: what they have under way is nobody's.
            self.proxy.program.end()?;
            let (lines, answered) = (log.count()?, self.measured.answered);
            if lines < answered {
                return Err(Fault::new(format!("{title} answered {answered} requests and wrote {lines} lines")));
            }
            self.measured.lines = Some(lines);
        }
        Ok(self.measured)
    }
}

impl Measured {
    /// Requests per second that one core serves, by what a request costs.
    fn capacity(&self) -> f64 {
        // The load generator may have been the slower of the two.
        median(self.rounds.iter().map(|round| round.rate))
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^52")]
pub(crate) fn float(number: u64) -> f64 {
    number as f64
}

pub(crate) fn tell(progress: &mut dyn Write, what: &str) -> Result<(), Fault> {
    writeln!(progress, "{what}").during("telling how far it is")
}
