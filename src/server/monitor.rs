//! The thread that looks at records, and does what alerts ask for.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::MissedTickBehavior;

use super::freezer::{self, Ending, Freezer};
use super::habits::Habits;
use super::health::Told;
use super::notify::Notify;
use crate::audit::{AlertRecord, Entry};
use crate::domain::steady;
use crate::monitor::{Action, Alert, Change, Engine, Notice, SPECS, Settings, Severity, Shown};
use crate::net::give_way;
use crate::session::{Revocation, Revoked};
use crate::state::Services;

/// How many batches of records may wait. What does not fit is not looked at, and said so.
const BATCHES: usize = 64;
/// How often what is over is cleared, and health looked at.
const SETTLE_EVERY: Duration = Duration::from_secs(1);
/// How long what alerts ask for, and telling that they are over, may take when the process ends.
const STOP: Duration = Duration::from_secs(2);

/// The monitor, for whoever ends the process.
pub(super) struct Monitor {
    stop: Sender<SyncSender<()>>,
}

impl Monitor {
    /// Has every alert that goes on cleared and told, since nobody holds it any more; once.
    pub(super) fn stop(&self) {
        let (done, is_done) = sync_channel(1);
        if self.stop.try_send(done).is_ok() && is_done.recv_timeout(4 * STOP).is_err() {
            log::error!("the process ends before all alerts were told to be over, or before what is usual was written");
        }
    }
}

/// Starts the thread; it ends with the process.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn watch(services: &Arc<Services>, learnt: (Engine, Habits)) -> std::io::Result<Arc<Monitor>> {
    let (stop, stopped) = channel(1);
    let monitor = Arc::new(Monitor { stop });
    let Some(batches) = services.audit.watch(BATCHES) else { return Ok(monitor) };
    let services = Arc::clone(services);
    let (notify, freezer) = (Notify::start(&services)?, Freezer::start(&services)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let watch = move || {
        // No request waits for it, and it says so where it cannot keep up.
        give_way();
        runtime.block_on(Watcher::new(&services, learnt, (notify, freezer)).run(batches, stopped));
    };
    thread::Builder::new().name("monitor".to_owned()).spawn(watch)?;
    Ok(monitor)
}

struct Watcher<'a> {
    services: &'a Services,
    notify: Notify,
    freezer: Freezer,
    settings: Arc<Settings>,
    engine: Engine,
    habits: Habits,
    told: Told,
}

impl<'a> Watcher<'a> {
    fn new(services: &'a Services, (engine, habits): (Engine, Habits), (notify, freezer): (Notify, Freezer)) -> Self {
        let settings = Arc::clone(&services.snapshot().monitor);
        let rules = SPECS.iter().map(|spec| (spec.name, settings.rule(spec.detection).severity.text()));
        services.engines.metrics.monitor.detections(rules);
        Self { services, notify, freezer, settings, engine, habits, told: Told::default() }
    }

