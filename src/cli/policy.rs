//! `claviger policy`: rules tested, and what of them nobody uses.

use std::fs;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use serde_json::json;

use super::Failure;
use super::audit::{Bar, Names};
use super::explain::runtime;
use crate::audit::Query;
use crate::audit::pseudonyms::Field;
use crate::config;
use crate::review::{Advice, Configuration, RuleAdvice, Tested, Usage, UsedRecord};
use crate::server;

/// Test rules, and tell what of them nobody uses.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Tell, by the audit records, which rules and roles nobody used, and the narrowest rules that allow what was used.
    Advise(AdviseArgs),
    /// Try a table of cases on a configuration: who asks for what, and what is to become of it.
    Test(TestArgs),
}

/// Which configuration to look at, by which records.
#[derive(Debug, Args)]
#[command(after_help = ADVISE_EXAMPLES)]
pub struct AdviseArgs {
    /// The configuration file.
    #[arg(value_name = "FILE")]
    config: PathBuf,
    /// The audit file; files that were full before it are read too, also compressed ones.
    #[arg(long, value_name = "LOG")]
    log: PathBuf,
    /// Look at so many days back.
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u64).range(1..=3650))]
    days: u64,
    /// The directory of the keys, where records have pseudonyms.
    #[arg(long, value_name = "DIRECTORY")]
    keys: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

const ADVISE_EXAMPLES: &str = "\
What counts as use is a record that a rule allowed: whom, on which route, with which method, on which path. Segments that vary become `*`.
The advice never allows what the rule does not. What is needed once a year is not in the records of 90 days: read before you take away.

Examples:
  claviger policy advise claviger.toml --log audit.jsonl
  claviger policy advise claviger.toml --log audit.jsonl --keys audit-keys
  claviger policy advise claviger.toml --log /var/log/claviger/audit.jsonl --days 365 --json

Exit codes: 0 done, 1 the log cannot be read or tells of no use, 2 wrong arguments or a wrong configuration.";

/// Which cases to try on what.
#[derive(Debug, Args)]
#[command(after_help = TEST_EXAMPLES)]
pub struct TestArgs {
    /// The configuration file.
    #[arg(value_name = "FILE")]
    config: PathBuf,
    /// The cases.
    #[arg(value_name = "CASES")]
    cases: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

const TEST_EXAMPLES: &str = "\
A case is a table in a TOML file:

  [[case]]
  name      = \"billing reads charges\"
  principal = \"corp:ada\"             # AUTHENTICATOR:ID; without it, somebody who presents nothing
  roles     = [\"billing\"]            # also: scopes, kind, client, time, granted
  request   = \"GET https://api.example.com/stripe/v1/charges\"
  expect    = \"allow\"                # or deny, or shadow
  rule      = \"route.stripe.allow[0]\"  # with allow, where it matters; with deny: code = \"not_allowed\"

Examples:
  claviger policy test claviger.toml cases.toml
  claviger policy test claviger.toml cases.toml --json

Exit codes: 0 all as expected, 1 some are not, 2 a file is wrong or cannot be read.";

impl PolicyCommand {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        match self {
            Self::Advise(args) => args.run(out),
            Self::Test(args) => args.run(out),
        }
    }
}

impl AdviseArgs {
    fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        server::install_crypto();
        let configuration = Configuration::load(&self.config)?;
        let mut usage = Usage::new(&configuration);
        let mut query = Query::default().with("kind", "exchange").having("rule");
        let span = Duration::from_secs(self.days * 24 * 60 * 60);
        if let Some(since) = SystemTime::now().checked_sub(span) {
            query = query.since(since);
        }
        let mut bar = Bar::new();
        let mut names = Names::open(self.keys.as_deref())?;
        for (_, id) in usage.principals().filter_map(|name| name.split_once(':')) {
            names.texts(Field::Principal, id);
        }
        let mut untraced = 0_u64;
        let read = query.scan(&self.log, &mut |progress| bar.tell(progress), &mut |line| {
            if let Ok(record) = serde_json::from_slice::<UsedRecord<'_>>(&names.reveal(line)) {
                untraced += u64::from(record.period.as_ref().is_some_and(|period| !names.has_key(period)));
                usage.count(&record);
            }
            Ok(ControlFlow::Continue(()))
        });
        bar.end();
        read?;
        if untraced > 0 {
            // Whoever they are about would seem to need nothing.
            let text = format!(
                "claviger: {untraced} records have pseudonyms under keys that are not there: say `--keys`, or fewer `--days`"
            );
            return Err(Failure::new(1, text));
        }
        let advice = usage.advise();
        if advice.records == 0 {
            let (log, days) = (self.log.display(), self.days);
            let text = format!(
                "claviger: {log} has no request of the last {days} days that a rule allowed: by it, every rule would seem to be needless"
            );
            return Err(Failure::new(1, text));
        }
        if self.json {
            serde_json::to_writer(&mut *out, &advice).map_err(io::Error::from)?;
            return Ok(writeln!(out)?);
        }
        advise(&advice, out).map_err(Failure::from)
    }
}

