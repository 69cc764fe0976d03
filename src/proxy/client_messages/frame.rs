//! The heads of frames as a WebSocket's client sends them (RFC 6455 §5.2).

use crate::inspect::FaultKind;

/// A frame of which the head has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) is_last: bool,
    pub(super) is_control: bool,
    pub(super) left: u64,
    pub(super) mask: [u8; 4],
    /// How much of its content has come.
    pub(super) came: usize,
}

/// What frames are (RFC 6455 §5.2).
const CONTINUATION: u8 = 0x0;
pub(super) const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// The longest content of a control frame (RFC 6455 §5.5).
const MAX_CONTROL: u64 = 125;

/// How long the head of a frame is, as far as is known by what has come of it.
pub(super) fn length(head: &[u8]) -> usize {
    let [_, second, ..] = head else { return 2 };
    let wide = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + wide + if second & 0x80 == 0 { 0 } else { 4 }
}

/// Reads the head of a frame.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(head: &[u8], is_in_message: bool) -> Result<Frame, FaultKind> {
    let [first, second, rest @ ..] = head else { return Err(FaultKind::Malformed) };
    if first & 0x70 != 0 {
        // Compressed, or in another extension that nobody was offered.
        return Err(FaultKind::UnknownCoding);
    }
    // A client masks all that it sends (RFC 6455 §5.3).
    let (wide, mask) = rest.split_last_chunk::<4>().filter(|_| second & 0x80 != 0).ok_or(FaultKind::Malformed)?;
    let left = match wide {
        [] => u64::from(second & 0x7f),
        wide => wide.iter().fold(0, |so_far, byte| so_far << 8 | u64::from(*byte)),
    };
    let (is_last, code) = (first & 0x80 != 0, first & 0x0f);
    let is_fit = match code {
        CONTINUATION => is_in_message,
        TEXT | BINARY => !is_in_message,
        CLOSE | PING | PONG => is_last && left <= MAX_CONTROL,
        _ => false,
    };
    if is_fit && left >> 63 == 0 {
        Ok(Frame { is_last, is_control: code >= CLOSE, left, mask: *mask, came: 0 })
    } else {
        Err(FaultKind::Malformed)
    }
}
