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
    for (n, record) in body.split(|byte| *byte == RECORD).enumerate() {
        if let Some(packed) = record.strip_prefix(b"b") {
            engine_io(walk, packed);
        } else if let Some(json) = event(record) {
            if n >= walk.limits.array {
                return Err(walk.fault(FaultKind::TooMany));
            }
            unless_malformed(read(walk, json))?;
        }
    }
    Ok(())
}

/// The frames of STOMP, one or several, with blank lines around them; or what else it is. Readers differ in what ends a body: each ends
/// with its first NUL, and where one says otherwise, then all end where they say.
fn frames(walk: &mut Walk<'_>, message: &[u8], is_text: bool) -> Result<(), Fault> {
    let (mut rest, mut is_whole) = (message, true);
    while let Some(frame) = stomp::read(rest, stomp::Until::Nul) {
        stomp::fields(walk, frame.head);
        all(walk, frame.body, is_text)?;
        rest = frame.behind;
        is_whole &= frame.length.is_none_or(|length| length == frame.body.len());
    }
    if rest.len() == message.len() || !rest.trim_ascii().is_empty() {
        all(walk, rest, is_text)?;
    }
    let mut rest = if is_whole { b"" } else { message };
    while let Some(frame) = stomp::read(rest, stomp::Until::Length) {
        stomp::fields(walk, frame.head);
        all(walk, frame.body, is_text)?;
        rest = frame.behind;
    }
    Ok(())
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
        guess::text(walk, text)?;
        return each_line(walk, text).map(|()| false);
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
        Err(fault) if is_text && (prefix.is_empty() || event(text).is_some()) && is_broken(json) => Err(fault),
        // A text that begins so.
        Err(_) => {
            walk.text(text);
            each_line(walk, text).map(|()| false)
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

/// Reads each line of a text that is JSON by itself: readers of lines pass over those that are none.
fn each_line(walk: &mut Walk<'_>, text: &[u8]) -> Result<(), Fault> {
    if memchr::memchr2(b'\n', b'\r', text).is_none() {
        return Ok(());
    }
    let is_blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0;
    let mark = walk.trail.mark();
    for (n, line) in text.split(|byte| matches!(byte, b'\n' | b'\r')).enumerate() {
        let start = line.iter().position(|byte| !is_blank(byte)).unwrap_or(line.len());
        let end = line.iter().rposition(|byte| !is_blank(byte)).map_or(start, |at| at + 1);
        let line @ ([b'{', .., b'}'] | [b'[', .., b']']) = line.get(start..end).unwrap_or_default() else { continue };
        if n >= walk.limits.array {
            return Err(walk.fault(FaultKind::TooMany));
        }
        walk.trail.push_index(n);
        let read = json::walk(walk, line);
        walk.trail.cut(mark);
        unless_malformed(read)?;
    }
    Ok(())
}

fn unless_malformed(read: Result<(), Fault>) -> Result<(), Fault> {
    read.or_else(|fault| if fault.kind == FaultKind::Malformed { Ok(()) } else { Err(fault) })
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

/// What Socket.IO has before JSON, and the JSON: types, how many attachments there are, a namespace up to its comma, an id, in which its reader takes
/// any blank for a digit (protocol 5, "Packet encoding").
fn socket_io(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if at == 0 {
        return None;
    }
    if text.get(at) == Some(&b'-') {
        at += 1;
    }
    if text.get(at) == Some(&b'/') {
        at += memchr::memchr(b',', text.get(at..)?)? + 1;
    }
    let behind = text.get(at..)?;
    let id = behind.get(..memchr::memchr2(b'{', b'[', behind)?)?;
    let is_part = |sign: char| sign.is_ascii_digit() || sign.is_whitespace() || sign == '\u{feff}';
    std::str::from_utf8(id).ok()?.chars().all(is_part).then(|| text.split_at_checked(at + id.len()))?
}

/// What an event of Socket.IO says: what begins with the type of Engine.IO, and one of its own.
fn event(text: &[u8]) -> Option<&[u8]> {
    socket_io(text).filter(|_| matches!(text, [b'4', b'0'..=b'6', ..])).map(|(_, json)| json)
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
    for message in json::texts(json) {
        let message = message.trim_ascii_start();
        let is_stomp = || stomp::read(message, stomp::Until::Nul).is_some();
        if event(message).is_some() || records(message).is_some() || is_stomp() {
            frames(walk, message, false)?;
            continue;
        }
        if matches!(message.first(), Some(b'{' | b'[')) {
            // Its values were given as those of any JSON in a text, and its faults not told.
            let mut nowhere = Nowhere;
            unless_malformed(json::walk(&mut Walk::new(Part::Body, walk.limits, &mut nowhere), message))?;
        }
        each_line(walk, message)?;
    }
    Ok(())
}
