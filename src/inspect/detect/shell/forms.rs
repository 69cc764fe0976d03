//! Forms that only shells have, without a program's name: functions in variables, variables that are run, blanks that are spelled.

use super::arguments::separator_variable;
use super::{byte, is_space};
use crate::inspect::detect::{Found, Input};

/// The most of a form that is looked at.
const REACH: usize = 96;
/// The most forms of one kind that are looked at.
const MAX_TRIES: usize = 32;

/// Looks for all of them.
pub(super) fn look(input: &Input<'_>, lower: &[u8], found: &mut Found) {
    let occurs = input.occurs;
    if occurs.has(b'{') && occurs.has(b'(') {
        functions(lower, found);
    }
    if occurs.has(b'$') {
        expansions(lower, found);
    }
    if occurs.has(b'~') || occurs.has(b'!') {
        history(lower, found);
    }
    if occurs.has(b'>') {
        redirection(lower, found);
    }
}

/// `() {` as the value of a variable, which old shells run what follows of (CVE-2014-6271), and `:(){ :|:& };:`.
fn functions(lower: &[u8], found: &mut Found) {
    for (at, _) in lower.windows(2).enumerate().filter(|(_, pair)| *pair == b"()").take(MAX_TRIES) {
        crate::inspect::steps::count(12);
        let brace = skip_spaces(lower, at + 2);
        if byte(lower, brace) != b'{' {
            continue;
        }
        let body = skip_spaces(lower, brace + 1);
        let before = lower.get(..at).unwrap_or_default();
        let name_length = before
            .iter()
            .rev()
            .take(16)
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':'))
            .count();
        let name = before.get(before.len() - name_length..).unwrap_or_default();
        let is_first = before.iter().all(|byte| is_space(*byte) || matches!(byte, b'"' | b'\''));
        let is_empty_body = matches!(byte(lower, body), b':' | b'_') || byte(lower, body) == 0;
        if name.is_empty()
            && (is_empty_body
                || is_first && lower.get(body..).unwrap_or_default().iter().take(REACH).any(|byte| *byte == b'}'))
        {
            found.add("shell.shellshock", at..body);
        }
        let rest = lower.get(body..).unwrap_or_default();
        if !name.is_empty() && rest.starts_with(name) {
            let after = rest.get(name.len()..).unwrap_or_default();
            let after = after.strip_prefix(b"()").unwrap_or(after);
            if matches!(byte(after, skip_spaces(after, 0)), b'|' | b'&') {
                found.add("shell.fork-bomb", at..body);
            }
        }
    }
}

/// `$IFS`, `${HOME:0:1}`, `${x#y}`, `a=nc;$a`.
fn expansions(lower: &[u8], found: &mut Found) {
    for (at, _) in lower.iter().enumerate().filter(|(_, byte)| **byte == b'$').take(MAX_TRIES) {
        crate::inspect::steps::count(16);
        let rest = lower.get(at..).unwrap_or_default();
        if separator_variable(rest).is_some() {
            found.add("shell.blank-variable", at..at + 6);
        }
        if let Some(name) = rest.strip_prefix(b"${") {
            let length = name.iter().take(24).take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
            let operator = name.get(length..).unwrap_or_default();
            let is_cut = length > 0
                && (operator.starts_with(b"#") || operator.starts_with(b"%%") || operator.starts_with(b"//"))
                || length > 1 && operator.first() == Some(&b':') && byte(operator, 1).is_ascii_digit();
            if is_cut && name.iter().take(48).any(|byte| *byte == b'}') {
                found.add("shell.cut-variable", at..at + length + 3);
            }
        } else if is_run(lower, at) {
            found.add("shell.run-variable", at..at + 2);
        }
    }
}

/// Whether the variable at `at` is run and was set before in the same value: `a=nc;$a -l`.
fn is_run(lower: &[u8], at: usize) -> bool {
    let before = lower.get(at.saturating_sub(REACH)..at).unwrap_or_default();
    let trimmed = before.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
    if !matches!(byte(before, trimmed.saturating_sub(1)), b';' | b'&' | b'|' | b'\n') {
        return false;
    }
    crate::inspect::steps::count(before.len() * 2);
    let rest = lower.get(at + 1..).unwrap_or_default();
    let length = rest.iter().take(16).take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    let name = rest.get(..length).unwrap_or_default();
    let is_set = |part: &[u8]| part.strip_prefix(name).is_some_and(|after| after.first() == Some(&b'='));
    !name.is_empty()
        && before.split(|byte| matches!(byte, b';' | b'&' | b'|' | b' ' | b'\n' | b'\'' | b'"')).any(is_set)
}

/// A value that is nothing but `~+`, `~-2` (folders gone to) or begins with `!-1` (commands given before).
fn history(lower: &[u8], found: &mut Found) {
    let is_folders =
        matches!(lower, [b'~', b'+' | b'-', digits @ ..] if digits.len() < 3 && digits.iter().all(u8::is_ascii_digit));
    let is_commands = matches!(lower, [b'!', b'-', digit, ..] if digit.is_ascii_digit());
    if is_folders || is_commands {
        found.add("shell.history", 0..lower.len());
    }
}

/// A value that begins with the writing of a file: `>/tmp/x`.
fn redirection(lower: &[u8], found: &mut Found) {
    let Some(rest) = lower.strip_prefix(b">") else { return };
    let rest = rest.strip_prefix(b">").unwrap_or(rest);
    let rest = rest.get(skip_spaces(rest, 0)..).unwrap_or_default();
    if [&b"/tmp/"[..], b"/var/", b"/etc/", b"/dev/", b"/root/", b"/home/", b"/usr/", b"/proc/"]
        .iter()
        .any(|folder| rest.starts_with(folder))
    {
        found.add("shell.redirection", 0..rest.len().min(16));
    }
}

fn skip_spaces(lower: &[u8], at: usize) -> usize {
    let rest = lower.get(at..).unwrap_or_default();
    at + rest.iter().take(16).take_while(|byte| is_space(**byte)).count()
}
