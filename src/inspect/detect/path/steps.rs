//! Steps out of a folder: `../`, and what filters and servers take for it.

use crate::inspect::Part;
use crate::inspect::detect::{Found, Input};
use crate::inspect::gate::Bytes;

/// What was counted in a value.
#[derive(Debug, Default, Clone, Copy)]
struct Steps {
    /// `../` and `..\`.
    plain: usize,
    /// Spellings that only evasion has: `..;/`, `....//`, `.../`, `0x2e0x2e/`, overlong UTF-8.
    odd: usize,
    /// The most that follow one upon another.
    chain: usize,
    /// Where the first one is.
    first: usize,
}

/// The most steps that are counted.
const MAX_STEPS: usize = 32;

/// Counts steps, and says what they are worth where they stand.
///
/// `has_secret`: whether the value names a file that is looked for, which settles what several steps are for.
pub(super) fn look(input: &Input<'_>, has_secret: bool, found: &mut Found) {
    let lower = input.lower;
    crate::inspect::steps::count(lower.len() + lower.len() / 2);
    let steps = count(lower, input.occurs);
    let is_whole = !lower.iter().any(|byte| matches!(byte, b'\n' | b'\t' | b'"' | b'\'' | b'`' | b'<' | b'>'))
        && lower.iter().filter(|byte| **byte == b' ').count() <= 2;
    let at = steps.first..(steps.first + 16).min(lower.len());
    if is_dots(lower) {
        found.add("path.odd-steps", 0..lower.len());
    }
    if steps.odd >= 2 || steps.odd == 1 && (steps.plain > 0 || is_whole) {
        found.add(if is_whole { "path.odd-steps" } else { "path.steps-in-text" }, at);
        return;
    }
    let all = steps.plain;
    // In a body, `../x` is a path that some format is relative to; a query or a head is relative to nothing.
    let is_few = input.part == Part::Body && !input.is_name && steps.first == 0 && all <= 2;
    match (all, is_whole) {
        (0, _) => {}
        (1, true) => found.add("path.step", at),
        (_, true) if is_few => found.add("path.step", at),
        (_, true) => found.add("path.steps", at),
        (_, false) if has_secret && steps.chain >= 2 => found.add("path.steps", at),
        (_, false) => found.add("path.steps-in-text", at),
    }
}

/// The bytes that spell a dot in too many bytes.
const OVERLONG: Bytes = Bytes::set(b"\xc0\xe0");

fn count(lower: &[u8], occurs: &Bytes) -> Steps {
    let has_overlong = occurs.any(&OVERLONG);
    let begins = |byte: &u8| matches!(byte, b'.' | b'0' | b'%' | 0xc0 | 0xe0);
    let next =
        |rest: &[u8]| if has_overlong { rest.iter().position(begins) } else { memchr::memchr3(b'.', b'0', b'%', rest) };
    let mut steps = Steps::default();
    let mut at = 0;
    let mut last_end = usize::MAX;
    let mut chain = 0;
    while at < lower.len() {
        let Some(skipped) = lower.get(at..).and_then(next) else { break };
        at += skipped;
        let rest = lower.get(at..).unwrap_or_default();
        crate::inspect::steps::count(16);
        let Some((length, is_odd)) = step(rest) else {
            // What is left of a run of dots is no step either.
            let dots = rest.iter().take_while(|byte| **byte == b'.').count();
            crate::inspect::steps::count(dots * 2);
            at += dots.max(1);
            continue;
        };
        // `x../` is the end of a name, `x.../` of a sentence.
        let before = at.checked_sub(1).and_then(|n| lower.get(n));
        if before.is_some_and(|byte| byte.is_ascii_alphanumeric()) && !is_odd {
            at += length;
            continue;
        }
        if steps.plain + steps.odd == 0 {
            steps.first = at;
        }
        if is_odd {
            steps.odd += 1
        } else {
            steps.plain += 1
        }
        chain = if last_end == at { chain + 1 } else { 1 };
        steps.chain = steps.chain.max(chain);
        at += length;
        last_end = at;
        if steps.plain + steps.odd >= MAX_STEPS {
            break;
        }
    }
    steps
}

/// One step at the beginning: how long it is, and whether it is spelled to evade.
fn step(rest: &[u8]) -> Option<(usize, bool)> {
    let mut at = 0;
    let mut dots = 0;
    let mut is_odd = false;
    while dots < 5
        && let Some((length, is_encoded)) = encoded(rest.get(at..).unwrap_or_default(), DOTS, b'.')
    {
        at += length;
        is_odd |= is_encoded;
        dots += 1;
        // `.\0.` and `.;.` between the dots.
        let filler = rest.get(at..).unwrap_or_default();
        let is_filled = matches!(filler, [0 | b';', b'.', ..]) && dots == 1;
        if is_filled {
            at += 1;
            is_odd = true;
        }
    }
    let filler = rest.get(at..).unwrap_or_default();
    let filled = filler.iter().take(3).take_while(|byte| matches!(byte, 0 | b';' | b' ')).count();
    let (length, is_encoded) = encoded(filler.get(filled..).unwrap_or_default(), SLASHES, b'/')?;
    is_odd |= is_encoded || filled > 0;
    let slash = rest.get(at + filled..).unwrap_or_default();
    let doubled = matches!(slash, [b'/', b'/' | b'\\', b'.', ..] | [b'\\', b'/', ..]);
    let is_one_dot_encoded = dots == 1 && is_odd;
    match dots {
        2 => Some((at + filled + length, is_odd && (filled > 0 || is_encoded || at > 2))),
        3.. => Some((at + filled + length, is_odd || doubled || matches!(slash.get(1), Some(b'.' | b'/' | b'\\')))),
        _ if is_one_dot_encoded => Some((at + filled + length, true)),
        _ => None,
    }
}

/// Spellings of `.` that are not percent-encoding of ASCII: words, overlong UTF-8 (RFC 3629 §3), and full-width.
const DOTS: &[&[u8]] = &[
    b"0x2e",
    b"%2e",
    b"%252e",
    b"%c0%ae",
    b"%c0%2e",
    b"\xc0\xae",
    b"\xe0\x80\xae",
    b"%e0%80%ae",
    b"%uff0e",
    b"%u002e",
];
/// The same of `/` and `\`.
const SLASHES: &[&[u8]] = &[
    b"0x2f",
    b"0x5c",
    b"%2f",
    b"%5c",
    b"%252f",
    b"%255c",
    b"%c0%af",
    b"%c1%9c",
    b"\xc0\xaf",
    b"\xc1\x9c",
    b"\xe0\x80\xaf",
    b"%u2215",
    b"%u2216",
];

/// How a character is spelled at the beginning, and whether that is odd.
fn encoded(rest: &[u8], spellings: &[&[u8]], plain: u8) -> Option<(usize, bool)> {
    match rest.first()? {
        byte if *byte == plain || plain == b'/' && *byte == b'\\' => Some((1, false)),
        b'0' | b'%' | 0xc0..=0xe0 => {
            spellings.iter().find(|spelling| rest.starts_with(spelling)).map(|spelling| (spelling.len(), true))
        }
        _ => None,
    }
}

/// Whether a value is nothing but dots and what may stand between folders, in a mixture that no path has.
fn is_dots(lower: &[u8]) -> bool {
    let is_kind = |byte: &u8| matches!(byte, b'.' | b';' | b'\\' | b'/');
    lower.len() >= 5
        && lower.contains(&b'\\')
        && lower.contains(&b';')
        && lower.contains(&b'.')
        && lower.iter().all(is_kind)
}
