//! The load generator: wrk, and what it found.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::fault::{Fault, While};
use crate::machine;
use crate::payload::Payload;
use crate::site::PATH;

/// Prints the result as one line of numbers: wrk's own text is rounded and for people.
const SCRIPT: &str = r#"done = function(summary, latency)
  local e = summary.errors
  io.write(string.format("result %d %d %d %d %d\n", summary.requests, summary.duration,
    e.connect + e.read + e.write + e.timeout + e.status, latency:percentile(50), latency:percentile(99)))
end
"#;

/// wrk, ready to run.
pub(crate) struct Wrk {
    script: PathBuf,
    authorization: String,
    core: usize,
    connections: u32,
    target: String,
}

/// What one run of wrk found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    /// Connections that failed, requests that timed out, and answers other than 2xx and 3xx.
    pub(crate) errors: u64,
    /// In microseconds.
    pub(crate) p50: u64,
    pub(crate) p99: u64,
}

impl Wrk {
    /// Looks for wrk and says how to get it when it is not there.
    pub(crate) fn find(folder: &Path, authorization: String, core: usize, connections: u32) -> Result<Self, Fault> {
        let version = Command::new("wrk").arg("-v").stdin(Stdio::null()).output();
        if version.is_err() {
            return Err(Fault::new(
                "wrk was not found. Install it (Debian, Ubuntu: apt-get install wrk) and run this again",
            ));
        }
        let script = folder.join("result.lua");
        fs::write(&script, SCRIPT).during("writing wrk's script")?;
        Ok(Self { script, authorization, core, connections, target: PATH.to_owned() })
    }

    /// The same with other requests.
    pub(crate) fn sending(&self, payload: &Payload) -> Result<Self, Fault> {
        // What a browser or a library sends too: a rule may look whether it is there.
        let mut text = "wrk.headers = { Host = \"api.example.test\", Accept = \"application/json\", [\"User-Agent\"] = \"orders/1.4\" }\n"
            .to_owned();
        if let Some(body) = &payload.body {
            let file = self.script.with_extension("body");
            fs::write(&file, body).during("writing what wrk is to send")?;
            text += "wrk.method = \"POST\"\nwrk.headers[\"Content-Type\"] = \"application/json\"\n";
            text += &format!("wrk.body = io.open({:?}, \"rb\"):read(\"*a\")\n", file.display().to_string());
        }
        text +=
            &format!("wrk.headers.Authorization = {:?}\n", self.authorization.trim_start_matches("Authorization: "));
        let script = self.script.with_extension("sending.lua");
        fs::write(&script, text + SCRIPT).during("writing wrk's script")?;
        Ok(Self { script, authorization: self.authorization.clone(), target: payload.target.clone(), ..*self })
    }

    /// Loads a proxy for so many seconds.
    pub(crate) fn run(&self, address: SocketAddr, seconds: u32) -> Result<Load, Fault> {
        machine::pin(self.core)?;
        let output = Command::new("wrk")
            .args(["--threads", "1", "--timeout", "5s", "--latency"])
            .arg("--connections")
            .arg(self.connections.to_string())
            .arg("--duration")
            .arg(format!("{seconds}s"))
            .arg("--header")
            .arg(&self.authorization)
            .arg("--script")
            .arg(&self.script)
            .arg(format!("http://{address}{}", self.target))
            .stdin(Stdio::null())
            .output()
            .during("running wrk")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let load = text.lines().find_map(|line| parse(line.strip_prefix("result ")?));
        load.ok_or_else(|| Fault::new(format!("wrk failed:\n{text}{}", String::from_utf8_lossy(&output.stderr))))
    }
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of at most minutes")]
fn parse(line: &str) -> Option<Load> {
    let mut numbers = line.split_whitespace().map(|number| number.parse::<u64>().ok());
    let mut next = || numbers.next().flatten();
    Some(Load { requests: next()?, seconds: next()? as f64 / 1e6, errors: next()?, p50: next()?, p99: next()? })
}
