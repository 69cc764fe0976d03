//! The figures of scenarios, what they are to be, and how they are told.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::json;

use super::run::{ScenarioArgs, middle};
use super::{Load, Scenario};
use crate::aim::{self, Aim, Side};
use crate::machine;
use crate::report::median;

/// One side of a scenario, once.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Figure {
    pub(super) requests: f64,
    /// Requests per second.
    pub(super) rate: f64,
    /// Microseconds of CPU per request.
    pub(super) cpu: f64,
    /// In microseconds.
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) errors: f64,
    /// Answers other than 2xx and 3xx.
    pub(super) refused: f64,
    /// Of a hundred requests to the upstream, those over a connection that was open already.
    pub(super) reuse: f64,
    /// Kilobytes for each idle connection, where that is what was measured.
    pub(super) idle: Option<f64>,
}

impl Figure {
    pub(super) fn said(&self) -> String {
        match self.idle {
            Some(idle) => format!("{idle:.1} kB for each of {} connections", self.requests),
            None => format!("{:.0} requests/s, {:.1} us of CPU each, p99.9 {:.0} us", self.rate, self.cpu, self.p999),
        }
    }
}

/// Both sides of one scenario.
#[derive(Debug, Serialize)]
pub(super) struct Result {
    scenario: Scenario,
    title: &'static str,
    beside: &'static str,
    base: Vec<Figure>,
    own: Vec<Figure>,
    peak_kib: [f64; 2],
    /// Microseconds that the library takes to verify a token, where that counts.
    verification: Option<f64>,
    aims: Vec<Aim>,
}

