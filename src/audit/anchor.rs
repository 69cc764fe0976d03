//! The anchor: a second place where checkpoints are, so that a log that was cut, or made anew, can be told from the one that was.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::tail::ends_amid_line;
use crate::telemetry::AuditMetrics;

/// Where checkpoints are added. A thread does it, since the other place may be slow, or away.
pub(super) struct Anchor {
    lines: SyncSender<Vec<u8>>,
    thread: JoinHandle<bool>,
    metrics: AuditMetrics,
}

/// How many may wait; the newest holds all that came before, so what does not fit is no loss once there is room again.
const MAX_WAITING: usize = 1024;
/// The pause after a failed write.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Anchor {
    /// Opens the file, created for its owner alone where there is none.
    pub(super) fn open(path: PathBuf, metrics: AuditMetrics) -> io::Result<Self> {
        let file = open_file(&path)?;
        let (lines, received) = mpsc::sync_channel(MAX_WAITING);
        let counted = metrics.clone();
        let thread = thread::Builder::new().name("audit-anchor".to_owned());
        let thread = thread.spawn(move || run(&path, file, &received, &counted))?;
        Ok(Self { lines, thread, metrics })
    }

    /// Adds a checkpoint. Never waits.
    pub(super) fn add(&self, mut line: Vec<u8>) {
        line.push(b'\n');
        if self.lines.try_send(line).is_err() {
            self.metrics.anchor_errors.inc();
        }
    }

    /// Writes what there is; tells whether all of it is there. What cannot be written at once is not waited for.
    pub(super) fn close(self) -> bool {
        drop(self.lines);
        self.thread.join().unwrap_or(false)
    }
}

fn run(path: &Path, file: File, lines: &Receiver<Vec<u8>>, metrics: &AuditMetrics) -> bool {
    let mut file = Some(file);
    let mut waiting: Vec<u8> = Vec::new();
    loop {
        let received = if waiting.is_empty() {
            lines.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            lines.recv_timeout(RETRY_AFTER)
        };
        let is_over = received == Err(RecvTimeoutError::Disconnected);
        waiting.extend(received.unwrap_or_default());
        waiting.extend(lines.try_iter().flatten());
        match write(path, &mut file, &waiting) {
            Ok(()) => waiting.clear(),
            Err(error) => {
                metrics.anchor_errors.inc();
                log::error!(error:%; "a checkpoint of the audit log cannot be written to the anchor");
                file = None;
                bound(&mut waiting);
            }
        }
        if is_over {
            return waiting.is_empty();
        }
    }
}

fn write(path: &Path, file: &mut Option<File>, text: &[u8]) -> io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let file = match file {
        Some(file) => file,
        none => none.insert(open_file(path)?),
    };
    if is_amid_line(path, file)? {
        file.write_all(b"\n")?;
    }
    file.write_all(text)?;
    if file.metadata()?.is_file() { file.sync_data() } else { Ok(()) }
}

/// Whether half a line is at the end, which a write left that was cut short: what comes behind it would be glued to it.
fn is_amid_line(path: &Path, file: &File) -> io::Result<bool> {
    if !file.metadata()?.is_file() {
        return Ok(false);
    }
    // It is open for appending alone; where nobody may read it, an empty line does no harm.
    Ok(File::open(path).and_then(|file| ends_amid_line(&file)).unwrap_or(true))
}

/// Forgets the oldest of what cannot be written: the newest checkpoint tells of all before it.
fn bound(waiting: &mut Vec<u8>) {
    const MAX: usize = 1024 * 1024;
    if waiting.len() > MAX {
        let from = waiting.len() - MAX / 2;
        let start = memchr::memchr(b'\n', &waiting[from..]).map_or(waiting.len(), |at| from + at + 1);
        waiting.drain(..start);
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_that_was_left_is_ended_before_the_next_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("anchor");
        std::fs::write(&path, "one\nha").expect("written");
        let mut file = None;
        write(&path, &mut file, b"half\n").expect("written");
        write(&path, &mut file, b"next\n").expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "one\nha\nhalf\nnext\n");
    }
}
