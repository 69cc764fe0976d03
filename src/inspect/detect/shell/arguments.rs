//! What follows the name of a program: whether it looks like arguments, or like prose.

use super::{byte, is_space};
use crate::inspect::gate::Bytes;

/// What the words behind a name look like, taken together.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Arguments {
    /// An option: `-x`, `--version`, `/c`.
    pub(super) option: bool,
    /// A path: `/etc`, `./x`, `..`, `c:\`.
    pub(super) path: bool,
    /// A path that is one of a system, or leads out of a folder.
    pub(super) system: bool,
    /// Something a shell puts in: `$x`, `$(`, a wildcard, `%temp%`.
    pub(super) expansion: bool,
    /// A redirection, or a text handed in: `> x`, `<<<x`.
    pub(super) redirection: bool,
    /// A URL.
    pub(super) url: bool,
    /// An address or a file: `127.0.0.1`, `example.com`, `x.txt`.
    pub(super) file: bool,
    /// Something in quotes.
    pub(super) quoted: bool,
    /// `x=y`.
    pub(super) assigned: bool,
    /// A number, and nothing behind it.
    pub(super) number: bool,
    /// Spelled with a trick: `$IFS` for a space, quotes within an option.
    pub(super) is_spelled: bool,
    /// Words that prose could have as well.
    pub(super) plain: u8,
    /// Whether it stands in braces, where commas are blanks.
    pub(super) in_braces: bool,
    /// Nothing at all follows in this command.
    pub(super) is_empty: bool,
    /// A separator ended the command, and not the value.
    pub(super) is_cut: bool,
}

/// Folders of a Unix system.
const SYSTEM: &[&[u8]] = &[
    b"/bin", b"/boot", b"/dev", b"/etc", b"/home", b"/lib", b"/opt", b"/proc", b"/root", b"/sbin", b"/sys", b"/tmp",
    b"/usr", b"/var",
];
/// What ends a word.
const ENDS: Bytes = Bytes::set(b" \t\n\r\x0b\x0c+,|;&()<>`{}");
const WILDCARDS: Bytes = Bytes::set(b"?*");
const NUMBER: Bytes = Bytes::set(b"0123456789:");
/// The most words that are looked at.
const MAX_WORDS: usize = 8;
/// The most bytes of one word that are looked at.
const MAX_WORD: usize = 96;

impl Arguments {
    /// Looks at what stands behind a name that ended at `at`; in braces commas are blanks.
    pub(super) fn read(lower: &[u8], mut at: usize, in_braces: bool) -> Self {
        let mut found = Self { in_braces, ..Self::default() };
        let from = at;
        for n in 0..MAX_WORDS {
            let before = at;
            at = skip_space(lower, at, &mut found);
            let first = byte(lower, at);
            if at >= lower.len()
                || matches!(first, b'|' | b';' | b'&' | b')' | b'}' | b'#' | b'\n' | b'\0')
                || is_end_of_ticks(lower, at)
            {
                found.is_empty = n == 0;
                found.is_cut = at < lower.len();
                break;
            }
            if at == before && n == 0 && !matches!(first, b'<' | b'>' | b'$' | b'`' | b'/' | b'*' | b'"' | b'\'') {
                // Not a word of its own: `cat:`, `id=5`, `more,`.
                found.plain = found.plain.saturating_add(MAX_WORDS as u8);
                break;
            }
            let from = at;
            at = found.word(lower, from);
            crate::inspect::steps::count(12 + (at - from));
        }
        found.number &= found.plain == 0;
        debug_assert!(at >= from);
        found
    }

    /// Whether anything of it has the form of an argument and not of prose.
    pub(super) fn is_shaped(&self) -> bool {
        self.option || self.path || self.expansion || self.redirection || self.url || self.file || self.is_spelled
    }

