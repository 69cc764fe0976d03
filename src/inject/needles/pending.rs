//! Which end of a text may be the beginning of a needle, and so has to wait for what comes next.

use super::Needles;
use super::escape::{LONGEST, is_introducer, read};
use super::scan::{has, pair};
use super::walk::walk;

impl Needles {
    /// The first place from which on the text may be the beginning of a needle; the text's length if there is none.
    pub(super) fn pending_from(&self, text: &[u8]) -> usize {
        let farthest = text.len().saturating_sub(self.reach);
        let broken = (farthest..text.len()).rev().find_map(|place| self.last_break(text, place));
        let from = broken.unwrap_or_else(|| self.farthest_in(text, farthest));
        (from..text.len()).find(|place| self.is_pending(text, *place)).unwrap_or(text.len())
    }

    /// How far back a needle may begin: where nothing is escaped, no farther than it is long.
    fn farthest_in(&self, text: &[u8], farthest: usize) -> usize {
        let is_stretched = |byte: &u8| is_introducer(*byte) || matches!(byte, b'\r' | b'\n');
        let is_plain = !text.get(farthest..).unwrap_or_default().iter().any(is_stretched);
        if is_plain { text.len().saturating_sub(self.longest).max(farthest) } else { farthest }
    }

    /// Where a needle may begin again at the earliest, if none can go on over the byte at a place. Mostly the last bytes of a text
    /// answer that, and the walks from each place before, which would be dear, are spared.
    fn last_break(&self, text: &[u8], place: usize) -> Option<usize> {
        let byte = *text.get(place)?;
        let before = text.get(..place)?;
        let last = *before.last()?;
        if is_introducer(byte) {
            let rest = text.get(place..)?;
            let may_be_read = rest.len() < LONGEST || read(rest).any(|(said, _)| self.may_use(said));
            return (!may_be_read && !has(&self.is_used, byte)).then_some(place + 1);
        }
        let is_end = |byte: u8| matches!(byte, b'\r' | b'\n');
        let may_wrap = self.has_wraps && (is_end(last) != is_end(byte) || (last, byte) == (b'\r', b'\n'));
        if may_wrap || self.pairs.may_have(pair(last, byte)) {
            return None;
        }
        // Either byte may be of an escape, and then it stands for none in a needle.
        let near = before.get(before.len().saturating_sub(LONGEST)..)?;
        (!near.iter().any(|byte| is_introducer(*byte))).then_some(place)
    }

    fn may_use(&self, byte: u8) -> bool {
        has(&self.is_used, byte) || (self.has_wraps && matches!(byte, b'\r' | b'\n'))
    }

    fn is_pending(&self, text: &[u8], place: usize) -> bool {
        let rest = text.get(place..).unwrap_or_default();
        let Some(first) = rest.first() else { return false };
        let may_begin = has(&self.is_first, *first)
            || is_introducer(*first) && (rest.len() < LONGEST || read(rest).any(|(byte, _)| has(&self.is_first, byte)));
        may_begin && self.needles.iter().any(|needle| walk(needle, 0, text, place).is_pending)
    }
}
