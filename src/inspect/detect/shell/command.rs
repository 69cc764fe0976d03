//! One command: what stands before its name, the name, and its arguments.

use super::arguments::{Arguments, separator_variable};
use super::commands::{Kind, SURE, is_pair, kind_of};
use super::word::{self, Word, glob_matches, is_hidden_path};
use super::{byte, is_space};

/// A command that was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Command {
    pub(super) kind: Kind,
    pub(super) arguments: Arguments,
    /// Where the name begins and ends.
    pub(super) start: usize,
    pub(super) end: usize,
    /// The name is broken up by quotes, escapes, expansions, braces or wildcards.
    pub(super) is_spelled: bool,
    /// A path of wildcards that stands for one in a Unix system.
    pub(super) is_hidden: bool,
    /// The name is in quotes.
    pub(super) is_quoted: bool,
    /// Named with its folder.
    pub(super) has_folder: bool,
    /// Behind `sudo`, `time`, `xargs` or the like.
    pub(super) is_prefixed: bool,
    is_alias: bool,
    /// `kill 1`.
    pub(super) is_kill: bool,
    /// `echo x`, whose arguments are words: how it is tried out whether commands are run.
    pub(super) is_echo: bool,
}

/// The most words that may stand before a name: prefixes, assignments, variables.
const MAX_BEFORE: usize = 6;
/// The most blanks and brackets before a word.
const MAX_BLANKS: usize = 16;
/// Names that are looked for behind wildcards.
const HIDDEN: &[&[u8]] = &[
    b"awk", b"base64", b"bash", b"cat", b"cp", b"curl", b"dd", b"echo", b"env", b"find", b"grep", b"head", b"id",
    b"less", b"ls", b"more", b"mv", b"nc", b"ncat", b"nl", b"node", b"od", b"perl", b"php", b"ping", b"ps", b"python",
    b"python3", b"rev", b"rm", b"sed", b"sh", b"sort", b"strings", b"tac", b"tail", b"uname", b"wget", b"who",
    b"whoami", b"xxd",
];

impl Command {
    /// Reads a command at `at`, if what stands there names a program that is known.
    pub(super) fn read(lower: &[u8], at: usize) -> Option<Self> {
        let mut at = at;
        let mut last: Option<Self> = None;
        for _ in 0..MAX_BEFORE {
            let from = at;
            at = skip_blanks(lower, at);
            crate::inspect::steps::count(8 + at - from);
            let first = byte(lower, at);
            if first == b'{' {
                return braces(lower, at + 1).or(last);
            }
            // Nothing stands here but what ends commands.
            let is_substitution = first == b'$' && byte(lower, at + 1) == b'(' && byte(lower, at + 2) != b')';
            if is_substitution || !word::may_begin(first) {
                return last;
            }
            if is_other_word(lower, at) {
                return last;
            }
            // What stands in backticks is a way into a command of its own; prose has it behind `then` as well.
            if first == b'`' && last.is_some_and(|last| last.kind.is_clause()) {
                return None;
            }
            let word = Word::read(lower, at);
            if word.text() == b"."
                && let Some(command) = Self::sourcing(lower, at, &word)
            {
                return Some(command);
            }
            if word.is_expansion || word.text() == b"." {
                at = word.end;
                continue;
            }
            if byte(lower, word.end) == b'=' && byte(lower, word.end + 1) != b'=' && !word.text().is_empty() {
                at = assignment(lower, word.end + 1)?;
                continue;
            }
            if last.is_some() && is_operand(word.text()) {
                at = word.end.max(at + 1);
                continue;
            }
            let Some(mut command) = Self::named(lower, at, &word) else { return last };
            if let Some(prefix) = last {
                command.is_prefixed = true;
                if prefix.kind.is_sure() {
                    command.kind = command.kind.and(prefix.kind);
                }
                command.arguments.option |= prefix.arguments.option;
                command.is_quoted &= prefix.is_quoted;
                command.is_spelled |= prefix.is_spelled;
            }
            if !command.kind.is_prefix() {
                return Some(command);
            }
            last = Some(command);
            at = word.end;
        }
        last
    }

