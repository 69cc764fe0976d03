//! Short values that wake nobody, wherever they stand, so that they are looked at once in a request: the same few names come with each element of an
//! array.

/// Short values of one request that wake nobody, and have nothing to decode.
#[derive(Default)]
pub(super) struct Quiet {
    known: Option<Box<[(u128, usize); SIZE]>>,
    /// How many values there were that could be kept.
    values: usize,
}

/// How many short values are kept, and from how many values on: a small request repeats few.
const SIZE: usize = 64;

impl Quiet {
    /// A value of up to 15 bytes as a number, and the place that it has.
    #[inline]
    fn slot(bytes: &[u8]) -> Option<(usize, (u128, usize))> {
        let eight = |bytes: Option<&[u8; 8]>| bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let four = |bytes: Option<&[u8; 4]>| bytes.map_or(0, |bytes| u64::from(u32::from_le_bytes(*bytes)));
        let len = bytes.len();
        // First and last bytes, which overlap in a shorter one.
        let (low, high) = match *bytes {
            [one, two] => (u64::from(one) | u64::from(two) << 8, 0),
            [one, two, three] => (u64::from(one) | u64::from(two) << 8 | u64::from(three) << 16, 0),
            [] | [_] => return None,
            _ if len < 8 => (four(bytes.first_chunk()) | four(bytes.last_chunk()) << 32, 0),
            _ if len < 16 => (eight(bytes.first_chunk()), eight(bytes.last_chunk())),
            _ => return None,
        };
        let hash = (low ^ high.rotate_left(29) ^ (len as u64) << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Some(((hash >> 58) as usize, (u128::from(low) | u128::from(high) << 64, len)))
    }

    #[inline]
    pub(super) fn knows(&self, bytes: &[u8]) -> bool {
        let Some(known) = &self.known else { return false };
        Self::slot(bytes).is_some_and(|(at, word)| known[at % SIZE] == word)
    }

    pub(super) fn learn(&mut self, bytes: &[u8]) {
        self.values += 1;
        if self.values <= SIZE {
            return;
        }
        if let Some((at, word)) = Self::slot(bytes) {
            self.known.get_or_insert_with(|| Box::new([(0, 0); SIZE]))[at % SIZE] = word;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_known_once_it_was_learnt_and_no_other_is() {
        let mut quiet = Quiet::default();
        let learn = |quiet: &mut Quiet, value: &[u8]| (0..=SIZE).for_each(|_| quiet.learn(value));
        let values =
            ["id", "uid", "uuid", "title", "created", "customer", "created_at", "shipping_street", "customer_address"];
        for value in values {
            assert!(!quiet.knows(value.as_bytes()), "{value}");
            learn(&mut quiet, value.as_bytes());
            assert_eq!(quiet.knows(value.as_bytes()), value.len() < 16, "{value}");
        }
        learn(&mut quiet, b"abcd\0");
        for other in [&b"abcd"[..], b"abcd\0\0", b"bcd\0", b"abcdd", b"abcdbcd\0", b""] {
            assert!(!quiet.knows(other), "{}", other.escape_ascii());
        }
    }

    #[test]
    fn a_few_values_are_not_kept() {
        let mut quiet = Quiet::default();
        quiet.learn(b"id");
        assert!(quiet.known.is_none() && !quiet.knows(b"id"));
    }
}
