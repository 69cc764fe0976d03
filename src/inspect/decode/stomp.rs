//! Frames of STOMP (1.2, "STOMP Frames"): a command, fields a line each, a blank line, a body, NUL.

use std::borrow::Cow;

use super::walk::Walk;

/// One frame, and what stands behind it.
pub(super) struct Frame<'t> {
    /// The command and the fields.
    pub(super) head: &'t [u8],
    pub(super) body: &'t [u8],
    /// How long the body says that it is, in bytes, where there is more than so much.
    pub(super) length: Option<usize>,
    pub(super) behind: &'t [u8],
}

/// What ends a body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// Its first NUL.
    Nul,
    /// What it says itself, whatever the byte behind that is; its first NUL where it says nothing.
    Length,
}

/// The frame that a text begins with, if it does.
pub(super) fn read(text: &[u8], until: Until) -> Option<Frame<'_>> {
    let text = text.trim_ascii_start();
    let before_nul = text.get(..memchr::memchr(0, text)?)?;
    // Lines end with LF, or with CR and LF.
    let at = memchr::memmem::find_iter(before_nul, b"\n").find(|at| {
        let next = before_nul.get(at + 1..).unwrap_or_default();
        next.starts_with(b"\n") || next.starts_with(b"\r\n")
    })?;
    let (head, rest) = text.split_at_checked(at)?;
    let rest = rest.get(1..)?;
    let rest = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n"))?;
    let command = head.split(|byte| *byte == b'\n').next()?.trim_ascii_end();
    let is_command = (3..=12).contains(&command.len()) && command.iter().all(u8::is_ascii_alphabetic);
    let nul = memchr::memchr(0, rest).filter(|_| is_command)?;
    let length = length(head).filter(|length| *length < rest.len());
    let end = length.filter(|_| until == Until::Length).unwrap_or(nul);
    Some(Frame { head, body: rest.get(..end)?, length, behind: rest.get(end + 1..)? })
}

/// The first `content-length` (of a repeated field, only the first counts).
fn length(head: &[u8]) -> Option<usize> {
    let mut fields = head.split(|byte| *byte == b'\n').skip(1);
    let value = fields.find_map(|line| line.strip_prefix(b"content-length:"))?;
    std::str::from_utf8(value.trim_ascii()).ok()?.parse().ok()
}

/// Gives the fields of a head, as they are written and as they are meant.
pub(super) fn fields(walk: &mut Walk<'_>, head: &[u8]) {
    for line in head.split(|byte| *byte == b'\n').skip(1) {
        let at = memchr::memchr(b':', line).unwrap_or(line.len());
        let (name, value) = line.split_at_checked(at).unwrap_or((line, b""));
        let (name, value) = (unescaped(name), value.strip_prefix(b":").unwrap_or(value).trim_ascii_end());
        let mark = walk.trail.mark();
        walk.trail.push_key(&name);
        walk.name(&name);
        walk.text(value);
        if let Cow::Owned(said) = unescaped(value) {
            walk.text(&said);
        }
        walk.trail.cut(mark);
    }
}

/// What is meant (STOMP 1.2, "Value Encoding").
fn unescaped(written: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', written).is_none() {
        return Cow::Borrowed(written);
    }
    let (mut said, mut bytes) = (Vec::with_capacity(written.len()), written.iter().copied());
    while let Some(byte) = bytes.next() {
        said.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'c') => b':',
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(other) => other,
                None => break,
            },
            byte => byte,
        });
    }
    Cow::Owned(said)
}
