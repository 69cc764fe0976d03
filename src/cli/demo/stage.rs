//! What the demo's story plays on: a folder with a configuration and a sealed vault, and the gateway as a process of its own.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::Failure;
use super::PATIENCE;
use super::http::{self, Answer};
use super::servers::{AUDIENCE, Issuer, Upstream};
use crate::crypto::MasterKey;
use crate::domain::Secret;
use crate::vault::{KeySource, SealedFile, create_key, load_key};

/// The upstream's key at first, and after the rotation.
pub(super) const FIRST_KEY: &str = "sk_demo_5f3759df";
pub(super) const SECOND_KEY: &str = "sk_demo_2b992ddf";
pub(super) const REFUND_RULE: &str = r#"{ role = "billing", methods = ["POST"], paths = ["/v1/refunds"] }"#;
const READ_RULE: &str = r#"{ role = "billing", methods = ["GET"], paths = ["/v1/charges/**"] }"#;
const PAYOUT_RULE: &str = r#"{ role = "billing", paths = ["/v1/payouts/**"], approval = "payouts" }"#;
const SECRET: &str = "payments/api-key";

/// Everything that plays. Dropping it ends the gateway and removes the folder.
pub(super) struct Stage {
    folder: PathBuf,
    gateway: Child,
    address: SocketAddr,
    admin: SocketAddr,
    pub(super) upstream: Upstream,
    issuer: Issuer,
}

impl Stage {
    /// Sets everything up and waits until the gateway is ready.
    pub(super) fn set(out: &mut dyn Write) -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("claviger-demo-{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let (upstream, issuer) = (Upstream::start()?, Issuer::start()?);
        let (address, admin) = free_addresses()?;
        fs::write(folder.join("claviger.toml"), config(address, admin, upstream.address, &issuer, READ_RULE))?;
        create_key(&folder.join("master.key")).map_err(failed)?;
        let log = File::create(folder.join("log"))?;
        sealed_file(&folder).create(&master_key(&folder)?).map_err(failed)?;
        put_key(&folder, FIRST_KEY)?;
        let gateway = Command::new(std::env::current_exe()?)
            .args(["run", "claviger.toml", "--log-format", "plain"])
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let mut stage = Self { folder, gateway, address, admin, upstream, issuer };
        stage.wait_until_ready()?;
        writeln!(out, "On loopback, for this demo alone:")?;
        writeln!(out, "     upstream   http://{}   answers with what it receives", stage.upstream.address)?;
        writeln!(
            out,
            "     issuer     http://{}   signs tokens; its keys are found by OpenID Connect Discovery",
            stage.issuer.address
        )?;
        writeln!(out, "     vault      a sealed file that holds the upstream's key")?;
        writeln!(out, "     gateway    http://{address}   with this configuration:\n")?;
        for line in fs::read_to_string(stage.folder.join("claviger.toml"))?.lines() {
            writeln!(out, "         {line}")?;
        }
        Ok(stage)
    }

