//! Calls and accesses by which injected script shows itself, and whether a string or statement was left for them.

use std::ops::Range;

use super::names;
use super::{Found, Input, at, is_space, is_word, reach};

/// The most of a name that is looked at.
const NAME: usize = 24;
/// The most of a value that is nothing but one statement.
const STATEMENT: usize = 200;
/// What may stand before a call without making it less of one.
const KEYWORDS: [&[u8]; 7] = [b"await", b"delete", b"new", b"return", b"throw", b"typeof", b"void"];
/// The most signs before it.
const LEAD: usize = 12;
/// How many calls have what is before them looked at.
const CALLS: usize = 16;

/// Looks at calls, and at what is reached through `document`, `window` and `location`.
pub(super) fn scan(input: &Input<'_>, found: &mut Found) {
    calls(input, found);
    assignments(input, found);
    accesses(input, found);
}

fn calls(input: &Input<'_>, found: &mut Found) {
    let text = input.lower;
    let mut looked = 0;
    for open in memchr::memchr2_iter(b'(', b'`', text) {
        crate::inspect::steps::count(4);
        let (before, after) = (at(text, open.wrapping_sub(1)), at(text, open + 1));
        let is_called = is_word(before) || is_space(before) || matches!(before, b'/' | b'.' | b')');
        if !is_called && !is_word(after) {
            continue;
        }
        crate::inspect::steps::count(32);
        let called = callee(text, open).filter(|range| is_callable(text, range));
        let is_handed = called.is_none();
        let Some(range) = called.or_else(|| argument(text, open)) else { continue };
        let name = text.get(range.clone()).unwrap_or_default();
        let is_constructor = name == b"constructor" && at(text, range.start.wrapping_sub(1)) == b'.';
        if is_constructor {
            found.add("xss.constructor", range.start..open + 8);
        }
        if name == b"fromcharcode" {
            found.add("xss.call", range.clone());
        }
        if !names::is_sink(name) || looked >= CALLS {
            continue;
        }
        looked += 1;
        let is_common = names::is_common_sink(name);
        if is_common && !is_meant(input, &range, open) || !is_common && !is_call(text, &range, open) {
            continue;
        }
        if is_handed {
            found.add("xss.handed", open..range.end);
        }
        judge(text, range, is_common, found);
    }
}

/// Functions that are taken under another name, or for an operator's: `a=alert;a(1)`, `toString=alert`.
fn assignments(input: &Input<'_>, found: &mut Found) {
    let text = input.lower;
    for equals in memchr::memchr2_iter(b'=', b':', text) {
        crate::inspect::steps::count(6);
        let length = reach(text, equals + 1, NAME).iter().take_while(|byte| is_word(**byte)).count();
        let name = reach(text, equals + 1, length);
        let ends = matches!(at(text, equals + 1 + length), b';' | b',' | b'}' | b')' | b'\n' | b'&');
        crate::inspect::steps::count(if ends { 16 } else { 0 });
        if ends && names::is_sink(name) && !names::is_common_sink(name) {
            found.add("xss.call", equals..equals + 1 + length);
            found.add("xss.handed", equals..equals + 1 + length);
        }
    }
}

/// Whether a call with a name that code is full of is one by which a text is run or sent away.
fn is_meant(input: &Input<'_>, range: &Range<usize>, open: usize) -> bool {
    let next = reach(input.lower, open + 1, 16).iter().copied().find(|byte| !is_space(*byte)).unwrap_or(0);
    let is_text = matches!(next, b'"' | b'\'' | b'`' | b'/') || at(input.lower, open) == b'`';
    match input.lower.get(range.clone()).unwrap_or_default() {
        b"function" => is_text && at(input.bytes, range.start) == b'F',
        b"atob" => true,
        b"setinterval" | b"settimeout" => is_text || is_statement(input.lower, range),
        b"import" => is_text && open == range.end,
        _ => is_text,
    }
}

