//! From a request to named values: what each format means, strictly; what cannot be read in one way is a fault.

use std::borrow::Cow;

use http::HeaderMap;

use super::profile::Head;
use super::{Fault, FaultKind, Limits, Location, Part, Sink, Trail};

/// Gives all values of a head: path, parameters, cookies, header fields.
///
/// # Errors
/// What is wrong with its form.
pub(super) fn head(head: &Head<'_>, limits: &Limits, sink: &mut dyn Sink) -> Result<(), Fault> {
    let _ = limits;
    let path: Cow<'_, [u8]> = percent_encoding::percent_decode_str(head.path).into();
    sink.value(Location { part: Part::Path, trail: b"", is_name: false }, &path);
    if let Some(query) = head.query {
        pairs(query.as_bytes(), Part::Query, sink);
    }
    for (name, value) in head.headers {
        let (part, trail) = if name == "cookie" { (Part::Cookie, "") } else { (Part::Header, name.as_str()) };
        sink.value(Location { part, trail: trail.as_bytes(), is_name: false }, value.as_bytes());
    }
    Ok(())
}

fn pairs(text: &[u8], part: Part, sink: &mut dyn Sink) {
    for pair in text.split(|byte| *byte == b'&') {
        let pair: Vec<u8> = pair.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        let name: Cow<'_, [u8]> = percent_encoding::percent_decode(&pair[..at]).into();
        let value: Cow<'_, [u8]> = percent_encoding::percent_decode(pair.get(at + 1..).unwrap_or_default()).into();
        sink.value(Location { part, trail: &name, is_name: true }, &name);
        sink.value(Location { part, trail: &name, is_name: false }, &value);
    }
}

/// Gives all values of a body by what its head says of it (`Content-Type`, `Content-Encoding`).
///
/// # Errors
/// What is wrong with its form.
pub(super) fn body(headers: &HeaderMap, body: &[u8], limits: &Limits, sink: &mut dyn Sink) -> Result<(), Fault> {
    let _ = limits;
    let kind = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.contains("json") {
        let value: serde_json::Value =
            serde_json::from_slice(body).map_err(|_| Fault { kind: FaultKind::Malformed, at: "body".to_owned() })?;
        json(&value, &mut Trail::default(), sink);
    } else if kind.contains("form-urlencoded") {
        pairs(body, Part::Body, sink);
    } else {
        sink.value(Location { part: Part::Body, trail: b"", is_name: false }, body);
    }
    Ok(())
}

fn json(value: &serde_json::Value, trail: &mut Trail, sink: &mut dyn Sink) {
    let mark = trail.mark();
    match value {
        serde_json::Value::String(text) => {
            sink.value(Location { part: Part::Body, trail: trail.as_bytes(), is_name: false }, text.as_bytes());
        }
        serde_json::Value::Array(all) => {
            for (n, value) in all.iter().enumerate() {
                trail.push_index(n);
                json(value, trail, sink);
                trail.cut(mark);
            }
        }
        serde_json::Value::Object(all) => {
            for (key, value) in all {
                trail.push_key(key.as_bytes());
                sink.value(Location { part: Part::Body, trail: trail.as_bytes(), is_name: true }, key.as_bytes());
                json(value, trail, sink);
                trail.cut(mark);
            }
        }
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}
