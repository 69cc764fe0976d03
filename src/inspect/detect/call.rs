//! Calls in program text: what stands before a `(`, seen as PHP and JavaScript see it, past comments and line breaks; and where in a value it stands.

use std::ops::Range;

use crate::inspect::gate::Bytes;

/// The most bytes that are looked at behind a `(` for what is called: keeps the work linear, whatever the input.
const REACH: usize = 96;

/// The longest value that is taken for one statement and not for a file or a letter, in bytes.
const SHORT: usize = 200;

/// The longest name of a function that is of interest.
const MAX_NAME: usize = 64;

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Callee {
    /// A name: `exec(`.
    Name,
    /// A name behind `.`, `->` or `::`.
    Member,
    /// What a variable holds: `$f(`, `$f['x'](`, `${'f'}(`.
    Variable,
    /// What an expression is: `("sys"."tem")(`, `"system"(`, `[system][0](`.
    Expression,
}

/// One call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) callee: Callee,
    /// Where the callee starts and ends.
    pub(super) from: usize,
    pub(super) to: usize,
    /// Where its `(` stands.
    pub(super) open: usize,
    /// Whether a comment or a break of line stands before the `(`, as nobody writes it.
    pub(super) is_odd: bool,
}

/// Where in a value a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    /// Nothing but punctuation before it: the value is the call, or breaks out into it.
    Start,
    /// Behind what ends a statement or an operand.
    Break,
    /// Behind a word, as in prose.
    Word,
}

/// Bytes of names.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Whether a value is short enough to be one statement.
pub(super) fn is_short(value: &[u8]) -> bool {
    value.len() <= SHORT && memchr::memchr_iter(b'\n', value).take(4).count() < 4
}

/// The byte before `at`.
pub(super) fn before(text: &[u8], at: usize) -> Option<u8> {
    at.checked_sub(1).and_then(|at| text.get(at)).copied()
}

/// Where the word that ends at `to` starts.
pub(super) fn word_start(text: &[u8], to: usize) -> usize {
    let from = to.saturating_sub(MAX_NAME);
    text.get(from..to).and_then(|word| word.iter().rposition(|byte| !is_word(*byte))).map_or(from, |at| from + at + 1)
}

/// Goes back over white space and comments; says whether there was a comment or a break.
fn back_over_gap(text: &[u8], mut at: usize) -> (usize, bool) {
    let floor = at.saturating_sub(REACH);
    let mut is_odd = false;
    while at > floor {
        let Some(last) = before(text, at) else { break };
        if last.is_ascii_whitespace() {
            at -= 1;
            if last == b'\n' {
                is_odd = true;
                at = line_comment(text.get(floor..at).unwrap_or_default()).map_or(at, |found| floor + found);
            } else if last != b' ' {
                is_odd = true;
            }
        } else if last == b'/' && before(text, at - 1) == Some(b'*') {
            let inside = text.get(floor..at - 2).unwrap_or_default();
            let Some(found) = inside.windows(2).rposition(|pair| pair == b"/*") else { break };
            at = floor + found;
            is_odd = true;
        } else {
            break;
        }
    }
    (at, is_odd)
}

/// Where a comment up to the end of the line starts in the last line of this.
fn line_comment(text: &[u8]) -> Option<usize> {
    let line = memchr::memrchr(b'\n', text).map_or(0, |at| at + 1);
    let rest = text.get(line..)?;
    let hash = memchr::memchr(b'#', rest);
    let slashes = rest.windows(2).position(|pair| pair == b"//");
    hash.into_iter().chain(slashes).min().map(|at| line + at)
}

/// Where the bracket that closes before `to` was opened.
fn opened(text: &[u8], to: usize) -> Option<usize> {
    let floor = to.saturating_sub(REACH);
    let mut depth = 0u32;
    let open = text.get(floor..to)?.iter().rposition(|byte| match byte {
        b')' | b']' | b'}' => {
            depth += 1;
            false
        }
        b'(' | b'[' | b'{' => {
            depth = depth.saturating_sub(1);
            depth == 0
        }
        _ => false,
    });
    crate::inspect::steps::count(2 * (to - floor - open.unwrap_or(0)));
    open.map(|open| floor + open)
}

