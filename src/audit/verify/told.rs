//! What lines say of themselves, of processes, and of what is missing.

use super::super::chain::{Head, Kind};
use super::{Fault, FaultKind, Mark, Walk};

impl Walk<'_> {
    /// Whether a process says that it did not find what was to come before it.
    pub(super) fn missed(&self, head: &Head, line: &[u8]) -> Result<(), Fault> {
        if head.kind != Kind::Opened {
            return Ok(());
        }
        let members: Members = serde_json::from_slice(line).unwrap_or_default();
        let Some((chain, seq)) = members.missed_chain.zip(members.missed_seq) else { return Ok(()) };
        let from = self.chain.map_or(1, |chain| chain.seq + 1);
        let text = format!(
            "lines up to {seq} of the log {chain}, at least, were not there any more when a process began to write line {} of the log {}: \
             their file was removed, moved or cut by something else than claviger, such as logrotate",
            head.seq, head.chain
        );
        Err(Fault::new(FaultKind::Removed, from, text))
    }

    /// What lines say of processes and of what is missing.
    pub(super) fn told(&mut self, head: &Head, line: &[u8]) -> Result<(), Fault> {
        let members: Members = serde_json::from_slice(line).unwrap_or_default();
        self.report.lost += members.count.unwrap_or(0);
        self.report.lost_refused += members.refused.unwrap_or(0);
        if let Some(process) = members.process {
            if head.kind == Kind::Opened {
                self.open.insert(process, head.seq);
            } else {
                self.open.remove(&process);
            }
        }
        Ok(())
    }
}

/// What is read of the few lines that are looked into.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Members {
    pub(super) process: Option<String>,
    pub(super) bytes: Option<u64>,
    pub(super) digest: Option<String>,
    pub(super) count: Option<u64>,
    pub(super) refused: Option<u64>,
    pub(super) total_us: Option<u64>,
    pub(super) missed_chain: Option<String>,
    pub(super) missed_seq: Option<u64>,
}

/// A line's number and time.
pub(super) fn mark(seq: u64, line: &[u8]) -> Mark {
    let key = b"\"time\":\"";
    let time = memchr::memmem::find(line, key).map(|at| &line[at + key.len()..]);
    let time = time.and_then(|rest| rest.split(|&b| b == b'"').next());
    Mark { seq, time: time.map(|text| String::from_utf8_lossy(text).into_owned()).unwrap_or_default() }
}
