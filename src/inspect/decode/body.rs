//! The body: codings and charset taken off, then read by its type. An empty body has no values, whatever its type.

use std::borrow::Cow;

use http::HeaderMap;

use super::charset::{self, Charset};
use super::media::{self, Format, Media};
use super::walk::Walk;
use super::{coding, embedded, form, graphql, json};
use crate::inspect::{Fault, FaultKind, Limits, Part, Sink};

/// Gives all values of a body.
///
/// # Errors
/// What is wrong with its form.
pub(super) fn walk(headers: &HeaderMap, body: &[u8], limits: &Limits, sink: &mut dyn Sink) -> Result<(), Fault> {
    let mut walk = Walk::new(Part::Body, limits, sink);
    let mut types = headers.get_all(http::header::CONTENT_TYPE).iter();
    let media = types.next().map_or(Ok(Media::UNKNOWN), |value| media::parse(value.as_bytes()));
    let media = media.map_err(|kind| walk.fault(kind))?;
    if body.is_empty() {
        return Ok(());
    }
    let body = coding::decode(headers, body, limits).map_err(|kind| walk.fault(kind))?;
    by_type(&mut walk, &media, &body)
}

/// Reads what is of a type: a body, or a part of one.
pub(super) fn by_type(walk: &mut Walk<'_>, media: &Media<'_>, body: &[u8]) -> Result<(), Fault> {
    let wrong = |walk: &Walk<'_>, kind| Err(walk.fault(kind));
    let text = match media.format {
        Format::Grpc | Format::Protobuf | Format::Binary | Format::Multipart { .. } => Cow::Borrowed(body),
        Format::Xml => Cow::Borrowed(body),
        Format::Json
        | Format::JsonLines
        | Format::JsonSequence
        | Format::Form
        | Format::Graphql
        | Format::Text
        | Format::Unknown => match charset::decode(body, media.charset) {
            Ok(text) => text,
            Err(kind) => return wrong(walk, kind),
        },
    };
    match media.format {
        Format::Json => {
            if std::str::from_utf8(&text).is_err() {
                return wrong(walk, FaultKind::BadText);
            }
            json::walk(walk, &text)
        }
        Format::Form => form::walk(walk, &text),
        _ => {
            let _ = (embedded::walk, graphql::walk, Charset::Utf8);
            walk.text(&text);
            Ok(())
        }
    }
}
