//! `claviger vault rotate` and `claviger vault status`: what is asked of a gateway that runs.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use serde_json::Value;

use super::Failure;
use super::store::user;
use crate::domain::Name;
use crate::net::{Client, ClientSettings};
use crate::server::{self, Site};
use crate::vault::{Rotation, RotationStage};

/// Which secret to replace.
#[derive(Debug, Args)]
pub struct RotateArgs {
    /// The `[rotation.NAME]`.
    #[arg(value_parser = Name::parse)]
    name: Name,
    /// The configuration of the gateway.
    #[arg(long, value_name = "FILE", default_value = "claviger.toml")]
    config: PathBuf,
    /// Do not wait until the new secret is in use.
    #[arg(long)]
    no_wait: bool,
}

/// Whose secrets to show, and how.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The configuration of the gateway.
    #[arg(long, value_name = "FILE", default_value = "claviger.toml")]
    config: PathBuf,
    /// Print one JSON object instead.
    #[arg(long)]
    json: bool,
}

/// How long a gateway may take to begin.
const BEGINS_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a gateway may take to use a secret that changed in a vault.
const TAKEN_WITHIN: Duration = Duration::from_secs(1);

impl RotateArgs {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let site = site(&self.config)?;
        let found = site.rotations.iter().find(|one| one.settings().name == self.name);
        let Some(rotation) = found else {
            let text = format!("claviger: {} has no `[rotation.{}]`", self.config.display(), self.name);
            return Err(Failure::new(2, text));
        };
        let failed = |error| Failure::new(1, format!("claviger: {}: {error}", rotation.status().secret));
        rotation.ask(&user(), SystemTime::now()).map_err(failed)?;
        if self.no_wait {
            return Ok(writeln!(out, "{}: asked for", self.name)?);
        }
        self.wait(rotation, out)
    }

    /// Tells of each stage, until the new secret is in use or there is none.
    fn wait(&self, rotation: &Rotation, out: &mut dyn Write) -> Result<(), Failure> {
        let (asked, mut told) = (Instant::now(), None);
        loop {
            let status = rotation
                .look(SystemTime::now())
                .map_err(|error| Failure::new(1, format!("claviger: {}: {error}", rotation.status().secret)))?;
            let stage = status.stage.unwrap_or(RotationStage::Idle);
            if told != Some(stage) {
                if matches!(stage, RotationStage::Watching | RotationStage::Grace) {
                    // It is in the vault; gateways look at that within this time.
                    thread::sleep(TAKEN_WITHIN);
                }
                writeln!(out, "{}: {}", self.name, meaning(stage, status.fault.is_some()))?;
                out.flush()?;
                told = Some(stage);
            }
            match stage {
                RotationStage::Watching | RotationStage::Grace => return Ok(()),
                RotationStage::Idle | RotationStage::Retiring => {
                    return status.fault.map_or(Ok(()), |fault| Err(Failure::new(1, format!("claviger: {fault}"))));
                }
                RotationStage::Asked if asked.elapsed() > BEGINS_WITHIN => {
                    let cure = "is a gateway with this configuration running? It begins when one is";
                    return Err(Failure::new(1, format!("claviger: nobody makes a new secret: {cure}")));
                }
                RotationStage::Asked | RotationStage::Making | RotationStage::Installing | RotationStage::Probing => {
                    thread::sleep(LOOK_EVERY)
                }
            }
        }
    }
}

fn meaning(stage: RotationStage, has_failed: bool) -> &'static str {
    match stage {
        RotationStage::Asked => "a new secret is asked for",
        RotationStage::Making => "it is made",
        RotationStage::Installing => "there is a new secret; whoever it is for is told",
        RotationStage::Probing => "there is a new secret; the target is asked whether it takes it",
        RotationStage::Watching => "the target takes it: it is in use, and watched",
        RotationStage::Grace => "it is in use; the old one is kept for a while",
        RotationStage::Idle | RotationStage::Retiring if has_failed => "the secret from before is in use",
        RotationStage::Idle | RotationStage::Retiring => "done",
    }
}

impl StatusArgs {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let Some(admin) = site(&self.config)?.admin else {
            let text = format!("claviger: {} has no `[admin] address` to ask the gateway at", self.config.display());
            return Err(Failure::new(2, text));
        };
        let asked = ask(&format!("http://{admin}/status"));
        let status: Value = asked.map_err(|error| {
            Failure::new(1, format!("claviger: the gateway cannot be asked at {admin}: {error}. Is it running?"))
        })?;
        let of = |key: &str| status[key].as_array().cloned().unwrap_or_default();
        let (secrets, rotations) = (of("secrets"), of("rotations"));
        if self.json {
            return Ok(writeln!(out, "{}", serde_json::json!({ "secrets": secrets, "rotations": rotations }))?);
        }
        if secrets.is_empty() {
            return Ok(writeln!(out, "No secret is in use.")?);
        }
        let width = secrets.iter().filter_map(|one| one["name"].as_str()).map(str::len).max().unwrap_or_default();
        for one in &secrets {
            writeln!(out, "{}", line(one, &rotations, width))?;
        }
        Ok(())
    }
}

/// One secret: its state, age and lease, where its replacing stands, and what is wrong; never its value.
fn line(one: &Value, rotations: &[Value], width: usize) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let state = if one["usable"] == true { "usable" } else { "FAILED" };
    let mut line = format!("{:width$}  {state}  version {}", text(&one["name"]), one["version"]);
    let mut add = |word: &str, seconds: &Value| {
        if let Some(seconds) = seconds.as_u64() {
            line.push_str(&format!("  {word} {}", humantime::format_duration(Duration::from_secs(seconds))));
        }
    };
    add("confirmed", &one["age"]);
    add("lease", &one["lease"]);
    let own = rotations.iter().find(|rotation| rotation["secret"] == one["name"]);
    if let Some(own) = own {
        add("in use for", &own["age"]);
        line.push_str(&format!("  rotation {} {}", text(&own["name"]), text(&own["stage"])));
        line.push_str(if own["overdue"] == true { " OVERDUE" } else { "" });
    }
    for fault in [Some(&one["fault"]), own.map(|own| &own["fault"])].into_iter().flatten().filter_map(Value::as_str) {
        line.push_str(&format!("  ({fault})"));
    }
    line
}

fn ask(url: &str) -> Result<Value, String> {
    let client = Client::new(ClientSettings::default()).map_err(|error| error.to_string())?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let fetched = runtime.block_on(client.get_json_bytes(url)).map_err(|error| error.to_string())?;
    serde_json::from_slice(&fetched.body).map_err(|_| "its answer makes no sense".to_owned())
}

fn site(config: &Path) -> Result<Site, Failure> {
    server::site(config).map_err(|error| Failure::new(2, error.to_string()))
}
