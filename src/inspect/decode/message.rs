//! Messages of WebSockets: text in UTF-8 (RFC 6455 5.6) or bytes, and what the usual subprotocols have around what is said.

use super::charset::Charset;
use super::magic::Content;
use super::media::{Format, Media};
use super::walk::Walk;
use super::{guess, json};
use crate::inspect::{Fault, FaultKind, Limits, Part, Sink};

/// What stands behind each of several in one message (SignalR).
const RECORD: u8 = 0x1e;
/// How much may stand before JSON.
const MAX_PREFIX: usize = 64;
const TEXT: Media<'_> = Media { format: Format::Text, charset: Some(Charset::Utf8), boundary: None };

/// Gives all values of a message.
///
/// # Errors
/// What is wrong with its form.
pub(super) fn walk(message: &[u8], is_text: bool, limits: &Limits, sink: &mut dyn Sink) -> Result<(), Fault> {
    let mut walk = Walk::new(Part::Body, limits, sink);
    if !is_text {
        return guess::bytes(&mut walk, Content::Any, None, message);
    }
    if std::str::from_utf8(message).is_err() {
        return Err(walk.fault(FaultKind::BadText));
    }
    let records = message.split(|byte| *byte == RECORD).filter(|record| !record.is_empty());
    records.into_iter().try_for_each(|record| match stomp(record) {
        Some((head, body)) => {
            fields(&mut walk, head);
            said(&mut walk, body)
        }
        None => said(&mut walk, record),
    })
}

fn said(walk: &mut Walk<'_>, text: &[u8]) -> Result<(), Fault> {
    let Some(json) = behind_prefix(text) else { return guess::walk(walk, &TEXT, text) };
    let mark = walk.trail.mark();
    let read = json::walk(walk, json);
    walk.trail.cut(mark);
    match read {
        Err(fault) if fault.kind != FaultKind::Malformed => Err(fault),
        Ok(()) | Err(_) => {
            walk.plain(text);
            Ok(())
        }
    }
}

/// What stands behind numbers and a name, as Socket.IO has it: `42/chat,["say","hello"]`.
fn behind_prefix(text: &[u8]) -> Option<&[u8]> {
    let at = memchr::memchr2(b'{', b'[', text.get(..text.len().min(MAX_PREFIX))?)?;
    let (prefix, rest) = text.split_at_checked(at)?;
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"/,_-.".contains(byte);
    (prefix.first()?.is_ascii_digit() && prefix.iter().all(is_part)).then_some(rest)
}

/// The head and the body of a frame of STOMP (1.2, "STOMP Frames"), which ends with NUL: a command, fields a line each, a blank line.
fn stomp(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.trim_ascii_end().strip_suffix(b"\0")?;
    let (at, length) = match (memchr::memmem::find(text, b"\n\n"), memchr::memmem::find(text, b"\r\n\r\n")) {
        (Some(at), other) if other.is_none_or(|other| at < other) => (at, 2),
        (_, other) => (other?, 4),
    };
    let (head, body) = (text.get(..at)?, text.get(at + length..)?);
    let command = head.split(|byte| *byte == b'\n').next()?.trim_ascii_end();
    ((3..=12).contains(&command.len()) && command.iter().all(u8::is_ascii_uppercase)).then_some((head, body))
}

fn fields(walk: &mut Walk<'_>, head: &[u8]) {
    for line in head.split(|byte| *byte == b'\n').skip(1) {
        let at = memchr::memchr(b':', line).unwrap_or(line.len());
        let (name, value) = line.split_at_checked(at).unwrap_or((line, b""));
        let mark = walk.trail.mark();
        walk.trail.push_key(name);
        walk.name(name);
        walk.text(value.strip_prefix(b":").unwrap_or(value).trim_ascii_end());
        walk.trail.cut(mark);
    }
}