/// What is called by the `(` at `open`.
pub(super) fn call_at(text: &[u8], open: usize) -> Option<Call> {
    crate::inspect::steps::count(6);
    let last = before(text, open)?;
    if !is_word(last) && !last.is_ascii_whitespace() && !matches!(last, b')' | b'"' | b'\'' | b']' | b'}' | b'/') {
        return None;
    }
    let (to, is_odd) = back_over_gap(text, open);
    crate::inspect::steps::count(12 + open - to);
    let last = before(text, to)?;
    let found = |callee, from| Some(Call { callee, from, to, open, is_odd });
    if is_word(last) {
        let from = word_start(text, to);
        return match before(text, from) {
            Some(b'$') => found(Callee::Variable, from - 1),
            Some(b'>') if before(text, from - 1) == Some(b'-') => found(Callee::Member, from),
            Some(b':') if before(text, from - 1) == Some(b':') => found(Callee::Member, from),
            Some(b'.') if before(text, from - 1).is_some_and(|byte| is_word(byte) || byte == b')') => {
                found(Callee::Member, from)
            }
            _ => found(Callee::Name, from),
        };
    }
    match last {
        b')' => found(Callee::Expression, opened(text, to)?),
        b'"' | b'\'' if to == open || is_odd => {
            let floor = to.saturating_sub(REACH);
            let inside = text.get(floor..to - 1)?;
            found(Callee::Expression, floor + memchr::memrchr(last, inside)?)
        }
        b']' | b'}' => subscripted(text, to).map(|(callee, from)| Call { callee, from, to, open, is_odd }),
        _ => None,
    }
}

/// What is called where subscripts stand last: `$f[0]['x'](`, `${'f'}(`, `[f][0](`.
fn subscripted(text: &[u8], to: usize) -> Option<(Callee, usize)> {
    let mut at = to;
    for _ in 0..4 {
        at = opened(text, at)?;
        let is_brace = text.get(at) == Some(&b'{');
        let (end, _) = back_over_gap(text, at);
        match before(text, end)? {
            b'$' if is_brace => return Some((Callee::Variable, end - 1)),
            b']' | b'}' => at = end,
            byte if is_word(byte) => {
                let from = word_start(text, end);
                return (before(text, from) == Some(b'$')).then(|| (Callee::Variable, from - 1));
            }
            _ => return None,
        }
        // `[f][0](`: a list that nothing stands before, and an index of it.
        let list = opened(text, at)?;
        if text.get(list) == Some(&b'[') && list.checked_sub(1).is_none_or(|at| !is_word(text[at])) && list + 1 < to {
            let before_list = before(text, back_over_gap(text, list).0);
            if before_list.is_none_or(|byte| b";={(,&|@!\"'".contains(&byte)) {
                return Some((Callee::Expression, list));
            }
        }
    }
    None
}

/// Words behind which an expression follows.
const EXPECTS: [&[u8]; 14] = [
    b"return", b"echo", b"print", b"and", b"or", b"xor", b"if", b"die", b"exit", b"else", b"do", b"new", b"string",
    b"var",
];

/// Punctuation that may stand before a call that a value is made of, or that it breaks out with.
const GLUE: Bytes = Bytes::set(b" \t\r\n\x0b\x0c@;(){}[]!~&|'\"`=.,+-*/\\:?<>%#$^\0");

/// Whether something that starts so late in a value cannot be what it starts with: told without a look.
pub(super) fn is_late(from: usize) -> bool {
    from > REACH
}

/// Where in a value something that starts at `from` stands.
pub(super) fn position(text: &[u8], from: usize) -> Position {
    let floor = from.saturating_sub(REACH);
    let glue = text.get(floor..from).unwrap_or_default();
    let word = glue.iter().rposition(|byte| !GLUE.has(*byte));
    crate::inspect::steps::count(32 + glue.len() - word.unwrap_or(0));
    let Some(word) = word else {
        return if floor == 0 { Position::Start } else { Position::Break };
    };
    let end = floor + word + 1;
    let start = word_start(text, end);
    if text.get(start..end).is_some_and(|word| EXPECTS.contains(&word)) {
        return if glue_only(text, start) { Position::Start } else { Position::Break };
    }
    let between = text.get(end..from).unwrap_or_default();
    let last = between.iter().rev().find(|byte| !byte.is_ascii_whitespace());
    match last {
        // `name = f(x)` as source code is laid out.
        Some(b'=') if between.starts_with(b" =") && between.ends_with(b"= ") && before(text, start) != Some(b'$') => {
            Position::Word
        }
        Some(b';' | b'{' | b'}' | b'=' | b'(' | b'|' | b'&' | b'@' | b'!' | b'+' | b'\'' | b'"') => Position::Break,
        Some(b'.') if between.last() == Some(&b'.') => Position::Break,
        Some(_) | None => Position::Word,
    }
}

