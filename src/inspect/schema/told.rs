//! What failed: where, and by which keyword. Names of members are told, values never.

use jsonschema::error::ValidationErrorKind;
use jsonschema::paths::LocationSegment;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use crate::inspect::{Fault, FaultKind, Location, Part, Trail};

/// The most of a place that is told, in bytes.
const MAX_AT: usize = 140;
/// The most of a keyword.
const MAX_KEYWORD: usize = 30;

/// What is told of a choice of which nothing fits, or too much does.
const CHOICE: &str = "oneOf/anyOf";

/// The fault of this keyword, at this part of a request or one thing in it.
pub(super) fn fault(part: Part, name: &str, keyword: &str) -> Fault {
    let mut trail = Trail::default();
    if !name.is_empty() {
        trail.push_key(name.as_bytes());
    }
    at(part, &trail, keyword)
}

fn at(part: Part, trail: &Trail, keyword: &str) -> Fault {
    let cut = |mut text: String, length: usize| {
        text.truncate(text.floor_char_boundary(length));
        text
    };
    let place = cut(Location { part, trail: trail.as_bytes(), is_name: false }.to_string(), MAX_AT);
    Fault { kind: FaultKind::Contract, at: place, keyword: Some(cut(keyword.to_owned(), MAX_KEYWORD)) }
}

/// Up to which weight of a value it is told what failed: about as many steps, where [`WAYS`] parts of a schema speak of each member.
const MAX_WEIGHT: usize = 1 << 23;
const WAYS: usize = 4;
/// What a value weighs besides its text.
const OWN_WEIGHT: usize = 16;

/// Whether a schema takes a value; the verdict remembers what it has seen. Only then what failed is looked for, which does not: where two
/// parts of a schema speak of one member, and so on within it, that takes twice as long with each level (CWE-407).
pub(super) fn verdict(
    validator: &Validator,
    value: &Value,
    is_told: bool,
    told: impl FnOnce(&ValidationError<'_>) -> Fault,
) -> Result<(), Fault> {
    if validator.is_valid(value) {
        return Ok(());
    }
    let mut left = MAX_WEIGHT;
    let failed = if is_told && is_light(value, 1, &mut left) { validator.validate(value).err() } else { None };
    Err(failed.map_or_else(|| fault(Part::Body, "", "schema"), |error| told(&error)))
}

/// Whether it weighs no more than what is left, counted so many times, and what is in it for each of them as often again.
fn is_light(value: &Value, times: usize, left: &mut usize) -> bool {
    let own = match value {
        Value::String(text) => text.len(),
        Value::Object(members) => members.keys().map(String::len).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => 0,
    };
    let Some(rest) = left.checked_sub((OWN_WEIGHT + own).saturating_mul(times)) else { return false };
    *left = rest;
    let times = times.saturating_mul(WAYS);
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        Value::Array(items) => items.iter().all(|item| is_light(item, times, left)),
        Value::Object(members) => members.values().all(|member| is_light(member, times, left)),
    }
}

/// The fault that a failed check comes to. `known` segments of the way stand before `part`.
pub(super) fn told(error: &ValidationError<'_>, known: usize, part: Option<Part>) -> Fault {
    let mut segments = error.instance_path().segments().skip(known);
    let part = part.or_else(|| match segments.next() {
        Some(LocationSegment::Property(name)) => {
            [Part::Path, Part::Query, Part::Header, Part::Cookie].into_iter().find(|part| part.as_str() == name)
        }
        Some(LocationSegment::Index(_)) | None => None,
    });
    let mut trail = Trail::default();
    for segment in segments {
        match segment {
            LocationSegment::Property(name) => trail.push_key(name.as_bytes()),
            LocationSegment::Index(index) => trail.push_index(index),
        }
    }
    if let Some(name) = member(error.kind()) {
        trail.push_key(name.as_bytes());
    }
    let is_choice =
        matches!(error.kind(), ValidationErrorKind::FalseSchema) && error.schema_path().as_str().ends_with("/else");
    at(part.unwrap_or(Part::Body), &trail, if is_choice { CHOICE } else { error.kind().keyword() })
}

/// The member that is missing, or too much.
fn member(kind: &ValidationErrorKind) -> Option<&str> {
    if let ValidationErrorKind::Required { property } = kind {
        return property.as_str();
    }
    if let ValidationErrorKind::AdditionalProperties { unexpected }
    | ValidationErrorKind::UnevaluatedProperties { unexpected } = kind
    {
        return unexpected.first().map(String::as_str);
    }
    None
}

/// Where in a document a schema is wrong, by where it is in what the document was made to.
pub(super) fn place(path: &str, pointers: &[String], members: &[(String, String)]) -> String {
    let mut segments = path.splitn(4, '/').skip(1);
    let (first, second, rest) = (segments.next(), segments.next().unwrap_or_default(), segments.next());
    let rest = rest.map_or_else(String::new, |rest| format!("/{rest}"));
    let known = match first {
        Some("$defs") => second.parse().ok().and_then(|n: usize| pointers.get(n)),
        Some("properties") => members.iter().find(|(name, _)| name == second).map(|(_, at)| at),
        _ => None,
    };
    known.map_or_else(|| path.to_owned(), |at| format!("{at}{rest}"))
}

/// What is told of a pattern that is not taken.
const NO_PATTERN: &str =
    "a pattern that no automaton of at most 1 MiB can match; look-around and references back are not supported";

/// A schema's own error, shortened.
pub(super) fn why(error: &ValidationError<'_>) -> String {
    let is_pattern = matches!(error.kind(), ValidationErrorKind::Format { format } if format == "regex");
    if is_pattern { NO_PATTERN.to_owned() } else { shortened(&error.to_string()).to_owned() }
}

/// As much of an error's text as is told.
pub(super) fn shortened(text: &str) -> &str {
    text.get(..text.floor_char_boundary(200)).unwrap_or_default()
}

/// Whether a value can be a schema.
pub(super) fn is_schema(value: &Value) -> bool {
    value.is_object() || value.is_boolean()
}
