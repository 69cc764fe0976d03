//! Multipart bodies, strictly (RFC 2046 5.1, RFC 7578): readers that repair them differ in where a part ends and what its name is (CWE-436).

use super::body;
use super::charset::{self, Charset};
use super::media::{Format, Media};
use super::walk::Walk;
use crate::inspect::{Fault, FaultKind};

mod part;
mod transfer;

use part::Head;
use transfer::Transfer;

/// How deep multipart bodies are within others.
const MAX_DEPTH: u8 = 2;

/// Gives the names and contents of all parts.
///
/// # Errors
/// What is wrong with the form of the body or of a part.
pub(super) fn walk(walk: &mut Walk<'_>, boundary: Option<&[u8]>, is_form: bool, body: &[u8]) -> Result<(), Fault> {
    let Some(boundary) = boundary.filter(|boundary| is_boundary(boundary)) else {
        return Err(walk.fault(FaultKind::BadHead));
    };
    if walk.multiparts >= MAX_DEPTH {
        return Err(walk.fault(FaultKind::TooDeep));
    }
    walk.multiparts += 1;
    let mut delimiter = b"--".to_vec();
    delimiter.extend_from_slice(boundary);
    let mut parts = Parts::new(&delimiter, body).map_err(|kind| walk.fault(kind))?;
    let mut reader = Reader { is_form, parts: 0, files: 0, charset: None };
    while let Some(part) = parts.next_part().map_err(|kind| walk.fault(kind))? {
        let mark = walk.trail.mark();
        reader.part(walk, part)?;
        walk.trail.cut(mark);
    }
    walk.multiparts -= 1;
    Ok(())
}

/// Whether this may be a boundary (RFC 2046 5.1.1).
fn is_boundary(text: &[u8]) -> bool {
    let is_sign = |byte: &u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(byte);
    (1..=70).contains(&text.len()) && text.iter().all(is_sign) && !text.ends_with(b" ")
}

/// Whether a text starts as an object or array does.
fn is_json(text: &[u8]) -> bool {
    matches!(text.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// What stands between delimiters.
struct Parts<'b> {
    finder: memchr::memmem::Finder<'b>,
    delimiter: &'b [u8],
    body: &'b [u8],
    /// Where the next part starts; none behind the last delimiter.
    at: Option<usize>,
}

impl<'b> Parts<'b> {
    /// Reads the first delimiter. What may stand before it and behind the last one is for mail readers of old: here it hides things.
    fn new(delimiter: &'b [u8], body: &'b [u8]) -> Result<Self, FaultKind> {
        let mut parts = Self { finder: memchr::memmem::Finder::new(delimiter), delimiter, body, at: None };
        let start = if body.starts_with(b"\r\n") { 2 } else { 0 };
        if !body.get(start..).unwrap_or_default().starts_with(delimiter) {
            return Err(FaultKind::Malformed);
        }
        parts.pass(start)?;
        Ok(parts)
    }

    /// Goes behind the delimiter that starts here.
    fn pass(&mut self, at: usize) -> Result<(), FaultKind> {
        let behind = at + self.delimiter.len();
        self.at = match self.body.get(behind..).unwrap_or_default() {
            [b'\r', b'\n', ..] => Some(behind + 2),
            b"--" | b"--\r\n" => None,
            _ => return Err(FaultKind::Malformed),
        };
        Ok(())
    }

    fn next_part(&mut self) -> Result<Option<&'b [u8]>, FaultKind> {
        let Some(start) = self.at else { return Ok(None) };
        let mut from = start;
        loop {
            let rest = self.body.get(from..).unwrap_or_default();
            let found = from + self.finder.find(rest).ok_or(FaultKind::Malformed)?;
            match self.body.get(..found).unwrap_or_default() {
                [.., b'\r', b'\n'] => {
                    self.pass(found)?;
                    return self.body.get(start..found - 2).map(Some).ok_or(FaultKind::Malformed);
                }
                // Readers that end lines so would see a delimiter here.
                [.., b'\r' | b'\n'] => return Err(FaultKind::Malformed),
                _ => from = found + 1,
            }
        }
    }
}

/// Reads one part after another.
struct Reader {
    is_form: bool,
    parts: usize,
    files: usize,
    /// What a field `_charset_` said (RFC 7578 4.6).
    charset: Option<Charset>,
}

impl Reader {
    fn part(&mut self, walk: &mut Walk<'_>, part: &[u8]) -> Result<(), Fault> {
        let index = self.parts;
        self.parts += 1;
        if self.parts > walk.limits.parts {
            return Err(walk.fault(FaultKind::TooMany));
        }
        let (head, content) = part::split(part).map_err(|kind| walk.fault(kind))?;
        let head = Head::read(head, self.is_form).map_err(|kind| walk.fault(kind))?;
        match &head.name {
            Some(name) => {
                walk.trail.push_key(name);
                walk.name(name);
            }
            None => walk.trail.push_index(index),
        }
        head.give(walk)?;
        let is_file = head.is_file();
        if is_file {
            self.files += 1;
            if self.files > walk.limits.files {
                return Err(walk.fault(FaultKind::TooMany));
            }
        }
        let written = content;
        let content = transfer::decode(head.transfer, content).map_err(|kind| walk.fault(kind))?;
        if self.is_form && head.name.is_some_and(|name| name == b"_charset_") {
            let charset = Charset::named(content.trim_ascii());
            let charset = charset.filter(|charset| !charset.is_wide());
            self.charset = Some(charset.ok_or_else(|| walk.fault(FaultKind::UnknownCharset))?);
        }
        if content.is_empty() {
            return Ok(());
        }
        if head.transfer == Transfer::QuotedPrintable {
            // Most readers of forms do not take it off.
            walk.plain(written);
        }
        let mut media = head.media.unwrap_or(Media::UNKNOWN);
        if !is_file && charset::is_wide(&content, media.charset) {
            // Readers of forms pass over charsets and marks. A file may be a text of any.
            return Err(walk.fault(FaultKind::UnknownCharset));
        }
        if !is_file && matches!(media.format, Format::Binary(_) | Format::Unknown) {
            // A field is text, whatever it is said to be.
            media.format = Format::Text;
        }
        if self.is_form && head.name == Some(b"operations".as_slice()) && is_json(&content) {
            // GraphQL's requests, in forms that have files with them: read as JSON, whatever its type.
            media = Media { format: Format::Json, ..Media::UNKNOWN };
        }
        if media.charset.is_none() && media.format == Format::Text {
            media.charset = self.charset;
        }
        body::by_type(walk, &media, &content)
    }
}
