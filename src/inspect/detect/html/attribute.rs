//! Event handlers where no tag shows: the value stands in a tag, or in an attribute whose quotes it leaves.

use super::names;
use super::{Found, Input, at, is_space, reach};

/// The most of a handler that is looked at.
const FAR: usize = 80;

/// The longest name of a handler.
const NAME: usize = 40;
/// The longest tag that may stand within a name.
const TAG: usize = 12;

/// Looks before each `=` for the name of a handler, and at the end of a name.
pub(super) fn scan(input: &Input<'_>, found: &mut Found) {
    let text = input.lower;
    let last = input.is_name.then_some(text.len());
    for equals in memchr::memchr_iter(b'=', text).chain(last) {
        let before = text.get(..equals).unwrap_or_default();
        let spaces = before.iter().rev().take(8).take_while(|byte| is_space(**byte) || **byte == 0).count();
        let mut name = [0; NAME];
        let (start, length) = back(before, equals - spaces, &mut name);
        crate::inspect::steps::count(8 + length);
        let name = name.get(NAME - length..).unwrap_or_default();
        if length < 5 || !name.starts_with(b"on") {
            continue;
        }
        crate::inspect::steps::count(FAR);
        let value = reach(text, equals + 1, FAR).trim_ascii_start();
        if equals == text.len() {
            if start > 0 && names::is_known_handler(name) && is_space(at(text, start - 1)) {
                found.add("xss.event-breakout", start..equals);
            }
        } else if let Some(rule) = judge(text, start, name, value) {
            // No parameter is honestly named so, whatever it is set to.
            let rule = if input.is_name { "xss.event-breakout" } else { rule };
            found.add(rule, start..equals + 1 + value.len().min(16));
        }
    }
}

/// Reads the letters that end here, backwards into the end of `name`, and skips tags among them, which filters take out: `o<x>nfocus`. Where
/// they begin and how many they are.
fn back(text: &[u8], end: usize, name: &mut [u8; NAME]) -> (usize, usize) {
    let (mut start, mut length) = (end, 0);
    while let Some(place) = start.checked_sub(1) {
        let byte = at(text, place);
        if byte.is_ascii_alphabetic() {
            let Some(slot) = NAME.checked_sub(length + 1).and_then(|n| name.get_mut(n)) else { break };
            *slot = byte;
            length += 1;
            start = place;
        } else if byte == b'>' && length > 0 {
            let from = place.saturating_sub(TAG);
            let Some(open) = reach(text, from, place - from).iter().rposition(|byte| *byte == b'<') else { break };
            let before = at(text, (from + open).wrapping_sub(1));
            if !before.is_ascii_alphabetic() {
                break;
            }
            start = from + open;
        } else {
            break;
        }
    }
    (start, length)
}

/// What a handler of this name, with this before and after it, is evidence of.
fn judge(text: &[u8], start: usize, name: &[u8], value: &[u8]) -> Option<&'static str> {
    let before = at(text, start.wrapping_sub(1));
    let is_apart = start == 0
        || is_space(before)
        || before.is_ascii_control()
        || !before.is_ascii()
        || matches!(before, b'"' | b'\'' | b'`' | b'/' | b'>' | b';' | b'+');
    if !is_apart {
        return None;
    }
    // What leaves an attribute stands before, with nothing but space and slashes between.
    let outer =
        text.get(..start).unwrap_or_default().iter().rev().take(16).find(|byte| !is_space(**byte) && **byte != b'/');
    let leaves = matches!(outer, Some(b'"' | b'\'' | b'`' | b'>'));
    let first = at(value, 0);
    let runs = || {
        memchr::memchr2(b'(', b'`', value).is_some()
            || value.starts_with(b"javascript:")
            // The letter that is least frequent in text, and in what repeats handlers.
            || memchr::memchr3_iter(b'v', b'm', b'f', value).any(|at| names_sink(value, at))
            || memchr::memmem::find(value, b"alert").is_some()
            || memchr::memmem::find(value, b"locat").is_some()
    };
    if names::is_known_handler(name) {
        if !value.is_empty() && (leaves || matches!(first, b'"' | b'\'') || runs()) {
            return Some("xss.event-breakout");
        }
        return Some("xss.event-name");
    }
    (leaves && names::is_handler(name) && runs()).then_some("xss.event-breakout")
}

/// Whether the letter at `at` is one of `eval.`, `promp`, `confi`.
fn names_sink(value: &[u8], at: usize) -> bool {
    let around = |before: usize| at.checked_sub(before).map(|from| reach(value, from, 5)).unwrap_or_default();
    around(1) == b"eval." || around(3) == b"promp" || around(3) == b"confi"
}
