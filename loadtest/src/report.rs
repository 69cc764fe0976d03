//! The figures of a comparison, and how they are told: a Markdown table, JSON, charts.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use serde_json::json;

use crate::aim::{self, Aim, Side};
use crate::chart::{self, Bar, Dots};
use crate::compare::{CompareArgs, PART};
use crate::fault::{Fault, While};
use crate::machine;
use crate::peer::{Job, Peer};

pub(crate) use crate::compare::float;

/// One proxy at full load once.
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
    pub(crate) p999: u64,
    /// Connections that failed, and requests that timed out.
    pub(crate) errors: u64,
    /// Answers other than 2xx and 3xx.
    pub(crate) refused: u64,
    pub(crate) upstream_connections: u64,
    pub(crate) upstream_requests: u64,
}

/// One proxy at a fixed rate once.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Tail {
    pub(crate) requests: u64,
    /// Requests per second that were due, and that were answered.
    pub(crate) asked: f64,
    pub(crate) rate: f64,
    /// Microseconds of CPU per request.
    pub(crate) cpu: f64,
    /// Latencies in microseconds, each from when the request was due.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) errors: u64,
    /// How much of the core of load generator and upstream was in use: near 1, it is they who are measured.
    pub(crate) load_busy: f64,
}

/// Everything that was found of one proxy.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Measured {
    pub(crate) peer: Peer,
    pub(crate) rounds: Vec<Round>,
    pub(crate) tails: Vec<Tail>,
    pub(crate) peak_kib: u64,
    /// All requests that were answered under load.
    pub(crate) answered: u64,
    /// Lines in its log, where it writes one.
    pub(crate) lines: Option<u64>,
}

impl Measured {
    pub(crate) fn new(peer: Peer) -> Self {
        Self { peer, rounds: Vec::new(), tails: Vec::new(), peak_kib: 0, answered: 0, lines: None }
    }

    fn full(&self, figure: fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(figure))
    }

    fn tail(&self, figure: fn(&Tail) -> f64) -> f64 {
        median(self.tails.iter().map(figure))
    }

    /// The median of the ratios of neighbouring rounds: what else the machine did meanwhile, it did to both.
    fn over(&self, other: &Self, figure: fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().zip(&other.rounds).map(|(own, other)| figure(own) / figure(other)))
    }

    fn tail_over(&self, other: &Self, figure: fn(&Tail) -> f64) -> f64 {
        median(self.tails.iter().zip(&other.tails).map(|(own, other)| figure(own) / figure(other)))
    }

    fn errors(&self) -> u64 {
        let tails: u64 = self.tails.iter().map(|tail| tail.errors).sum();
        tails + self.rounds.iter().map(|round| round.errors + round.refused).sum::<u64>()
    }

    /// Of a hundred requests, those that went over a connection to the upstream that was open already.
    fn reuse(&self) -> f64 {
        reuse(&self.rounds)
    }
}

/// Of a hundred requests to the upstream, those that went over a connection that was open already.
pub(crate) fn reuse(rounds: &[Round]) -> f64 {
    let sum = |figure: fn(&Round) -> u64| float(rounds.iter().map(figure).sum());
    100.0 * (1.0 - sum(|round| round.upstream_connections) / sum(|round| round.upstream_requests))
}

/// Everything that was measured.
pub(crate) struct Comparison {
    settings: [u32; 3],
    is_one_core: bool,
    build: String,
    proxies: Vec<Measured>,
    /// Who was left out, and how to get them.
    missing: Vec<String>,
    aims: Vec<Aim>,
}

impl Comparison {
    pub(crate) fn new(args: &CompareArgs, proxies: Vec<Measured>, missing: Vec<String>) -> Self {
        let settings = [args.rounds, args.seconds, args.connections];
        let aims = aims(&proxies, args.one_core);
        let is_one_core = args.one_core;
        Self { settings, is_one_core, build: args.outcome.build.clone(), proxies, missing, aims }
    }

    pub(crate) fn errors(&self) -> u64 {
        self.proxies.iter().map(Measured::errors).sum()
    }

