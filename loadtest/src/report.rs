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

/// All rounds of both proxies.
#[derive(Debug)]
pub(crate) struct Comparison {
    settings: String,
    pub(crate) bare: Vec<Round>,
    pub(crate) claviger: Vec<Round>,
    /// In KiB, of the bare proxy and of claviger.
    pub(crate) peak_rss: [u64; 2],
    /// Completed exchanges in the audit log.
    pub(crate) records: u64,
}

impl Comparison {
    pub(crate) fn new(args: &CompareArgs) -> Self {
        let settings = format!(
            "{} rounds of {} s, {} connections, 1 core for the proxy",
            args.rounds, args.seconds, args.connections
        );
        Self { settings, bare: Vec::new(), claviger: Vec::new(), peak_rss: [0; 2], records: 0 }
    }

    pub(crate) fn errors(&self) -> u64 {
        self.bare.iter().chain(&self.claviger).map(|round| round.errors).sum()
    }

    pub(crate) fn print(&self, as_json: bool, out: &mut dyn Write) -> io::Result<()> {
        if as_json {
            let [bare, claviger] = self.peak_rss;
            let text = json!({
                "settings": self.settings,
                "bare": {"rounds": self.bare, "peak_rss_kib": bare},
                "claviger": {"rounds": self.claviger, "peak_rss_kib": claviger, "audit_records": self.records},
                "cpu_ratio": self.ratio(|round| round.cpu),
            });
            return writeln!(out, "{text:#}");
        }
        self.table(out)
    }

    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "| | bare Pingora | claviger, full job | ratio |")?;
        writeln!(out, "|---|--:|--:|--:|")?;
        self.row(out, "requests/s", 0, |round| round.rate)?;
        self.row(out, "CPU per request, us", 1, |round| round.cpu)?;
        self.row(out, "latency p50, us", 0, |round| float(round.p50))?;
        self.row(out, "latency p99, us", 0, |round| float(round.p99))?;
        let sum = |rounds: &[Round]| rounds.iter().map(|round| round.errors).sum::<u64>();
        writeln!(out, "| errors | {} | {} | |", sum(&self.bare), sum(&self.claviger))?;
        let [bare, claviger] = self.peak_rss.map(|kib| float(kib) / 1024.0);
        writeln!(out, "| peak RSS, MiB | {bare:.1} | {claviger:.1} | |")?;
        writeln!(out, "\n{}; medians; {} audit lines", self.settings, self.records)
    }

    fn row(&self, out: &mut dyn Write, name: &str, digits: usize, figure: fn(&Round) -> f64) -> io::Result<()> {
        let [bare, claviger] = [&self.bare, &self.claviger].map(|rounds| median(rounds.iter().map(figure)));
        writeln!(out, "| {name} | {bare:.digits$} | {claviger:.digits$} | {:.2} |", self.ratio(figure))
    }

    /// The median of the ratios of neighbouring rounds: what else the machine did meanwhile, it did to both.
    fn ratio(&self, figure: fn(&Round) -> f64) -> f64 {
        median(self.bare.iter().zip(&self.claviger).map(|(bare, claviger)| figure(claviger) / figure(bare)))
    }
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
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
