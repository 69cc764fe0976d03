//! Evidence of class `xss`: markup, event handlers, addresses that are script, and script where a string was left.
//!
//! A value may be put between tags, into an attribute (in whatever quotes), into a tag or into a script. Markup is therefore read from each `<` on,
//! whatever stands before it, which covers all of these at once; what needs no tag (handlers, addresses, script) is looked for on its own.
//! The tokenizer follows the one of HTML (WHATWG, 13.2.5), with what older browsers did besides: NUL is nothing, a backtick quotes, `/` is space.

use super::{Detector, Found, Input};
use crate::inspect::Class;
use crate::inspect::gate::Bytes;

mod address;
mod attribute;
mod index;
mod markup;
mod names;
mod script;
mod style;
#[cfg(test)]
pub(super) mod tests;

/// The rules that this gives evidence for.
#[rustfmt::skip]
const IDS: &[&str] = &[
    "xss.active-attribute", "xss.active-element", "xss.call", "xss.constructor", "xss.context-escape", "xss.data-url",
    "xss.dom-access", "xss.dom-index", "xss.event-attribute", "xss.event-breakout", "xss.event-name",
    "xss.foreign-element", "xss.foreign-link", "xss.framework-attribute", "xss.handed", "xss.maze", "xss.obfuscated",
    "xss.processing", "xss.raw-text-end", "xss.script-element", "xss.script-tag", "xss.script-url", "xss.seven-bits",
    "xss.statement", "xss.string-break", "xss.style", "xss.style-element",
];

pub(super) const DETECTOR: Detector = Detector { ids: IDS, classes: &[Class::Xss], literals: LITERALS, wakes, run };

/// Names and signs without which there is no script outside of markup.
const LITERALS: &[&str] = &[
    "alert",
    "confirm",
    "prompt",
    "eval",
    "document",
    "window.",
    "window[",
    "window/",
    "window ",
    "window?",
    "location",
    "function",
    "constructor",
    "fromcharcode",
    "settimeout",
    "setinterval",
    "setimmediate",
    "execscript",
    "atob",
    "import",
    "globalthis",
    "msgbox",
    "fetch",
    "innerhtml",
    "outerhtml",
    "insertadjacenthtml",
    "localstorage",
    "xmlhttprequest",
    "sendbeacon",
    "reflect",
    "cookie",
    "top[",
    "self[",
    "this[",
    "parent[",
    "frames[",
    "top/",
    "self/",
    "parent/",
    "frames/",
    "script:",
    "data:",
    // Handlers, by as much of their names as tells them from prose.
    "onabort",
    "onactivate",
    "onafter",
    "onanimation",
    "onauxclick",
    "onbefore",
    "onbegin",
    "onblur",
    "onbounce",
    "oncancel",
    "oncanplay",
    "onchange",
    "onclick",
    "onclose",
    "oncontentvisibilityautostatechange",
    "oncontextmenu",
    "oncontrolselect",
    "oncopy",
    "oncuechange",
    "oncut",
    "ondataavailable",
    "ondataset",
    "ondblclick",
    "ondeactivate",
    "ondrag",
    "ondrop",
    "ondurationchange",
    "onemptied",
    "onend",
    "onerror",
    "onfilterchange",
    "onfinish",
    "onfocus",
    "onformdata",
    "onfull",
    "ongotpointercapture",
    "onhashchange",
    "onhelp",
    "oninput",
    "oninvalid",
    "onkey",
    "onlayoutcomplete",
    "onload",
    "onlosecapture",
    "onlostpointercapture",
    "onmessage",
    "onmouse",
    "onmove",
    "onorientationchange",
    "onpagehide",
    "onpagereveal",
    "onpageshow",
    "onpageswap",
    "onpaste",
    "onpause",
    "onplay",
    "onpointer",
    "onpopstate",
    "onprogress",
    "onpropertychange",
    "onratechange",
    "onreadystatechange",
    "onrepeat",
    "onreset",
    "onresize",
    "onrow",
    "onscroll",
    "onsearch",
    "onseeked",
    "onseeking",
    "onselect",
    "onshow",
    "onslotchange",
    "onstalled",
    "onstart",
    "onstop",
    "onstorage",
    "onsubmit",
    "onsuspend",
    "onsyncrestored",
    "ontimeerror",
    "ontimeupdate",
    "ontoggle",
    "ontouch",
    "ontrackchange",
    "ontransition",
    "onunhandledrejection",
    "onunload",
    "onurlflip",
    "onvolumechange",
    "onwaiting",
    "onwebkit",
    "onwheel",
    "onzoom",
    "expression",
    "-moz-binding",
    "behavior",
    "style",
    "[]",
    "livescript:",
    "mocha:",
];

/// A `<` opens markup, in seven bits too, and a control character before a colon may hide in the scheme of an address.
fn wakes(occurs: &Bytes) -> bool {
    occurs.has(b'<') || occurs.has(0xbc) && occurs.has(0xbe) || occurs.has(b':') && occurs.any(&IN_SCHEME)
}

/// What browsers leave out of a scheme (WHATWG URL, 4.4).
const IN_SCHEME: Bytes = Bytes::set(b"\t\n\r\x00\x01");

fn run(input: &Input<'_>, found: &mut Found) {
    let occurs = input.occurs;
    if occurs.has(b'<') {
        markup::scan(input, found);
    }
    if occurs.has(0xbc) && occurs.has(0xbe) {
        markup::seven_bits(input, found);
    }
    if occurs.has(b'=') || input.is_name {
        attribute::scan(input, found);
    }
    if occurs.has(b':') {
        address::scan(input, found);
        style::scan(input, found);
    }
    if occurs.any(&SCRIPT) {
        script::scan(input, found);
    }
    if occurs.has(b'[') {
        index::scan(input, found);
    }
}

/// Without one of these nothing is called, fetched by its name or reached through an object.
const SCRIPT: Bytes = Bytes::set(b"(`.[=");

/// The byte there, or NUL beyond the end.
fn at(text: &[u8], n: usize) -> u8 {
    text.get(n).copied().unwrap_or(0)
}

/// Bytes from `start` on, at most `most`.
fn reach(text: &[u8], start: usize, most: usize) -> &[u8] {
    let start = start.min(text.len());
    text.get(start..start.saturating_add(most).min(text.len())).unwrap_or_default()
}

/// White space of HTML, and what counts as such at places where browsers are lenient.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// What an identifier of JavaScript is made of, in ASCII.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$')
}

/// Whether `what` stands in the text.
fn has(text: &[u8], what: &[u8]) -> bool {
    memchr::memmem::find(text, what).is_some()
}

/// Whether something is called, quoted or set here: script and not a word of prose.
fn is_code(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b'(' | b'`' | b'=' | b'[' | b';' | b'\'' | b'"' | b'{' | b'+'))
}
