//! What tells prose and markdown from command lines.

use super::is_space;

/// Where the span of code ends that the backtick before `at` opens, if it stands in prose: a blank before it, and words around it.
pub(super) fn markdown_end(lower: &[u8], at: usize) -> usize {
    let before = lower.get(at.saturating_sub(64)..at.saturating_sub(1)).unwrap_or_default();
    let rest = lower.get(at..).unwrap_or_default();
    let Some(length) = rest.iter().take(240).position(|byte| *byte == b'`') else { return 0 };
    let after = rest.get(length + 1..).unwrap_or_default();
    let after = after.get(..after.len().min(64)).unwrap_or_default();
    let opens = before.last().is_some_and(|byte| is_space(*byte) || *byte == b'(');
    let last = before.rsplit(|byte| is_space(*byte)).find(|word| !word.is_empty()).unwrap_or_default();
    let next = after.split(|byte| is_space(*byte)).find(|word| !word.is_empty()).unwrap_or_default();
    let is_within = opens && is_prose_word(last) && (is_prose_word(next) || matches!(next, b"." | b"," | b"?" | b":"));
    let is_first = before.iter().all(|byte| is_space(*byte)) && after.first() == Some(&b' ') && is_prose_word(next);
    let words = before.split(|byte| is_space(*byte)).filter(|word| is_prose_word(word)).count();
    let is_last = opens && next.is_empty() && words >= 2;
    if is_within || is_first || is_last { at + length } else { 0 }
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
    value.split(|byte| *byte == b'\n').filter(|line| line.len() > 2).take(5).count()
}
