//! The commands.

mod access;
mod audit;
mod demo;
mod explain;
mod inspect;
mod key;
mod openapi;
mod password;
mod plan;
mod policy;
mod revocation;
mod rotation;
mod run;
mod schema;
mod session;
mod store;
mod top;
mod vault;

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

pub use access::AccessCommand;
pub use audit::{AuditCommand, EraseArgs, PseudonymArgs, QueryArgs, VerifyArgs};
pub use demo::DemoArgs;
pub use explain::ExplainArgs;
pub use inspect::InspectArgs;
pub use key::{KeyCommand, ListKeys, NewKey};
pub use openapi::OpenapiCommand;
pub use password::NewPassword;
pub use plan::PlanArgs;
pub use policy::PolicyCommand;
pub use revocation::RevocationCommand;
pub use rotation::{RotateArgs, StatusArgs};
pub use run::{CheckArgs, RunArgs};
pub use schema::SchemaArgs;
pub use session::SessionCommand;
pub use top::TopArgs;
pub use vault::{MasterKeyArgs, VaultCommand};

/// A privileged-access proxy for APIs: callers come with their own short-lived identity, the proxy carries the keys.
#[derive(Debug, Parser)]
#[command(name = "claviger", version, about, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  claviger demo                                   see the whole job on loopback
  claviger vault init secrets.sealed --key-file master.key
  claviger vault set secrets.sealed stripe/api-key --key-file master.key
  claviger check claviger.toml                    every mistake, with line, column and cure
  claviger plan claviger.toml next.toml           who gains and loses what by another configuration
  claviger explain claviger.toml GET https://api.example.com/orders/7 --principal corp:ada
  claviger policy test claviger.toml cases.toml   rules as a table of cases, for a pipeline
  claviger policy advise claviger.toml --log audit.jsonl
  claviger audit query audit.jsonl --principal corp:ada --since 7d
  claviger run claviger.toml                      serve; SIGHUP or a changed file reloads
  claviger run claviger.toml --upgrade            take over from the running process
  claviger access request finance --reason incident --gateway https://gateway.example.com
  claviger revocation add principal:corp:ada --reason stolen
  claviger audit verify audit.log --key audit.pub --anchor /mnt/anchor/audit.log
  claviger inspect request.txt                    why a request is stopped, or not
  claviger openapi import api.yaml                a route that takes what an API describes

Exit codes: 0 done, 1 failed, 2 wrong arguments or a wrong configuration.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve a configuration.
    Run(RunArgs),
    /// Check a configuration and tell everything that is wrong with it.
    Check(CheckArgs),
    /// Tell what another configuration changes: the access that is gained and lost, and what else matters to security.
    Plan(PlanArgs),
    /// Tell what becomes of one request, and why: every step of the decision.
    Explain(ExplainArgs),
    /// Test rules by a table of cases.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Make and change sealed files of secrets, replace a secret, and show how all stand.
    #[command(subcommand)]
    Vault(VaultCommand),
    /// Make API keys and password digests for callers and keys for the gateway itself, and show which keys a configuration takes.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Tell who accessed what, and whether an audit log is what was written.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// End somebody's access at once, everywhere, in the middle of what is under way too.
    #[command(subcommand)]
    Revocation(RevocationCommand),
    /// Ask a gateway for access, and decide on what others ask for.
    #[command(subcommand)]
    Access(AccessCommand),
    /// Show who has a session, and end one.
    #[command(subcommand)]
    Session(SessionCommand),
    /// Judge a captured request by the rules for traffic, and tell what led to the verdict.
    Inspect(InspectArgs),
    /// Make configuration out of an API's OpenAPI document.
    #[command(subcommand)]
    Openapi(OpenapiCommand),
    /// Print what may stand in a configuration: a JSON Schema for editors, or the reference.
    Schema(SchemaArgs),
    /// Show what goes on at a gateway now: requests, refusals, who asks, and what else happens.
    Top(TopArgs),
    /// Show the whole job on loopback: an upstream, an issuer, a vault and a gateway, and a short story.
    Demo(DemoArgs),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

impl Cli {
    /// Does what was asked; what there is to print goes to `out`, errors to `complaints`.
    pub fn run(self, out: &mut dyn Write, complaints: &mut dyn Write) -> ExitCode {
        let done = match self.command {
            Command::Run(args) => args.run(),
            Command::Check(args) => args.run(out),
            Command::Plan(args) => args.run(out),
            Command::Explain(args) => args.run(out),
            Command::Policy(command) => command.run(out),
            Command::Vault(command) => command.run(out),
            Command::Key(command) => command.run(out),
            Command::Audit(command) => command.run(out),
            Command::Revocation(command) => command.run(out),
            Command::Access(command) => command.run(out),
            Command::Session(command) => command.run(out),
            Command::Inspect(args) => args.run(out),
            Command::Openapi(command) => command.run(out),
            Command::Schema(args) => args.run(out),
            Command::Top(args) => args.run(out),
            Command::Demo(args) => args.run(out),
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Self::command(), "claviger", &mut script);
                out.write_all(&script).map_err(Failure::from)
            }
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) if failure.text.is_empty() => ExitCode::from(failure.code),
            Err(failure) => {
                // Nobody is left to tell when even this cannot be written.
                let _ = writeln!(complaints, "{}", failure.text);
                ExitCode::from(failure.code)
            }
        }
    }
}

/// Why a command failed, and the exit code that says so.
#[derive(Debug)]
struct Failure {
    text: String,
    code: u8,
}

impl Failure {
    fn new(code: u8, text: impl Into<String>) -> Self {
        Self { text: text.into(), code }
    }

    /// One of which all has been told.
    fn silent(code: u8) -> Self {
        Self::new(code, "")
    }
}

impl From<Box<dyn Error>> for Failure {
    fn from(error: Box<dyn Error>) -> Self {
        match error.downcast::<io::Error>() {
            Ok(error) => (*error).into(),
            Err(error) => Self::new(1, format!("claviger: {error}")),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            // Whoever reads, as `head` does, has seen enough: as a shell tells of who was ended by that.
            return Self::silent(141);
        }
        Self::new(1, format!("claviger: {error}"))
    }
}

/// A configuration file, as several commands take it.
#[derive(Debug, clap::Args)]
pub struct ConfigFile {
    /// The configuration file.
    #[arg(value_name = "FILE", default_value = "claviger.toml")]
    pub file: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
