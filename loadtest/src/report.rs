//! The figures, and how they are printed: a Markdown table, or JSON.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::json;

use crate::CompareArgs;

/// One proxy under load once.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Round {
    pub(crate) requests: u64,
    /// Requests per second.
    pub(crate) rate: f64,
    /// Microseconds of CPU per request.
    pub(crate) cpu: f64,
    /// Latencies in microseconds.
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) errors: u64,
}

/// All rounds of both proxies against one upstream.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Part {
    pub(crate) bare: Vec<Round>,
    pub(crate) claviger: Vec<Round>,
    /// Of the bare proxy and of claviger.
    pub(crate) peak_rss_kib: [u64; 2],
    /// Completed exchanges in claviger's audit log.
    pub(crate) audit_records: u64,
}

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Comparison {
    /// The proxy is the bottleneck.
    pub(crate) full_load: Part,
    /// The upstream is, so that both proxies serve at the same rate.
    pub(crate) one_rate: Option<Part>,
}

impl Comparison {
    pub(crate) fn errors(&self) -> u64 {
        let parts = [Some(&self.full_load), self.one_rate.as_ref()];
        parts.into_iter().flatten().map(|part| errors(&part.bare) + errors(&part.claviger)).sum()
    }

    pub(crate) fn print(&self, args: &CompareArgs, out: &mut dyn Write) -> io::Result<()> {
        if args.common.json {
            let ratio = |part: &Part| part.ratio(|round| round.cpu);
            let text = json!({
                "rounds": args.rounds,
                "seconds": args.seconds,
                "connections": args.connections,
                "full_load": self.full_load,
                "full_load_cpu_ratio": ratio(&self.full_load),
                "one_rate": self.one_rate,
                "one_rate_cpu_ratio": self.one_rate.as_ref().map(ratio),
            });
            return writeln!(out, "{text:#}");
        }
        self.table(args, out)
    }

    fn table(&self, args: &CompareArgs, out: &mut dyn Write) -> io::Result<()> {
        let full = &self.full_load;
        writeln!(out, "| one core for the proxy | bare Pingora | claviger, full job | ratio |")?;
        writeln!(out, "|---|--:|--:|--:|")?;
        full.row(out, "requests/s at full load", 0, |round| round.rate)?;
        full.row(out, "CPU per request at full load, us", 1, |round| round.cpu)?;
        full.row(out, "latency p50 at full load, us", 0, |round| float(round.p50))?;
        full.row(out, "latency p99 at full load, us", 0, |round| float(round.p99))?;
        if let Some(part) = &self.one_rate {
            part.row(out, "requests/s at one rate", 0, |round| round.rate)?;
            part.row(out, "CPU per request at one rate, us", 1, |round| round.cpu)?;
        }
        writeln!(out, "| errors | {} | {} | |", errors(&full.bare), errors(&full.claviger))?;
        let [bare, claviger] = full.peak_rss_kib.map(|kib| float(kib) / 1024.0);
        writeln!(out, "| highest RSS, MiB | {bare:.1} | {claviger:.1} | |")?;
        let CompareArgs { rounds, seconds, connections, .. } = args;
        let records = full.audit_records;
        writeln!(
            out,
            "\nmedians of {rounds} rounds of {seconds} s, {connections} connections; {records} audit lines at full load, none missing"
        )
    }
}

impl Part {
    fn row(&self, out: &mut dyn Write, name: &str, digits: usize, figure: fn(&Round) -> f64) -> io::Result<()> {
        let [bare, claviger] = [&self.bare, &self.claviger].map(|rounds| median(rounds.iter().map(figure)));
        writeln!(out, "| {name} | {bare:.digits$} | {claviger:.digits$} | {:.2} |", self.ratio(figure))
    }

    /// The median of the ratios of neighbouring rounds: what else the machine did meanwhile, it did to both.
    fn ratio(&self, figure: fn(&Round) -> f64) -> f64 {
        median(self.bare.iter().zip(&self.claviger).map(|(bare, claviger)| figure(claviger) / figure(bare)))
    }
}

fn errors(rounds: &[Round]) -> u64 {
    rounds.iter().map(|round| round.errors).sum()
}

pub(crate) fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match (figures.get(middle.wrapping_sub(1)), figures.get(middle)) {
        (Some(below), Some(above)) if figures.len().is_multiple_of(2) => f64::midpoint(*below, *above),
        (_, Some(figure)) => *figure,
        (_, None) => f64::NAN,
    }
}

#[expect(clippy::cast_precision_loss, reason = "microseconds and kilobytes")]
pub(crate) fn float(number: u64) -> f64 {
    number as f64
}

/// Of sorted figures, the smallest that so many in a hundred do not exceed; not a number where there are none.
pub(crate) fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let at = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}
