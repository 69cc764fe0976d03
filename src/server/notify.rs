//! Telling others of alerts, on a thread of its own: each has a bounded queue, and who does not answer holds up nobody.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::domain::Name;
use crate::monitor::{Change, Notice, Notifier, Severity};
use crate::state::Services;
use crate::telemetry::Notified;

/// The most notices that wait to be handed out, and for each of those who are told.
const QUEUE: usize = 1024;
/// How many are told at once.
const AT_ONCE: usize = 32;
/// How long to wait before each further try.
const AGAIN_AFTER: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(25),
    Duration::from_secs(120),
    Duration::from_secs(600),
];

/// Where notices go to be told.
pub(super) struct Notify {
    queue: Sender<Notice>,
    /// How many notices were taken and are not told, nor given up.
    waiting: Arc<AtomicUsize>,
}

impl Notify {
    /// Starts the thread; it ends with the process.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(services: &Arc<Services>) -> std::io::Result<Self> {
        let (queue, notices) = channel(QUEUE);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (services, waiting) = (Arc::clone(services), Arc::new(AtomicUsize::new(0)));
        let teller = Teller { services, waiting: Arc::clone(&waiting) };
        let tell = move || runtime.block_on(teller.hand_out(notices));
        thread::Builder::new().name("notify".to_owned()).spawn(tell)?;
        Ok(Self { queue, waiting })
    }

    /// Tells of a notice, as soon as that can be.
    pub(super) fn tell(&self, notice: Notice) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if !has_room(&self.queue, &notice) || self.queue.try_send(notice).is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            log::error!("too many notices wait to be told: one is left out");
        }
    }

    /// Waits until all are told, or so long: who is not there is not waited for.
    pub(super) fn finish(&self, within: Duration) {
        let began = Instant::now();
        while self.waiting.load(Ordering::Relaxed) > 0 && began.elapsed() < within {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Whether a notice may wait there: of the room, a quarter is for what is critical alone.
fn has_room(queue: &Sender<Notice>, notice: &Notice) -> bool {
    match notice.alert.severity {
        Severity::Critical => true,
        Severity::Info | Severity::Warning => queue.capacity() > QUEUE / 4,
    }
}

/// What hands notices out, and tells them.
#[derive(Clone)]
struct Teller {
    services: Arc<Services>,
    waiting: Arc<AtomicUsize>,
}

impl Teller {
    async fn hand_out(self, mut notices: Receiver<Notice>) {
        let mut queues: HashMap<Name, Sender<Notice>> = HashMap::new();
        while let Some(notice) = notices.recv().await {
            for notifier in self.services.snapshot().notifiers.iter().filter(|notifier| notifier.wants(&notice)) {
                let name = &notifier.name;
                let queue = queues.entry(name.clone()).or_insert_with(|| {
                    let (queue, notices) = channel(QUEUE);
                    tokio::spawn(self.clone().tell_all(name.clone(), notices));
                    queue
                });
                self.waiting.fetch_add(1, Ordering::Relaxed);
                if !has_room(queue, &notice) || queue.try_send(notice.clone()).is_err() {
                    self.waiting.fetch_sub(1, Ordering::Relaxed);
                    self.services.engines.metrics.monitor.notified(name, Notified::Dropped, 1);
                }
            }
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Tells one, in the order in which things happened: what is newer waits until what is older was told, or given up.
    async fn tell_all(self, name: Name, mut waiting: Receiver<Notice>) {
        let mut notices = Vec::with_capacity(AT_ONCE);
        while waiting.recv_many(&mut notices, AT_ONCE).await > 0 {
            let told = tell(&self.services, &name, &notices).await;
            let result = if told { Notified::Told } else { Notified::Dropped };
            self.services.engines.metrics.monitor.notified(&name, result, notices.len());
            self.waiting.fetch_sub(notices.len(), Ordering::Relaxed);
            notices.clear();
        }
    }
}

async fn tell(services: &Services, name: &Name, notices: &[Notice]) -> bool {
    let mut tries = AGAIN_AFTER.into_iter();
    loop {
        // By a reload it may be gone, or be somewhere else.
        let Some(notifier) = find(services, name) else { return false };
        let Err(fault) = notifier.tell(notices).await else { return true };
        services.engines.metrics.monitor.notified(name, Notified::Failed, notices.len());
        // That an alert goes on is told again soon enough.
        let is_worth_it = notices.iter().any(|notice| notice.change != Change::Held);
        let Some(after) = tries.next().filter(|_| is_worth_it) else {
            log::error!(notifier = name.as_str(); "alerts could not be told: {fault}");
            return false;
        };
        log::warn!(notifier = name.as_str(); "alerts could not be told, and are told again: {fault}");
        tokio::time::sleep(after).await;
    }
}

fn find(services: &Services, name: &Name) -> Option<Arc<Notifier>> {
    services.snapshot().notifiers.iter().find(|notifier| notifier.name == *name).cloned()
}
