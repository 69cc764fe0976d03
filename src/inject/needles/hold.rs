//! Which end of a text has to wait for what comes next, since a needle may go on there.
//!
//! It must not depend on what the secret is: whoever can have an upstream say what they like sees how much of it goes on at once, and could guess
//! the secret byte by byte.

use super::Needles;

/// A line that base64 was broken into has at least so many characters.
const LINE: usize = 20;
/// The least that is kept back where all of a text may be of needles, in bytes: more than most secrets need.
const LEAST: usize = 4096;

/// Which bytes needles are made of, as far as anybody may know: those of tokens and of escapes, and where the secret has others, all of their sort.
pub(super) struct Class([bool; 256]);

impl Class {
    /// The class for needles that have these bytes.
    pub(super) fn of(used: &[bool; 256]) -> Self {
        let is_common = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+/.~%\\&#;\0".contains(&byte);
        let sorts: [fn(u8) -> bool; 4] = [
            |byte| byte == b' ',
            |byte| byte.is_ascii_punctuation(),
            |byte| byte.is_ascii_control() && byte != 0,
            |byte| !byte.is_ascii(),
        ];
        let has =
            |sort: fn(u8) -> bool| (0..=255_u8).zip(used).any(|(byte, used)| *used && sort(byte) && !is_common(byte));
        let present: Vec<_> = sorts.into_iter().filter(|sort| has(*sort)).collect();
        let mut all = [false; 256];
        for (byte, is) in (0..=255_u8).zip(&mut all) {
            *is = is_common(byte) || present.iter().any(|sort| sort(byte));
        }
        Self(all)
    }

    fn has(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte)).is_some_and(|is| *is)
    }
}

impl Needles {
    /// The first place from which on the text is kept back: where its last run of such bytes begins, but not farther back than a needle
    /// can be long. A line end is in a run where a whole line of base64 stands before it.
    pub(super) fn held_from(&self, text: &[u8]) -> usize {
        let farthest = text.len().saturating_sub(self.reach.next_power_of_two().max(LEAST));
        let mut from = text.len();
        while from > farthest {
            let Some(last) = text.get(from - 1) else { break };
            if self.class.has(*last) {
                from -= 1;
            } else if let Some(before) = self.before_line_end(text, from) {
                from = before;
            } else {
                break;
            }
        }
        from
    }

    fn before_line_end(&self, text: &[u8], from: usize) -> Option<usize> {
        let before = text.get(..from)?;
        let line = [b"\r\n".as_slice(), b"\n", b"\r"].iter().find_map(|end| before.strip_suffix(*end))?;
        let run = line.get(line.len().checked_sub(LINE)?..)?;
        (self.has_wraps && run.iter().all(|byte| self.class.has(*byte))).then_some(line.len())
    }
}
