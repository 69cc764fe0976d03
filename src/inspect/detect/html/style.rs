//! Style sheets that run script, in browsers of old, or fetch something that does.

use super::{Found, Input, address, at, has, is_space, reach};

/// The most of a declaration that is looked at.
const FAR: usize = 200;

/// Whether declarations run script or bind it: `expression(`, `behavior:`, `-moz-binding:`, `@import`, `url(javascript:`. Comments and
/// backslashes within the names, with which filters were passed, are left out.
pub(super) fn is_active(text: &[u8]) -> bool {
    let mut plain = [0u8; FAR];
    let mut length = 0;
    let mut n = 0;
    while n < text.len() && length < FAR {
        let byte = at(text, n);
        if byte == b'/' && at(text, n + 1) == b'*' {
            let rest = reach(text, n + 2, FAR);
            n += memchr::memmem::find(rest, b"*/").map_or(rest.len() + 2, |end| end + 4);
            continue;
        }
        n += 1;
        if byte <= b' ' || byte == b'\\' || byte == b'\'' || byte == b'"' {
            continue;
        }
        if let Some(place) = plain.get_mut(length) {
            *place = byte;
            length += 1;
        }
    }
    let plain = plain.get(..length).unwrap_or_default();
    crate::inspect::steps::count(n * 2);
    has(reach(text, 0, FAR), b"@\\") || (0..length).any(|n| binds(plain, n))
}

/// Whether the sign at `n` is part of what runs or binds script.
fn binds(plain: &[u8], n: usize) -> bool {
    let (before, rest) = plain.split_at(n);
    match at(plain, n) {
        b'@' => rest.starts_with(b"@import"),
        b'(' => before.ends_with(b"expression") && (before.ends_with(b":expression") || has(plain, b"alert")),
        b':' => {
            let names: [&[u8]; 4] = [b"-moz-binding", b"url(javascript", b"url(vbscript", b"-o-link"];
            names.iter().any(|name| before.ends_with(name))
                || before.ends_with(b"behaviour") && rest.starts_with(b":url")
                || before.ends_with(b"behavior") && rest.starts_with(b":#default")
                // Mail that was written in Outlook binds drawings so.
                || before.ends_with(b"behavior")
                    && rest.starts_with(b":url(")
                    && !rest.starts_with(b":url(#default#vml)")
        }
        _ => false,
    }
}

/// Whether an attribute's declarations have what none has honestly: braces, with which rules are left or begun, comments, and escaped letters. Braces at the
/// beginning are templates of those who write pages.
pub(super) fn is_broken(text: &[u8]) -> bool {
    let has_braces = text.iter().any(|byte| matches!(byte, b'{' | b'}')) && at(text, 0) != b'{' && !has(text, b"{{");
    has_braces
        || has(text, b"/*")
        || text.windows(2).any(|pair| matches!(pair, [b'\\', hex] if hex.is_ascii_hexdigit()))
}

/// Looks for declarations that are a value of their own, or in an attribute whose tag does not show.
pub(super) fn scan(input: &Input<'_>, found: &mut Found) {
    let text = input.lower;
    for name in [&b"expression"[..], b"-moz-binding", b"behavior", b"url"] {
        let Some(place) = memchr::memmem::find(text, name) else { continue };
        let before = reach(text, place.saturating_sub(24), place - place.saturating_sub(24));
        let rest = reach(text, place + name.len(), FAR);
        let next = rest.iter().position(|byte| !is_space(*byte)).map_or(0, |n| at(rest, n));
        let is_met = match name {
            b"expression" => next == b'(' && before.contains(&b':') && !before.contains(&b'.') && has_property(before),
            b"url" => next == b'(' && names_script(rest),
            _ => next == b':' && is_active(reach(text, place, FAR)),
        };
        if is_met {
            found.add("xss.style", place..place + name.len() + 8);
        }
    }
}

/// Whether a property and its colon end here: letters, a colon, and no prose between it and what follows.
fn has_property(before: &[u8]) -> bool {
    let Some(colon) = before.iter().rposition(|byte| *byte == b':') else { return false };
    let word = at(before, colon.wrapping_sub(1));
    let between = before.get(colon + 1..).unwrap_or_default();
    (word.is_ascii_alphabetic() || word == b' ') && between.iter().all(|byte| !byte.is_ascii_alphanumeric())
}

/// Whether `(` opens an address that is script.
fn names_script(rest: &[u8]) -> bool {
    let Some(open) = memchr::memchr(b'(', rest) else { return false };
    let inner = reach(rest, open + 1, 60);
    let start = inner.iter().position(|byte| !is_space(*byte) && !matches!(byte, b'"' | b'\'')).unwrap_or(inner.len());
    let mut plain = [0u8; 60];
    let mut length = 0;
    for byte in inner.iter().skip(start).filter(|byte| **byte != b' ') {
        if let Some(place) = plain.get_mut(length) {
            *place = *byte;
            length += 1;
        }
    }
    matches!(address::kind(plain.get(..length).unwrap_or_default()), address::Kind::Script(_))
}