fn advise(advice: &Advice, out: &mut dyn Write) -> io::Result<()> {
    let since =
        advice.since.as_ref().map_or(String::new(), |time| format!(" since {time}, the first in these records"));
    writeln!(
        out,
        "# {} requests that a rule allowed{since}; {} are allowed by these rules.",
        advice.records, advice.counted
    )?;
    for of_route in advice.rules.chunk_by(|a, b| a.route == b.route) {
        let route = of_route.first().map_or("", |rule| rule.route.as_str());
        writeln!(out, "\n[route.{route}]\nallow = [")?;
        of_route.iter().try_for_each(|rule| advise_rule(rule, out))?;
        writeln!(out, "]")?;
    }
    if advice.is_full {
        writeln!(
            out,
            "\n# More principals and roles are in the records than are kept: who never used a role cannot be said."
        )?;
    }
    if !advice.members.is_empty() {
        writeln!(
            out,
            "\n# Nobody of these used a role that they have by configuration (roles that an approval names are left out):"
        )?;
    }
    advice.members.iter().try_for_each(|one| writeln!(out, "# role {}: {}", one.role, one.member))
}

fn advise_rule(rule: &RuleAdvice, out: &mut dyn Write) -> io::Result<()> {
    if rule.narrowest.is_empty() {
        return writeln!(out, "  # {} ({}): nobody used it, take it out", rule.rule, rule.of);
    }
    let times = if rule.uses == 1 { "once".to_owned() } else { format!("{} times", rule.uses) };
    let verdict = if rule.is_narrow { ", as narrow as it can be" } else { ", could be" };
    writeln!(out, "  # {} ({}): used {times}{verdict}", rule.rule, rule.of)?;
    rule.narrowest.iter().try_for_each(|text| writeln!(out, "  {text},"))
}

impl TestArgs {
    fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        server::install_crypto();
        let text = fs::read_to_string(&self.cases)
            .map_err(|error| Failure::new(2, format!("cannot read {}: {error}", self.cases.display())))?;
        let cases = config::cases(&self.cases, &text).map_err(|wrong| Failure::new(2, wrong.to_string()))?;
        let configuration = Configuration::load(&self.config)?;
        let unknown = cases.iter().filter_map(|case| {
            let why = configuration.unknown(case.principal.as_ref().map(|(name, _)| name), &case.granted)?;
            Some(format!("{}:{}: {why}", self.cases.display(), case.line))
        });
        let unknown: Vec<_> = unknown.collect();
        if !unknown.is_empty() {
            return Err(Failure::new(2, unknown.join("\n")));
        }
        let runtime = runtime()?;
        let tested: Vec<_> = cases.iter().map(|case| runtime.block_on(configuration.test(case))).collect();
        let failed = tested.iter().filter(|one| !one.passed).count();
        if self.json {
            let told = json!({ "passed": tested.len() - failed, "failed": failed, "cases": tested });
            serde_json::to_writer(&mut *out, &told).map_err(io::Error::from)?;
            writeln!(out)?;
        } else {
            let file = self.cases.display().to_string();
            tested.iter().try_for_each(|one| tell(&file, one, out))?;
            writeln!(out, "{} of {} as expected", tested.len() - failed, tested.len())?;
        }
        if failed > 0 { Err(Failure::silent(1)) } else { Ok(()) }
    }
}

fn tell(file: &str, one: &Tested, out: &mut dyn Write) -> io::Result<()> {
    if one.passed {
        writeln!(out, "ok    {}", one.name)?;
        return one.note.iter().try_for_each(|note| writeln!(out, "      note: {note}"));
    }
    writeln!(out, "FAIL  {} ({file}:{})", one.name, one.line)?;
    writeln!(out, "      expected: {}", one.expected)?;
    writeln!(out, "      got:      {}", one.got)?;
    for line in one.explained.to_string().lines().filter(|line| !line.is_empty()) {
        writeln!(out, "        {line}")?;
    }
    Ok(())
}