/// Whether this is a call and no word before a bracket in prose.
fn is_call(text: &[u8], range: &Range<usize>, open: usize) -> bool {
    let next = at(text, open + 1);
    let before = at(text, range.start.wrapping_sub(1));
    let is_apart = range.start == 0 || !before.is_ascii_alphanumeric() && before != b'_';
    // Plurals and participles of prose: `alert(s)`, `confirm(ed)`.
    let is_ending = matches!(reach(text, open + 1, 3), [b's', b')', ..] | [b'e', b'd', b')']);
    is_apart && !is_ending && (!is_space(at(text, open.wrapping_sub(1))) || !next.is_ascii_alphabetic())
}

/// Tells of a call, and of what stands before it.
fn judge(text: &[u8], range: Range<usize>, is_common: bool, found: &mut Found) {
    if !is_common {
        found.add("xss.call", range.clone());
    }
    if breaks_string(text, range.start) {
        found.add("xss.string-break", range.start.saturating_sub(8)..range.end);
    } else if is_statement(text, &range) {
        found.add("xss.statement", range);
    }
}

/// What is reached through the objects of a page.
fn accesses(input: &Input<'_>, found: &mut Found) {
    let text = input.lower;
    // None of these is without one.
    if !input.occurs.has(b'.') {
        if memchr::memmem::find(text, b"xmlhttprequest").is_some() {
            found.add("xss.dom-access", 0..text.len().min(16));
        }
        return;
    }
    let mut looked = 0;
    for object in [&b"document"[..], b"window", b"location", b"self", b"top", b"parent"] {
        for start in super::super::places(text, object) {
            crate::inspect::steps::count(16);
            if is_word(at(text, start.wrapping_sub(1))) && start > 0 {
                continue;
            }
            let Some(member) = member(text, start + object.len()) else { continue };
            let name = text.get(member.clone()).unwrap_or_default();
            let is_met = match object {
                b"document" | b"window" => names::is_dom_member(name),
                b"location" => matches!(name, b"href" | b"hash" | b"assign" | b"replace"),
                _ => matches!(name, b"location" | b"document" | b"alert" | b"eval" | b"prompt" | b"confirm"),
            };
            if !is_met {
                continue;
            }
            found.add("xss.dom-access", start..member.end);
            looked += 1;
            if looked > CALLS {
                break;
            }
            if breaks_string(text, start) {
                found.add("xss.string-break", start.saturating_sub(8)..member.end);
            } else if is_statement(text, &(start..member.end)) {
                found.add("xss.statement", start..member.end);
            }
        }
    }
    for name in [
        &b".innerhtml"[..],
        b".outerhtml",
        b".insertadjacenthtml",
        b"localstorage.",
        b"xmlhttprequest",
        b".sendbeacon(",
    ] {
        if let Some(start) = memchr::memmem::find(text, name) {
            found.add("xss.dom-access", start..start + name.len());
        }
    }
}

/// The name behind a dot (`.`, `?.`), with space and comments around it.
fn member(text: &[u8], start: usize) -> Option<Range<usize>> {
    let mut n = skip(text, start);
    n += usize::from(at(text, n) == b'?');
    if at(text, n) != b'.' {
        return None;
    }
    n = skip(text, n + 1);
    let length = reach(text, n, NAME).iter().take_while(|byte| is_word(**byte)).count();
    (length > 0).then_some(n..n + length)
}

/// Goes over space and a comment.
fn skip(text: &[u8], start: usize) -> usize {
    let mut n = start;
    for _ in 0..2 {
        n += reach(text, n, 16).iter().take_while(|byte| is_space(**byte)).count();
        if at(text, n) == b'/' && at(text, n + 1) == b'*' {
            n += memchr::memmem::find(reach(text, n + 2, 40), b"*/").map_or(0, |end| end + 4);
        }
    }
    n
}

/// The name that stands before a bracket: `alert` of `alert(`, `alert /**/ (`, `alert?.(`, `(alert)(`, `alert.call(`.
pub(super) fn callee(text: &[u8], open: usize) -> Option<Range<usize>> {
    let mut end = back(text, open);
    if at(text, end.wrapping_sub(1)) == b'.' && at(text, end.wrapping_sub(2)) == b'?' {
        end = back(text, end - 2);
    }
    for _ in 0..2 {
        if end > 0 && at(text, end - 1) == b')' {
            end = back(text, end - 1);
        }
    }
    let name = word(text, end)?;
    if matches!(text.get(name.clone()).unwrap_or_default(), b"call" | b"apply" | b"bind")
        && at(text, name.start.wrapping_sub(1)) == b'.'
    {
        let before = back(text, name.start - 1);
        return word(text, before).or(Some(name));
    }
    Some(name)
}

