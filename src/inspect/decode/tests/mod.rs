//! What each format gives, and what it is refused for.

use std::collections::BTreeSet;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::*;
use crate::inspect::{FaultKind, Location};

mod bodies;
mod codings;
mod heads;
mod messages;
mod multiparts;
mod properties;
mod xmls;

/// Keeps all values, as `place=value`.
#[derive(Default)]
struct All(Vec<String>);

impl Sink for All {
    fn value(&mut self, at: Location<'_>, bytes: &[u8]) {
        self.0.push(format!("{at}={}", String::from_utf8_lossy(bytes)));
    }
}

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = name.parse::<HeaderName>().expect("a name");
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
    }
    headers
}

/// What a body of a type gives.
fn values(kind: &str, text: impl AsRef<[u8]>) -> Result<Vec<String>, FaultKind> {
    values_within(kind, text, &Limits::default())
}

fn values_within(kind: &str, text: impl AsRef<[u8]>, limits: &Limits) -> Result<Vec<String>, FaultKind> {
    let mut all = All::default();
    let fields: &[(&str, &str)] = if kind.is_empty() { &[] } else { &[("content-type", kind)] };
    body(&headers(fields), text.as_ref(), limits, &mut all).map_err(|fault| fault.kind)?;
    Ok(all.0)
}

/// What a head gives, but for its path.
fn head_values(query: Option<&str>, fields: &[(&str, &str)]) -> Result<Vec<String>, FaultKind> {
    let mut all = All::default();
    let (method, headers) = (Method::GET, headers(fields));
    let asked = Head { method: &method, path: "/", query, headers: &headers };
    head(&asked, &Limits::default(), &mut all).map_err(|fault| fault.kind)?;
    Ok(all.0.into_iter().filter(|value| value != "path=/").collect())
}

/// Asserts that these are the values, whatever their order.
#[track_caller]
fn assert_values(found: &Result<Vec<String>, FaultKind>, want: &[&str], case: &str) {
    let found: BTreeSet<&str> =
        found.as_ref().unwrap_or_else(|kind| panic!("{kind:?}: {case}")).iter().map(|value| &**value).collect();
    assert_eq!(found, want.iter().copied().collect(), "{case}");
}
