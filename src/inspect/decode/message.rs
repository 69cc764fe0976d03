//! Messages: what a client says over a WebSocket, in text in UTF-8 (RFC 6455 5.6) or bytes, and what the usual subprotocols have around what is
//! said; also where such a message is the body of a request.

use super::charset;
use super::magic::Content;
use super::walk::Walk;
use super::{embedded, guess, json, lines, stomp};
use crate::inspect::{Fault, FaultKind, Limits, Location, Part, Sink};

/// What stands behind each of several in one message (SignalR), or between them (Engine.IO).
const RECORD: u8 = 0x1e;
/// How much may stand before JSON that nobody has a grammar for.
const MAX_PREFIX: usize = 256;

/// Takes values that were given before.
struct Nowhere;

impl Sink for Nowhere {
    fn value(&mut self, _at: Location<'_>, _bytes: &[u8]) {}
}

/// Gives all values of a message. What is text is read as such, whatever it is said to be.
///
/// # Errors
/// What is wrong with its form.
pub(super) fn walk(message: &[u8], is_text: bool, limits: &Limits, sink: &mut dyn Sink) -> Result<(), Fault> {
    let mut walk = Walk::new(Part::Body, limits, sink);
    if std::str::from_utf8(message).is_ok() {
        return frames(&mut walk, message, is_text);
    }
    if is_text {
        return Err(walk.fault(FaultKind::BadText));
    }
    guess::bytes(&mut walk, Content::Any, None, message)?;
    // Readers of texts put a sign in place of what is none.
    if embedded::is_printable(message, message.len()) {
        frames(&mut walk, String::from_utf8_lossy(message).as_bytes(), false)?;
    }
    Ok(())
}

/// Gives what Socket.IO packs in a body where it speaks by requests ("polling", Engine.IO 4); its reader takes the body for a text as well.
///
/// # Errors
/// What is wrong with the form of an event.
pub(super) fn polled(walk: &mut Walk<'_>, body: &[u8]) -> Result<(), Fault> {
    for record in body.split(|byte| *byte == RECORD).take(walk.limits.array) {
        if let Some(packed) = record.strip_prefix(b"b") {
            engine_io(walk, packed);
        } else if let Some((_, json)) = socket_io(record).filter(|_| is_event(record))
            && let Err(fault) = read(walk, json)
            && fault.kind != FaultKind::Malformed
        {
            return Err(fault);
        }
    }
    Ok(())
}

/// The frames of STOMP, one or several, with blank lines around them; or what else it is.
fn frames(walk: &mut Walk<'_>, message: &[u8], is_text: bool) -> Result<(), Fault> {
    let (mut rest, mut count) = (message, 0);
    while let Some(frame) = stomp::read(rest) {
        stomp::fields(walk, frame.head);
        all(walk, frame.body, is_text)?;
        (rest, count) = (frame.behind, count + 1);
    }
    if count > 0 && rest.trim_ascii().is_empty() { Ok(()) } else { all(walk, rest, is_text) }
}

fn all(walk: &mut Walk<'_>, text: &[u8], is_text: bool) -> Result<(), Fault> {
    let Some(records) = records(text) else { return said(walk, text, is_text).map(drop) };
    if records.len() > walk.limits.array {
        return Err(walk.fault(FaultKind::TooMany));
    }
    let mut is_json = true;
    for record in records {
        is_json &= said(walk, record, is_text)?;
    }
    if !is_json {
        // To another reader it is one text.
        walk.plain(text);
    }
    Ok(())
}

/// The records of a text; also where some are not whole, as the others are read all the same. None where none is JSON.
fn records(text: &[u8]) -> Option<Vec<&[u8]>> {
    memchr::memchr(RECORD, text)?;
    let records = text.split(|byte| *byte == RECORD).filter(|record| !record.trim_ascii().is_empty());
    let records: Vec<_> = records.collect();
    let is_json = |record: &&[u8]| matches!(record.trim_ascii_start().first(), Some(b'{' | b'['));
    records.iter().any(is_json).then_some(records)
}

/// Gives what is said, and says whether all of it is JSON: then it is to every reader, and its fields hold what they are declared to.
fn said(walk: &mut Walk<'_>, text: &[u8], is_text: bool) -> Result<bool, Fault> {
    // Readers of JSON know the width by the first bytes (RFC 4627 3).
    let wide = charset::by_width(text).and_then(|charset| charset::decode(text, Some(charset)).ok());
    if let Some(wide) = wide {
        walk.plain(text);
        return said_narrow(walk, &wide, is_text).map(|_| false);
    }
    said_narrow(walk, text, is_text)
}

fn said_narrow(walk: &mut Walk<'_>, text: &[u8], is_text: bool) -> Result<bool, Fault> {
    if let Some(packed) = text.strip_prefix(b"b") {
        engine_io(walk, packed);
    }
    let Some((prefix, json)) = split(text) else {
        let at = memchr::memchr2(b'{', b'[', text.get(..text.len().min(MAX_PREFIX)).unwrap_or_default());
        embedded::walk(walk, at.and_then(|at| text.get(at..)).unwrap_or_default());
        return guess::text(walk, text).map(|()| false);
    };
    match read(walk, json) {
        Ok(()) => {
            if !prefix.trim_ascii().is_empty() {
                walk.text(prefix);
            } else if json.starts_with(b"[") {
                sock_js(walk, json)?;
            }
            Ok(true)
        }
        Err(fault) if fault.kind != FaultKind::Malformed => Err(fault),
        // Lenient readers would go on where this one cannot (`NaN`).
        Err(fault) if is_text && (prefix.is_empty() || is_event(text)) && is_broken(json) => Err(fault),
        // A text that begins so.
        Err(_) => {
            walk.text(text);
            Ok(false)
        }
    }
}

/// Reads JSON, one value or one a line.
fn read(walk: &mut Walk<'_>, json: &[u8]) -> Result<(), Fault> {
    let mark = walk.trail.mark();
    let mut read = json::walk(walk, json);
    let is_in_lines = read.as_ref().is_err_and(|fault| fault.kind == FaultKind::Malformed);
    if is_in_lines && memchr::memchr(b'\n', json).is_some() {
        walk.trail.cut(mark);
        read = lines::lines(walk, json);
    }
    walk.trail.cut(mark);
    read
}

/// What stands before JSON, and the JSON.
fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    socket_io(text).or_else(|| {
        let start = text.get(..text.len().min(MAX_PREFIX)).unwrap_or_default();
        let (prefix, json) = text.split_at_checked(memchr::memchr2(b'{', b'[', start)?)?;
        (is_prefix(prefix) || prefix.trim_ascii().is_empty()).then_some((prefix, json))
    })
}

