//! What the monitor counts.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use crate::domain::Name;

use super::metrics::Declare;

/// The metrics of the monitor and of those whom it tells; cheap to clone.
#[derive(Debug, Clone)]
pub struct MonitorMetrics {
    /// `claviger_monitor_records_total`: records looked at.
    pub records: IntCounter,
    /// `claviger_monitor_principals`: principals known.
    pub principals: IntGauge,
    /// `claviger_monitor_evicted`: how often something had to be forgotten for what is more active.
    pub evicted: IntGauge,
    /// `claviger_monitor_endings_refused`: ends of access that could not be written, and that are tried again.
    pub refused: IntGauge,
    /// `claviger_monitor_endings_given_up_total`: those that are not tried any more.
    pub given_up: IntCounter,
    /// `claviger_monitor_state_age_seconds`: how long ago what is usual was written to its file; zero where it is not kept.
    pub state_age: IntGauge,
    alerts_total: IntCounterVec,
    alerts: IntGaugeVec,
    notifications: IntCounterVec,
}

/// What came of telling somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notified {
    /// It was taken.
    Told,
    /// It was not, and is tried again.
    Failed,
    /// It was not, for good.
    Dropped,
}

impl MonitorMetrics {
    pub(super) fn declare(declare: &Declare) -> prometheus::Result<Self> {
        Ok(Self {
            records: declare.counter("monitor_records_total", "Records that the monitor looked at")?,
            principals: declare.gauge("monitor_principals", "Principals that the monitor knows")?,
            evicted: declare.gauge("monitor_evicted", "How often the monitor forgot one for who is more active")?,
            refused: declare.gauge(
                "monitor_endings_refused",
                "Ends of access that an alert asked for and that could not be written, which are tried again",
            )?,
            given_up: declare.counter(
                "monitor_endings_given_up_total",
                "Ends of access that an alert asked for and that are not tried any more",
            )?,
            state_age: declare.gauge(
                "monitor_state_age_seconds",
                "How long ago what is usual was written to its file, which is done every ten minutes; 0 where it is not kept",
            )?,
            alerts_total: declare.counters("alerts_total", "Alerts raised", &["detection", "severity"])?,
            alerts: declare.gauges("alerts", "Alerts that go on", &["severity"])?,
            notifications: declare.counters(
                "notifications_total",
                "What came of telling somebody of alerts",
                &["notifier", "result"],
            )?,
        })
    }

    /// Counts an alert that was raised, by words of closed sets: `claviger_alerts_total{detection,severity}`.
    pub fn raised(&self, detection: &'static str, severity: &'static str) {
        self.alerts_total.with_label_values(&[detection, severity]).inc();
    }

    /// Says how many alerts of a severity go on: `claviger_alerts{severity}`.
    pub fn active(&self, severity: &'static str, count: usize) {
        self.alerts.with_label_values(&[severity]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Has a series for each detection, so that none begins with its first alert.
    pub fn detections(&self, all: impl Iterator<Item = (&'static str, &'static str)>) {
        all.for_each(|(detection, severity)| drop(self.alerts_total.with_label_values(&[detection, severity])));
    }

    /// Has the series of somebody who is told.
    pub fn notifier(&self, name: &Name) {
        for result in [Notified::Told, Notified::Failed, Notified::Dropped] {
            self.notifications.with_label_values(&[name.as_str(), result.text()]);
        }
    }

    /// Counts what came of telling somebody: `claviger_notifications_total{notifier,result}`.
    pub fn notified(&self, name: &Name, result: Notified, count: usize) {
        self.notifications.with_label_values(&[name.as_str(), result.text()]).inc_by(count as u64);
    }
}

impl Notified {
    fn text(self) -> &'static str {
        match self {
            Self::Told => "told",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}
