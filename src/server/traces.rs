//! Telling sampled exchanges as spans (OTLP). It has a thread of its own, and no request waits for it.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc::Receiver;

use super::complaint::Complaint;
use crate::audit::{Outcome, Protocol, Record};
use crate::domain::{Name, SpanId};
use crate::otlp::proto::{KeyValue, ResourceSpans, ScopeSpans, Span, Status, TraceRequest};
use crate::otlp::{number, resource, scope, text};
use crate::state::{Services, Traced, Tracing};
use crate::telemetry::SpanResult;

/// The most exchanges that are told at once.
const BATCH: usize = 256;
/// How long exchanges gather.
const GATHER: Duration = Duration::from_millis(500);

/// The kinds of spans.
const INTERNAL: i32 = 1;
const SERVER: i32 = 2;
const CLIENT: i32 = 3;

/// Starts the thread; it ends with the process.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn start(services: &Arc<Services>) -> std::io::Result<()> {
    let Some(waiting) = services.spans.waiting() else { return Ok(()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let services = Arc::clone(services);
    thread::Builder::new().name("traces".to_owned()).spawn(move || runtime.block_on(tell_all(&services, waiting)))?;
    Ok(())
}

async fn tell_all(services: &Services, mut waiting: Receiver<Box<Traced>>) {
    let mut complaint = Complaint::new("spans are not told", "spans are told again");
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        if batch.len() < BATCH {
            tokio::time::sleep(GATHER).await;
            while batch.len() < BATCH
                && let Ok(more) = waiting.try_recv()
            {
                batch.push(more);
            }
        }
        let Some(tracing) = services.snapshot().trace.clone() else {
            batch.clear();
            continue;
        };
        let spans: Vec<_> = batch.drain(..).flat_map(|traced| spans(&traced)).collect();
        let count = spans.len() as u64;
        let (result, told) = match tell(&tracing, spans).await {
            Ok(rejected) => (Ok(()), count.saturating_sub(rejected)),
            Err(fault) => (Err(fault), 0),
        };
        services.engines.metrics.spans.of(SpanResult::Sent).inc_by(told);
        services.engines.metrics.spans.of(SpanResult::Failed).inc_by(count - told);
        complaint.note(result);
    }
}

async fn tell(tracing: &Tracing, spans: Vec<Span>) -> Result<u64, String> {
    let proof = tracing.proof.as_ref().map(|proof| proof.header()).transpose()?;
    let scope_spans = vec![ScopeSpans { scope: Some(scope()), spans }];
    let resource_spans = vec![ResourceSpans { resource: Some(resource(&tracing.host)), scope_spans }];
    tracing.exporter.send(&TraceRequest { resource_spans }, proof).await.map(|exported| exported.rejected)
}

/// The spans of one exchange: its own, and one for each phase that it reached.
fn spans(traced: &Traced) -> Vec<Span> {
    let (record, timings) = (&traced.record, &traced.record.timings);
    let part = |number: u8, kind: i32, name: &str, end: Option<Duration>, took: Option<Duration>| {
        let (end, took) = end.zip(took)?;
        let mut span = span(traced, traced.span.part(number), Some(traced.span), kind, name);
        span.start_time_unix_nano = at(record.time, end.saturating_sub(took));
        span.end_time_unix_nano = at(record.time, end);
        Some(span)
    };
    let phases = &traced.phases;
    let upstream = part(Traced::UPSTREAM, CLIENT, "upstream", Some(timings.total), timings.upstream).map(|mut span| {
        span.attributes = upstream_attributes(record);
        span
    });
    let parts = [
        part(1, INTERNAL, "authenticate", phases.authenticated, timings.authenticate),
        part(2, INTERNAL, "authorize", phases.authorized, timings.authorize),
        part(3, INTERNAL, "acquire", phases.acquired, timings.acquire),
        upstream,
    ];
    let mut own = span(traced, traced.span, traced.parent, SERVER, &name(record));
    own.start_time_unix_nano = at(record.time, Duration::ZERO);
    own.end_time_unix_nano = at(record.time, timings.total);
    own.attributes = attributes(record);
    own.status = is_error(record).then(|| Status { message: String::new(), code: 2 });
    std::iter::once(own).chain(parts.into_iter().flatten()).collect()
}

fn span(traced: &Traced, id: SpanId, parent: Option<SpanId>, kind: i32, name: &str) -> Span {
    Span {
        trace_id: traced.trace.bytes().to_vec(),
        span_id: id.bytes().to_vec(),
        parent_span_id: parent.map(|parent| parent.bytes().to_vec()).unwrap_or_default(),
        flags: 1,
        name: name.to_owned(),
        kind,
        ..Span::default()
    }
}

/// Of few different ones, as the conventions ask for: never a path.
fn name(record: &Record) -> String {
    let method = record.method.as_ref().map_or("HTTP", http::Method::as_str);
    record.route.as_ref().map_or_else(|| method.to_owned(), |route| format!("{method} {route}"))
}

fn attributes(record: &Record) -> Vec<KeyValue> {
    let version = match record.protocol {
        Protocol::Http10 => "1.0",
        Protocol::Http11 => "1.1",
        Protocol::Http2 => "2",
    };
    let mut all = vec![
        text("claviger.request.id", record.id.to_string()),
        text("claviger.listener", record.listener.as_str()),
        text("claviger.outcome", record.outcome.text()),
        number("claviger.config", record.config),
        text("network.protocol.name", "http"),
        text("network.protocol.version", version),
        number("http.request.body.size", record.request_bytes),
        number("http.response.body.size", record.response_bytes),
    ];
    let named = |key: &'static str, name: &Option<Name>| name.as_ref().map(|name| text(key, name.as_str()));
    all.extend(named("http.route", &record.route));
    all.extend(named("claviger.target", &record.target));
    all.extend(named("claviger.credential", &record.credential));
    all.extend(record.principal.as_ref().map(|who| text("claviger.authenticator", who.authenticator.as_str())));
    all.extend(record.rule.as_ref().map(|rule| text("claviger.rule", &**rule)));
    all.extend(record.method.as_ref().map(|method| text("http.request.method", method.as_str())));
    all.extend(record.status.map(|status| number("http.response.status_code", status.into())));
    all.extend(record.denial.map(|denial| text("error.type", denial.code())));
    all
}

fn upstream_attributes(record: &Record) -> Vec<KeyValue> {
    let mut all = vec![number("http.request.resend_count", u64::from(record.attempts.saturating_sub(1)))];
    all.extend(record.target.as_ref().map(|target| text("server.address", target.as_str())));
    all.extend(record.backend.map(|backend| text("network.peer.address", backend.ip().to_string())));
    all.extend(record.backend.map(|backend| number("network.peer.port", backend.port().into())));
    all
}

/// Whether the fault is on this side (semantic conventions for HTTP servers).
fn is_error(record: &Record) -> bool {
    let is_failure = match record.outcome {
        Outcome::Failed | Outcome::Panicked => true,
        Outcome::Completed | Outcome::Denied | Outcome::Aborted => false,
    };
    is_failure || record.status.is_some_and(|status| status >= 500)
}

fn at(began: SystemTime, after: Duration) -> u64 {
    let time = began.duration_since(UNIX_EPOCH).unwrap_or_default() + after;
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
