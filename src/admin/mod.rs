//! The control plane's listener: health, readiness, status, alerts, metrics and the live feed. Answers; never listens itself, and knows no framework.

mod alerts;
mod events;

use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};
use serde::Serialize;

use crate::domain::{Host, SecretRef};
use crate::state::{ReloadOutcome, Services};
use crate::target::TargetStatus;

pub use events::Events;

/// What a request is answered with.
#[derive(Debug)]
pub enum Answer {
    /// This.
    Whole(Response<Vec<u8>>),
    /// Events, for as long as somebody listens.
    Events(Box<Events>),
}

/// What `/status` says.
#[derive(Serialize)]
struct Status {
    version: &'static str,
    config: u64,
    routes: usize,
    draining: bool,
    /// Why the newest configuration is not in force, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_reload: Option<String>,
    audit: bool,
    issuers: Vec<IssuerStatus>,
    secrets: Vec<SecretStatus>,
    rotations: Vec<RotationStatus>,
    targets: Vec<TargetStatus>,
}

/// One authenticator that takes tokens.
#[derive(Serialize)]
struct IssuerStatus {
    name: String,
    issuer: String,
    /// Whether it has keys to prove tokens with.
    usable: bool,
    /// Why newer ones could not be had, the last time that it was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

/// One secret in use, by name; never its value.
#[derive(Serialize)]
struct SecretStatus {
    name: String,
    usable: bool,
    version: u64,
    /// How long ago its source last agreed, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    age: Option<u64>,
    /// How much longer its lease lasts, in seconds, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

/// One secret that is replaced.
#[derive(Serialize)]
struct RotationStatus {
    name: String,
    credential: String,
    secret: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<&'static str>,
    /// How long the secret has been in use, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    age: Option<u64>,
    overdue: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

/// Answers one request to the admin listener.
pub fn answer(services: &Services, method: &Method, uri: &Uri, headers: &HeaderMap) -> Answer {
    // A page in an operator's browser can reach loopback; a name that it rebinds to it arrives here as `Host`.
    if uri.path() != "/events" || !is_local(headers) || *method != Method::GET {
        return Answer::Whole(whole(services, method, uri.path(), headers));
    }
    match Events::asked(uri.query(), headers) {
        Ok(events) => Answer::Events(Box::new(events)),
        Err(wrong) => Answer::Whole(text(StatusCode::BAD_REQUEST, &format!("{wrong}\n"))),
    }
}

fn whole(services: &Services, method: &Method, path: &str, headers: &HeaderMap) -> Response<Vec<u8>> {
    if !is_local(headers) {
        return text(StatusCode::FORBIDDEN, "Ask by a loopback address or `localhost`.\n");
    }
    match path {
        "/status" | "/alerts" if !is_read(method) => not_allowed(),
        "/status" => status(services),
        "/alerts" => {
            reply(StatusCode::OK, "application/json", alerts::answer(&services.alerts.load()).to_string().into_bytes())
        }
        "/health" | "/ready" | "/metrics" => probe(services, method, path),
        _ => text(StatusCode::NOT_FOUND, "Ask for /health, /ready, /status, /alerts, /metrics or /events.\n"),
    }
}

/// Answers one request of another machine: health, readiness and metrics, and nothing else.
pub fn probe(services: &Services, method: &Method, path: &str) -> Response<Vec<u8>> {
    if !is_read(method) {
        return not_allowed();
    }
    match path {
        "/health" => text(StatusCode::OK, "ok\n"),
        "/ready" => readiness(services),
        "/metrics" => {
            reply(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", services.engines.metrics.render())
        }
        _ => text(StatusCode::NOT_FOUND, "Ask for /health, /ready or /metrics.\n"),
    }
}

fn is_read(method: &Method) -> bool {
    *method == Method::GET || *method == Method::HEAD
}

fn not_allowed() -> Response<Vec<u8>> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "Only GET is answered here.\n");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

fn is_local(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).and_then(|text| Host::parse(text).ok());
    host.is_some_and(|host| {
        let name = host.as_str().trim_matches(['[', ']']);
        name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

/// Ready means: new requests can be taken, recorded and authorized.
fn readiness(services: &Services) -> Response<Vec<u8>> {
    if services.is_draining() {
        text(StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else if !services.is_serving() {
        text(StatusCode::SERVICE_UNAVAILABLE, "starting\n")
    } else if !services.audit.accepts() {
        text(StatusCode::SERVICE_UNAVAILABLE, "the audit log takes no records\n")
    } else if services.revocations.as_ref().is_some_and(|revocations| !revocations.is_current()) {
        text(StatusCode::SERVICE_UNAVAILABLE, "the store cannot be read: no new revocation takes effect\n")
    } else if services.snapshot().sessions.is_some() && services.engines.authenticators.sessions().signers().is_none() {
        text(StatusCode::SERVICE_UNAVAILABLE, "the keys that sign sessions are not available\n")
    } else if let Some(name) = missing_secret(services) {
        text(StatusCode::SERVICE_UNAVAILABLE, &format!("a secret is not available: {name}\n"))
    } else if let Some(name) = services.engines.authenticators.waits_for_keys() {
        text(StatusCode::SERVICE_UNAVAILABLE, &format!("the keys of the issuer of `{name}` are not available\n"))
    } else {
        text(StatusCode::OK, "ready\n")
    }
}

/// One that requests need and cannot have.
fn missing_secret(services: &Services) -> Option<SecretRef> {
    let snapshot = services.snapshot();
    let slots = services.engines.vaults.status().into_iter();
    slots.filter(|slot| !slot.usable).map(|slot| slot.name).find(|name| !snapshot.beside.contains(name))
}

fn status(services: &Services) -> Response<Vec<u8>> {
    let snapshot = services.snapshot();
    let secrets = services.engines.vaults.status().into_iter().map(|slot| SecretStatus {
        name: slot.name.to_string(),
        usable: slot.usable,
        version: slot.version,
        age: slot.age.map(|age| age.as_secs()),
        lease: slot.lease.map(|lease| lease.as_secs()),
        fault: slot.fault.map(|fault| fault.to_string()),
    });
    let issuers = services.engines.authenticators.issuers().into_iter().map(|jwt| IssuerStatus {
        name: jwt.name().to_string(),
        issuer: jwt.issuer().to_owned(),
        usable: jwt.is_ready(),
        fault: jwt.trouble().map(|fault| fault.to_string()),
    });
    let now = SystemTime::now();
    let rotations = snapshot.rotations.iter().map(|one| {
        let status = one.rotation.status();
        RotationStatus {
            name: status.name.to_string(),
            credential: status.credential.to_string(),
            secret: status.secret.to_string(),
            stage: status.stage.map(|stage| stage.text()),
            age: status.since.and_then(|since| now.duration_since(since).ok()).map(|age| age.as_secs()),
            overdue: status.is_overdue,
            fault: status.fault.clone(),
        }
    });
    let status = Status {
        version: env!("CARGO_PKG_VERSION"),
        config: snapshot.number,
        routes: snapshot.routes,
        draining: services.is_draining(),
        refused_reload: match &*services.last_reload() {
            ReloadOutcome::Applied => None,
            ReloadOutcome::Refused(reason) => Some(reason.clone()),
        },
        audit: services.audit.accepts(),
        issuers: issuers.collect(),
        secrets: secrets.collect(),
        rotations: rotations.collect(),
        targets: snapshot.targets.iter().map(|target| target.status()).collect(),
    };
    match serde_json::to_vec_pretty(&status) {
        Ok(body) => reply(StatusCode::OK, "application/json", body),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the status cannot be shown\n"),
    }
}

fn text(status: StatusCode, body: &str) -> Response<Vec<u8>> {
    reply(status, "text/plain; charset=utf-8", body.as_bytes().to_vec())
}

fn reply(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Vec<u8>> {
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_LENGTH, length);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_answered() {
        for (host, want) in [
            ("127.0.0.1:9901", true),
            ("localhost:9901", true),
            ("[::1]:9901", true),
            ("evil.test:9901", false),
            ("localhost.evil.test", false),
            ("10.0.0.1", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().expect("value"));
            assert_eq!(is_local(&headers), want, "{host}");
        }
        assert!(!is_local(&HeaderMap::new()));
    }
}
