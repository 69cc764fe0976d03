//! The record of an exchange while it is made. Dropping it writes it: a refused, aborted or panicked exchange has its record like any other.

mod found;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, Method, StatusCode, Version};

use super::admission::Admission;
use super::forwarded::client_address;
use super::identify::Identified;
use super::ingress::Connection;
use super::trace::Trace;
use crate::audit::{NotDurable, Outcome, Protocol, Record, Timings};
use crate::authz::{Grantee, Permit};
use crate::domain::{Denial, HttpFault, Methods, Principal, RequestId, Unavailable};
use crate::inject::Injection;
use crate::limit::{Key, Meter};
use crate::state::{LimitBy, Phases, Route, RouteLimit, Services, Snapshot, Traced};
use crate::target::Selected;
use crate::telemetry::{self, Limited, Phase, SpanResult};

/// The record of one exchange under way.
pub(super) struct Draft {
    services: Arc<Services>,
    connection: Arc<Connection>,
    is_client_known: bool,
    id: RequestId,
    time: SystemTime,
    client: IpAddr,
    route: Option<Arc<Route>>,
    /// The volumes that it counts in.
    meters: Vec<Meter>,
    /// None once it is written. Boxed from the start, since the log keeps it so, and every move before that would copy it.
    record: Option<Box<Record>>,
    began: Instant,
    /// When the last phase ended: one look at the clock ends a phase and begins the next.
    lapped: Instant,
    trace: Trace,
    phases: Phases,
}

impl Draft {
    /// Begins the record of the exchange whose head has just come.
    pub(super) fn begin(
        services: &Arc<Services>,
        snapshot: &Snapshot,
        connection: &Arc<Connection>,
        method: &Method,
        version: Version,
        headers: &HeaderMap,
    ) -> Self {
        let peer = connection.client.ip();
        let listener = snapshot.listeners.get(&connection.listener);
        let told = listener.map_or(Some(peer), |state| client_address(peer, &state.forwarded_from, headers));
        let client = told.unwrap_or(peer);
        services.engines.metrics.in_flight.inc();
        let time = SystemTime::now();
        let id = RequestId::new(time);
        let trace = Trace::begin(snapshot.trace.as_deref(), &id, headers);
        let record = Box::new(Record {
            time,
            id,
            config: snapshot.number,
            listener: connection.listener.clone(),
            trace: trace.id(),
            client,
            protocol: match version {
                Version::HTTP_2 => Protocol::Http2,
                Version::HTTP_10 => Protocol::Http10,
                _ => Protocol::Http11,
            },
            // Of the unknown ones only that there was one: the word is the client's, and may be a credential that slipped.
            method: (*method == Method::TRACE || Methods::of(method.as_str()) != Methods::NONE).then(|| method.clone()),
            host: None,
            path: None,
            query: false,
            route: None,
            claimed: None,
            principal: None,
            role: None,
            rule: None,
            grant: None,
            // What a record says that nobody ended: the task was cancelled with its connection, or it panicked.
            outcome: Outcome::Aborted,
            denial: None,
            shadow: None,
            target: None,
            backend: None,
            attempts: 0,
            credential: None,
            status: None,
            inspection: None,
            reflected: 0,
            leaks: Vec::new(),
            request_bytes: 0,
            response_bytes: 0,
            timings: Timings::default(),
            is_decided: false,
        });
        let (services, connection) = (Arc::clone(services), Arc::clone(connection));
        let began = Instant::now();
        let is_client_known = told.is_some();
        Self {
            services,
            connection,
            is_client_known,
            id,
            time,
            client,
            route: None,
            meters: Vec::new(),
            record: Some(record),
            began,
            lapped: began,
            trace,
            phases: Phases::default(),
        }
    }

    pub(super) fn id(&self) -> RequestId {
        self.id
    }

    /// The trace that it belongs to.
    pub(super) fn trace(&self) -> Trace {
        self.trace
    }

    /// When the head had come.
    pub(super) fn time(&self) -> SystemTime {
        self.time
    }

