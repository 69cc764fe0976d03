//! Pairs of names and values: queries and forms (`application/x-www-form-urlencoded`), as the URL standard reads them.

use super::graphql;
use super::walk::Walk;
use crate::inspect::{Fault, FaultKind};

/// Gives all pairs, names first.
///
/// # Errors
/// Too many, one too long, or a NUL in one.
pub(super) fn walk(walk: &mut Walk<'_>, text: &[u8]) -> Result<(), Fault> {
    let (mut name_room, mut value_room) = (Vec::new(), Vec::new());
    let mut rest = Some(text);
    let mut count = 0;
    while let Some(text) = rest {
        let pair;
        (pair, rest) = split(text, b'&');
        if pair.is_empty() {
            continue;
        }
        count += 1;
        let (name, value) = split(pair, b'=');
        let name = decode(name, &mut name_room);
        let mark = walk.trail.mark();
        walk.trail.push_key(name);
        if count > walk.limits.parameters {
            return Err(walk.fault(FaultKind::TooMany));
        }
        walk.name(name);
        let value = decode(value.unwrap_or_default(), &mut value_room);
        if memchr::memchr(0, name).or_else(|| memchr::memchr(0, value)).is_some() {
            return Err(walk.fault(FaultKind::BadText));
        }
        if name.len().max(value.len()) > walk.limits.string {
            return Err(walk.fault(FaultKind::TooLong));
        }
        if name == b"query" {
            graphql::walk(walk, value)?;
        }
        walk.text(value);
        walk.trail.cut(mark);
    }
    Ok(())
}

/// What stands before and behind a byte.
pub(in crate::inspect) fn split(text: &[u8], byte: u8) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(byte, text) {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
        None => (text, None),
    }
}

/// Takes off `%XX` and `+`, once; borrows where there is none.
fn decode<'t>(text: &'t [u8], room: &'t mut Vec<u8>) -> &'t [u8] {
    if memchr::memchr2(b'%', b'+', text).is_none() {
        return text;
    }
    room.clear();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        room.push(match byte {
            b'+' => b' ',
            b'%' => match hex_pair(text.get(at..).unwrap_or_default()) {
                Some(decoded) => {
                    at += 2;
                    decoded
                }
                None => b'%',
            },
            _ => byte,
        });
    }
    room
}

/// The byte that two hexadecimal digits say.
pub(in crate::inspect) fn hex_pair(text: &[u8]) -> Option<u8> {
    let [high, low] = text.first_chunk()?;
    let (high, low) = (char::from(*high).to_digit(16)?, char::from(*low).to_digit(16)?);
    u8::try_from(high << 4 | low).ok()
}
