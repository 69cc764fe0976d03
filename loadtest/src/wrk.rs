//! The load generator: wrk, and what it found.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::fault::{Fault, While};
use crate::machine;
use crate::payload::Payload;
use crate::site::PATH;
use crate::wire::Wire;

/// Prints the result as one line of numbers: wrk's own text is rounded and for people.
const SCRIPT: &str = r#"done = function(summary, latency)
  local e = summary.errors
  io.write(string.format("result %d %d %d %d %d %d %d\n", summary.requests, summary.duration,
    e.connect + e.read + e.write + e.timeout, e.status,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
"#;

/// Sends one token after the other; the same again after the last, or nothing more.
const TOKENS: &str = r#"local requests, at = {}, 0
init = function(args)
  for token in io.lines(FILE) do
    requests[#requests + 1] = wrk.format("GET", nil, { Host = "api.example.test", Authorization = "Bearer " .. token })
  end
end
request = function()
  at = at + 1
  if at > #requests then
    if ONCE then wrk.thread:stop() end
    at = 1
  end
  return requests[at]
end
"#;

/// wrk, ready to run.
#[derive(Clone)]
pub(crate) struct Wrk {
    script: PathBuf,
    /// Header fields of every request.
    fields: Vec<String>,
    core: usize,
    connections: u32,
    scheme: &'static str,
    target: String,
}

/// What one run of wrk found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    /// Connections that failed, and requests that timed out.
    pub(crate) errors: u64,
    /// Answers other than 2xx and 3xx.
    pub(crate) refused: u64,
    /// In microseconds.
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
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
        let fields = vec![authorization];
        Ok(Self { script, fields, core, connections, scheme: "http", target: PATH.to_owned() })
    }

    /// The same with other requests.
    pub(crate) fn sending(&self, payload: &Payload) -> Result<Self, Fault> {
        // What a browser or a library sends too: a rule may look whether it is there.
        // One by one, or those of the command line were gone.
        let mut text = String::new();
        for (name, value) in
            [("Host", "api.example.test"), ("Accept", "application/json"), ("User-Agent", "orders/1.4")]
        {
            text += &format!("wrk.headers[{name:?}] = {value:?}\n");
        }
        if let Some(body) = &payload.body {
            let file = self.script.with_extension("body");
            fs::write(&file, body).during("writing what wrk is to send")?;
            text += "wrk.method = \"POST\"\nwrk.headers[\"Content-Type\"] = \"application/json\"\n";
            text += &format!("wrk.body = io.open({:?}, \"rb\"):read(\"*a\")\n", file.display().to_string());
        }
        let script = self.script.with_extension("sending.lua");
        fs::write(&script, text + SCRIPT).during("writing wrk's script")?;
        Ok(Self { script, target: payload.target.clone(), ..self.clone() })
    }

    /// The same with a token of these in each request: in turns, or each once and no more.
    pub(crate) fn with_tokens(&self, tokens: &[String], is_once: bool) -> Result<Self, Fault> {
        let file = self.script.with_extension("tokens");
        fs::write(&file, tokens.join("\n")).during("writing tokens for wrk")?;
        let names = format!("local FILE, ONCE = {:?}, {is_once}\n", file.display().to_string());
        let script = self.script.with_extension("tokens.lua");
        fs::write(&script, names + TOKENS + SCRIPT).during("writing wrk's script")?;
        Ok(Self { script, fields: Vec::new(), ..self.clone() })
    }

    /// The same with these header fields and no other.
    pub(crate) fn with_fields(&self, fields: Vec<String>) -> Self {
        Self { fields, ..self.clone() }
    }

    /// The same over another wire; it knows no HTTP/2.
    pub(crate) fn over(&self, wire: Wire) -> Self {
        Self { scheme: wire.scheme(), ..self.clone() }
    }

    /// Loads a proxy for so many seconds.
    pub(crate) fn run(&self, address: SocketAddr, seconds: u32) -> Result<Load, Fault> {
        machine::pin(self.core)?;
        let fields = self.fields.iter().flat_map(|field| ["--header", field]);
        let output = Command::new("wrk")
            .args(["--threads", "1", "--timeout", "5s", "--latency"])
            .args(fields)
            .arg("--connections")
            .arg(self.connections.to_string())
            .arg("--duration")
            .arg(format!("{seconds}s"))
            .arg("--script")
            .arg(&self.script)
            .arg(format!("{}://{address}{}", self.scheme, self.target))
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
    Some(Load {
        requests: next()?,
        seconds: next()? as f64 / 1e6,
        errors: next()?,
        refused: next()?,
        p50: next()?,
        p99: next()?,
        p999: next()?,
    })
}