    /// Looks at one word, and says where it ended.
    fn word(&mut self, lower: &[u8], at: usize) -> usize {
        if byte(lower, at) == b'\\' && byte(lower, at + 1) == b'\\' && byte(lower, at + 2).is_ascii_alphanumeric() {
            // A share of Windows.
            self.path = true;
            self.system = true;
        }
        let mut start = at;
        while start < lower.len() && start < at + 4 && matches!(byte(lower, start), b'\'' | b'"' | b'\\' | b'^') {
            start += 1;
        }
        let is_quoted = start > at;
        let end = (start..lower.len().min(start + MAX_WORD))
            .find(|n| ENDS.has(byte(lower, *n)))
            .unwrap_or(lower.len().min(start + MAX_WORD));
        let word = lower.get(start..end).unwrap_or_default();
        self.quoted |= is_quoted;
        let quote = byte(lower, at);
        if matches!(quote, b'\'' | b'"')
            && let Some(close) = lower.iter().skip(start).take(MAX_WORD).position(|byte| *byte == quote)
            && start + close > end
        {
            // Of a text in quotes the first word tells what it is, and the others are no prose.
            let plain = self.plain;
            self.word_at(lower, start, word, is_quoted);
            self.plain = plain;
            return start + close + 1;
        }
        self.word_at(lower, start, word, is_quoted);
        end.max(at + 1)
    }

    fn word_at(&mut self, lower: &[u8], start: usize, word: &[u8], is_quoted: bool) {
        match word.first() {
            None => match byte(lower, start) {
                b'<' | b'>' => self.redirection |= is_redirection(lower, start),
                b'`' => self.expansion = true,
                _ => {}
            },
            Some(b'-') => self.dashed(word, is_quoted),
            Some(b'/') => self.slashed(word),
            Some(b'$') => {
                self.expansion |=
                    matches!(byte(word, 1), b'a'..=b'z' | b'{' | b'_' | b'@') || byte(lower, start + 1) == b'('
            }
            Some(_) => self.other(word),
        }
    }

    fn dashed(&mut self, word: &[u8], is_quoted: bool) {
        let rest = word.iter().position(|byte| !matches!(byte, b'-' | b'\'' | b'"' | b'\\')).unwrap_or(word.len());
        let first = byte(word, rest);
        // `-9` for kill and head; `--` and `-` alone are dashes of prose.
        let is_option = first.is_ascii_alphabetic() && (rest > 1 || !word.contains(&b'_'));
        if first.is_ascii_digit() && rest <= 3 {
            // `kill -9`, and `-5 degrees`.
            self.number = true;
            self.is_spelled |= is_quoted || rest > 1;
        } else if is_option && rest <= 4 {
            self.option = true;
            self.is_spelled |= is_quoted || rest > 2;
        } else if rest < word.len() || word.len() > 2 {
            self.plain = self.plain.saturating_add(1);
        }
    }

    fn slashed(&mut self, word: &[u8]) {
        if word.len() <= 3 && byte(word, 1).is_ascii_alphanumeric() {
            self.option = true;
        }
        self.path = true;
        self.system |= word.len() == 1
            || word.iter().any(|byte| matches!(byte, b'?' | b'*' | b'[' | b'$' | b'\'' | b'\\'))
            || SYSTEM.iter().any(|folder| word.starts_with(folder));
    }

    fn other(&mut self, word: &[u8]) {
        let (first, signs) = (byte(word, 0), Bytes::of(word));
        if signs.has(b':') && holds(word, *b"://") {
            self.url = true;
        } else if first == b'~'
            || word.starts_with(b"./")
            || word.starts_with(b"..") && (word.len() == 2 || byte(word, 2) == b'/')
            || signs.has(b'\\') && holds(word, *b":\\")
        {
            self.path = true;
            self.system = true;
        } else if first == b'*' || first == b'%' && word.iter().filter(|byte| **byte == b'%').count() == 2 {
            self.expansion |= word.len() > 1 || first == b'*';
        } else if signs.has(b'$') && !first.is_ascii_digit() {
            self.expansion = true;
        } else if signs.any(&WILDCARDS) && signs.has(b'/') {
            self.path = true;
        } else if signs.has(b'.') && is_file(word) || signs.has(b':') && is_joined(word) {
            self.file = true;
        } else if first.is_ascii_alphabetic()
            && signs.has(b'=')
            && let Some(equals) = word.iter().position(|byte| *byte == b'=')
        {
            self.assigned = true;
            if byte(word, equals + 1) == b'/' {
                self.slashed(word.get(equals + 1..).unwrap_or_default());
            }
        } else if !signs.has_other_than(&NUMBER) {
            self.number = true;
        } else {
            self.plain = self.plain.saturating_add(1);
        }
    }
}

