//! A value as it may be read further on: percent-encoding, character references and escapes taken off until none is left, within bounds; overlong
//! and full-width forms folded, NULs within words dropped. Each of these makes a text shorter or leaves its length, so that all is done in one buffer.

mod entity;
#[cfg(test)]
mod tests;

use super::decode::form::hex_pair;
use super::gate::Bytes;

/// The most rounds of decoding.
const ROUNDS: usize = 3;

/// Whether a value with these bytes may have anything to decode.
pub(super) fn may_decode(occurs: &Bytes) -> bool {
    occurs.any(&STARTS)
}

/// Writes the decoded value, if it differs, and says whether it does. Does nothing at all where there is nothing to decode.
pub(super) fn decode(value: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(first) = first_token(value) else { return false };
    out.clear();
    out.extend_from_slice(value);
    // Where a form was encoded, it was so from its beginning on: `1+or%27`.
    let is_form = value.get(first) == Some(&b'%') && !value.contains(&b' ');
    let mut from = if is_form { 0 } else { first };
    for n in 0..ROUNDS {
        match round(out, from, is_form && n == 0) {
            Some(changed) => from = changed.saturating_sub(LONGEST),
            None => break,
        }
    }
    true
}

/// How far before a change what it made may become part of: `&#x0000003c;` with the last sign decoded.
const LONGEST: usize = 64;

/// Something that stands for a character: how long it is, and which.
struct Token {
    length: usize,
    char: Decoded,
}

/// What a token stands for.
#[derive(Clone, Copy)]
enum Decoded {
    Nothing,
    Byte(u8),
    Char(char),
}

/// Where the first token stands.
fn first_token(value: &[u8]) -> Option<usize> {
    if value.is_ascii() {
        let written = memchr::memchr3_iter(b'%', b'&', b'\\', value).find(|at| token(value, *at).is_some());
        let nul = memchr::memchr_iter(0, value).find(|at| is_within_word(value, *at));
        return written.into_iter().chain(nul).min();
    }
    crate::inspect::steps::count(value.len());
    let starts = value.iter().enumerate().filter(|(_, byte)| STARTS.has(**byte));
    starts.map(|(at, _)| at).find(|at| token(value, *at).is_some())
}

/// The bytes that tokens start with.
const STARTS: Bytes = Bytes::set(b"\0%&\\\xc0\xc1\xca\xe0\xef\xf0");

/// Decodes all tokens once, from a place on; says where the first was.
fn round(text: &mut Vec<u8>, from: usize, is_form: bool) -> Option<usize> {
    let mut first = None;
    let (mut read, mut write) = (from, from);
    crate::inspect::steps::count(text.len().saturating_sub(from) * 2);
    while let Some(&byte) = text.get(read) {
        let token = if STARTS.has(byte) { token(text, read) } else { None };
        match token {
            Some(Token { length, char }) => {
                first = first.or(Some(write));
                read += length;
                let mut room = [0; 4];
                let bytes = match char {
                    Decoded::Nothing => &room[..0],
                    Decoded::Byte(byte) => {
                        room[0] = byte;
                        &room[..1]
                    }
                    Decoded::Char(char) => char.encode_utf8(&mut room).as_bytes(),
                };
                // No token is shorter than what it stands for.
                if let Some(place) = text.get_mut(write..write + bytes.len()) {
                    place.copy_from_slice(bytes);
                }
                write += bytes.len();
            }
            None => {
                if let Some(place) = text.get_mut(write) {
                    *place = if is_form && byte == b'+' { b' ' } else { byte };
                }
                read += 1;
                write += 1;
            }
        }
    }
    text.truncate(write);
    first
}

/// The token that starts here, if one does.
fn token(text: &[u8], at: usize) -> Option<Token> {
    let rest = text.get(at..)?;
    crate::inspect::steps::count(6);
    match rest.first()? {
        // Within a word it is passed over by readers of markup; elsewhere it is what cuts off the name of a file, and stays to be seen.
        0 if is_within_word(text, at) => Some(Token { length: 1, char: Decoded::Nothing }),
        b'%' if !rest.get(1).is_some_and(u8::is_ascii_alphanumeric) => None,
        b'%' => percent(rest),
        b'&' if !rest.get(1).is_some_and(|byte| *byte == b'#' || byte.is_ascii_alphabetic()) => None,
        b'&' => entity::read(rest).map(|(length, char)| Token { length, char: Decoded::Char(char) }),
        b'\\' => escape(rest),
        0xc0 | 0xc1 | 0xca | 0xe0 | 0xef | 0xf0 => folded(rest),
        _ => None,
    }
}

