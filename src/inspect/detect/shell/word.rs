//! Reads one word of a command line as a shell would, with quotes, escapes and empty expansions taken off.

use super::{byte, is_space};

/// The most that is kept of a word: the longest name of a program, behind a folder.
const MAX_WORD: usize = 40;
/// The most that is read of a value for one word.
const MAX_READ: usize = 72;
/// How far away a quote closes what is then a phrase.
const MAX_PHRASE: usize = 256;
/// The most that is read of one expansion within a word.
const MAX_EXPANSION: usize = 24;

/// A word, as it is run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    text: [u8; MAX_WORD],
    len: usize,
    /// Where reading stopped.
    pub(super) end: usize,
    /// Quoted as a whole, which is no trick by itself.
    pub(super) is_quoted: bool,
    /// Broken up by quotes, escapes or expansions that come to nothing.
    pub(super) is_broken: bool,
    /// With a wildcard.
    pub(super) has_glob: bool,
    /// Nothing but expansions: a variable that may hold anything, or nothing.
    pub(super) is_expansion: bool,
    /// With a set of bytes that has a `/` in it, which no file's name has.
    pub(super) is_odd_class: bool,
    /// Does not stand for a word: quotes that do not pair.
    is_torn: bool,
}

/// The bytes that are themselves in a word.
static GOES_ON: [bool; 256] = {
    let mut goes_on = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let sign = byte as u8;
        goes_on[byte] = sign.is_ascii_alphanumeric()
            || matches!(sign, b'_' | b'-' | b'.' | b'/' | b'~' | b':' | b'%')
            || sign >= 0x80;
        byte += 1;
    }
    goes_on
};

/// A word, and how its name is found in it.
pub(super) struct Name<'a> {
    /// Without folder and `.exe`.
    pub(super) text: &'a [u8],
    /// Whether it stood behind a folder for programs.
    pub(super) has_folder: bool,
}

impl Word {
    /// Reads the word at `at`. In braces (`{cat,/etc/passwd}`) a comma ends it.
    pub(super) fn read(lower: &[u8], at: usize) -> Self {
        let mut word = Self {
            text: [0; MAX_WORD],
            len: 0,
            end: at,
            is_quoted: false,
            is_broken: false,
            has_glob: false,
            is_expansion: false,
            is_odd_class: false,
            is_torn: false,
        };
        word.fill(lower, at);
        crate::inspect::steps::count(16 + (word.end - at) * 5);
        word
    }

    fn fill(&mut self, lower: &[u8], start: usize) {
        let mut at = start;
        let limit = start.saturating_add(MAX_READ).min(lower.len());
        let mut quotes = [0u8; 2];
        let mut leading = None;
        let mut expansions = 0;
        while at < limit {
            at += self.plain(lower.get(at..limit).unwrap_or_default());
            if at >= limit || self.len == MAX_WORD {
                break;
            }
            let next = byte(lower, at + 1);
            match byte(lower, at) {
                quote @ (b'\'' | b'"') => {
                    let n = usize::from(quote == b'"');
                    if at == start {
                        leading = Some(quote);
                    }
                    if let Some(count) = quotes.get_mut(n) {
                        *count = count.saturating_add(1);
                    }
                    at += 1;
                    if self.len > 0 && Self::goes_on(byte(lower, at)) {
                        self.is_broken = true;
                    }
                }
                b'\\' if self.is_windows() || (self.len == 0 && next == b'\\') => {
                    self.push(b'/');
                    at += 1;
                }
                // Of several the last one may be an escape.
                b'\\' if next == b'\\' => at += backslashes(lower.get(at..limit)).saturating_sub(1).max(1),
                b'\\' => {
                    let Some(skipped) = self.escape(lower, at) else { break };
                    at += skipped;
                }
                b'^' if next.is_ascii_graphic() => {
                    self.is_broken = true;
                    at += 1;
                }
                b'`' if next == b'`' => {
                    self.is_broken = true;
                    at += 2;
                }
                b'<' | b'>' if next == b'(' && byte(lower, at + 2) == b')' => {
                    self.is_broken = true;
                    at += 3;
                }
                b'$' => {
                    let Some(skipped) = self.expansion(lower, at) else { break };
                    expansions += 1;
                    at += skipped;
                }
                b'[' => {
                    let Some(skipped) = self.class(lower, at) else { break };
                    at += skipped;
                }
                byte @ (b'?' | b'*') => {
                    self.has_glob = true;
                    self.push(byte);
                    at += 1;
                }
                _ => break,
            }
            if self.len == MAX_WORD {
                break;
            }
        }
        self.end = at;
        self.is_expansion = self.len == 0 && expansions > 0;
        self.weigh_quotes(lower, leading, quotes);
    }