/// `example.com`, `x.tar.gz`, `127.0.0.1`; not `etc.` or `1.5`.
fn is_file(word: &[u8]) -> bool {
    let word = word.strip_suffix(b"'").or_else(|| word.strip_suffix(b"\"")).unwrap_or(word);
    let Some(dot) = word.iter().rposition(|byte| *byte == b'.') else { return false };
    let last = word.get(dot + 1..).unwrap_or_default();
    let is_name = dot > 0
        && (1..=10).contains(&last.len())
        && last.iter().all(u8::is_ascii_alphanumeric)
        && last.iter().any(u8::is_ascii_alphabetic);
    is_name || is_address(word)
}

/// `127.0.0.1:80`.
fn is_address(word: &[u8]) -> bool {
    let is_digits = word.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b':' | b'/'));
    is_digits && word.iter().filter(|byte| **byte == b'.').count() == 3
}

/// `tcp:127.0.0.1:80`, `user@host:x`: parts joined by colons, which prose does not have within words.
fn is_joined(word: &[u8]) -> bool {
    let colon = word.iter().position(|byte| *byte == b':').unwrap_or(word.len());
    colon > 0 && byte(word, colon + 1).is_ascii_alphanumeric() && byte(word, 0).is_ascii_alphabetic()
}

/// `<file`, `> /x`, `<<<x`, `>&2`: not the sign for less or more, as in `a < b` and `<tag>`.
fn is_redirection(lower: &[u8], at: usize) -> bool {
    let sign = byte(lower, at);
    let next = byte(lower, at + 1);
    next == sign || next == b'&' || next == b'/' || next == b'(' || (is_space(next) && byte(lower, at + 2) == b'/')
}

/// Goes over blanks, and what attackers put for them.
fn skip_space(lower: &[u8], mut at: usize, found: &mut Arguments) -> usize {
    let limit = at.saturating_add(MAX_WORD);
    while at < limit {
        let rest = lower.get(at..).unwrap_or_default();
        at += match rest.first() {
            Some(b' ' | b'\t' | b'+' | b'\r') => 1,
            Some(b',') if found.in_braces => 1,
            Some(b'\\') if rest.get(1) == Some(&b'\n') => 2,
            Some(b'$') => {
                let Some(length) = separator_variable(rest) else { return at };
                found.is_spelled = true;
                length
            }
            Some(_) | None => return at,
        };
    }
    at
}

/// How long the spelling of `$IFS` at the beginning is, with what follows to end the name: `$IFS$9`, `${IFS}`, `${IFS%??}`.
pub(super) fn separator_variable(rest: &[u8]) -> Option<usize> {
    if rest.starts_with(b"${ifs") {
        return rest.iter().take(24).position(|byte| *byte == b'}').map(|end| end + 1);
    }
    let after = rest.strip_prefix(b"$ifs")?;
    let digit = matches!(after, [b'$', b'0'..=b'9' | b'@' | b'*', ..]);
    Some(if digit { 6 } else { 4 })
}

/// Whether these bytes stand in it; so many that comparing them is one step.
fn holds<const N: usize>(word: &[u8], wanted: [u8; N]) -> bool {
    word.windows(N).any(|part| part == wanted)
}

/// A backtick that closes, as `` `id` `` and markdown have it, and does not open.
fn is_end_of_ticks(lower: &[u8], at: usize) -> bool {
    byte(lower, at) == b'`'
        && !byte(lower, at + 1).is_ascii_alphanumeric()
        && byte(lower, at + 1) != b'`'
        && byte(lower, at + 1) != b'/'
}