    pub(crate) fn json(&self) -> String {
        let [rounds, seconds, connections] = self.settings;
        let cpu_ratio = pair(&self.proxies, Peer::Bare).map(|(own, bare)| own.over(bare, |round| round.cpu));
        let text = json!({
            "machine": machine::describe(),
            "build": self.build,
            "versions": self.versions(),
            "rounds": rounds,
            "seconds": seconds,
            "connections": connections,
            "full_load_cpu_ratio": cpu_ratio,
            "proxies": self.proxies,
            "missing": self.missing,
            "aims": self.aims,
        });
        format!("{text:#}\n")
    }

    fn versions(&self) -> Vec<String> {
        let mut versions: Vec<String> = self.proxies.iter().filter_map(|proxy| proxy.peer.version()).collect();
        versions.dedup();
        versions.sort();
        versions.dedup();
        versions
    }

    pub(crate) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let [rounds, seconds, connections] = self.settings;
        let part = PART * 100.0;
        writeln!(
            out,
            "| | job | CPU per request, µs | to bare | requests/s | p50 / p99 | CPU at {part:.0} %, µs | p99 / p99.9 at {part:.0} % | peak memory |"
        )?;
        writeln!(out, "|---|---|--:|--:|--:|--:|--:|--:|--:|")?;
        let bare = find(&self.proxies, Peer::Bare);
        self.proxies.iter().try_for_each(|proxy| writeln!(out, "{}", row(proxy, bare)))?;
        writeln!(
            out,
            "\nMedians of {rounds} rounds of {seconds} s, in turns, and from the lowest to the highest. {connections} keep-alive connections."
        )?;
        let cores = if self.is_one_core {
            "All on one core: requests/s and latencies are those of proxy, load generator and upstream together."
        } else {
            "One core for the proxy, one for the load generator and the upstream."
        };
        writeln!(out, "{cores} Latencies in µs.")?;
        writeln!(
            out,
            "{}; {}; claviger and bare Pingora: {}.",
            machine::describe(),
            self.versions().join(", "),
            self.build
        )?;
        if self.proxies.iter().any(|proxy| proxy.tail(|tail| tail.load_busy) > 0.95) {
            writeln!(
                out,
                "Where latencies are in brackets, the core of the load generator had no room left, and they tell more of it than of the proxy."
            )?;
        }
        for missing in &self.missing {
            writeln!(out, "Left out: {missing}.")?;
        }
        aim::print(&self.aims, out)
    }

    /// Draws CPU per request and the tails.
    pub(crate) fn charts(&self, folder: &Path) -> Result<(), Fault> {
        let bars = self.proxies.iter().map(|proxy| Bar {
            name: proxy.peer.title(),
            value: proxy.full(|round| round.cpu),
            is_own: proxy.peer == Peer::Claviger,
            is_floor: proxy.peer.job() == Job::Pass,
        });
        let text = chart::bars("CPU per request at full load, µs (less is better)", &bars.collect::<Vec<_>>());
        std::fs::write(folder.join("cpu.svg"), text).during("drawing a chart")?;
        let measured: Vec<_> = self.proxies.iter().filter(|proxy| !proxy.tails.is_empty()).collect();
        if measured.is_empty() {
            return Ok(());
        }
        let dots = measured.iter().map(|proxy| Dots {
            name: proxy.peer.title(),
            values: [proxy.tail(|tail| tail.p50), proxy.tail(|tail| tail.p99), proxy.tail(|tail| tail.p999)],
            is_own: proxy.peer == Peer::Claviger,
            is_floor: proxy.peer.job() == Job::Pass,
        });
        let title =
            format!("Latency at {:.0} % of its own capacity, µs: p50, p99, p99.9 (less is better)", PART * 100.0);
        let text = chart::dots(&title, &dots.collect::<Vec<_>>());
        std::fs::write(folder.join("tail.svg"), text).during("drawing a chart")
    }
}

