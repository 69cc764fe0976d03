//! Bytes to tokens of SQL: what any of the dialects reads as one token, without a grammar. Linear, and total: any bytes have tokens.

use super::bytes::{CLASSES, Class, is_name, name_len};
use super::words::{self, Word};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number, also in hexadecimal or with an exponent.
    Number,
    /// A text in quotes; `open` when the value ends within it.
    Text { open: bool },
    /// An identifier that is no keyword.
    Name,
    /// `@x`, `@@version`, `@`.
    Variable,
    /// A keyword.
    Word(Word),
    /// `(`.
    Open,
    /// `)`.
    Close,
    /// `,`.
    Comma,
    /// `;`.
    Semicolon,
    /// `.`.
    Dot,
    /// `=`, `<>`, `->`, `@>` and what else compares or looks into JSON.
    Compare,
    /// `&&`, `||`.
    Logic,
    /// `+`, `-`, `*`, `/`, `%`, `|`, `&`, `^`, `~`.
    Math(u8),
    /// `!`.
    Not,
    /// `::`, before a type.
    Cast,
    /// A comment that hides the rest of the value.
    Comment,
    /// `?`.
    Question,
    /// Anything that SQL does not have.
    Other,
}

/// A token, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
    /// Whether a comment in `/* */` parts it from the token before it.
    pub(super) after_comment: bool,
}

/// Takes one token after another from a text in lower case.
pub(super) struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    /// In `/*!`, whose content MySQL executes.
    in_versioned: bool,
}

/// The longest name that is looked up.
const MAX_NAME: usize = 128;

