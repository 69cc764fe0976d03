//! The OpenTelemetry protocol over HTTP (OTLP/HTTP, protobuf): its messages, and sending them. What is told in them others say.

mod exporter;
pub mod proto;

pub use exporter::{Exported, Exporter, gzip};

use proto::{AnyValue, KeyValue, Resource, Scope, Value};

/// An attribute that is a text.
pub fn text(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, Value::Text(value.into()))
}

/// An attribute that is a number; the largest there is where it does not fit.
pub fn number(key: &str, value: u64) -> KeyValue {
    attribute(key, Value::Int(i64::try_from(value).unwrap_or(i64::MAX)))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }) }
}

/// What is told of this process on this machine, by the semantic conventions for services.
pub fn resource(host: &str) -> Resource {
    let service = [("service.name", "claviger"), ("service.version", env!("CARGO_PKG_VERSION"))];
    let attributes = service.into_iter().chain([("service.instance.id", host), ("host.name", host)]);
    Resource { attributes: attributes.map(|(key, value)| text(key, value)).collect() }
}

/// Who tells.
pub fn scope() -> Scope {
    Scope { name: "claviger".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
}
