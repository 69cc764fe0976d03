//! The strict reading of one raw HTTP/1 request head. Pingora's parser repairs some of what is refused here before any callback can see it.

use memchr::{memchr, memchr_iter};

use crate::domain::{HostFault, HttpFault};

/// The digits of a `Content-Length`: 18 hold any length there is, and never overflow 64 bits.
const MAX_LENGTH_DIGITS: usize = 18;

/// Checks one HTTP/1.x request head, from its request line through its final blank line (RFC 9112 §2-§6): one reading, or refused.
///
/// # Errors
/// The first [`HttpFault`] found, in the order of the lines; what concerns the head as a whole comes last.
pub fn check(head: &[u8]) -> Result<(), HttpFault> {
    is_chunked(head).map(drop)
}

/// The same, and whether a chunked body follows.
pub(super) fn is_chunked(head: &[u8]) -> Result<bool, HttpFault> {
    let (line, mut rest) = next_line(head)?;
    let version = check_request_line(line)?;
    let mut fields = Framing::default();
    loop {
        let (line, after) = next_line(rest)?;
        rest = after;
        if line.is_empty() {
            break;
        }
        fields.take(line)?;
    }
    if !rest.is_empty() {
        return Err(HttpFault::LineEnd);
    }
    fields.check(version)?;
    Ok(fields.transfer_encoding)
}

/// Where the head ends that these bytes start with: after the first blank line. Blank lines are found as a lenient parser finds them, be
/// their ends CRLF or LF alone, so that no parser sees the head end earlier. The bytes before `from` are known to hold no end.
pub(super) fn end(bytes: &[u8], from: usize) -> Option<usize> {
    let new = bytes.get(from..)?;
    memchr_iter(b'\n', new).map(|at| from + at).find(|&at| ends_blank_line(&bytes[..at])).map(|at| at + 1)
}

/// Whether a line feed after these bytes ends a blank line.
fn ends_blank_line(before: &[u8]) -> bool {
    matches!(before, [] | [b'\r'] | [.., b'\n'] | [.., b'\n', b'\r'])
}

/// The next line without its CRLF, and what follows it.
fn next_line(bytes: &[u8]) -> Result<(&[u8], &[u8]), HttpFault> {
    let at = memchr(b'\n', bytes).ok_or(HttpFault::LineEnd)?;
    let line = bytes[..at].strip_suffix(b"\r").ok_or(HttpFault::LineEnd)?;
    Ok((line, &bytes[at + 1..]))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

/// `method SP target SP version`, RFC 9112 §3.
fn check_request_line(line: &[u8]) -> Result<Version, HttpFault> {
    let fault = || fault_in(line, HttpFault::RequestLine);
    let method_end = memchr(b' ', line).ok_or_else(fault)?;
    let (method, rest) = (&line[..method_end], &line[method_end + 1..]);
    let target_end = memchr(b' ', rest).ok_or_else(fault)?;
    let (target, version) = (&rest[..target_end], &rest[target_end + 1..]);
    if method == b"CONNECT" {
        // Its answer would be followed by a tunnel.
        return Err(HttpFault::Method);
    }
    let sound = is_token(method) && !target.is_empty() && target.iter().all(|&b| is_target(b));
    match version {
        b"HTTP/1.1" if sound => Ok(Version::Http11),
        b"HTTP/1.0" if sound => Ok(Version::Http10),
        _ => Err(fault()),
    }
}

/// A bare CR is a matter of line ends, wherever it stands.
fn fault_in(line: &[u8], otherwise: HttpFault) -> HttpFault {
    if memchr(b'\r', line).is_some() { HttpFault::LineEnd } else { otherwise }
}

/// Visible ASCII. `#` would be cut off, and `"`, `<` and `>` escaped, before any callback.
fn is_target(b: u8) -> bool {
    b.is_ascii_graphic() && !matches!(b, b'#' | b'"' | b'<' | b'>')
}

/// A token of RFC 9110 §5.6.2.
fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&b| TOKEN[usize::from(b)])
}

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 128 {
        let byte = b as u8;
        table[b] = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
            );
        b += 1;
    }
    table
};

/// Field content of RFC 9110 §5.5: no control but HTAB. Written so that the compiler can look at many bytes at once.
fn is_field_value(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |sound, &b| sound & ((b >= b' ') & (b != 0x7f) | (b == b'\t')))
}

/// The fields that say where a request ends and for whom it is.
#[derive(Default)]
struct Framing {
    host: bool,
    content_length: bool,
    transfer_encoding: bool,
}

impl Framing {
    /// Checks one field line and remembers it.
    fn take(&mut self, line: &[u8]) -> Result<(), HttpFault> {
        let name_end = line.iter().position(|&b| !TOKEN[usize::from(b)]).unwrap_or(line.len());
        let (name, rest) = line.split_at(name_end);
        let value = rest.strip_prefix(b":").filter(|value| !name.is_empty() && is_field_value(value));
        let value = value.ok_or_else(|| fault_in(line, HttpFault::Field))?;
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => once(&mut self.host),
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                once(&mut self.content_length)?;
                let digits = trim(value);
                let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
                if plain && digits.len() <= MAX_LENGTH_DIGITS { Ok(()) } else { Err(HttpFault::ContentLength) }
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                once(&mut self.transfer_encoding)?;
                if trim(value).eq_ignore_ascii_case(b"chunked") { Ok(()) } else { Err(HttpFault::TransferEncoding) }
            }
            _ => Ok(()),
        }
    }

    /// What the fields mean together: RFC 9112 §3.2 and §6.
    fn check(&self, version: Version) -> Result<(), HttpFault> {
        if self.transfer_encoding && version == Version::Http10 {
            return Err(HttpFault::TransferEncoding);
        }
        if self.transfer_encoding && self.content_length {
            return Err(HttpFault::ContentLength);
        }
        if !self.host && version == Version::Http11 {
            return Err(HttpFault::Host(HostFault::Missing));
        }
        Ok(())
    }
}

fn once(seen: &mut bool) -> Result<(), HttpFault> {
    if std::mem::replace(seen, true) { Err(HttpFault::Repeated) } else { Ok(()) }
}

/// Without the optional blanks around it: SP and HTAB, no others (RFC 9110 §5.6.3).
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests;
