//! Streams of JSON texts: one a line, or behind record separators (RFC 7464).

use super::json;
use super::walk::Walk;
use crate::inspect::{Fault, FaultKind};

/// Reads a text for each line; empty lines are passed over.
///
/// # Errors
/// A line is not JSON, or there are too many.
pub(super) fn lines(walk: &mut Walk<'_>, text: &[u8]) -> Result<(), Fault> {
    texts(walk, text.split(|byte| *byte == b'\n'))
}

/// Reads a text behind each record separator.
///
/// # Errors
/// A text is not JSON, or there are too many.
pub(super) fn sequence(walk: &mut Walk<'_>, text: &[u8]) -> Result<(), Fault> {
    match text.strip_prefix(b"\x1e") {
        Some(rest) => texts(walk, rest.split(|byte| *byte == 0x1e)),
        None => Err(walk.fault(FaultKind::Malformed)),
    }
}

fn texts<'t>(walk: &mut Walk<'_>, texts: impl Iterator<Item = &'t [u8]>) -> Result<(), Fault> {
    let texts = texts.map(<[u8]>::trim_ascii).filter(|text| !text.is_empty());
    for (n, text) in texts.enumerate() {
        let mark = walk.trail.mark();
        walk.trail.push_index(n);
        if n >= walk.limits.array {
            return Err(walk.fault(FaultKind::TooMany));
        }
        json::walk(walk, text)?;
        walk.trail.cut(mark);
    }
    Ok(())
}
