//! `claviger key list`: the API keys that a configuration takes, without anything that proves one.

use std::io::Write;
use std::time::SystemTime;

use clap::Args;
use serde::Serialize;

use crate::cli::store::stamp;
use crate::cli::{ConfigFile, Failure};
use crate::domain::{NetworkSet, Principal};
use crate::server;

/// Whose keys to show, and how.
#[derive(Debug, Args)]
pub struct ListKeys {
    #[command(flatten)]
    config: ConfigFile,
    /// Print a JSON array instead.
    #[arg(long)]
    json: bool,
}

/// One key.
#[derive(Serialize)]
struct Shown<'a> {
    authenticator: &'a str,
    name: &'a str,
    /// Its public part, by which it is looked up. The digest says nothing to anybody, and is in the configuration.
    prefix: &'a str,
    owner: &'a str,
    kind: &'static str,
    roles: Vec<&'a str>,
    scopes: Vec<&'a str>,
    /// None for a key that does not end.
    expires: Option<String>,
    is_expired: bool,
    /// None for a key that may be used from anywhere.
    networks: Option<Vec<String>>,
    is_canary: bool,
    revokes: Vec<String>,
}

const TITLES: [&str; 6] = ["key", "prefix", "owner", "roles", "expires", "networks"];

impl ListKeys {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let site = server::site(&self.config.file).map_err(|error| Failure::new(2, error.to_string()))?;
        let now = SystemTime::now();
        let mut all: Vec<Shown<'_>> = Vec::new();
        for (prefix, principal, canary) in site.api_keys.iter().flat_map(|keys| keys.known()) {
            let revokes = canary.map(|canary| canary.revokes.iter().map(|(name, id)| format!("{name}:{id}")).collect());
            all.push(Shown::new(prefix, principal, revokes, now));
        }
        all.sort_by_key(|key| (key.authenticator, key.name));
        if self.json {
            return Ok(writeln!(out, "{}", serde_json::json!(all))?);
        }
        if all.is_empty() {
            return Ok(writeln!(out, "There is no key.")?);
        }
        table(&all, out).map_err(Failure::from)
    }
}

impl<'a> Shown<'a> {
    fn new(prefix: &'a str, principal: &'a Principal, revokes: Option<Vec<String>>, now: SystemTime) -> Self {
        Self {
            authenticator: principal.authenticator.as_str(),
            name: principal.key.as_deref().unwrap_or_default(),
            prefix,
            owner: &principal.id,
            kind: principal.kind.text(),
            roles: principal.roles.iter().map(|role| &**role).collect(),
            scopes: principal.scopes.iter().map(|scope| &**scope).collect(),
            expires: principal.expires.map(|end| stamp(end).to_string()),
            is_expired: principal.expires.is_some_and(|end| now >= end),
            networks: principal.networks.as_ref().map(NetworkSet::texts),
            is_canary: revokes.is_some(),
            revokes: revokes.unwrap_or_default(),
        }
    }

    /// What stands below [`TITLES`].
    fn cells(&self) -> [String; TITLES.len()] {
        let ended = if self.is_expired { " (ended)" } else { "" };
        [
            format!("{}:{}", self.authenticator, self.name),
            self.prefix.to_owned(),
            self.owner.to_owned(),
            if self.is_canary { "(decoy)".to_owned() } else { listed(&self.roles, "-") },
            self.expires.as_ref().map_or_else(|| "never".to_owned(), |end| format!("{end}{ended}")),
            self.networks.as_ref().map_or_else(|| "any".to_owned(), |networks| listed(networks, "none")),
        ]
    }
}

fn listed<T: AsRef<str>>(texts: &[T], nothing: &str) -> String {
    let all: Vec<_> = texts.iter().map(AsRef::as_ref).collect();
    if all.is_empty() { nothing.to_owned() } else { all.join(",") }
}

fn table(all: &[Shown<'_>], out: &mut dyn Write) -> std::io::Result<()> {
    let rows: Vec<_> = [TITLES.map(str::to_owned)].into_iter().chain(all.iter().map(Shown::cells)).collect();
    let mut widths = [0; TITLES.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in rows {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}
