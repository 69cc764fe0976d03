//! Several nodes behind one HAProxy, with one Redis: what a request costs each of them.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde_json::json;

use crate::compare::{float, tell};
use crate::fault::{Fault, While};
use crate::machine::{self, Cores};
use crate::peer::Tool;
use crate::report::median;
use crate::site::{Proxy, Site};
use crate::wrk::Wrk;
use crate::{documents, haproxy, program};

/// Callers, each with a rate of their own that the nodes share.
const CALLERS: u32 = 1000;
const MOST_NODES: u8 = 3;
const WARM_UP: u32 = 1;

#[derive(Debug, Args)]
pub(crate) struct ScaleArgs {
    /// How often each number of nodes is measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How long one measurement takes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// The claviger to measure. Default: under cargo, the release build of this workspace, made now; else the one beside this program.
    #[arg(long, value_name = "FILE")]
    claviger: Option<PathBuf>,
    /// Print JSON in place of the table.
    #[arg(long)]
    json: bool,
    /// Put the table into this document.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// One round with so many nodes.
#[derive(Debug, Clone, Copy, Default, Serialize)]
struct Round {
    /// Requests per second.
    rate: f64,
    /// Microseconds of CPU per request: of all nodes together, of HAProxy, of Redis.
    claviger: f64,
    haproxy: f64,
    redis: f64,
    /// Commands that Redis ran in a second, and bytes to and from it.
    commands: f64,
    bytes: f64,
    /// Of the node with most of them, the memory at its highest, in MiB.
    memory: f64,
}

/// Measures and prints.
pub(crate) fn run(args: &ScaleArgs, out: &mut dyn Write, progress: &mut dyn Write) -> Result<(), Fault> {
    let balancer = Tool::Haproxy.find()?;
    let file = program::claviger(args.claviger.as_deref())?;
    let cores = Cores::choose()?;
    let mut rows = Vec::new();
    for nodes in 1..=MOST_NODES {
        let rounds = measure(nodes, args, &file, &balancer, cores)?;
        tell(
            progress,
            &format!("{nodes} nodes: {:.1} us of CPU each", median(rounds.iter().map(|round| round.claviger))),
        )?;
        rows.push((nodes, rounds));
    }
    if args.json {
        let rows: Vec<_> = rows.iter().map(|(nodes, rounds)| json!({ "nodes": nodes, "rounds": rounds })).collect();
        return writeln!(out, "{:#}", json!({ "machine": machine::describe(), "scale": rows }))
            .during("printing the result");
    }
    let mut table = Vec::new();
    print(&rows, args, &mut table).during("printing the result")?;
    out.write_all(&table).during("printing the result")?;
    let replace = |path: &PathBuf| documents::replace(path, "scale", &String::from_utf8_lossy(&table));
    args.write.as_ref().map_or(Ok(()), replace)
}

fn measure(count: u8, args: &ScaleArgs, file: &Path, balancer: &Path, cores: Cores) -> Result<Vec<Round>, Fault> {
    let site = Site::new(cores, 0)?;
    let redis = site.redis()?;
    let nodes: Vec<Proxy> =
        (1..=count).map(|number| site.node(file, redis.address, number)).collect::<Result<_, _>>()?;
    let addresses: Vec<SocketAddr> = nodes.iter().map(|node| node.address).collect();
    let front = haproxy::spread(&site, balancer, &addresses)?;
    let wrk = Wrk::find(site.folder(), site.authorization(), cores.load, 32)?;
    let wrk = wrk.with_tokens(&site.tokens(CALLERS)?, false)?;
    wrk.run(front.address, WARM_UP)?;
    (0..args.rounds).map(|_| one(&wrk, &nodes, &front, &redis, args.seconds)).collect()
}

fn one(wrk: &Wrk, nodes: &[Proxy], front: &Proxy, redis: &Proxy, seconds: u32) -> Result<Round, Fault> {
    let cpu = || -> Result<[f64; 3], Fault> {
        let nodes: f64 = nodes.iter().map(|node| node.program.cpu_now()).sum::<Result<f64, Fault>>()?;
        Ok([nodes, front.program.cpu_now()?, redis.program.cpu_now()?])
    };
    let (before, traffic) = (cpu()?, traffic(redis.address)?);
    let load = wrk.run(front.address, seconds)?;
    let (after, traffic_after) = (cpu()?, self::traffic(redis.address)?);
    if load.errors + load.refused > 0 || load.requests == 0 {
        return Err(Fault::new(format!("{} errors and {} refusals", load.errors, load.refused)));
    }
    let each = |at: usize| (after[at] - before[at]) * 1e6 / float(load.requests);
    let peaks =
        nodes.iter().map(|node| Ok(float(node.program.memory()?.peak) / 1024.0)).collect::<Result<Vec<_>, Fault>>()?;
    Ok(Round {
        rate: float(load.requests) / load.seconds,
        claviger: each(0),
        haproxy: each(1),
        redis: each(2),
        commands: (traffic_after[0] - traffic[0]) / load.seconds,
        bytes: (traffic_after[1] + traffic_after[2] - traffic[1] - traffic[2]) / load.seconds,
        memory: peaks.into_iter().fold(0.0, f64::max),
    })
}

/// Commands that a Redis has run, and bytes that it has read and written.
fn traffic(address: SocketAddr) -> Result<[f64; 3], Fault> {
    let ask = || -> io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"INFO stats\r\nQUIT\r\n")?;
        let mut told = String::new();
        stream.read_to_string(&mut told)?;
        Ok(told)
    };
    let told = ask().during("asking Redis for its counts")?;
    let field = |name: &str| told.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    match (field("total_commands_processed:"), field("total_net_input_bytes:"), field("total_net_output_bytes:")) {
        (Some(commands), Some(read), Some(written)) => Ok([commands, read, written]),
        _ => Err(Fault::new("Redis told its counts in a way that is not known here")),
    }
}