/// Puts both sides together.
pub(super) fn result(
    scenario: Scenario,
    title: &'static str,
    names: [&'static str; 2],
    base: (Vec<Figure>, f64),
    own: (Vec<Figure>, f64),
    verification: f64,
) -> Result {
    let mut result = Result {
        scenario,
        title,
        beside: names[0],
        peak_kib: [base.1, own.1],
        base: base.0,
        own: own.0,
        verification: verification.is_finite().then_some(verification),
        aims: Vec::new(),
    };
    result.aims = result.judged();
    result
}

impl Result {
    /// The median of the ratios of neighbouring rounds.
    fn ratio(&self, figure: fn(&Figure) -> f64) -> f64 {
        median(self.base.iter().zip(&self.own).map(|(base, own)| figure(own) / figure(base)))
    }

    fn judged(&self) -> Vec<Aim> {
        let title = self.title;
        let idle = || self.own.first().and_then(|figure| Some((figure.idle?, figure.requests)));
        match self.scenario {
            Scenario::Cached | Scenario::Principals | Scenario::Tls | Scenario::Http2 => {
                let reuse = middle(&self.own, |figure| figure.reuse);
                vec![Aim::new(
                    format!("{title}: connections to the upstream used again"),
                    Side::AtLeast,
                    99.9,
                    reuse,
                    "%",
                )]
            }
            Scenario::NewTokens => {
                let added = median(self.base.iter().zip(&self.own).map(|(base, own)| own.cpu - base.cpu));
                let figure = added / self.verification.unwrap_or(f64::NAN);
                vec![Aim::at_most(format!("{title}: above bare Pingora, to the library's verification"), 1.2, figure)]
            }
            Scenario::Rules => vec![Aim::at_most(format!("{title}: CPU to 10"), 1.05, self.ratio(|figure| figure.cpu))],
            Scenario::Reload | Scenario::Rotation => {
                vec![Aim::at_most(format!("{title}: p99.9 to undisturbed"), 1.5, self.ratio(|figure| figure.p999))]
            }
            Scenario::DeniedNoToken | Scenario::DeniedForged | Scenario::DeniedRole => {
                // The load generator may be slower than what is refused.
                let figure = 1.0 / self.ratio(|figure| figure.cpu);
                vec![Aim::at_least(
                    format!("{title}: what a core serves, by CPU per request, to allowed ones"),
                    1.5,
                    figure,
                )]
            }
            Scenario::Idle => {
                let kilobytes = idle().map_or(f64::NAN, |(each, _)| each);
                vec![Aim::new("an idle connection", Side::AtMost, 40.0, kilobytes, " kB")]
            }
            Scenario::IdleTls => {
                let megabytes = idle().map_or(f64::NAN, |(each, count)| each * count / 1000.0);
                vec![Aim::new("all idle TLS connections", Side::AtMost, 600.0, megabytes, " MB")]
            }
            Scenario::TwoThreads => {
                let figure = 2.0 / self.ratio(|figure| figure.cpu);
                vec![Aim::at_least(format!("{title}: twice the work, by its CPU per request"), 1.8, figure)]
            }
            Scenario::Bodies1K
            | Scenario::Bodies64K
            | Scenario::Bodies10M
            | Scenario::Inspection
            | Scenario::NewConnections
            | Scenario::SlowUpstream => Vec::new(),
        }
    }

    fn row(&self) -> String {
        let (title, beside) = (self.title, self.beside);
        let both = |figure: fn(&Figure) -> f64, digits: usize| {
            let [base, own] = [&self.base, &self.own].map(|figures| middle(figures, figure));
            format!("{base:.digits$} / {own:.digits$}")
        };
        let [base, own] = self.peak_kib.map(|kib| kib / 1024.0);
        if let (Some(base_idle), Some(own_idle)) =
            (self.base.first().and_then(|f| f.idle), self.own.first().and_then(|f| f.idle))
        {
            return format!(
                "| {title} | {beside} | {base_idle:.1} / {own_idle:.1} kB each | {:.2} | | | {base:.0} / {own:.0} |",
                own_idle / base_idle
            );
        }
        // wrk waits to the end of its time also when nothing is left to be sent.
        let rate = match (self.scenario, self.scenario.pair().own.load) {
            (Scenario::NewTokens, _) => "-".to_owned(),
            (_, Load::Full(_) | Load::Streams(..) | Load::FixedRate(_) | Load::Idle(_)) => {
                both(|figure| figure.rate, 0)
            }
        };
        format!(
            "| {title} | {beside} | {} | {:.2} | {rate} | {} | {base:.0} / {own:.0} |",
            both(|figure| figure.cpu, 1),
            self.ratio(|figure| figure.cpu),
            both(|figure| figure.p999, 0),
        )
    }
}

/// All that was measured.
pub(super) struct Outcomes {
    settings: [u32; 2],
    cores: &'static str,
    build: String,
    results: Vec<Result>,
}

impl Outcomes {
    pub(super) fn new(args: &ScenarioArgs, results: Vec<Result>) -> Self {
        let cores = if args.one_core { " All on one core." } else { "" };
        Self { settings: [args.rounds, args.seconds], cores, build: args.outcome.build.clone(), results }
    }

    pub(super) fn json(&self) -> String {
        let [rounds, seconds] = self.settings;
        let text = json!({
            "machine": machine::describe(),
            "build": self.build,
            "rounds": rounds,
            "seconds": seconds,
            "scenarios": self.results,
        });
        format!("{text:#}\n")
    }

    pub(super) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let [rounds, seconds] = self.settings;
        writeln!(out, "| | beside | CPU per request, µs | ratio | requests/s | p99.9, µs | peak memory, MiB |")?;
        writeln!(out, "|---|---|--:|--:|--:|--:|--:|")?;
        self.results.iter().try_for_each(|result| writeln!(out, "{}", result.row()))?;
        writeln!(
            out,
            "\nOf whom claviger stands beside / of claviger. Medians of {rounds} rounds of {seconds} s, in turns; every answer was as it had to be."
        )?;
        writeln!(out, "{}; claviger and bare Pingora: {}.{}", machine::describe(), self.build, self.cores)?;
        let aims: Vec<Aim> = self.results.iter().flat_map(|result| result.aims.clone()).collect();
        aim::print(&aims, out)
    }
}
