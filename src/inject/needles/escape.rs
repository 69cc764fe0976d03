//! How one byte may be written: what an escape says.

/// The longest escape, in bytes: `\u0026#x00000041;`.
pub(super) const LONGEST: usize = 17;

/// Digits that a numeric character reference may have, leading zeros included.
const MOST_DIGITS: usize = 8;

/// The characters which have an escape of two characters, and what stands behind the backslash.
const BACKSLASHED: [(u8, u8); 9] = [
    (b'/', b'/'),
    (b'"', b'"'),
    (b'\'', b'\''),
    (b'\\', b'\\'),
    (0x08, b'b'),
    (0x0c, b'f'),
    (b'\n', b'n'),
    (b'\r', b'r'),
    (b'\t', b't'),
];

const NAMED: [(u8, &[u8]); 5] =
    [(b'&', b"&amp;"), (b'<', b"&lt;"), (b'>', b"&gt;"), (b'"', b"&quot;"), (b'\'', b"&apos;")];

/// Whether an escape can begin with this byte.
#[inline]
pub(super) fn is_introducer(byte: u8) -> bool {
    matches!(byte, b'%' | b'\\' | b'&' | b'+')
}

/// What the escape in front of the text says, and how long it is. Two things, where what it says begins another: `%25hh`, `\\/`, `&amp;lt;` and `\u0026lt;`,
/// as text within text is escaped.
#[inline]
pub(super) fn read(text: &[u8]) -> impl Iterator<Item = (u8, usize)> {
    let (one, two) = match text {
        [b'%', b'2', b'5', high, low, ..] => (Some((b'%', 3)), with_len(hex(*high, *low), 5)),
        [b'%', high, low, ..] => (with_len(hex(*high, *low), 3), None),
        [b'\\', b'u', b'0', b'0', b'2', b'6', tail @ ..] => (Some((b'&', 6)), entity(tail, 6)),
        [b'\\', b'u', b'0', b'0', high, low, ..] => (with_len(hex(*high, *low), 6), None),
        [b'\\', b'x', high, low, ..] => (with_len(hex(*high, *low), 4), None),
        [b'\\', b'\\', tail @ ..] => (Some((b'\\', 2)), backslashed_twice(tail)),
        [b'\\', letter, ..] => (BACKSLASHED.iter().find(|(_, own)| own == letter).map(|(byte, _)| (*byte, 2)), None),
        [b'&', b'a', b'm', b'p', b';', tail @ ..] => (Some((b'&', 5)), entity(tail, 5)),
        [b'&', tail @ ..] => (entity(tail, 1), None),
        [b'+', ..] => (Some((b' ', 1)), None),
        _ => (None, None),
    };
    one.into_iter().chain(two)
}

/// What stands behind an `&` that was written in so many bytes.
#[inline]
fn entity(tail: &[u8], head: usize) -> Option<(u8, usize)> {
    let (byte, len) = match tail {
        [b'#', number @ ..] => numeric(number)?,
        _ => NAMED.iter().find(|(_, name)| tail.starts_with(&name[1..])).map(|(byte, name)| (*byte, name.len()))?,
    };
    Some((byte, head + len - 1))
}

/// What stands behind two backslashes, which are one within a text that is escaped once more.
fn backslashed_twice(tail: &[u8]) -> Option<(u8, usize)> {
    match tail {
        [b'u', b'0', b'0', high, low, ..] => with_len(hex(*high, *low), 7),
        [b'x', high, low, ..] => with_len(hex(*high, *low), 5),
        [b'\\', letter @ (b'\\' | b'/' | b'"' | b'\''), ..] => Some((*letter, 4)),
        [b'\\', ..] => None,
        [letter, ..] => BACKSLASHED.iter().find(|(_, own)| own == letter).map(|(byte, _)| (*byte, 3)),
        [] => None,
    }
}

/// What `D;` or `xH;` says behind `&#`.
fn numeric(number: &[u8]) -> Option<(u8, usize)> {
    let (radix, head, digits) = match number {
        [b'x' | b'X', digits @ ..] => (16, 3, digits),
        digits => (10, 2, digits),
    };
    let mut value: u32 = 0;
    for (read, byte) in digits.iter().take(MOST_DIGITS + 1).enumerate() {
        if *byte == b';' {
            return (read > 0).then_some(u8::try_from(value).ok()).flatten().map(|byte| (byte, head + read + 1));
        }
        value = value.checked_mul(radix)?.checked_add(char::from(*byte).to_digit(radix)?)?;
    }
    None
}

fn with_len(byte: Option<u8>, len: usize) -> Option<(u8, usize)> {
    byte.map(|byte| (byte, len))
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let [high, low] = [high, low].map(|digit| DIGITS.get(usize::from(digit)).copied().unwrap_or(NO_DIGIT));
    (high != NO_DIGIT && low != NO_DIGIT).then_some(high << 4 | low)
}

const NO_DIGIT: u8 = 16;

/// What each byte is worth as a hexadecimal digit: texts full of escapes ask for nothing else.
static DIGITS: [u8; 256] = {
    let mut all = [NO_DIGIT; 256];
    let mut value = 0;
    while value < NO_DIGIT {
        let digit = hex_digit(value);
        all[digit as usize] = value;
        all[digit.to_ascii_uppercase() as usize] = value;
        value += 1;
    }
    all
};

/// The digit for a value below 16.
pub(super) const fn hex_digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + (value - 10) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_escape_says_its_byte() {
        let cases: [(&str, &[(u8, usize)]); 31] = [
            ("%73x", &[(b's', 3)]),
            ("%2573", &[(b'%', 3), (b's', 5)]),
            ("%257", &[(b'%', 3)]),
            ("%2fx", &[(b'/', 3)]),
            ("%2F", &[(b'/', 3)]),
            ("%2g", &[]),
            ("\\u0073", &[(b's', 6)]),
            ("\\u005C", &[(b'\\', 6)]),
            ("\\u0173", &[]),
            ("\\x7e", &[(b'~', 4)]),
            ("\\/", &[(b'/', 2)]),
            ("\\n", &[(b'\n', 2)]),
            ("\\q", &[]),
            ("&#115;", &[(b's', 6)]),
            ("&#00000115;", &[(b's', 11)]),
            ("&#000000115;", &[]),
            ("&#x73;", &[(b's', 6)]),
            ("&#X00000073;", &[(b's', 12)]),
            ("&#256;", &[]),
            ("&#;", &[]),
            ("&quot;", &[(b'"', 6)]),
            ("+", &[(b' ', 1)]),
            ("\\\\/", &[(b'\\', 2), (b'/', 3)]),
            ("\\\\\\/", &[(b'\\', 2), (b'/', 4)]),
            ("\\\\\\\\", &[(b'\\', 2), (b'\\', 4)]),
            ("\\\\q", &[(b'\\', 2)]),
            ("\\\\u0073", &[(b'\\', 2), (b's', 7)]),
            ("\\u0026#43;", &[(b'&', 6), (b'+', 10)]),
            ("&amp;lt;", &[(b'&', 5), (b'<', 8)]),
            ("&amp;", &[(b'&', 5)]),
            ("&amp;#x2F;", &[(b'&', 5), (b'/', 10)]),
        ];
        for (text, want) in cases {
            assert_eq!(read(text.as_bytes()).collect::<Vec<_>>(), want, "{text}");
        }
    }
}
