//! Calls of PHP's functions: by name, through variables, and through expressions that come to a name.

use super::names::{self, is_function, may_be_function};
use super::{Call, Callee, Found, Input, Part, Position, call, position};

/// Judges one call.
pub(super) fn judge(input: &Input<'_>, at: &Call, is_short: bool, found: &mut Found) {
    match at.callee {
        Callee::Name => by_name(input, at, is_short, found),
        Callee::Member => {}
        Callee::Variable => by_variable(input, at, is_short, found),
        Callee::Expression => by_expression(input, at, is_short, found),
    }
}

/// What can be said of the arguments of a call.
struct Arguments<'a> {
    text: &'a [u8],
    /// What follows them is code, or nothing.
    goes_on: bool,
    /// They hold a string or a variable, or are broken off.
    is_code: bool,
    /// What follows them.
    behind: &'a [u8],
}

impl Arguments<'_> {
    /// Whether nothing but punctuation and an index follows them.
    fn is_last(&self) -> bool {
        self.behind.iter().all(|byte| byte.is_ascii_digit() || !call::is_word(*byte))
    }
}

fn arguments<'a>(input: &Input<'a>, at: &Call) -> Arguments<'a> {
    let (range, is_closed) = call::arguments(input.lower, at.open);
    let end = if is_closed { range.end + 1 } else { range.end };
    let text = input.lower.get(range).unwrap_or_default().trim_ascii();
    // A path that ends in `eval(` is a strange name; one that ends in `zlib_decode(` is not.
    let is_name = || input.lower.get(at.from..at.to).is_some_and(|name| !name.contains(&b'_'));
    let goes_on =
        if is_closed { call::goes_on_as_code(input.lower, end) } else { input.part != Part::Path || !is_name() };
    let is_code = text.iter().any(|byte| matches!(byte, b'"' | b'\'' | b'$' | b'`')) || !is_closed && text.is_empty();
    Arguments { text, goes_on, is_code, behind: input.lower.get(end..).unwrap_or_default() }
}

/// Whether arguments are named, as GraphQL has them (`system(id: 1)`); PHP's own names of the first parameter are not meant.
fn is_named(arguments: &[u8]) -> bool {
    let word = arguments.iter().position(|byte| !call::is_word(*byte)).unwrap_or(arguments.len());
    let Some((name, rest)) = arguments.split_at_checked(word) else { return false };
    !name.is_empty()
        && rest.trim_ascii_start().first() == Some(&b':')
        && rest.get(1) != Some(&b':')
        && !matches!(name, b"command" | b"code" | b"filename")
}

fn by_name(input: &Input<'_>, at: &Call, is_short: bool, found: &mut Found) {
    let Some(name) = input.lower.get(at.from..at.to) else { return };
    if is_short && shows_result(input, at, name) {
        found.add("php.function", at.from..at.open + 1);
    }
    if !may_be_function(name) {
        return;
    }
    crate::inspect::steps::count(72);
    let is_dangerous = names::is_dangerous(name);
    let is_word = !is_dangerous && names::is_word(name);
    if !is_dangerous && !is_word && !is_function(name) {
        return;
    }
    let place = position(input, at);
    if !is_short && place != Position::Start {
        if (is_dangerous || is_word) && call::begins_as_code(input.lower, at.open) {
            found.add("php.call-in-text", at.from..at.open + 1);
        }
        return;
    }
    let with = arguments(input, at);
    if call::is_manual(with.text) && at.to == at.open && !name.contains(&b'_') || is_named(with.text) {
        return;
    }
    let is_title = at.to != at.open && !at.is_odd && at.open - at.to < 2 && !with.is_code && !name.contains(&b'_');
    let range = at.from..at.open + 1;
    // An assertion of C or Python begins with no string and no variable.
    let begins_as_code = matches!(with.text.first(), Some(b'"' | b'\'' | b'$' | b'@'));
    let is_assertion = name == b"assert" && !begins_as_code;
    let is_met = if is_assertion {
        false
    } else if is_dangerous {
        match place {
            Position::Start => with.goes_on && !is_title && (!with.text.is_empty() || with.is_last()),
            Position::Break => is_short && with.goes_on && !with.text.is_empty(),
            Position::Word => false,
        }
    } else if is_word {
        match place {
            Position::Start => with.goes_on && !is_title && (!with.text.is_empty() || at.is_odd || with.is_code),
            Position::Break => is_short && with.goes_on && (with.is_code || at.is_odd),
            Position::Word => false,
        }
    } else {
        if place == Position::Start && with.goes_on && is_short && !is_title && with.is_last() {
            found.add("php.function", range);
        }
        return;
    };
    if is_met {
        found.add("php.call", range);
    } else if with.is_code {
        found.add("php.call-in-text", range);
    }
}

