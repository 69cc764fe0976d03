//! `claviger explain`: what becomes of one request, and why.

use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;

use super::Failure;
use crate::config;
use crate::domain::{Denial, Name, Principal, PrincipalKind, Unavailable};
use crate::review::{Caller, Configuration, Question, Verdict};
use crate::server;

/// Which request, and who asks for it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ExplainArgs {
    /// The configuration file.
    #[arg(value_name = "FILE")]
    config: PathBuf,
    /// The method.
    #[arg(value_name = "METHOD")]
    method: String,
    /// The whole URL, as a client writes it.
    #[arg(value_name = "URL", value_parser = config::whole_url)]
    url: String,
    /// Who asks, as `AUTHENTICATOR:ID`, taken to be proved. Without this and `--token-file`: somebody who presents nothing.
    #[arg(long, value_name = "PRINCIPAL", conflicts_with = "token_file")]
    principal: Option<String>,
    /// The roles that their proof names, with commas between, and no blanks. Those that the configuration gives come on top.
    #[arg(long, value_name = "ROLES", value_delimiter = ',', requires = "principal")]
    roles: Vec<String>,
    /// The scopes of their token, with commas between.
    #[arg(long, value_name = "SCOPES", value_delimiter = ',', requires = "principal")]
    scopes: Vec<String>,
    /// What sort of caller they are: `human`, `service` or `agent`.
    #[arg(long, value_name = "KIND", default_value = "human", requires = "principal", value_parser = kind)]
    kind: PrincipalKind,
    /// A file with the token or API key that they present, `-` for standard input. It is proved as the gateway would, and shown nowhere.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Approvals of which they hold a grant that fits, with commas between.
    #[arg(long, value_name = "APPROVALS", value_delimiter = ',', value_parser = name)]
    granted: Vec<Name>,
    /// The client's address.
    #[arg(long, value_name = "ADDRESS", default_value = "192.0.2.1")]
    client: IpAddr,
    /// When, such as `2026-11-23T09:30:00Z`. Default: now.
    #[arg(long, value_name = "TIME", value_parser = time)]
    time: Option<SystemTime>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

const UNPROVED: &str = "they cannot be proved here, so this is no answer: an issuer's keys or another service are away, or it is a session's token, which takes the \
    gateway's store; `--principal AUTHENTICATOR:ID` takes somebody to be proved";

const EXAMPLES: &str = "\
The request is looked at by the code that serves, up to where it would be sent; nothing is sent, and no vault is asked. Path, query and fields
are inspected. Not looked at are bodies, certificates, revocations and how much of a limit is used. Grants are those of `--granted`: the store is not asked.

Examples:
  claviger explain claviger.toml GET https://api.example.com/stripe/v1/charges --principal corp:ada --roles billing
  claviger explain claviger.toml POST https://api.example.com/stripe/v1/refunds --principal corp:ada --roles billing --granted finance
  claviger explain claviger.toml GET https://api.example.com/orders/7 --token-file key.txt --client 10.1.2.3 --json

Exit codes: 0 it would be sent, 1 it would be denied, 2 wrong arguments or a wrong configuration.";

impl ExplainArgs {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        server::install_crypto();
        let configuration = Configuration::load(&self.config)?;
        let caller = self.caller()?;
        let authenticator = match &caller {
            Caller::Proved(principal) => Some(&principal.authenticator),
            Caller::Nobody | Caller::Presents(_) => None,
        };
        if let Some(why) = configuration.unknown(authenticator, &self.granted) {
            return Err(Failure::new(2, format!("claviger: {why}")));
        }
        let question = Question {
            caller,
            method: self.method,
            url: self.url,
            client: self.client,
            time: self.time.unwrap_or_else(SystemTime::now),
            granted: self.granted,
        };
        let runtime = runtime()?;
        let explained = runtime.block_on(async {
            if matches!(question.caller, Caller::Presents(_)) {
                configuration.prime().await;
            }
            configuration.explain(&question).await
        });
        if self.json {
            serde_json::to_writer(&mut *out, &explained).map_err(io::Error::from)?;
            writeln!(out)?;
        } else {
            write!(out, "{explained}")?;
        }
        match explained.verdict {
            Verdict::Allow | Verdict::Shadow | Verdict::Own => Ok(()),
            Verdict::Deny if explained.code == Some(Denial::Unavailable(Unavailable::Authenticator).code()) => {
                Err(Failure::new(2, format!("claviger: {UNPROVED}")))
            }
            Verdict::Deny => Err(Failure::silent(1)),
        }
    }

    fn caller(&self) -> Result<Caller, Failure> {
        if let Some(text) = &self.principal {
            let name = Principal::parse_name(text);
            let name = name.ok_or_else(|| Failure::new(2, "claviger: write `--principal AUTHENTICATOR:ID`"))?;
            return Ok(Caller::proved(name, self.kind, &self.roles, &self.scopes));
        }
        let Some(file) = &self.token_file else { return Ok(Caller::Nobody) };
        let text = if file.as_os_str() == "-" { io::read_to_string(io::stdin()) } else { fs::read_to_string(file) };
        let text = text.map_err(|error| Failure::new(2, format!("claviger: {}: {error}", file.display())))?;
        Caller::presents(&text)
            .ok_or_else(|| Failure::new(2, format!("claviger: {}: no header can hold this", file.display())))
    }
}

/// What may have to wait for an issuer's keys.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::from)
}

fn kind(text: &str) -> Result<PrincipalKind, String> {
    PrincipalKind::parse(text).ok_or_else(|| "choose `human`, `service` or `agent`".to_owned())
}

fn time(text: &str) -> Result<SystemTime, String> {
    config::moment(text).ok_or_else(|| "write a moment such as 2026-11-23T09:30:00Z".to_owned())
}

fn name(text: &str) -> Result<Name, String> {
    Name::parse(text).map_err(|error| error.to_string())
}
