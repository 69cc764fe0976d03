//! The head of a part: its name, the name of its file, its type.

use crate::inspect::decode::media::{self, Media, Parameter, Parameters};
use crate::inspect::decode::walk::Walk;
use crate::inspect::decode::{form, media::is_token};
use crate::inspect::{Fault, FaultKind};

use super::transfer::Transfer;

/// The largest head of a part, and the most fields in it.
const MAX_HEAD: usize = 8 << 10;
const MAX_FIELDS: usize = 16;

/// What the head of a part says.
#[derive(Default)]
pub(super) struct Head<'p> {
    pub(super) name: Option<&'p [u8]>,
    pub(super) file_name: Option<&'p [u8]>,
    pub(super) media: Option<Media<'p>>,
    pub(super) transfer: Transfer,
    has_disposition: bool,
    has_transfer: bool,
    /// Fields that say nothing that is known.
    others: Vec<(&'p [u8], &'p [u8])>,
}

/// The head and the content of a part.
///
/// # Errors
/// No empty line is between them.
pub(super) fn split(part: &[u8]) -> Result<(&[u8], &[u8]), FaultKind> {
    if let Some(content) = part.strip_prefix(b"\r\n") {
        return Ok((b"", content));
    }
    let end = memchr::memmem::find(part, b"\r\n\r\n").ok_or(FaultKind::Malformed)?;
    if end > MAX_HEAD {
        return Err(FaultKind::TooLong);
    }
    Ok((part.get(..end).unwrap_or_default(), part.get(end + 4..).unwrap_or_default()))
}

impl<'p> Head<'p> {
    /// Reads the fields.
    ///
    /// # Errors
    /// One is none, or there twice; a form's part has no name.
    pub(super) fn read(text: &'p [u8], is_form: bool) -> Result<Self, FaultKind> {
        let mut head = Self::default();
        let mut rest = text;
        while !rest.is_empty() {
            let end = memchr::memmem::find(rest, b"\r\n").unwrap_or(rest.len());
            head.field(rest.get(..end).unwrap_or_default(), is_form)?;
            rest = rest.get(end + 2..).unwrap_or_default();
        }
        if is_form && head.name.is_none() { Err(FaultKind::BadHead) } else { Ok(head) }
    }

    fn field(&mut self, line: &'p [u8], is_form: bool) -> Result<(), FaultKind> {
        let colon = memchr::memchr(b':', line).ok_or(FaultKind::BadHead)?;
        let (name, value) = line.split_at_checked(colon).ok_or(FaultKind::BadHead)?;
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        // A line that continues the one before starts with space, which is no token.
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return Err(FaultKind::BadHead);
        }
        if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err(FaultKind::BadHead);
        }
        if name.eq_ignore_ascii_case(b"content-disposition") {
            if std::mem::replace(&mut self.has_disposition, true) {
                return Err(FaultKind::BadHead);
            }
            return self.disposition(value, is_form);
        }
        if name.eq_ignore_ascii_case(b"content-type") {
            let media = media::parse(value)?;
            return if self.media.replace(media).is_some() { Err(FaultKind::BadHead) } else { Ok(()) };
        }
        if name.eq_ignore_ascii_case(b"content-transfer-encoding") {
            if std::mem::replace(&mut self.has_transfer, true) {
                return Err(FaultKind::BadHead);
            }
            self.transfer = Transfer::named(value).ok_or(FaultKind::BadHead)?;
            return Ok(());
        }
        if self.others.len() >= MAX_FIELDS {
            return Err(FaultKind::TooMany);
        }
        self.others.push((name, value));
        Ok(())
    }

    fn disposition(&mut self, value: &'p [u8], is_form: bool) -> Result<(), FaultKind> {
        let end = memchr::memchr(b';', value).unwrap_or(value.len());
        let (kind, rest) = value.split_at_checked(end).unwrap_or((value, b""));
        if is_form && !kind.trim_ascii().eq_ignore_ascii_case(b"form-data") {
            return Err(FaultKind::BadHead);
        }
        for parameter in Parameters::new(rest) {
            let Parameter { name, value } = parameter?;
            // In pieces (RFC 2231 3): put together by some readers only.
            if memchr::memchr(b'*', name).is_some() && !name.eq_ignore_ascii_case(b"filename*") {
                return Err(FaultKind::BadHead);
            }
            let place = if name.eq_ignore_ascii_case(b"name") {
                &mut self.name
            } else if name.eq_ignore_ascii_case(b"filename") || name.eq_ignore_ascii_case(b"filename*") {
                // Two names of a file in two spellings are two names (RFC 7578 4.2).
                &mut self.file_name
            } else {
                continue;
            };
            if place.replace(value).is_some() {
                return Err(FaultKind::BadHead);
            }
        }
        Ok(())
    }

    /// Whether the part is a file: with an empty name it is a field to its readers.
    pub(super) fn is_file(&self) -> bool {
        self.file_name.is_some_and(|name| !name.is_empty() && !name.ends_with(b"''"))
    }

    /// Gives the name of the file and all fields that are not known.
    ///
    /// # Errors
    /// The file's name leads out of its folder.
    pub(super) fn give(&self, walk: &mut Walk<'_>) -> Result<(), Fault> {
        let mark = walk.trail.mark();
        if let Some(name) = self.file_name {
            walk.trail.push_key(b"(filename)");
            if leads_out(name) {
                return Err(walk.fault(FaultKind::FileName));
            }
            walk.name(name);
            walk.trail.cut(mark);
        }
        for (name, value) in &self.others {
            walk.trail.push_key(name);
            walk.plain(value);
            walk.trail.cut(mark);
        }
        Ok(())
    }
}

/// Whether the name of a file leads out of its folder, in itself or once decoded (CWE-22): `..` as a step, an absolute path, a drive, a stream, NUL.
fn leads_out(name: &[u8]) -> bool {
    let mut name = name.to_vec();
    for _ in 0..3 {
        let is_step = |step: &[u8]| step.trim_ascii() == b"..";
        let is_drive = matches!(name.as_slice(), [letter, b':', ..] if letter.is_ascii_alphabetic());
        if name.split(|byte| matches!(byte, b'/' | b'\\')).any(is_step)
            || is_drive
            || matches!(name.first(), Some(b'/' | b'\\'))
            || name.iter().any(u8::is_ascii_control)
            || name.windows(2).any(|pair| matches!(pair, [0xc0 | 0xc1, 0x80..=0xbf]))
        {
            return true;
        }
        if !memchr::memchr_iter(b'%', &name).any(|at| form::hex_pair(name.get(at + 1..).unwrap_or_default()).is_some())
        {
            return false;
        }
        name = percent_encoding::percent_decode(&name).collect();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_are_known() {
        for name in [
            "../x",
            "a/../x",
            "..",
            "/etc/passwd",
            "C:\\x",
            "\\\\h\\x",
            "..%2fx",
            "%252e%252e%252fx",
            "a%00.png",
            "..\\x",
        ] {
            assert!(leads_out(name.as_bytes()), "{name}");
        }
        for name in ["x.sh", "..x", "a..b", "100%.txt", "a b (1).pdf", "für.txt", "dir/x.txt", "12:30.log"] {
            assert!(!leads_out(name.as_bytes()), "{name}");
        }
    }
}
