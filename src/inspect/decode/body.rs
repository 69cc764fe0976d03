//! The body: codings and charset taken off, then read by its type. An empty body has no values, whatever its type.

use std::borrow::Cow;

use http::HeaderMap;

use super::charset::{self, Charset};
use super::media::{self, Format, Media};
use super::walk::Walk;
use super::{Readable, coding, form, graphql, guess, json, lines, multipart, protobuf, xml};
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
    if media.format == Format::Grpc {
        let name = headers.get("grpc-encoding").map_or(&b"identity"[..], |value| value.as_bytes());
        let coding = coding::Coding::named(name).map_err(|kind| walk.fault(kind))?;
        return protobuf::frames(&mut walk, coding, &body);
    }
    by_type(&mut walk, &media, &body)
}

/// A body without its codings and its charset, where it is JSON or a form.
///
/// # Errors
/// What is wrong with its form.
pub(super) fn readable<'b>(headers: &HeaderMap, body: &'b [u8], limits: &Limits) -> Result<Readable<'b>, FaultKind> {
    let media =
        headers.get(http::header::CONTENT_TYPE).map_or(Ok(Media::UNKNOWN), |kind| media::parse(kind.as_bytes()))?;
    if !matches!(media.format, Format::Json | Format::Form) {
        return Ok(Readable::Other);
    }
    let text = match coding::decode(headers, body, limits)? {
        Cow::Borrowed(body) => charset::decode(body, media.charset)?,
        Cow::Owned(body) => Cow::Owned(charset::decode(&body, media.charset)?.into_owned()),
    };
    Ok(if media.format == Format::Json { Readable::Json(text) } else { Readable::Form(text) })
}

/// Reads what is of a type: a body, or a part of one.
pub(super) fn by_type(walk: &mut Walk<'_>, media: &Media<'_>, body: &[u8]) -> Result<(), Fault> {
    match media.format {
        Format::Json => {
            let text = utf_8(walk, media, body)?;
            json::walk(walk, &text)
        }
        Format::JsonLines => {
            let text = utf_8(walk, media, body)?;
            lines::lines(walk, &text)
        }
        Format::JsonSequence => {
            let text = utf_8(walk, media, body)?;
            lines::sequence(walk, &text)
        }
        Format::Form => {
            let text = narrow(walk, media, body)?;
            as_form(walk, media, text)
        }
        Format::Multipart { is_form } => multipart::walk(walk, media.boundary, is_form, body),
        Format::Xml => xml::walk(walk, media.charset, body),
        Format::Graphql => {
            let text = utf_8(walk, media, body)?;
            if graphql::walk(walk, &text)? { Ok(()) } else { Err(walk.fault(FaultKind::Malformed)) }
        }
        Format::Grpc => protobuf::frames(walk, None, body),
        Format::Protobuf => protobuf::walk(walk, body),
        Format::Text | Format::Binary(_) | Format::Unknown => guess::walk(walk, media, body),
    }
}

/// The text of a form, which is that to its readers whatever its charset is said to be: in all that are let through, ASCII is ASCII.
fn narrow<'b>(walk: &Walk<'_>, media: &Media<'_>, body: &'b [u8]) -> Result<&'b [u8], Fault> {
    if charset::is_wide(body, media.charset) {
        return Err(walk.fault(FaultKind::UnknownCharset));
    }
    charset::decode(body, media.charset).map_err(|kind| walk.fault(kind))?;
    Ok(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body))
}

/// The text by its charset, and surely UTF-8. A mark of UTF-8 stays, as it must not be there (RFC 8259 8.1).
fn utf_8<'b>(walk: &Walk<'_>, media: &Media<'_>, body: &'b [u8]) -> Result<Cow<'b, [u8]>, Fault> {
    let text = charset::decode(body, media.charset).map_err(|kind| walk.fault(kind))?;
    // There is no JSON but in UTF-8 (RFC 8259 8.1): readers pass over any other charset.
    if media.charset == Some(Charset::Latin1) && !body.is_ascii() {
        return Err(walk.fault(FaultKind::UnknownCharset));
    }
    if std::str::from_utf8(&text).is_err() {
        return Err(walk.fault(FaultKind::BadText));
    }
    Ok(text)
}

/// Reads a form, and the JSON or XML that is sent as one by who did not say otherwise (`curl -d`): as what it is, and as the form that it is to a
/// reader that goes by the type.
fn as_form(walk: &mut Walk<'_>, media: &Media<'_>, text: &[u8]) -> Result<(), Fault> {
    guess::looks(walk, media.charset, text, text)?;
    form::walk(walk, text)
}
