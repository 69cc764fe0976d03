//! Names of the DOM in brackets (`window["al"+"ert"]`), and script written in six signs.

use super::names;
use super::script::callee;
use super::{Found, Input, at, is_space, reach};

/// The most within brackets that is looked at.
const FAR: usize = 80;
/// From how many signs on it is script of nothing but signs.
const SIGNS: usize = 24;

/// Looks at each opening bracket.
pub(super) fn scan(input: &Input<'_>, found: &mut Found) {
    let text = input.lower;
    let mut next = 0;
    for open in memchr::memchr_iter(b'[', text) {
        if open < next {
            continue;
        }
        next = signs(text, open, found);
        crate::inspect::steps::count(20 + next - open);
        if let Some(base) = callee(text, open) {
            let name = text.get(base.clone()).unwrap_or_default();
            if let Some(range) = index(
                text,
                open,
                names::is_root(name),
                matches!(name, b"this" | b"self" | b"parent" | b"content" | b"document"),
            ) {
                found.add("xss.dom-index", base.start..range);
            }
        } else if let Some(range) = index(text, open, false, false) {
            found.add("xss.dom-index", open..range);
        }
    }
}

/// Skips a run of `[]()!+` and space; tells of one that is too long to be anything but script (JSFuck).
fn signs(text: &[u8], open: usize, found: &mut Found) -> usize {
    let run = reach(text, open, usize::MAX);
    let length = run
        .iter()
        .position(|byte| !matches!(byte, b'[' | b']' | b'(' | b')' | b'!' | b'+' | b'{' | b'}') && !is_space(*byte));
    let run = reach(run, 0, length.unwrap_or(run.len()));
    let count = |sign: u8| run.iter().filter(|byte| **byte == sign).count();
    if run.len() >= SIGNS && count(b'[') >= 4 && count(b'!') + count(b'+') >= 2 {
        found.add("xss.obfuscated", open..open + run.len());
    }
    // A single bracket may belong to what is before it; a run of signs is looked at once.
    if run.len() >= SIGNS { open + run.len() } else { open + 1 }
}

/// Reads a text in brackets, put together from pieces or not; where it ends, if it names something an attack needs.
fn index(text: &[u8], open: usize, is_root: bool, needs_name: bool) -> Option<usize> {
    let inner = reach(text, open + 1, FAR);
    let mut name = [0u8; 24];
    let mut length = 0;
    let (mut pieces, mut quote, mut n) = (0u32, 0u8, 0);
    let mut is_joined = false;
    loop {
        let byte = *inner.get(n)?;
        n += 1;
        match byte {
            _ if quote != 0 && byte == quote => quote = 0,
            b'"' | b'\'' | b'`' if quote == 0 => {
                quote = byte;
                pieces += 1;
            }
            _ if quote != 0 => match name.get_mut(length) {
                Some(place) => {
                    *place = byte;
                    length += 1;
                }
                None => return None,
            },
            b']' => break,
            b'/' if at(inner, n) == b'*' => n += memchr::memmem::find(reach(inner, n, FAR), b"*/")? + 2,
            // A regular expression's text: `window[/alert/.source]`.
            b'/' if pieces == 0 && is_root => {
                return memchr::memmem::find(inner, b".source").map(|end| open + 1 + end);
            }
            b'+' => is_joined = true,
            byte if is_space(byte) || matches!(byte, b'(' | b')') => {}
            _ => return None,
        }
    }
    let name = name.get(..length).unwrap_or_default();
    let is_needed = names::is_dom_member(name) || names::is_sink(name);
    let is_met = if is_root {
        is_needed || !needs_name && pieces > 1 && is_joined
    } else {
        let is_called = matches!(inner.get(n), Some(b'(' | b'`'));
        name == b"constructor"
            || is_called && (names::is_sink(name) || name == b"globaleval")
            || pieces > 1 && is_joined && is_needed
    };
    (pieces > 0 && is_met).then_some(open + 1 + n)
}
