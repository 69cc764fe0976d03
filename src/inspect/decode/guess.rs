//! Bodies of a type that binds no reader: text, bytes, one that is not known, or none. Servers read what is in a body whatever its type says, so it
//! is given as what it looks like and as the text that it is (CWE-436).

use std::borrow::Cow;

use super::charset::{self, Charset};
use super::magic::{self, Content};
use super::media::{Format, Media};
use super::walk::Walk;
use super::{embedded, form, json, message, xml};
use crate::inspect::{Fault, FaultKind};

/// The shortest stretch of text among bytes that is given.
pub(super) const MIN_RUN: usize = 16;

/// How XML in EBCDIC begins (XML 1.0 F.1), which some readers know by that.
const EBCDIC_XML: &[u8] = b"\x4c\x6f\xa7\x94";

/// The shortest stretch of text that is given of what was read as of two or four bytes a sign.
const MIN_NARROW: usize = 6;

/// Gives a body as what it looks like, and as text.
///
/// # Errors
/// It is not in its charset, is JSON that is refused where it is declared (unless it is but a part), or has a document type.
pub(super) fn walk(walk: &mut Walk<'_>, media: &Media<'_>, body: &[u8]) -> Result<(), Fault> {
    if let Format::Binary(content) = media.format {
        return bytes(walk, content, media.charset, body);
    }
    let is_unknown = media.format == Format::Unknown;
    if is_unknown && media.charset.is_none() && is_hidden(Content::Any, body) {
        return Ok(());
    }
    let text = charset::decode(body, media.charset).map_err(|kind| walk.fault(kind))?;
    if walk.multiparts == 0 {
        message::polled(walk, &text)?;
    }
    by_look(walk, media.charset, body, &text, is_unknown)
}

/// Gives a text in UTF-8 as what it looks like, and as text.
///
/// # Errors
/// Those of [`walk`].
pub(super) fn text(walk: &mut Walk<'_>, text: &[u8]) -> Result<(), Fault> {
    by_look(walk, Some(Charset::Utf8), text, text, false)
}

/// Gives what is said to be no text: all of it, or what text there is in it.
pub(super) fn bytes(
    walk: &mut Walk<'_>,
    content: Content,
    declared: Option<Charset>,
    body: &[u8],
) -> Result<(), Fault> {
    if is_hidden(content, body) {
        return Ok(());
    }
    // Bytes may start as a text in some charset does and be none.
    let text = charset::decode(body, declared).unwrap_or(Cow::Borrowed(body));
    if is_textual(&text) {
        return by_look(walk, declared, body, &text, false);
    }
    looks(walk, declared, body, &text)?;
    for run in magic::runs(body, MIN_RUN) {
        walk.text(run);
    }
    Ok(())
}

/// Whether a body is surely what it is said to be, and nothing that a reader of texts would take.
fn is_hidden(content: Content, body: &[u8]) -> bool {
    magic::is_of(content, body) && !is_textual(body)
}

/// Whether bytes may be a text to somebody: all of UTF-8, whatever control characters are among them, or nearly all of it.
pub(super) fn is_textual(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok() || embedded::is_printable(bytes, bytes.len())
}

fn by_look(
    walk: &mut Walk<'_>,
    declared: Option<Charset>,
    body: &[u8],
    text: &[u8],
    may_be_form: bool,
) -> Result<(), Fault> {
    let is_read = looks(walk, declared, body, text)?;
    let plain = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    if may_be_form && walk.multiparts == 0 && is_form(plain) {
        let mark = walk.trail.mark();
        // Rack reads a body without a type as a form. What is none is a text, with whatever is in it.
        if form::walk(walk, plain).is_err() {
            walk.trail.cut(mark);
        }
    }
    if is_read {
        walk.plain(plain);
    } else {
        walk.text(plain);
    }
    // What it is to a reader that passes over the charset.
    let is_wide = charset::is_wide(body, declared);
    if text != body && (!is_wide || magic::runs(body, MIN_NARROW).next().is_some()) {
        walk.plain(body);
    }
    Ok(())
}

