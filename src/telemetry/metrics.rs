//! Every metric there is, declared once. Names begin with `claviger_`, times are in seconds, sizes in bytes.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use crate::domain::{Denial, Name};

use super::labels::{
    Availability, ConnectionRefusal, Decoy, IngressTimeout, InspectionVerdict, Labelled, LockoutBy, Outcome, Phase,
    ReloadResult, SpanResult, UpstreamFault,
};
use super::limits::LimitMetrics;
use super::monitor::MonitorMetrics;
use super::sinks::{AllSinks, SinkMetrics};
use super::vaults::VaultMetrics;

/// The process's metrics. Label values are names from the configuration, denial codes or one of the closed sets of this module.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    shadowed: IntCounterVec,
    request_seconds: HistogramVec,
    denials: IntCounterVec,
    upstream_errors: IntCounterVec,
    backends: IntGaugeVec,
    /// `claviger_phase_seconds{phase}`.
    pub phase_seconds: Labelled<Phase, Histogram>,
    /// `claviger_in_flight`: exchanges under way.
    pub in_flight: IntGauge,
    /// `claviger_connections`: open client connections.
    pub connections: IntGauge,
    /// `claviger_connections_refused_total{reason}`.
    pub connections_refused: Labelled<ConnectionRefusal, IntCounter>,
    /// `claviger_ingress_timeouts_total{kind}`.
    pub ingress_timeouts: Labelled<IngressTimeout, IntCounter>,
    /// `claviger_lockouts_total{by}`: lock-outs that began.
    pub lockouts_total: Labelled<LockoutBy, IntCounter>,
    /// `claviger_lockouts{by}`: lock-outs that go on.
    pub lockouts: Labelled<LockoutBy, IntGauge>,
    /// `claviger_parser_refusals_total`: requests so malformed that they never became an exchange.
    pub parser_refusals: IntCounter,
    /// `claviger_config_number`: the number of the configuration in use.
    pub config_number: IntGauge,
    /// `claviger_reloads_total{result}`.
    pub reloads: Labelled<ReloadResult, IntCounter>,
    /// `claviger_secrets{state}`: secrets in use, by whether they can be had.
    pub secrets: Labelled<Availability, IntGauge>,
    /// `claviger_revocations`: revocations in force.
    pub revocations: IntGauge,
    /// `claviger_revocation_cut_seconds`: from the command that revoked to the end of an exchange that it cut.
    pub cut_seconds: Histogram,
    /// `claviger_grants`: grants in force.
    pub grants: IntGauge,
    /// `claviger_cluster_reached`: 1 while the other nodes can be reached.
    pub cluster_reached: IntGauge,
    /// `claviger_cluster_silence_seconds`: how long nothing was heard of the other nodes.
    pub cluster_silence: prometheus::Gauge,
    /// `claviger_broken_glass_total`: grants that somebody took without approval.
    pub broken_glass: IntCounter,
    /// `claviger_inspections_total{verdict}`: requests that were looked through.
    pub inspections: Labelled<InspectionVerdict, IntCounter>,
    inspection_findings: IntCounterVec,
    /// `claviger_canary_uses_total{kind}`: uses of decoys, each of which somebody should look at.
    pub canary_uses: Labelled<Decoy, IntCounter>,
    /// `claviger_reflections_total`: exchanges whose response repeated a secret that the request was sent with.
    pub reflections: IntCounter,
    /// `claviger_webhook_failures_total`: events that the webhook of access requests was not told.
    pub webhook_failures: IntCounter,
    leaks: IntCounterVec,
    secret_age: prometheus::GaugeVec,
    secret_overdue: IntGaugeVec,
    rotations: IntCounterVec,
    not_taken: IntCounterVec,
    /// What the audit log counts.
    pub audit: AuditMetrics,
    sinks: AllSinks,
    /// What is known of the secrets of each vault.
    pub vaults: VaultMetrics,
    limited: IntCounterVec,
    /// `claviger_spans_total{result}`: spans of exchanges that are sampled.
    pub spans: Labelled<SpanResult, IntCounter>,
    /// `claviger_sessions`: sessions that are not over.
    pub sessions: IntGauge,
    /// What the monitor counts.
    pub monitor: MonitorMetrics,
}

