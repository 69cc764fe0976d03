//! What single bytes tell of the tokens of SQL that they begin or belong to.

use super::lex::Kind;

/// What a byte begins, where it alone tells.
#[derive(Clone, Copy)]
pub(super) enum Class {
    /// White space, and control characters, which count as such.
    Blank,
    /// A name.
    Letter,
    /// A number.
    Digit,
    /// A token of one byte.
    Single(Kind),
    /// A token of one byte or a few.
    Sign,
    /// A text.
    Quote(u8),
    /// What follows has to be looked at.
    Other,
}

/// What each byte begins.
pub(super) static CLASSES: [Class; 256] = {
    let mut classes = [Class::Other; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            0..=b' ' | 0x7f => Class::Blank,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => Class::Letter,
            b'0'..=b'9' => Class::Digit,
            b'(' => Class::Single(Kind::Open),
            b')' => Class::Single(Kind::Close),
            b',' => Class::Single(Kind::Comma),
            b';' => Class::Single(Kind::Semicolon),
            b'=' | b'<' | b'>' | b'+' | b'&' | b'|' | b'^' | b'~' | b'%' | b'!' | b':' | b'?' => Class::Sign,
            quote @ (b'\'' | b'"') => Class::Quote(quote),
            _ => Class::Other,
        };
        byte += 1;
    }
    classes
};

/// How long the name is that begins here. A space that is none in ASCII ends it.
pub(super) fn name_len(text: &[u8]) -> usize {
    let mut length = 0;
    while let Some(byte) = text.get(length) {
        if !IN_NAME[usize::from(*byte)] || *byte == 0xc2 && text.get(length + 1) == Some(&0xa0) {
            break;
        }
        length += 1;
    }
    length
}

/// Whether a byte may be part of a name.
pub(super) fn is_name(byte: u8) -> bool {
    IN_NAME[usize::from(byte)]
}

static IN_NAME: [bool; 256] = {
    let mut known = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        known[byte] = (byte as u8).is_ascii_alphanumeric() || matches!(byte as u8, b'_' | b'$' | 0x80..);
        byte += 1;
    }
    known
};
