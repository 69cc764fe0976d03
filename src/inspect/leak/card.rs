//! Numbers of payment cards: a range of issuers, a length that it has, the usual groups, and the check digit (ISO/IEC 7812-1).

use super::check::is_luhn;
use super::groups::ends_free;
use super::view::{Verdict, View};

/// The fewest and the most digits.
const DIGITS: (usize, usize) = (13, 19);
/// How numbers are written in groups.
const GROUPS: [&[usize]; 5] = [&[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 4, 3], &[4, 3, 3, 3]];

/// What begins at this place.
pub(super) fn judge(view: &View<'_>, place: usize) -> Verdict {
    let rest = view.from(place);
    let first = digits(rest, DIGITS.1 + 1);
    if first == rest.len() && first <= DIGITS.1 && !view.is_end {
        return Verdict::More;
    }
    if first > 4 {
        return whole(view, place, rest, first);
    }
    let joint = match rest.get(4) {
        Some(byte @ (b' ' | b'-')) if first == 4 => *byte,
        _ => return Verdict::No,
    };
    // What follows decides which of them it is; the longest that is one.
    let mut verdict = Verdict::No;
    for groups in GROUPS {
        match grouped(view, place, rest, groups, joint) {
            Verdict::More => return Verdict::More,
            Verdict::Is(len) if !matches!(verdict, Verdict::Is(other) if other > len) => verdict = Verdict::Is(len),
            Verdict::Is(_) | Verdict::No => {}
        }
    }
    verdict
}

fn whole(view: &View<'_>, place: usize, rest: &[u8], len: usize) -> Verdict {
    if !(DIGITS.0..=DIGITS.1).contains(&len) {
        return Verdict::No;
    }
    match ends_free(view, place + len) {
        Verdict::Is(_) if is_card(rest.get(..len).unwrap_or_default().iter()) => Verdict::Is(len),
        Verdict::Is(_) | Verdict::No => Verdict::No,
        Verdict::More => Verdict::More,
    }
}

fn grouped(view: &View<'_>, place: usize, rest: &[u8], groups: &[usize], joint: u8) -> Verdict {
    let mut len = 0;
    for (nth, group) in groups.iter().enumerate() {
        if nth > 0 {
            match rest.get(len) {
                None => return view.short(),
                Some(byte) if *byte != joint => return Verdict::No,
                Some(_) => len += 1,
            }
        }
        let own = rest.get(len..).unwrap_or_default();
        let has = digits(own, *group);
        if has < *group {
            return if has == own.len() { view.short() } else { Verdict::No };
        }
        len += group;
    }
    match ends_free(view, place + len) {
        Verdict::Is(_) if is_card(rest.get(..len).unwrap_or_default().iter().filter(|byte| **byte != joint)) => {
            Verdict::Is(len)
        }
        Verdict::Is(_) | Verdict::No => Verdict::No,
        Verdict::More => Verdict::More,
    }
}

fn digits(text: &[u8], most: usize) -> usize {
    text.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count()
}

fn is_card<'a>(text: impl Iterator<Item = &'a u8>) -> bool {
    let mut own = [0; DIGITS.1];
    let mut len = 0;
    for (digit, byte) in own.iter_mut().zip(text) {
        *digit = byte - b'0';
        len += 1;
    }
    let own = own.get(..len).unwrap_or_default();
    let front = own.iter().take(4).fold(0, |so_far, digit| so_far * 10 + u32::from(*digit));
    is_issued(front, len) && is_luhn(own) && own.windows(2).any(|two| matches!(two, [one, other] if one != other))
}

/// Whether cards that begin so have so many digits. Visa's of 13 are long gone, and retail articles (EAN) have 13 too.
fn is_issued(front: u32, len: usize) -> bool {
    match front {
        // Visa.
        4000..=4999 => matches!(len, 16 | 19),
        // Mastercard; Mir.
        5100..=5599 | 2221..=2720 => len == 16,
        2200..=2204 => (16..=19).contains(&len),
        // American Express.
        3400..=3499 | 3700..=3799 => len == 15,
        // Diners Club.
        3000..=3059 | 3095 | 3600..=3699 | 3800..=3999 => matches!(len, 14 | 16..=19),
        // JCB.
        3528..=3589 => (16..=19).contains(&len),
        // Discover; UnionPay.
        6011 | 6440..=6599 | 6200..=6299 => (16..=19).contains(&len),
        // Maestro.
        5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763 => (13..=19).contains(&len),
        _ => false,
    }
}
