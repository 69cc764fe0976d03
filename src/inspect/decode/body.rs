//! The body: codings and charset taken off, then read by its type. An empty body has no values, whatever its type.

use std::borrow::Cow;

use http::HeaderMap;

use super::charset;
use super::media::{self, Format, Media};
use super::walk::Walk;
use super::{Readable, coding, form, graphql, json, lines, multipart, protobuf, xml};
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
            let text = text(walk, media, body)?;
            as_form(walk, &text)
        }
        Format::Multipart { is_form } => multipart::walk(walk, media.boundary, is_form, body),
        Format::Xml => xml::walk(walk, media.charset, body),
        Format::Graphql => {
            let text = utf_8(walk, media, body)?;
            if graphql::walk(walk, &text)? { Ok(()) } else { Err(walk.fault(FaultKind::Malformed)) }
        }
        Format::Grpc => protobuf::frames(walk, None, body),
        Format::Protobuf => protobuf::walk(walk, body),
        Format::Text => {
            let text = text(walk, media, body)?;
            walk.text(&text);
            Ok(())
        }
        Format::Binary => {
            if is_text(body) {
                walk.text(body);
            }
            Ok(())
        }
        Format::Unknown => unknown(walk, media, body),
    }
}

/// The text by its charset, without a byte order mark.
fn text<'b>(walk: &Walk<'_>, media: &Media<'_>, body: &'b [u8]) -> Result<Cow<'b, [u8]>, Fault> {
    let text = charset::decode(body, media.charset).map_err(|kind| walk.fault(kind))?;
    Ok(match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)),
        Cow::Owned(text) => Cow::Owned(text),
    })
}

/// The text by its charset, and surely UTF-8. A mark of UTF-8 stays, as it must not be there (RFC 8259 8.1).
fn utf_8<'b>(walk: &Walk<'_>, media: &Media<'_>, body: &'b [u8]) -> Result<Cow<'b, [u8]>, Fault> {
    let text = charset::decode(body, media.charset).map_err(|kind| walk.fault(kind))?;
    if std::str::from_utf8(&text).is_err() {
        return Err(walk.fault(FaultKind::BadText));
    }
    Ok(text)
}

/// Reads a form, or the JSON that is sent as one by who did not say otherwise (`curl -d`).
fn as_form(walk: &mut Walk<'_>, text: &[u8]) -> Result<(), Fault> {
    match text.trim_ascii() {
        trimmed @ ([b'{', .., b'}'] | [b'[', .., b']']) if std::str::from_utf8(trimmed).is_ok() => {
            // What was given of a text that turns out to be no JSON is given again, as a form.
            json::walk(walk, trimmed).or_else(|_| form::walk(walk, text))
        }
        _ => form::walk(walk, text),
    }
}

/// Reads what says nothing of itself as who would guess: JSON and XML where it looks so, text else.
fn unknown(walk: &mut Walk<'_>, media: &Media<'_>, body: &[u8]) -> Result<(), Fault> {
    if media.charset.is_none() && has_magic(body) && !is_text(body) {
        return Ok(());
    }
    let mark = walk.trail.mark();
    let start = body.get(..body.len().min(64)).unwrap_or_default();
    let is_xml = memchr::memmem::find(start, b"<?xml").is_some()
        || memchr::memmem::find(start, b"<\0?\0x\0").is_some()
        || memchr::memmem::find(start, b"\0<\0?\0x").is_some();
    if is_xml {
        match xml::walk(walk, media.charset, body) {
            Ok(()) => return Ok(()),
            Err(fault) if fault.kind == FaultKind::Doctype => return Err(fault),
            Err(_) => walk.trail.cut(mark),
        }
    }
    let text = text(walk, media, body)?;
    walk.text(&text);
    Ok(())
}

/// Whether a body starts as images, archives, documents, sounds and programs do. Some of these starts are text: then all has to be looked at.
fn has_magic(body: &[u8]) -> bool {
    let starts: [&[u8]; 16] = [
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"GIF87a",
        b"GIF89a",
        b"%PDF-",
        b"PK\x03\x04",
        b"\x1f\x8b\x08",
        b"BZh",
        b"\xfd7zXZ\0",
        b"\x28\xb5\x2f\xfd",
        b"OggS",
        b"fLaC",
        b"ID3",
        b"\x7fELF",
        b"\0asm",
        b"wOF2",
    ];
    starts.iter().any(|start| body.starts_with(start))
        || matches!(body, [b'R', b'I', b'F', b'F', _, _, _, _, ..])
        || body.get(4..8) == Some(b"ftyp")
}

/// Whether all of it is text, as far as is looked.
fn is_text(body: &[u8]) -> bool {
    let start = body.get(..body.len().min(4096)).unwrap_or_default();
    let is_control = |byte: &u8| matches!(byte, 0..=8 | 11 | 14..=31 | 127);
    let is_utf_8 = std::str::from_utf8(start).map_or_else(|error| error.error_len().is_none(), |_| true);
    is_utf_8 && !start.iter().any(is_control)
}
