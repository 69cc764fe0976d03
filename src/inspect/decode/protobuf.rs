//! Protocol buffers without their schema, by the wire format, and the frames that gRPC has them in. A field that could be a text is given as one; one
//! that could be a message is read as one too.

use super::coding::{self, Coding};
use super::magic::{self, Content};
use super::walk::Walk;
use super::{embedded, guess};
use crate::inspect::{Fault, FaultKind};

/// How deep messages within messages are read: deeper ones are read as texts only.
const MAX_DEPTH: usize = 12;

/// The shortest stretch of text that is given of a message besides its fields.
const MIN_RUN: usize = 8;

/// The most frames that a coding is taken off: each has a decoder of its own to be made.
const MAX_INFLATED: usize = 4_000;

/// Reads frames: a flag, four bytes of length, a message.
///
/// # Errors
/// Lengths that do not add up, flags that are none, codings that are not those declared, and what is beyond a limit.
pub(super) fn frames(walk: &mut Walk<'_>, coding: Option<Coding>, mut body: &[u8]) -> Result<(), Fault> {
    let (mut count, mut inflated) = (0, 0);
    // What comes out of all frames is bounded as one body.
    let mut limits = walk.limits.clone();
    while !body.is_empty() {
        let mark = walk.trail.mark();
        walk.trail.push_index(count);
        count += 1;
        if count > walk.limits.array {
            return Err(walk.fault(FaultKind::TooMany));
        }
        let frame = body.split_first_chunk().and_then(|([flag, length @ ..], rest): (&[u8; 5], _)| {
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            Some((*flag, rest.split_at_checked(length)?))
        });
        let Some((flag, (message, rest))) = frame else { return Err(walk.fault(FaultKind::Malformed)) };
        body = rest;
        match (flag, coding) {
            (0, _) => message_or_text(walk, message)?,
            (1, Some(coding)) => {
                inflated += 1;
                if inflated > MAX_INFLATED {
                    return Err(walk.fault(FaultKind::TooMany));
                }
                let message = coding::inflate(coding, message, &limits).map_err(|kind| walk.fault(kind))?;
                limits.decoded -= message.len().min(limits.decoded);
                message_or_text(walk, &message)?;
            }
            (1, None) => return Err(walk.fault(FaultKind::BrokenCoding)),
            _ => return Err(walk.fault(FaultKind::Malformed)),
        }
        walk.trail.cut(mark);
    }
    Ok(())
}

/// Reads a message that is a body.
///
/// # Errors
/// Too many fields, and what is wrong with what else it looks like.
pub(super) fn walk(walk: &mut Walk<'_>, body: &[u8]) -> Result<(), Fault> {
    message_or_text(walk, body)
}

fn message_or_text(walk: &mut Walk<'_>, bytes: &[u8]) -> Result<(), Fault> {
    if !is_message(bytes) {
        return guess::bytes(walk, Content::Program, None, bytes);
    }
    fields(walk, bytes, 0)?;
    // Readers that go by no type may take a message for a text: all of it, or what stands in tags and numbers.
    if embedded::is_printable(bytes, bytes.len()) {
        walk.plain(bytes);
    } else {
        for run in magic::runs(bytes, MIN_RUN) {
            walk.plain(run);
        }
    }
    let first = bytes.trim_ascii_start().first();
    if matches!(first, Some(b'{' | b'[' | b'"' | b'<')) {
        guess::looks(walk, None, bytes, bytes)?;
    }
    Ok(())
}

fn fields(walk: &mut Walk<'_>, message: &[u8], depth: usize) -> Result<(), Fault> {
    for (number, field) in (Fields { rest: message }).flatten() {
        let mark = walk.trail.mark();
        walk.trail.push_index(number);
        walk.count_key()?;
        if let Some(bytes) = field {
            if bytes.len() > walk.limits.string {
                return Err(walk.fault(FaultKind::TooLong));
            }
            let is_message = is_message(bytes);
            // A text may have any character in it, and a message may be one; what is none may have one in it.
            let is_text =
                if is_message { embedded::is_printable(bytes, bytes.len()) } else { guess::is_textual(bytes) };
            if is_text {
                walk.text(bytes);
            } else {
                for run in magic::runs(bytes, if is_message { MIN_RUN } else { guess::MIN_RUN }) {
                    walk.plain(run);
                }
            }
            if depth < MAX_DEPTH && is_message {
                fields(walk, bytes, depth + 1)?;
            }
        }
        walk.trail.cut(mark);
    }
    Ok(())
}

/// Whether these bytes are fields to their end.
fn is_message(bytes: &[u8]) -> bool {
    !bytes.is_empty() && Fields { rest: bytes }.all(|field| field.is_some())
}

/// The fields of a message: the number and, of those with a length, the bytes. The last one is `None` where it is no field.
struct Fields<'m> {
    rest: &'m [u8],
}

impl<'m> Iterator for Fields<'m> {
    type Item = Option<(usize, Option<&'m [u8]>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.rest = b"";
        }
        Some(field)
    }
}

impl<'m> Fields<'m> {
    fn field(&mut self) -> Option<(usize, Option<&'m [u8]>)> {
        let tag = self.varint()?;
        let number = usize::try_from(tag >> 3).ok().filter(|number| (1..1 << 29).contains(number))?;
        let length = match tag & 7 {
            0 => return self.varint().map(|_| (number, None)),
            1 => 8,
            2 => usize::try_from(self.varint()?).ok()?,
            5 => 4,
            _ => return None,
        };
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some((number, (tag & 7 == 2).then_some(bytes)))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for n in 0..10 {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            number |= u64::from(byte & 0x7f) << (7 * n);
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}