/// A function that is handed to another: `[1].find(alert)`, `` [1].find`${alert}` ``.
fn argument(text: &[u8], open: usize) -> Option<Range<usize>> {
    let (start, end) = if reach(text, open, 3) == b"`${" { (open + 3, b'}') } else { (open + 1, b')') };
    let length = reach(text, start, NAME).iter().take_while(|byte| is_word(**byte)).count();
    (length > 0 && at(text, start + length) == end).then_some(start..start + length)
}

/// Whether a name is one that is looked at.
fn is_callable(text: &[u8], range: &Range<usize>) -> bool {
    let name = text.get(range.clone()).unwrap_or_default();
    names::is_sink(name) || matches!(name, b"constructor" | b"fromcharcode")
}

/// Goes back over space and a comment.
fn back(text: &[u8], end: usize) -> usize {
    let mut end = end;
    for _ in 0..2 {
        let before = text.get(..end).unwrap_or_default();
        end -= before.iter().rev().take(16).take_while(|byte| is_space(**byte)).count();
        if end >= 4 && at(text, end - 1) == b'/' && at(text, end - 2) == b'*' {
            let start = end.saturating_sub(40);
            let comment = text.get(start..end - 2).unwrap_or_default();
            end = memchr::memmem::rfind(comment, b"/*").map_or(end, |n| start + n);
        }
    }
    end
}

/// The identifier that ends here.
fn word(text: &[u8], end: usize) -> Option<Range<usize>> {
    let before = text.get(..end).unwrap_or_default();
    let length = before.iter().rev().take(NAME).take_while(|byte| is_word(**byte)).count();
    (length > 0).then_some(end - length..end)
}

/// Whether what begins here stands behind a quote that was not opened in this value, with an operator, separator or bracket between: `'-alert(1)`,
/// `");alert(1)`. A string that is honestly closed has its opening quote before it.
fn breaks_string(text: &[u8], start: usize) -> bool {
    let is_between = |byte: u8| {
        is_space(byte) || (byte.is_ascii_punctuation() && !matches!(byte, b'"' | b'\'' | b'`' | b'_' | b'$'))
    };
    let before = text.get(..start).unwrap_or_default();
    let between = before.iter().rev().take(NAME).take_while(|byte| is_between(**byte)).count();
    let Some(place) = start.checked_sub(between + 1) else { return false };
    let quote = at(text, place);
    if !matches!(quote, b'"' | b'\'' | b'`') {
        return false;
    }
    let separators = reach(text, place + 1, between).iter().filter(|byte| !is_space(**byte)).count();
    let from = place.saturating_sub(256);
    let earlier = reach(text, from, place - from).iter().filter(|byte| **byte == quote).count();
    separators > 0 && earlier % 2 == 0
}

/// Whether a value is nothing but one statement that begins here, but for signs before it.
fn is_statement(text: &[u8], range: &Range<usize>) -> bool {
    if text.len() > STATEMENT || range.start > LEAD || memchr::memchr(b'\n', text).is_some() {
        return false;
    }
    let is_sign = |byte: &u8| byte.is_ascii_punctuation() || is_space(*byte);
    let after = text.get(range.end..).unwrap_or_default();
    let last = text.iter().rev().find(|byte| !is_space(**byte)).copied().unwrap_or(0);
    let ends = matches!(last, b')' | b';' | b'/' | b'`' | b'\'' | b'"' | b'}' | b'(' | b'-' | b']');
    let prose = after.windows(2).filter(|pair| matches!(pair, [before, b' '] if before.is_ascii_alphabetic())).count();
    let before = text.get(..range.start).unwrap_or_default().trim_ascii_end();
    let before = KEYWORDS.iter().find_map(|word| before.strip_suffix(*word)).unwrap_or(before);
    let sets = matches!(after.trim_ascii_start(), [b'=', next, ..] if *next != b'=');
    before.iter().all(is_sign) && (after.iter().all(is_sign) || (ends || sets) && prose < 4)
}
