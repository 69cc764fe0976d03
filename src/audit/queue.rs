//! Between the request path and the writer: records that are not written yet, and whether more are taken.

use std::mem;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::domain::{Denial, Unavailable};
use crate::telemetry::AuditMetrics;

use super::Entry;

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
    max: usize,
    /// Who looks at what is written.
    watcher: OnceLock<mpsc::Sender<Vec<Entry>>>,
    metrics: AuditMetrics,
}

#[derive(Debug)]
struct State {
    records: Vec<Entry>,
    /// Exchanges without a record of their own that no `lost` record tells of yet.
    lost: u64,
    is_writer_parked: bool,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// The writer is to write what there is, and end.
    Closing,
    /// Everything is written; nothing more is taken.
    Drained,
    /// The writer has ended; `synced` says whether all is on the disk.
    Ended {
        synced: bool,
    },
}

/// How long the writer lets records gather. Nobody needs to wake it meanwhile, which would be a system call on the request path.
const GATHER: Duration = Duration::from_millis(5);
/// How often it gathers in vain before it sleeps until it is woken.
const GATHERS_BEFORE_SLEEP: u32 = 20;
/// The writer's vector is not kept when it has grown beyond this.
const KEPT_CAPACITY: usize = 4096;

impl Queue {
    pub(super) fn new(max: usize, metrics: AuditMetrics) -> Self {
        let state = State { records: Vec::new(), lost: 0, is_writer_parked: false, stage: Stage::Open };
        Self {
            state: Mutex::new(state),
            work: Condvar::new(),
            ended: Condvar::new(),
            pending: AtomicUsize::new(0),
            is_writable: AtomicBool::new(true),
            max,
            watcher: OnceLock::new(),
            metrics,
        }
    }

    pub(super) fn accepts(&self) -> bool {
        self.is_writable.load(Ordering::Relaxed) && self.pending.load(Ordering::Relaxed) < self.max
    }

    pub(super) fn submit(&self, entry: Entry) {
        let is_refusal = match &entry {
            Entry::Exchange(record) => record.denial == Some(Denial::Unavailable(Unavailable::Audit)),
            Entry::Act(_) | Entry::Alert(_) => false,
        };
        let mut state = self.lock();
        let has_room = self.pending.load(Ordering::Relaxed) < self.max.saturating_mul(2);
        let is_open = matches!(state.stage, Stage::Open | Stage::Closing);
        if is_open && has_room && (!is_refusal || self.accepts()) {
            state.records.push(entry);
            self.pending.fetch_add(1, Ordering::Relaxed);
            self.metrics.queue.inc();
        } else {
            state.lost += 1;
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

    /// For the writer: waits until there is something to write, swaps it into `batch` and returns the number of lost exchanges to tell of;
    /// `None` when the log is closed and all is written.
    pub(super) fn take(&self, batch: &mut Vec<Entry>) -> Option<u64> {
        let mut state = self.lock();
        for _ in 0..GATHERS_BEFORE_SLEEP {
            let wait = self.work.wait_timeout_while(state, GATHER, |state| state.stage == Stage::Open);
            (state, _) = wait.unwrap_or_else(PoisonError::into_inner);
            if !state.is_idle() {
                break;
            }
        }
        state.is_writer_parked = state.is_idle();
        state = self.work.wait_while(state, |state| state.is_idle()).unwrap_or_else(PoisonError::into_inner);
        state.is_writer_parked = false;
        if !state.has_work() {
            state.stage = Stage::Drained;
            self.is_writable.store(false, Ordering::Relaxed);
            return None;
        }
        if batch.capacity() > KEPT_CAPACITY {
            *batch = Vec::new();
        }
        mem::swap(&mut state.records, batch);
        Some(state.lost)
    }

    /// For the writer: these are written. They go to who watches, if somebody does and has room for them.
    pub(super) fn show(&self, batch: &mut Vec<Entry>) {
        match self.watcher.get() {
            Some(watcher) if !batch.is_empty() => {
                let count = batch.len() as u64;
                if watcher.try_send(mem::take(batch)).is_err() {
                    self.metrics.unwatched.inc_by(count);
                }
            }
            Some(_) | None => batch.clear(),
        }
    }

    /// Shows what is written from now on to whoever has the other end.
    pub(super) fn watch(&self, watcher: mpsc::Sender<Vec<Entry>>) -> bool {
        self.watcher.set(watcher).is_ok()
    }

    /// For the writer: so many records are written, and so many lost exchanges told of.
    pub(super) fn wrote(&self, records: usize, lost: u64) {
        if lost > 0 {
            self.lock().lost -= lost;
        }
        self.pending.fetch_sub(records, Ordering::Relaxed);
        self.metrics.queue.sub(i64::try_from(records).unwrap_or(i64::MAX));
        self.metrics.records.inc_by(records as u64);
        if !self.is_writable.swap(true, Ordering::Relaxed) {
            log::warn!("the audit log is written again");
        }
    }

    /// For the writer: a write failed and will be tried again.
    pub(super) fn failed(&self, error: &std::io::Error) {
        self.metrics.errors.inc();
        if self.is_writable.swap(false, Ordering::Relaxed) {
            log::error!(error:%; "the audit log cannot be written; requests are refused until it can");
        }
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
        match (self.pending.load(Ordering::Relaxed) as u64 + state.lost, state.stage) {
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
    fn has_work(&self) -> bool {
        !self.records.is_empty() || self.lost > 0
    }

    /// Whether there is nothing for the writer to do but wait.
    fn is_idle(&self) -> bool {
        self.stage == Stage::Open && !self.has_work()
    }
}
