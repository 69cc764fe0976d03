//! The batch language of Windows: `if` and `for`, which run what follows, and have a form that no other language has.

use super::{byte, is_space};
use crate::inspect::detect::{Found, Input, Next};
use crate::inspect::gate::Bytes;

/// The most that is looked at behind `if` and `for`.
const REACH: usize = 160;
/// The most places that are looked at.
const MAX_TRIES: usize = 24;

/// What a command may follow.
const SEPARATORS: &[u8] = b"&|;(\n@";
const SEPARATOR: Bytes = Bytes::set(SEPARATORS);

/// Looks for both, and for letters that are cut out of a variable.
pub(super) fn look(input: &Input<'_>, lower: &[u8], found: &mut Found) {
    if input.occurs.has(b'~')
        && input.occurs.has(b':')
        && let Some(at) = cut(lower)
    {
        found.add("shell.batch", at..at + 16);
    }
    if !input.occurs.has(b' ') && !input.occurs.has(b'\t') {
        return;
    }
    let has_separator = input.occurs.any(&SEPARATOR);
    let separator = Next::of(&SEPARATOR, SEPARATORS, input.occurs);
    let (mut at, mut tries) = (0, 0);
    while tries < MAX_TRIES {
        let rest = lower.get(at..).unwrap_or_default();
        let is_before = |byte: &u8| is_space(*byte) || matches!(byte, b'"' | b'\'') || SEPARATOR.has(*byte);
        let Some(begun) = rest.iter().position(|byte| !is_before(byte)) else { return };
        at += begun;
        crate::inspect::steps::count(10 + begun);
        if matches!(byte(lower, at), b'i' | b'f') {
            tries += 1;
            crate::inspect::steps::count(16);
            let rest = lower.get(at..lower.len().min(at + REACH)).unwrap_or_default();
            if rest.starts_with(b"if") && is_if(rest) || rest.starts_with(b"for") && is_for(rest) {
                found.add("shell.batch", at..at + 16);
                return;
            }
        }
        if !has_separator {
            return;
        }
        let rest = lower.get(at..).unwrap_or_default();
        let Some(skipped) = separator.find(rest) else { return };
        at += skipped + 1;
    }
}

/// `%comspec:~0,1%`: a piece of a variable, by which names are broken up and put together; where one stands.
fn cut(lower: &[u8]) -> Option<usize> {
    memchr::memmem::find_iter(lower, b":~").take(MAX_TRIES).find(|at| {
        let before = lower.get(..*at).unwrap_or_default();
        let name =
            before.iter().rev().take(32).take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        let sign = before.len().checked_sub(name + 1).map_or(0, |at| byte(before, at));
        let behind = lower.get(at + 2..).unwrap_or_default();
        let digits =
            behind.iter().take(8).take_while(|byte| byte.is_ascii_digit() || matches!(byte, b',' | b'-')).count();
        name > 0 && digits > 0 && matches!(sign, b'%' | b'!') && byte(behind, digits) == sign
    })
}

/// The next word, and what follows it.
fn word(rest: &[u8]) -> (&[u8], &[u8]) {
    let start = rest.iter().position(|byte| !is_space(*byte)).unwrap_or(rest.len());
    let rest = rest.get(start..).unwrap_or_default();
    // Quoted blanks belong to a word.
    let mut is_quoted = false;
    let end = rest.iter().position(|byte| {
        is_quoted ^= *byte == b'"';
        is_space(*byte) && !is_quoted
    });
    rest.split_at(end.unwrap_or(rest.len()))
}

/// `for /f "delims=" %i in ('x') do y`.
fn is_for(rest: &[u8]) -> bool {
    if !is_space(byte(rest, 3)) {
        return false;
    }
    let Some(variable) = rest.iter().position(|byte| *byte == b'%') else { return false };
    let options = rest.get(3..variable).unwrap_or_default();
    let is_optional = options.iter().all(|byte| is_space(*byte)) || word(options).0.starts_with(b"/");
    let (_, after) = word(rest.get(variable..).unwrap_or_default());
    let (within, set) = word(after);
    let opens = word(set).0.first() == Some(&b'(') || within == b"in(";
    is_optional && within.starts_with(b"in") && within.len() <= 3 && opens
}

/// `if not exist x y`, `if /i a==b y`, `if %x% equ 1 y`.
fn is_if(rest: &[u8]) -> bool {
    if !is_space(byte(rest, 2)) {
        return false;
    }
    let (mut first, mut rest) = word(rest.get(2..).unwrap_or_default());
    let is_any_case = first == b"/i";
    if is_any_case {
        (first, rest) = word(rest);
    }
    let is_negated = first == b"not";
    if is_negated {
        (first, rest) = word(rest);
    }
    if matches!(first, b"exist" | b"defined" | b"errorlevel" | b"cmdextversion") {
        let (operand, rest) = word(rest);
        let (then, _) = word(rest);
        return !operand.is_empty()
            && (is_action(then) || is_file(operand) && !then.is_empty() || first == b"errorlevel");
    }
    compares(first, rest, is_any_case || is_negated)
}

/// A comparison, and something that is done.
fn compares(first: &[u8], rest: &[u8], is_marked: bool) -> bool {
    let (operator, after) = word(rest);
    let is_words = matches!(operator, b"equ" | b"neq" | b"lss" | b"leq" | b"gtr" | b"geq");
    if is_words {
        let (operand, then) = word(after);
        return is_batch_operand(first) || is_batch_operand(operand) || is_action(word(then).0);
    }
    let joined = first.windows(2).any(|pair| pair == b"==");
    let then = if joined {
        rest
    } else if operator.starts_with(b"==") {
        if operator.len() > 3 { after } else { word(after).1 }
    } else {
        return false;
    };
    let then = word(then).0;
    is_marked && (joined || is_batch_operand(first)) && first.first() != Some(&b'(')
        || is_action(then) && (joined || is_batch_operand(first))
}

/// `%x%`, `"%x%"`, `!x!`, `[x]`, `{%1}`.
fn is_batch_operand(operand: &[u8]) -> bool {
    let bare = operand.strip_prefix(b"\"").unwrap_or(operand);
    matches!(bare.first(), Some(b'%' | b'!' | b'[' | b'{'))
}

fn is_file(operand: &[u8]) -> bool {
    operand.iter().any(|byte| matches!(byte, b'.' | b'\\' | b':' | b'%'))
}

/// What batch files do next: a command that is built in, a group.
fn is_action(then: &[u8]) -> bool {
    let then = then.strip_prefix(b"@").unwrap_or(then);
    let then = then.strip_prefix(b"(").map_or(then, |rest| if rest.is_empty() { b"echo" } else { rest });
    let end = then.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(then.len());
    let name = then.get(..end).unwrap_or_default();
    matches!(
        name,
        b"call"
            | b"cmd"
            | b"copy"
            | b"del"
            | b"dir"
            | b"echo"
            | b"exit"
            | b"goto"
            | b"move"
            | b"powershell"
            | b"rd"
            | b"ren"
            | b"set"
            | b"start"
            | b"type"
    )
}
