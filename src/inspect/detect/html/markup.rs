//! Reads markup from each `<` on: the element's name, its attributes, and what comes after it.

use super::names::{self, Element};
use super::{Found, Input, address, at, has, is_code, is_space, reach, style};

/// The most attributes of one tag that are looked at.
const ATTRIBUTES: usize = 64;
/// The most of a script's or style's content that is looked at.
const CONTENT: usize = 240;
/// The most style sheets of one value: each is looked into, and no page has so many.
const STYLES: usize = 24;

/// Looks at all markup of a value.
pub(super) fn scan(input: &Input<'_>, found: &mut Found) {
    let text = input.lower;
    // Tags overlap where one opens in the quotes of another. Honest markup is read about once; where it would take much more it was made for that.
    let mut budget = text.len().saturating_mul(4) + 1024;
    let mut context = Context::default();
    for open in memchr::memchr_iter(b'<', text) {
        crate::inspect::steps::count(10);
        let read = match at(text, open + 1) {
            b'!' | b'%' => 0,
            b'?' => processing(text, open, found),
            _ => tag(text, open, &mut context, found),
        };
        budget = match budget.checked_sub(read) {
            Some(left) => left,
            None => return found.add("xss.maze", open..open + 8),
        };
        context.begin(text, open);
    }
}

/// A `<` and `>` with the eighth bit set, for readers that clear it (US-ASCII), in whatever charset they came here.
pub(super) fn seven_bits(input: &Input<'_>, found: &mut Found) {
    let text = input.lower;
    for open in memchr::memchr_iter(0xbc, text) {
        let rest = reach(text, open + 1, 12);
        let rest = rest.strip_prefix(b"/").unwrap_or(rest);
        let end = rest.iter().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(rest.len());
        let closes = at(rest, end) == 0xbe || at(rest, end + 1) == 0xbe;
        if closes && !matches!(names::element(reach(rest, 0, end)), Element::Plain) {
            return found.add("xss.seven-bits", open..open + 12);
        }
    }
}

/// What was seen so far of a value.
struct Context {
    /// No `<` stood before.
    is_first: bool,
    /// Something was left that stood around the value: an attribute's quotes, an element of text.
    has_left: bool,
    /// The first markup begins a document: it has a head, with style sheets of its own.
    is_document: bool,
    /// Elements of text, scripts and styles were opened within the value.
    opened: u32,
    /// How many style sheets there were.
    styles: usize,
    /// Where the next script ends.
    close: Ahead,
    /// Where the next piece of script stands.
    code: Ahead,
}

/// Where something stands next: looked for once, however often it is asked for.
#[derive(Default)]
struct Ahead {
    /// From where on it was looked for, and where it is, or where the text ends.
    known: Option<(usize, usize)>,
}

impl Ahead {
    fn from(&mut self, text: &[u8], start: usize, find: impl Fn(&[u8]) -> Option<usize>) -> usize {
        match self.known {
            Some((from, place)) if from <= start && start <= place => place,
            Some(_) | None => {
                let place = find(reach(text, start, usize::MAX)).map_or(text.len(), |at| start + at);
                crate::inspect::steps::count(place.saturating_sub(start));
                self.known = Some((start, place));
                place
            }
        }
    }
}

impl Default for Context {
    fn default() -> Self {
        Self {
            is_first: true,
            has_left: false,
            is_document: false,
            opened: 0,
            styles: 0,
            close: Ahead::default(),
            code: Ahead::default(),
        }
    }
}

impl Context {
    /// Notes what the first markup was.
    fn begin(&mut self, text: &[u8], open: usize) {
        if self.is_first {
            let rest = reach(text, open + 1, 14);
            self.is_document = rest.starts_with(b"!doctype html") || rest.starts_with(b"html");
            self.is_first = false;
        }
    }
}

/// `<?import` (HTML+TIME) and `<?xml-stylesheet` load what runs.
fn processing(text: &[u8], open: usize, found: &mut Found) -> usize {
    let rest = reach(text, open + 2, 16);
    if rest.starts_with(b"import") || rest.starts_with(b"xml-stylesheet") || rest.starts_with(b"xml:namespace") {
        found.add("xss.processing", open..open + 18);
    }
    0
}

/// A short name without NUL, with which older browsers let names be broken up.
struct Name {
    bytes: [u8; 40],
    length: usize,
}

