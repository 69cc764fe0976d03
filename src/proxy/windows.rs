//! A body that is looked through as it passes: in windows that overlap, so that no cut hides what is in it.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf as _, Bytes, BytesMut};

use super::grpc::Messages;
use super::inspect::heed;
use crate::domain::{Denial, Inspection};
use crate::inspect::Report;
use crate::state::Inspecting;

/// How much is looked at together, in bytes, and how much of it stays for the next look.
const WINDOW: usize = 64 * 1024;
const OVERLAP: usize = 4 * 1024;
/// As how many times what is new no more of what went before is looked at again, where messages flow.
const OVERLAPS: usize = 8;
/// How much of a message goes on before its end, in bytes.
const PIECE: usize = 1024;

/// A body under way.
#[derive(Debug)]
pub(super) struct Windows {
    inspecting: Arc<Inspecting>,
    held: BytesMut,
    /// What was found first.
    found: Option<Report>,
    /// Whether it is in a coding, so that nothing can be seen.
    is_coded: bool,
    /// Where messages end: whoever sends one may wait for an answer, so that none may wait for what follows it.
    messages: Option<Messages>,
    /// How much of the end of what is held has not gone on: a part of a message.
    waiting: usize,
    /// How much of the message under way has gone on.
    gone: usize,
}

impl Windows {
    /// A body of which nothing has come.
    pub(super) fn new(inspecting: Arc<Inspecting>, is_coded: bool, messages: Option<Messages>) -> Self {
        Self { inspecting, held: BytesMut::new(), found: None, is_coded, messages, waiting: 0, gone: 0 }
    }

    pub(super) fn inspecting(&self) -> &Arc<Inspecting> {
        &self.inspecting
    }

    /// What was found.
    pub(super) fn found(&self) -> Option<&Report> {
        self.found.as_ref()
    }

    /// Begins anew.
    pub(super) fn restart(&mut self) {
        self.held.clear();
        (self.waiting, self.gone) = (0, 0);
        self.messages.iter_mut().for_each(Messages::restart);
    }

    /// Takes what has come and leaves what may go on.
    ///
    /// # Errors
    /// [`Denial::Inspection`], where what was found stops it.
    pub(super) fn take(&mut self, chunk: &mut Option<Bytes>, is_end: bool) -> Result<(), Denial> {
        if self.is_coded {
            let enforces = self.inspecting.enforces();
            return if enforces { Err(Denial::Inspection(Inspection::Unsupported)) } else { Ok(()) };
        }
        if self.messages.is_some() {
            return self.flow(chunk, is_end);
        }
        self.held.extend_from_slice(chunk.as_deref().unwrap_or_default());
        if !is_end && self.held.len() < WINDOW {
            // Never none, which would end the body.
            *chunk = Some(Bytes::new());
            return Ok(());
        }
        self.judge(0..self.held.len())?;
        let kept = if is_end { 0 } else { OVERLAP };
        *chunk = Some(self.held.split_to(self.held.len().saturating_sub(kept)).freeze());
        Ok(())
    }

    /// Lets go on what is of whole messages, or much. A part of one is nothing to its receiver yet: were each looked at by itself, single bytes would
    /// take thousands of times as long as they are.
    fn flow(&mut self, chunk: &mut Option<Bytes>, is_end: bool) -> Result<(), Denial> {
        let came = chunk.take().unwrap_or_default();
        let seen = self.held.len() - self.waiting;
        self.held.extend_from_slice(&came);
        let new = came.len();
        let whole = self.messages.as_mut().map_or(0, |messages| messages.ended(came));
        let all = self.held.len() - seen;
        let ready = match whole {
            _ if is_end || all >= PIECE => all,
            0 => 0,
            whole => self.waiting + whole,
        };
        self.waiting = all - ready;
        if ready > 0 {
            // What has gone on is looked at once more with what follows it, and most of all what is of the same message.
            let again = OVERLAP.min(self.gone.max(OVERLAPS * ready));
            self.judge(seen.saturating_sub(again)..seen + ready)?;
            self.gone = match whole {
                0 => self.gone + ready,
                whole if ready == all => new - whole,
                _ => 0,
            };
        }
        let go_on = Bytes::copy_from_slice(self.held.get(seen..seen + ready).unwrap_or_default());
        *chunk = Some(go_on).filter(|bytes| !is_end || !bytes.is_empty());
        self.held.advance((seen + ready).saturating_sub(OVERLAP));
        Ok(())
    }

