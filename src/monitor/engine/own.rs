//! What no exchange tells of: how the gateway's own parts stand, and what people did.

use std::time::{Duration, SystemTime};

use super::{BACK, Engine, RECORD_BACK};
use crate::audit::{Act, Deed, RotationDeed, Skipped};
use crate::domain::{AccessDeed, Name};
use crate::monitor::alert::{Alert, Evidence, Notice, Subject};
use crate::monitor::detection::Detection;
use crate::monitor::seen::seconds;

/// How things stand that no record tells of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Whether the audit log takes no records.
    pub is_audit_stopped: bool,
    /// Exchanges without a record since this was last told.
    pub unrecorded: u64,
    /// Secrets that cannot be had.
    pub secrets: Vec<String>,
    /// Credentials whose secret is older than it should become.
    pub overdue: Vec<Name>,
    /// Records that were not looked at since this was last told.
    pub shed: u64,
    /// Ends of access that wait since they could not be written, and those that were given up since this was last told.
    pub unended: (u64, u64),
    /// Who is behind with audit records.
    pub behind: Vec<Behind>,
}

/// A receiver of audit records that has not all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// `sink NAME`, or `anchor`.
    pub of: String,
    /// For how long the oldest has waited.
    pub waits: Duration,
    /// How long one may; none where it waits for as long as it takes.
    pub most: Option<Duration>,
}

impl Engine {
    /// Takes how things stand that no record tells of.
    pub fn note(&mut self, health: &Health, now: SystemTime) -> Vec<Notice> {
        self.advance(seconds(now), BACK);
        if health.is_audit_stopped || health.unrecorded > 0 {
            let stopped = f64::from(u8::from(health.is_audit_stopped));
            self.part(
                Detection::AuditTrouble,
                "audit",
                &[("stopped", stopped), ("unrecorded", health.unrecorded as f64)],
            );
        }
        if health.shed > 0 {
            self.part(Detection::MonitorBehind, "monitor", &[("not_looked_at", health.shed as f64)]);
        }
        let (waiting, given_up) = health.unended;
        if waiting + given_up > 0 {
            let numbers = [("waiting", waiting as f64), ("given_up", given_up as f64)];
            self.part(Detection::MonitorBehind, "endings", &numbers);
        }
        health.behind.iter().for_each(|one| self.behind(one));
        for secret in &health.secrets {
            self.named(Detection::VaultTrouble, secret);
        }
        for credential in &health.overdue {
            self.named(Detection::SecretOverdue, credential.as_str());
        }
        self.board.take_notices()
    }

    pub(super) fn act(&mut self, act: &Act) {
        self.advance(seconds(act.time), RECORD_BACK);
        match act.deed {
            Deed::Access(AccessDeed::BrokeGlass) => {
                let who = act.of.to_string();
                let key = self.keys.of(&[b"name", who.as_bytes()]);
                self.tell_of(Detection::BreakGlass, key, Evidence::default(), Subject::Requester(who));
            }
            Deed::Rotation(RotationDeed::RolledBack | RotationDeed::Failed | RotationDeed::NotRetired) => {
                self.named(Detection::RotationFailed, &act.of.to_string());
            }
            Deed::Access(_) | Deed::Rotation(_) | Deed::Revoked | Deed::Lifted | Deed::Erased => {}
        }
    }

    fn behind(&mut self, Behind { of, waits, most }: &Behind) {
        let away = self.settings.rule(Detection::ReceiverAway).window;
        let share = self.settings.rule(Detection::RecordsUndelivered).share;
        if *waits >= away {
            let evidence = Evidence::new(&[("seconds", waits.as_secs_f64()), ("window", away.as_secs_f64())]);
            self.about(Detection::ReceiverAway, of, evidence);
        }
        let Some(most) = most.filter(|most| *waits >= *most * share / 100) else { return };
        let evidence = Evidence::new(&[("seconds", waits.as_secs_f64()), ("max_age", most.as_secs_f64())]);
        self.about(Detection::RecordsUndelivered, of, evidence);
    }

    fn named(&mut self, detection: Detection, name: &str) {
        self.about(detection, name, Evidence::default());
    }

    fn about(&mut self, detection: Detection, name: &str, evidence: Evidence) {
        let key = self.keys.of(&[b"name", name.as_bytes()]);
        self.tell_of(detection, key, evidence, Subject::Named(name.to_owned()));
    }

    pub(super) fn part(&mut self, detection: Detection, part: &'static str, numbers: &[(&'static str, f64)]) {
        let key = self.keys.of(&[b"part", part.as_bytes()]);
        self.tell_of(detection, key, Evidence::new(numbers), Subject::Part(part));
    }

    /// Takes it that records were left out for a receiver.
    pub(super) fn skipped(&mut self, skipped: &Skipped) {
        self.advance(seconds(skipped.time), RECORD_BACK);
        let evidence = Evidence::new(&[("left_out", skipped.count as f64)]);
        self.about(Detection::RecordsUndelivered, &format!("sink {}", skipped.sink), evidence);
    }

    /// Tells what no record of an exchange gave evidence of.
    fn tell_of(&mut self, detection: Detection, key: u64, evidence: Evidence, subject: Subject) {
        let rule = self.settings.rule(detection);
        if !rule.is_on || self.board.hold((detection, key), evidence, rule, || None, self.now) {
            return;
        }
        // For saying that there is none, there is room.
        if detection != Detection::MonitorBehind && !self.board.has_room(&subject, rule.severity) {
            return;
        }
        let alert = Alert::raised(detection, rule.severity, (subject, None), evidence, self.now);
        self.board.raise(key, alert, rule, self.now);
    }
}
