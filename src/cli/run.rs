//! `claviger run` and `claviger check`.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use log::LevelFilter;
use serde::Serialize;

use super::{ConfigFile, Failure};
use crate::config::LoadError;
use crate::server::{self, Checked, Missing, Options, StartError};
use crate::telemetry::logs::{self, Format};

/// What to serve, and how to log about it.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    config: ConfigFile,
    /// Take over the listeners of the running process, which then finishes what it has under way and ends.
    #[arg(long)]
    upgrade: bool,
    /// How logs on standard error look; by default plain on a terminal and JSON elsewhere.
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
    /// The lowest level that is logged. Framework logs below warnings never are: they show requests.
    #[arg(long, default_value = "info")]
    log_level: LevelFilter,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    Plain,
    Json,
}

impl RunArgs {
    pub(super) fn run(self) -> Result<(), Failure> {
        let format = match self.log_format {
            Some(LogFormat::Plain) => Format::Plain,
            Some(LogFormat::Json) => Format::Json,
            None => Format::of_stderr(),
        };
        logs::init(self.log_level, format).map_err(|error| Failure::new(1, error.to_string()))?;
        server::harden();
        server::warm_up_memory();
        let options = Options { config: self.config.file, upgrade: self.upgrade };
        server::run(options).map_err(|error| Failure::new(exit_code(&error), error.to_string()))
    }
}

fn exit_code(error: &StartError) -> u8 {
    match error {
        StartError::Load(_) => 2,
        StartError::Audit(..)
        | StartError::Store(_)
        | StartError::Upgrade(_)
        | StartError::Listen(..)
        | StartError::Internal(_) => 1,
    }
}

/// What to check.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 nothing is wrong, 1 with `--live`: something that it names cannot be had, 2 it is wrong or cannot be read."
)]
pub struct CheckArgs {
    #[command(flatten)]
    config: ConfigFile,
    /// Also ask for what it names, as a start would: read every secret, fetch the keys of issuers, look up the names of targets. Nothing is
    /// served, and nothing sent to a target. Exit code 1 where something cannot be had.
    ///
    /// Run it as the user and with the environment of the gateway. Authorization servers are not asked for tokens, nor are the secrets
    /// of single callers read.
    #[arg(long)]
    live: bool,
    /// Print one JSON object with a list of `{file, line, column, message, cure}`.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Found<'a> {
    file: String,
    line: usize,
    column: usize,
    message: &'a str,
    cure: &'a str,
}

impl CheckArgs {
    fn passed(&self, file: &str, checked: &Checked, out: &mut dyn Write) -> Result<(), Failure> {
        let missing = checked.live.as_ref().map_or(&[][..], |live| &live.missing);
        if self.json {
            let mut text = serde_json::json!({ "ok": missing.is_empty(), "routes": checked.routes });
            if !checked.advice.is_empty() {
                text["advice"] = checked.advice.as_slice().into();
            }
            if self.live {
                text["missing"] = serde_json::json!(missing);
            }
            writeln!(out, "{text}")?;
        } else {
            Self::tell(file, checked, missing, out)?;
        }
        if missing.is_empty() { Ok(()) } else { Err(Failure::silent(1)) }
    }

    fn tell(file: &str, checked: &Checked, missing: &[Missing], out: &mut dyn Write) -> io::Result<()> {
        let routes = format!("{} route{}", checked.routes, if checked.routes == 1 { "" } else { "s" });
        match &checked.live {
            None => writeln!(out, "{file}: ok, {routes}")?,
            Some(live) if missing.is_empty() => {
                writeln!(out, "{file}: ok, {routes}; all that it names is there, {} asked for", live.asked)?;
            }
            Some(live) => {
                let of = format!("{} of {} that it names", missing.len(), live.asked);
                writeln!(out, "{file}: nothing is wrong in it, {routes}; but {of} cannot be had:")?;
            }
        }
        missing.iter().try_for_each(|one| writeln!(out, "    {} {}: {}", one.what, one.name, one.fault))?;
        checked.advice.iter().try_for_each(|one| writeln!(out, "    advice: {one}"))
    }

    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let file = self.config.file.display().to_string();
        let error = match server::check(&self.config.file, self.live) {
            Ok(checked) => return self.passed(&file, &checked, out),
            Err(error) => error,
        };
        match &error {
            StartError::Load(LoadError::Wrong(diagnostics)) if self.json => {
                let found = diagnostics.list.iter().map(|one| Found {
                    file: file.clone(),
                    line: one.line,
                    column: one.column,
                    message: &one.message,
                    cure: &one.cure,
                });
                let found: Vec<_> = found.collect();
                let text = serde_json::json!({ "ok": false, "errors": found }).to_string();
                writeln!(out, "{text}")?;
                Err(Failure::new(2, format!("{file}: {} errors", diagnostics.list.len())))
            }
            other if self.json => {
                // Of the whole file, so that whoever reads JSON finds some.
                let errors = [serde_json::json!({ "file": file, "message": other.to_string() })];
                writeln!(out, "{}", serde_json::json!({ "ok": false, "errors": errors }))?;
                Err(Failure::new(exit_code(other), other.to_string()))
            }
            StartError::Load(_)
            | StartError::Audit(..)
            | StartError::Store(_)
            | StartError::Upgrade(_)
            | StartError::Listen(..)
            | StartError::Internal(_) => Err(Failure::new(exit_code(&error), error.to_string())),
        }
    }
}
