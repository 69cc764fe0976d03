//! `claviger policy`: rules tested.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::Failure;
use super::explain::runtime;
use crate::config;
use crate::review::{Configuration, Tested};
use crate::server;

/// Test rules.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Try a table of cases on a configuration: who asks for what, and what is to become of it.
    Test(TestArgs),
}

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
            Self::Test(args) => args.run(out),
        }
    }
}

impl TestArgs {
    fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        server::install_crypto();
        let text = fs::read_to_string(&self.cases)
            .map_err(|error| Failure::new(2, format!("cannot read {}: {error}", self.cases.display())))?;
        let cases = config::cases(&self.cases, &text).map_err(|wrong| Failure::new(2, wrong.to_string()))?;
        let configuration = Configuration::load(&self.config)?;
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
        return writeln!(out, "ok    {}", one.name);
    }
    writeln!(out, "FAIL  {} ({file}:{})", one.name, one.line)?;
    writeln!(out, "      expected: {}", one.expected)?;
    writeln!(out, "      got:      {}", one.got)?;
    for line in one.explained.to_string().lines().filter(|line| !line.is_empty()) {
        writeln!(out, "        {line}")?;
    }
    Ok(())
}