    /// When the last phase ended.
    pub(super) fn lapped(&self) -> Instant {
        self.lapped
    }

    /// Ends what went before a measured phase; tells how long it took.
    pub(super) fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now.saturating_duration_since(std::mem::replace(&mut self.lapped, now))
    }

    pub(super) fn client(&self) -> IpAddr {
        self.client
    }

    /// What the stream found in the raw head.
    pub(super) fn sound_head(&self) -> Result<(), Denial> {
        self.connection.verdict().map_or(Ok(()), Err)?;
        if self.is_client_known { Ok(()) } else { Err(Denial::Malformed(HttpFault::Forwarded)) }
    }

    pub(super) fn has_query(&mut self, query: bool) {
        if let Some(record) = &mut self.record {
            record.query = query;
        }
    }

    pub(super) fn identified(&mut self, request: &Identified<'_>) {
        if let Some(record) = &mut self.record {
            record.host = Some(request.host.as_str().to_owned());
            record.path = Some(Arc::clone(request.path.text()));
        }
    }

    pub(super) fn routed(&mut self, route: &Arc<Route>) {
        if let Some(record) = &mut self.record {
            record.route = Some(route.name.clone());
            record.target = Some(route.target.settings().name.clone());
        }
        self.route = Some(Arc::clone(route));
    }

    /// Counts the exchange, when it has ended, in each of the volumes of one sort that its route limits.
    ///
    /// # Errors
    /// [`Denial::VolumeExceeded`].
    pub(super) fn meter(&mut self, limits: &[RouteLimit], by: LimitBy, key: impl Fn() -> Key) -> Result<(), Denial> {
        let now = self.lapped;
        for limit in limits.iter().filter(|limit| limit.by == by) {
            let Some(volume) = &limit.volume else { continue };
            let path = self.record.as_ref().and_then(|record| record.path.as_deref()).unwrap_or_default();
            let opened = volume.open(key(), path, now);
            self.meters.push(opened.map_err(|full| {
                limit.metrics.refused(Limited::Volume);
                Denial::VolumeExceeded(full.measure, full.retry_after)
            })?);
        }
        Ok(())
    }

    pub(super) fn authenticated(&mut self, principal: &Arc<Principal>) {
        let took = self.lap();
        self.phases.authenticated = Some(self.lapped.saturating_duration_since(self.began));
        if let Some(record) = &mut self.record {
            record.principal = Some(Arc::clone(principal));
            record.timings.authenticate = Some(took);
        }
    }

    /// Who was claimed to call, where nobody was proved to.
    pub(super) fn claimed(&mut self, claimed: Option<u64>) {
        if let Some(record) = &mut self.record {
            record.claimed = claimed;
        }
    }

    pub(super) fn authorized(&mut self, permit: &Permit) {
        let took = self.lap();
        self.phases.authorized = Some(self.lapped.saturating_duration_since(self.began));
        if let Some(record) = &mut self.record {
            record.rule = permit.rule().cloned();
            record.shadow = permit.is_shadowed().then_some(Denial::NotAllowed);
            record.grant = permit.grant().map(|grant| grant.id);
            record.role = match permit.grantee() {
                Some(Grantee::Role(role)) => Some(Arc::clone(role)),
                Some(Grantee::Scope(_) | Grantee::Principal(_)) | None => None,
            };
            record.timings.authorize = Some(took);
        }
    }

    pub(super) fn acquired(&mut self, injection: Option<&Injection>) {
        let took = self.lap();
        self.phases.acquired = Some(self.lapped.saturating_duration_since(self.began));
        if let Some(record) = &mut self.record {
            record.credential = injection.map(|injection| injection.credential().clone());
            record.timings.acquire = injection.map(|_| took);
        }
    }

    /// Brings what was decided to the disk.
    pub(super) async fn decided(&mut self) -> Result<(), Denial> {
        let Some(record) = &mut self.record else { return Ok(()) };
        self.services.audit.decide(record).await.map_err(|NotDurable| Denial::Unavailable(Unavailable::Audit))
    }

    pub(super) fn attempted(&mut self, selected: &Selected) {
        if let Some(record) = &mut self.record {
            record.backend = Some(selected.address());
            record.attempts += 1;
        }
    }

    /// Why it was refused or failed; the first reason stays.
    pub(super) fn denied(&mut self, denial: Denial) {
        if let Some(record) = &mut self.record {
            record.denial.get_or_insert(denial);
        }
    }

    pub(super) fn denial(&self) -> Option<Denial> {
        self.record.as_ref().and_then(|record| record.denial)
    }

    /// What the client is answered, as long as nobody says how that ended.
    pub(super) fn answering(&mut self, status: StatusCode) {
        if let Some(record) = &mut self.record {
            record.status = Some(status.as_u16());
        }
    }

    /// How much more of the answer's body goes to the client.
    pub(super) fn sending(&mut self, bytes: usize) {
        if let Some(record) = &mut self.record {
            record.response_bytes += bytes as u64;
        }
    }

    /// Ends the record with what went over the wire, and writes it.
    pub(super) fn end(&mut self, ended: Ended) {
        let Some(mut record) = self.record.take() else { return };
        record.status = ended.status;
        record.request_bytes = ended.request_bytes;
        record.response_bytes = ended.response_bytes;
        record.outcome = ended.outcome;
        self.write(record, ended.upstream_began);
    }

    fn write(&mut self, mut record: Box<Record>, upstream_began: Option<Instant>) {
        let now = Instant::now();
        record.timings.upstream = upstream_began.map(|began| now.saturating_duration_since(began));
        record.timings.total = now.saturating_duration_since(self.began);
        self.measure(&record);
        self.tell_spans(&record);
        let bytes = record.request_bytes.saturating_add(record.response_bytes);
        let has_failed = record.status.is_some_and(|status| status >= 400);
        self.meters.drain(..).for_each(|meter| meter.settle(bytes, has_failed, now));
        self.services.audit.submit(record);
        // Last: once nothing is in flight, the log may be closed.
        self.services.engines.metrics.in_flight.dec();
    }

    /// Nobody else pays for those that are sampled.
    fn tell_spans(&self, record: &Record) {
        let Some((trace, span, parent)) = self.trace.sampled() else { return };
        let traced = Traced { record: record.clone(), trace, span, parent, phases: self.phases };
        if !self.services.spans.submit(Box::new(traced)) {
            self.services.engines.metrics.spans.of(SpanResult::Dropped).inc();
        }
    }

    fn measure(&self, record: &Record) {
        let metrics = &self.services.engines.metrics;
        if let Some(denial) = &record.denial {
            metrics.denied(denial);
        }
        let timings = &record.timings;
        for (phase, took) in [
            (Phase::Authenticate, timings.authenticate),
            (Phase::Authorize, timings.authorize),
            (Phase::Acquire, timings.acquire),
            (Phase::Upstream, timings.upstream),
        ] {
            if let Some(took) = took {
                metrics.phase_seconds.of(phase).observe(took.as_secs_f64());
            }
        }
        if let Some(route) = &self.route {
            let outcome = match record.outcome {
                Outcome::Completed => telemetry::Outcome::Allowed,
                Outcome::Denied => telemetry::Outcome::Denied,
                Outcome::Failed | Outcome::Aborted | Outcome::Panicked => telemetry::Outcome::Failed,
            };
            route.metrics.requests.of(outcome).inc();
            if record.shadow.is_some() {
                route.metrics.shadowed.inc();
            }
            route.metrics.seconds.observe(timings.total.as_secs_f64());
        }
    }
}

/// How an exchange ended, as seen on the wire.
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    pub(super) status: Option<u16>,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
    /// When the first attempt at an upstream began, where there was one.
    pub(super) upstream_began: Option<Instant>,
}

impl Drop for Draft {
    fn drop(&mut self) {
        let Some(mut record) = self.record.take() else { return };
        if std::thread::panicking() {
            record.outcome = Outcome::Panicked;
            record.denial.get_or_insert(Denial::Internal);
        }
        self.write(record, None);
    }
}

#[cfg(test)]
mod tests;
