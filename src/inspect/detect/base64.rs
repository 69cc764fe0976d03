//! Bytes as they look within base64 (RFC 4648), at each of the three alignments: made when this is compiled.

/// The alphabet.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The most digits that a needle has.
const MAX_DIGITS: usize = 24;

/// Some bytes within base64, where `shift` bytes (mod 3) stand before them: digits that they determine, and what they say of the digits around.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needle {
    digits: [u8; MAX_DIGITS],
    length: usize,
    /// How many low bits of the digit before are known, and what they are.
    lead: (u8, u8),
    /// How many high bits of the digit behind are known, and what they are.
    trail: (u8, u8),
}

/// The bit at `at` of `bytes`, counted from the most significant.
const fn bit(bytes: &[u8], at: usize) -> u8 {
    (bytes[at / 8] >> (7 - at % 8)) & 1
}

/// Bits `from..from + count` as a number.
const fn bits(bytes: &[u8], from: usize, count: usize) -> u8 {
    let mut value = 0;
    let mut at = from;
    while at < from + count {
        value = value << 1 | bit(bytes, at);
        at += 1;
    }
    value
}

impl Needle {
    /// These bytes behind `shift` others. Evaluated when this is compiled: an index out of bounds does not compile.
    pub(super) const fn new(bytes: &[u8], shift: usize) -> Self {
        // Bits of the first digit that belong to what stands before.
        let skipped = (6 - shift * 8 % 6) % 6;
        let total = bytes.len() * 8;
        let mut digits = [0; MAX_DIGITS];
        let mut length = 0;
        let mut at = skipped;
        while at + 6 <= total {
            digits[length] = ALPHABET[bits(bytes, at, 6) as usize];
            length += 1;
            at += 6;
        }
        let behind = total - at;
        Self {
            digits,
            length,
            lead: (skipped as u8, bits(bytes, 0, skipped)),
            trail: (behind as u8, bits(bytes, at, behind)),
        }
    }

    /// The digits.
    pub(super) const fn digits(&self) -> &[u8] {
        self.digits.split_at(self.length).0
    }

    /// The digits in lower case, to wake a detector by.
    pub(super) const fn lower<const N: usize>(&self) -> [u8; N] {
        let mut lower = [0; N];
        let mut at = 0;
        while at < N {
            lower[at] = self.digits()[at].to_ascii_lowercase();
            at += 1;
        }
        lower
    }

    /// Where in `text` the bytes stand; with `whole`, where nothing of the base64 stands before.
    pub(super) fn find(&self, text: &[u8], whole: bool) -> Option<usize> {
        super::places(text, self.digits()).find(|at| {
            let before = at.checked_sub(1).and_then(|at| text.get(at)).copied().and_then(value);
            let behind = text.get(at + self.length).copied().and_then(value);
            let leads = match self.lead.0 {
                0 => !whole || before.is_none(),
                known => before.is_some_and(|digit| digit & ((1 << known) - 1) == self.lead.1),
            };
            // The last digit may be cut off with its padding.
            leads && (self.trail.0 == 0 || behind.is_some_and(|digit| digit >> (6 - self.trail.0) == self.trail.1))
        })
    }
}

/// What a digit stands for, in both alphabets.
const fn value(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// The needles of some bytes at all alignments.
pub(super) const fn needles(bytes: &[u8]) -> [Needle; 3] {
    [Needle::new(bytes, 0), Needle::new(bytes, 1), Needle::new(bytes, 2)]
}

/// Names a constant of the digits of some bytes at all alignments, in lower case: literals to wake a detector by.
macro_rules! literals {
    ($name:ident, $bytes:expr) => {
        const $name: [&str; 3] = {
            const NEEDLES: [$crate::inspect::detect::base64::Needle; 3] =
                $crate::inspect::detect::base64::needles($bytes);
            const FIRST: [u8; NEEDLES[0].digits().len()] = NEEDLES[0].lower();
            const SECOND: [u8; NEEDLES[1].digits().len()] = NEEDLES[1].lower();
            const THIRD: [u8; NEEDLES[2].digits().len()] = NEEDLES[2].lower();
            [
                $crate::inspect::detect::base64::text(&FIRST),
                $crate::inspect::detect::base64::text(&SECOND),
                $crate::inspect::detect::base64::text(&THIRD),
            ]
        };
    };
}
pub(super) use literals;

/// Digits as text; evaluated when this is compiled.
pub(super) const fn text(digits: &[u8]) -> &str {
    match std::str::from_utf8(digits) {
        Ok(text) => text,
        Err(_) => panic!("base64 is ASCII"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::base64::Engine as _;
    use ::base64::engine::general_purpose::STANDARD;

    #[test]
    fn bytes_are_found_at_each_alignment() {
        for word in [&b"\xac\xed\x00\x05"[..], b"processbuilder", b"java.lang.", b"runtime"] {
            let needles = needles(word);
            for before in 0..7 {
                for behind in 0..4 {
                    let text = [&vec![b'x'; before][..], word, &vec![b'y'; behind]].concat();
                    let encoded = STANDARD.encode(text);
                    let met = needles.iter().filter(|needle| needle.find(encoded.as_bytes(), false).is_some()).count();
                    assert_eq!(met, 1, "{word:?} {before} {behind} {encoded}");
                }
            }
        }
    }
}
