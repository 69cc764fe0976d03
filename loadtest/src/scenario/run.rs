//! Both sides of each scenario in turns.

use std::io::Write;
use std::path::Path;

use clap::Args;

use super::disturb;
use super::tell::{self, Figure, Outcomes, Result as Told};
use super::{Load, Pair, Scenario, Sending, Setup, Subject};
use crate::compare::{Outcome, PART, float, tell as say};
use crate::fault::{Fault, While};
use crate::machine::{self, Cores};
use crate::oha::{Manner, Oha};
use crate::payload::{Payload, orders};
use crate::report::median;
use crate::site::{PATH, Proxy, Site};
use crate::token::Flaw;
use crate::upstream::SIZE;
use crate::wrk::Wrk;
use crate::{documents, idle, program};

/// Load before anything counts, in seconds.
const WARM_UP: u32 = 1;

#[derive(Debug, Args)]
pub(crate) struct ScenarioArgs {
    /// Only these, in place of all.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME")]
    scenario: Vec<Scenario>,
    /// How often each side is measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// How long one measurement takes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub(crate) seconds: u32,
    /// Of tokens, principals, rules and idle connections, one in so many: for a look whether all works.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) scaled: u32,
    /// Keep the load on the proxy's core, as in `compare`.
    #[arg(long, requires = "scenario", conflicts_with = "write")]
    pub(super) one_core: bool,
    #[command(flatten)]
    pub(crate) outcome: Outcome,
}

/// One side at work.
struct Side<'a> {
    setup: Setup,
    site: Site,
    proxy: Proxy,
    tool: Tool,
    tokens: Vec<String>,
    file: &'a Path,
    figures: Vec<Figure>,
}

/// What loads it.
enum Tool {
    Wrk(Wrk),
    Oha(Oha, Manner),
    Connections(u32),
}

/// Measures and prints.
pub(crate) fn run(args: &ScenarioArgs, out: &mut dyn Write, progress: &mut dyn Write) -> Result<(), Fault> {
    let file = program::claviger(args.outcome.claviger.as_deref())?;
    let cores = Cores::choose_for(args.one_core)?;
    let is_for_two = |one: &Scenario| matches!(one, Scenario::TwoThreads | Scenario::Reload | Scenario::Rotation);
    if args.one_core && args.scenario.iter().any(is_for_two) {
        return Err(Fault::new(
            "on one core, two threads and requests at a fixed rate tell nothing: leave out --one-core, or two-threads, reload and rotation",
        ));
    }
    let chosen = if args.scenario.is_empty() { Scenario::ALL.to_vec() } else { args.scenario.clone() };
    let mut results = Vec::new();
    for scenario in chosen {
        say(progress, &format!("{}:", scenario.pair().title))?;
        results.push(measure(scenario, args, &file, cores, progress)?);
    }
    let outcomes = Outcomes::new(args, results);
    let mut table = Vec::new();
    outcomes.print(&mut table).during("printing the result")?;
    let table = String::from_utf8_lossy(&table);
    documents::tell(&args.outcome, &table, &outcomes.json(), out)?;
    args.outcome
        .write
        .as_ref()
        .map_or(Ok(()), |folder| documents::replace(&folder.join("README.md"), "scenarios", &table))
}

fn measure(
    scenario: Scenario,
    args: &ScenarioArgs,
    file: &Path,
    cores: Cores,
    progress: &mut dyn Write,
) -> Result<Told, Fault> {
    let Pair { title, base, own } = scenario.pair();
    let [base, own] = [base, own].map(|setup| scaled(setup, args.scaled));
    let named = |fault: Fault| Fault::new(format!("{title}: {fault}"));
    let base = Side::start(base, file, cores, None).map_err(named)?;
    let own = Side::start(own, file, cores, base.rate()).map_err(named)?;
    let mut sides = [base, own];
    let rounds = if matches!(sides[1].setup.load, Load::Idle(_)) { 1 } else { args.rounds };
    for _ in 0..rounds {
        for side in &mut sides {
            let figure = side.measure(args.seconds).map_err(named)?;
            say(progress, &format!("  {}: {}", side.setup.name, figure.said()))?;
            side.figures.push(figure);
        }
    }
    let [base, own] = sides;
    let is_verifying = matches!(own.setup.sending, Sending::TokensOnce(_));
    let verification = if is_verifying { own.site.issuer().verification(&own.tokens)? } else { f64::NAN };
    let names = [base.setup.name, own.setup.name];
    let [base, own] = [base.end()?, own.end()?];
    Ok(tell::result(scenario, title, names, base, own, verification))
}