    fn wait_until_ready(&mut self) -> Result<(), Failure> {
        let began = Instant::now();
        while !http::ask(self.admin, "GET", "/ready", None).is_ok_and(|answer| answer.status == 200) {
            let ended = self.gateway.try_wait()?.is_some();
            if ended || began.elapsed() > PATIENCE {
                return Err(Failure::new(1, format!("the gateway did not start:\n{}", self.log())));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    pub(super) fn token(&self, subject: &str, role: &str, seconds: i64) -> String {
        self.issuer.token(subject, role, seconds)
    }

    pub(super) fn call(&self, method: &str, path: &str, token: Option<&str>) -> io::Result<Answer> {
        http::ask(self.address, method, path, token)
    }

    pub(super) fn send(&self, method: &str, path: &str, token: &str, body: &str) -> io::Result<Answer> {
        http::send(self.address, method, path, Some(token), body)
    }

    /// A stream of events through the gateway, of which one has come.
    pub(super) fn listen(&self, path: &str, token: &str) -> io::Result<std::net::TcpStream> {
        http::listen(self.address, path, token)
    }

    /// Does what an operator would type; tells what that prints.
    pub(super) fn operate(&self, arguments: &[&str]) -> Result<String, Failure> {
        let output = Command::new(std::env::current_exe()?).args(arguments).current_dir(&self.folder).output()?;
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr)));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    pub(super) fn allow_refunds(&self) -> io::Result<()> {
        let rules = format!("{READ_RULE},\n  {REFUND_RULE}");
        let config = config(self.address, self.admin, self.upstream.address, &self.issuer, &rules);
        let next = self.folder.join("next.toml");
        fs::write(&next, config)?;
        fs::rename(next, self.folder.join("claviger.toml"))
    }

    /// The number of the configuration in force.
    pub(super) fn config_number(&self) -> io::Result<u64> {
        let status = http::ask(self.admin, "GET", "/status", None)?;
        let status: Value = serde_json::from_str(&status.body)?;
        Ok(status["config"].as_u64().unwrap_or_default())
    }

    pub(super) fn rotate_key(&self) -> Result<(), Failure> {
        put_key(&self.folder, SECOND_KEY)
    }

    pub(super) fn audit_text(&self) -> io::Result<String> {
        fs::read_to_string(self.folder.join("audit.jsonl"))
    }

    pub(super) fn audit(&self) -> Result<Vec<Value>, Failure> {
        Ok(self.audit_text()?.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// What to paste into another terminal.
    pub(super) fn invite(&self, out: &mut dyn Write) -> io::Result<()> {
        // Alice is revoked by the end of the story.
        let token = self.issuer.token("carol", "billing", 3600);
        let (gateway, admin, folder) = (self.address, self.admin, self.folder.display());
        writeln!(out, "\nIt goes on until Ctrl-C. To paste into another terminal (the token is good for an hour):\n")?;
        writeln!(out, "TOKEN={token}")?;
        writeln!(out, "curl -i http://{gateway}/payments/v1/charges -H \"Authorization: Bearer $TOKEN\"")?;
        writeln!(out, "curl -i http://{gateway}/payments/v1/customers -H \"Authorization: Bearer $TOKEN\"")?;
        writeln!(out, "curl -i http://{gateway}/payments/%2e%2e/admin -H \"Authorization: Bearer $TOKEN\"")?;
        writeln!(out, "curl -s http://{admin}/status")?;
        writeln!(out, "curl -s http://{admin}/metrics")?;
        writeln!(out, "tail -f {folder}/audit.jsonl")?;
        writeln!(out, "$EDITOR {folder}/claviger.toml")
    }

    /// Waits for Ctrl-C, or for the gateway to end by itself, which it should not.
    pub(super) fn wait(mut self) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            loop {
                tokio::select! {
                    signal = tokio::signal::ctrl_c() => return Ok(signal?),
                    () = tokio::time::sleep(Duration::from_millis(500)) => {
                        if let Some(status) = self.gateway.try_wait()? {
                            return Err(Failure::new(1, format!("the gateway ended ({status}):\n{}", self.log())));
                        }
                    }
                }
            }
        })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What cannot be tidied away is left to the system's own tidying.
        let _ = self.gateway.kill();
        let _ = self.gateway.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Two addresses that nobody listens on now.
fn free_addresses() -> io::Result<(SocketAddr, SocketAddr)> {
    let (one, two) = (TcpListener::bind(("127.0.0.1", 0))?, TcpListener::bind(("127.0.0.1", 0))?);
    Ok((one.local_addr()?, two.local_addr()?))
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(1, error.to_string())
}

fn master_key(folder: &Path) -> Result<MasterKey, Failure> {
    load_key(&KeySource::File(folder.join("master.key"))).map_err(failed)
}

fn sealed_file(folder: &Path) -> SealedFile {
    SealedFile::new(folder.join("secrets.sealed"))
}

fn put_key(folder: &Path, value: &str) -> Result<(), Failure> {
    let secret = Secret::new(value.as_bytes().to_vec());
    sealed_file(folder).update(&master_key(folder)?, |entries| entries.set(SECRET, secret)).map_err(failed)
}

fn config(address: SocketAddr, admin: SocketAddr, upstream: SocketAddr, issuer: &Issuer, rules: &str) -> String {
    format!(
        r#"[listen.public]
address = "{address}"

[admin]
address = "{admin}"
events  = true                     # for `claviger top`

[audit]
path = "audit.jsonl"

[store]
path = "claviger.db"

[access]                           # what the rules with `approval` wait for
url   = "http://{address}"
authn = ["corp"]

[approval.payouts]
approvers = ["lead"]
max       = "10m"

[authn.corp.jwt]
issuer   = "http://{issuer}"
audience = "{AUDIENCE}"
roles    = "groups"

[vault.local.sealed_file]
path     = "secrets.sealed"
key_file = "master.key"

[target.payments]
url = "http://{upstream}"

[credential.payments.bearer]
target = "payments"
secret = "local:{SECRET}"

[route.payments]
path       = "/payments/**"
target     = "payments"
credential = "payments"
authn      = ["corp"]
allow = [
  {rules},
  {PAYOUT_RULE},
]
"#,
        issuer = issuer.address
    )
}
