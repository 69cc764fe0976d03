//! Between the request path and the writer: records that are not written yet, and whether more are taken.

use std::mem;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc, oneshot};

use crate::domain::{Denial, Unavailable};
use crate::telemetry::AuditMetrics;

use super::{Entry, OnFull};

/// A bounded queue with many makers and one writer. The lock is held for a push or a swap.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Wakes the writer.
    work: Condvar,
    /// Wakes who closes.
    ended: Condvar,
    /// Records that are queued or in the writer's hands.
    pending: AtomicUsize,
    /// Whether the last write succeeded.
    is_writable: AtomicBool,
    /// Wakes requests that wait until there is room.
    room: Notify,
    max: usize,
    on_full: OnFull,
    /// Who is shown what was written.
    watcher: OnceLock<mpsc::Sender<Vec<Entry>>>,
    metrics: AuditMetrics,
}

#[derive(Debug, Default)]
struct State {
    records: Vec<Entry>,
    /// Who waits for records to be on the disk.
    waiters: Vec<oneshot::Sender<()>>,
    /// Exchanges without a record of their own that no `lost` record tells of yet.
    lost: Lost,
    /// Records that were not written yet and shown to who watches, if somebody does.
    unshown: usize,
    is_writer_parked: bool,
    stage: Stage,
}

/// Exchanges without a record of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lost {
    /// Those that were refused because of that.
    pub(super) refused: u64,
    /// Those that may have been delivered.
    pub(super) delivered: u64,
}

impl Lost {
    pub(super) fn count(self) -> u64 {
        self.refused + self.delivered
    }
}

/// What the writer was given beside records.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) lost: Lost,
    /// To be told once the records are on the disk; dropped when they are not.
    pub(super) waiters: Vec<oneshot::Sender<()>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    /// The writer is to write what there is, and end.
    Closing,
    /// Everything is written; nothing more is taken.
    Drained,
    /// The writer has ended; `synced` says whether all is on the disk.
    Ended { synced: bool },
}

/// How long the writer lets records gather. Nobody needs to wake it meanwhile, which would be a system call on the request path.
const GATHER: Duration = Duration::from_millis(5);
/// How often it gathers in vain before it sleeps until it is woken.
const GATHERS_BEFORE_SLEEP: u32 = 20;
/// The writer's vector is not kept when it has grown beyond this.
const KEPT_CAPACITY: usize = 4096;

impl Queue {
    pub(super) fn new(max: usize, on_full: OnFull, metrics: AuditMetrics) -> Self {
        Self {
            state: Mutex::default(),
            work: Condvar::new(),
            ended: Condvar::new(),
            pending: AtomicUsize::new(0),
            is_writable: AtomicBool::new(true),
            room: Notify::new(),
            max,
            on_full,
            watcher: OnceLock::new(),
            metrics,
        }
    }

    pub(super) fn accepts(&self) -> bool {
        self.is_writable.load(Ordering::Relaxed) && self.pending.load(Ordering::Relaxed) < self.max
    }

    /// Whether an exchange may go on. Waits this long, where exchanges are to wait.
    pub(super) async fn admits(&self, patience: Duration) -> bool {
        if self.accepts() {
            return true;
        }
        match self.on_full {
            OnFull::Refuse => false,
            OnFull::Drop => self.lock().is_open(),
            OnFull::Wait => tokio::time::timeout(patience, self.until_room()).await.is_ok(),
        }
    }

    async fn until_room(&self) {
        loop {
            let mut room = std::pin::pin!(self.room.notified());
            // From here on nothing is missed.
            room.as_mut().enable();
            if self.accepts() {
                return;
            }
            room.await;
        }
    }

    pub(super) fn submit(&self, entry: Entry) {
        let is_refusal = match &entry {
            Entry::Exchange(record) => {
                record.denial == Some(Denial::Unavailable(Unavailable::Audit)) && !record.is_decided
            }
            Entry::Decision(_) | Entry::Act(_) | Entry::Alert(_) | Entry::Skipped(_) | Entry::Configured(..) => false,
        };
        let mut state = self.lock();
        let (is_open, has_room) = (state.is_open(), self.has_room());
        if is_open && has_room && (!is_refusal || self.accepts()) {
            self.push(&mut state, entry);
        } else {
            *(if is_refusal { &mut state.lost.refused } else { &mut state.lost.delivered }) += 1;
            self.metrics.unrecorded.inc();
        }
        let wake = mem::take(&mut state.is_writer_parked);
        drop(state);
        if wake {
            self.work.notify_one();
        }
        if !is_open {
            log::error!("an exchange ended after the audit log was closed and is not recorded");
        }
    }

    /// Takes an entry that has to be on the disk before something else may be; none when it cannot be expected to.
    pub(super) fn submit_durably(&self, entry: Entry) -> Option<oneshot::Receiver<()>> {
        let (waiter, written) = oneshot::channel();
        let mut state = self.lock();
        if !state.is_open() || !self.has_room() || !self.accepts() {
            return None;
        }
        self.push(&mut state, entry);
        state.waiters.push(waiter);
        // The writer lets records gather, but not those that somebody waits for. What comes while it writes, it finds by itself.
        let wake = state.waiters.len() == 1;
        state.is_writer_parked &= !wake;
        drop(state);
        if wake {
            self.work.notify_one();
        }
        Some(written)
    }