/// Fewer of all that there are many of.
fn scaled(mut setup: Setup, by: u32) -> Setup {
    setup.stage.strangers =
        if setup.stage.strangers > 10 { (setup.stage.strangers / by).max(10) } else { setup.stage.strangers };
    setup.sending = match setup.sending {
        Sending::TokensOnce(count) => Sending::TokensOnce((count / by).max(100)),
        Sending::TokensInTurn(count) => Sending::TokensInTurn((count / by).max(100)),
        Sending::Same | Sending::Body(_) | Sending::NoToken | Sending::Flawed(_) | Sending::Closing => setup.sending,
    };
    setup.load = match setup.load {
        Load::Idle(count) => Load::Idle((count / by).max(100)),
        Load::Full(_) | Load::Streams(..) | Load::FixedRate(_) => setup.load,
    };
    setup
}

impl<'a> Side<'a> {
    /// Starts it, warms it up, and finds at which rate it is to be loaded, where that is to be known and is not.
    fn start(setup: Setup, file: &'a Path, cores: Cores, rate: Option<f64>) -> Result<Self, Fault> {
        if let Load::Idle(connections) = setup.load {
            machine::allow_open_files(u64::from(connections) + 1000)?;
        }
        let site = Site::staged(cores, setup.stage)?;
        let tokens = match setup.sending {
            Sending::TokensOnce(count) | Sending::TokensInTurn(count) => site.tokens(count)?,
            Sending::Same | Sending::Body(_) | Sending::NoToken | Sending::Flawed(_) | Sending::Closing => Vec::new(),
        };
        let proxy = proxy(&setup, &site, file)?;
        let tool = tool(&setup, &site, &proxy, &tokens, rate)?;
        let mut side = Self { setup, site, proxy, tool, tokens, file, figures: Vec::new() };
        if !matches!(side.setup.load, Load::Idle(_)) {
            side.measure(WARM_UP)?;
        }
        Ok(side)
    }

    /// Requests per second that are due, where that is fixed.
    fn rate(&self) -> Option<f64> {
        match &self.tool {
            Tool::Oha(_, manner) => manner.rate,
            Tool::Wrk(_) | Tool::Connections(_) => None,
        }
    }

    fn measure(&mut self, seconds: u32) -> Result<Figure, Fault> {
        if matches!(self.setup.sending, Sending::TokensOnce(_)) {
            // One that has seen none of them yet.
            self.proxy = proxy(&self.setup, &self.site, self.file)?;
        }
        let (before, began) = (self.site.counts()?, self.proxy.program.cpu_now()?);
        let (site, proxy, tool) = (&self.site, &self.proxy, &self.tool);
        let mut figure = disturb::during(self.setup.disturbance, site, proxy, || load(tool, site, proxy, seconds))?;
        let after = self.site.counts()?;
        figure.cpu = (self.proxy.program.cpu_now()? - began) * 1e6 / figure.requests;
        let requests = float(after.requests - before.requests);
        figure.reuse = 100.0 * (1.0 - float(after.connections - before.connections) / requests);
        self.expect(&figure)?;
        Ok(figure)
    }

    /// Proves that all answers were as they had to be.
    fn expect(&self, figure: &Figure) -> Result<(), Fault> {
        let wrong = if self.setup.is_refused() { figure.requests - figure.refused } else { figure.refused };
        if wrong + figure.errors == 0.0 {
            return Ok(());
        }
        let (name, requests, errors) = (self.setup.name, figure.requests, figure.errors);
        Err(Fault::new(format!(
            "{name}: of {requests} answers {wrong} were not as they had to be, and {errors} requests failed; it said:\n{}",
            self.proxy.program.said()
        )))
    }