    fn judge(&mut self, span: Range<usize>) -> Result<(), Denial> {
        let report = self.inspecting.profile.judge_window(self.held.get(span).unwrap_or_default());
        heed(&self.inspecting, report, &mut self.found)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use http::{HeaderMap, HeaderValue, header};

    use super::*;
    use crate::domain::Name;
    use crate::inspect::{Engine, Profile, RuleFile, Settings};
    use crate::state::Beyond;

    fn windows() -> Windows {
        let engine = Engine::new(RuleFile::ready_made().expect("rules")).expect("an engine");
        let profile = Profile::new(Arc::new(engine), Settings::default()).expect("a profile");
        let inspecting = Inspecting {
            name: Name::parse("default").expect("a name"),
            profile: Arc::new(profile),
            body: 1 << 20,
            memory: 1 << 16,
            beyond: Beyond::Reject,
            streams_grpc: true,
        };
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"))]);
        Windows::new(Arc::new(inspecting), false, Messages::of(&headers, false))
    }

    fn message(text: &[u8]) -> Vec<u8> {
        [&[0][..], &u32::try_from(text.len()).expect("short").to_be_bytes(), text].concat()
    }

    /// What goes on of these bytes, piece by piece.
    fn take(windows: &mut Windows, bytes: &[u8], is_end: bool) -> Result<usize, Denial> {
        let mut chunk = Some(Bytes::copy_from_slice(bytes));
        windows.take(&mut chunk, is_end)?;
        Ok(chunk.map_or(0, |bytes| bytes.len()))
    }

    #[test]
    fn messages_go_on_as_they_end_and_long_ones_in_pieces() {
        let mut windows = windows();
        let (short, long) = (message(b"hello"), message(&[b'x'; 3000]));
        for (nth, byte) in short.iter().enumerate() {
            let gone = take(&mut windows, &[*byte], false).expect("harmless");
            assert_eq!(gone, if nth + 1 == short.len() { short.len() } else { 0 });
        }
        let both = [&short[..], &long[..100]].concat();
        assert_eq!(take(&mut windows, &both, false).expect("harmless"), short.len());
        assert_eq!(take(&mut windows, &long[100..1030], false).expect("harmless"), 1030);
        assert_eq!(take(&mut windows, &long[1030..], false).expect("harmless"), long.len() - 1030);
        assert_eq!(take(&mut windows, &short[..3], false).expect("harmless"), 0);
        assert_eq!(take(&mut windows, b"", true).expect("harmless"), 3, "the end lets go of what is left");
    }

    #[test]
    fn an_attack_is_found_however_it_is_cut() {
        let attack = message(b"<script>alert(document.cookie)</script>");
        for size in [1, 7, attack.len()] {
            let mut windows = windows();
            let mut pieces = attack.chunks(size).map(|piece| take(&mut windows, piece, false));
            assert!(pieces.any(|taken| taken.is_err()), "{size}");
        }
    }

    #[test]
    fn the_end_of_a_long_message_is_looked_at_with_what_went_before() {
        let attack = b"<script>alert(document.cookie)</script>";
        let long = message(&[&[b'x'; 1100][..], b" ", attack].concat());
        for behind in 1..attack.len() {
            let mut windows = windows();
            let (most, rest) = long.split_at(long.len() - behind);
            let taken = take(&mut windows, most, false).and_then(|_| take(&mut windows, rest, false));
            assert!(taken.is_err(), "cut {behind} before its end");
        }
    }

    #[test]
    fn single_bytes_are_not_each_looked_at_with_all_that_went_before() {
        let mut windows = windows();
        let began = Instant::now();
        for byte in message(&b"a=b (c) {d} 'e' [f] <g ".repeat(2000)) {
            take(&mut windows, &[byte], false).expect("harmless");
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
}
