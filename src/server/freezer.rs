//! The thread that ends or holds access for the monitor, which itself waits for no disk.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use crate::audit::AlertRecord;
use crate::session::Revocation;
use crate::state::Services;

/// How many ends of access may wait for the disk.
const QUEUE: usize = 1024;
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
        let own = Arc::clone(services);
        thread::Builder::new().name("freezer".to_owned()).spawn(move || work(&own, &waiting))?;
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

fn work(services: &Services, waiting: &Receiver<Job>) {
    while let Ok(job) = waiting.recv() {
        match job {
            Job::End(ending) => end(services, *ending),
            Job::Tell(done) => {
                // Where this fails nobody waits any more.
                let _ = done.try_send(());
            }
        }
    }
}

fn end(services: &Services, ending: Ending) {
    let Ending { one, done, record } = ending;
    let action = match services.engines.authenticators.sessions().revoke(&one) {
        Ok(true) => done,
        Ok(false) => ALREADY_FROZEN,
        Err(fault) => {
            log::error!(of:% = one.of; "access was to be ended and is not: {fault}");
            NOT_FROZEN
        }
    };
    submit(services, AlertRecord { action: Some(action), ..record });
}

/// Writes it down, unless the log is closed since the process ends.
pub(super) fn submit(services: &Services, record: AlertRecord) {
    if !services.is_draining() || services.audit.accepts() {
        services.audit.submit(record);
    }
}
