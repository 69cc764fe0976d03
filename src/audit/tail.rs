//! The end of a log that somebody wrote before: where its chain goes on, and what of it is half a line.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use memchr::memrchr;

use super::chain::{Chain, Digest, Head, Kind};

/// What the end of a file tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tail {
    /// The chain up to the last line of one; none where there is no such line.
    pub(super) chain: Option<Chain>,
    /// The digest of the last line of any sort, where there is one.
    pub(super) last: Option<Digest>,
    /// What stands behind the last whole line.
    pub(super) torn: Option<Torn>,
    /// Whether a line of a chain is among the last ones that is no checkpoint, as everywhere but in an anchor.
    pub(super) is_log: bool,
}

/// Half a line: its process ended, or its disk was full, while it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Torn {
    /// Its length in bytes.
    pub(super) bytes: u64,
    pub(super) digest: Digest,
}

impl Torn {
    pub(super) fn of(text: &[u8]) -> Self {
        Self { bytes: text.len() as u64, digest: Digest::of(text) }
    }
}

/// How much is looked at first.
const FIRST_LOOK: u64 = 64 * 1024;
/// How far back a line of a chain is looked for: longer than any record.
const MAX_LOOK: u64 = 8 * 1024 * 1024;

impl Tail {
    /// That of the first `len` bytes of a file.
    pub(super) fn of(file: &File, len: u64) -> io::Result<Self> {
        let mut look = FIRST_LOOK;
        loop {
            let start = len.saturating_sub(look);
            let mut text = vec![0; usize::try_from(len - start).unwrap_or(usize::MAX)];
            file.read_exact_at(&mut text, start)?;
            let tail = Self::of_text(&text, start == 0);
            if tail.chain.is_some() || start == 0 || look >= MAX_LOOK {
                return Ok(tail);
            }
            look *= 4;
        }
    }

    /// That of all that comes, of which no more is kept than is looked at.
    pub(super) fn of_stream(input: &mut impl Read) -> io::Result<Self> {
        let (mut text, mut is_whole) = (Vec::new(), true);
        loop {
            let before = text.len();
            input.by_ref().take(MAX_LOOK).read_to_end(&mut text)?;
            if text.len() == before {
                return Ok(Self::of_text(&text, is_whole));
            }
            if let Some(old) = text.len().checked_sub(usize::try_from(MAX_LOOK).unwrap_or(usize::MAX)) {
                is_whole &= old == 0;
                text.drain(..old);
            }
        }
    }

    /// That of a text, which begins with a line, or somewhere in one.
    pub(super) fn of_text(text: &[u8], is_whole: bool) -> Self {
        let end = memrchr(b'\n', text).map_or(0, |at| at + 1);
        let torn = Some(&text[end..]).filter(|rest| !rest.is_empty());
        let torn = torn.map(Torn::of);
        let mut tail = Self { chain: None, last: None, torn, is_log: false };
        let mut rest = &text[..end];
        while let Some(before) = rest.strip_suffix(b"\n") {
            let start = match memrchr(b'\n', before) {
                Some(at) => at + 1,
                None if is_whole => 0,
                None => break,
            };
            let line = &before[start..];
            tail.last.get_or_insert_with(|| Digest::of(line));
            if let Some(head) = Head::parse(line) {
                tail.chain.get_or_insert_with(|| Chain { id: head.chain, seq: head.seq, head: Digest::of(line) });
                tail.is_log = head.kind != Kind::Checkpoint;
                if tail.is_log {
                    break;
                }
            }
            rest = &before[..start];
        }
        tail
    }
}

/// The first line of a chain in a file; none where there is none.
pub(super) fn first_head(file: &File) -> io::Result<Option<Head>> {
    let (mut text, mut at) = (Vec::new(), 0);
    let mut block = vec![0; 64 * 1024];
    loop {
        let read = file.read_at(&mut block, at)?;
        if read == 0 {
            return Ok(None);
        }
        at += read as u64;
        text.extend_from_slice(&block[..read]);
        let Some(end) = memrchr(b'\n', &text) else {
            if text.len() as u64 > MAX_LOOK {
                // So long a line is none.
                text.clear();
            }
            continue;
        };
        if let Some(head) = text[..end].split(|&b| b == b'\n').find_map(Head::parse) {
            return Ok(Some(head));
        }
        text.drain(..=end);
    }
}

/// Whether a file ends in the middle of a line.
pub(super) fn ends_amid_line(file: &File) -> io::Result<bool> {
    let Some(last) = file.metadata()?.len().checked_sub(1) else { return Ok(false) };
    let mut end = [0];
    file.read_exact_at(&mut end, last)?;
    Ok(end != *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_tells_where_it_goes_on() {
        let mut chain = Chain::new();
        let mut text = Vec::new();
        assert_eq!(Tail::of_text(b"", true), Tail::default());
        chain.link(&mut text, Kind::Opened, b"");
        chain.link(&mut text, Kind::Closed, b",\"x\":1");
        let last = Some(chain.head);
        assert_eq!(Tail::of_text(&text, true), Tail { chain: Some(chain), last, torn: None, is_log: true });
        for rest in [&b"{\"kind\":\"exch"[..], b"\0"] {
            let torn = Some(Torn { bytes: rest.len() as u64, digest: Digest::of(rest) });
            let tail = Tail::of_text(&[&text[..], rest].concat(), true);
            assert_eq!(tail, Tail { chain: Some(chain), last, torn, is_log: true });
        }
        let strange = [&text[..], b"garbage\nmore\n"].concat();
        let last = Some(Digest::of(b"more"));
        assert_eq!(Tail::of_text(&strange, true), Tail { chain: Some(chain), last, torn: None, is_log: true });
        // The line that it begins in the middle of is not taken for one.
        assert_eq!(Tail::of_text(b"ge\n", false), Tail::default());
    }

    #[test]
    fn the_end_of_a_stream_is_that_of_the_file_it_would_be() {
        let (mut chain, mut text) = (Chain::new(), Vec::new());
        let long = format!(",\"x\":\"{}\"", "y".repeat(3_000_000));
        for _ in 0..4 {
            chain.link(&mut text, Kind::Exchange, long.as_bytes());
        }
        for rest in [&b""[..], b"garbage\n", b"half"] {
            text.extend_from_slice(rest);
            let mut file = tempfile::tempfile().expect("a file");
            io::Write::write_all(&mut file, &text).expect("written");
            let tail = Tail::of_stream(&mut &text[..]).expect("read");
            assert_eq!(tail, Tail::of(&file, text.len() as u64).expect("read"));
            assert_eq!(tail.chain, Some(chain));
        }
        assert_eq!(Tail::of_stream(&mut &b""[..]).expect("read"), Tail::default());
    }

    #[test]
    fn a_long_line_is_looked_back_at_to_its_beginning() {
        let (mut chain, mut text) = (Chain::new(), Vec::new());
        chain.link(&mut text, Kind::Opened, b"");
        let long = format!(",\"x\":\"{}\"", "y".repeat(1_000_000));
        chain.link(&mut text, Kind::Exchange, long.as_bytes());
        let mut file = tempfile::tempfile().expect("a file");
        io::Write::write_all(&mut file, &text).expect("written");
        assert_eq!(Tail::of(&file, text.len() as u64).expect("read").chain, Some(chain));
        assert_eq!(first_head(&file).expect("read").map(|head| head.seq), Some(1));
    }
}