/// The metrics of the audit log; cheap to clone.
#[derive(Debug, Clone)]
pub struct AuditMetrics {
    /// `claviger_audit_records_total`: records written.
    pub records: IntCounter,
    /// `claviger_audit_queue`: records not written yet.
    pub queue: IntGauge,
    /// `claviger_audit_errors_total`: failed writes, each of which is tried again.
    pub errors: IntCounter,
    /// `claviger_audit_unrecorded_total`: exchanges without a record of their own; a `lost` record tells their number.
    pub unrecorded: IntCounter,
    /// `claviger_audit_unwatched_total`: records that were written and that the monitor had no room for.
    pub unwatched: IntCounter,
    /// `claviger_audit_anchor_errors_total`: checkpoints that could not be written to the anchor, each of which is tried again.
    pub anchor_errors: IntCounter,
    /// `claviger_audit_anchor_conflicts_total`: checkpoints whose place in the anchor holds something else.
    pub anchor_conflicts: IntCounter,
    /// `claviger_audit_displaced_total`: times that somebody else had moved, copied, cut or replaced the log's file.
    pub displaced: IntCounter,
    /// `claviger_audit_checkpoints_total`: checkpoints written.
    pub checkpoints: IntCounter,
}

/// The metrics of one route, found once; cheap to clone.
#[derive(Debug, Clone)]
pub struct RouteMetrics {
    /// `claviger_requests_total{route,outcome}`.
    pub requests: Labelled<Outcome, IntCounter>,
    /// `claviger_shadowed_total{route}`: exchanges that its rules would have denied if they were enforced.
    pub shadowed: IntCounter,
    /// `claviger_request_seconds{route}`: from the head to the end of the response.
    pub seconds: Histogram,
}

/// The metrics of one target, found once; cheap to clone.
#[derive(Debug, Clone)]
pub struct TargetMetrics {
    /// `claviger_upstream_errors_total{target,kind}`.
    pub errors: Labelled<UpstreamFault, IntCounter>,
}

/// What requests take: from half a millisecond, which is a proxied one on a local network, to half a minute.
const REQUEST_BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];
/// What phases take: from a look into a cache to a slow upstream.
const PHASE_BUCKETS: [f64; 10] = [0.000_001, 0.000_01, 0.000_1, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0];

impl Metrics {
    /// Declares every metric in a registry of its own.
    ///
    /// # Errors
    /// Those of `prometheus`, for a name that is declared twice or malformed; not after it has once worked.
    pub fn new() -> prometheus::Result<Self> {
        let declare = Declare(Registry::new());
        let phases =
            declare.histograms("phase_seconds", "Time of one phase of an exchange", "phase", &PHASE_BUCKETS)?;
        let refused = declare.counters("connections_refused_total", "Connections closed at accept", &["reason"])?;
        let timeouts = declare.counters("ingress_timeouts_total", "Clients that were too slow", &["kind"])?;
        let reloads = declare.counters("reloads_total", "Reloads of the configuration", &["result"])?;
        let begun = declare.counters("lockouts_total", "Lock-outs that began after wrong credentials", &["by"])?;
        let going_on = declare.gauges("lockouts", "Lock-outs that go on", &["by"])?;
        let canaries = declare.counters("canary_uses_total", "Uses of decoys", &["kind"])?;
        let spans = declare.counters("spans_total", "Spans of exchanges that are sampled", &["result"])?;
        let secrets = declare.gauges("secrets", "Secrets in use", &["state"])?;
        let inspections = declare.counters("inspections_total", "Requests that were looked through", &["verdict"])?;
        Ok(Self {
            requests: declare.counters("requests_total", "Exchanges that ended", &["route", "outcome"])?,
            shadowed: declare.counters("shadowed_total", "Exchanges that rules in shadow would deny", &["route"])?,
            request_seconds: declare.histograms("request_seconds", "Time of an exchange", "route", &REQUEST_BUCKETS)?,
            denials: declare.counters("denials_total", "Exchanges refused, by the code clients see", &["code"])?,
            upstream_errors: declare.counters("upstream_errors_total", "Failures of upstreams", &["target", "kind"])?,
            backends: declare.gauges("backends", "Addresses of a target", &["target", "state"])?,
            phase_seconds: Labelled::new(|phase| phases.with_label_values(&[phase])),
            in_flight: declare.gauge("in_flight", "Exchanges under way")?,
            connections: declare.gauge("connections", "Open client connections")?,
            connections_refused: Labelled::new(|reason| refused.with_label_values(&[reason])),
            ingress_timeouts: Labelled::new(|kind| timeouts.with_label_values(&[kind])),
            lockouts_total: Labelled::new(|by| begun.with_label_values(&[by])),
            lockouts: Labelled::new(|by| going_on.with_label_values(&[by])),
            parser_refusals: declare
                .counter("parser_refusals_total", "Requests refused before any rule could be asked")?,
            config_number: declare.gauge("config_number", "Number of the configuration in use")?,
            reloads: Labelled::new(|result| reloads.with_label_values(&[result])),
            secrets: Labelled::new(|state| secrets.with_label_values(&[state])),
            revocations: declare.gauge("revocations", "Revocations in force")?,
            grants: declare.gauge("grants", "Grants in force")?,
            cluster_reached: declare.gauge("cluster_reached", "1 while the other nodes can be reached")?,
            cluster_silence: declare
                .number("cluster_silence_seconds", "How long nothing was heard of the other nodes")?,
            inspections: Labelled::new(|verdict| inspections.with_label_values(&[verdict])),
            inspection_findings: declare.counters(
                "inspection_findings_total",
                "Requests in which an attack was found",
                &["class"],
            )?,
            canary_uses: Labelled::new(|kind| canaries.with_label_values(&[kind])),
            reflections: declare.counter("reflections_total", "Exchanges whose response repeated a secret")?,
            leaks: declare.counters("leaks_total", "What responses held that must not leave", &["kind", "action"])?,
            webhook_failures: declare.counter("webhook_failures_total", "Events that the webhook was not told")?,
            broken_glass: declare.counter("broken_glass_total", "Grants that were taken without approval")?,
            cut_seconds: declare.histogram(
                "revocation_cut_seconds",
                "Time from a revocation to the end of an exchange that it cut",
                &PHASE_BUCKETS,
            )?,
            secret_age: declare.numbers("secret_age_seconds", "Age of a secret that is replaced", &["credential"])?,
            secret_overdue: declare.gauges("secret_overdue", "1 while a secret is too old", &["credential"])?,
            rotations: declare.counters("rotations_total", "Secrets replaced, or not", &["credential", "result"])?,
            not_taken: declare.counters("credentials_refused_total", "Exchanges answered 401", &["credential"])?,
            audit: AuditMetrics::declare(&declare)?,
            sinks: AllSinks::declare(&declare)?,
            vaults: VaultMetrics::declare(&declare)?,
            limited: declare.counters("limited_total", "Requests refused by a limit", &["limit", "kind"])?,
            spans: Labelled::new(|result| spans.with_label_values(&[result])),
            sessions: declare.gauge("sessions", "Sessions that are not over")?,
            monitor: MonitorMetrics::declare(&declare)?,
            registry: declare.0,
        })
    }

