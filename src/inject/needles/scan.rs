//! The search itself: what the needles are compiled to, and how a text is gone through with it.
//!
//! A needle without escapes is found by looking up four bytes of text every `stride` bytes. One with an escape, or with a line end, is found
//! at the first of these: vector instructions go from one to the next, and the two bytes around it must stand so in a needle. Either way
//! a candidate costs as much as the needle is long, and no more.

use std::ops::Range;

use super::Needles;
use super::escape::{LONGEST, read};
use super::hold::Class;
use super::index::{Entry, Index};
use super::needle::{Needle, is_base64};
use super::walk::{behind_line_end, walk};

/// How many bytes are looked up at once.
const GRAM: usize = 4;

/// The farthest apart that is looked up: more gains nothing, and would fill the index.
const LONGEST_STRIDE: usize = 64;

/// The most places that the index of grams is to have; beyond, its filter would let too much pass.
const MOST_GRAMS: usize = 4096;

/// The length of most escapes.
const NEAR: usize = 6;

/// An occurrence of a needle.
pub(super) struct Match {
    /// Where the needle begins.
    pub(super) start: usize,
    /// What is to be masked: the needle, and the characters beside it that hold bits of the secret.
    pub(super) span: Range<usize>,
    /// Whether the text ended before a character that may hold such bits.
    pub(super) has_edge_to_come: bool,
}

impl Needles {
    pub(super) fn compile(needles: Vec<Needle>) -> Self {
        let shortest = needles.iter().map(Needle::len).min().unwrap_or(GRAM);
        let longest = needles.iter().map(Needle::len).max().unwrap_or_default();
        let room = MOST_GRAMS / needles.len().max(1);
        let stride = (shortest + 1).saturating_sub(GRAM).min(LONGEST_STRIDE).min(room).max(1);
        let (mut grams, mut pairs, mut firsts) = (Vec::new(), Vec::new(), Vec::new());
        let mut is_first = [false; 256];
        for (number, needle) in needles.iter().enumerate() {
            let entry = |key, place| Entry { key, needle: number, place };
            for place in 0..stride {
                grams.extend(keys::<GRAM>(needle, place).into_iter().map(|bytes| entry(gram(bytes), place)));
            }
            for place in 1..needle.len() {
                pairs.extend(keys::<2>(needle, place - 1).into_iter().map(|[one, two]| entry(pair(one, two), place)));
            }
            for [first] in keys::<1>(needle, 0) {
                firsts.push(entry(first.into(), 0));
                set(&mut is_first, first);
            }
        }
        let mut is_used = [false; 256];
        for byte in needles.iter().flat_map(|needle| (0..needle.len()).filter_map(|at| needle.at(at))).flatten() {
            set(&mut is_used, byte);
        }
        let has_wraps = needles.iter().any(|needle| needle.is_wrapped);
        Self {
            is_first,
            shortest,
            // Each byte may be escaped, and have a line end of two escapes before it.
            reach: longest * 3 * LONGEST,
            grams: Index::new(grams),
            pairs: Index::new(pairs),
            firsts: Index::new(firsts),
            needles,
            stride,
            has_wraps,
            has_blanks: has(&is_used, b' '),
            class: Class::of(&is_used),
        }
    }

    /// Goes through a text and reports each occurrence once, in no order.
    pub(super) fn scan(&self, text: &[u8], found: &mut impl FnMut(Match)) {
        self.scan_unescaped(text, found);
        let (mut from, mut is_near) = (0, false);
        while let Some(place) = next_escape(text, from, is_near) {
            self.look_at_escape(text, place, found);
            is_near = place < from + 2 * NEAR;
            from = place + 1;
        }
        if self.has_blanks {
            for place in memchr::memchr_iter(b'+', text) {
                self.look_at_escape(text, place, found);
            }
        }
        if self.has_wraps {
            for place in memchr::memchr_iter(b'\n', text) {
                self.look_at_line_end(text, place, place + 1, found);
            }
        }
    }

    fn scan_unescaped(&self, text: &[u8], found: &mut impl FnMut(Match)) {
        let mut place = 0;
        while let Some(bytes) = text.get(place..).and_then(|rest| rest.first_chunk::<GRAM>()) {
            for entry in self.grams.at(gram(*bytes)) {
                let (Some(start), Some(needle)) = (place.checked_sub(entry.place), self.needles.get(entry.needle))
                else {
                    continue;
                };
                let end = start + needle.len();
                if text.get(start..end).is_some_and(|own| needle.starts_with(own)) {
                    found(complete(needle, text, start..end));
                }
            }
            place += self.stride;
        }
    }

    /// Reports the occurrences of which the escape at a place is the first.
    fn look_at_escape(&self, text: &[u8], place: usize, found: &mut impl FnMut(Match)) {
        let before = place.checked_sub(1).and_then(|before| text.get(before));
        for (byte, len) in read(text.get(place..).unwrap_or_default()) {
            if has(&self.is_first, byte) {
                self.confirm(self.firsts.at(byte.into()), text, place, (1, place + len), found);
            }
            if let Some(before) = before {
                self.confirm(self.pairs.at(pair(*before, byte)), text, place, (1, place + len), found);
            }
            if self.has_wraps && matches!(byte, b'\r' | b'\n') {
                let behind = behind_line_end(text, place);
                self.look_at_line_end(text, place, behind, found);
            }
        }
    }

