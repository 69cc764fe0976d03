//! What the audit log costs: claviger whose log is a file, whose log has each decision on the disk first, and whose log goes nowhere, in turns.

use std::fs;
use std::io::{self, Write};

use serde_json::json;

use crate::AuditArgs;
use crate::compare::{measure, tell};
use crate::fault::{Fault, While};
use crate::machine::{self, Cores};
use crate::program;
use crate::report::{Round, interval, median};
use crate::site::{Proxy, Site};
use crate::stage::{Log, Stage};
use crate::wrk::Wrk;

/// Load before each is measured, in seconds.
const WARM_UP: u32 = 2;

/// How each log is written, in the order of the columns.
const LOGS: [(&str, Log); 3] = [("nowhere", Log::Nowhere), ("batch", Log::Batch), ("fsync", Log::Fsync)];

/// One claviger, and what was measured of it.
struct Measured {
    site: Site,
    proxy: Proxy,
    wrk: Wrk,
    rounds: Vec<Round>,
    /// Microseconds of CPU that the log's thread took for a request, by round.
    writer: Vec<f64>,
    completed: u64,
}

/// Measures and prints.
pub(crate) fn run(args: &AuditArgs, out: &mut dyn Write, progress: &mut dyn Write) -> Result<(), Fault> {
    let file = program::claviger(args.common.claviger.as_deref())?;
    let cores = Cores::choose_for(args.one_core)?;
    let mut all = Vec::new();
    for (_, log) in LOGS {
        // Each has a log of its own.
        let site = Site::staged(cores, Stage { log, ..Stage::default() })?;
        let wrk = Wrk::find(site.folder(), site.authorization(), cores.load, args.connections)?;
        let proxy = site.claviger(&file)?;
        let completed = wrk.run(proxy.address, WARM_UP)?.requests;
        all.push(Measured { site, proxy, wrk, rounds: Vec::new(), writer: Vec::new(), completed });
    }
    for number in 1..=args.rounds {
        // In each of the six orders in turn, so that what one leaves behind falls on the others alike.
        let mut turns: Vec<_> = all.iter_mut().zip(LOGS).collect();
        if number % 2 == 0 {
            turns.reverse();
        }
        turns.rotate_left((number / 2 % 3) as usize);
        for (one, (name, _)) in turns {
            let before = writer_cpu(one)?;
            let round = measure(&one.wrk, &mut one.proxy, args.seconds)?;
            let writer = (writer_cpu(one)? - before) * 1e6 / crate::report::float(round.requests);
            tell(
                progress,
                &format!(
                    "{number}/{}, {name}: {:.0} requests/s, {:.1} us of CPU each",
                    args.rounds, round.rate, round.cpu
                ),
            )?;
            one.completed += round.requests;
            one.writer.push(writer);
            one.rounds.push(round);
        }
    }
    print(&all, args, out).during("printing the result")?;
    for (one, (name, _)) in all.into_iter().zip(LOGS) {
        if one.rounds.iter().any(|round| round.errors > 0) {
            return Err(Fault::new("there were errors under load; the figures do not count"));
        }
        one.proxy.program.end()?;
        let records = if name == "nowhere" { one.completed } else { one.site.completed_in_audit()? };
        if records < one.completed {
            return Err(Fault::new(format!(
                "{} requests were completed and {records} are in the audit log",
                one.completed
            )));
        }
    }
    Ok(())
}

/// CPU time that the log's thread has used, in seconds.
fn writer_cpu(one: &Measured) -> Result<f64, Fault> {
    let threads = format!("/proc/{}/task", one.proxy.program.id());
    for thread in fs::read_dir(&threads).during("looking at the proxy's threads")? {
        let thread = thread.during("looking at the proxy's threads")?.path();
        // One that has ended meanwhile is not the log's.
        if fs::read_to_string(thread.join("comm")).is_ok_and(|name| name.trim_end() == "audit") {
            return machine::cpu_seconds_in(&thread.join("stat"));
        }
    }
    Err(Fault::new("claviger has no thread that writes the audit log"))
}

/// The ratios of neighbouring rounds: what else the machine did meanwhile, it did to both.
fn ratios(of: &Measured, to: &Measured, figure: fn(&Round) -> f64) -> impl Iterator<Item = f64> {
    of.rounds.iter().zip(&to.rounds).map(move |(of, to)| figure(of) / figure(to))
}

fn print(all: &[Measured], args: &AuditArgs, out: &mut dyn Write) -> io::Result<()> {
    let [nowhere, batch, fsync] = all else { return Ok(()) };
    let figures = |figure: fn(&Round) -> f64| [nowhere, batch, fsync].map(|one| median(one.rounds.iter().map(figure)));
    let writer = [nowhere, batch, fsync].map(|one| median(one.writer.iter().copied()));
    let (cpu, rate) = (figures(|round| round.cpu), figures(|round| round.rate));
    let cpu_ratio = [batch, fsync].map(|one| median(ratios(one, nowhere, |round| round.cpu)));
    let cpu_interval = [batch, fsync].map(|one| interval(ratios(one, nowhere, |round| round.cpu)));
    let rate_ratio = median(ratios(fsync, batch, |round| round.rate));
    let AuditArgs { rounds, seconds, connections, .. } = args;
    if args.common.json {
        let text = json!({
            "rounds": rounds, "seconds": seconds, "connections": connections,
            "logs": LOGS.map(|(name, _)| name), "cpu_us": cpu, "writer_cpu_us": writer, "requests_per_second": rate,
            "cpu_ratio_to_nowhere": cpu_ratio, "cpu_ratio_interval": cpu_interval, "fsync_rate_to_batch": rate_ratio,
        });
        return writeln!(out, "{text:#}");
    }
    writeln!(out, "| audit log | to nowhere | batch | fsync |\n|---|--:|--:|--:|")?;
    let mut row = |name: &str, digits: usize, [first, second, third]: [f64; 3]| {
        writeln!(out, "| {name} | {first:.digits$} | {second:.digits$} | {third:.digits$} |")
    };
    row("CPU per request, us", 1, cpu)?;
    row("of which the log's thread, us", 1, writer)?;
    row("requests/s", 0, rate)?;
    row("latency p50, us", 0, figures(|round| crate::report::float(round.p50)))?;
    row("latency p99, us", 0, figures(|round| crate::report::float(round.p99)))?;
    let more = |ratio: f64| (ratio - 1.0) * 100.0;
    let [batch, fsync] = cpu_ratio.map(more);
    let [(least, most), _] = cpu_interval.map(|(least, most)| (more(least), more(most)));
    let range = if least.is_nan() { String::new() } else { format!(" (95 % of it: {least:+.1} to {most:+.1})") };
    writeln!(out, "\nCPU per request, over a log that goes nowhere: batch {batch:+.1} %{range}, fsync {fsync:+.1} %")?;
    writeln!(out, "requests/s of fsync, of those of batch: {:.0} %", rate_ratio * 100.0)?;
    let rest = if args.one_core { ", and for the load too" } else { "" };
    writeln!(out, "medians of {rounds} rounds of {seconds} s, {connections} connections, one core for the proxy{rest}")
}
