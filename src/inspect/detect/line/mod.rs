//! Evidence of classes `crlf`, `protocol` and `fixation`: line breaks by which a value goes on as a header, a message or a command, and names of
//! sessions where no session comes from.

use super::{Detector, Found, Input};
use crate::inspect::gate::Bytes;
use crate::inspect::{Class, Part};

mod names;
mod session;
#[cfg(test)]
mod tests;

/// The rules that this gives evidence for.
#[rustfmt::skip]
const IDS: &[&str] = &[
    "crlf.command", "crlf.header", "crlf.name", "crlf.path", "crlf.quoted", "crlf.response",
    "fixation.common-parameter", "fixation.parameter", "protocol.request",
];

pub(super) const DETECTOR: Detector = Detector {
    ids: IDS,
    classes: &[Class::Crlf, Class::Protocol, Class::Fixation],
    literals: &["sess", "cfid", "cfsid", "cftoken", "aspxauth", "logged_in", ".sid", "_sid", "-token", " http/"],
    wakes,
    run,
};

fn wakes(occurs: &Bytes) -> bool {
    occurs.any(&BREAKS)
}

const BREAKS: Bytes = Bytes::set(b"\r\n");

/// The most of a line that is looked at.
const LINE: usize = 160;
/// The longest name of a header field.
const NAME: usize = 48;
/// The most of a value before its first line break that is taken for something that has one line.
const SHORT: usize = 96;

fn run(input: &Input<'_>, found: &mut Found) {
    if input.is_name {
        session::scan(input, found);
    }
    if !input.occurs.any(&BREAKS) {
        if input.part != Part::Body {
            begins_request(input, found);
        }
        return;
    }
    match (input.part, input.is_name) {
        (Part::Path, _) => found.add("crlf.path", 0..16),
        (Part::Query, true) => found.add("crlf.name", 0..16),
        _ => {}
    }
    if input.part != Part::Body {
        begins_request(input, found);
    } else if input.trail.is_empty() {
        holds_request(input, found);
    }
    lines(input, found);
}

/// A value that begins as a request does (RFC 9112, 3): what is put into a request makes two of it.
fn begins_request(input: &Input<'_>, found: &mut Found) {
    if is_request(input.bytes.trim_ascii_start()) {
        found.add("protocol.request", 0..16);
    }
}

/// A body that is text as a whole, and has a request in it wherever that begins: what is left of one is read as the next (CWE-444). Its lines end as
/// those of HTTP do, and the second is a field.
fn holds_request(input: &Input<'_>, found: &mut Found) {
    let text = input.bytes;
    for version in memchr::memmem::find_iter(text, b" HTTP/1.").take(16) {
        let Some([_, b'\r', b'\n', field @ ..]) = text.get(version + 8..) else { continue };
        let name = field.iter().take(NAME).position(|byte| *byte == b':').and_then(|end| field.get(..end));
        let before = text.get(version.saturating_sub(LINE)..version).unwrap_or_default();
        let target = before.iter().rposition(|byte| matches!(byte, b' ' | b'\n'));
        let is_method = target.and_then(|at| before.get(..at)).is_some_and(names::ends_with_method);
        if is_method && name.is_some_and(is_token) {
            found.add("protocol.request", version..version + 9);
            return;
        }
    }
}

fn lines(input: &Input<'_>, found: &mut Found) {
    let text = input.lower;
    let first = text.get(..memchr::memchr2(b'\r', b'\n', text).unwrap_or(text.len())).unwrap_or_default();
    // Prose that goes on in another line has words in the first. In a body there are texts of many lines, elsewhere hardly.
    let is_strict = input.part != Part::Body;
    let is_one_word =
        first.len() <= SHORT && !first.contains(&b' ') && first.iter().all(|byte| *byte != b'-') || first.is_empty();
    let is_address = is_one_word && first.contains(&b'@');
    let mut next = 0;
    for place in memchr::memchr2_iter(b'\r', b'\n', text) {
        if place < next {
            continue;
        }
        let rest = text.get(place..).unwrap_or_default();
        let breaks = rest.iter().take(16).take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let start = place + breaks;
        next = start;
        crate::inspect::steps::count(16);
        let line = line_at(text, start);
        let plain = line_at(input.bytes, start);
        let before = Before { is_strict, is_one_word, is_address, breaks: rest.get(..breaks).unwrap_or_default() };
        if let Some(rule) = judge(line, plain, &before) {
            found.add(rule, place..start + line.len().min(24));
        }
    }
}

/// The line that begins here, or its beginning.
fn line_at(text: &[u8], start: usize) -> &[u8] {
    let rest = text.get(start..).unwrap_or_default();
    let rest = rest.get(..LINE).unwrap_or(rest);
    rest.get(..memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len())).unwrap_or_default()
}

/// What stands before a line.
struct Before<'a> {
    /// The value is none that has many lines: a parameter, the path, a field of the head.
    is_strict: bool,
    /// There are no words before the first line break.
    is_one_word: bool,
    /// It is an address for mail.
    is_address: bool,
    /// The line breaks.
    breaks: &'a [u8],
}

