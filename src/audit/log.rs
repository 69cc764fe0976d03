//! The audit log as the rest of the product sees it.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use tokio::sync::mpsc;

use crate::crypto::SigningKey;
use crate::telemetry::AuditMetrics;

use super::anchor::Anchor;
use super::keep::Keeper;
use super::line::Lines;
use super::pseudonyms::{Names, Tender};
use super::queue::Queue;
use super::sink::{Limits, Sink};
use super::writer::Writer;
use super::{Durability, Entry, Record, Settings};

/// The handle by which records reach the log; cheap to clone.
///
/// Every exchange ends in one [`submit`](Self::submit). It never waits: records are queued, and a thread links and writes them in batches
/// within a few milliseconds. When the file cannot be written the thread keeps what it has and tries again, [`accepts`](Self::accepts) says
/// no, and [`admit`](Self::admit) does with exchanges what [`OnFull`](super::OnFull) says. What is under way at that moment is still queued,
/// up to twice `max_queue` records in all. The exchanges that have no record because of that are counted, and one `lost` line tells their
/// number when the file can be written again.
///
/// A process that is killed loses what it had not written, a few milliseconds' worth; one that is asked to stop calls
/// [`close`](Self::close) and loses nothing. With [`Durability::Fsync`], an exchange is forwarded only when [`decide`](Self::decide) has
/// come back.
#[derive(Debug, Clone)]
pub struct Log(Arc<Shared>);

/// What handles and the writer share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) queue: Queue,
    /// What signs checkpoints.
    pub(super) key: ArcSwapOption<SigningKey>,
    /// The number and digest of the configuration that the log was opened with.
    pub(super) first_config: Option<(u64, [u8; 32])>,
    pub(super) metrics: AuditMetrics,
    /// To whom sends checkpoints elsewhere, whose end waits to be fetched; and how many are not there yet.
    sender: Option<SyncSender<Vec<u8>>>,
    unfetched: Mutex<Option<Receiver<Vec<u8>>>>,
    unsent: AtomicUsize,
    durability: Durability,
    max_wait: Duration,
}

impl Shared {
    pub(super) fn of(queue: Queue, metrics: AuditMetrics, settings: &Settings) -> Self {
        // From the beginning on: a process's first checkpoint is made before anybody can ask for it.
        let (sender, receiver) = settings.anchor_url.as_ref().map(|_| sync_channel(MAX_UNSENT)).unzip();
        Self {
            queue,
            key: ArcSwapOption::empty(),
            first_config: None,
            metrics,
            sender,
            unfetched: Mutex::new(receiver),
            unsent: AtomicUsize::new(0),
            durability: settings.durability,
            max_wait: settings.max_wait,
        }
    }

    /// Whether anybody sends checkpoints elsewhere.
    pub(super) fn sends(&self) -> bool {
        self.sender.is_some()
    }

    /// Hands a checkpoint to whoever sends them elsewhere.
    pub(super) fn send(&self, checkpoint: &[u8]) {
        let Some(sender) = &self.sender else { return };
        self.unsent.fetch_add(1, Ordering::Relaxed);
        if sender.try_send(checkpoint.to_vec()).is_err() {
            self.unsent.fetch_sub(1, Ordering::Relaxed);
            self.metrics.anchor_errors.inc();
        }
    }
}

/// What the first checkpoint of a process says.
#[derive(Debug, Default)]
pub struct First {
    /// What signs it.
    pub key: Option<Arc<SigningKey>>,
    /// The number and digest of the configuration in force.
    pub config: Option<(u64, [u8; 32])>,
}

/// The decision about an exchange is not on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotDurable;

