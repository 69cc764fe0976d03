//! Charsets: what is not UTF-8 is made so. Only charsets are known in which an ASCII byte is that character or which are of fixed units, since in
//! others (UTF-7, Shift_JIS, GBK, EBCDIC) a reader that decodes and one that does not see different quotes and brackets (CWE-838).

use std::borrow::Cow;

use crate::inspect::FaultKind;

/// A charset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charset {
    Utf8,
    /// With a byte order mark, which has to be there (RFC 2781 4.3 and the Encoding standard differ in what its absence means).
    Utf16,
    Utf16Le,
    Utf16Be,
    Utf32Le,
    Utf32Be,
    /// ISO 8859-1, read for all charsets of one byte a character that have ASCII in their first half: only there are signs that mean anything.
    Latin1,
}

impl Charset {
    /// The charset of this name.
    pub(super) fn named(label: &[u8]) -> Option<Self> {
        let parts: [&[u8]; 4] = [b"iso-8859-", b"iso8859-", b"windows-125", b"cp125"];
        let is_part = |part: &&[u8]| {
            let (start, number) = label.split_at_checked(part.len()).unwrap_or_default();
            start.eq_ignore_ascii_case(part) && matches!(number, [b'0'..=b'9'] | [b'1', b'0'..=b'6'])
        };
        if parts.iter().any(is_part) {
            return Some(Self::Latin1);
        }
        let names: [(&[&str], Self); 5] = [
            (&["utf-8", "utf8"], Self::Utf8),
            (&["us-ascii", "ascii", "latin1"], Self::Latin1),
            (&["utf-16"], Self::Utf16),
            (&["utf-16le"], Self::Utf16Le),
            (&["utf-16be"], Self::Utf16Be),
        ];
        let mut known =
            names.iter().filter(|(names, _)| names.iter().any(|name| label.eq_ignore_ascii_case(name.as_bytes())));
        known.next().map(|(_, charset)| *charset)
    }

    /// The charset by a byte order mark, and the mark's length.
    pub(super) fn by_mark(text: &[u8]) -> Option<(Self, usize)> {
        match text {
            [0xef, 0xbb, 0xbf, ..] => Some((Self::Utf8, 3)),
            [0xff, 0xfe, 0, 0, ..] => Some((Self::Utf32Le, 4)),
            [0, 0, 0xfe, 0xff, ..] => Some((Self::Utf32Be, 4)),
            [0xff, 0xfe, ..] => Some((Self::Utf16Le, 2)),
            [0xfe, 0xff, ..] => Some((Self::Utf16Be, 2)),
            _ => None,
        }
    }

    /// Whether a sign takes two bytes or more.
    pub(super) fn is_wide(self) -> bool {
        match self {
            Self::Utf8 | Self::Latin1 => false,
            Self::Utf16 | Self::Utf16Le | Self::Utf16Be | Self::Utf32Le | Self::Utf32Be => true,
        }
    }

    /// Whether a mark of `other` may stand at the start of a text in this one.
    fn admits(self, other: Self) -> bool {
        self == other || (self == Self::Utf16 && matches!(other, Self::Utf16Le | Self::Utf16Be))
    }
}

/// Makes UTF-8 of a text, by what was declared and by its byte order mark. Where neither says anything, it is left as it is. A mark of UTF-8 stays.
///
/// # Errors
/// Both are there and differ, or the text is not in the charset.
pub(super) fn decode(text: &[u8], declared: Option<Charset>) -> Result<Cow<'_, [u8]>, FaultKind> {
    let (charset, mark) = match (declared, Charset::by_mark(text)) {
        (None, None) => return Ok(Cow::Borrowed(text)),
        // Readers differ in which of the two they go by.
        (Some(Charset::Latin1), Some((marked, _))) if marked.is_wide() => return Err(FaultKind::UnknownCharset),
        (Some(Charset::Latin1), _) => (Charset::Latin1, 0),
        (Some(Charset::Utf16), None) => return Err(FaultKind::UnknownCharset),
        (Some(declared), None) => (declared, 0),
        (Some(declared), Some((marked, _))) if !declared.admits(marked) => return Err(FaultKind::UnknownCharset),
        (_, Some(marked)) => marked,
    };
    let rest = text.get(mark..).unwrap_or_default();
    if charset.is_wide() && is_narrow(rest) {
        return Err(FaultKind::BadText);
    }
    let decoded = match charset {
        Charset::Utf8 => {
            return if std::str::from_utf8(text).is_ok() { Ok(Cow::Borrowed(text)) } else { Err(FaultKind::BadText) };
        }
        Charset::Latin1 if text.is_ascii() => return Ok(Cow::Borrowed(text)),
        Charset::Latin1 => Some(text.iter().map(|byte| char::from(*byte)).collect()),
        Charset::Utf16Le => utf_16(rest, u16::from_le_bytes),
        Charset::Utf16 | Charset::Utf16Be => utf_16(rest, u16::from_be_bytes),
        Charset::Utf32Le => utf_32(rest, u32::from_le_bytes),
        Charset::Utf32Be => utf_32(rest, u32::from_be_bytes),
    };
    decoded.map(|text| Cow::Owned(text.into_bytes())).ok_or(FaultKind::BadText)
}