/// Whether letters stand on both sides.
fn is_within_word(text: &[u8], at: usize) -> bool {
    let is_letter = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(u8::is_ascii_alphabetic);
    is_letter(at.checked_sub(1)) && is_letter(at.checked_add(1))
}

/// `%XX`, and `%uXXXX`, which IIS reads.
fn percent(rest: &[u8]) -> Option<Token> {
    match rest {
        [_, b'u' | b'U', digits @ ..] => {
            let char = hex(digits.get(..4)?).and_then(char::from_u32)?;
            Some(Token { length: 6, char: Decoded::Char(fold(char)) })
        }
        [_, digits @ ..] => hex_pair(digits).map(|byte| Token { length: 3, char: Decoded::Byte(byte) }),
        [] => None,
    }
}

/// `\xHH`, `\uHHHH`, `\u{H...}`, `\NNN`: what C, JavaScript, PHP and Python read in strings.
fn escape(rest: &[u8]) -> Option<Token> {
    match rest {
        [_, b'x' | b'X', digits @ ..] => hex_pair(digits).map(|byte| Token { length: 4, char: Decoded::Byte(byte) }),
        [_, b'u', b'{', digits @ ..] => {
            let length = digits.iter().take(9).position(|byte| *byte == b'}')?;
            let char = hex(digits.get(..length)?).and_then(char::from_u32)?;
            // As it may be longer than what is written, where that is no more than one sign.
            Some(Token { length: length + 4, char: Decoded::Char(fold(char)) })
        }
        [_, b'u' | b'U', digits @ ..] => {
            let char = hex(digits.get(..4)?).and_then(char::from_u32)?;
            Some(Token { length: 6, char: Decoded::Char(fold(char)) })
        }
        [_, high @ b'0'..=b'3', middle @ b'0'..=b'7', low @ b'0'..=b'7', ..] => {
            let byte = (high - b'0') << 6 | (middle - b'0') << 3 | (low - b'0');
            Some(Token { length: 4, char: Decoded::Byte(byte) })
        }
        _ => None,
    }
}

/// A character in more bytes than it takes (RFC 3629 10), or in its full-width form (U+FF01 to U+FF5E), which databases and shells on Windows fold.
fn folded(rest: &[u8]) -> Option<Token> {
    let (length, code) = match *rest {
        [lead @ (0xc0 | 0xc1), one @ 0x80..=0xbf, ..] => (2, u32::from(lead & 1) << 6 | u32::from(one & 0x3f)),
        // The modifier letter prime, which charsets of one byte have no other sign for than the apostrophe.
        [0xca, 0xb9, ..] => return Some(Token { length: 2, char: Decoded::Byte(b'\'') }),
        [0xe0, one @ 0x80..=0x9f, two @ 0x80..=0xbf, ..] => (3, u32::from(one & 0x3f) << 6 | u32::from(two & 0x3f)),
        [0xef, one @ (0xbc | 0xbd), two @ 0x80..=0xbf, ..] => {
            let char = char::from_u32(0xf000 | u32::from(one & 0x3f) << 6 | u32::from(two & 0x3f))?;
            let plain = fold(char);
            return (plain != char).then_some(Token { length: 3, char: Decoded::Char(plain) });
        }
        [0xf0, one @ 0x80..=0x8f, two @ 0x80..=0xbf, three @ 0x80..=0xbf, ..] => {
            (4, u32::from(one & 0x3f) << 12 | u32::from(two & 0x3f) << 6 | u32::from(three & 0x3f))
        }
        _ => return None,
    };
    char::from_u32(code).map(|char| Token { length, char: Decoded::Char(char) })
}

/// The plain form of a full-width character.
fn fold(char: char) -> char {
    match u32::from(char) {
        code @ 0xff01..=0xff5e => char::from_u32(code - 0xff01 + 0x21).unwrap_or(char),
        _ => char,
    }
}

/// The number that hexadecimal digits say; at most eight of them.
fn hex(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    digits.iter().try_fold(0u32, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?))
}