impl Name {
    /// Reads one up to a byte that ends it; says where.
    fn read(text: &[u8], start: usize, ends: fn(u8) -> bool) -> (Self, usize) {
        let mut name = Self { bytes: [0; 40], length: 0 };
        let mut n = start;
        while n < text.len() && !ends(at(text, n)) {
            if at(text, n) != 0
                && let Some(place) = name.bytes.get_mut(name.length)
            {
                *place = at(text, n);
                name.length += 1;
            }
            n += 1;
        }
        (name, n)
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Without a prefix: `href` of `xlink:href`.
    fn local(&self) -> &[u8] {
        let name = self.as_bytes();
        name.rsplit(|byte| *byte == b':').next().unwrap_or(name)
    }
}

fn ends_element(byte: u8) -> bool {
    is_space(byte) || matches!(byte, b'/' | b'>' | b'<' | b'"' | b'\'' | b'=' | b'(' | b';' | b',') || byte >= 0x80
}

fn ends_attribute(byte: u8) -> bool {
    is_space(byte) || matches!(byte, b'/' | b'>' | b'<' | b'=' | b'"' | b'\'' | b'`')
}

/// Reads one tag; says how many bytes it took.
fn tag(text: &[u8], open: usize, context: &mut Context, found: &mut Found) -> usize {
    let mut start = open + 1;
    while at(text, start) == 0 && start < text.len().min(open + 8) {
        start += 1;
    }
    let is_end = at(text, start) == b'/';
    start += usize::from(is_end);
    // `<// x=` is a comment today; browsers of old read attributes.
    let is_odd = is_end && at(text, start) == b'/';
    if !at(text, start).is_ascii_alphabetic() && !is_odd {
        return 1;
    }
    let (name, mut n) = Name::read(text, start, ends_element);
    let element = names::element(name.as_bytes());
    if context.is_first && ends_attribute_value(text.get(..open).unwrap_or_default()) {
        context.has_left = true;
    }
    if is_end && matches!(element, Element::Script | Element::Style | Element::RawText) {
        if context.opened == 0 {
            context.has_left = true;
            found.add("xss.raw-text-end", open..n);
        }
        context.opened = context.opened.saturating_sub(1);
    } else if !is_end {
        if context.has_left {
            found.add("xss.context-escape", open..n);
        }
        context.opened += u32::from(matches!(element, Element::Script | Element::Style | Element::RawText));
    }
    let mut seen = Attributes::default();
    for _ in 0..ATTRIBUTES {
        match attribute(text, n, &name, &mut seen, found) {
            Some(end) => n = end,
            None => break,
        }
    }
    while n < text.len() && !matches!(at(text, n), b'>' | b'<') {
        n += 1;
    }
    crate::inspect::steps::count(32 + n - open);
    if !is_end {
        judge(text, open..n, (&name, element), context, seen, found);
    }
    n - open
}

/// Whether text ends in what ends an attribute and its tag: `">`, `'/>`.
fn ends_attribute_value(text: &[u8]) -> bool {
    let mut rest = text.iter().rev().take(32).skip_while(|byte| is_space(**byte));
    rest.next() == Some(&b'>')
        && matches!(rest.find(|byte| !is_space(**byte) && **byte != b'/'), Some(b'"' | b'\'' | b'`'))
}

/// What attributes a tag had.
#[derive(Default, Clone, Copy)]
struct Attributes {
    /// How many with a value.
    valued: usize,
    /// One that loads: `src`, `href`, `data`, `code`.
    has_source: bool,
    /// `http-equiv` of something else than a type of content, or a charset of seven bits.
    has_order: bool,
}

/// Reads one attribute; says where it ends, or that there is none.
fn attribute(text: &[u8], start: usize, tag: &Name, seen: &mut Attributes, found: &mut Found) -> Option<usize> {
    let is_between = |byte: u8| is_space(byte) || matches!(byte, b'/' | 0 | b'"' | b'\'' | b'`');
    let mut n = start;
    while n < text.len() && is_between(at(text, n)) {
        n += 1;
    }
    if n >= text.len() || matches!(at(text, n), b'>' | b'<') {
        return None;
    }
    let (name, mut end) = Name::read(text, n, ends_attribute);
    while is_space(at(text, end)) {
        end += 1;
    }
    if at(text, end) != b'=' {
        // A name that was empty would be read again for ever.
        return Some(end.max(n + 1));
    }
    end += 1;
    while is_space(at(text, end)) || at(text, end) == 0 && end < text.len() {
        end += 1;
    }
    let quote = at(text, end);
    let value = if matches!(quote, b'"' | b'\'' | b'`') {
        let rest = reach(text, end + 1, usize::MAX);
        reach(rest, 0, memchr::memchr(quote, rest).unwrap_or(rest.len()))
    } else {
        let rest = reach(text, end, usize::MAX);
        reach(rest, 0, rest.iter().position(|byte| is_space(*byte) || *byte == b'>').unwrap_or(rest.len()))
    };
    let is_quoted = usize::from(matches!(quote, b'"' | b'\'' | b'`'));
    look(tag, &name, value, n..end + value.len(), seen, found);
    Some((end + value.len() + 2 * is_quoted).min(text.len()))
}

/// Judges one attribute.
fn look(
    tag: &Name,
    name: &Name,
    value: &[u8],
    range: std::ops::Range<usize>,
    seen: &mut Attributes,
    found: &mut Found,
) {
    seen.valued += 1;
    crate::inspect::steps::count(64 + value.len());
    let local = name.local();
    if names::is_handler(local) || names::is_handler(name.as_bytes()) {
        return found.add("xss.event-attribute", range);
    }
    if names::is_active_attribute(local) || name.as_bytes().starts_with(b"ev:") {
        return found.add("xss.active-attribute", range);
    }
    // Icons refer to parts of their own document, by `#`; anything else comes from elsewhere.
    if name.as_bytes() == b"xlink:href" && at(value, 0) != b'#' {
        found.add("xss.foreign-link", range.clone());
    }
    if names::is_framework(name.as_bytes()) {
        found.add("xss.framework-attribute", range.clone());
    }
    match local {
        b"style" if style::is_active(value) || style::is_broken(value) => found.add("xss.style", range.clone()),
        b"src" | b"href" | b"data" | b"code" | b"codebase" | b"classid" | b"action" | b"implementation" | b"event" => {
            seen.has_source = true
        }
        b"http-equiv" => {
            let value = value.trim_ascii();
            seen.has_order |=
                !matches!(value, b"content-type" | b"x-ua-compatible" | b"content-language" | b"default-style");
        }
        b"content" | b"charset" => seen.has_order |= has(value, b"utf-7"),
        _ => {}
    }
    match address::kind(value) {
        address::Kind::Script(_) => found.add("xss.script-url", range),
        address::Kind::Document if tag.local() != b"input" => found.add("xss.data-url", range),
        address::Kind::Document | address::Kind::Other => {
            // A list of addresses (`srcset`, `values`), and a delay before one (`content` of a refresh).
            let names_script = |colon: usize| {
                let before = value.get(..colon).and_then(|before| before.strip_suffix(b"javascript"));
                before.is_some_and(|before| matches!(before.last(), Some(b';' | b'=' | b' ' | b',' | b':')))
            };
            if memchr::memchr_iter(b':', value).any(names_script) {
                found.add("xss.script-url", range);
            }
        }
    }
}

/// Judges an element by its name, attributes and content.
fn judge(
    text: &[u8],
    range: std::ops::Range<usize>,
    (name, element): (&Name, Element),
    context: &mut Context,
    seen: Attributes,
    found: &mut Found,
) {
    let content = reach(text, range.end + 1, CONTENT);
    context.styles += usize::from(element == Element::Style);
    match element {
        Element::Script if seen.valued > 0 || is_script(text, range.end + 1, context) => {
            found.add("xss.script-element", range)
        }
        Element::Script => found.add("xss.script-tag", range),
        Element::Style if context.styles >= STYLES => found.add("xss.maze", range),
        Element::Style if style::is_active(content) => found.add("xss.style", range),
        Element::Style if is_code(content) => found.add("xss.style-element", range),
        Element::Active => {
            let is_active = match name.local() {
                b"svg" | b"math" | b"template" | b"marquee" | b"plaintext" => false,
                b"meta" => seen.has_order,
                // Names that configurations in XML have for elements of their own.
                b"xml" | b"import" | b"handler" | b"listener" | b"frame" | b"layer" | b"object" | b"link" | b"set" => {
                    seen.has_source && !(context.is_document && name.local() == b"link")
                }
                _ => seen.valued > 0,
            };
            if !is_active
                && matches!(name.local(), b"xml" | b"import" | b"handler" | b"listener" | b"layer" | b"link" | b"set")
            {
                return;
            }
            found.add(if is_active { "xss.active-element" } else { "xss.foreign-element" }, range);
        }
        Element::Style | Element::RawText | Element::Plain => {}
    }
}

/// Whether what follows `<script>` is script and not prose about it: something is called, set or quoted without a space before, or the element ends
/// with something in it.
fn is_script(text: &[u8], start: usize, context: &mut Context) -> bool {
    const CLOSE: &[u8] = b"</script";
    let reached = text.len().min(start + CONTENT);
    let close = context.close.from(text, start, |rest| memchr::memmem::find(rest, CLOSE));
    let is_closed = close + CLOSE.len() <= reached;
    let end = if is_closed { close } else { reached };
    let content = text.get(start..end).unwrap_or_default();
    if is_closed && content.iter().any(u8::is_ascii_alphanumeric) {
        return true;
    }
    context.code.from(text, start, |rest| rest.windows(2).position(is_code_pair)) + 2 <= end
}

/// Two bytes that script has and prose has not.
fn is_code_pair(pair: &[u8]) -> bool {
    match pair {
        [before, b'(' | b'`' | b'['] => !is_space(*before) && *before != b'"',
        [_, b'=' | b'{'] => true,
        [b'/', b'/' | b'*'] => true,
        _ => false,
    }
}