    /// The metrics of a route, for its compiled form to keep.
    pub fn route(&self, route: &Name) -> RouteMetrics {
        let route = route.as_str();
        RouteMetrics {
            requests: Labelled::new(|outcome| self.requests.with_label_values(&[route, outcome])),
            shadowed: self.shadowed.with_label_values(&[route]),
            seconds: self.request_seconds.with_label_values(&[route]),
        }
    }

    /// The metrics of a target, for its compiled form to keep.
    pub fn target(&self, target: &Name) -> TargetMetrics {
        let target = target.as_str();
        TargetMetrics { errors: Labelled::new(|kind| self.upstream_errors.with_label_values(&[target, kind])) }
    }

    /// The metrics of a sink, for it to keep.
    pub fn sink(&self, sink: &Name) -> SinkMetrics {
        self.sinks.of(sink)
    }

    /// Shows no lag any more of a sink that is no more.
    pub fn forget_sink(&self, sink: &Name) {
        self.sinks.forget(sink);
    }

    /// The metrics of a `[limit.NAME]`, for its compiled form to keep.
    pub fn limit(&self, limit: &Name) -> LimitMetrics {
        LimitMetrics(Labelled::new(|kind| self.limited.with_label_values(&[limit.as_str(), kind])))
    }

    /// Says how many of a target's addresses can be used, and how many cannot: `claviger_backends{target,state}`.
    pub fn backends(&self, target: &Name, usable: usize, failed: usize) {
        let states: Labelled<Availability, IntGauge> =
            Labelled::new(|state| self.backends.with_label_values(&[target.as_str(), state]));
        states.of(Availability::Usable).set(usable.try_into().unwrap_or(i64::MAX));
        states.of(Availability::Failed).set(failed.try_into().unwrap_or(i64::MAX));
    }

    /// Says how old a credential's secret is, and whether that is too old: `claviger_secret_age_seconds{credential}` and
    /// `claviger_secret_overdue{credential}`.
    pub fn secret_age(&self, credential: &Name, age: Duration, is_overdue: bool) {
        self.secret_age.with_label_values(&[credential.as_str()]).set(age.as_secs_f64());
        self.secret_overdue.with_label_values(&[credential.as_str()]).set(is_overdue.into());
    }