/// Whether only punctuation stands before `to`.
fn glue_only(text: &[u8], to: usize) -> bool {
    to <= REACH && text.get(..to).is_some_and(|all| all.iter().all(|byte| GLUE.has(*byte)))
}

/// What stands between the `(` at `open` and its `)`; without one, all that follows within reach. And whether there is one.
pub(super) fn arguments(text: &[u8], open: usize) -> (Range<usize>, bool) {
    let mut depth = 0u32;
    let rest = text.get(open..).unwrap_or_default();
    for (n, byte) in rest.iter().take(4 * REACH).enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    crate::inspect::steps::count(n);
                    return (open + 1..open + n, true);
                }
            }
            _ => {}
        }
    }
    crate::inspect::steps::count(rest.len().min(4 * REACH));
    (open + 1..text.len().min(open + 4 * REACH), false)
}

/// Whether what follows a call is program text and not prose: nothing, punctuation, or a word that joins expressions.
pub(super) fn goes_on_as_code(text: &[u8], at: usize) -> bool {
    let rest = text.get(at..).unwrap_or_default().trim_ascii_start();
    let spaced = text.get(at).is_some_and(u8::is_ascii_whitespace);
    match rest.first() {
        None => true,
        Some(byte) if is_word(*byte) => {
            let end = rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            let joins = matches!(word, b"or" | b"and" | b"xor" | b"as" | b"instanceof");
            let after = after.trim_ascii_start();
            let is_code = after.starts_with(b"die")
                || after.starts_with(b"exit")
                || memchr::memchr3(b'(', b'$', b';', after.get(..after.len().min(REACH)).unwrap_or_default()).is_some();
            !spaced || joins && is_code
        }
        // A sentence goes on behind `,` and ends with `.`.
        Some(b',' | b':') => false,
        // As does a dash.
        Some(b'-') if spaced => !matches!(rest.get(1), Some(b'-' | b' ')),
        Some(b'.') => rest.get(1).is_some_and(|byte| !byte.is_ascii_whitespace()),
        Some(_) => true,
    }
}

/// Whether the arguments behind the `(` at `open` begin with a string or a variable. For long values, where nothing further is looked for.
pub(super) fn begins_as_code(text: &[u8], open: usize) -> bool {
    let inside = text.get(open + 1..text.len().min(open + 8)).unwrap_or_default();
    matches!(inside.trim_ascii_start().first(), Some(b'"' | b'\'' | b'`' | b'$' | b'@'))
}

/// Whether the arguments are what a section of a manual is: `exec(3)`, `printf(3p)`.
pub(super) fn is_manual(arguments: &[u8]) -> bool {
    matches!(arguments, [b'1'..=b'9'] | [b'1'..=b'9', b'a'..=b'z'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn callee(text: &str) -> Option<(Callee, &str)> {
        let open = text.rfind('(').expect("a call");
        call_at(text.as_bytes(), open).map(|call| (call.callee, &text[call.from..call.to]))
    }

    #[test]
    fn what_is_called_is_seen() {
        for (text, want) in [
            ("exec(", Some((Callee::Name, "exec"))),
            ("exec /* x */ (", Some((Callee::Name, "exec"))),
            ("exec #x\n (", Some((Callee::Name, "exec"))),
            ("a.exec(", Some((Callee::Member, "exec"))),
            ("a->exec(", Some((Callee::Member, "exec"))),
            ("$exec (", Some((Callee::Variable, "$exec"))),
            ("$a['b'][1](", Some((Callee::Variable, "$a['b'][1]"))),
            ("${'a'}(", Some((Callee::Variable, "${'a'}"))),
            ("\"system\"(", Some((Callee::Expression, "\"system\""))),
            ("[system] [0] (", Some((Callee::Expression, "[system] [0]"))),
            ("[text](", None),
            ("a[0](", None),
            ("(", None),
            ("the \"system\" (", None),
        ] {
            assert_eq!(callee(text), want, "{text}");
        }
    }

    #[test]
    fn where_a_call_stands_is_seen() {
        for (text, want) in [
            ("exec(", Position::Start),
            ("'; @exec(", Position::Start),
            ("return exec(", Position::Start),
            ("x;exec(", Position::Break),
            ("x.exec(", Position::Break),
            ("call exec(", Position::Word),
            ("Then. exec(", Position::Word),
        ] {
            assert_eq!(position(text.as_bytes(), text.find("exec").expect("exec")), want, "{text}");
        }
    }
}
