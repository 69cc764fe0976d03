//! The load generator for fixed rates and HTTP/2: oha, and what it found.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::fault::{Fault, While};
use crate::machine;
use crate::program;
use crate::site::{PATH, Site};
use crate::wire::{self, Wire};

/// What it says of requests that were under way when the time was over.
const CUT: &str = "aborted due to deadline";

/// oha, ready to run.
pub(crate) struct Oha {
    program: PathBuf,
    authorization: String,
    core: usize,
    wire: Wire,
    certificate: PathBuf,
}

/// How it sends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) seconds: u32,
    pub(crate) connections: u32,
    /// Requests under way on each connection; more than one takes HTTP/2.
    pub(crate) streams: u32,
    /// Requests per second, each counted from when it was due; as fast as answered where there is none.
    pub(crate) rate: Option<f64>,
}

/// What one run found.
#[derive(Debug, Clone)]
pub(crate) struct Shot {
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    /// Requests that failed, and answers other than 200.
    pub(crate) errors: u64,
    /// In microseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    summary: Summary,
    latency_percentiles: BTreeMap<String, Option<f64>>,
    status_code_distribution: BTreeMap<String, u64>,
    error_distribution: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Summary {
    /// Seconds.
    total: f64,
}

impl Oha {
    /// Looks for oha and says how to get it when it is not there.
    pub(crate) fn find(site: &Site) -> Result<Self, Fault> {
        let installed = program::peers()?.join("oha");
        let program = program::find(&[&installed.display().to_string(), "oha"]).ok_or_else(|| {
            Fault::new("oha was not found. Install it (`scripts/peers`, or `cargo install oha`) and run this again")
        })?;
        Ok(Self {
            program,
            authorization: site.authorization(),
            core: site.cores().load,
            wire: site.stage().clients,
            certificate: wire::certificate(site.folder()),
        })
    }

    /// The core that it runs on.
    pub(crate) fn core(&self) -> usize {
        self.core
    }

    /// Loads a proxy.
    pub(crate) fn run(&self, address: SocketAddr, manner: Manner) -> Result<Shot, Fault> {
        machine::pin(self.core)?;
        let mut command = Command::new(&self.program);
        command.args(["--no-tui", "--output-format", "json", "--disable-compression", "--redirect", "0"]);
        command.args(["-z", &format!("{}s", manner.seconds), "-c", &manner.connections.to_string()]);
        if let Some(rate) = manner.rate {
            command.args(["-q", &format!("{rate:.0}"), "--latency-correction"]);
        }
        if self.wire == Wire::Http2 {
            command.args(["--http2", "-p", &manner.streams.to_string()]);
        }
        let host = if self.wire.is_tls() { wire::NAME.to_owned() } else { address.ip().to_string() };
        if self.wire.is_tls() {
            command.arg("--cacert").arg(&self.certificate).arg("--ipv4");
        }
        command.args(["-H", &self.authorization]);
        command.arg(format!("{}://{host}:{}{PATH}", self.wire.scheme(), address.port()));
        // One thread: it has one core.
        let output = command.env("TOKIO_WORKER_THREADS", "1").stdin(Stdio::null()).output().during("running oha")?;
        let fault =
            |why: String| Fault::new(format!("oha failed ({why}):\n{}", String::from_utf8_lossy(&output.stderr)));
        let told: Output = serde_json::from_slice(&output.stdout).map_err(|error| fault(error.to_string()))?;
        told.shot().ok_or_else(|| fault("no answers".to_owned()))
    }
}

impl Output {
    fn shot(&self) -> Option<Shot> {
        let requests: u64 = self.status_code_distribution.values().sum();
        let good = self.status_code_distribution.get("200").copied().unwrap_or(0);
        let failed: u64 = self.error_distribution.iter().filter(|(what, _)| *what != CUT).map(|(_, count)| count).sum();
        let micros = |name: &str| Some(self.latency_percentiles.get(name).copied()?? * 1e6);
        Some(Shot {
            requests,
            seconds: self.summary.total,
            errors: requests - good + failed,
            p50: micros("p50")?,
            p99: micros("p99")?,
            p999: micros("p99.9")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_cut_by_the_end_are_no_errors_and_all_else_is() {
        let text = r#"{"summary": {"total": 2.0}, "latencyPercentiles": {"p50": 0.0001, "p99": 0.001, "p99.9": 0.002},
            "statusCodeDistribution": {"200": 90, "401": 7}, "errorDistribution": {"aborted due to deadline": 3, "refused": 2}}"#;
        let shot = serde_json::from_str::<Output>(text).expect("as oha writes").shot().expect("answers");
        assert_eq!((shot.requests, shot.errors), (97, 9));
        assert!((shot.p999 - 2000.0).abs() < 1e-6);
    }
}
