//! Texts of XML: charsets, references, and the pieces that one text can be in.

use std::borrow::Cow;

use crate::inspect::FaultKind;
use crate::inspect::decode::charset::{self, Charset};
use crate::inspect::decode::walk::Walk;

/// Makes UTF-8 of a document by its type, its byte order mark and its declaration, which have to agree.
///
/// # Errors
/// They do not, or the document is not in the charset.
pub(super) fn decode(body: &[u8], declared: Option<Charset>) -> Result<Cow<'_, [u8]>, FaultKind> {
    // Without a mark the first characters tell the width (XML 1.0 F.1).
    let by_width = match body {
        [b'<', 0, b'?' | b'!' | b'a'..=b'z' | b'A'..=b'Z', 0, ..] => Some(Charset::Utf16Le),
        [0, b'<', 0, b'?' | b'!' | b'a'..=b'z' | b'A'..=b'Z', ..] => Some(Charset::Utf16Be),
        _ => None,
    };
    let is_wide = by_width.is_some() || Charset::by_mark(body).is_some_and(|(charset, _)| charset != Charset::Utf8);
    let named = if is_wide { None } else { encoding(body)? };
    let charset = match (declared, named) {
        (Some(declared), Some(named)) if declared != named && !body.is_ascii() => {
            return Err(FaultKind::UnknownCharset);
        }
        (Some(declared), _) => Some(declared),
        (None, named) => named.or(by_width),
    };
    let text = charset::decode(body, charset)?;
    if std::str::from_utf8(&text).is_err() {
        return Err(FaultKind::BadText);
    }
    if is_wide
        && encoding(&text)?.is_some_and(|named| !matches!(named, Charset::Utf16 | Charset::Utf16Le | Charset::Utf16Be))
    {
        return Err(FaultKind::UnknownCharset);
    }
    if text.iter().any(|byte| matches!(byte, 0..=8 | 11 | 12 | 14..=31)) {
        return Err(FaultKind::Malformed);
    }
    Ok(match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)),
        Cow::Owned(text) => Cow::Owned(text),
    })
}

/// The most of a declaration that is looked at.
const MAX_DECLARATION: usize = 256;

/// What a document's declaration says of its charset: `<?xml version="1.0" encoding="..."?>`.
fn encoding(text: &[u8]) -> Result<Option<Charset>, FaultKind> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let Some(rest) = text.strip_prefix(b"<?xml") else { return Ok(None) };
    let rest = rest.get(..rest.len().min(MAX_DECLARATION)).unwrap_or_default();
    let end = memchr::memmem::find(rest, b"?>").ok_or(FaultKind::Malformed)?;
    let declaration = rest.get(..end).unwrap_or_default();
    let Some(at) = memchr::memmem::find(declaration, b"encoding") else { return Ok(None) };
    let value = declaration.get(at + 8..).unwrap_or_default().trim_ascii_start();
    let value = value.strip_prefix(b"=").unwrap_or_default().trim_ascii_start();
    let (quote, value) = value.split_first().ok_or(FaultKind::Malformed)?;
    let end = memchr::memchr(*quote, value).ok_or(FaultKind::Malformed)?;
    let charset = Charset::named(value.get(..end).unwrap_or_default()).ok_or(FaultKind::UnknownCharset)?;
    // Who could read this declaration byte by byte is not in a wide charset; who could not never sees it here.
    Ok(Some(charset))
}

/// One text, in pieces: borrowed while there is but one, without references.
#[derive(Default)]
pub(super) struct Run<'x> {
    first: &'x [u8],
    all: Vec<u8>,
}

impl<'x> Run<'x> {
    pub(super) fn text(&self) -> &[u8] {
        if self.all.is_empty() { self.first } else { &self.all }
    }

    /// Adds a text with references.
    pub(super) fn add(&mut self, text: &'x [u8]) -> Result<(), FaultKind> {
        let mut rest = text;
        while let Some(at) = memchr::memchr(b'&', rest) {
            let (before, reference) = rest.split_at_checked(at).unwrap_or_default();
            self.append(before);
            let end = memchr::memchr(b';', reference.get(..reference.len().min(16)).unwrap_or_default());
            let end = end.ok_or(FaultKind::Malformed)?;
            let char = character(reference.get(1..end).unwrap_or_default()).ok_or(FaultKind::Malformed)?;
            self.append(char.encode_utf8(&mut [0; 4]).as_bytes());
            rest = reference.get(end + 1..).unwrap_or_default();
        }
        if rest.len() == text.len() {
            self.add_plain(text);
        } else {
            self.append(rest);
        }
        Ok(())
    }

    /// Adds a text without references.
    pub(super) fn add_plain(&mut self, text: &'x [u8]) {
        if self.text().is_empty() {
            self.first = text;
        } else {
            self.append(text);
        }
    }

    fn append(&mut self, text: &[u8]) {
        let first = std::mem::take(&mut self.first);
        self.all.extend_from_slice(first);
        self.all.extend_from_slice(text);
    }

    /// Gives it, unless it is but space, and starts anew.
    pub(super) fn give(&mut self, walk: &mut Walk<'_>) {
        let text = self.text().trim_ascii();
        if !text.is_empty() {
            walk.text(text);
        }
        self.first = b"";
        self.all.clear();
    }
}

/// What a reference stands for: one of the five names, or a number of a character that may be there (XML 1.0 2.2). There is no other without a document type.
fn character(name: &[u8]) -> Option<char> {
    let number = match name {
        b"lt" => return Some('<'),
        b"gt" => return Some('>'),
        b"amp" => return Some('&'),
        b"quot" => return Some('"'),
        b"apos" => return Some('\''),
        [b'#', b'x', digits @ ..] => u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16),
        [b'#', digits @ ..] => std::str::from_utf8(digits).ok()?.parse(),
        _ => return None,
    };
    let char = char::from_u32(number.ok()?)?;
    (!matches!(char, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}')).then_some(char)
}
