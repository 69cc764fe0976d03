//! Finds the head in what a client sends, however it is cut into reads.

use crate::domain::HttpFault;

use super::head;

/// Past this many times the limit a head is no longer read, not even to answer that it is too large.
const FAR: usize = 4;

/// The head that is being received.
#[derive(Default)]
pub(super) struct HeadScan {
    /// What came before, if the head did not come in one read. Bounded by the limit, and given back when the head ends.
    buffer: Vec<u8>,
    seen: usize,
    too_large: bool,
    /// Where in the last read a chunked body begins, if the head that ended there tells of one.
    chunks_at: Option<usize>,
}

/// What a read brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scanned {
    /// The head goes on.
    More,
    /// The head ended, and is sound or not.
    Ended(Result<(), HttpFault>),
    /// The head is larger than the limit; its end is no longer looked for.
    TooLarge,
    /// So large that it must not be read on.
    FarTooLarge,
}

impl HeadScan {
    /// Takes the next bytes. Those after the head's end belong to its body, and are not looked at.
    pub(super) fn push(&mut self, bytes: &[u8], max: usize) -> Scanned {
        self.seen = self.seen.saturating_add(bytes.len());
        if self.too_large {
            return self.overrun(max);
        }
        let known = self.buffer.len();
        let room = max.saturating_add(1).saturating_sub(known);
        let bytes = &bytes[..bytes.len().min(room)];
        let received = if known == 0 {
            bytes
        } else {
            self.buffer.extend_from_slice(bytes);
            &self.buffer
        };
        match head::end(received, known) {
            Some(end) if end <= max => {
                let checked = head::is_chunked(&received[..end]);
                let chunks_at = (checked == Ok(true)).then(|| end - known);
                *self = Self { chunks_at, ..Self::default() };
                Scanned::Ended(checked.map(drop))
            }
            Some(_) | None if received.len() > max => self.overrun(max),
            Some(_) | None => {
                if known == 0 {
                    self.buffer.extend_from_slice(bytes);
                }
                Scanned::More
            }
        }
    }

    /// Where in the last read a chunked body begins; asked once when a head has ended.
    pub(super) fn chunks_at(&mut self) -> Option<usize> {
        self.chunks_at.take()
    }

    /// Whether a part of a head was received.
    pub(super) fn is_begun(&self) -> bool {
        self.seen > 0
    }

    fn overrun(&mut self, max: usize) -> Scanned {
        self.too_large = true;
        self.buffer = Vec::new();
        if self.seen > max.saturating_mul(FAR) { Scanned::FarTooLarge } else { Scanned::TooLarge }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: &[u8] = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\n";
    const BODY: &[u8] = b"GET /smuggled HTTP/1.1\n\r\n\r\n\n\n";

    /// The first answer that is not `More`, with the number of reads it took.
    fn scan(reads: &[&[u8]], max: usize) -> Option<Scanned> {
        let mut scan = HeadScan::default();
        reads.iter().map(|read| scan.push(read, max)).find(|scanned| *scanned != Scanned::More)
    }

    #[test]
    fn a_head_cut_anywhere_gives_the_same_answer() {
        let sound = [HEAD, BODY].concat();
        let bare = String::from_utf8_lossy(HEAD).replace("a\r\n", "a\n").into_bytes();
        for (bytes, want) in [(sound, Ok(())), (bare, Err(HttpFault::LineEnd))] {
            for cut in 0..=bytes.len() {
                let (first, second) = bytes.split_at(cut);
                assert_eq!(scan(&[first, second], 1024), Some(Scanned::Ended(want)), "{cut}");
            }
            let drips: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(scan(&drips, 1024), Some(Scanned::Ended(want)));
        }
    }

    #[test]
    fn a_head_may_be_as_large_as_the_limit_and_not_one_byte_larger() {
        let drips: Vec<&[u8]> = HEAD.chunks(1).collect();
        for reads in [vec![HEAD], drips] {
            assert_eq!(scan(&reads, HEAD.len()), Some(Scanned::Ended(Ok(()))));
            assert_eq!(scan(&reads, HEAD.len() - 1), Some(Scanned::TooLarge));
        }
    }

    #[test]
    fn a_head_far_too_large_is_not_read_on_and_not_kept() {
        let mut scan = HeadScan::default();
        let answers: Vec<Scanned> = (0..6).map(|_| scan.push(&[b'a'; 100], 100)).collect();
        assert_eq!(answers[0], Scanned::More);
        assert!(answers[1..4].iter().all(|answer| *answer == Scanned::TooLarge));
        assert!(answers[4..].iter().all(|answer| *answer == Scanned::FarTooLarge));
        assert_eq!(scan.buffer.capacity(), 0);
    }

    proptest! {
        #[test]
        fn no_way_of_cutting_changes_the_answer(
            lines in proptest::collection::vec("(GET / HTTP/1\\.1|Host: a|Content-Length: 1|X: [a-z]{0,9}|\r|)(\r\n|\r\n|\n)", 1..8),
            cuts in proptest::collection::vec(1usize..9, 1..99),
        ) {
            let bytes = lines.concat().into_bytes();
            let mut reads = Vec::new();
            let mut rest = bytes.as_slice();
            for cut in cuts {
                let (read, after) = rest.split_at(cut.min(rest.len()));
                reads.push(read);
                rest = after;
            }
            reads.push(rest);
            prop_assert_eq!(scan(&reads, 64), scan(&[bytes.as_slice()], 64));
        }
    }
}
