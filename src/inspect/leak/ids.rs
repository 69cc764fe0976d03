//! Numbers that states and banks give: each by its form, and its check digits where it has some.

use super::check::mod97;
use super::groups::ends_free;
use super::view::{Verdict, View};

/// What is at a place if it is in this form: `d` a digit, `A` a capital, `x` one of both, all else itself.
fn form<'a>(view: &'a View<'_>, place: usize, form: &[u8]) -> Result<&'a [u8], Verdict> {
    let rest = view.from(place);
    for (nth, want) in form.iter().enumerate() {
        let Some(byte) = rest.get(nth) else { return Err(view.short()) };
        let fits = match want {
            b'd' => byte.is_ascii_digit(),
            b'A' => byte.is_ascii_uppercase(),
            b'x' => byte.is_ascii_digit() || byte.is_ascii_uppercase(),
            other => byte == other,
        };
        if !fits {
            return Err(Verdict::No);
        }
    }
    match ends_free(view, place + form.len()) {
        Verdict::Is(_) => rest.get(..form.len()).ok_or(Verdict::No),
        short @ (Verdict::No | Verdict::More) => Err(short),
    }
}

/// The first of several forms that it is in, and that is right.
fn any(view: &View<'_>, place: usize, forms: &[&[u8]], is_right: impl Fn(&[u8]) -> bool) -> Verdict {
    for one in forms {
        match form(view, place, one) {
            Ok(own) if is_right(own) => return Verdict::Is(own.len()),
            Err(Verdict::More) => return Verdict::More,
            Ok(_) | Err(Verdict::No | Verdict::Is(_)) => {}
        }
    }
    Verdict::No
}

fn digits(text: &[u8]) -> impl DoubleEndedIterator<Item = u32> {
    text.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0'))
}

fn number(text: &[u8]) -> u64 {
    digits(text).fold(0, |so_far, digit| so_far * 10 + u64::from(digit))
}

/// Area, group and serial number, with the areas and zeros that are never given.
pub(super) fn us_ssn(view: &View<'_>, place: usize) -> Verdict {
    any(view, place, &[b"ddd-dd-dddd"], |own| {
        let number = number(own);
        let (area, group, serial) = (number / 1_000_000, number / 10_000 % 100, number % 10_000);
        area != 0 && area != 666 && area < 900 && group != 0 && serial != 0
    })
}

/// Nine digits and two that check them, by weights modulo 11.
pub(super) fn br_cpf(view: &View<'_>, place: usize) -> Verdict {
    any(view, place, &[b"ddd.ddd.ddd-dd"], |own| {
        let is_checked = |len: u32| {
            let weighed: u32 =
                (0..).zip(digits(own).take(len as usize)).map(|(nth, digit)| digit * (len + 1 - nth)).sum();
            digits(own).nth(len as usize) == Some(weighed * 10 % 11 % 10)
        };
        let first = digits(own).next();
        is_checked(9) && is_checked(10) && digits(own).any(|digit| Some(digit) != first)
    })
}

/// Sex, year, month, department, commune, order, and 97 less the remainder of all that.
pub(super) fn fr_nir(view: &View<'_>, place: usize) -> Verdict {
    any(view, place, &[b"ddddddddddddddd", b"d dd dd dd ddd ddd dd"], |own| {
        let number = number(own);
        let (front, key) = (number / 100, number % 100);
        let (sex, month) = (front / 1_000_000_000_000, front / 100_000_000 % 100);
        matches!(sex, 1 | 2) && (1..=12).contains(&month) && key == 97 - front % 97
    })
}

/// Eight digits, or a letter and seven, and the letter that checks them.
pub(super) fn es_dni(view: &View<'_>, place: usize) -> Verdict {
    any(view, place, &[b"ddddddddA", b"dddddddd-A", b"AdddddddA", b"A-ddddddd-A"], |own| {
        let front = match own.first() {
            Some(byte) if byte.is_ascii_digit() => 0,
            Some(b'X') => 0,
            Some(b'Y') => 10_000_000,
            Some(b'Z') => 20_000_000,
            Some(_) | None => return false,
        };
        let letter = b"TRWAGMYFPDXBNJZSQVHLCKE".get(((front + number(own)) % 23) as usize);
        own.last() == letter
    })
}

/// Two letters, six digits and a letter, with the letters and pairs that are never given.
pub(super) fn uk_nino(view: &View<'_>, place: usize) -> Verdict {
    any(view, place, &[b"AAddddddA", b"AA dd dd dd A"], |own| {
        let [one, other, .., last] = own else { return false };
        let never = [b"BG", b"GB", b"NK", b"KN", b"TN", b"NT", b"ZZ"];
        !b"DFIQUV".contains(one)
            && !b"DFIQUVO".contains(other)
            && !never.contains(&&[*one, *other])
            && (b'A'..=b'D').contains(last)
    })
}

/// Surname, name, year, month, day, town, and a letter that checks them.
pub(super) fn it_cf(view: &View<'_>, place: usize) -> Verdict {
    // What a character counts at an odd place, by its number.
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    any(view, place, &[b"AAAAAAxxAxxAxxxA"], |own| {
        let Some((last, front)) = own.split_last() else { return false };
        let weighed = front.iter().enumerate().map(|(nth, byte)| {
            let value = if byte.is_ascii_digit() { byte - b'0' } else { byte - b'A' };
            if nth % 2 == 0 { ODD.get(usize::from(value)).copied().unwrap_or_default() } else { u32::from(value) }
        });
        weighed.sum::<u32>() % 26 == u32::from(last - b'A')
            && own.get(8).is_some_and(|month| b"ABCDEHLMPRST".contains(month))
    })
}

/// Countries and the length of their numbers (ISO 13616, IBAN registry).
const COUNTRIES: [(&[u8; 2], usize); 46] = [
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BR", 29),
    (b"CH", 21),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DK", 18),
    (b"EE", 20),
    (b"ES", 24),
    (b"FI", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GR", 27),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MT", 31),
    (b"NL", 18),
    (b"NO", 15),
    (b"PL", 28),
    (b"PT", 25),
    (b"RO", 24),
    (b"RS", 22),
    (b"SA", 24),
    (b"SE", 24),
    (b"SK", 24),
];

/// A country, two check digits, and an account, also in groups of four.
pub(super) fn iban(view: &View<'_>, place: usize) -> Verdict {
    let rest = view.from(place);
    let Some((country, behind)) = rest.split_first_chunk::<2>() else { return view.short() };
    let Some((_, length)) = COUNTRIES.iter().find(|(own, _)| *own == country) else { return Verdict::No };
    let is_grouped = match behind.get(2) {
        None => return view.short(),
        Some(byte) => *byte == b' ',
    };
    let mut wanted = Vec::with_capacity(40);
    for nth in 0..*length {
        if is_grouped && nth > 0 && nth % 4 == 0 {
            wanted.push(b' ');
        }
        wanted.push(match nth {
            0 | 1 => b'A',
            2 | 3 => b'd',
            _ => b'x',
        });
    }
    any(view, place, &[&wanted], |own| {
        let (front, account) = own.split_at_checked(4).unwrap_or_default();
        mod97(account.iter().chain(front).copied()) == 1
    })
}
