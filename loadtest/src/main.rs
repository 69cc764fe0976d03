//! Load against claviger and against a bare Pingora proxy, side by side on one machine: the command line.

mod aim;
mod audit;
mod bare;
mod burst;
mod callers;
mod chart;
mod compare;
mod count;
mod documents;
mod envoy;
mod fault;
mod flood;
mod haproxy;
mod homemade;
mod http;
mod idle;
mod inspect;
mod machine;
mod nginx;
mod oha;
mod payload;
mod peer;
mod profile;
mod program;
mod prove;
mod records;
mod report;
mod revoke;
mod scale;
mod scenario;
mod site;
mod soak;
mod stage;
mod token;
mod upstream;
mod wire;
mod wrk;

use std::io::{Write, stderr, stdout};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// The allocator that claviger uses: the bare proxy must not lose to it for want of one.
#[global_allocator]
static ALLOCATOR: claviger_wipe::Mimalloc = claviger_wipe::Mimalloc;

/// What the proxy costs, measured on this machine.
///
/// Everything runs on loopback: a small upstream, a bare Pingora proxy that passes requests through, and the real `claviger` doing its whole
/// job (RS256 token, role rule, credential swapped from a vault, audit line, metrics). The proxy under test has one core to itself; the
/// upstream and the load generator share another.
#[derive(Debug, Parser)]
#[command(name = "claviger-loadtest", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What a request costs: claviger, bare Pingora, Envoy, HAProxy and nginx in turns.
    ///
    /// Needs wrk and oha; others are left out where they are not installed (`scripts/peers` installs what it can, and tells the rest). Before
    /// anything is measured, each proxy is proved to do its job: to pass a request on, or the whole job, which is to verify an RS256 token
    /// with its issuer, audience and times, to require a role, and to put the upstream's key in the token's place. Afterwards its
    /// log must hold a line for every request. Exit status: 0 measured, 1 something failed, 2 wrong usage.
    #[command(after_help = "\
At full load (wrk) the proxy's core is the bottleneck: what it can do at most, and what a request costs then. Then each is given 70 % of
what it could do (oha), where a request counts from when it was due.

CPU per request is user + system time of the proxy, all its threads and processes, from /proc/PID/stat, over the requests that were
answered. Figures are medians of the rounds, ratios medians of the ratios of neighbouring rounds: a busy machine is busy for all.

  cargo run --release -p claviger-loadtest -- compare
  cargo run --release -p claviger-loadtest -- compare --only bare,claviger --rounds 5 --json compare.json
  cargo run --release -p claviger-loadtest -- compare --write docs/performance")]
    Compare(compare::CompareArgs),
    /// Other traffic, other wires, other sizes: bare Pingora and claviger in each of a list of scenarios.
    ///
    /// Needs wrk, and oha for fixed rates and HTTP/2. Every answer has to be what it should: one that is not ends the measurement.
    /// Exit status: 0 measured, 1 something failed, 2 wrong usage.
    #[command(after_help = "\
  cargo run --release -p claviger-loadtest -- scenarios
  cargo run --release -p claviger-loadtest -- scenarios --scenario new-tokens,rules --rounds 5
  cargo run --release -p claviger-loadtest -- scenarios --write docs/performance")]
    Scenarios(scenario::ScenarioArgs),
    /// What several nodes cost: one to three of them behind one HAProxy, with one Redis, which share a rate.
    ///
    /// Needs wrk, HAProxy and redis-server. All nodes share one core here, so that not their number of requests grows, but what a request
    /// costs may be seen to stay. Exit status: 0 measured, 1 something failed, 2 wrong usage.
    #[command(after_help = "  cargo run --release -p claviger-loadtest -- scale --write docs/scaling.md")]
    Scale(scale::ScaleArgs),
    /// Whether memory grows while nothing changes: millions of requests, and what claviger holds meanwhile.
    ///
    /// Needs wrk. The aim is no growth: the highest resident memory of the last half no more than 1 % above that of the half before it.
    /// Exit status: 0 no growth, 1 growth, or something failed, 2 wrong usage.
    #[command(after_help = "  cargo run --release -p claviger-loadtest -- soak --requests 10000000")]
    Soak(soak::SoakArgs),
    /// Memory that an idle keep-alive connection costs.
    ///
    /// Opens connections, sends one request on each, and divides what the proxy's resident memory grew by by their number.
    #[command(after_help = "  cargo run --release -p claviger-loadtest -- idle --connections 5000")]
    Idle(IdleArgs),
    /// What callers with a known token feel while very many unknown tokens arrive at once.
    ///
    /// A few callers send requests with one token at a steady rate. After a quiet time, a burst of distinct tokens that claviger has never
    /// seen arrives over other keep-alive connections, as fast as they are answered or at `--burst-rate`; then the
    /// same burst once more, whose tokens are known now. Every request must be answered 200, and the audit log must hold a completed
    /// exchange of every subject for each of its requests. Exit status: 0 measured, 1 something failed, 2 wrong usage.
    #[command(after_help = "\
