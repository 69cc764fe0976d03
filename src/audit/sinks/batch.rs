//! Records that are sent at once.

use std::ops::Range;

/// Whole lines of a log, one after the other.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Each with its end.
    text: String,
    lines: Vec<Range<usize>>,
    chain: String,
    first: u64,
    last: u64,
    /// When the first one happened, and by when all were written, as records tell times.
    pub(super) since: String,
    pub(super) written: String,
}

impl Batch {
    /// Adds a record of this chain and number, and of this time.
    pub(super) fn add(&mut self, line: &str, chain: &str, seq: u64, time: &str) {
        let start = self.text.len();
        self.text.push_str(line);
        self.lines.push(start..self.text.len());
        self.text.push('\n');
        if self.lines.len() == 1 {
            chain.clone_into(&mut self.chain);
            time.clone_into(&mut self.since);
            self.first = seq;
        }
        self.last = seq;
    }

    /// How many there are.
    pub(super) fn records(&self) -> usize {
        self.lines.len()
    }

    /// The lines, without their ends.
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter_map(|range| self.text.get(range.clone()))
    }

    /// The lines, each with its end.
    pub(super) fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The last record's place.
    pub(super) fn end(&self) -> (&str, u64) {
        (&self.chain, self.last)
    }

    /// What only these records are called by, however often they are sent together.
    pub(super) fn key(&self) -> String {
        format!("claviger-{}-{}-{}", self.chain, self.first, self.last)
    }
}