/// Functions whose results tell that code was run: of a constant nobody needs them.
const DIGESTS: [&[u8]; 6] = [b"crc32", b"hash", b"md5", b"sha1", b"str_rot13", b"strrev"];
/// Constructs that show what they are given, in PHP and elsewhere; and the one that no language but PHP and Perl has.
const SHOWS: [&[u8]; 4] = [b"die", b"echo", b"exit", b"print"];
const END: &[u8] = b"die";

/// Whether a value is nothing but code that shows what a call comes to, to see whether it is run: `die(x(1))`, `echo md5('x');`. Programs that end so,
/// or that print, are given names and no constants.
fn shows_result(input: &Input<'_>, at: &Call, name: &[u8]) -> bool {
    let is_end = name == END && at.to == at.open && position(input, at) == Position::Start;
    let is_shown = DIGESTS.contains(&name)
        && shown_by(input.lower, at.from).is_some_and(|shows| call::position(input.lower, shows) != Position::Word);
    if !is_end && !is_shown {
        return false;
    }
    let with = arguments(input, at);
    let word = with.text.iter().position(|byte| !call::is_word(*byte)).unwrap_or(0);
    let is_call = word > 0 && with.text.get(word) == Some(&b'(') && with.text.ends_with(b")");
    with.goes_on && with.is_last() && (is_end && is_call || is_shown && is_constant(with.text))
}

/// A number, or a text in quotes.
fn is_constant(arguments: &[u8]) -> bool {
    let is_text = matches!(arguments, [first @ (b'"' | b'\''), .., last] if first == last);
    is_text || !arguments.is_empty() && arguments.iter().all(u8::is_ascii_digit)
}

/// Where the word begins that is given what begins at `from`, with or without brackets, if it is one that shows it.
fn shown_by(lower: &[u8], from: usize) -> Option<usize> {
    let before = lower.get(..from)?;
    let end = before.iter().rposition(|byte| !matches!(byte, b' ' | b'(' | b'@'))? + 1;
    let start = call::word_start(lower, end);
    SHOWS.contains(&lower.get(start..end)?).then_some(start)
}

fn by_variable(input: &Input<'_>, at: &Call, is_short: bool, found: &mut Found) {
    let Some(callee) = input.bytes.get(at.from..at.to) else { return };
    let is_amount = callee.get(1).is_some_and(u8::is_ascii_digit);
    // `scope.$apply(` is JavaScript.
    let is_method = call::before(input.lower, at.from) == Some(b'.')
        && call::before(input.lower, at.from - 1).is_some_and(call::is_word);
    if is_amount || is_method || callee.len() < 2 {
        return;
    }
    let is_obscure = at.is_odd
        || callee.iter().skip(1).any(|byte| matches!(byte, b'[' | b'{' | b'$'))
        || matches!(call::before(input.lower, at.from), Some(b'$' | b'>' | b':'));
    let place = call::position(input.lower, object_start(input.lower, at.from));
    if !is_short && place != Position::Start {
        if is_obscure {
            found.add("php.call-in-text", at.from..at.open + 1);
        }
        return;
    }
    let with = arguments(input, at);
    // `$TSLA (Tesla)` is none.
    let is_apart = at.open != at.to && !at.is_odd;
    if is_apart && !with.is_code && !with.text.iter().all(u8::is_ascii_digit) {
        return;
    }
    if with.goes_on && (is_short && place != Position::Word || is_obscure && place == Position::Start) {
        found.add("php.variable-call", at.from..at.open + 1);
    } else if is_obscure {
        found.add("php.call-in-text", at.from..at.open + 1);
    }
}