The aim is that the cold burst raises the p99 of the callers to no more than twice the quiet one. The known burst tells how much of
that is the load and how much the proofs: it is the same load without the proofs.

Callers keep to their rate whatever happens: a request that was due while its connection still waited for an answer counts from when
it was due (no coordinated omission), any other from when it was sent, so that a late wake-up of the load's own core is not counted.
claviger is started anew for each round, so that no token is known to it; as many requests with the known token open its connections
to the upstream before the quiet time. All requests of all rounds make one distribution; the
ratio is the median of the rounds'.

  cargo run --release -p claviger-loadtest -- burst
  cargo run --release -p claviger-loadtest -- burst --burst-rate 5000
  cargo run --release -p claviger-loadtest -- burst --tokens 10000 --connections 64 --rate 2000 --rounds 5 --json > burst.json")]
    Burst(BurstArgs),
    /// How long a revocation takes to end a stream that is open.
    ///
    /// Opens streams through claviger, each of a caller of its own, on which no byte flows after the first event. Then revokes one caller
    /// after the other by `claviger revocation add`, each time until the stream has ended and a next request was refused with 401. The
    /// stream of somebody who is not revoked must go on. Exit status: 0 measured, 1 something failed, 2 wrong usage.
    #[command(after_help = "\
The aim is a p99 of 10 ms from the acknowledgement, which is the command's end. The stream may have ended by then; that counts as 0.
From the command's start, the start of a process, its reading of the configuration and its write to the disk count too.

  cargo run --release -p claviger-loadtest -- revoke --streams 500")]
    Revoke(RevokeArgs),
    /// What the audit log costs.
    ///
    /// Three claviger in turns under full load: one whose log goes nowhere (`/dev/null`: lines are made and linked, and not kept), one
    /// whose log is a file, and one that forwards a request only when its decision is on the disk (`durability = "fsync"`). Needs wrk. Afterwards
    /// both files must hold a line for every request. Exit status: 0 measured, 1 something failed, 2 wrong usage.
    #[command(after_help = "\
The logs are in a temporary folder. What `fsync` costs is told only where that is on a disk: TMPDIR says where it is.

  cargo run --release -p claviger-loadtest -- audit
  TMPDIR=/var/tmp cargo run --release -p claviger-loadtest -- audit --rounds 5 --seconds 5")]
    Audit(AuditArgs),
    /// What it costs to look through requests, beside nginx with ModSecurity and the Core Rule Set.
    ///
    /// Honest requests under full load: a GET with eight parameters, and 1 KiB and 64 KiB of JSON. Needs wrk, nginx, ModSecurity and its rules
    /// (Debian: apt-get install wrk nginx libnginx-mod-http-modsecurity modsecurity-crs). Before anything is measured, all of these must be
    /// answered 200 by all four proxies, and attacks 403 by those two that look. Exit status: 0 measured, 1 something failed, 2 wrong usage.
    #[command(after_help = "\
The same requests over as many connections to claviger and to nginx, without and with a look at them, in turns. CPU per request as in
`compare`. nginx proves no token and writes a line for each request, claviger does its whole job: read what is added, rather than the
sums. ModSecurity has the settings it recommends, for requests alone, and the Core Rule Set as it comes: paranoia 1, refused from 5 on.

  cargo run --release -p claviger-loadtest -- inspect
  cargo run --release -p claviger-loadtest -- inspect --rounds 5 --json > inspect.json")]
    Inspect(InspectArgs),
    /// Instructions per request, counted by valgrind and held to a baseline.
    ///
    /// One connection asks for the same as `compare`, and the phases of its exchanges are counted, each with all that it calls. Other load on
    /// the machine changes nothing. Meant for a build without optimisations, in which each function is still one. Skipped without valgrind.
    /// Exit status: 0 all within the tolerance, 1 something is above it or failed, 2 wrong usage.
    #[command(after_help = "\
