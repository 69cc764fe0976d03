//! The frames in which a WebSocket's messages come from the upstream (RFC 6455 §5.2), so that a secret is found in whole messages, however
//! they are cut into frames, and nothing is kept back behind one.

use std::collections::VecDeque;
use std::fmt;

use bytes::{Bytes, BytesMut};

use super::sieve::{Findings, Sieve, Sought};

/// The frames of one direction.
pub(super) struct Frames {
    sought: Sought,
    /// Of the message under way.
    sieve: Sieve,
    head: Vec<u8>,
    frame: Option<Frame>,
    /// A control frame's content, which may come in the middle of a message.
    control: BytesMut,
    /// What has to go on once so much of the message's content has, in order: heads, and whole control frames.
    waiting: VecDeque<(u64, Bytes)>,
    /// How many bytes that are.
    waits: usize,
    /// How much of the content of all messages has come, and gone on.
    came: u64,
    passed: u64,
    /// In control frames.
    found: Findings,
    is_strict: bool,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    is_last: bool,
    is_control: bool,
    left: u64,
}

/// The longest content of a control frame (RFC 6455 §5.5).
const MAX_CONTROL: u64 = 125;
/// How much may wait for a message that is not gone on with: how many frames, and bytes.
const MAX_WAITING: (usize, usize) = (64, 8192);

impl Frames {
    pub(super) fn new(sought: Sought, is_strict: bool) -> Self {
        Self {
            sieve: sought.sieve(),
            sought,
            head: Vec::with_capacity(10),
            frame: None,
            control: BytesMut::new(),
            waiting: VecDeque::new(),
            waits: 0,
            came: 0,
            passed: 0,
            found: Findings::default(),
            is_strict,
        }
    }

    /// Masks what has come.
    ///
    /// # Errors
    /// For what is no frame of a server, and for compressed ones, which nobody was offered.
    pub(super) fn push(&mut self, mut chunk: Bytes) -> Result<Bytes, ()> {
        let mut out = BytesMut::with_capacity(chunk.len());
        while !chunk.is_empty() {
            match self.frame {
                None => self.take_head(&mut chunk)?,
                Some(frame) => {
                    let some = usize::try_from(frame.left).unwrap_or(usize::MAX).min(chunk.len());
                    let content = chunk.split_to(some);
                    self.take_content(frame, content, &mut out);
                }
            }
            if let Some(frame) = self.frame.filter(|frame| frame.left == 0) {
                self.end(frame, &mut out);
                if self.waiting.len() > MAX_WAITING.0 || self.waits > MAX_WAITING.1 {
                    return Err(());
                }
            }
        }
        self.pass(Bytes::new(), &mut out);
        Ok(out.freeze())
    }

    /// What is kept back, at the end of the stream.
    pub(super) fn rest(&mut self) -> Bytes {
        let mut out = BytesMut::new();
        let rest = self.sieve.push(Bytes::new(), true);
        self.pass(rest, &mut out);
        out.extend_from_slice(&self.head);
        self.head.clear();
        out.freeze()
    }

    /// Whether what went on ends with a whole frame.
    pub(super) fn is_between(&self) -> bool {
        self.frame.is_none() && self.head.is_empty() && self.waiting.is_empty() && self.passed == self.came
    }

    pub(super) fn findings(&self) -> Findings {
        let mut all = self.sieve.findings();
        all.add(&self.found);
        all
    }

    fn take_head(&mut self, chunk: &mut Bytes) -> Result<(), ()> {
        while let Some(byte) = chunk.first().copied() {
            self.head.push(byte);
            *chunk = chunk.split_off(1);
            let [first, second, more @ ..] = self.head.as_slice() else { continue };
            let (short, wide) = match second & 0x7f {
                126 => (0, 2),
                127 => (0, 8),
                short => (short, 0),
            };
            if more.len() < wide {
                continue;
            }
            let left = more.iter().fold(u64::from(short), |so_far, byte| so_far << 8 | u64::from(*byte));
            let frame = Frame { is_last: first & 0x80 != 0, is_control: first & 0x08 != 0, left };
            // Masked or with a reserved bit: it cannot be read.
            let is_opaque = first & 0x70 != 0 || second & 0x80 != 0;
            // In parts, nobody may send one (RFC 6455 §5.5): what follows would not be sought with it.
            let is_no_control = frame.is_control && (left > MAX_CONTROL || !frame.is_last);
            if (is_opaque && self.is_strict) || is_no_control {
                return Err(());
            }
            let head = Bytes::from(std::mem::replace(&mut self.head, Vec::with_capacity(10)));
            if frame.is_control {
                self.control.extend_from_slice(&head);
            } else {
                self.wait(head);
            }
            self.frame = Some(frame);
            return Ok(());
        }
        Ok(())
    }

    fn take_content(&mut self, frame: Frame, content: Bytes, out: &mut BytesMut) {
        self.frame = Some(Frame { left: frame.left - content.len() as u64, ..frame });
        if frame.is_control {
            self.control.extend_from_slice(&content);
            return;
        }
        self.came += content.len() as u64;
        let passed = self.sieve.push(content, false);
        self.pass(passed, out);
    }