    /// Takes the bytes up to the first that means something to a shell. Says how many.
    fn plain(&mut self, rest: &[u8]) -> usize {
        let room = MAX_WORD - self.len;
        let length = rest.iter().take(room).take_while(|byte| GOES_ON[usize::from(**byte)]).count();
        if let (Some(place), Some(plain)) = (self.text.get_mut(self.len..self.len + length), rest.get(..length)) {
            place.copy_from_slice(plain);
            self.len += length;
        }
        length
    }

    /// Says what quotes make of it: those at its beginning, and how many there are of each.
    fn weigh_quotes(&mut self, lower: &[u8], leading: Option<u8>, quotes: [u8; 2]) {
        let [single, double] = quotes.map(|count| count % 2 == 1);
        // `"curl" x`, and `'cat x` behind a quote that the application put there.
        let is_closed = quotes.contains(&2);
        self.is_quoted = leading.is_some() && (single || double || is_closed);
        self.is_torn = match leading {
            Some(b'\'') => double || !is_closed && is_phrase(lower, self.end, b'\''),
            Some(quote) => single || !is_closed && is_phrase(lower, self.end, quote),
            None => (single || double) && self.is_broken,
        };
    }

    /// Whether a byte belongs to a word.
    fn goes_on(byte: u8) -> bool {
        GOES_ON[usize::from(byte)]
    }

    fn is_windows(&self) -> bool {
        matches!(self.text, [_, b':', ..] | [b'%', ..]) && self.len > 0
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.text.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    /// Takes off an escape: `c\at`, `\x63at` as `$'..'` has it, a line that goes on. Says how much it took.
    fn escape(&mut self, lower: &[u8], at: usize) -> Option<usize> {
        let next = byte(lower, at + 1);
        if next == b'\n' {
            self.is_broken = true;
            return Some(2);
        }
        if next == b'x'
            && let (Some(high), Some(low)) = (hex(byte(lower, at + 2)), hex(byte(lower, at + 3)))
        {
            self.is_broken = true;
            self.push((high << 4 | low).to_ascii_lowercase());
            return Some(4);
        }
        if matches!(next, b'\'' | b'"') {
            self.is_broken = true;
            return Some(2);
        }
        if !next.is_ascii_graphic() || matches!(next, b'n' | b'r' | b't') && self.len == 0 {
            return None;
        }
        self.is_broken |= next.is_ascii_alphanumeric();
        Some(1)
    }

    /// Takes off an expansion that most likely comes to nothing: `$@`, `$u`, `${x}`, `$()`. Says how much it took.
    fn expansion(&mut self, lower: &[u8], at: usize) -> Option<usize> {
        let rest = lower.get(at + 1..)?;
        let skipped = match rest.first()? {
            b'\'' | b'"' => 1,
            b'@' | b'*' | b'?' | b'-' | b'!' | b'#' | b'0'..=b'9' => 2,
            b'(' if rest.get(1) == Some(&b')') => 3,
            b'{' => {
                let name = rest.get(1..rest.len().min(MAX_EXPANSION))?;
                if name.starts_with(b"ifs") {
                    return None;
                }
                self.shell_variable(name);
                name.iter().position(|byte| *byte == b'}')? + 3
            }
            b'a'..=b'z' | b'_' => {
                let name = rest.get(..rest.len().min(MAX_EXPANSION))?;
                if name.starts_with(b"ifs") {
                    return None;
                }
                self.shell_variable(name);
                let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
                name.iter().position(|byte| !is_name(byte)).unwrap_or(name.len()) + 1
            }
            _ => return None,
        };
        self.is_broken |= self.len > 0 || Self::goes_on(byte(lower, at + skipped));
        Some(skipped)
    }

    /// `$SHELL`, `$BASH`: a variable that names a shell.
    fn shell_variable(&mut self, name: &[u8]) {
        if self.len == 0 && (name.starts_with(b"shell") || name.starts_with(b"bash")) {
            self.push(b's');
            self.push(b'h');
        }
    }

    /// Takes `[..]` for the byte that it can only be, or for any one. Says how much it took.
    fn class(&mut self, lower: &[u8], at: usize) -> Option<usize> {
        let rest = lower.get(at + 1..lower.len().min(at + MAX_EXPANSION))?;
        let length = rest.iter().position(|byte| *byte == b']')?;
        if length == 0 || rest.iter().take(length).any(|byte| is_space(*byte) || *byte == b'"') {
            return None;
        }
        self.has_glob = true;
        self.is_odd_class |= self.len > 0 && rest.iter().take(length).any(|byte| *byte == b'/');
        self.is_broken |= self.len > 0;
        self.push(if length == 1 { *rest.first()? } else { b'?' });
        Some(length + 2)
    }

    /// The word; empty where it cannot be one.
    pub(super) fn text(&self) -> &[u8] {
        if self.is_torn { &[] } else { self.text.get(..self.len).unwrap_or_default() }
    }

    /// The name of a program in it: `/usr/bin/id`, `c:\windows\system32\cmd.exe`, `./x`; none behind a folder that holds no programs.
    pub(super) fn name(&self) -> Option<Name<'_>> {
        let text = self.text();
        let text = text.strip_suffix(b".exe").unwrap_or(text);
        let Some(slash) = text.iter().rposition(|byte| *byte == b'/') else {
            return Some(Name { text, has_folder: false });
        };
        let (folder, text) = (text.get(..slash)?, text.get(slash + 1..)?);
        let is_programs = match folder.first() {
            None => false,
            Some(b'/') => {
                folder.ends_with(b"bin") || folder.ends_with(b"/tmp") || folder.ends_with(b"shm") || self.has_glob
            }
            Some(b'.' | b'~') => folder.len() <= 2,
            Some(b'%') => true,
            Some(_) => byte(folder, 1) == b':',
        };
        (is_programs && !text.is_empty()).then_some(Name { text, has_folder: true })
    }
}