The whole exchange also holds what threads in the background do meanwhile, which is little.

  target/debug/claviger-loadtest count --claviger target/debug/claviger --baseline loadtest/instructions.json
  target/debug/claviger-loadtest count --claviger target/debug/claviger --baseline loadtest/instructions.json --renew")]
    Count(CountArgs),
    /// The upstream alone.
    #[command(hide = true)]
    ServeUpstream(upstream::Settings),
    /// The bare proxy alone.
    #[command(hide = true)]
    ServeBare(bare::Settings),
    /// Serve as the home-made gateway.
    #[command(hide = true)]
    ServeHomemade(bare::Settings),
}

/// What all measurements take.
#[derive(Debug, Args)]
struct Common {
    /// The claviger to measure. Default: under cargo, the release build of this workspace, made now; else the one beside this program.
    #[arg(long, value_name = "FILE")]
    claviger: Option<PathBuf>,
    /// Print JSON in place of the table.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct IdleArgs {
    /// Connections held open.
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(100..=20_000))]
    connections: u32,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct BurstArgs {
    /// Distinct tokens that arrive at once.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    tokens: u32,
    /// Keep-alive connections over which they arrive.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1000))]
    connections: u32,
    /// Requests per second of all callers with a known token together.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(100..=10_000))]
    rate: u32,
    /// Tokens of the burst per second. Default: each connection sends its next as soon as the last is answered, which is more than one core
    /// can serve.
    #[arg(long)]
    burst_rate: Option<NonZeroU32>,
    /// How many callers with a known token there are, each with one connection.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    callers: u32,
    /// The quiet time before the burst, in seconds.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// How often all of it is done.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct RevokeArgs {
    /// How many streams are opened and cut.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(10..=5_000))]
    streams: u32,
    /// Revoke at one node, cut at another: two of them and a `redis-server` are started.
    #[arg(long)]
    other_node: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct InspectArgs {
    /// How often each proxy is measured with each request.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How long one measurement takes.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Keep-alive connections that wrk holds.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=16))]
    connections: u32,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct AuditArgs {
    /// How often each is measured. Many short rounds tell more than few long ones: what else the machine does is in some of them, and the median is not.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How long one measurement takes.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Keep-alive connections that wrk holds: so many requests can share one write to the disk.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=1000))]
    connections: u32,
    /// Keep the load on claviger's core, as in `compare`.
    #[arg(long)]
    one_core: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct CountArgs {
    /// The claviger to count.
    #[arg(long, value_name = "FILE")]
    claviger: PathBuf,
    /// The figures to compare with.
    #[arg(long, value_name = "FILE")]
    baseline: PathBuf,
    /// By how many percent a figure may be above the baseline.
    #[arg(long, default_value_t = 5, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(..=100))]
    tolerance: u32,
    /// Write the figures to the baseline.
    #[arg(long, conflicts_with_all = ["threads", "connections"])]
    renew: bool,
    /// Worker threads of claviger. With more than one, or more connections, figures are printed as JSON and not compared: baselines are of one.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    threads: u8,
    /// Connections over which requests come, in turns.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    connections: u16,
}

fn main() -> ExitCode {
    let (mut out, mut progress) = (stdout(), stderr());
    let done = match Cli::parse().command {
        Command::Compare(args) => compare::run(&args, &mut out, &mut progress),
        Command::Scenarios(args) => scenario::run(&args, &mut out, &mut progress),
        Command::Scale(args) => scale::run(&args, &mut out, &mut progress),
        Command::Soak(args) => soak::run(&args, &mut out, &mut progress),
        Command::Idle(args) => idle::run(&args, &mut out, &mut progress),
        Command::Burst(args) => burst::run(&args, &mut out, &mut progress),
        Command::Revoke(args) => revoke::run(&args, &mut out, &mut progress),
        Command::Inspect(args) => inspect::run(&args, &mut out, &mut progress),
        Command::Audit(args) => audit::run(&args, &mut out, &mut progress),
        Command::Count(args) => count::run(&args, &mut out, &mut progress),
        Command::ServeUpstream(settings) => upstream::serve(&settings),
        Command::ServeBare(settings) => bare::serve(&settings),
        Command::ServeHomemade(settings) => homemade::serve(&settings),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            // Nothing is left to be done when this cannot be written either.
            let _ = writeln!(progress, "claviger-loadtest: {fault}");
            ExitCode::FAILURE
        }
    }
}
