//! Records as text that are not linked yet, and how they are.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::chain::{Chain, Digest, Kind};
use super::tail::Torn;
use crate::crypto::{SigningKey, SigningKeyFault};

/// The members of lines, one after the other.
#[derive(Debug, Default)]
pub(super) struct Batch {
    text: Vec<u8>,
    /// The kind of each, and where it ends.
    ends: Vec<(Kind, usize)>,
    /// How many of them are in the file.
    done: usize,
}

/// From here on a batch is written before more is added.
const FULL: usize = 256 * 1024;

impl Batch {
    /// Adds one, which `write` writes.
    pub(super) fn add(&mut self, kind: Kind, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.text);
        self.ends.push((kind, self.text.len()));
    }

    /// Whether it should be written before more is added.
    pub(super) fn is_full(&self) -> bool {
        self.text.len() >= FULL
    }

    /// Whether all is written.
    pub(super) fn is_empty(&self) -> bool {
        self.done == self.ends.len()
    }

    /// Says that so many more are in the file.
    pub(super) fn did(&mut self, count: usize) {
        self.done += count;
        if self.is_empty() {
            self.text.clear();
            self.ends.clear();
            self.done = 0;
        }
    }

    fn rest(&self) -> impl Iterator<Item = (Kind, &[u8])> {
        let mut start = self.done.checked_sub(1).map_or(0, |last| self.ends[last].1);
        self.ends[self.done..].iter().map(move |&(kind, end)| {
            let members = &self.text[start..end];
            start = end;
            (kind, members)
        })
    }
}

/// Lines, linked, as they are to stand in the file.
#[derive(Debug)]
pub(super) struct Linked {
    pub(super) text: Vec<u8>,
    /// Where each line ends.
    ends: Vec<usize>,
    /// The chain before them, and with all of them.
    before: Chain,
    pub(super) chain: Chain,
    /// Whether the first of them tells of half a line.
    tells_torn: bool,
    /// Which of them are checkpoints.
    checkpoints: Vec<usize>,
}

/// What is written in front of a checkpoint before it is signed, so that the signature is good for nothing else.
pub(super) const CONTEXT: &[u8] = b"claviger audit checkpoint 1\n";

impl Linked {
    /// Nothing yet, behind this.
    pub(super) fn new(chain: Chain) -> Self {
        Self { text: Vec::new(), ends: Vec::new(), before: chain, chain, tells_torn: false, checkpoints: Vec::new() }
    }

    /// Begins again behind this.
    pub(super) fn begin(&mut self, chain: Chain) {
        (self.before, self.chain, self.tells_torn) = (chain, chain, false);
        self.text.clear();
        self.ends.clear();
        self.checkpoints.clear();
    }

    /// Ends the half line that is at the end of the file, and tells of it.
    pub(super) fn torn(&mut self, torn: Torn, time: &str) {
        self.text.push(b'\n');
        let members = format!(",\"time\":\"{time}\",\"bytes\":{},\"digest\":\"{}\"", torn.bytes, torn.digest);
        self.chain.link(&mut self.text, Kind::Torn, members.as_bytes());
        self.ends.push(self.text.len());
        self.tells_torn = true;
    }

    /// Adds what is left of a batch.
    pub(super) fn batch(&mut self, batch: &Batch, key: Option<&Arc<SigningKey>>) {
        for (kind, members) in batch.rest() {
            self.line(kind, members, key);
        }
    }

    /// Adds one line.
    pub(super) fn line(&mut self, kind: Kind, members: &[u8], key: Option<&Arc<SigningKey>>) {
        if kind == Kind::Checkpoint {
            self.checkpoints.push(self.ends.len());
            let start = self.chain.begin(&mut self.text, kind);
            self.text.extend_from_slice(members);
            if let Some(key) = key {
                // One that is not signed proves nothing, and says so.
                let _ = sign(&mut self.text, start, key);
            }
            self.chain.end(&mut self.text, start);
        } else {
            self.chain.link(&mut self.text, kind, members);
        }
        self.ends.push(self.text.len());
    }

    /// How many lines of the batch, and the chain with them, are in the first so many bytes; and where the last of those lines ends.
    pub(super) fn within(&self, written: usize) -> (usize, Chain, usize) {
        let lines = self.ends.partition_point(|&end| end <= written);
        if lines == self.ends.len() {
            return (self.count(lines), self.chain, written);
        }
        let Some(last) = lines.checked_sub(1) else { return (0, self.before, 0) };
        let line = self.of(last);
        let chain = Chain { seq: self.before.seq + lines as u64, head: Digest::of(line), ..self.before };
        (self.count(lines), chain, self.ends[last])
    }

    fn count(&self, lines: usize) -> usize {
        lines.saturating_sub(usize::from(self.tells_torn))
    }

    /// The checkpoints that are among the first so many bytes.
    pub(super) fn checkpoints(&self, written: usize) -> impl Iterator<Item = &[u8]> {
        let is_written = move |&&at: &&usize| self.ends[at] <= written;
        self.checkpoints.iter().take_while(is_written).map(|&at| self.of(at))
    }

    /// A line, without its end.
    fn of(&self, at: usize) -> &[u8] {
        let start = match at.checked_sub(1) {
            Some(before) => self.ends[before],
            None => usize::from(self.tells_torn),
        };
        &self.text[start..self.ends[at] - 1]
    }
}

/// Adds the signature of everything that the line says so far, and of how it is linked.
fn sign(out: &mut Vec<u8>, start: usize, key: &SigningKey) -> Result<(), SigningKeyFault> {
    let unsigned = out.len();
    out.extend_from_slice(format!(",\"key\":\"{}\"", key.kid()).as_bytes());
    match key.sign(&[CONTEXT, &out[start..]].concat()) {
        Ok(signature) => {
            let text = format!(",\"signature\":\"{}\"", URL_SAFE_NO_PAD.encode(signature));
            out.extend_from_slice(text.as_bytes());
            Ok(())
        }
        Err(fault) => {
            out.truncate(unsigned);
            Err(fault)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_of_a_batch_is_known_to_the_line() {
        let mut batch = Batch::default();
        for text in [",\"x\":1", ",\"x\":22", ",\"x\":333"] {
            batch.add(Kind::Exchange, |out| out.extend_from_slice(text.as_bytes()));
        }
        let torn = Torn { bytes: 3, digest: Digest::of(b"abc") };
        for tells_torn in [false, true] {
            let mut linked = Linked::new(Chain::new());
            if tells_torn {
                linked.torn(torn, "now");
            }
            linked.batch(&batch, None);
            let of_torn = usize::from(tells_torn);
            for written in 0..=linked.text.len() {
                let (count, chain, end) = linked.within(written);
                let lines = linked.text[..written].iter().filter(|&&b| b == b'\n').count() - of_torn.min(written);
                assert_eq!(count, lines.saturating_sub(of_torn), "{written}");
                assert_eq!(chain.seq as usize, lines, "{written}");
                assert!(end <= written && (end == 0 || linked.text[end - 1] == b'\n'), "{written}");
            }
            assert_eq!(linked.within(linked.text.len()).1, linked.chain);
        }
    }

    #[test]
    fn a_batch_goes_on_where_it_was_written_to() {
        let mut batch = Batch::default();
        for text in ["a", "b", "c"] {
            batch.add(Kind::Lost, |out| out.extend_from_slice(text.as_bytes()));
        }
        batch.did(1);
        assert_eq!(batch.rest().map(|(_, members)| members).collect::<Vec<_>>(), [b"b", b"c"]);
        batch.did(2);
        assert!(batch.is_empty() && batch.rest().next().is_none());
    }
}