/// The most checkpoints that wait to be sent elsewhere.
const MAX_UNSENT: usize = 1024;
/// How long a request waits for the disk.
const DURABLE_WITHIN: Duration = Duration::from_secs(1);

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
    /// Opens the log and starts its writer, as [`open_with`](Self::open_with) does, without a key.
    ///
    /// # Errors
    /// Those of [`open_with`](Self::open_with).
    pub fn open(settings: Settings, metrics: AuditMetrics) -> io::Result<Self> {
        Self::open_with(settings, metrics, First::default())
    }

    /// Opens the log and starts its writer. A file that is moved or deleted later is opened anew with the next record.
    ///
    /// # Errors
    /// When the file or the anchor cannot be opened for appending, there is no key for pseudonyms that are wanted, or a thread cannot be started.
    pub fn open_with(settings: Settings, metrics: AuditMetrics, first: First) -> io::Result<Self> {
        let limits = Limits { size: settings.max_size, age: settings.max_age };
        let sink = Sink::open(settings.path.clone(), limits, SystemTime::now())?;
        if settings.durability == Durability::Fsync {
            sink.needs_disk()?;
        }
        let anchor = settings.anchor.clone().map(|path| Anchor::open(path, metrics.clone())).transpose()?;
        let queue = Queue::new(settings.max_queue, settings.on_full, metrics.clone());
        let mut shared = Shared::of(queue, metrics, &settings);
        shared.key.store(first.key);
        shared.first_config = first.config;
        let shared = Arc::new(shared);
        let keeper = settings.path.clone().map(|path| Keeper::start(path, settings.keep)).transpose()?;
        let names = settings.pseudonyms.clone().map(|own| Names::open(own, SystemTime::now())).transpose()?;
        let tender = settings.pseudonyms.as_ref().map(|own| Tender::start(own, Arc::clone(&shared))).transpose()?;
        let lines = Lines::new(settings.node.clone(), names);
        let writer = Writer::new(Arc::clone(&shared), (sink, lines), anchor, (keeper, tender), &settings);
        thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run())?;
        Ok(Self(shared))
    }

    /// Signs checkpoints with this key from now on.
    pub fn sign_with(&self, key: Arc<SigningKey>) {
        self.0.key.store(Some(key));
    }

    /// Says which configuration is in force from now on, by its number and digest: a checkpoint tells it.
    pub fn configured(&self, number: u64, digest: [u8; 32]) {
        self.submit(Entry::Configured(number, digest));
    }

    /// Shows what is written from now on, batch by batch in the order of the log, to whoever has the other end: at most one. At most
    /// `capacity` batches wait for it; what does not fit is not shown and counted in `claviger_audit_unwatched_total`. None where somebody
    /// watches already.
    pub fn watch(&self, capacity: usize) -> Option<mpsc::Receiver<Vec<Entry>>> {
        let (watcher, batches) = mpsc::channel(capacity);
        self.0.queue.watch(watcher).then_some(batches)
    }

    /// Whether everything that was handed over is written, and was shown to who [watches](Self::watch).
    pub fn is_shown(&self) -> bool {
        self.0.queue.is_shown()
    }

    /// The lines of checkpoints since the log was opened, for whoever sends them to `anchor_url`: at most one, who says of each that it is
    /// [`anchored`](Self::anchored). At most 1,024 wait; the next holds what one told that finds no room. None where there is no such URL,
    /// or somebody has them already.
    pub fn checkpoints(&self) -> Option<Receiver<Vec<u8>>> {
        self.0.unfetched.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Says that the checkpoint that was received last is where it is to be, or that nobody wants it any more.
    pub fn anchored(&self) {
        self.0.unsent.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether all checkpoints are.
    pub fn is_anchored(&self) -> bool {
        self.0.unsent.load(Ordering::Relaxed) == 0
    }

    /// Whether an exchange may go on, as far as its record is concerned. Waits only where exchanges are to wait.
    pub async fn admit(&self) -> bool {
        self.0.queue.admits(self.0.max_wait).await
    }

    /// Whether a decision has to be on the disk before anything is forwarded.
    pub fn is_durable(&self) -> bool {
        self.0.durability == Durability::Fsync
    }

    /// Brings the decision to forward this exchange to the disk.
    ///
    /// # Errors
    /// [`NotDurable`], within a second, when that cannot be done: the exchange must not be forwarded.
    pub async fn decide(&self, record: &mut Record) -> Result<(), NotDurable> {
        let entry = Entry::Decision(Box::new(record.clone()));
        let written = self.0.queue.submit_durably(entry).ok_or(NotDurable)?;
        record.is_decided = true;
        match tokio::time::timeout(DURABLE_WITHIN, written).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(NotDurable),
        }
    }

    /// Whether an exchange that is admitted now can be expected to be recorded: the last write succeeded and the queue has room.
    pub fn accepts(&self) -> bool {
        self.0.queue.accepts()
    }

    /// Hands over the record of one exchange or act. Never waits and never fails: a record that cannot be queued is counted.
    pub fn submit(&self, entry: impl Into<Entry>) {
        self.0.queue.submit(entry.into());
    }

    /// Writes everything, puts it on the disk and stops the writer; no exchange may end after it. Blocks its thread, at most this long.
    ///
    /// # Errors
    /// [`Unwritten`] when the file could not be written in this time, or the disk did not confirm.
    pub fn close(&self, patience: Duration) -> Result<(), Unwritten> {
        self.0.queue.close(patience).map_err(|exchanges| Unwritten { exchanges })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::super::{Head, Record};
    use std::path::Path;
    use std::time::Instant;

    use serde_json::Value;

    use super::super::record::tests::{bare, full};
    use super::*;
    use crate::domain::{Denial, Unavailable};
    use crate::telemetry::Metrics;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn open(path: &Path, max_queue: usize) -> (Log, AuditMetrics) {
        let metrics = Metrics::new().expect("metrics").audit;
        let settings = Settings { path: Some(path.to_owned()), max_queue, ..Settings::default() };
        (Log::open(settings, metrics.clone()).expect("opened"), metrics)
    }

    fn lines(path: &Path) -> Vec<Value> {
        let text = fs::read_to_string(path).expect("file");
        let all = text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        all.filter(|line: &Value| !["opened", "checkpoint", "closed"].contains(&line["kind"].as_str().expect("a kind")))
            .collect()
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
    fn a_file_that_is_old_becomes_whole_also_when_no_record_comes_any_more() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("audit.log");
        let age = Duration::from_millis(300);
        let settings =
            Settings { path: Some(path.clone()), max_age: age, checkpoint_every: age, ..Settings::default() };
        let metrics = Metrics::new().expect("metrics").audit;
        let log = Log::open(settings, metrics.clone()).expect("opened");
        log.submit(full("only one"));
        wait_until(|| {
            !super::super::Segment::whole(&path).expect("listed").is_empty() && metrics.checkpoints.get() >= 2
        });
        log.close(PATIENCE).expect("closed");
    }

    #[test]
    fn the_first_checkpoint_waits_for_who_sends_them_elsewhere() {
        let dir = tempfile::tempdir().expect("directory");
        let url = Some("https://anchor.example.com".to_owned());
        let settings = Settings { path: Some(dir.path().join("audit.log")), anchor_url: url, ..Settings::default() };
        let log = Log::open(settings, Metrics::new().expect("metrics").audit).expect("opened");
        log.close(PATIENCE).expect("closed");
        let lines = log.checkpoints().expect("somebody may have them");
        let seqs: Vec<_> = lines.try_iter().filter_map(|line| Head::parse(&line)).map(|head| head.seq).collect();
        assert_eq!((seqs, log.checkpoints().is_none()), (vec![2, 4], true));
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
        wait_until(|| log.0.queue.is_writer_parked());
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