    fn end(self) -> Result<(Vec<Figure>, f64), Fault> {
        let peak = self.proxy.program.memory()?.peak;
        Ok((self.figures, float(peak)))
    }
}

fn proxy(setup: &Setup, site: &Site, file: &Path) -> Result<Proxy, Fault> {
    let proxy = match setup.subject {
        Subject::Bare => site.bare(false)?,
        Subject::Claviger => site.claviger(file)?,
    };
    if setup.is_spread {
        proxy.program.spread(&[site.cores().proxy, site.cores().load])?;
    }
    Ok(proxy)
}

fn tool(setup: &Setup, site: &Site, proxy: &Proxy, tokens: &[String], rate: Option<f64>) -> Result<Tool, Fault> {
    let wrk = |connections| {
        let wrk = Wrk::find(site.folder(), site.authorization(), site.cores().load, connections)?;
        Ok(wrk.over(setup.stage.clients))
    };
    match setup.load {
        Load::Idle(connections) => Ok(Tool::Connections(connections)),
        Load::Streams(connections, streams) => {
            Ok(Tool::Oha(Oha::find(site)?, Manner { seconds: 0, connections, streams, rate: None }))
        }
        Load::FixedRate(connections) => {
            let oha = Oha::find(site)?;
            let full = || wrk(connections)?.run(proxy.address, WARM_UP);
            let found = || full().map(|full| float(full.requests) / full.seconds * PART);
            let rate = rate.map_or_else(found, Ok)?;
            Ok(Tool::Oha(oha, Manner { seconds: 0, connections, streams: 1, rate: Some(rate) }))
        }
        Load::Full(connections) => sending(setup.sending, &wrk(connections)?, site, tokens).map(Tool::Wrk),
    }
}

fn sending(sending: Sending, wrk: &Wrk, site: &Site, tokens: &[String]) -> Result<Wrk, Fault> {
    let flawed = |flaw: Flaw| site.issuer().token("mallory@example.test", flaw);
    match sending {
        Sending::Same => Ok(wrk.clone()),
        Sending::TokensOnce(_) => wrk.with_tokens(tokens, true),
        Sending::TokensInTurn(_) => wrk.with_tokens(tokens, false),
        Sending::Body(size) => {
            let target = format!("{PATH}{SIZE}{size}");
            wrk.sending(&Payload { name: "JSON both ways", target, body: Some(orders(size)) })
        }
        Sending::NoToken => Ok(wrk.with_fields(Vec::new())),
        Sending::Flawed(flaw) => Ok(wrk.with_fields(vec![format!("Authorization: Bearer {}", flawed(flaw)?)])),
        Sending::Closing => Ok(wrk.with_fields(vec![site.authorization(), "Connection: close".to_owned()])),
    }
}

fn load(tool: &Tool, site: &Site, proxy: &Proxy, seconds: u32) -> Result<Figure, Fault> {
    match tool {
        Tool::Wrk(wrk) => {
            let load = wrk.run(proxy.address, seconds)?;
            Ok(Figure {
                requests: float(load.requests),
                rate: float(load.requests) / load.seconds,
                p99: float(load.p99),
                p999: float(load.p999),
                errors: float(load.errors),
                refused: float(load.refused),
                ..Figure::default()
            })
        }
        Tool::Oha(oha, manner) => {
            let shot = oha.run(proxy.address, Manner { seconds, ..*manner })?;
            Ok(Figure {
                requests: float(shot.requests),
                rate: float(shot.requests) / shot.seconds,
                p99: shot.p99,
                p999: shot.p999,
                errors: float(shot.errors),
                ..Figure::default()
            })
        }
        Tool::Connections(connections) => {
            let idle = idle::measure(site, proxy, *connections)?;
            Ok(Figure { requests: f64::from(*connections), idle: Some(idle), ..Figure::default() })
        }
    }
}

/// The median of a figure.
pub(super) fn middle(figures: &[Figure], figure: fn(&Figure) -> f64) -> f64 {
    median(figures.iter().map(figure))
}