/// Whether this may be the name of a header field (RFC 9110, 5.6.2).
fn is_token(name: &[u8]) -> bool {
    name.len() > 1 && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// What a line is evidence of that stands behind a line break. What ends its first word says what it can be.
fn judge(line: &[u8], plain: &[u8], before: &Before<'_>) -> Option<&'static str> {
    let Before { is_strict, is_one_word, is_address, breaks } = *before;
    let leaves = is_strict || is_one_word;
    let end = line.iter().take(NAME).position(|byte| matches!(byte, b':' | b' '));
    let next = end.and_then(|end| line.get(end + 1)).copied().unwrap_or(0);
    match end.and_then(|end| line.get(end)) {
        Some(b' ') if next != b':' => {
            if is_command(plain) {
                return Some(if leaves { "crlf.command" } else { "crlf.quoted" });
            }
            if is_request(plain) || is_strict && line.starts_with(b"http/") {
                return Some(if leaves { "protocol.request" } else { "crlf.quoted" });
            }
        }
        Some(_) => {
            let name = line.get(..end.unwrap_or(0)).unwrap_or_default();
            // Whatever its name: a line break as protocols have it, in a value that has one line. Texts have such lines; none leads elsewhere.
            let value = line.get(end.unwrap_or(0) + 1..).unwrap_or_default().trim_ascii_start();
            let is_redirect = name == b"location" && leads_away(value, breaks);
            let is_any = is_one_word && (is_strict && breaks.contains(&b'\r') && is_token(name) || is_redirect);
            if names::is_injected(name) || (is_strict || is_address) && names::is_header(name) || is_any {
                return Some(if leaves { "crlf.header" } else { "crlf.quoted" });
            }
        }
        None => {}
    }
    if !(is_strict || is_one_word && breaks.contains(&b'\r')) || line.first() != Some(&b'<') {
        return None;
    }
    let count = |sign: u8| breaks.iter().filter(|byte| **byte == sign).count();
    let begins_page =
        [&b"<html"[..], b"<script", b"<!doctype", b"<body", b"<svg"].iter().any(|page| line.starts_with(page));
    (begins_page && count(b'\n').max(count(b'\r')) >= 2).then_some("crlf.response")
}

/// Whether it is an address and no more: in full, or one of the same server where the line break is that of protocols.
fn leads_away(value: &[u8], breaks: &[u8]) -> bool {
    let is_full = [&b"http://"[..], b"https://"].iter().any(|start| value.starts_with(start));
    !value.trim_ascii().contains(&b' ') && (is_full || breaks.contains(&b'\r') && value.starts_with(b"/"))
}

/// Whether a line is the first of a request: a method, a target, and the version or an address in full.
fn is_request(line: &[u8]) -> bool {
    let Some(space) = line.iter().take(12).position(|byte| *byte == b' ') else { return false };
    let method = line.get(..space).unwrap_or_default();
    if !names::is_method(method) {
        return false;
    }
    let target = line.get(space + 1..).unwrap_or_default().trim_ascii_start();
    let is_target = target.starts_with(b"/")
        || target.starts_with(b"http://")
        || target.starts_with(b"https://")
        || target.starts_with(b"*");
    let line = line.get(..LINE).unwrap_or(line);
    is_target && (memchr::memmem::find(line, b" HTTP/").is_some() || memchr::memmem::find(line, b" http/").is_some())
}

/// Whether a line is a command of SMTP (RFC 5321), or a tagged one of IMAP (RFC 9051) with what it needs.
fn is_command(line: &[u8]) -> bool {
    let starts = |what: &[u8]| line.get(..what.len()).is_some_and(|start| start.eq_ignore_ascii_case(what));
    if starts(b"RCPT TO:") || starts(b"MAIL FROM:") {
        return true;
    }
    let mut words = line.split(|byte| *byte == b' ');
    let tag = words.next().unwrap_or_default();
    let command = words.next().unwrap_or_default();
    let next = words.next().unwrap_or_default();
    let letters = tag.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let digits = tag.iter().skip(letters).take_while(|byte| byte.is_ascii_digit()).count();
    let is_tag = (1..=6).contains(&letters) && (1..=6).contains(&digits) && letters + digits == tag.len();
    is_tag
        && match command {
            b"CAPABILITY" | b"NOOP" | b"LOGOUT" | b"STARTTLS" | b"EXPUNGE" => next.is_empty(),
            b"FETCH" | b"STORE" | b"COPY" => next.first().is_some_and(u8::is_ascii_digit),
            b"LOGIN" | b"SELECT" | b"EXAMINE" | b"CREATE" | b"DELETE" | b"RENAME" | b"LIST" | b"LSUB" | b"STATUS"
            | b"APPEND" | b"SEARCH" | b"UID" | b"AUTHENTICATE" | b"SUBSCRIBE" => !next.is_empty(),
            _ => false,
        }
}