/// Whether a word, or what stands for one, may begin with a byte.
pub(super) fn may_begin(byte: u8) -> bool {
    Word::goes_on(byte) || matches!(byte, b'\'' | b'"' | b'\\' | b'^' | b'`' | b'<' | b'>' | b'$' | b'[' | b'?' | b'*')
}

/// Whether a quote closes further on and something follows it: several words in quotes, which name no program.
fn is_phrase(lower: &[u8], at: usize, quote: u8) -> bool {
    let rest = lower.get(at..).unwrap_or_default();
    let close = rest.iter().take(MAX_PHRASE).position(|byte| *byte == quote);
    crate::inspect::steps::count(close.unwrap_or(MAX_PHRASE));
    close.is_some_and(|close| close + 1 < rest.len())
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// Whether a pattern of `?`, `*` and letters stands for this text. Bounded by the length of a word.
pub(super) fn glob_matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == b'?' || text.get(t) == Some(byte) => {
                p += 1;
                t += 1;
            }
            Some(_) | None => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                p = at + 1;
                t = from + 1;
            }
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

/// What stands behind the root of a Unix system, and what attackers ask for there.
const FOLDERS: &[&[u8]] =
    &[b"bin", b"dev", b"etc", b"home", b"lib", b"opt", b"proc", b"root", b"sbin", b"sys", b"tmp", b"usr", b"var"];

/// Whether a path of wildcards stands for a place in a Unix system: `/???/c?t`, `/et*/passwd`, `/[e]tc`. Two parts have to be hidden, or one
/// with another in clear.
pub(super) fn is_hidden_path(text: &[u8]) -> bool {
    let Some(rest) = text.strip_prefix(b"/") else { return false };
    let mut parts = rest.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
    let is_glob = |part: &[u8]| part.iter().any(|byte| matches!(byte, b'?' | b'*')) && part != b"*" && part != b"**";
    let Some(first) = parts.next() else { return false };
    let second = parts.next().unwrap_or_default();
    let first_fits = FOLDERS.iter().any(|folder| glob_matches(first, folder));
    first_fits && !second.is_empty() && (is_glob(first) || is_glob(second) && second.contains(&b'?'))
}

/// How many backslashes stand there first.
fn backslashes(rest: Option<&[u8]>) -> usize {
    rest.unwrap_or_default().iter().take_while(|byte| **byte == b'\\').count()
}
