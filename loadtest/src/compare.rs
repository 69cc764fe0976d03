//! Bare Pingora and claviger in turns under full load.

use std::io::Write;

use crate::CompareArgs;
use crate::fault::{Fault, While};
use crate::machine::Cores;
use crate::program;
use crate::report::{Comparison, Round};
use crate::site::{Proxy, Site};
use crate::wrk::Wrk;

/// Load before the first measurement, so that pools, caches and the branch predictor are warm; in seconds.
const WARM_UP: u32 = 2;

/// Measures and prints.
pub(crate) fn run(args: &CompareArgs, out: &mut dyn Write, progress: &mut dyn Write) -> Result<(), Fault> {
    let file = program::claviger(args.common.claviger.as_deref())?;
    let cores = Cores::choose()?;
    let site = Site::new(cores, args.work)?;
    let wrk = Wrk::find(site.folder(), site.authorization(), cores.load, args.connections)?;
    let (mut bare, mut claviger) = (site.bare(false)?, site.claviger(&file)?);
    tell(progress, "both proxies answer as they should; warming up")?;
    let mut completed = warm_up(&wrk, &mut bare, &mut claviger)?;
    let mut comparison = Comparison::new(args);
    for number in 1..=args.rounds {
        for (proxy, rounds) in [(&mut bare, &mut comparison.bare), (&mut claviger, &mut comparison.claviger)] {
            let what = format!("round {number}/{}: {} for {} s ...", args.rounds, proxy.program.name(), args.seconds);
            tell(progress, &what)?;
            let round = measure(&wrk, proxy, args.seconds)?;
            tell(progress, &format!("  {:.0} requests/s, {:.1} us of CPU each", round.rate, round.cpu))?;
            rounds.push(round);
        }
    }
    completed += comparison.claviger.iter().map(|round| round.requests).sum::<u64>();
    comparison.peak_rss = [bare.program.memory()?.peak, claviger.program.memory()?.peak];
    claviger.program.end()?;
    comparison.records = site.completed_in_audit()?;
    comparison.print(args.common.json, out).during("printing the result")?;
    if comparison.records < completed {
        let records = comparison.records;
        return Err(Fault::new(format!("{completed} requests were completed and {records} are in the audit log")));
    }
    if comparison.errors() > 0 {
        return Err(Fault::new("there were errors under load; the figures do not count"));
    }
    Ok(())
}

/// Answers how many requests claviger has completed.
fn warm_up(wrk: &Wrk, bare: &mut Proxy, claviger: &mut Proxy) -> Result<u64, Fault> {
    wrk.run(bare.address, WARM_UP)?;
    Ok(wrk.run(claviger.address, WARM_UP)?.requests)
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^52")]
fn measure(wrk: &Wrk, proxy: &mut Proxy, seconds: u32) -> Result<Round, Fault> {
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