/// Gives what stands in a body that looks like JSON or XML, and says whether it was read as JSON.
///
/// # Errors
/// JSON with what is refused in JSON (in a part, which may be any file, nothing is), a document type, XML in EBCDIC.
pub(super) fn looks(walk: &mut Walk<'_>, declared: Option<Charset>, body: &[u8], text: &[u8]) -> Result<bool, Fault> {
    if body.starts_with(EBCDIC_XML) {
        return Err(walk.fault(FaultKind::UnknownCharset));
    }
    // Readers of JSON know the width by the first bytes (RFC 4627 3), those of XML too (XML 1.0 F.1).
    let wide = charset::by_width(text).and_then(|charset| charset::decode(text, Some(charset)).ok());
    let text = wide.as_deref().unwrap_or(text);
    let trimmed = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).trim_ascii_start();
    match trimmed.first() {
        // A part may be a file; what stands in its text is looked for as in any.
        Some(b'{' | b'[' | b'"') if walk.multiparts == 0 || wide.is_some() => {
            let text = String::from_utf8_lossy(trimmed);
            match json::walk(walk, text.as_bytes()) {
                Err(fault) if fault.kind != FaultKind::Malformed && walk.multiparts == 0 => Err(fault),
                Ok(()) | Err(_) => Ok(true),
            }
        }
        Some(b'<') => {
            doctype(walk, trimmed)?;
            let mark = walk.trail.mark();
            // One that was decoded here names the charset that it had.
            let (declared, source) = if is_wide_xml(declared, body) { (declared, body) } else { (None, trimmed) };
            let result = xml::walk(walk, declared, source);
            walk.trail.cut(mark);
            let is_xml = trimmed.starts_with(b"<?xml") || memchr::memmem::find(trimmed, b"/XInclude").is_some();
            match result {
                Err(fault) if fault.kind == FaultKind::Doctype && is_xml => Err(fault),
                Ok(()) | Err(_) => Ok(false),
            }
        }
        _ => Ok(false),
    }
}

fn is_wide_xml(declared: Option<Charset>, body: &[u8]) -> bool {
    declared.is_some_and(Charset::is_wide)
        || Charset::by_mark(body).is_some_and(|(charset, _)| charset.is_wide())
        || charset::by_width(body).is_some()
}

/// Refuses a document that starts with a type of its own (CWE-611). That of HTML names nothing, or what is known for HTML.
///
/// # Errors
/// It has one.
pub(super) fn doctype(walk: &Walk<'_>, text: &[u8]) -> Result<(), Fault> {
    let mut rest = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).trim_ascii_start();
    loop {
        let end: &[u8] = match rest {
            [b'<', b'?', ..] => b"?>",
            [b'<', b'!', b'-', b'-', ..] => b"-->",
            _ => break,
        };
        let Some(at) = memchr::memmem::find(rest, end) else { return Ok(()) };
        rest = rest.get(at + end.len()..).unwrap_or_default().trim_ascii_start();
    }
    let Some((start, rest)) = rest.split_first_chunk::<9>() else { return Ok(()) };
    if start.eq_ignore_ascii_case(b"<!doctype") && !is_of_html(rest) {
        return Err(walk.fault(FaultKind::Doctype));
    }
    Ok(())
}

/// Whether what follows `<!DOCTYPE` is of HTML: by itself, or by one of the names that W3C gave (HTML 13.1.1).
fn is_of_html(rest: &[u8]) -> bool {
    let (declaration, _) = form::split(rest, b'>');
    let declaration = declaration.trim_ascii();
    let Some((root, ids)) = declaration.split_first_chunk::<4>() else { return false };
    if !root.eq_ignore_ascii_case(b"html") || memchr::memchr(b'[', ids).is_some() {
        return false;
    }
    let is_known = |id: &[u8]| id == b"about:legacy-compat" || id.starts_with(b"http://www.w3.org/");
    let quotes = ids.iter().filter(|byte| matches!(byte, b'"' | b'\'')).count();
    // What stands in quotes is a public name, which is no address, or an address.
    let mut quoted = ids.split(|byte| matches!(byte, b'"' | b'\'')).skip(1).step_by(2);
    quotes % 2 == 0
        && quoted.all(|id| is_known(id) || id.starts_with(b"-//"))
        && ids.first().is_none_or(u8::is_ascii_whitespace)
}

/// Whether a text looks like a form: a name without space, and what it stands for.
fn is_form(text: &[u8]) -> bool {
    let (name, value) = form::split(text, b'=');
    let is_sign = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.[]%$+".contains(byte);
    value.is_some() && (1..=128).contains(&name.len()) && name.iter().all(is_sign)
}
