//! Addresses that are script: `javascript:` and its kin, and `data:` of a type that is rendered.

use super::{Found, Input, at, has, is_code, is_space, is_word, reach};

/// Schemes that run what follows (`livescript` and `mocha` in browsers of old).
const SCRIPT: [&[u8]; 4] = [b"javascript", b"vbscript", b"livescript", b"mocha"];

/// The most of an address that is looked at.
const FAR: usize = 160;

/// What an address is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// What follows the scheme is run; with where it begins.
    Script(usize),
    /// A document that is rendered, with script in it.
    Document,
    /// An image, a place elsewhere, or no address.
    Other,
}

/// Reads the scheme at the beginning of a value (in lower case): controls and spaces before it and tabs, line breaks and NUL within do not count
/// (WHATWG URL, 4.4; older browsers left out any control). Other quotes and the like before it are for those who look for them.
pub(super) fn kind(text: &[u8]) -> Kind {
    let mut scheme = [0u8; 10];
    let mut length = 0;
    let mut n = 0;
    while n < text.len().min(FAR) {
        let byte = at(text, n);
        n += 1;
        match byte {
            b':' => break,
            0..=0x1f | 0x7f => {}
            b' ' if length == 0 => {}
            b'&' if reach(text, n, 4) == b"tab;" => n += 4,
            b'&' if reach(text, n, 8) == b"newline;" => n += 8,
            // `&colon;` and `&#58;` where nobody has decoded them.
            b'&' if length >= 4 => {
                let skipped = [&b"colon;"[..], b"#58;", b"#x3a;", b"#58", b"#x3a"];
                let rest = reach(text, n, 8);
                let Some(known) = skipped.iter().find(|known| rest.starts_with(known)) else { return Kind::Other };
                n += known.len();
                break;
            }
            _ => match scheme.get_mut(length) {
                Some(place) => {
                    *place = byte;
                    length += 1;
                }
                None => return Kind::Other,
            },
        }
    }
    let scheme = scheme.get(..length).unwrap_or_default();
    if SCRIPT.contains(&scheme) {
        return Kind::Script(n);
    }
    if scheme == b"data" && is_rendered(reach(text, n, FAR)) { Kind::Document } else { Kind::Other }
}

/// Whether a `data:` address is of a type that is rendered or run (RFC 2397).
fn is_rendered(rest: &[u8]) -> bool {
    let start = rest.iter().position(|byte| !is_space(*byte)).unwrap_or(rest.len());
    let rest = rest.get(start..).unwrap_or_default();
    crate::inspect::steps::count(32);
    let types: [&[u8]; 9] = [
        b"text/html",
        b"text/xml",
        b"text/javascript",
        b"text/css",
        b"text/xsl",
        b"image/svg",
        b"application/xhtml",
        b"application/xml",
        b"application/javascript",
    ];
    types.iter().any(|kind| rest.starts_with(kind))
        || rest.starts_with(b"application/x-javascript")
        // Without a type it is text, which is run where script is asked for.
        || rest.starts_with(b",") && is_code(reach(rest, 0, 80))
}

/// Looks for such an address as the whole value, and behind a quote, `=` or a bracket within it.
pub(super) fn scan(input: &Input<'_>, found: &mut Found) {
    let text = input.lower;
    let lead = text.iter().take(FAR).position(|byte| byte.is_ascii_alphabetic()).unwrap_or(text.len());
    whole(reach(text, lead, usize::MAX), lead, found);
    for colon in memchr::memchr_iter(b':', text) {
        crate::inspect::steps::count(8);
        let start = text
            .get(..colon)
            .unwrap_or_default()
            .iter()
            .rev()
            .take(24)
            .take_while(|byte| is_word(**byte) || **byte < b' ');
        let start = colon - start.count();
        let before = at(text, start.wrapping_sub(1));
        let is_opened = matches!(before, b'"' | b'\'' | b'`' | b'=' | b'(' | b'<' | b',' | b';' | b'/' | b'>');
        if start == 0 || !is_opened && !is_space(before) {
            continue;
        }
        crate::inspect::steps::count(56);
        match kind(reach(text, start, FAR)) {
            Kind::Script(after) if is_run(reach(text, start + after, FAR), is_opened) => {
                found.add("xss.script-url", start..colon)
            }
            // Pictures in Markdown may be drawings; other documents may not.
            Kind::Document
                if is_opened && before != b'/' && (before != b'(' || has(reach(text, start, 12), b":text/")) =>
            {
                found.add("xss.data-url", start..colon)
            }
            Kind::Script(_) | Kind::Document | Kind::Other => {}
        }
    }
}

/// A value that is nothing but such an address, but for what broke out of something before it. A scheme that is written in pieces is one whatever
/// follows.
fn whole(text: &[u8], start: usize, found: &mut Found) {
    match kind(text) {
        Kind::Script(after) if is_run(reach(text, after, FAR), true) || after > 12 => {
            found.add("xss.script-url", start..start + after)
        }
        Kind::Document => found.add("xss.data-url", start..start + FAR.min(text.len())),
        Kind::Script(_) | Kind::Other => {}
    }
}

/// Whether what follows the scheme is script, not prose: after a colon of prose comes a space, and no call.
fn is_run(rest: &[u8], is_opened: bool) -> bool {
    crate::inspect::steps::count(32);
    let first = at(rest, 0);
    if first == b' ' || !is_opened {
        let rest = reach(rest, 0, 40);
        return rest
            .windows(2)
            .any(|pair| matches!(pair, [before, b'(' | b'`'] if is_word(*before) || *before == b')'));
    }
    first != 0 && (is_code(rest) || matches!(first, b'/' | b'%' | b'\\' | b'&') || is_word(first))
}
