//! The metrics of the audit log's sinks.

use prometheus::{GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::metrics::Declare;
use crate::domain::Name;

/// Those of all sinks, by name.
#[derive(Debug)]
pub(super) struct AllSinks {
    sent: IntCounterVec,
    errors: IntCounterVec,
    skipped: IntCounterVec,
    lag_records: IntGaugeVec,
    lag_seconds: GaugeVec,
}

/// The metrics of one sink, found once; cheap to clone.
#[derive(Debug, Clone)]
pub struct SinkMetrics {
    /// `claviger_sink_sent_total{sink}`: records that its receiver has.
    pub sent: IntCounter,
    /// `claviger_sink_errors_total{sink}`: deliveries that failed, each of which is tried again.
    pub errors: IntCounter,
    /// `claviger_sink_skipped_total{sink}`: records that its receiver will never have.
    pub skipped: IntCounter,
    /// `claviger_sink_lag_records{sink}`: records that its receiver has not yet.
    pub lag_records: IntGauge,
    /// `claviger_sink_lag_seconds{sink}`: the age of the oldest of those that were tried to be sent.
    pub lag_seconds: prometheus::Gauge,
}

impl AllSinks {
    pub(super) fn declare(declare: &Declare) -> prometheus::Result<Self> {
        let by = &["sink"];
        Ok(Self {
            sent: declare.counters("sink_sent_total", "Audit records that a sink's receiver has", by)?,
            errors: declare.counters(
                "sink_errors_total",
                "Deliveries of a sink that failed and are tried again",
                by,
            )?,
            skipped: declare.counters(
                "sink_skipped_total",
                "Audit records that a sink's receiver will never have",
                by,
            )?,
            lag_records: declare.gauges("sink_lag_records", "Audit records that a sink's receiver has not yet", by)?,
            lag_seconds: declare.numbers(
                "sink_lag_seconds",
                "Age of the oldest record that a sink cannot deliver",
                by,
            )?,
        })
    }

    pub(super) fn of(&self, sink: &Name) -> SinkMetrics {
        let sink = &[sink.as_str()];
        SinkMetrics {
            sent: self.sent.with_label_values(sink),
            errors: self.errors.with_label_values(sink),
            skipped: self.skipped.with_label_values(sink),
            lag_records: self.lag_records.with_label_values(sink),
            lag_seconds: self.lag_seconds.with_label_values(sink),
        }
    }

    /// Shows nothing more of a sink that is no more.
    pub(super) fn forget(&self, sink: &Name) {
        let sink = &[sink.as_str()];
        // What was never shown need not be forgotten.
        let _ = self.lag_records.remove_label_values(sink);
        let _ = self.lag_seconds.remove_label_values(sink);
    }
}
