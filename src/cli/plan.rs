//! `claviger plan`: what another configuration changes in access.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::Failure;
use crate::review::{Change, Configuration, Effect, ReviewError};
use crate::server;

/// Which configurations to compare, and how to tell.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct PlanArgs {
    /// The configuration that is in force.
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The one that is to be.
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Exit with 1 where something is or may be gained, or where anything changes.
    #[arg(long, value_enum, value_name = "WHAT")]
    fail_on: Option<FailOn>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Gained,
    Any,
}

const EXAMPLES: &str = "\
Compared is what the rules mean: who may ask for what at which route, after prefixes, more specific routes and defaults, whatever the
order or form in which it is written. Other keys are compared as they are written.
`--fail-on gained` fails on what is gained, and on what is `changed`, of which nobody can say that it gives no more: all but new routes, targets and
what else does nothing before it is named, and keys that are known to be harmless: `threads` and `drain` of the server, sizes and ages of audit
files, time limits, attempts, balancing and health checks of targets.

Examples:
  claviger plan claviger.toml next.toml
  claviger plan claviger.toml next.toml --fail-on gained    for a pipeline: more access needs somebody to look
  git show main:claviger.toml > old.toml && claviger plan old.toml claviger.toml --json

Exit codes: 0 told, 1 `--fail-on` says so, 2 a configuration is wrong or cannot be read.";

impl PlanArgs {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        server::install_crypto();
        let (old, new) = (Configuration::load(&self.old)?, Configuration::load(&self.new)?);
        let changes = old.compare(&new);
        if self.json {
            serde_json::to_writer(&mut *out, &json!({ "changes": changes })).map_err(io::Error::from)?;
            writeln!(out)?;
        } else {
            tell(&changes, out)?;
        }
        let is_failure = match self.fail_on {
            Some(FailOn::Gained) => changes.iter().any(Change::may_be_gained),
            Some(FailOn::Any) => !changes.is_empty(),
            None => false,
        };
        if is_failure { Err(Failure::silent(1)) } else { Ok(()) }
    }
}

impl From<ReviewError> for Failure {
    fn from(error: ReviewError) -> Self {
        Self::new(2, error.to_string())
    }
}

fn tell(changes: &[Change], out: &mut dyn Write) -> io::Result<()> {
    if changes.is_empty() {
        return writeln!(out, "Nothing changes.");
    }
    for (effect, mark) in [(Effect::Gained, '+'), (Effect::Lost, '-'), (Effect::Changed, '~')] {
        let all: Vec<_> = changes.iter().filter(|change| change.effect == effect).collect();
        if !all.is_empty() {
            writeln!(out, "{} ({})", effect.text(), all.len())?;
        }
        all.iter().try_for_each(|change| writeln!(out, "  {mark} {}", change.text))?;
    }
    Ok(())
}