fn row(proxy: &Measured, bare: Option<&Measured>) -> String {
    let (name, mark) = (proxy.peer.title(), if proxy.peer == Peer::Claviger { "**" } else { "" });
    let job = match proxy.peer.job() {
        Job::Pass => "passes on",
        Job::Whole => "whole",
    };
    let (low, high) = spread(proxy.rounds.iter().map(|round| round.cpu));
    let ratio = bare.map_or(String::new(), |bare| format!("{:.2}", proxy.over(bare, |round| round.cpu)));
    let tails = if proxy.tails.is_empty() {
        String::from("| |")
    } else {
        let (open, close) = if proxy.tail(|tail| tail.load_busy) > 0.95 { ("(", ")") } else { ("", "") };
        let [cpu, p99, p999] = [proxy.tail(|tail| tail.cpu), proxy.tail(|tail| tail.p99), proxy.tail(|tail| tail.p999)];
        format!("| {cpu:.1} | {open}{p99:.0} / {p999:.0}{close}")
    };
    format!(
        "| {mark}{name}{mark} | {job} | {:.1} ({low:.1} to {high:.1}) | {ratio} | {:.0} | {:.0} / {:.0} {tails} | {:.1} MiB |",
        proxy.full(|round| round.cpu),
        proxy.full(|round| round.rate),
        proxy.full(|round| float(round.p50)),
        proxy.full(|round| float(round.p99)),
        float(proxy.peak_kib) / 1024.0,
    )
}

fn find(proxies: &[Measured], peer: Peer) -> Option<&Measured> {
    proxies.iter().find(|proxy| proxy.peer == peer)
}

/// Claviger and whom it is compared with, where both were measured.
fn pair(proxies: &[Measured], with: Peer) -> Option<(&Measured, &Measured)> {
    Some((find(proxies, Peer::Claviger)?, find(proxies, with)?))
}

fn aims(proxies: &[Measured], is_one_core: bool) -> Vec<Aim> {
    let mut aims = Vec::new();
    for (with, bound) in
        [(Peer::Bare, 1.10), (Peer::BareAsItComes, 1.00), (Peer::EnvoyJwtCached, 0.45), (Peer::HaproxyJwt, 0.60)]
    {
        if let Some((own, other)) = pair(proxies, with) {
            let what = format!("CPU per request to {}", with.title());
            aims.push(Aim::at_most(what, bound, own.over(other, |round| round.cpu)));
        }
    }
    // On one core the load takes its part of the requests.
    if let Some((own, other)) = pair(proxies, Peer::EnvoyJwtCached).filter(|_| !is_one_core) {
        let what = format!("requests/s of a core to {}", Peer::EnvoyJwtCached.title());
        aims.push(Aim::at_least(what, 2.2, own.over(other, |round| round.rate)));
    }
    if let Some((own, bare)) = pair(proxies, Peer::Bare) {
        if !own.tails.is_empty() {
            let what = format!("p99.9 at {:.0} % of capacity to bare Pingora", PART * 100.0);
            aims.push(Aim::at_most(what, 1.2, own.tail_over(bare, |tail| tail.p999)));
        }
        aims.push(Aim::new("connections to the upstream used again", Side::AtLeast, 99.9, own.reuse(), "%"));
    }
    aims
}

/// The lowest and the highest.
pub(crate) fn spread(figures: impl Iterator<Item = f64>) -> (f64, f64) {
    figures.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), figure| (low.min(figure), high.max(figure)))
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

/// Between which of the figures the median of all that could have been measured is, nineteen times of twenty: by their order alone, whatever way they
/// are spread (Hahn, Meeker: Statistical Intervals, 1991, chapter 5). Not numbers of fewer than six, whose smallest and largest may well have it outside.
pub(crate) fn interval(figures: impl Iterator<Item = f64>) -> (f64, f64) {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    if figures.len() < 6 {
        return (f64::NAN, f64::NAN);
    }
    // How many of them are below it has a standard deviation of half the root of their number.
    let below = figures.len().saturating_sub((figures.len() * 384 / 100).isqrt() + 2) / 2;
    let at = |place: usize| figures.get(place).copied().unwrap_or(f64::NAN);
    (at(below), at(figures.len().wrapping_sub(1 + below)))
}

/// Of sorted figures, the smallest that so many in a hundred do not exceed; not a number where there are none.
pub(crate) fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let at = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_median_is_that_of_the_tables() {
        // Ranks of the binomial distribution with at least 95 %: 1 and 6 of 6, 2 and 9 of 10, 14 and 27 of 40, 40 and 61 of 100.
        for (count, want) in [(6, (1.0, 6.0)), (10, (2.0, 9.0)), (40, (14.0, 27.0)), (100, (40.0, 61.0))] {
            assert_eq!(interval((1..=count).rev().map(f64::from)), want, "{count}");
        }
        assert!(interval((1..=5).map(f64::from)).0.is_nan());
    }
}
