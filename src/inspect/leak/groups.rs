//! What is found by groups of digits and capitals: cards and national ids. Since the shortest of them is long, and made of few characters,
//! one byte in so many is looked at, and most of a text never.

use super::card;
use super::found::{Found, Mask};
use super::ids;
use super::profile::LeakKind;
use super::view::{Verdict, View};

/// Which numbers are looked for.
pub(super) struct Groups {
    kinds: Vec<(LeakKind, Judge)>,
    /// What they are made of, besides single blanks, dots and hyphens between.
    is_core: [bool; 256],
    is_joint: [bool; 256],
    /// The length of the shortest.
    shortest: usize,
}

type Judge = fn(&View<'_>, usize) -> Verdict;

/// Each kind with what it begins and ends with, whether it has capitals, and the length of the shortest.
const KINDS: [(LeakKind, Judge, bool, usize); 8] = [
    (LeakKind::Card, card::judge, false, 13),
    (LeakKind::UsSsn, ids::us_ssn, false, 11),
    (LeakKind::BrCpf, ids::br_cpf, false, 14),
    (LeakKind::FrNir, ids::fr_nir, false, 15),
    (LeakKind::Iban, ids::iban, true, 15),
    (LeakKind::UkNino, ids::uk_nino, true, 9),
    (LeakKind::EsDni, ids::es_dni, true, 9),
    (LeakKind::ItCf, ids::it_cf, true, 16),
];

impl Groups {
    /// Those of the kinds that are on; none where there are none.
    pub(super) fn new(is_on: impl Fn(LeakKind) -> bool) -> Option<Self> {
        let on = || KINDS.iter().filter(|(kind, ..)| is_on(*kind));
        let shortest = on().map(|(.., shortest)| *shortest).min()?;
        let has_capitals = on().any(|(_, _, has_capitals, _)| *has_capitals);
        let (mut is_core, mut is_joint) = ([false; 256], [false; 256]);
        for (byte, (core, joint)) in (0..=255_u8).zip(is_core.iter_mut().zip(&mut is_joint)) {
            *core = byte.is_ascii_digit() || (has_capitals && byte.is_ascii_uppercase());
            *joint = matches!(byte, b' ' | b'-') || (byte == b'.' && is_on(LeakKind::BrCpf));
        }
        Some(Self { kinds: on().map(|(kind, judge, ..)| (*kind, *judge)).collect(), is_core, is_joint, shortest })
    }

    /// Goes on from a place; tells from where on nothing is decided.
    pub(super) fn scan(&self, view: &View<'_>, from: usize, found: &mut Found) -> usize {
        let len = view.text.len();
        let mut at = from;
        while let Some(byte) = view.at(at + self.shortest - 1) {
            let look = at + self.shortest - 1;
            if !self.may_be_within(view, look, byte) {
                at = look + 1;
                continue;
            }
            match self.run(view, self.begin(view, at, look), found) {
                Ok(end) => at = end.max(look + 1),
                Err(place) => return place,
            }
        }
        if view.is_end || at >= len {
            return len.max(at);
        }
        match self.run(view, self.begin(view, at, len), found) {
            Ok(_) => len,
            Err(place) => place,
        }
    }

    #[inline]
    fn may_be_within(&self, view: &View<'_>, place: usize, byte: u8) -> bool {
        if has(&self.is_core, byte) {
            return true;
        }
        // One that joins stands between two that it joins; of what has not come, nobody knows.
        let is_core = |byte: Option<u8>| byte.is_none_or(|byte| has(&self.is_core, byte));
        has(&self.is_joint, byte) && is_core(view.at(place - 1)) && is_core(view.at(place + 1))
    }

    /// Where the characters begin of which all stand before a place, but not before another.
    fn begin(&self, view: &View<'_>, least: usize, place: usize) -> usize {
        let own = view.text.get(least..place).unwrap_or_default();
        let is_any = |byte: &&u8| has(&self.is_core, **byte) || has(&self.is_joint, **byte);
        place - own.iter().rev().take_while(is_any).count()
    }

    /// Asks at each word from a place on, to the end of such characters; tells where that is, or at which word more has to come.
    fn run(&self, view: &View<'_>, from: usize, found: &mut Found) -> Result<usize, usize> {
        let mut place = from;
        while let Some(byte) = view.at(place) {
            if !has(&self.is_core, byte) {
                if !has(&self.is_joint, byte) {
                    break;
                }
                place += 1;
                continue;
            }
            if view.begins_word(place) {
                match self.judge(view, place) {
                    (Verdict::More, _) => return Err(place),
                    (Verdict::Is(len), kind) => {
                        found.hit(kind);
                        found.mask(kind, place..place + len, mask(view, place, len));
                        place += len;
                        continue;
                    }
                    (Verdict::No, _) => {}
                }
            }
            place += 1;
        }
        Ok(place)
    }

    /// What begins here, by the first kind that knows, or may know once more has come.
    fn judge(&self, view: &View<'_>, place: usize) -> (Verdict, LeakKind) {
        for (kind, judge) in &self.kinds {
            let verdict = if stands_free(view, place) { judge(view, place) } else { Verdict::No };
            if verdict != Verdict::No {
                return (verdict, *kind);
            }
        }
        (Verdict::No, LeakKind::Card)
    }
}

#[inline]
fn has(set: &[bool; 256], byte: u8) -> bool {
    set.get(usize::from(byte)).is_some_and(|is| *is)
}

/// Whether what stands before says that no number of a card or a person begins here: it goes on with something, as the groups of a UUID, the
/// places behind a point, and parts of paths do.
fn stands_free(view: &View<'_>, place: usize) -> bool {
    match view.back(place, 1) {
        Some(b'-' | b'.' | b'/') => !view.back(place, 2).is_some_and(|byte| byte.is_ascii_alphanumeric()),
        Some(b'+' | b'_' | b'#' | b'@' | b'%' | b'~') => false,
        Some(_) | None => true,
    }
}

/// Whether what stands behind says that the number ends here; `More` where that has not come.
pub(super) fn ends_free(view: &View<'_>, place: usize) -> Verdict {
    let behind = |far: usize| view.at(place + far);
    match behind(0) {
        None => {
            if view.is_end {
                Verdict::Is(0)
            } else {
                Verdict::More
            }
        }
        Some(byte) if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'@' | b'+') => Verdict::No,
        Some(b'-' | b'.' | b'/') => match behind(1) {
            None if !view.is_end => Verdict::More,
            Some(byte) if byte.is_ascii_alphanumeric() => Verdict::No,
            Some(_) | None => Verdict::Is(0),
        },
        Some(_) => Verdict::Is(0),
    }
}

/// A number of JSON stays one: stars would break the document.
fn mask(view: &View<'_>, place: usize, len: usize) -> Mask {
    let is_number = view.from(place).iter().take(len).all(u8::is_ascii_digit);
    let mut before = (1..=3).map(|far| view.back(place, far)).skip_while(|byte| *byte == Some(b' '));
    let is_bare = matches!(before.next().flatten(), Some(b':' | b'[' | b','));
    if is_number && is_bare { Mask::Nine } else { Mask::Star }
}
