//! Callers with a known token, in quiet and while a burst of unknown tokens is proved.

use std::io::{self, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;

use crate::BurstArgs;
use crate::callers::{Callers, Sample};
use crate::compare::tell;
use crate::fault::{Fault, While};
use crate::flood::{self, Flood};
use crate::machine::{self, Cores};
use crate::program;
use crate::report::{median, percentile};
use crate::site::Site;

/// Calls before anything counts, and the rest between two bursts.
const SETTLE: Duration = Duration::from_secs(1);

/// What the callers felt in one span of time.
#[derive(Debug, Default)]
struct Felt {
    /// Microseconds.
    took: Vec<f64>,
    errors: u64,
}

/// What is told of that.
#[derive(Debug, Clone, Copy, Serialize)]
struct Latency {
    requests: usize,
    /// In microseconds.
    p50: f64,
    p99: f64,
    max: f64,
    errors: u64,
}

/// One burst.
#[derive(Debug, Default)]
struct Burst {
    felt: Felt,
    /// Milliseconds from its first request to its last answer, of every round.
    took: Vec<f64>,
    errors: u64,
    /// The callers' p99 in each tenth of a burst, in microseconds, of every round.
    tenths: Vec<Vec<f64>>,
    /// The callers' p99 over that of the quiet time before, of every round.
    ratios: Vec<f64>,
}

/// Everything that was measured.
#[derive(Debug, Default)]
struct Report {
    quiet: Felt,
    /// The callers' p99 in each tenth of the quiet time, in microseconds, of every round.
    quiet_tenths: Vec<Vec<f64>>,
    cold: Burst,
    known: Burst,
}

/// Measures and prints.
pub(crate) fn run(args: &BurstArgs, out: &mut dyn Write, progress: &mut dyn Write) -> Result<(), Fault> {
    let file = program::claviger(args.common.claviger.as_deref())?;
    let cores = Cores::choose()?;
    machine::allow_open_files(u64::from(args.connections) * 4 + 1024)?;
    tell(progress, &format!("signing {} tokens ...", args.tokens))?;
    let site = Site::new(cores, 0)?;
    let tokens = site.tokens(args.tokens)?;
    let mut report = Report::default();
    for number in 1..=args.rounds {
        tell(
            progress,
            &format!("round {number}/{}: quiet for {} s, then twice a burst ...", args.rounds, args.seconds),
        )?;
        round(args, &file, cores, &site, &tokens, &mut report)?;
        let now = |burst: &Burst| burst.ratios.last().copied().unwrap_or(f64::NAN);
        tell(
            progress,
            &format!("  p99 against quiet: {:.2} cold, {:.2} known", now(&report.cold), now(&report.known)),
        )?;
    }
    if report.errors() == 0 {
        check_audit(args, &site)?;
    }
    report.print(args, out).during("printing the result")?;
    if report.errors() > 0 {
        return Err(Fault::new("not every request was answered 200; the figures do not count"));
    }
    Ok(())
}

/// Every subject has a completed exchange for each of its requests: one cold and one known in each round.
fn check_audit(args: &BurstArgs, site: &Site) -> Result<(), Fault> {
    let want = args.rounds * 2;
    let wrong = site.completed_by_subject(args.tokens)?.into_iter().filter(|&count| count != want).count();
    if wrong == 0 {
        Ok(())
    } else {
        Err(Fault::new(format!("{wrong} of the burst's subjects are not {want} times in the audit log")))
    }
}

fn round(
    args: &BurstArgs,
    file: &Path,
    cores: Cores,
    site: &Site,
    tokens: &[String],
    report: &mut Report,
) -> Result<(), Fault> {
    let proxy = site.claviger(file)?;
    machine::pin(cores.load)?;
    let callers = Callers::start(args.callers, args.rate, proxy.address, site.token());
    // As at a site that is at work: connections to the upstream are open, all but the tokens is known.
    flood::run(proxy.address, &vec![site.token().to_owned(); tokens.len()], args.connections, None)?;
    thread::sleep(SETTLE);
    let quiet = Instant::now();
    thread::sleep(Duration::from_secs(args.seconds.into()));
    let cold = flood::run(proxy.address, tokens, args.connections, args.burst_rate)?;
    thread::sleep(SETTLE);
    let known = flood::run(proxy.address, tokens, args.connections, args.burst_rate)?;
    let samples = callers.end()?;
    proxy.program.end()?;

    let before_ended = cold.began;
    let before = felt(&samples, quiet, before_ended);
    let p99 = percentile(&before.took, 99);
    for (burst, flood) in [(&mut report.cold, cold), (&mut report.known, known)] {
        burst.add(&samples, flood, p99)?;
    }
    report.quiet.add(before);
    report.quiet_tenths.push(tenths(&samples, quiet, before_ended));
    Ok(())
}

/// What was felt by requests that began in this span.
fn felt(samples: &[Sample], from: Instant, until: Instant) -> Felt {
    let within = samples.iter().filter(|sample| (from..until).contains(&sample.began));
    let (mut took, mut errors) = (Vec::new(), 0);
    for sample in within {
        took.push(sample.took.as_secs_f64() * 1e6);
        errors += u64::from(!sample.is_ok);
    }
    took.sort_by(f64::total_cmp);
    Felt { took, errors }
}

/// The p99 of each tenth of this span: a pause of the machine is in one of them, a burden in all.
fn tenths(samples: &[Sample], from: Instant, until: Instant) -> Vec<f64> {
    let tenth = (until - from) / 10;
    (0..10).map(|nth| felt_p99(samples, from + tenth * nth, from + tenth * (nth + 1))).collect()
}

/// The typical tenth of all rounds.
fn typical(rounds: &[Vec<f64>]) -> f64 {
    median(rounds.iter().flatten().copied())
}

fn felt_p99(samples: &[Sample], from: Instant, until: Instant) -> f64 {
    percentile(&felt(samples, from, until).took, 99)
}

impl Felt {
    fn add(&mut self, more: Self) {
        self.took.extend(more.took);
        self.took.sort_by(f64::total_cmp);
        self.errors += more.errors;
    }

    fn latency(&self) -> Latency {
        let [p50, p99, max] = [50, 99, 100].map(|percent| percentile(&self.took, percent));
        Latency { requests: self.took.len(), p50, p99, max, errors: self.errors }
    }
}

impl Burst {
    fn add(&mut self, samples: &[Sample], flood: Flood, quiet_p99: f64) -> Result<(), Fault> {
        let felt = felt(samples, flood.began, flood.ended);
        if felt.took.len() < 100 {
            return Err(Fault::new(
                "the burst was over too soon for a p99: more --tokens or a higher --rate are needed",
            ));
        }
        self.ratios.push(percentile(&felt.took, 99) / quiet_p99);
        self.tenths.push(tenths(samples, flood.began, flood.ended));
        self.took.push((flood.ended - flood.began).as_secs_f64() * 1e3);
        self.errors += flood.errors;
        self.felt.add(felt);
        Ok(())
    }

    fn ratio(&self) -> f64 {
        median(self.ratios.iter().copied())
    }
}

impl Report {
    fn errors(&self) -> u64 {
        let felt: u64 = [&self.quiet, &self.cold.felt, &self.known.felt].iter().map(|felt| felt.errors).sum();
        felt + self.cold.errors + self.known.errors
    }

    fn print(&self, args: &BurstArgs, out: &mut dyn Write) -> io::Result<()> {
        if args.common.json {
            let burst = |burst: &Burst| {
                json!({
                    "callers": burst.felt.latency(), "p99_ratios": burst.ratios, "p99_ratio": burst.ratio(),
                    "p99_by_tenth_us": burst.tenths, "p99_of_typical_tenth_us": typical(&burst.tenths), "took_ms": burst.took, "errors": burst.errors,
                })
            };
            let BurstArgs { tokens, connections, rate, burst_rate, callers, seconds, rounds, .. } = args;
            let text = json!({
                "tokens": tokens, "connections": connections, "rate": rate, "burst_rate": burst_rate, "callers": callers, "seconds": seconds, "rounds": rounds,
                "quiet": self.quiet.latency(), "quiet_p99_of_typical_tenth_us": typical(&self.quiet_tenths), "cold": burst(&self.cold), "known": burst(&self.known),
            });
            return writeln!(out, "{text:#}");
        }
        self.table(args, out)
    }

    fn table(&self, args: &BurstArgs, out: &mut dyn Write) -> io::Result<()> {
        let all = [&self.quiet, &self.cold.felt, &self.known.felt].map(Felt::latency);
        writeln!(out, "| callers with a known token | quiet | cold burst | the same, known |\n|---|--:|--:|--:|")?;
        let mut row = |name: &str, figure: fn(&Latency) -> f64| {
            let [quiet, cold, known] = all.each_ref().map(figure);
            writeln!(out, "| {name} | {quiet:.0} | {cold:.0} | {known:.0} |")
        };
        row("p50, us", |latency| latency.p50)?;
        row("p99, us", |latency| latency.p99)?;
        row("longest, us", |latency| latency.max)?;
        let [quiet, cold, known] = all.map(|latency| latency.requests);
        writeln!(out, "| requests | {quiet} | {cold} | {known} |")?;
        writeln!(out, "| p99 against quiet | | {:.2} | {:.2} |", self.cold.ratio(), self.known.ratio())?;
        let [quiet, cold, known] = [&self.quiet_tenths, &self.cold.tenths, &self.known.tenths].map(|all| typical(all));
        writeln!(out, "| p99 of the typical tenth, us | {quiet:.0} | {cold:.0} | {known:.0} |")?;
        writeln!(out, "| the same against quiet | | {:.2} | {:.2} |", cold / quiet, known / quiet)?;
        let took = |burst: &Burst| median(burst.took.iter().copied());
        writeln!(out, "| the burst took, ms | | {:.0} | {:.0} |", took(&self.cold), took(&self.known))?;
        let [cold, known] = [&self.cold, &self.known].map(|burst| burst.errors + burst.felt.errors);
        writeln!(out, "| errors | {} | {cold} | {known} |", self.quiet.errors)?;
        let BurstArgs { tokens, connections, rate, callers, rounds, .. } = args;
        let pace = args.burst_rate.map_or_else(|| "as fast as answered".to_owned(), |rate| format!("{rate}/s"));
        let end = if self.errors() == 0 { "; all answered 200 and in the audit log" } else { "" };
        writeln!(
            out,
            "\n{rounds} rounds; {callers} callers with {rate} requests/s in all; {tokens} tokens over {connections} connections, {pace}{end}"
        )
    }
}
