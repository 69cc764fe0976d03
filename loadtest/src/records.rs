//! What the audit log of the claviger under load has to hold.

use std::borrow::Cow;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::fault::{Fault, While};
use crate::site::{SUBJECT, Site};

/// A file with one line for each request that was answered.
pub(crate) struct AccessLog {
    pub(crate) path: PathBuf,
    /// What such a line holds, and no other.
    pub(crate) mark: String,
}

impl AccessLog {
    /// How many of them there are.
    pub(crate) fn count(&self) -> Result<u64, Fault> {
        let finder = memchr::memmem::Finder::new(self.mark.as_bytes());
        let mut count = 0;
        read(&self.path, |lines| count += finder.find_iter(lines).count() as u64)?;
        Ok(count)
    }
}

impl Site {
    /// How many lines the audit log has that tell of a completed exchange.
    pub(crate) fn completed_in_audit(&self) -> Result<u64, Fault> {
        AccessLog { path: self.audit(), mark: "\"outcome\":\"completed\"".to_owned() }.count()
    }

    /// How often the audit log tells of a completed exchange by each of so many subjects of [`Self::tokens`].
    pub(crate) fn completed_by_subject(&self, count: u32) -> Result<Vec<u32>, Fault> {
        let mut completed = vec![0; count as usize];
        read(&self.audit(), |lines| {
            for line in lines.split(|&byte| byte == b'\n') {
                let Ok(record) = serde_json::from_slice::<Completed>(line) else { continue };
                let number =
                    record.principal.strip_prefix(SUBJECT).and_then(|rest| rest.split('@').next()?.parse().ok());
                if let (Some(at), "completed") = (number.and_then(|at: usize| completed.get_mut(at)), &*record.outcome)
                {
                    *at += 1;
                }
            }
        })?;
        Ok(completed)
    }
}

/// Shows the whole lines of a log, many at a time.
fn read(path: &Path, mut look: impl FnMut(&[u8])) -> Result<(), Fault> {
    let mut file = fs::File::open(path).during("opening a log")?;
    let (mut buffer, mut held) = (vec![0; 1 << 20], Vec::new());
    loop {
        let read = file.read(&mut buffer).during("reading a log")?;
        if read == 0 {
            return Ok(());
        }
        held.extend_from_slice(&buffer[..read]);
        let whole = memchr::memrchr(b'\n', &held).map_or(0, |end| end + 1);
        look(&held[..whole]);
        held.drain(..whole);
    }
}

/// What of an audit record [`Site::completed_by_subject`] looks at.
#[derive(serde::Deserialize)]
struct Completed<'a> {
    #[serde(borrow)]
    principal: Cow<'a, str>,
    #[serde(borrow)]
    outcome: Cow<'a, str>,
}