    /// Counts that a target did not take a credential: `claviger_credentials_refused_total{credential}`. None, so that the series is there from the start.
    pub fn credential_refused(&self, credential: &Name, count: u64) {
        self.not_taken.with_label_values(&[credential.as_str()]).inc_by(count);
    }

    /// Has a series for each result of replacing a credential's secret, so that none of them begins with its first: an increase would not be seen.
    pub fn rotation_results(&self, credential: &Name, results: &[&'static str]) {
        for result in results {
            self.rotations.with_label_values(&[credential.as_str(), *result]);
        }
    }

    /// Counts what came of replacing a secret, one word of a closed set: `claviger_rotations_total{credential,result}`.
    pub fn rotated(&self, credential: &Name, result: &'static str) {
        self.rotations.with_label_values(&[credential.as_str(), result]).inc();
    }

    /// Has a series for each class of what can be found, so that none of them begins with its first finding.
    pub fn classes(&self, classes: &[&'static str]) {
        for class in classes {
            self.inspection_findings.with_label_values(&[*class]);
        }
    }

    /// Counts a request in which something of a class was found, one word of a closed set: `claviger_inspection_findings_total{class}`.
    pub fn found(&self, class: &'static str) {
        self.inspection_findings.with_label_values(&[class]).inc();
    }

    /// Counts what a response held, of a closed set of kinds, and what is done about it: `claviger_leaks_total{kind,action}`.
    pub fn leaked(&self, kind: &'static str, action: &'static str, count: u32) {
        self.leaks.with_label_values(&[kind, action]).inc_by(count.into());
    }

    /// Counts a refusal in `claviger_denials_total{code}`.
    pub fn denied(&self, denial: &Denial) {
        self.denials.with_label_values(&[denial.code()]).inc();
    }

    /// Everything in the Prometheus text format, version 0.0.4.
    pub fn render(&self) -> Vec<u8> {
        let mut text = String::new();
        if let Err(error) = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text) {
            log::error!(error:%; "metrics could not be rendered");
        }
        text.into_bytes()
    }
}

impl AuditMetrics {
    fn declare(declare: &Declare) -> prometheus::Result<Self> {
        Ok(Self {
            records: declare.counter("audit_records_total", "Records written")?,
            queue: declare.gauge("audit_queue", "Records not written yet")?,
            errors: declare.counter("audit_errors_total", "Failed writes, each tried again")?,
            unrecorded: declare
                .counter("audit_unrecorded_total", "Exchanges told only as a number in a lost record")?,
            unwatched: declare.counter("audit_unwatched_total", "Records written that the monitor had no room for")?,
            anchor_errors: declare.counter(
                "audit_anchor_errors_total",
                "Failed writes of a checkpoint to the anchor, each tried again",
            )?,
            anchor_conflicts: declare.counter(
                "audit_anchor_conflicts_total",
                "Checkpoints whose place in the anchor holds something else",
            )?,
            displaced: declare.counter(
                "audit_displaced_total",
                "Times that somebody else had moved, copied, cut or replaced the audit log's file",
            )?,
            checkpoints: declare.counter("audit_checkpoints_total", "Checkpoints written")?,
        })
    }
}

/// The one registry, in which each name is declared once.
pub(super) struct Declare(Registry);

impl Declare {
    pub(super) fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        self.register(IntCounter::with_opts(options(name, help))?)
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.register(IntGauge::with_opts(options(name, help))?)
    }

    pub(super) fn number(&self, name: &str, help: &str) -> prometheus::Result<prometheus::Gauge> {
        self.register(prometheus::Gauge::with_opts(options(name, help))?)
    }

    pub(super) fn numbers(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<prometheus::GaugeVec> {
        self.register(prometheus::GaugeVec::new(options(name, help), labels)?)
    }

    pub(super) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
        self.register(IntGaugeVec::new(options(name, help), labels)?)
    }

    pub(super) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        self.register(IntCounterVec::new(options(name, help), labels)?)
    }

    pub(super) fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> prometheus::Result<Histogram> {
        let options = HistogramOpts { common_opts: options(name, help), buckets: buckets.to_vec() };
        self.register(Histogram::with_opts(options)?)
    }

    pub(super) fn histograms(
        &self,
        name: &str,
        help: &str,
        label: &str,
        buckets: &[f64],
    ) -> prometheus::Result<HistogramVec> {
        let options = HistogramOpts { common_opts: options(name, help), buckets: buckets.to_vec() };
        self.register(HistogramVec::new(options, &[label])?)
    }

    fn register<C: Collector + Clone + 'static>(&self, collector: C) -> prometheus::Result<C> {
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }
}

fn options(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("claviger")
}

#[cfg(test)]
mod tests;
