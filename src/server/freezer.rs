//! The thread that ends or holds access for the monitor, which itself waits for no disk.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::audit::AlertRecord;
use crate::domain::steady;
use crate::monitor::Change;
use crate::session::{Revocation, SessionFault};
use crate::state::Services;

/// How many ends of access may wait for the disk, and how many to be tried again.
const QUEUE: usize = 1024;
/// How often what could not be written is tried again.
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
    again: Arc<Again>,
}

impl Freezer {
    /// Starts the thread; it ends with the process.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(services: &Arc<Services>) -> std::io::Result<Self> {
        let (freezer, worker, waiting) = Self::new(services, QUEUE);
        thread::Builder::new().name("freezer".to_owned()).spawn(move || worker.run(&waiting))?;
        Ok(freezer)
    }

    /// One with so much room, and what works for it.
    fn new(services: &Arc<Services>, room: usize) -> (Self, Worker, Receiver<Job>) {
        let (queue, waiting) = sync_channel(room);
        let again = Arc::new(Again { room, endings: Mutex::default() });
        let worker = Worker { services: Arc::clone(services), again: Arc::clone(&again) };
        (Self { services: Arc::clone(services), queue, again }, worker, waiting)
    }

    /// Has it ended as soon as the disk takes it, and recorded with what became of it.
    pub(super) fn end(&self, ending: Ending) {
        if let Err(TrySendError::Full(Job::End(ending)) | TrySendError::Disconnected(Job::End(ending))) =
            self.queue.try_send(Job::End(Box::new(ending)))
        {
            log::error!(of:% = ending.one.of; "access was to be ended and is not yet: too much of that waits for the disk");
            self.again.not_yet(&self.services, *ending);
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

/// Ends of access that could not be written, and are tried again in this order.
struct Again {
    room: usize,
    endings: Mutex<VecDeque<Ending>>,
}

impl Again {
    fn endings(&self) -> MutexGuard<'_, VecDeque<Ending>> {
        self.endings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that access has not ended, and keeps that for another try.
    fn not_yet(&self, services: &Services, ending: Ending) {
        submit(services, AlertRecord { action: Some(NOT_FROZEN), ..ending.record.clone() });
        let mut endings = self.endings();
        if endings.len() < self.room {
            endings.push_back(ending);
        } else {
            given_up(services, &ending, "as many others wait for it as may");
        }
        self.show(services, &endings);
    }

    fn show(&self, services: &Services, endings: &VecDeque<Ending>) {
        services.engines.metrics.monitor.refused.set(i64::try_from(endings.len()).unwrap_or(i64::MAX));
    }
}

fn given_up(services: &Services, ending: &Ending, why: &str) {
    log::error!(of:% = ending.one.of; "access was to be ended and never is: {why}");
    services.engines.metrics.monitor.given_up.inc();
}

/// Ends access, and tries again what could not be written: that in the order in which it failed, so that it may come behind what was asked for later.
struct Worker {
    services: Arc<Services>,
    again: Arc<Again>,
}

impl Worker {
    fn run(self, waiting: &Receiver<Job>) {
        let mut again = Instant::now() + AGAIN;
        loop {
            match waiting.recv_timeout(again.saturating_duration_since(Instant::now())) {
                Ok(Job::End(ending)) => self.first(*ending),
                Ok(Job::Tell(done)) => {
                    self.again();
                    // Where this is not sent, it is known that something is left; where it fails, nobody waits any more.
                    if self.again.endings().is_empty() {
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
        }
    }

    fn first(&self, ending: Ending) {
        let fault = match self.end(&ending) {
            Ok(action) => return submit(&self.services, AlertRecord { action: Some(action), ..ending.record }),
            Err(fault) => fault,
        };
        log::error!(of:% = ending.one.of; "access was to be ended and is not yet: {fault}");
        if matches!(fault, SessionFault::Store(_)) {
            self.again.not_yet(&self.services, ending);
        } else {
            submit(&self.services, AlertRecord { action: Some(NOT_FROZEN), ..ending.record });
        }
    }

    /// Up to the first that is refused once more, as all the others would be.
    fn again(&self) {
        let now = steady(SystemTime::now());
        self.again.endings().retain(|ending| {
            let lasts = ending.one.until.is_none_or(|until| now < until);
            if !lasts {
                given_up(&self.services, ending, "it would go on again by now");
            }
            lasts
        });
        loop {
            // The disk is waited for without the lock, which the monitor takes.
            let Some(ending) = self.again.endings().pop_front() else { break };
            let Ok(action) = self.end(&ending) else {
                self.again.endings().push_front(ending);
                break;
            };
            let Ending { one, record, .. } = ending;
            log::warn!(of:% = one.of; "access is ended now, which could not be before");
            let (time, act) = (SystemTime::now(), Change::Held.text());
            submit(&self.services, AlertRecord { time, act, action: Some(action), ..record });
        }
        self.again.show(&self.services, &self.again.endings());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Log, Settings};
    use crate::domain::Name;
    use crate::session::{Revoked, Store};
    use crate::state::{Engines, Snapshot};

    fn services(folder: &std::path::Path) -> Arc<Services> {
        let engines = Engines::new().expect("engines");
        engines.authenticators.sessions().open(Store::open(&folder.join("db")).expect("a store")).expect("opened");
        let settings = Settings { path: Some(folder.join("audit.log")), ..Settings::default() };
        let log = Log::open(settings, engines.metrics.audit.clone()).expect("a log");
        Arc::new(Services::new(engines, log, Snapshot::default()))
    }

    fn ending(of: &str) -> Ending {
        let now = SystemTime::now();
        let whom = Revoked::Principal(Name::parse("corp").expect("a name"), of.to_owned());
        let record = AlertRecord {
            time: now,
            id: of.to_owned(),
            act: Change::Raised.text(),
            detection: "probing",
            severity: "warning",
            of: crate::audit::Phrase::who(of),
            evidence: "{}".to_owned(),
            times: 1,
            since: now,
            action: None,
            records: Vec::new(),
        };
        let one = Revocation::new(whom, "probing".to_owned(), "monitor:x".to_owned(), now, None);
        Ending { one, done: "freeze_principal", record }
    }

    #[test]
    fn what_finds_the_queue_full_is_tried_again_and_what_is_given_up_is_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        let services = services(folder.path());
        let metrics = &services.engines.metrics.monitor;
        let (freezer, worker, waiting) = Freezer::new(&services, 1);
        ["ada", "bob", "eve"].into_iter().for_each(|of| freezer.end(ending(of)));
        assert_eq!((metrics.refused.get(), metrics.given_up.get()), (1, 1), "one each waits at either place");
        worker.again();
        assert_eq!(metrics.refused.get(), 0);
        let Ok(Job::End(first)) = waiting.try_recv() else { panic!("one waits") };
        worker.first(*first);
        let ended = ["ada", "bob", "eve"].map(|of| worker.end(&ending(of)).expect("written") == ALREADY_FROZEN);
        assert_eq!(ended, [true, true, false]);
        services.audit.close(Duration::from_secs(30)).expect("closed");
        let text = std::fs::read_to_string(folder.path().join("audit.log")).expect("read");
        let told = |line: &serde_json::Value| [&line["act"], &line["action"]].map(|it| it.as_str().map(str::to_owned));
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
        let told: Vec<_> = lines.filter(|line| line["kind"] == "alert").map(|line| told(&line)).collect();
        let want = [
            ("raised", NOT_FROZEN),
            ("raised", NOT_FROZEN),
            ("held", "freeze_principal"),
            ("raised", "freeze_principal"),
        ];
        assert_eq!(told, want.map(|(act, action)| [act, action].map(|it| Some(it.to_owned()))));
    }
}
