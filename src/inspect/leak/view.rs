//! The part of a stream that is at hand: what is to be decided on, and the few bytes before it.

/// How many bytes before a place are known, at most.
pub(super) const BEFORE: usize = 16;

/// A text with what stood before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    /// The last [`BEFORE`] bytes, or fewer where there were no more.
    pub(super) before: &'a [u8],
    /// What is at hand.
    pub(super) text: &'a [u8],
    /// Whether nothing comes behind it.
    pub(super) is_end: bool,
}

/// What a finder says of one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing begins here.
    No,
    /// More has to come before it can be said.
    More,
    /// It begins here and is so long.
    Is(usize),
}

impl View<'_> {
    /// The byte at a place.
    #[inline]
    pub(super) fn at(&self, place: usize) -> Option<u8> {
        self.text.get(place).copied()
    }

    /// The byte so far before a place; 1 is the one just before it.
    #[inline]
    pub(super) fn back(&self, place: usize, far: usize) -> Option<u8> {
        match place.checked_sub(far) {
            Some(at) => self.at(at),
            None => self.before.get((self.before.len() + place).checked_sub(far)?).copied(),
        }
    }

    /// What begins at a place.
    pub(super) fn from(&self, place: usize) -> &[u8] {
        self.text.get(place..).unwrap_or_default()
    }

    /// What is to be said where the text ends too early to say anything.
    pub(super) fn short(&self) -> Verdict {
        if self.is_end { Verdict::No } else { Verdict::More }
    }

    /// Whether a word begins here: no letter, digit or `_` stands before, unless it ends an escape of JSON (`\n`, `\u003d`) or of a URL (`%3D`).
    pub(super) fn begins_word(&self, place: usize) -> bool {
        let back = |far| self.back(place, far);
        let Some(last) = back(1) else { return true };
        if !last.is_ascii_alphanumeric() {
            return last != b'_';
        }
        let is_hex = |far| back(far).is_some_and(|byte| byte.is_ascii_hexdigit());
        let is_short = matches!(last, b'n' | b'r' | b't' | b'b' | b'f') && back(2) == Some(b'\\');
        let is_percent = back(3) == Some(b'%') && is_hex(1) && is_hex(2);
        let is_unicode = back(6) == Some(b'\\') && back(5) == Some(b'u') && (1..=4).all(is_hex);
        is_short || is_percent || is_unicode
    }
}
