//! HTTP/2 by hand: frames as exact bytes, header blocks without compression, and just enough reading to know how a stream ended.

use std::io;

use super::raw::Client;

/// What a client sends first (RFC 9113 §3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Frame types (RFC 9113 §6).
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// Flags.
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// How a stream ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With a response.
    Response { status: u16, body: Vec<u8> },
    /// With a reset of the stream, and its error code.
    Reset(u32),
    /// With the end of the connection, and its error code.
    Goaway(u32),
    /// With no word at all.
    Closed,
}

/// One frame.
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// The bytes of one frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a payload of at most 2^24 bytes");
    let mut bytes = length.to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A header block of literals that are never indexed (RFC 7541 §6.2.3), names and values as they are.
pub(crate) fn block(fields: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0x10);
        string(&mut bytes, name.as_bytes());
        string(&mut bytes, value);
    }
    bytes
}

fn string(bytes: &mut Vec<u8>, text: &[u8]) {
    integer(bytes, text.len(), 7, 0);
    bytes.extend(text);
}

/// An integer with a prefix of so many bits (RFC 7541 §5.1).
pub(crate) fn integer(bytes: &mut Vec<u8>, value: usize, bits: u8, mark: u8) {
    let most = (1_usize << bits) - 1;
    let byte = |value: usize| u8::try_from(value).expect("one byte");
    if value < most {
        return bytes.push(mark | byte(value));
    }
    bytes.push(mark | byte(most));
    let mut rest = value - most;
    while rest >= 128 {
        bytes.push(byte(rest % 128) | 0x80);
        rest /= 128;
    }
    bytes.push(byte(rest));
}

/// What opens a connection: the preface and empty settings.
pub(crate) fn opening() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, b"")].concat()
}

/// The same for many streams: with a setting by which no answer's head refers to that of an earlier one (RFC 9113 §6.5.2), so that each can be
/// read by itself, and a window for 2 GiB of answers.
pub(crate) fn opening_without_table() -> Vec<u8> {
    let window = 0x7fff_0000_u32.to_be_bytes();
    [PREFACE, &frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0]), &frame(WINDOW_UPDATE, 0, 0, &window)].concat()
}

/// A whole request as frames on this stream, without the opening.
pub(crate) fn request(stream: u32, fields: &[(&str, &[u8])], body: &[u8]) -> Vec<u8> {
    let flags = if body.is_empty() { END_HEADERS | END_STREAM } else { END_HEADERS };
    let mut bytes = frame(HEADERS, flags, stream, &block(fields));
    if !body.is_empty() {
        bytes.extend(frame(DATA, END_STREAM, stream, body));
    }
    bytes
}

/// Sends one request on a fresh connection and waits for its end.
pub(crate) fn ask(client: &mut Client, fields: &[(&str, &[u8])], body: &[u8]) -> Ending {
    client.send(&[opening(), request(1, fields, body)].concat());
    ending(client, 1)
}

/// Reads until this stream ends. Its response must be the first on the connection, for its status to be readable; or the connection was
/// opened by [`opening_without_table`].
pub(crate) fn ending(client: &mut Client, stream: u32) -> Ending {
    endings(client, &[stream]).remove(0)
}

/// Reads until all of these streams end, in whatever order; tells how each did. The connection was opened by [`opening_without_table`].
pub(crate) fn endings(client: &mut Client, streams: &[u32]) -> Vec<Ending> {
    let mut open: Vec<(u16, Vec<u8>, Option<Ending>)> = streams.iter().map(|_| (0, Vec::new(), None)).collect();
    let all = |open: Vec<(u16, Vec<u8>, Option<Ending>)>, rest: Ending| {
        open.into_iter().map(|(.., ending)| ending.unwrap_or_else(|| rest.clone())).collect()
    };
    while open.iter().any(|(.., ending)| ending.is_none()) {
        let Ok(frame) = read(client) else { return all(open, Ending::Closed) };
        if frame.kind == GOAWAY {
            return all(open, Ending::Goaway(error_code(&frame.payload[4..])));
        }
        let Some(nth) = streams.iter().position(|stream| *stream == frame.stream) else { continue };
        let (status, content, ending) = &mut open[nth];
        if ending.is_some() {
            // A whole answer stays one, whatever is said behind it of what the client was sending (RFC 9113 §8.1).
            continue;
        }
        match frame.kind {
            HEADERS if *status < 200 => *status = read_status(&frame.payload),
            DATA => content.extend(frame.payload),
            RST_STREAM => *ending = Some(Ending::Reset(error_code(&frame.payload))),
            _ => continue,
        }
        if frame.kind != RST_STREAM && frame.flags & END_STREAM != 0 {
            *ending = Some(Ending::Response { status: *status, body: std::mem::take(content) });
        }
    }
    all(open, Ending::Closed)
}

/// The next frame.
///
/// # Errors
/// When the peer closes, or stays silent for too long.
pub(crate) fn read(client: &mut Client) -> io::Result<Frame> {
    let head = client.reader().take(9)?;
    let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
    let payload = client.reader().take(length)?;
    let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
    Ok(Frame { kind: head[3], flags: head[4], stream, payload })
}

fn error_code(payload: &[u8]) -> u32 {
    u32::from_be_bytes(payload[..4].try_into().expect("four bytes"))
}

/// The status, which comes first in the block: an entry of the static table, or its name with a literal (RFC 7541 §6, appendix A).
fn read_status(block: &[u8]) -> u16 {
    match block {
        [index @ 0x88..=0x8e, ..] => [200, 204, 206, 304, 400, 404, 500][usize::from(index - 0x88)],
        // Three digits: as they are, or in Huffman's code in two or three bytes.
        [0x08 | 0x18 | 0x48, 3, a, b, c, ..] => [a, b, c].iter().fold(0, |n, &&d| n * 10 + u16::from(d - b'0')),
        [0x08 | 0x18 | 0x48, 0x82, a, b, ..] => digits(&[*a, *b]),
        [0x08 | 0x18 | 0x48, 0x83, a, b, c, ..] => digits(&[*a, *b, *c]),
        // The size of the dynamic table.
        [0x20..=0x3f, rest @ ..] => read_status(rest),
        other => panic!("no status begins {:x?}", &other[..other.len().min(8)]),
    }
}

/// Digits in Huffman's code (RFC 7541 appendix B): 0 to 2 have five bits, 3 to 9 six.
fn digits(bytes: &[u8]) -> u16 {
    let bits: Vec<u16> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| u16::from(byte >> at & 1))).collect();
    let number = |bits: &[u16]| bits.iter().fold(0, |n, bit| n * 2 + bit);
    let (mut at, mut value) = (0, 0);
    for _ in 0..3 {
        let short = number(&bits[at..at + 5]);
        let (digit, width) = if short <= 2 { (short, 5) } else { (number(&bits[at..at + 6]) - 0x19 + 3, 6) };
        (at, value) = (at + width, value * 10 + digit);
    }
    value
}