/// Where the object or class starts of which the variable at `from` names a method: `Foo::$f(`, `$o->$f(`.
fn object_start(lower: &[u8], from: usize) -> usize {
    match from.checked_sub(2).and_then(|at| lower.get(at..from)) {
        Some(b"::" | b"->") => call::word_start(lower, from - 2),
        _ => from,
    }
}

fn by_expression(input: &Input<'_>, at: &Call, is_short: bool, found: &mut Found) {
    let Some(callee) = input.lower.get(at.from..at.to) else { return };
    if !is_short && call::is_late(at.from) {
        return;
    }
    let place = call::position(input.lower, at.from);
    if place == Position::Word || !is_short && place != Position::Start {
        return;
    }
    let with = arguments(input, at);
    let (folded, length) = fold(callee);
    let name = folded.get(..length).unwrap_or_default();
    let is_obscure = at.is_odd || callee.iter().any(|byte| matches!(byte, b'"' | b'\'' | b'.' | b'*' | b'['));
    let known = names::is_dangerous(name) || names::is_word(name);
    if known && (is_obscure || with.is_code || input.lower.ends_with(b";")) {
        found.add("php.call", at.from..at.open + 1);
    } else if at.is_odd && is_short && with.is_code && with.goes_on && callee.iter().all(|byte| !byte.is_ascii_digit())
    {
        found.add("php.variable-call", at.from..at.open + 1);
    }
}

/// The name that an expression of strings, concatenations and brackets comes to: `(sy.("st")."\x65m")` is `system`.
fn fold(callee: &[u8]) -> ([u8; 32], usize) {
    let mut name = [0; 32];
    let mut length = 0;
    let mut at = 0;
    while let (Some(byte), Some(slot)) = (callee.get(at), name.get_mut(length)) {
        let (byte, taken) = match (byte, callee.get(at + 1)) {
            (b'/', Some(b'*')) => {
                let rest = callee.get(at + 2..).unwrap_or_default();
                (None, 4 + rest.windows(2).position(|pair| pair == b"*/").unwrap_or(rest.len()))
            }
            (b'\\', Some(b'x')) => escape(callee, at + 2, 2, 16).map_or((None, 2), |(byte, n)| (Some(byte), 2 + n)),
            (b'\\', Some(b'0'..=b'7')) => {
                escape(callee, at + 1, 3, 8).map_or((None, 1), |(byte, n)| (Some(byte), 1 + n))
            }
            (byte, _) if call::is_word(*byte) => (Some(*byte), 1),
            _ => (None, 1),
        };
        if let Some(byte) = byte {
            *slot = byte.to_ascii_lowercase();
            length += 1;
        }
        at += taken;
    }
    // An index, as of `["system"][0]`.
    while length > 0 && name.get(length - 1).is_some_and(u8::is_ascii_digit) {
        length -= 1;
    }
    (name, length)
}

fn escape(text: &[u8], at: usize, most: usize, radix: u32) -> Option<(u8, usize)> {
    let digits = text.get(at..)?.iter().take(most).take_while(|byte| char::from(**byte).is_digit(radix)).count();
    let digits = std::str::from_utf8(text.get(at..at + digits)?).ok()?;
    Some((u32::from_str_radix(digits, radix).ok()? as u8, digits.len()))
}
