//! The tokens of JSON: strings and their escapes, numbers, words, space.

use crate::inspect::FaultKind;

/// A place in a text.
pub(super) struct Scan<'t> {
    text: &'t [u8],
    at: usize,
}

/// A string as it is written, without its quotes.
pub(super) struct Text<'t> {
    written: &'t [u8],
    has_escapes: bool,
}

impl<'t> Text<'t> {
    /// What the string says; written to `room` where that differs from what is written.
    pub(super) fn read<'r>(self, room: &'r mut Vec<u8>) -> Result<&'r [u8], FaultKind>
    where
        't: 'r,
    {
        if !self.has_escapes {
            return Ok(self.written);
        }
        room.clear();
        unescape(self.written, room)?;
        Ok(room)
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Where the first quote, backslash or control character stands in eight bytes, if one does.
fn stop_in(eight: [u8; 8]) -> Option<usize> {
    let word = u64::from_le_bytes(eight);
    // The lowest bit that is set is right; a borrow can set wrong ones only above it.
    let is = |byte: u64| {
        let differs = word ^ (ONES * byte);
        differs.wrapping_sub(ONES) & !differs
    };
    let hits = (is(0x22) | is(0x5c) | (word.wrapping_sub(ONES * 0x20) & !word)) & HIGHS;
    (hits != 0).then_some(hits.trailing_zeros() as usize / 8)
}

impl<'t> Scan<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        Self { text, at: 0 }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    pub(super) fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    pub(super) fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    pub(super) fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Goes to the next quote, backslash or control character.
    fn skip_plain(&mut self) {
        while let Some(eight) = self.text.get(self.at..).and_then(<[u8]>::first_chunk) {
            match stop_in(*eight) {
                Some(ahead) => {
                    self.at += ahead;
                    return;
                }
                None => self.at += 8,
            }
        }
        while self.peek().is_some_and(|byte| !matches!(byte, b'"' | b'\\' | ..0x20)) {
            self.at += 1;
        }
    }

    /// Reads a string, behind its first quote.
    pub(super) fn string(&mut self, limit: usize) -> Result<Text<'t>, FaultKind> {
        let start = self.at;
        let mut has_escapes = false;
        loop {
            self.skip_plain();
            let end = self.at;
            match self.next() {
                Some(b'"') if end - start <= limit => {
                    return Ok(Text { written: self.text.get(start..end).unwrap_or_default(), has_escapes });
                }
                Some(b'"') => return Err(FaultKind::TooLong),
                Some(b'\\') => {
                    has_escapes = true;
                    self.at += 1;
                    // Where there are many they stand close: no search is begun for the next one.
                    while self.peek() == Some(b'\\') {
                        self.at += 2;
                    }
                }
                Some(_) | None => return Err(FaultKind::Malformed),
            }
        }
    }

    /// Goes behind what may be meant for a number or a word, and its comma, behind its first byte.
    pub(super) fn skip_word(&mut self) -> bool {
        while self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) {
            self.at += 1;
        }
        self.skip_space();
        self.take(b',')
    }

    /// Reads a number, `true`, `false` or `null`, behind its first byte.
    pub(super) fn word(&mut self, first: u8, digits: usize) -> Result<(), FaultKind> {
        let rest: &[u8] = match first {
            b'-' | b'0'..=b'9' => return self.number(first, digits),
            b't' => b"rue",
            b'f' => b"alse",
            b'n' => b"ull",
            _ => return Err(FaultKind::Malformed),
        };
        if !self.text.get(self.at..).unwrap_or_default().starts_with(rest) {
            return Err(FaultKind::Malformed);
        }
        self.at += rest.len();
        Ok(())
    }

    fn number(&mut self, first: u8, limit: usize) -> Result<(), FaultKind> {
        let start = self.at;
        let first = if first == b'-' { self.next() } else { Some(first) };
        match first {
            Some(b'0') => {}
            Some(b'1'..=b'9') => self.skip_digits(),
            Some(_) | None => return Err(FaultKind::Malformed),
        }
        if self.take(b'.') {
            self.some_digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.some_digits()?;
        }
        // The first one stands before the start.
        if self.at - start >= limit { Err(FaultKind::TooLong) } else { Ok(()) }
    }

    fn some_digits(&mut self) -> Result<(), FaultKind> {
        let start = self.at;
        self.skip_digits();
        if self.at == start { Err(FaultKind::Malformed) } else { Ok(()) }
    }

    fn skip_digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }
}

/// Adds what an escaped string says.
///
/// # Errors
/// An escape that is none, or half of a surrogate pair.
pub(in crate::inspect::decode) fn unescape(mut text: &[u8], out: &mut Vec<u8>) -> Result<(), FaultKind> {
    let next = |text: &[u8]| if text.first() == Some(&b'\\') { Some(0) } else { memchr::memchr(b'\\', text) };
    while let Some(at) = next(text) {
        let (before, escape) = text.split_at_checked(at).unwrap_or((text, b""));
        out.extend_from_slice(before);
        let (byte, rest) = match escape {
            [_, b'u', rest @ ..] => {
                text = unescape_unicode(rest, out)?;
                continue;
            }
            [_, byte @ (b'"' | b'\\' | b'/'), rest @ ..] => (*byte, rest),
            [_, b'b', rest @ ..] => (8, rest),
            [_, b'f', rest @ ..] => (12, rest),
            [_, b'n', rest @ ..] => (b'\n', rest),
            [_, b'r', rest @ ..] => (b'\r', rest),
            [_, b't', rest @ ..] => (b'\t', rest),
            _ => return Err(FaultKind::Malformed),
        };
        out.push(byte);
        text = rest;
    }
    out.extend_from_slice(text);
    Ok(())
}

/// Reads one or two `XXXX`, behind `\u`; gives what follows.
fn unescape_unicode<'t>(text: &'t [u8], out: &mut Vec<u8>) -> Result<&'t [u8], FaultKind> {
    let (mut code, mut rest) = hex_4(text)?;
    if (0xd800..0xdc00).contains(&code) {
        let low = rest.strip_prefix(b"\\u").ok_or(FaultKind::BadText)?;
        let (low, after) = hex_4(low)?;
        if !(0xdc00..0xe000).contains(&low) {
            return Err(FaultKind::BadText);
        }
        (code, rest) = (0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00), after);
    }
    let char = char::from_u32(code).ok_or(FaultKind::BadText)?;
    out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
    Ok(rest)
}

fn hex_4(text: &[u8]) -> Result<(u32, &[u8]), FaultKind> {
    let (digits, rest) = text.split_first_chunk::<4>().ok_or(FaultKind::Malformed)?;
    let mut code = 0;
    for digit in digits {
        code = code << 4 | char::from(*digit).to_digit(16).ok_or(FaultKind::Malformed)?;
    }
    Ok((code, rest))
}