    fn named(lower: &[u8], at: usize, word: &Word) -> Option<Self> {
        if word.text().len() < 2 || !word.text().iter().any(u8::is_ascii_alphabetic) && !word.has_glob {
            return None;
        }
        let is_hidden = word.has_glob && (is_hidden_path(word.text()) || word.is_odd_class);
        let name = word.name();
        let kind = name.as_ref().and_then(|name| {
            kind_of(name.text).or_else(|| kind_of(without_version(name.text)?)).or_else(|| hidden(name.text, word))
        });
        let kind = match kind {
            Some(kind) => kind,
            None if is_hidden => Kind::default(),
            None => return None,
        };
        let in_braces = at.checked_sub(1).is_some_and(|before| matches!(byte(lower, before), b'{' | b','));
        crate::inspect::steps::count(40);
        let mut arguments = Arguments::read(lower, word.end, in_braces);
        let next = Word::read(lower, skip_blanks(lower, word.end));
        let is_pair = name.as_ref().is_some_and(|name| is_pair(name.text, next.text()));
        arguments.option |= is_pair;
        let kind = if is_pair { kind.and(SURE) } else { kind };
        let has_folder = name.is_some_and(|name| name.has_folder);
        Some(Self {
            kind,
            arguments,
            start: at,
            end: word.end,
            is_spelled: word.is_broken || word.has_glob && has_folder,
            is_hidden,
            is_quoted: word.is_quoted,
            has_folder,
            is_prefixed: false,
            is_kill: word.text() == b"kill",
            is_echo: matches!(word.text(), b"echo" | b"printf"),
            is_alias: matches!(word.text(), b"alias" | b"export" | b"declare"),
        })
    }

    /// Whether the name is written as words at the beginning of a sentence are: `Find`, `More`. Programs are called in lower case.
    pub(super) fn is_prose(&self, bytes: &[u8]) -> bool {
        let name = bytes.get(self.start..self.end).unwrap_or_default();
        !self.kind.is_sure()
            && !self.is_quoted
            && !self.arguments.option
            && matches!(name, [first, second, ..] if first.is_ascii_uppercase() && second.is_ascii_lowercase())
    }

    /// Whether the name at the beginning of a value is one of a sentence or a heading: with a capital letter, though a shell knows no such name.
    pub(super) fn is_capital(&self, bytes: &[u8]) -> bool {
        let is_known = self.kind.is_sure() || self.kind.is_shell() || self.has_folder;
        !is_known && bytes.get(self.start).is_some_and(u8::is_ascii_uppercase)
    }

    /// Whether a separator follows the name at once: `id;x`.
    pub(super) fn is_adjacent(&self, lower: &[u8]) -> bool {
        matches!(byte(lower, self.end), b';' | b'|' | b'&')
    }

    /// Whether an argument is a place in a Unix system, or leads out of a folder.
    pub(super) fn asks_for_system(&self) -> bool {
        self.arguments.path && self.arguments.system
    }

    /// `alias a=b`, which changes what later commands are.
    pub(super) fn is_alias(&self) -> bool {
        self.is_alias && self.arguments.assigned
    }
}

/// Whether a word of nothing but letters stands here that names no program: told without reading it as a shell would.
fn is_other_word(lower: &[u8], at: usize) -> bool {
    let rest = lower.get(at..).unwrap_or_default();
    let length = rest.iter().take(32).take_while(|byte| byte.is_ascii_lowercase()).count();
    let is_end = matches!(
        byte(rest, length),
        0 | b' ' | b'\n' | b'\t' | b'\r' | b',' | b';' | b'(' | b')' | b'!' | b'|' | b'&' | b'@'
    );
    crate::inspect::steps::count(4 + length);
    length > 0 && length < 32 && is_end && rest.get(..length).is_some_and(|word| length < 2 || kind_of(word).is_none())
}

fn skip_blanks(lower: &[u8], at: usize) -> usize {
    let mut end = at;
    while end < at + MAX_BLANKS {
        let rest = lower.get(end..).unwrap_or_default();
        end += match rest.first() {
            Some(byte) if is_space(*byte) || matches!(byte, b'+' | b'(' | b'@' | b'!' | b',') => 1,
            Some(b'{') if rest.get(1).is_some_and(|byte| is_space(*byte)) => 2,
            // A line break that was never decoded: `;\n.shell`.
            Some(b'\\') if matches!(rest, [_, b'n' | b'r' | b't', b'.' | b'/' | b' ', ..]) => 2,
            Some(b'$') => match separator_variable(rest) {
                Some(length) => length,
                None => break,
            },
            Some(_) | None => break,
        };
    }
    end
}

