//! The audit log as the rest of the product sees it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::domain::Name;
use crate::telemetry::AuditMetrics;

use super::queue::Queue;
use super::sink::Sink;
use super::{Entry, writer};

/// Where records go, and how many may wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The file, which is appended to; standard output where there is none.
    pub path: Option<PathBuf>,
    /// How many records may wait for the writer while requests are still admitted.
    pub max_queue: usize,
    /// What this process is called in every line.
    pub node: Option<Name>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { path: None, max_queue: 65_536, node: None }
    }
}

/// The handle by which records reach the log; cheap to clone.
///
/// Every exchange ends in one [`submit`](Self::submit). It never waits: records are queued, and a thread writes them in batches within a few
/// milliseconds. When the file cannot be written the thread keeps what it has and tries again, and [`accepts`](Self::accepts) says no, on
/// which admission refuses exchanges before they are delivered. What is under way at that moment is still queued, up to twice `max_queue`
/// records in all. The exchanges refused meanwhile are counted, and one `lost` line tells their number when the file can be written again.
///
/// A process that is killed loses what it had not written, a few milliseconds' worth; one that is asked to stop calls
/// [`close`](Self::close) and loses nothing.
#[derive(Debug, Clone)]
pub struct Log(Arc<Queue>);

/// Not all records reached the file before the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unwritten {
    /// How many exchanges are missing in the file; none where only the disk did not confirm.
    pub exchanges: u64,
}

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the audit log was not written to the end: {} exchanges are missing", self.exchanges)
    }
}

impl std::error::Error for Unwritten {}

impl Log {
    /// Opens the log and starts its writer. A file that is moved or deleted later is opened anew within a second of the next record.
    ///
    /// # Errors
    /// When the file cannot be opened for appending, or the thread not be started.
    pub fn open(settings: Settings, metrics: AuditMetrics) -> io::Result<Self> {
        let Settings { path, max_queue, node } = settings;
        let sink = Sink::open(path, Instant::now())?;
        let queue = Arc::new(Queue::new(max_queue, metrics));
        let writers = Arc::clone(&queue);
        thread::Builder::new().name("audit".to_owned()).spawn(move || writer::run(&writers, sink, node))?;
        Ok(Self(queue))
    }

    /// Whether an exchange that is admitted now can be expected to be recorded: the last write succeeded and the queue has room.
    pub fn accepts(&self) -> bool {
        self.0.accepts()
    }

    /// Shows every record that is written from now on to whoever has this, in batches, and after it is written. Nobody waits for that: `capacity`
    /// batches wait for it; what does not fit is not shown and counted in `claviger_audit_unwatched_total`. None where somebody watches already.
    pub fn watch(&self, capacity: usize) -> Option<mpsc::Receiver<Vec<Entry>>> {
        let (watcher, batches) = mpsc::channel(capacity);
        self.0.watch(watcher).then_some(batches)
    }

    /// Hands over the record of one exchange or act. Never waits and never fails: a record that cannot be queued is counted.
    pub fn submit(&self, entry: impl Into<Entry>) {
        self.0.submit(entry.into());
    }

