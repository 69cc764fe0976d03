//! Character references of HTML (HTML 13.5, 13.2.5.72), those of ASCII characters: with a semicolon or, as browsers read it, without.

use crate::inspect::detect::names::Index;

/// Names, in lower case, and what they stand for; sorted. Some readers do not look at the case, though HTML does.
static NAMES: [(&str, char); 42] = [
    ("amp", '&'),
    ("apos", '\''),
    ("ast", '*'),
    ("bne", '='),
    ("bsol", '\\'),
    ("colon", ':'),
    ("comma", ','),
    ("commat", '@'),
    ("dollar", '$'),
    ("equals", '='),
    ("excl", '!'),
    ("grave", '`'),
    ("gt", '>'),
    ("hat", '^'),
    ("lbrace", '{'),
    ("lbrack", '['),
    ("lcub", '{'),
    ("lowbar", '_'),
    ("lpar", '('),
    ("lsqb", '['),
    ("lt", '<'),
    ("midast", '*'),
    ("nbsp", ' '),
    ("newline", '\n'),
    ("num", '#'),
    ("percnt", '%'),
    ("period", '.'),
    ("plus", '+'),
    ("quest", '?'),
    ("quot", '"'),
    ("rbrace", '}'),
    ("rbrack", ']'),
    ("rcub", '}'),
    ("rpar", ')'),
    ("rsqb", ']'),
    ("semi", ';'),
    ("sol", '/'),
    ("tab", '\t'),
    ("underbar", '_'),
    ("verbar", '|'),
    ("vert", '|'),
    ("verticalline", '|'),
];

static INDEX: Index<128> = Index::of(&NAMES);

/// The longest of them.
const LONGEST_NAME: usize = 12;

/// The character that a reference at the start stands for, and how long the reference is.
pub(super) fn read(rest: &[u8]) -> Option<(usize, char)> {
    match rest {
        [_, b'#', b'x' | b'X', digits @ ..] => number(digits, 16).map(|(length, char)| (length + 3, char)),
        [_, b'#', digits @ ..] => number(digits, 10).map(|(length, char)| (length + 2, char)),
        [_, name @ ..] => named(name).map(|(length, char)| (length + 1, char)),
        [] => None,
    }
}

/// The most digits that are read, but for zeros before them: of those browsers read any number.
const MAX_DIGITS: usize = 8;

fn number(digits: &[u8], radix: u32) -> Option<(usize, char)> {
    let is_digit = |byte: &u8| char::from(*byte).is_digit(radix);
    let zeros = digits.iter().take_while(|byte| **byte == b'0').count();
    let length = zeros + digits.iter().skip(zeros).take(MAX_DIGITS).take_while(|byte| is_digit(byte)).count();
    crate::inspect::steps::count(8 + 3 * length);
    let number = digits
        .get(..length)?
        .iter()
        .try_fold(0u32, |number, digit| number.checked_mul(radix)?.checked_add(char::from(*digit).to_digit(radix)?));
    let char = number.filter(|_| length > 0).and_then(char::from_u32)?;
    // The reference is never shorter than the character in UTF-8.
    let has_end = digits.get(length) == Some(&b';');
    Some((length + usize::from(has_end), char))
}

fn named(text: &[u8]) -> Option<(usize, char)> {
    let length = text.iter().take(LONGEST_NAME + 1).take_while(|byte| byte.is_ascii_alphabetic()).count();
    crate::inspect::steps::count(32);
    let mut room = [0; LONGEST_NAME + 1];
    let name = room.get_mut(..length)?;
    name.copy_from_slice(text.get(..length)?);
    name.make_ascii_lowercase();
    let name = &*name;
    if text.get(length) == Some(&b';') {
        return INDEX.find(&NAMES, name).map(|char| (length + 1, char));
    }
    // The old ones need no semicolon, whatever follows but `=`: that makes it a parameter of an address. Of brackets some readers ask for none either.
    const OPEN: [(&[u8], char); 9] = [
        (b"lt", '<'),
        (b"gt", '>'),
        (b"quot", '"'),
        (b"amp", '&'),
        (b"nbsp", ' '),
        (b"lbrace", '{'),
        (b"lcub", '{'),
        (b"rbrace", '}'),
        (b"rcub", '}'),
    ];
    if !matches!(name.first(), Some(b'l' | b'g' | b'q' | b'a' | b'n' | b'r')) {
        return None;
    }
    let (name, char) = OPEN.iter().find(|(old, _)| name.starts_with(old))?;
    (text.get(name.len()) != Some(&b'=')).then_some((name.len(), *char))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted() {
        assert!(NAMES.array_windows().all(|[one, next]| one.0 < next.0));
        assert!(NAMES.iter().all(|(name, _)| name.len() <= LONGEST_NAME));
    }
}
