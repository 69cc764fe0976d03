//! The thread that ends or holds access for the monitor, which itself waits for no disk.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::audit::AlertRecord;
use crate::domain::steady;
use crate::monitor::Change;
use crate::session::{Revocation, SessionFault};
use crate::state::Services;

/// How many ends of access may wait for the disk, and how many that it refused to be tried again.
const QUEUE: usize = 1024;
/// How often what the store refused is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// What a record says where access was to be ended and could not be.
pub(super) const NOT_FROZEN: &str = "not_frozen";
/// What a record says where it had ended already, for as long.
const ALREADY_FROZEN: &str = "already_frozen";

/// An end of access, with the record of the alert that asks for it.
pub(super) struct Ending {
    pub(super) one: Revocation,
    /// What the record says was done.
    pub(super) done: &'static str,
    pub(super) record: AlertRecord,
}

enum Job {
    End(Box<Ending>),
    /// Says that all that came before is done.
    Tell(SyncSender<()>),
}

/// Where ends of access wait to be written.
pub(super) struct Freezer {
    services: Arc<Services>,
    queue: SyncSender<Job>,
}

impl Freezer {
    /// Starts the thread; it ends with the process.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(services: &Arc<Services>) -> std::io::Result<Self> {
        let (queue, waiting) = sync_channel(QUEUE);
        let worker = Worker { services: Arc::clone(services), refused: VecDeque::new() };
        thread::Builder::new().name("freezer".to_owned()).spawn(move || worker.run(&waiting))?;
        Ok(Self { services: Arc::clone(services), queue })
    }

    /// Has it ended as soon as the disk takes it, and recorded with what became of it.
    pub(super) fn end(&self, ending: Ending) {
        let (of, record) = (ending.one.of.clone(), ending.record.clone());
        if self.queue.try_send(Job::End(Box::new(ending))).is_err() {
            log::error!(of:%; "access was to be ended and is not: too much of that waits for the disk");
            submit(&self.services, AlertRecord { action: Some(NOT_FROZEN), ..record });
        }
    }

    /// Waits until all that was asked for is done, or so long.
    pub(super) fn finish(&self, within: Duration) {
        let (done, is_done) = sync_channel(1);
        if self.queue.try_send(Job::Tell(done)).is_err() || is_done.recv_timeout(within).is_err() {
            log::error!("the process ends before all access was ended that was to be");
        }
    }
}

/// Ends access in the order in which that was asked for, and tries again what the store refused.
struct Worker {
    services: Arc<Services>,
    refused: VecDeque<Ending>,
}

impl Worker {
    fn run(mut self, waiting: &Receiver<Job>) {
        let mut again = Instant::now() + AGAIN;
        loop {
            match waiting.recv_timeout(again.saturating_duration_since(Instant::now())) {
                Ok(Job::End(ending)) => self.first(*ending),
                Ok(Job::Tell(done)) => {
                    self.again();
                    // Where this is not sent, it is known that something is left; where it fails, nobody waits any more.
                    if self.refused.is_empty() {
                        let _ = done.try_send(());
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            // Also while there is ever more to end.
            if Instant::now() >= again {
                self.again();
                again = Instant::now() + AGAIN;
            }
            let refused = i64::try_from(self.refused.len()).unwrap_or(i64::MAX);
            self.services.engines.metrics.monitor.refused.set(refused);
        }
    }

    fn first(&mut self, ending: Ending) {
        let (action, is_lost) = match self.end(&ending) {
            Ok(action) => (action, false),
            Err(fault) => {
                log::error!(of:% = ending.one.of; "access was to be ended and is not yet: {fault}");
                (NOT_FROZEN, matches!(fault, SessionFault::Store(_)))
            }
        };
        submit(&self.services, AlertRecord { action: Some(action), ..ending.record.clone() });
        if is_lost && self.refused.len() < QUEUE {
            self.refused.push_back(ending);
        } else if is_lost {
            log::error!("it is not tried again: {QUEUE} others are");
        }
    }

    /// Up to the first that is refused once more, as all the others would be.
    fn again(&mut self) {
        let now = steady(SystemTime::now());
        self.refused.retain(|ending| {
            let lasts = ending.one.until.is_none_or(|until| now < until);
            if !lasts {
                log::error!(of:% = ending.one.of; "access was never ended, and would go on again by now");
            }
            lasts
        });
        while let Some(action) = self.refused.front().and_then(|ending| self.end(ending).ok()) {
            let Some(Ending { one, record, .. }) = self.refused.pop_front() else { return };
            log::warn!(of:% = one.of; "access is ended now, which the store had refused");
            let (time, act) = (SystemTime::now(), Change::Held.text());
            submit(&self.services, AlertRecord { time, act, action: Some(action), ..record });
        }
    }

    /// What the record says was done.
    fn end(&self, ending: &Ending) -> Result<&'static str, SessionFault> {
        let is_new = self.services.engines.authenticators.sessions().revoke(&ending.one)?;
        Ok(if is_new { ending.done } else { ALREADY_FROZEN })
    }
}

/// Writes it down, unless the log is closed since the process ends.
pub(super) fn submit(services: &Services, record: AlertRecord) {
    if !services.is_draining() || services.audit.accepts() {
        services.audit.submit(record);
    }
}