/// Whether a text is wide by what was declared or by its mark.
pub(super) fn is_wide(text: &[u8], declared: Option<Charset>) -> bool {
    declared.is_some_and(Charset::is_wide) || Charset::by_mark(text).is_some_and(|(charset, _)| charset.is_wide())
}

/// The charset of JSON or XML without a mark by where NULs stand around its first sign, as its readers find it (RFC 4627 3, XML 1.0 F.1).
pub(super) fn by_width(text: &[u8]) -> Option<Charset> {
    let is_first = |byte: &u8| b"{[\"< \t\r\n".contains(byte);
    match text {
        [sign, 0, 0, 0, ..] if is_first(sign) => Some(Charset::Utf32Le),
        [0, 0, 0, sign, ..] if is_first(sign) => Some(Charset::Utf32Be),
        [sign, 0, ..] if is_first(sign) => Some(Charset::Utf16Le),
        [0, sign, ..] if is_first(sign) => Some(Charset::Utf16Be),
        _ => None,
    }
}

/// The longest stretch of ASCII that a wide text may have: by chance there is one in ten thousand pages of Chinese.
const MAX_NARROW: usize = 24;

/// Whether what is said to be wide is a text of one byte a sign to a reader that passes over the charset: any ASCII of even length is UTF-16
/// (CWE-838). Of a text that is wide, every second byte is NUL, or of signs beyond ASCII.
fn is_narrow(text: &[u8]) -> bool {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n');
    let is_json = matches!(text.trim_ascii_start(), [b'{' | b'[' | b'"' | b'<', next, ..] if is_plain(next));
    let plain = text.iter().filter(|byte| is_plain(byte)).count();
    // A wide text in ASCII has it in half of its bytes.
    is_json || plain * 4 > text.len() * 3 || text.split(|byte| !is_plain(byte)).any(|run| run.len() > MAX_NARROW)
}

fn utf_16(text: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (units, rest) = text.as_chunks();
    let chars = char::decode_utf16(units.iter().map(|pair| unit(*pair)));
    let mut out = String::with_capacity(units.len());
    for char in chars {
        out.push(char.ok()?);
    }
    rest.is_empty().then_some(out)
}

fn utf_32(text: &[u8], unit: fn([u8; 4]) -> u32) -> Option<String> {
    let (units, rest) = text.as_chunks();
    let mut out = String::with_capacity(units.len());
    for four in units {
        out.push(char::from_u32(unit(*four))?);
    }
    rest.is_empty().then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_charset_becomes_utf_8_or_a_fault() {
        let cases = [
            (&b"a"[..], None, Ok("a")),
            (b"a", Some("UTF-8"), Ok("a")),
            (b"\xff", Some("utf-8"), Err(FaultKind::BadText)),
            (b"\xe9", Some("ISO-8859-15"), Ok("\u{e9}")),
            (b"\xff\xfea\0", None, Ok("a")),
            (b"\xfe\xff\0a", None, Ok("a")),
            (b"a\0", Some("utf-16le"), Ok("a")),
            (b"\xff\xfea\0", Some("utf-16"), Ok("a")),
            (b"a\0", Some("utf-16"), Err(FaultKind::UnknownCharset)),
            (b"\xfe\xff\0a", Some("utf-16le"), Err(FaultKind::UnknownCharset)),
            (b"\xff\xfea", None, Err(FaultKind::BadText)),
            (b"\xff\xfe\0\xd8", None, Err(FaultKind::BadText)),
            (b"\xff\xfe\0\0a\0\0\0", None, Ok("a")),
            (b"some words", Some("utf-16le"), Err(FaultKind::BadText)),
            (b"\xff\xfesome words", None, Err(FaultKind::BadText)),
            (b"{\"\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9", Some("utf-16le"), Err(FaultKind::BadText)),
            (b"\xff\xfea\0", Some("latin1"), Err(FaultKind::UnknownCharset)),
            (b"\0\0\xfe\xff\0\0\0a", None, Ok("a")),
        ];
        for (text, declared, want) in cases {
            let declared = declared.map(|name| Charset::named(name.as_bytes()).expect("known"));
            let decoded = decode(text, declared).map(|text| String::from_utf8(text.into_owned()).expect("UTF-8"));
            assert_eq!(decoded.as_deref().map_err(|kind| *kind), want, "{text:?} {declared:?}");
        }
        for unknown in
            ["utf-7", "UTF-80", "garbage", "ibm037", "shift_jis", "utf-16le'", "iso-8859-", "windows-12522", ""]
        {
            assert_eq!(Charset::named(unknown.as_bytes()), None, "{unknown}");
        }
    }
}
