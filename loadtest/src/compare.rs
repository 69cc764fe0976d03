//! Bare Pingora and claviger in turns under full load.

use std::io::Write;
use std::path::Path;

use crate::CompareArgs;
use crate::fault::{Fault, While};
use crate::machine::Cores;
use crate::program;
use crate::report::{Comparison, Part, Round};
use crate::site::{Proxy, Site};
use crate::wrk::Wrk;

/// Load before the first measurement, so that pools, caches and the branch predictor are warm; in seconds.
const WARM_UP: u32 = 2;

/// Measures and prints.
pub(crate) fn run(args: &CompareArgs, out: &mut dyn Write, progress: &mut dyn Write) -> Result<(), Fault> {
    let file = program::claviger(args.common.claviger.as_deref())?;
    // Before anything is bound to one of them.
    let cores = Cores::choose()?;
    let full_load = part(args, &file, cores, 0, progress)?;
    let one_rate = if args.work > 0 { Some(part(args, &file, cores, args.work, progress)?) } else { None };
    let comparison = Comparison { full_load, one_rate };
    comparison.print(args, out).during("printing the result")?;
    if comparison.errors() > 0 {
        return Err(Fault::new("there were errors under load; the figures do not count"));
    }
    Ok(())
}

/// All rounds against an upstream that computes for so many microseconds.
fn part(args: &CompareArgs, file: &Path, cores: Cores, work: u64, progress: &mut dyn Write) -> Result<Part, Fault> {
    let site = Site::new(cores, work)?;
    let wrk = Wrk::find(site.folder(), site.authorization(), cores.load, args.connections)?;
    let (mut bare, mut claviger) = (site.bare(false)?, site.claviger(file)?);
    let kind = if work == 0 { "full load" } else { "one rate" };
    tell(progress, &format!("{kind}: both proxies answer as they should; warming up"))?;
    let mut completed = warm_up(&wrk, &mut bare, &mut claviger)?;
    let mut part = Part::default();
    for number in 1..=args.rounds {
        for (proxy, rounds) in [(&mut bare, &mut part.bare), (&mut claviger, &mut part.claviger)] {
            let name = proxy.program.name();
            tell(progress, &format!("{kind}, round {number}/{}: {name} for {} s ...", args.rounds, args.seconds))?;
            let round = measure(&wrk, proxy, args.seconds)?;
            tell(progress, &format!("  {:.0} requests/s, {:.1} us of CPU each", round.rate, round.cpu))?;
            rounds.push(round);
        }
    }
    completed += part.claviger.iter().map(|round| round.requests).sum::<u64>();
    part.peak_rss_kib = [bare.program.memory()?.peak, claviger.program.memory()?.peak];
    claviger.program.end()?;
    part.audit_records = site.completed_in_audit()?;
    if part.audit_records < completed {
        let records = part.audit_records;
        return Err(Fault::new(format!("{completed} requests were completed and {records} are in the audit log")));
    }
    Ok(part)
}

/// Answers how many requests claviger has completed.
fn warm_up(wrk: &Wrk, bare: &mut Proxy, claviger: &mut Proxy) -> Result<u64, Fault> {
    wrk.run(bare.address, WARM_UP)?;
    Ok(wrk.run(claviger.address, WARM_UP)?.requests)
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^52")]
pub(crate) fn measure(wrk: &Wrk, proxy: &mut Proxy, seconds: u32) -> Result<Round, Fault> {
    proxy.program.cpu_since()?;
    let load = wrk.run(proxy.address, seconds)?;
    let cpu = proxy.program.cpu_since()?;
    let requests = load.requests as f64;
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
        errors: load.errors,
    })
}

pub(crate) fn tell(progress: &mut dyn Write, what: &str) -> Result<(), Fault> {
    writeln!(progress, "{what}").during("telling how far it is")
}