    fn end(&mut self, frame: Frame, out: &mut BytesMut) {
        self.frame = None;
        if frame.is_control {
            // Its head has two bytes.
            let content = self.control.split_off(2).freeze();
            let mut sieve = self.sought.sieve();
            let mut whole = self.control.split();
            whole.extend_from_slice(&sieve.push(content, true));
            self.found.add(&sieve.findings());
            self.wait(whole.freeze());
        } else if frame.is_last {
            let rest = self.sieve.push(Bytes::new(), true);
            self.pass(rest, out);
        }
    }

    fn wait(&mut self, block: Bytes) {
        self.waits += block.len();
        self.waiting.push_back((self.came, block));
    }

    /// Lets content go on, and what stood before, between and behind it.
    fn pass(&mut self, mut content: Bytes, out: &mut BytesMut) {
        loop {
            let next = self.waiting.front().map_or(u64::MAX, |(at, _)| *at);
            let before = usize::try_from(next - self.passed).unwrap_or(usize::MAX).min(content.len());
            self.passed += before as u64;
            out.extend_from_slice(&content.split_to(before));
            let Some((_, block)) = self.waiting.pop_front_if(|(at, _)| *at <= self.passed) else { return };
            self.waits -= block.len();
            out.extend_from_slice(&block);
        }
    }
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frames").field("waiting", &self.waits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::inject::needles::Needles;

    const SECRET: &[u8] = b"sk-live-0123456789";

    fn sought() -> Sought {
        Sought { needles: Some(Arc::new(Needles::new(&[SECRET]))), leaks: None, is_error: false }
    }

    fn frame(first: u8, content: &[u8]) -> Vec<u8> {
        let length = match content.len() {
            short @ ..=125 => vec![short as u8],
            long => [&[126][..], &(long as u16).to_be_bytes()].concat(),
        };
        [&[first][..], &length, content].concat()
    }

    fn pass(stream: &[u8], size: usize) -> (Vec<u8>, u64) {
        let mut frames = Frames::new(sought(), true);
        let mut out = Vec::new();
        for chunk in stream.chunks(size) {
            out.extend_from_slice(&frames.push(Bytes::copy_from_slice(chunk)).expect("frames"));
        }
        out.extend_from_slice(&frames.rest());
        (out, frames.findings().reflected)
    }

    #[test]
    fn a_secret_is_masked_however_messages_and_chunks_are_cut() {
        let (one, two) = SECRET.split_at(7);
        let stars = |len| vec![b'*'; len];
        for (sent, want, found) in [
            (frame(0x81, b"hello"), frame(0x81, b"hello"), 0),
            (frame(0x81, SECRET), frame(0x81, &stars(18)), 1),
            (
                [frame(0x01, one), frame(0x80, two)].concat(),
                [frame(0x01, &stars(7)), frame(0x80, &stars(11))].concat(),
                1,
            ),
            (
                [frame(0x01, one), frame(0x89, b"ping"), frame(0x00, b""), frame(0x80, two)].concat(),
                [frame(0x01, &stars(7)), frame(0x89, b"ping"), frame(0x00, b""), frame(0x80, &stars(11))].concat(),
                1,
            ),
            ([frame(0x88, SECRET)].concat(), frame(0x88, &stars(18)), 1),
            // Two messages are two texts.
            ([frame(0x81, one), frame(0x81, two)].concat(), [frame(0x81, one), frame(0x81, two)].concat(), 0),
            (
                frame(0x82, &[b"x".repeat(300), SECRET.to_vec()].concat()),
                frame(0x82, &[b"x".repeat(300), stars(18)].concat()),
                1,
            ),
        ] {
            for size in 1..=sent.len() {
                assert_eq!(pass(&sent, size), (want.clone(), found), "in chunks of {size}");
            }
        }
    }

    #[test]
    fn nothing_is_kept_back_behind_a_message() {
        let mut frames = Frames::new(sought(), true);
        for content in [&b"x"[..], b"", b"sk-live"] {
            let whole = frame(0x81, content);
            assert_eq!(frames.push(Bytes::from(whole.clone())), Ok(Bytes::from(whole)));
        }
        let ping = frame(0x89, b"");
        assert_eq!(frames.push(Bytes::from(ping.clone())), Ok(Bytes::from(ping)));
    }

    #[test]
    fn what_waits_for_a_message_that_is_not_gone_on_with_is_bounded() {
        let mut frames = Frames::new(sought(), true);
        assert_eq!(frames.push(Bytes::from(frame(0x01, b"s"))), Ok(Bytes::from_static(&[0x01, 1])));
        let pings: Vec<_> = (0..100).map(|_| frames.push(Bytes::from(frame(0x89, b"")))).collect();
        assert!(pings.iter().any(Result::is_err), "{pings:?}");
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let masked = vec![0x81, 0x81, 1, 2, 3, 4, 5];
        let half_a_ping = frame(0x09, &SECRET[..7]);
        for opaque in [frame(0xc1, b"x"), frame(0xa1, b"x"), masked, frame(0x89, &[0; 126]), half_a_ping] {
            let mut frames = Frames::new(sought(), true);
            assert!(frames.push(Bytes::from(opaque)).is_err());
        }
    }
}
