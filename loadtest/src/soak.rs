//! Memory over millions of requests of which each is like the last.

use std::io::{self, Write};

use clap::Args;
use serde_json::json;

use crate::Common;
use crate::compare::{float, tell};
use crate::fault::{Fault, While};
use crate::machine::Cores;
use crate::program;
use crate::site::Site;
use crate::wrk::Wrk;

/// How long wrk runs at a time, in seconds: as often memory is looked at.
const STEP: u32 = 2;
/// Above this, memory has grown.
const TOLERANCE: f64 = 1.01;

#[derive(Debug, Args)]
pub(crate) struct SoakArgs {
    /// How many requests at least.
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1000..))]
    requests: u64,
    /// Keep-alive connections that wrk holds.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1000))]
    connections: u32,
    #[command(flatten)]
    common: Common,
}

/// Resident memory after so many requests.
#[derive(Debug, Clone, Copy)]
struct Look {
    requests: u64,
    resident_kib: u64,
}

/// Measures and prints.
pub(crate) fn run(args: &SoakArgs, out: &mut dyn Write, progress: &mut dyn Write) -> Result<(), Fault> {
    let file = program::claviger(args.common.claviger.as_deref())?;
    let cores = Cores::choose()?;
    let site = Site::new(cores, 0)?;
    let wrk = Wrk::find(site.folder(), site.authorization(), cores.load, args.connections)?;
    let proxy = site.claviger(&file)?;
    let (mut looks, mut requests, mut next) = (Vec::<Look>::new(), 0, 1_000_000);
    while requests < args.requests {
        let load = wrk.run(proxy.address, STEP)?;
        if load.errors + load.refused > 0 || load.requests == 0 {
            return Err(Fault::new(format!("{} errors, {} refusals in {STEP} s", load.errors, load.refused)));
        }
        requests += load.requests;
        looks.push(Look { requests, resident_kib: proxy.program.memory()?.resident });
        if requests >= next {
            let resident = looks.last().map_or(0, |look| look.resident_kib);
            tell(
                progress,
                &format!("{:.1} million requests: {:.1} MiB", float(requests) / 1e6, float(resident) / 1024.0),
            )?;
            next += 1_000_000;
        }
    }
    let growth = growth(&looks);
    print(args, &looks, growth, out).during("printing the result")?;
    match growth {
        Some(growth) if growth > TOLERANCE => Err(Fault::new(format!("memory has grown {growth:.3} times"))),
        _ => Ok(()),
    }
}

/// The highest of the last half over the highest of the half before it; the first of both is for warming up. Nothing from too few looks.
fn growth(looks: &[Look]) -> Option<f64> {
    let highest = |looks: &[Look]| looks.iter().map(|look| look.resident_kib).max();
    let (before, last) = looks.split_at(looks.len() / 2);
    let before = before.get(before.len() / 4..).unwrap_or_default();
    Some(float(highest(last)?) / float(highest(before)?))
}

fn print(args: &SoakArgs, looks: &[Look], growth: Option<f64>, out: &mut dyn Write) -> io::Result<()> {
    if args.common.json {
        let seen: Vec<_> = looks.iter().map(|look| json!([look.requests, look.resident_kib])).collect();
        return writeln!(out, "{:#}", json!({ "growth": growth, "requests_and_resident_kib": seen }));
    }
    writeln!(out, "| requests, millions | resident memory, MiB |\n|--:|--:|")?;
    let mut next = 0;
    for look in looks {
        if look.requests >= next || looks.last().is_some_and(|last| last.requests == look.requests) {
            writeln!(out, "| {:.1} | {:.1} |", float(look.requests) / 1e6, float(look.resident_kib) / 1024.0)?;
            next += 1_000_000;
        }
    }
    let growth = growth.unwrap_or(f64::NAN);
    writeln!(
        out,
        "\nThe highest of the last half over that of the half before: {growth:.3}. {} connections.",
        args.connections
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warming_up_is_no_growth_and_creeping_is() {
        let looks =
            |kib: &[u64]| kib.iter().map(|&resident_kib| Look { requests: 1, resident_kib }).collect::<Vec<_>>();
        let flat = growth(&looks(&[10, 90, 100, 100, 99, 100, 100, 100])).expect("enough");
        assert!(flat <= TOLERANCE, "{flat}");
        let creeping = growth(&looks(&[10, 90, 100, 102, 104, 106, 108, 110])).expect("enough");
        assert!(creeping > TOLERANCE, "{creeping}");
        assert_eq!(growth(&looks(&[10])), None);
    }
}