fn print(rows: &[(u8, Vec<Round>)], args: &ScaleArgs, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "| nodes | claviger: CPU per request | HAProxy | Redis | commands at Redis | bytes at Redis | requests/s | memory of a node |"
    )?;
    writeln!(out, "|--:|--:|--:|--:|--:|--:|--:|--:|")?;
    for (nodes, rounds) in rows {
        let figure = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
        writeln!(
            out,
            "| {nodes} | {:.1} µs | {:.1} µs | {:.2} µs | {:.0}/s | {:.0} kB/s | {:.0} | {:.0} MiB |",
            figure(|round| round.claviger),
            figure(|round| round.haproxy),
            figure(|round| round.redis),
            figure(|round| round.commands),
            figure(|round| round.bytes) / 1000.0,
            figure(|round| round.rate),
            figure(|round| round.memory),
        )?;
    }
    let cores = |figure: fn(&Round) -> f64| {
        let costs: Vec<f64> = rows.iter().map(|(_, rounds)| median(rounds.iter().map(figure))).collect();
        // Microseconds a request, times 100,000 requests, of the 1,000,000 that a core has in a second.
        costs.into_iter().fold(0.0, f64::max) / 10.0
    };
    writeln!(
        out,
        "\n100,000 requests/s by the dearest of these rows: {:.1} cores for claviger when they have nothing else to do, {:.1} where they are to be \
         70 % busy; {:.1} for HAProxy, {:.2} for Redis.",
        cores(|round| round.claviger),
        cores(|round| round.claviger) / 0.7,
        cores(|round| round.haproxy),
        cores(|round| round.redis),
    )?;
    let ScaleArgs { rounds, seconds, .. } = args;
    writeln!(
        out,
        "\nMedians of {rounds} rounds of {seconds} s; {CALLERS} callers, each with a rate that the nodes share; all nodes on one core, all else on another."
    )?;
    writeln!(out, "{}.", machine::describe())
}
