//! From a request to named values: what each format means, strictly; what cannot be read in one way is a fault.
//!
//! ```text
//! head         path, form (query), fields, cookies
//! body         coding -> charset -> by its type: json, lines, form, multipart, xml, graphql, protobuf, or text
//! embedded     within any text: JSON, base64, the head of a JWT
//! ```

use std::borrow::Cow;

use http::HeaderMap;

use super::profile::Head;
use super::{Fault, FaultKind, Limits, Sink};

mod body;
mod charset;
mod coding;
mod embedded;
pub(super) mod form;
mod graphql;
mod guess;
mod head;
mod json;
mod lines;
mod magic;
mod media;
mod message;
mod multipart;
mod path;
mod protobuf;
mod stomp;
#[cfg(test)]
mod tests;
mod walk;
mod xml;

/// Gives all values of a head: path, parameters, cookies, header fields.
///
/// # Errors
/// What is wrong with its form.
pub(super) fn head(head: &Head<'_>, limits: &Limits, sink: &mut dyn Sink) -> Result<(), Fault> {
    head::walk(head, limits, sink)
}

/// Gives all values of a body by what its head says of it (`Content-Type`, `Content-Encoding`).
///
/// # Errors
/// What is wrong with its form.
pub(super) fn body(headers: &HeaderMap, body: &[u8], limits: &Limits, sink: &mut dyn Sink) -> Result<(), Fault> {
    body::walk(headers, body, limits, sink)
}

/// Gives all values of a message of a WebSocket.
///
/// # Errors
/// What is wrong with its form.
pub(super) fn message(message: &[u8], is_text: bool, limits: &Limits, sink: &mut dyn Sink) -> Result<(), Fault> {
    message::walk(message, is_text, limits, sink)
}

/// A body in a format that schemas speak of.
pub(super) enum Readable<'b> {
    /// JSON, in UTF-8.
    Json(Cow<'b, [u8]>),
    /// A form (`application/x-www-form-urlencoded`).
    Form(Cow<'b, [u8]>),
    /// Any other.
    Other,
}

/// A body without its codings and its charset, where it is JSON or a form by what its head says.
///
/// # Errors
/// What is wrong with its form.
pub(super) fn readable<'b>(headers: &HeaderMap, body: &'b [u8], limits: &Limits) -> Result<Readable<'b>, FaultKind> {
    body::readable(headers, body, limits)
}

/// Whether a body is said to be of one of these media types, `application/json` or `image/*`, and of no other.
pub(super) fn is_of(headers: &HeaderMap, types: &[String]) -> bool {
    let mut lines = headers.get_all(http::header::CONTENT_TYPE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return false };
    let essence = line.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    types.iter().map(String::as_bytes).any(|one| match one.strip_suffix(b"*") {
        Some(kind) => essence.get(..kind.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(kind)),
        None => essence.eq_ignore_ascii_case(one),
    })
}

/// Whether bodies of a type are read as JSON.
pub(super) fn is_json(kind: &str) -> bool {
    media::parse(kind.as_bytes()).is_ok_and(|media| media.format == media::Format::Json)
}