    fn push(&self, state: &mut State, entry: Entry) {
        state.records.push(entry);
        state.unshown += 1;
        self.pending.fetch_add(1, Ordering::Relaxed);
        self.metrics.queue.inc();
    }

    fn has_room(&self) -> bool {
        self.pending.load(Ordering::Relaxed) < self.max.saturating_mul(2)
    }

    /// For the writer: waits until there is something to write, or until this moment, and swaps it into `batch`; `None` when the log is closed
    /// and all is written.
    pub(super) fn take(&self, batch: &mut Vec<Entry>, until: Option<Instant>) -> Option<Taken> {
        let mut state = self.lock();
        for _ in 0..GATHERS_BEFORE_SLEEP {
            let gathers = |state: &mut State| state.stage == Stage::Open && state.waiters.is_empty();
            let wait = self.work.wait_timeout_while(state, GATHER, gathers);
            (state, _) = wait.unwrap_or_else(PoisonError::into_inner);
            if !state.is_idle() {
                break;
            }
        }
        state.is_writer_parked = state.is_idle();
        let is_idle = |state: &mut State| state.is_idle();
        state = match until {
            None => self.work.wait_while(state, is_idle).unwrap_or_else(PoisonError::into_inner),
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                self.work.wait_timeout_while(state, left, is_idle).unwrap_or_else(PoisonError::into_inner).0
            }
        };
        state.is_writer_parked = false;
        if state.stage != Stage::Open && !state.has_work() {
            state.stage = Stage::Drained;
            self.is_writable.store(false, Ordering::Relaxed);
            return None;
        }
        if batch.capacity() > KEPT_CAPACITY {
            *batch = Vec::new();
        }
        mem::swap(&mut state.records, batch);
        Some(Taken { lost: state.lost, waiters: mem::take(&mut state.waiters) })
    }

    /// For the writer: these are written. They go to who watches, if somebody does and has room for them.
    pub(super) fn show(&self, batch: &mut Vec<Entry>) {
        let count = batch.len();
        match self.watcher.get() {
            Some(watcher) if count > 0 => {
                if watcher.try_send(mem::take(batch)).is_err() {
                    self.metrics.unwatched.inc_by(count as u64);
                }
            }
            Some(_) | None => batch.clear(),
        }
        let mut state = self.lock();
        state.unshown = state.unshown.saturating_sub(count);
    }

    /// Whether everything that was queued is written, and shown to who watches.
    pub(super) fn is_shown(&self) -> bool {
        self.lock().unshown == 0
    }

    /// Shows what is written from now on to whoever has the other end.
    pub(super) fn watch(&self, watcher: mpsc::Sender<Vec<Entry>>) -> bool {
        self.watcher.set(watcher).is_ok()
    }

    /// For the writer: so many records are written, and so many lost exchanges told of.
    pub(super) fn wrote(&self, records: usize, lost: Lost) {
        if lost.count() > 0 {
            let mut state = self.lock();
            state.lost.refused -= lost.refused;
            state.lost.delivered -= lost.delivered;
        }
        self.pending.fetch_sub(records, Ordering::Relaxed);
        self.metrics.queue.sub(i64::try_from(records).unwrap_or(i64::MAX));
        self.metrics.records.inc_by(records as u64);
        if !self.is_writable.swap(true, Ordering::Relaxed) {
            log::warn!("the audit log is written again");
        }
        self.room.notify_waiters();
    }

    /// For the writer: a write failed and will be tried again.
    pub(super) fn failed(&self, error: &std::io::Error) {
        self.metrics.errors.inc();
        if self.is_writable.swap(false, Ordering::Relaxed) {
            let on_full = self.on_full.text();
            log::error!(error:%, on_full; "the audit log cannot be written; requests go on as `on_full` says");
        }
        // Who waits for the disk is refused.
        self.lock().waiters.clear();
    }

    /// For the writer: it ends, whether or not all is on the disk.
    pub(super) fn end(&self, synced: bool) {
        self.is_writable.store(false, Ordering::Relaxed);
        self.lock().stage = Stage::Ended { synced };
        self.ended.notify_all();
    }

    /// Tells the writer to end, and waits for it this long. Returns the number of exchanges that are not in the file, where it is not sure
    /// that all are.
    pub(super) fn close(&self, patience: Duration) -> Result<(), u64> {
        let mut state = self.lock();
        if state.stage == Stage::Open {
            state.stage = Stage::Closing;
        }
        self.work.notify_one();
        let is_ended = |state: &State| matches!(state.stage, Stage::Ended { .. });
        let wait = self.ended.wait_timeout_while(state, patience, |state| !is_ended(state));
        let (state, _) = wait.unwrap_or_else(PoisonError::into_inner);
        match (self.pending.load(Ordering::Relaxed) as u64 + state.lost.count(), state.stage) {
            (0, Stage::Ended { synced: true }) => Ok(()),
            (missing, _) => Err(missing),
        }
    }

    #[cfg(test)]
    pub(super) fn is_writer_parked(&self) -> bool {
        self.lock().is_writer_parked
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open | Stage::Closing)
    }

    fn has_work(&self) -> bool {
        !self.records.is_empty() || self.lost.count() > 0
    }

    /// Whether there is nothing for the writer to do but wait.
    fn is_idle(&self) -> bool {
        self.stage == Stage::Open && !self.has_work()
    }
}
