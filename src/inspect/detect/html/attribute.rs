//! Event handlers where no tag shows: the value stands in a tag, or in an attribute whose quotes it leaves.

use super::names;
use super::{Found, Input, at, is_space, reach};

/// The most of a handler that is looked at.
const FAR: usize = 80;

/// Looks before each `=` for the name of a handler.
pub(super) fn scan(input: &Input<'_>, found: &mut Found) {
    let text = input.lower;
    for equals in memchr::memchr_iter(b'=', text) {
        let before = text.get(..equals).unwrap_or_default();
        let spaces = before.iter().rev().take(8).take_while(|byte| is_space(**byte) || **byte == 0).count();
        let end = equals - spaces;
        let letters = before.iter().rev().skip(spaces).take(40).take_while(|byte| byte.is_ascii_alphabetic()).count();
        let name = text.get(end - letters..end).unwrap_or_default();
        if letters < 5 || !name.starts_with(b"on") {
            continue;
        }
        let start = end - letters;
        let value = reach(text, equals + 1, FAR).trim_ascii_start();
        if let Some(rule) = judge(text, start, name, value) {
            found.add(rule, start..equals + 1 + value.len().min(16));
        }
    }
}

/// What a handler of this name, with this before and after it, is evidence of.
fn judge(text: &[u8], start: usize, name: &[u8], value: &[u8]) -> Option<&'static str> {
    let before = at(text, start.wrapping_sub(1));
    let is_apart =
        start == 0 || is_space(before) || before < b' ' || before >= 0x80 || matches!(before, b'"' | b'\'' | b'`' | b'/' | b'>' | b';');
    if !is_apart {
        return None;
    }
    // What leaves an attribute stands before, with nothing but space and slashes between.
    let outer = text.get(..start).unwrap_or_default().iter().rev().take(16).find(|byte| !is_space(**byte) && **byte != b'/');
    let leaves = matches!(outer, Some(b'"' | b'\'' | b'`' | b'>'));
    let first = at(value, 0);
    let runs = value.iter().any(|byte| matches!(byte, b'(' | b'`'))
        || value.starts_with(b"javascript:")
        || value.windows(5).any(|word| matches!(word, b"alert" | b"eval." | b"promp" | b"confi" | b"locat"));
    if names::is_known_handler(name) {
        if !value.is_empty() && (leaves || runs || matches!(first, b'"' | b'\'')) {
            return Some("xss.event-breakout");
        }
        return Some("xss.event-name");
    }
    (leaves && runs && names::is_handler(name)).then_some("xss.event-breakout")
}