    /// Reports the occurrences of which the line end from a place to `behind` is the first, and in which no escape is before it.
    fn look_at_line_end(&self, text: &[u8], place: usize, behind: usize, found: &mut impl FnMut(Match)) {
        let before = text.get(..place).unwrap_or_default();
        let before = before.strip_suffix(b"\r").unwrap_or(before);
        let rest = text.get(behind..).unwrap_or_default();
        let (Some(last), Some(next)) = (before.last(), rest.first()) else { return };
        if !is_base64(*last) {
            return;
        }
        let escaped = read(rest).map(|(byte, _)| byte);
        for next in std::iter::once(*next).chain(escaped) {
            self.confirm(self.pairs.at(pair(*last, next)), text, before.len(), (0, before.len()), found);
        }
    }

    /// Walks along the needle of each entry that stands unescaped before `place`: from there on, `skip` of its bytes later, at the text's
    /// place `behind`.
    fn confirm(
        &self,
        entries: &[Entry],
        text: &[u8],
        place: usize,
        (skip, behind): (usize, usize),
        found: &mut impl FnMut(Match),
    ) {
        for entry in entries {
            let (Some(start), Some(needle)) = (place.checked_sub(entry.place), self.needles.get(entry.needle)) else {
                continue;
            };
            let is_begun = || text.get(start..place).is_some_and(|own| needle.starts_with(own));
            if (skip == 1 || needle.is_wrapped)
                && is_begun()
                && let Some(end) = walk(needle, entry.place + skip, text, behind)
            {
                found(complete(needle, text, start..end));
            }
        }
    }
}

/// The next place of a byte that escapes begin with, but for `+`.
#[inline]
fn next_escape(text: &[u8], from: usize, is_near: bool) -> Option<usize> {
    // Escapes come in rows, and then vector instructions cost more than they save.
    let near = text.get(from..(from + if is_near { NEAR } else { 0 }).min(text.len()))?;
    if let Some(at) = near.iter().position(|byte| matches!(byte, b'%' | b'\\' | b'&')) {
        return Some(from + at);
    }
    let from = from + near.len();
    memchr::memchr3(b'%', b'\\', b'&', text.get(from..)?).map(|at| from + at)
}

/// All ways in which `N` places of a needle may be filled; none if it ends before.
fn keys<const N: usize>(needle: &Needle, place: usize) -> Vec<[u8; N]> {
    let mut all = vec![[0; N]];
    for at in 0..N {
        let Some([byte, twin]) = needle.at(place + at) else { return Vec::new() };
        let choices = if byte == twin { vec![byte] } else { vec![byte, twin] };
        all = all.iter().flat_map(|key| choices.iter().map(|choice| filled(*key, at, *choice))).collect();
    }
    all
}

/// Whether a set of bytes has this one.
#[inline]
pub(super) fn has(set: &[bool; 256], byte: u8) -> bool {
    set.get(usize::from(byte)).is_some_and(|is| *is)
}

fn set(set: &mut [bool; 256], byte: u8) {
    if let Some(own) = set.get_mut(usize::from(byte)) {
        *own = true;
    }
}

fn filled<const N: usize>(mut key: [u8; N], at: usize, byte: u8) -> [u8; N] {
    if let Some(own) = key.get_mut(at) {
        *own = byte;
    }
    key
}

#[inline]
fn gram(bytes: [u8; GRAM]) -> u32 {
    u32::from_le_bytes(bytes)
}

#[inline]
pub(super) fn pair(one: u8, two: u8) -> u32 {
    u32::from(u16::from_be_bytes([one, two]))
}

/// The occurrence, with the characters beside it that hold bits of the secret, as far as they are at hand.
fn complete(needle: &Needle, text: &[u8], found: Range<usize>) -> Match {
    let Range { mut start, mut end } = found;
    let has_edge_to_come = needle.has_edge_behind && end == text.len();
    if needle.has_edge_before {
        start -= edge_before(text.get(..start).unwrap_or_default());
    }
    if needle.has_edge_behind && text.get(end).is_some_and(|byte| is_base64(*byte)) {
        end += 1;
    }
    Match { start: found.start, span: start..end, has_edge_to_come }
}

/// The length of the base64 character that ends a text, escaped or not. Of an escape never only a part, which would no longer be one.
fn edge_before(text: &[u8]) -> usize {
    let is_escape = |len: &usize| {
        let tail = text.len().checked_sub(*len).and_then(|from| text.get(from..)).unwrap_or_default();
        read(tail).any(|(byte, own)| own == *len && is_base64(byte))
    };
    let plain = usize::from(text.last().is_some_and(|byte| is_base64(*byte)));
    (2..=LONGEST).rev().find(is_escape).unwrap_or(plain)
}