impl<'a> Lexer<'a> {
    /// Starts at a place in the text.
    pub(super) fn new(text: &'a [u8], at: usize) -> Self {
        Self { text, at, in_versioned: false }
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Passes over whitespace and closed comments; says whether there was a comment.
    fn skip(&mut self) -> bool {
        let mut had_comment = false;
        loop {
            let rest = self.rest();
            match *rest {
                // In Latin-1, which MySQL may have been told, 0xa0 is a space; in UTF-8 it follows 0xc2.
                [0..=b' ' | 0x7f, ..] => self.at += 1,
                [0xc2, 0xa0, ..] => self.at += 2,
                [0xa0, ..] => self.at += 1,
                [b'/', b'*', b'!', ..] => {
                    let digits = rest.iter().skip(3).take(6).take_while(|byte| byte.is_ascii_digit()).count();
                    self.at += 3 + digits;
                    self.in_versioned = true;
                    had_comment = true;
                }
                [b'*', b'/', ..] if self.in_versioned => {
                    self.at += 2;
                    self.in_versioned = false;
                    had_comment = true;
                }
                [b'/', b'*', ref inner @ ..] => match inner.array_windows().position(|pair| pair == b"*/") {
                    Some(end) => {
                        self.at += end + 4;
                        had_comment = true;
                    }
                    None => return had_comment,
                },
                _ => return had_comment,
            }
        }
    }

    /// A quoted text of which the opening quote has been passed. Byte by byte: where quotes and escapes stand close, a faster search would be begun
    /// anew at each of them.
    pub(super) fn text_from(&mut self, quote: u8) -> Kind {
        // In backticks a backslash is itself.
        let escape = if quote == b'`' { quote } else { b'\\' };
        while let Some(found) = self.rest().iter().position(|byte| *byte == quote || *byte == escape) {
            self.at += found + 1;
            crate::inspect::steps::count(2);
            let is_escape = self.text.get(self.at - 1) != Some(&quote);
            if !is_escape && self.peek(0) != quote {
                return Kind::Text { open: false };
            }
            self.at += 1;
        }
        self.at = self.text.len();
        Kind::Text { open: true }
    }

    /// A comment to the end of the line; nothing when the value goes on behind it.
    fn line_comment(&mut self) -> Option<Kind> {
        let end = memchr::memchr(b'\n', self.rest());
        self.at = end.map_or(self.text.len(), |end| self.at + end + 1);
        self.rest().iter().take(MAX_NAME).all(u8::is_ascii_whitespace).then_some(Kind::Comment)
    }

    fn number(&mut self) -> Kind {
        let rest = self.rest();
        if let [b'0', b'x' | b'b', digit, ..] = rest
            && digit.is_ascii_hexdigit()
        {
            self.at += 2 + rest.iter().skip(2).take_while(|byte| byte.is_ascii_hexdigit()).count();
            return Kind::Number;
        }
        let digits = |from: usize| rest.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
        let mut len = digits(0);
        if rest.get(len) == Some(&b'.') {
            len += 1 + digits(len + 1);
        }
        if rest.get(len) == Some(&b'e') {
            let sign = usize::from(matches!(rest.get(len + 1), Some(b'+' | b'-')));
            let exponent = digits(len + 1 + sign);
            // `1e` with a keyword or `(` behind it is a number to MySQL as well.
            if exponent > 0 {
                len += 1 + sign + exponent;
            }
        }
        let tail = name_len(rest.get(len..).unwrap_or_default());
        let word = rest.get(len..len + tail).unwrap_or_default();
        // `1st` and `001d0f` are names; `1or` is a number and a keyword, since no name may begin so where it matters.
        // Oracle has `1d` and `1f`.
        let suffix = usize::from(matches!(word.first(), Some(b'd' | b'f')));
        if words::follows_number(word.get(suffix..).unwrap_or_default()) {
            self.at += len + suffix;
            return Kind::Number;
        }
        if tail > 0 {
            self.at += len + tail;
            return Kind::Name;
        }
        self.at += len;
        Kind::Number
    }

    fn name(&mut self) -> Kind {
        let rest = self.rest();
        let len = name_len(rest).max(1);
        let name = rest.get(..len).unwrap_or_default();
        if let (b"x" | b"b" | b"n" | b"e" | b"q" | b"nq" | [b'_', ..], Some(quote @ (b'\'' | b'"'))) =
            (name, rest.get(len))
        {
            self.at += len + 1;
            return self.text_from(*quote);
        }
        self.at += len;
        // The first half of a character, in GBK and such, that takes the escape of the quote for its second half.
        if let ([0x80..=0xff, quote @ (b'\'' | b'"'), ..], 1) = (rest, len) {
            self.at += 1;
            return self.text_from(*quote);
        }
        if len <= MAX_NAME
            && let Some(word) = words::word(name)
        {
            return Kind::Word(word);
        }
        Kind::Name
    }

    /// A name in quotes of its own: backticks always, brackets where a name stands in them.
    fn bracketed(&mut self) -> Kind {
        let rest = self.rest();
        let inner = rest.iter().skip(1).take(MAX_NAME).take_while(|byte| is_name(**byte) || **byte == b' ').count();
        let is_word = rest.get(1).is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
        if is_word && rest.get(inner + 1) == Some(&b']') {
            self.at += inner + 2;
            return Kind::Name;
        }
        self.at += 1;
        Kind::Other
    }

    fn variable(&mut self) -> Kind {
        self.at += 1;
        if self.peek(0) == b'@' {
            self.at += 1;
        }
        match self.peek(0) {
            quote @ (b'`' | b'\'' | b'"') => {
                self.at += 1;
                self.text_from(quote);
            }
            _ => self.at += self.rest().iter().take_while(|byte| is_name(**byte)).count(),
        }
        Kind::Variable
    }

    fn sign(&mut self) -> Kind {
        let (len, kind) = match *self.rest() {
            [b'<', b'=', b'>', ..] | [b'-', b'>', b'>', ..] | [b'#', b'>', b'>', ..] => (3, Kind::Compare),
            [b'#', b'>', ..] => (2, Kind::Compare),
            [b'@', b'@', ..] => (2, Kind::Compare),
            [b'=', b'>', ..] => (2, Kind::Other),
            [b'=', b'=', b'=', ..] | [b'!', b'=', b'=', ..] => (3, Kind::Other),
            [b'<', b'@' | b'=' | b'>', ..]
            | [b'>' | b'=' | b'!' | b':' | b'^', b'=', ..]
            | [b'-' | b'@', b'>', ..]
            | [b'!', b'<' | b'>' | b'~', ..]
            | [b'?', b'|' | b'&', ..]
            | [b'@', b'?', ..] => (2, Kind::Compare),
            [byte @ (b'<' | b'>'), next, ..] if byte == next => (2, Kind::Math(byte)),
            [b'=' | b'<' | b'>', ..] => (1, Kind::Compare),
            [b'|', b'|', ..] | [b'&', b'&', ..] => (2, Kind::Logic),
            [b':', b':', ..] => (2, Kind::Cast),
            [b'!', ..] => (1, Kind::Not),
            [b'?', ..] => (1, Kind::Question),
            [byte @ (b'+' | b'-' | b'*' | b'/' | b'%' | b'|' | b'&' | b'^' | b'~'), ..] => (1, Kind::Math(byte)),
            [b'(', ..] => (1, Kind::Open),
            [b')', ..] => (1, Kind::Close),
            [b',', ..] => (1, Kind::Comma),
            [b';', ..] => (1, Kind::Semicolon),
            [b'.', ..] => (1, Kind::Dot),
            _ => (1, Kind::Other),
        };
        self.at += len;
        kind
    }

    fn take(&mut self) -> Option<Kind> {
        Some(match *self.rest() {
            [b'-', b'-', ..] => return self.line_comment(),
            [b'#', b'>', ..] => self.sign(),
            [b'#', ..] => return self.line_comment(),
            [b'/', b'*', ..] => {
                self.at = self.text.len();
                Kind::Comment
            }
            [b'0'..=b'9', ..] | [b'.', b'0'..=b'9', ..] => self.number(),
            [quote @ (b'\'' | b'"'), ..] => {
                self.at += 1;
                self.text_from(quote)
            }
            [b'`', ..] => {
                self.at += 1;
                if self.text_from(b'`') == (Kind::Text { open: false }) {
                    Kind::Name
                } else {
                    Kind::Text { open: true }
                }
            }
            [b'[', ..] => self.bracketed(),
            [b'$', b'$', ..] => match memchr::memmem::find(self.rest().get(2..).unwrap_or_default(), b"$$") {
                Some(end) => {
                    self.at += end + 4;
                    Kind::Text { open: false }
                }
                None => {
                    self.at += 2;
                    Kind::Other
                }
            },
            [b'\\', b'n', ..] if !is_name(self.peek(2)) => {
                self.at += 2;
                Kind::Word(Word::Constant)
            }
            // Escaped by one who escapes once more: the text begins all the same.
            [b'\\', quote @ (b'\'' | b'"'), ..] => {
                self.at += 2;
                self.text_from(quote)
            }
            // A sign of money before a number, to SQL Server.
            [b'\\', b'0'..=b'9', ..] => {
                self.at += 1;
                self.number()
            }
            // `@@` on its own matches texts and JSON in PostgreSQL.
            [b'@', b'>' | b'?', ..] | [b'@', b'@', b' ', ..] => self.sign(),
            [b'@', ..] => self.variable(),
            [byte, ..] if is_name(byte) => self.name(),
            _ => self.sign(),
        })
    }
}

impl Lexer<'_> {
    /// Adds tokens until there are so many, or no more.
    #[inline(never)]
    pub(super) fn fill(&mut self, tokens: &mut Vec<Token>, most: usize) {
        while tokens.len() < most
            && let Some(token) = self.next()
        {
            tokens.push(token);
        }
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    // A token is put where it belongs at once, and not handed over and copied.
    #[inline(always)]
    fn next(&mut self) -> Option<Token> {
        let mut after_comment = false;
        let from = self.at;
        loop {
            let start = self.at;
            let kind = match CLASSES[usize::from(*self.text.get(start)?)] {
                Class::Blank => {
                    self.at += 1;
                    continue;
                }
                Class::Letter => self.name(),
                Class::Digit => self.number(),
                Class::Single(kind) => {
                    self.at += 1;
                    kind
                }
                Class::Sign => self.sign(),
                Class::Quote(quote) => {
                    self.at += 1;
                    self.text_from(quote)
                }
                Class::Other => {
                    after_comment |= self.skip();
                    if self.at > start {
                        continue;
                    }
                    // A comment that hides no more than a line is whitespace.
                    let Some(kind) = self.take() else { continue };
                    kind
                }
            };
            // What is in quotes is passed over faster than what is read.
            let passed = if matches!(kind, Kind::Text { .. }) { 4 } else { 2 };
            crate::inspect::steps::count(14 + (start - from) / 2 + (self.at - start) / passed);
            return Some(Token { kind, start, end: self.at, after_comment });
        }
    }
}
