//! Lines as log records of OpenTelemetry: the line is the body, so that its chain can be checked where it arrives; what it can be searched by
//! are attributes, named by the semantic conventions where they have a name.

use std::time::{SystemTime, UNIX_EPOCH};

use super::told::{Severity, Told};
use crate::domain::unhex;
use crate::otlp::proto::{AnyValue, KeyValue, LogRecord, LogsRequest, ResourceLogs, ScopeLogs, Value};
use crate::otlp::{number, resource, scope, text};

/// Members that are texts, and their attributes.
const TEXTS: [(&str, &str); 17] = [
    ("id", "claviger.request.id"),
    ("listener", "claviger.listener"),
    ("client", "client.address"),
    ("method", "http.request.method"),
    ("host", "server.address"),
    ("path", "url.path"),
    ("route", "http.route"),
    ("authenticator", "claviger.authenticator"),
    ("principal", "user.id"),
    ("principal_kind", "claviger.principal.kind"),
    ("session", "session.id"),
    ("role", "claviger.role"),
    ("rule", "claviger.rule"),
    ("outcome", "claviger.outcome"),
    ("code", "error.type"),
    ("target", "claviger.target"),
    ("act", "claviger.act"),
];
/// Members that are numbers, and theirs.
const NUMBERS: [(&str, &str); 5] = [
    ("status", "http.response.status_code"),
    ("request_bytes", "http.request.body.size"),
    ("response_bytes", "http.response.body.size"),
    ("config", "claviger.config"),
    ("seq", "claviger.seq"),
];

/// The message that tells these lines.
pub(super) fn request<'a>(lines: impl Iterator<Item = &'a str>, host: &str) -> LogsRequest {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let observed = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
    let log_records = lines.map(|line| record(line, observed)).collect();
    let scope_logs = vec![ScopeLogs { scope: Some(scope()), log_records }];
    LogsRequest { resource_logs: vec![ResourceLogs { resource: Some(resource(host)), scope_logs }] }
}

fn record(line: &str, observed: u64) -> LogRecord {
    let told = Told::read(line);
    let (severity_number, severity) = severity(told.severity());
    LogRecord {
        time_unix_nano: told.nanos(),
        observed_time_unix_nano: observed,
        severity_number,
        severity_text: severity.to_owned(),
        body: Some(AnyValue { value: Some(Value::Text(line.to_owned())) }),
        attributes: attributes(&told),
        trace_id: told.text("trace").and_then(unhex::<16>).map(Vec::from).unwrap_or_default(),
        span_id: told.text("span").and_then(unhex::<8>).map(Vec::from).unwrap_or_default(),
        event_name: format!("claviger.{}", told.kind()),
    }
}

fn attributes(told: &Told) -> Vec<KeyValue> {
    let texts = TEXTS.iter().filter_map(|(member, name)| Some(text(name, told.text(member)?)));
    let numbers = NUMBERS.iter().filter_map(|(member, name)| Some(number(name, told.number(member)?)));
    texts.chain(numbers).collect()
}

fn severity(severity: Severity) -> (i32, &'static str) {
    match severity {
        Severity::Info => (9, "INFO"),
        Severity::Notice => (10, "INFO2"),
        Severity::Warning => (13, "WARN"),
        Severity::Error => (17, "ERROR"),
    }
}