    async fn run(mut self, mut batches: Receiver<Vec<Entry>>, mut stopped: Receiver<SyncSender<()>>) {
        let mut every = tokio::time::interval(SETTLE_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                batch = batches.recv() => match batch {
                    Some(batch) => self.look(&batch),
                    None => return,
                },
                _ = every.tick() => self.settle(),
                Some(done) = stopped.recv() => {
                    while let Ok(batch) = batches.try_recv() {
                        self.look(&batch);
                    }
                    self.stop();
                    // Where this fails nobody waits any more.
                    let _ = done.try_send(());
                    return;
                }
            }
        }
    }

    fn stop(&mut self) {
        let notices = self.engine.stop(SystemTime::now());
        self.tell(notices);
        self.freezer.finish(STOP);
        self.notify.finish(STOP);
        if self.settings.is_enabled {
            self.habits.finish(&self.engine, self.settings.state.as_deref(), STOP);
        }
    }

    fn look(&mut self, batch: &[Entry]) {
        if !self.settings.is_enabled {
            return;
        }
        for entry in batch {
            let notices = self.engine.observe(entry);
            self.tell(notices);
        }
        self.services.engines.metrics.monitor.records.inc_by(batch.len() as u64);
    }

    fn settle(&mut self) {
        let snapshot = self.services.snapshot();
        if !Arc::ptr_eq(&snapshot.monitor, &self.settings) {
            self.settings = Arc::clone(&snapshot.monitor);
            self.engine.follow(Arc::clone(&self.settings));
        }
        // On the way out the log takes nothing more, and that is as it should be.
        if self.settings.is_enabled && !self.services.is_draining() {
            let health = self.told.health(self.services);
            let notices = self.engine.note(&health, SystemTime::now());
            self.tell(notices);
        }
        let notices = self.engine.settle(SystemTime::now());
        self.tell(notices);
        if self.settings.is_enabled {
            self.habits.keep(&self.engine, self.settings.state.as_deref(), self.services.is_draining());
        }
        self.show();
    }

    fn tell(&mut self, notices: Vec<Notice>) {
        if notices.is_empty() {
            return;
        }
        for notice in notices {
            if notice.acts || notice.change != Change::Held {
                self.record(&notice);
            }
            self.notify.tell(notice);
        }
        self.show();
    }

    /// Writes it down, and has done what the alert asks for.
    fn record(&self, notice: &Notice) {
        let alert = &notice.alert;
        self.log(notice);
        let record = AlertRecord {
            time: SystemTime::now(),
            id: alert.id.to_string(),
            act: notice.change.text(),
            detection: alert.detection.name(),
            severity: alert.severity.text(),
            of: alert.subject.phrase(),
            evidence: alert.evidence.json().to_string(),
            times: alert.times,
            since: alert.since,
            action: alert.is_cut_short.then_some(STOPPED),
            records: alert.records.clone(),
        };
        let action = &self.settings.rule(alert.detection).action;
        if !notice.acts || *action == Action::None {
            return freezer::submit(self.services, record);
        }
        match self.ending(alert) {
            Some(one) => self.freezer.end(Ending { one, done: action.text(), record }),
            None => {
                log::error!(detection = alert.detection.name(); "there is no session to freeze");
                freezer::submit(self.services, AlertRecord { action: Some(freezer::NOT_FROZEN), ..record });
            }
        }
    }

    fn log(&self, Notice { change, alert, .. }: &Notice) {
        let (name, severity) = (alert.detection.name(), alert.severity.text());
        match change {
            Change::Raised => {
                self.services.engines.metrics.monitor.raised(name, severity);
                let text = alert.evidence.text();
                let colon = if text.is_empty() { "" } else { ": " };
                log::warn!(detection = name, severity, subject:% = alert.subject; "an alert is raised{colon}{text}");
            }
            Change::Held => {
                log::warn!(detection = name, severity, subject:% = alert.subject; "it goes on: access is ended again")
            }
            Change::Cleared if alert.is_cut_short => {
                log::info!(detection = name, subject:% = alert.subject; "an alert is left: nobody watches it any more");
            }
            Change::Cleared => log::info!(detection = name, subject:% = alert.subject; "an alert is over"),
        }
    }

    /// The end of somebody's access that the detection is configured to ask for.
    fn ending(&self, alert: &Alert) -> Option<Revocation> {
        let rule = self.settings.rule(alert.detection);
        let actor = alert.actor.as_ref()?;
        let principal = || Revoked::Principal(actor.authenticator.clone(), actor.id.clone());
        let (whom, lasts, approval) = match &rule.action {
            Action::None => return None,
            Action::FreezeSession => (Revoked::Session(actor.session?), Some(rule.freeze), None),
            Action::FreezePrincipal => (principal(), Some(rule.freeze), None),
            Action::RequireApproval { approval, lapse } => (principal(), *lapse, Some(approval)),
        };
        // Whom it ends is said already: a reason that names nobody may be told anywhere.
        let reason = format!("{}: {}", alert.detection.name(), alert.evidence.text());
        let by = format!("monitor:{}", alert.id);
        let one = Revocation::new(whom, reason, by, steady(SystemTime::now()), lasts);
        Some(match approval {
            Some(name) => one.waits_for(name.clone()),
            None => one,
        })
    }

    fn show(&self) {
        let metrics = &self.services.engines.metrics.monitor;
        for severity in [Severity::Info, Severity::Warning, Severity::Critical] {
            metrics.active(severity.text(), self.engine.count(severity));
        }
        let size = self.engine.size();
        metrics.principals.set(i64::try_from(size.principals).unwrap_or(i64::MAX));
        metrics.evicted.set(i64::try_from(size.evicted).unwrap_or(i64::MAX));
        let (active, over) = self.engine.alerts();
        self.services.alerts.store(Arc::new(Shown { active, over }));
    }
}

/// What a record says of an alert that is over because the process is.
const STOPPED: &str = "gateway_stopped";
