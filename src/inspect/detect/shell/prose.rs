//! What tells prose and markdown from command lines.

use super::super::stands_in;
use super::commands::kind_of;
use super::{Way, is_space};

/// Where the span of code ends that the backtick before `at` opens, if it stands in prose: a blank before it, and words around it.
pub(super) fn markdown_end(lower: &[u8], at: usize) -> usize {
    let before = lower.get(at.saturating_sub(64)..at.saturating_sub(1)).unwrap_or_default();
    let rest = lower.get(at..).unwrap_or_default();
    let Some(length) = rest.iter().take(240).position(|byte| *byte == b'`') else { return 0 };
    crate::inspect::steps::count(64 + length);
    let after = rest.get(length + 1..).unwrap_or_default();
    let after = after.get(..after.len().min(64)).unwrap_or_default();
    let opens = before.last().is_some_and(|byte| is_space(*byte) || *byte == b'(');
    let last = before.rsplit(|byte| is_space(*byte)).find(|word| !word.is_empty()).unwrap_or_default();
    let next = after.split(|byte| is_space(*byte)).find(|word| !word.is_empty()).unwrap_or_default();
    if is_branch(before, last, after) {
        return 0;
    }
    let is_within = opens && is_prose_word(last) && (is_prose_word(next) || matches!(next, b"." | b"," | b"?" | b":"));
    let is_first = before.iter().all(|byte| is_space(*byte)) && after.first() == Some(&b' ') && is_prose_word(next);
    let words = before.split(|byte| is_space(*byte)).filter(|word| is_prose_word(word)).count();
    let is_last = opens && next.is_empty() && words >= 2;
    if is_within || is_first || is_last { at + length } else { 0 }
}

/// Whether what stands behind this word is a branch of a shell's own, and the end of it follows: `; then `id` x; fi`.
fn is_branch(before: &[u8], last: &[u8], after: &[u8]) -> bool {
    let end: &[u8] = match last {
        b"then" | b"else" => b"fi",
        b"do" => b"done",
        _ => return false,
    };
    let led = before.trim_ascii_end().strip_suffix(last).unwrap_or_default().trim_ascii_end();
    let mut behind = after.split(|byte| matches!(byte, b';' | b'\n')).skip(1);
    led.ends_with(b";") && behind.any(|part| part.trim_ascii().starts_with(end))
}

/// A word as prose has it, with what ends a clause, and `e.g.`, `don't`, `well-known`.
pub(super) fn is_prose_word(word: &[u8]) -> bool {
    let word = word.strip_prefix(b"(").unwrap_or(word);
    let end = word
        .iter()
        .rposition(|byte| !matches!(byte, b',' | b'.' | b':' | b';' | b'?' | b'!' | b')'))
        .map_or(0, |last| last + 1);
    let word = word.get(..end).unwrap_or_default();
    let is_letter = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'.' | b'\'' | b'-');
    (2..=16).contains(&word.len()) && word.iter().all(is_letter) && word.first().is_some_and(u8::is_ascii_alphabetic)
}

/// How many lines a value has that are not blank, up to five.
pub(super) fn lines(value: &[u8]) -> usize {
    let lines = value.split(|byte| *byte == b'\n').inspect(|line| crate::inspect::steps::count(2 + line.len()));
    lines.filter(|line| line.len() > 2).take(5).count()
}

/// Whether what stands before a way into a command that begins at `start` leads to it honestly: another command, an assignment, code, or a line of its
/// own. What is put into a sentence has words before it, or nothing.
pub(super) fn is_led_by_command(lower: &[u8], at: usize, start: usize, way: Way) -> bool {
    let sign = match way {
        Way::Semicolon | Way::And | Way::Pipe => 1,
        Way::Both | Way::Substitution => 2,
        Way::Tick | Way::Start | Way::Parameter | Way::Line | Way::Bang | Way::Call => return true,
    };
    // `a; \n b`, `|_| { b`: lines and blocks of code.
    if lower.get(at..start).unwrap_or_default().iter().any(|byte| matches!(byte, b'\n' | b'{')) {
        return true;
    }
    let before = lower.get(at.saturating_sub(160)..at.saturating_sub(sign)).unwrap_or_default();
    crate::inspect::steps::count(before.len());
    let separator = before.iter().rposition(|byte| matches!(byte, b'\n' | b';' | b'|' | b'&'));
    let is_chained = separator.and_then(|at| before.get(at)).is_some_and(|byte| *byte != b'\n');
    let segment = before.get(separator.map_or(0, |last| last + 1)..).unwrap_or_default().trim_ascii();
    let ends_code = |byte: &u8| matches!(byte, b')' | b'}' | b'{' | b'(' | b'=' | b'\\' | b'`' | b'"' | b'\'');
    let words = segment.split(|byte| is_space(*byte)).filter(|word| !word.is_empty());
    // Behind another separator any program goes on with a chain of them; a sentence may begin with a word that is one.
    let is_command = |word: &[u8]| {
        kind_of(word).is_some_and(|kind| is_chained || kind.is_sure() || kind.is_shell() || kind.is_prefix())
    };
    segment.last().is_some_and(ends_code)
        || words.clone().next_back().is_some_and(|word| kind_of(word).is_some())
        || words.clone().next().is_some_and(is_command)
        || words.rev().take(MAX_BACK).any(is_argument)
}

/// How many words before a separator are looked at, whether they are arguments.
const MAX_BACK: usize = 4;

/// `-n`, `access.log`, `/srv/app`, `a=b`, `$x`: no word of prose.
fn is_argument(word: &[u8]) -> bool {
    let inner = word.get(..word.len().saturating_sub(1)).unwrap_or_default();
    word.len() > 1
        && (word.starts_with(b"-") || inner.iter().any(|byte| matches!(byte, b'/' | b'.' | b'=' | b'$' | b'~')))
}

/// Whether commands are what is wanted here: the command of a container, the call of a tool.
pub(super) fn is_command_list(trail: &[u8]) -> bool {
    stands_in(trail, &[b"command[", b"args[", b"entrypoint[", b"tool_calls[", b".arguments"])
}
