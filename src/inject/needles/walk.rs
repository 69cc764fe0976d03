//! A walk along one needle in a text, through whatever escapes and line ends the text has put into it.

use super::escape::{LONGEST, is_introducer, read};
use super::needle::Needle;

/// Walks along `needle` from its place `from`, and along `text` from `place`; tells where the text has the whole needle behind it, at the
/// farthest such place.
pub(super) fn walk(needle: &Needle, mut from: usize, text: &[u8], mut place: usize) -> Option<usize> {
    while let Some(wants) = needle.at(from) {
        match sole_step(text, place, wants, needle.is_wrapped) {
            Sole::Step(len) => place += len,
            Sole::None => return None,
            Sole::Unknown => {
                let next = step_all(needle, from, text, &Places::of(place));
                let Some(only) = next.only() else { return walk_all(needle, from + 1, text, next) };
                place = only;
            }
        }
        from += 1;
    }
    Some(place)
}

/// What is at a place, if it can be read in one way only; nearly all of a way is made of that.
enum Sole {
    /// A wanted byte, written in so many.
    Step(usize),
    /// No wanted byte.
    None,
    /// There may be several ways, or a line end, or the end of the text.
    Unknown,
}

#[inline]
fn sole_step(text: &[u8], place: usize, wants: [u8; 2], is_wrapped: bool) -> Sole {
    let rest = text.get(place..).unwrap_or_default();
    let Some(first) = rest.first() else { return Sole::Unknown };
    let is_line_end = |byte: u8| is_wrapped && matches!(byte, b'\r' | b'\n');
    if !is_introducer(*first) && !is_line_end(*first) {
        return if wants.contains(first) { Sole::Step(1) } else { Sole::None };
    }
    if rest.len() < LONGEST || wants.contains(first) {
        return Sole::Unknown;
    }
    let mut readings = read(rest);
    match (readings.next(), readings.next()) {
        (Some((byte, len)), None) if wants.contains(&byte) => Sole::Step(len),
        (Some((byte, _)), None) if !is_line_end(byte) => Sole::None,
        _ => Sole::Unknown,
    }
}

/// The same from several places at once.
fn walk_all(needle: &Needle, mut from: usize, text: &[u8], mut here: Places) -> Option<usize> {
    while from < needle.len() && !here.is_empty() {
        here = step_all(needle, from, text, &here);
        from += 1;
    }
    here.iter().max()
}

/// The places behind every writing of the needle's next byte.
fn step_all(needle: &Needle, from: usize, text: &[u8], here: &Places) -> Places {
    let mut next = Places::default();
    for mut place in here.iter() {
        if needle.is_wrapped && from > 0 {
            place = behind_line_end(text, place);
        }
        step(text, place, needle.at(from).unwrap_or_default(), &mut next);
    }
    next
}

/// The place behind the line end which is at a place, or that place if none is there.
pub(super) fn behind_line_end(text: &[u8], place: usize) -> usize {
    if !text.get(place).is_some_and(|byte| matches!(byte, b'\r' | b'\n') || is_introducer(*byte)) {
        return place;
    }
    let one = |place: usize, want: u8| {
        let mut next = Places::default();
        step(text, place, [want; 2], &mut next);
        next.iter().max()
    };
    let behind_cr = one(place, b'\r').unwrap_or(place);
    one(behind_cr, b'\n').unwrap_or(place)
}

/// Adds the places behind every writing of a wanted byte.
fn step(text: &[u8], place: usize, wants: [u8; 2], next: &mut Places) {
    let rest = text.get(place..).unwrap_or_default();
    let Some(first) = rest.first() else { return };
    if wants.contains(first) {
        next.add(place + 1);
    }
    if !is_introducer(*first) {
        return;
    }
    for (byte, len) in read(rest) {
        if wants.contains(&byte) {
            next.add(place + len);
        }
    }
}

/// Places in a text at which a walk may be at the same time, for `%25` may say `%` as well as itself. Only secrets made of nothing but
/// backslashes could need more; of those, the nearest places are kept.
#[derive(Default)]
struct Places {
    all: [usize; 8],
    count: usize,
}

impl Places {
    fn of(place: usize) -> Self {
        let mut one = Self::default();
        one.add(place);
        one
    }

    /// The place, if it is one.
    fn only(&self) -> Option<usize> {
        self.all.first().copied().filter(|_| self.count == 1)
    }

    fn add(&mut self, place: usize) {
        if self.iter().any(|own| own == place) {
            return;
        }
        if let Some(free) = self.all.get_mut(self.count) {
            *free = place;
            self.count += 1;
        }
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        self.all.iter().copied().take(self.count)
    }

    fn is_empty(&self) -> bool {
        self.count == 0
    }
}
