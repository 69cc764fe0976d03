//! The thread that looks at records, and does what alerts ask for.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc::Receiver;
use tokio::time::MissedTickBehavior;

use super::notify::Notify;
use crate::audit::{AlertRecord, Entry};
use crate::crypto;
use crate::domain::steady;
use crate::monitor::{Action, Alert, Change, Engine, Health, Notice, SPECS, Settings, Severity, Shown};
use crate::session::{Revocation, Revoked};
use crate::state::Services;

/// How many batches of records may wait. What does not fit is not looked at, and said so.
const BATCHES: usize = 64;
/// How often what is over is cleared, and health looked at.
const SETTLE_EVERY: Duration = Duration::from_secs(1);

/// Starts the thread; it ends with the process.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn watch(services: &Arc<Services>) -> std::io::Result<()> {
    let Some(batches) = services.audit.watch(BATCHES) else { return Ok(()) };
    let services = Arc::clone(services);
    let notify = Notify::start(&services)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let watch = move || runtime.block_on(Watcher::new(&services, notify).run(batches));
    thread::Builder::new().name("monitor".to_owned()).spawn(watch).map(drop)
}

struct Watcher<'a> {
    services: &'a Services,
    notify: Notify,
    settings: Arc<Settings>,
    engine: Engine,
    /// How many records were not looked at, and exchanges had none, when that was last told.
    told: (u64, u64),
}

impl<'a> Watcher<'a> {
    fn new(services: &'a Services, notify: Notify) -> Self {
        let settings = Arc::clone(&services.snapshot().monitor);
        let engine = Engine::new(Arc::clone(&settings), &crypto::random());
        let rules = SPECS.iter().map(|spec| (spec.name, settings.rule(spec.detection).severity.text()));
        services.engines.metrics.monitor.detections(rules);
        Self { services, notify, settings, engine, told: (0, 0) }
    }

    async fn run(mut self, mut batches: Receiver<Vec<Entry>>) {
        let mut every = tokio::time::interval(SETTLE_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                batch = batches.recv() => match batch {
                    Some(batch) => self.look(&batch),
                    None => return,
                },
                _ = every.tick() => self.settle(),
            }
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
            let health = self.health();
            let notices = self.engine.note(&health, SystemTime::now());
            self.tell(notices);
        }
        let notices = self.engine.settle(SystemTime::now());
        self.tell(notices);
        self.show();
    }

    fn health(&mut self) -> Health {
        let Services { engines, audit, .. } = self.services;
        let counted = (engines.metrics.audit.unwatched.get(), engines.metrics.audit.unrecorded.get());
        let before = std::mem::replace(&mut self.told, counted);
        let unusable = engines.vaults.status().into_iter().filter(|slot| !slot.usable);
        let rotations = &self.services.snapshot().rotations;
        let status = rotations.iter().map(|one| one.rotation.status());
        Health {
            is_audit_stopped: !audit.accepts(),
            unrecorded: counted.1 - before.1,
            secrets: unusable.map(|slot| slot.name.to_string()).collect(),
            overdue: status.filter(|one| one.is_overdue).map(|one| one.credential.clone()).collect(),
            shed: counted.0 - before.0,
        }
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

    /// Does what the alert asks for, and writes down both.
    fn record(&self, notice: &Notice) {
        let alert = &notice.alert;
        let (name, severity) = (alert.detection.name(), alert.severity.text());
        match notice.change {
            Change::Raised => {
                self.services.engines.metrics.monitor.raised(name, severity);
                log::warn!(detection = name, severity, subject:% = alert.subject; "an alert is raised: {}", alert.evidence.text());
            }
            Change::Held => {
                log::warn!(detection = name, severity, subject:% = alert.subject; "it goes on: access is ended again")
            }
            Change::Cleared => log::info!(detection = name, subject:% = alert.subject; "an alert is over"),
        }
        let action = if notice.acts { self.act(alert) } else { None };
        if self.services.is_draining() && !self.services.audit.accepts() {
            // It is closed: the process ends.
            return;
        }
        self.services.audit.submit(AlertRecord {
            time: SystemTime::now(),
            id: alert.id.to_string(),
            act: notice.change.text(),
            detection: name,
            severity,
            of: alert.subject.phrase(),
            evidence: alert.evidence.json().to_string(),
            times: alert.times,
            since: alert.since,
            action,
            records: alert.records.clone(),
        });
    }

    /// Ends somebody's access, where the detection is configured so; tells what was done, or that it could not be.
    fn act(&self, alert: &Alert) -> Option<&'static str> {
        let rule = self.settings.rule(alert.detection);
        let actor = alert.actor.as_ref();
        let whom = match rule.action {
            Action::None => return None,
            Action::FreezeSession => actor.and_then(|actor| actor.session).map(Revoked::Session),
            Action::FreezePrincipal => {
                actor.map(|actor| Revoked::Principal(actor.authenticator.clone(), actor.id.clone()))
            }
        };
        let Some(whom) = whom else {
            log::error!(detection = alert.detection.name(); "there is no session to freeze");
            return Some(NOT_FROZEN);
        };
        // Whom it ends is said already: a reason that names nobody may be told anywhere.
        let reason = format!("{}: {}", alert.detection.name(), alert.evidence.text());
        let by = format!("monitor:{}", alert.id);
        let one = Revocation::new(whom, reason, by, steady(SystemTime::now()), Some(rule.freeze));
        match self.services.engines.authenticators.sessions().revoke(&one) {
            Ok(true) => Some(rule.action.text()),
            Ok(false) => Some(ALREADY_FROZEN),
            Err(fault) => {
                log::error!(of:% = one.of; "access was to be frozen and is not: {fault}");
                Some(NOT_FROZEN)
            }
        }
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

/// What a record says where access was to be ended and could not be.
const NOT_FROZEN: &str = "not_frozen";
/// What a record says where it had ended already, for as long.
const ALREADY_FROZEN: &str = "already_frozen";
