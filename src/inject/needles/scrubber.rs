//! Masks what the needles find in a stream of chunks, without changing a length.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use zeroize::{Zeroize, Zeroizing};

use super::Needles;
use super::needle::is_base64;
use super::scan::Match;

const MASK: u8 = b'*';
/// What is held is looked through again once this share of it is new, where it is longer than so many bytes: one byte after another would take the square
/// of how much may be held.
const SHARE: usize = 4;
const SHORT: usize = 512;
/// By so much of the end of what is held, whether a line end is one of base64.
const CONTEXT: usize = 64;

/// One stream under way. Each byte of an occurrence becomes `*`, so that lengths told elsewhere stay true.
pub struct Scrubber {
    needles: Arc<Needles>,
    /// The end of what came, as it came: it may be the beginning of a needle.
    held: Zeroizing<Vec<u8>>,
    /// How many of the held bytes were looked through.
    seen: usize,
    /// How many of the held bytes belong to an occurrence whose beginning went on before.
    owed: usize,
    /// Whether the next byte to come holds bits of a secret, should it be base64.
    has_edge: bool,
    found: u64,
}

impl Scrubber {
    /// A stream of which nothing has come.
    pub fn new(needles: Arc<Needles>) -> Self {
        Self { needles, held: Zeroizing::default(), seen: 0, owed: 0, has_edge: false, found: 0 }
    }

    /// Takes what has come and returns what may go on. What may be the beginning of a needle is kept until more comes, or the end.
    pub fn push(&mut self, chunk: Bytes, end: bool) -> Bytes {
        if self.needles.is_empty() || (chunk.is_empty() && !end) {
            return chunk;
        }
        let new = self.held.len() - self.seen + chunk.len();
        if !end && self.seen > SHORT && new < self.seen / SHARE && self.goes_on(&chunk) {
            self.keep(&chunk);
            return Bytes::new();
        }
        let (came_from, is_dry) = (self.seen, new == 0);
        let mut text = self.join(chunk);
        let keep_from = if end { text.len() } else { self.needles.held_from(&text) };
        let mut matches = Vec::new();
        self.needles.scan(&text, &mut |one| matches.push(one));
        let mut masked_to = self.owed;
        if self.has_edge && text.get(came_from).is_some_and(|byte| is_base64(*byte)) {
            masked_to = came_from + 1;
        }
        self.held.zeroize();
        self.held.extend_from_slice(text.get(keep_from..).unwrap_or_default());
        self.seen = self.held.len();
        text.truncate(keep_from);
        if masked_to > 0 || !matches.is_empty() {
            let owed = 0..masked_to;
            text = masked(text, matches.iter().map(|one| &one.span).chain([&owed]));
        }
        // What begins in the part that is kept will be found again, whole.
        matches.retain(|one| one.start < keep_from);
        let masked_to = matches.iter().map(|one| one.span.end).fold(masked_to, usize::max);
        self.owed = masked_to.saturating_sub(keep_from);
        let is_still_to_come = self.has_edge && is_dry;
        self.has_edge = is_still_to_come || matches.iter().any(|one| one.has_edge_to_come);
        self.count(matches);
        text
    }

    /// How many occurrences were masked.
    pub fn found(&self) -> u64 {
        self.found
    }

    /// One place is counted once, however many ways there are to read it.
    fn count(&mut self, mut matches: Vec<Match>) {
        matches.sort_unstable_by_key(|one| one.start);
        matches.dedup_by_key(|one| one.start);
        self.found += matches.len() as u64;
    }

    /// Whether all of this is of the run that is held, so that nothing of it can go on yet.
    fn goes_on(&self, chunk: &[u8]) -> bool {
        let end = self.held.get(self.held.len().saturating_sub(CONTEXT)..).unwrap_or_default();
        let text = Zeroizing::new([end, chunk].concat());
        self.needles.held_from(&text) == 0
    }

    /// Holds more; what was held leaves no copy where it grows.
    fn keep(&mut self, chunk: &[u8]) {
        if self.held.capacity() - self.held.len() < chunk.len() {
            let mut larger = Zeroizing::new(Vec::with_capacity(2 * (self.held.len() + chunk.len())));
            larger.extend_from_slice(&self.held);
            self.held = larger;
        }
        self.held.extend_from_slice(chunk);
    }

    fn join(&self, chunk: Bytes) -> Bytes {
        if self.held.is_empty() {
            return chunk;
        }
        let mut joined = BytesMut::with_capacity(self.held.len() + chunk.len());
        joined.extend_from_slice(&self.held);
        joined.extend_from_slice(&chunk);
        joined.freeze()
    }
}

impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrubber").field("held", &self.held.len()).field("found", &self.found).finish_non_exhaustive()
    }
}

/// The text with the spans masked, as far as they are in it; in place unless somebody else has the text too.
fn masked<'a>(text: Bytes, spans: impl Iterator<Item = &'a Range<usize>>) -> Bytes {
    let mut text = BytesMut::from(text);
    let len = text.len();
    for span in spans {
        if let Some(own) = text.get_mut(span.start.min(len)..span.end.min(len)) {
            own.fill(MASK);
        }
    }
    text.freeze()
}