    /// Writes everything, puts it on the disk and stops the writer; no exchange may end after it. Blocks its thread, at most this long.
    ///
    /// # Errors
    /// [`Unwritten`] when the file could not be written in this time, or the disk did not confirm.
    pub fn close(&self, patience: Duration) -> Result<(), Unwritten> {
        self.0.close(patience).map_err(|exchanges| Unwritten { exchanges })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::super::Record;
    use std::path::Path;

    use serde_json::Value;

    use super::super::record::tests::{bare, full};
    use super::*;
    use crate::domain::{Denial, Unavailable};
    use crate::telemetry::Metrics;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn open(path: &Path, max_queue: usize) -> (Log, AuditMetrics) {
        let metrics = Metrics::new().expect("metrics").audit;
        let settings = Settings { path: Some(path.to_owned()), max_queue, node: None };
        (Log::open(settings, metrics.clone()).expect("opened"), metrics)
    }

    fn lines(path: &Path) -> Vec<Value> {
        let text = fs::read_to_string(path).expect("file");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    fn refused() -> Record {
        Record { denial: Some(Denial::Unavailable(Unavailable::Audit)), status: Some(503), ..bare() }
    }

    fn wait_until(what: impl Fn() -> bool) {
        let start = Instant::now();
        while !what() {
            assert!(start.elapsed() < PATIENCE, "in vain");
            thread::yield_now();
        }
    }

    #[test]
    fn every_record_of_many_threads_is_one_line() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("audit.log");
        let (log, metrics) = open(&path, 200_000);
        thread::scope(|scope| {
            for worker in 0..8 {
                let log = log.clone();
                scope.spawn(move || (0..12_500).for_each(|n| log.submit(full(&format!("{worker}-{n}\n\u{85}\"")))));
            }
        });
        log.close(PATIENCE).expect("closed");
        let lines = lines(&path);
        let ids: HashSet<_> = lines.iter().map(|line| line["principal"].as_str().expect("principal")).collect();
        assert_eq!((lines.len(), ids.len()), (100_000, 100_000));
        assert_eq!((metrics.records.get(), metrics.queue.get(), metrics.unrecorded.get()), (100_000, 0, 0));
    }

    #[test]
    fn a_full_disk_stops_admission_and_what_was_under_way_is_written_when_there_is_room() {
        let dir = tempfile::tempdir().expect("directory");
        let (path, real, next) = (dir.path().join("audit.log"), dir.path().join("real"), dir.path().join("next"));
        symlink("/dev/full", &path).expect("link");
        let (log, metrics) = open(&path, 100);
        assert!(log.accepts());
        log.submit(full("first"));
        wait_until(|| !log.accepts());
        log.submit(full("under-way"));
        (0..7).for_each(|_| log.submit(refused()));
        symlink(&real, &next).expect("link");
        fs::rename(&next, &path).expect("moved");
        wait_until(|| log.accepts());
        log.submit(full("after"));
        log.close(PATIENCE).expect("closed");
        let lines = lines(&real);
        let told: Vec<_> = lines.iter().map(|line| line["principal"].as_str().unwrap_or("lost")).collect();
        assert_eq!(told.first(), Some(&"first"));
        assert_eq!(
            told.iter().copied().collect::<HashSet<_>>(),
            HashSet::from(["first", "under-way", "lost", "after"])
        );
        assert_eq!(lines.iter().filter_map(|line| line["count"].as_u64()).sum::<u64>(), 7);
        assert_eq!(metrics.unrecorded.get(), 7);
        assert!(metrics.errors.get() > 0);
    }

    #[test]
    fn the_queue_is_bounded_and_what_does_not_fit_is_counted() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("audit.log");
        symlink("/dev/full", &path).expect("link");
        let (log, metrics) = open(&path, 10);
        (0..50).for_each(|_| log.submit(full("x")));
        assert!(!log.accepts());
        assert_eq!((metrics.queue.get(), metrics.unrecorded.get()), (20, 30));
        assert_eq!(log.close(Duration::from_millis(1)), Err(Unwritten { exchanges: 50 }));
    }

    #[test]
    fn a_closed_log_accepts_nothing_and_closing_again_is_harmless() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("audit.log");
        let (log, metrics) = open(&path, 10);
        log.submit(full("last"));
        assert_eq!((log.close(PATIENCE), log.close(PATIENCE)), (Ok(()), Ok(())));
        assert!(!log.accepts());
        assert_eq!(lines(&path).len(), 1);
        log.submit(full("too late"));
        assert_eq!(metrics.unrecorded.get(), 1);
        assert_eq!(log.close(PATIENCE), Err(Unwritten { exchanges: 1 }));
    }

    #[test]
    fn a_writer_that_slept_is_woken() {
        let dir = tempfile::tempdir().expect("directory");
        let (log, metrics) = open(&dir.path().join("audit.log"), 10);
        wait_until(|| log.0.is_writer_parked());
        log.submit(full("x"));
        wait_until(|| metrics.records.get() == 1);
        log.close(PATIENCE).expect("closed");
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_an_error_at_once() {
        let metrics = Metrics::new().expect("metrics").audit;
        let settings = Settings { path: Some("/nowhere/audit.log".into()), ..Settings::default() };
        assert!(Log::open(settings, metrics).is_err());
    }
}