/// Goes over what is assigned; nothing where no command follows.
fn assignment(lower: &[u8], at: usize) -> Option<usize> {
    let rest = lower.get(at..)?;
    let length = rest.iter().take(64).position(|byte| is_space(*byte) || matches!(byte, b';' | b'|' | b'&'))?;
    (length > 0 && is_space(byte(rest, length))).then_some(at + length)
}

/// An option or number behind a prefix: `nice -n 5`, `timeout 3`.
fn is_operand(word: &[u8]) -> bool {
    word.first().is_some_and(|first| *first == b'-' || first.is_ascii_digit())
}

/// `python3.11`, `gcc7.4`, `lua5.3`.
fn without_version(name: &[u8]) -> Option<&[u8]> {
    let end = name.iter().rposition(|byte| !byte.is_ascii_digit() && *byte != b'.').map_or(0, |last| last + 1);
    let stem = name.get(..end)?;
    let stem = stem.strip_suffix(b"-").unwrap_or(stem);
    (stem.len() >= 3 && stem.len() < name.len()).then_some(stem)
}

/// A name behind wildcards, which has to stand behind a folder: `who?` is a question.
fn hidden(name: &[u8], word: &Word) -> Option<Kind> {
    let is_pattern = word.has_glob && word.text().contains(&b'/') && name.iter().any(u8::is_ascii_alphabetic);
    (is_pattern && HIDDEN.iter().any(|known| glob_matches(name, known))).then(Kind::default)
}

/// `{cat,/etc/passwd}`, `{,ip,a}`, `{l,-lh}s`: a command line whose blanks are commas.
fn braces(lower: &[u8], at: usize) -> Option<Command> {
    let is_led = byte(lower, at) == b',';
    let start = at + usize::from(is_led);
    let word = Word::read(lower, start);
    let rest = lower.get(word.end..)?;
    if rest.first() != Some(&b',') && !(is_led && rest.first() == Some(&b'}')) {
        return None;
    }
    let close = rest.iter().take(96).position(|byte| *byte == b'}')?;
    let mut command = Command::named(lower, start, &word).or_else(|| {
        let tail = Word::read(lower, word.end + close + 1);
        let whole = [word.text(), tail.text()].concat();
        let is_split = rest.get(1) == Some(&b'-') && !tail.text().is_empty() && kind_of(&whole).is_some();
        is_split.then(|| Command::whole(start, word.end))
    })?;
    let is_trailed = close > 0 && rest.get(close - 1) == Some(&b',');
    let is_listed = command.arguments.is_shaped() || is_led || is_trailed || command.is_spelled;
    command.is_hidden = true;
    is_listed.then_some(command)
}

impl Command {
    /// `. /tmp/x`, `. ./x`, `. ~/x`: runs what is in a file. Those who compute with `.` have a blank behind `/`, or another sign.
    fn sourcing(lower: &[u8], at: usize, word: &Word) -> Option<Self> {
        let path = lower.get(skip_blanks(lower, word.end)..)?;
        let slash = path.iter().take(3).position(|byte| *byte == b'/')?;
        let is_path =
            matches!(path.get(..slash)?, b"" | b"~" | b"." | b"..") && byte(path, slash + 1).is_ascii_alphanumeric();
        let arguments = Arguments::read(lower, word.end, false);
        let command = || Self {
            kind: kind_of(b"source").unwrap_or_default(),
            arguments,
            is_spelled: false,
            is_hidden: false,
            ..Self::whole(at, word.end)
        };
        (is_path && is_space(byte(lower, word.end)) && arguments.system).then(command)
    }

    fn whole(start: usize, end: usize) -> Self {
        Self {
            kind: Kind::default(),
            arguments: Arguments { option: true, ..Arguments::default() },
            start,
            end,
            is_spelled: true,
            is_hidden: true,
            is_quoted: false,
            has_folder: false,
            is_prefixed: false,
            is_alias: false,
            is_kill: false,
            is_echo: false,
        }
    }
}