/// Whether this may be what some protocol has before JSON: `42/chat?a=b,7`.
fn is_prefix(prefix: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"/,_-.?=&%:~".contains(byte);
    prefix.first().is_some_and(u8::is_ascii_digit) && prefix.trim_ascii_end().iter().all(is_part)
}

/// What Socket.IO has before JSON, and the JSON: types, how many attachments there are, a namespace up to its comma, an id (protocol 5, "Packet
/// encoding").
fn socket_io(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let skip_digits = |at: usize| at + text.iter().skip(at).take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = skip_digits(0);
    if at == 0 {
        return None;
    }
    if text.get(at) == Some(&b'-') {
        at += 1;
    }
    if text.get(at) == Some(&b'/') {
        at += memchr::memchr(b',', text.get(at..)?)? + 1;
    }
    at = skip_digits(at);
    at += text.iter().skip(at).take_while(|byte| byte.is_ascii_whitespace()).count();
    let (prefix, json) = text.split_at_checked(at)?;
    matches!(json.first(), Some(b'{' | b'[')).then_some((prefix, json))
}

/// Whether it begins as messages of Socket.IO do: the type of Engine.IO, and one of its own.
fn is_event(text: &[u8]) -> bool {
    matches!(text, [b'4', b'0'..=b'6', ..])
}

/// Whether what begins as JSON is none, and not JSON with something behind it.
fn is_broken(json: &[u8]) -> bool {
    let first = || serde_json::Deserializer::from_slice(json).into_iter::<serde::de::IgnoredAny>().next();
    json::is_begun(json) && !matches!(first(), Some(Ok(_)))
}

/// Gives what Engine.IO packs as bytes behind `b`, in its protocol 3 behind a type too, if that is text; readers pass over what is no sign of base64.
fn engine_io(walk: &mut Walk<'_>, packed: &[u8]) {
    let signs: Vec<u8> = packed.iter().copied().filter(|byte| embedded::is_base64(*byte)).collect();
    embedded::base64(walk, &signs);
    embedded::base64(walk, signs.strip_prefix(b"4").unwrap_or_default());
}

/// A list of texts is what SockJS sends: each is a message.
fn sock_js(walk: &mut Walk<'_>, json: &[u8]) -> Result<(), Fault> {
    let Ok(messages) = serde_json::from_slice::<Vec<serde_json::Value>>(json) else { return Ok(()) };
    for message in messages.iter().filter_map(|message| message.as_str()).map(str::as_bytes) {
        let message = message.trim_ascii_start();
        if stomp::read(message).is_some() {
            frames(walk, message, false)?;
        } else if matches!(message.first(), Some(b'{' | b'[')) {
            // Its values were given as those of any JSON in a text, and its faults not told.
            let mut nowhere = Nowhere;
            let again = json::walk(&mut Walk::new(Part::Body, walk.limits, &mut nowhere), message);
            again.or_else(|fault| if fault.kind == FaultKind::Malformed { Ok(()) } else { Err(fault) })?;
        }
    }
    Ok(())
}
