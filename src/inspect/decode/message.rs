//! Messages of WebSockets: text in UTF-8 (RFC 6455 5.6) or bytes, and what the usual subprotocols have around what is said.

use super::charset::Charset;
use super::magic::Content;
use super::media::{Format, Media};
use super::walk::Walk;
use super::{embedded, guess, json};
use crate::inspect::{Fault, FaultKind, Limits, Part, Sink};

/// What stands behind each of several in one message (SignalR).
const RECORD: u8 = 0x1e;
/// How much may stand before JSON.
const MAX_PREFIX: usize = 256;
const TEXT: Media<'_> = Media { format: Format::Text, charset: Some(Charset::Utf8), boundary: None };

/// Gives all values of a message. What is text is read as such, whatever it is said to be.
///
/// # Errors
/// What is wrong with its form.
pub(super) fn walk(message: &[u8], is_text: bool, limits: &Limits, sink: &mut dyn Sink) -> Result<(), Fault> {
    let mut walk = Walk::new(Part::Body, limits, sink);
    if std::str::from_utf8(message).is_err() {
        let fault = || Err(walk.fault(FaultKind::BadText));
        return if is_text { fault() } else { guess::bytes(&mut walk, Content::Any, None, message) };
    }
    let Some(records) = records(message) else { return frames(&mut walk, message) };
    let mut is_json = true;
    for record in records {
        is_json &= said(&mut walk, record)?;
    }
    if !is_json {
        // To another reader it is one text.
        walk.plain(message);
    }
    Ok(())
}

/// The records of SignalR, each with its end behind it; also where some are not whole, as the others are read all the same. None where none is JSON.
fn records(message: &[u8]) -> Option<Vec<&[u8]>> {
    memchr::memchr(RECORD, message)?;
    let records = message.split(|byte| *byte == RECORD).filter(|record| !record.trim_ascii().is_empty());
    let records: Vec<_> = records.collect();
    let is_json = |record: &&[u8]| matches!(record.trim_ascii_start().first(), Some(b'{' | b'['));
    records.iter().any(is_json).then_some(records)
}

/// The frames of STOMP, one or several, with blank lines around them; or what else it is.
fn frames(walk: &mut Walk<'_>, message: &[u8]) -> Result<(), Fault> {
    let (mut rest, mut count) = (message, 0);
    while let Some((head, body, behind)) = stomp(rest) {
        fields(walk, head);
        said(walk, body)?;
        (rest, count) = (behind, count + 1);
    }
    let is_over = count > 0 && rest.trim_ascii().is_empty();
    if is_over { Ok(()) } else { said(walk, rest).map(drop) }
}

/// Gives what is said, and says whether all of it is JSON: then it is to every reader, and its fields hold what they are declared to.
fn said(walk: &mut Walk<'_>, text: &[u8]) -> Result<bool, Fault> {
    let start = text.get(..text.len().min(MAX_PREFIX)).unwrap_or_default();
    let at = memchr::memchr2(b'{', b'[', start).unwrap_or(text.len());
    let (prefix, json) = text.split_at_checked(at).unwrap_or((text, b""));
    if json.is_empty() || !(is_prefix(prefix) || prefix.trim_ascii().is_empty()) {
        embedded::walk(walk, json);
        return guess::walk(walk, &TEXT, text).map(|()| false);
    }
    let mark = walk.trail.mark();
    let read = json::walk(walk, json);
    walk.trail.cut(mark);
    match read {
        Ok(()) => {
            if !prefix.trim_ascii().is_empty() {
                walk.text(prefix);
            }
            Ok(true)
        }
        Err(fault) if fault.kind != FaultKind::Malformed => Err(fault),
        // A text that begins so.
        Err(_) => {
            walk.text(text);
            Ok(false)
        }
    }
}

/// Whether this may be what Socket.IO has before JSON: `42/chat?a=b,7`.
fn is_prefix(prefix: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"/,_-.?=&%:~".contains(byte);
    prefix.first().is_some_and(u8::is_ascii_digit) && prefix.trim_ascii_end().iter().all(is_part)
}

/// The head and the body of a frame of STOMP (1.2, "STOMP Frames"), and what stands behind its NUL: a command, fields a line each, a blank line.
fn stomp(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let text = text.trim_ascii_start();
    let (frame, behind) = text.split_at_checked(memchr::memchr(0, text)?)?;
    // Lines end with LF, or with CR and LF.
    let at = memchr::memmem::find_iter(frame, b"\n").find(|at| {
        let next = frame.get(at + 1..).unwrap_or_default();
        next.starts_with(b"\n") || next.starts_with(b"\r\n")
    })?;
    let (head, body) = frame.split_at_checked(at)?;
    let body = body.get(1..)?;
    let body = body.strip_prefix(b"\r\n").or_else(|| body.strip_prefix(b"\n"))?;
    let command = head.split(|byte| *byte == b'\n').next()?.trim_ascii_end();
    let is_command = (3..=12).contains(&command.len()) && command.iter().all(u8::is_ascii_alphabetic);
    is_command.then_some((head, body, behind.get(1..)?))
}

fn fields(walk: &mut Walk<'_>, head: &[u8]) {
    for line in head.split(|byte| *byte == b'\n').skip(1) {
        let at = memchr::memchr(b':', line).unwrap_or(line.len());
        let (name, value) = line.split_at_checked(at).unwrap_or((line, b""));
        let value = value.strip_prefix(b":").unwrap_or(value).trim_ascii_end();
        let mark = walk.trail.mark();
        walk.trail.push_key(name);
        walk.name(name);
        walk.text(value);
        if memchr::memchr(b'\\', value).is_some() {
            walk.text(&unescaped(value));
        }
        walk.trail.cut(mark);
    }
}

/// What a field says (STOMP 1.2, "Value Encoding").
fn unescaped(value: &[u8]) -> Vec<u8> {
    let (mut said, mut bytes) = (Vec::with_capacity(value.len()), value.iter().copied());
    while let Some(byte) = bytes.next() {
        said.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'c') => b':',
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(other) => other,
                None => break,
            },
            byte => byte,
        });
    }
    said
}
