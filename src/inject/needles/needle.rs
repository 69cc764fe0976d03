//! The texts that are looked for on behalf of one secret.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroizing;

use super::escape::hex_digit;

/// Base64 that fewer characters would tell of is not looked for: they stand everywhere by chance.
const SHORTEST_BASE64: usize = 6;

/// One text. Each of its places may be filled by either of two bytes, which mostly are the same.
pub(super) struct Needle {
    bytes: Zeroizing<Vec<u8>>,
    twins: Zeroizing<Vec<u8>>,
    /// Whether it may be broken into lines.
    pub(super) is_wrapped: bool,
    /// Whether the character in front of it holds bits of the secret.
    pub(super) has_edge_before: bool,
    /// Whether the character behind it does.
    pub(super) has_edge_behind: bool,
}

impl Needle {
    /// All forms in which a secret is looked for.
    pub(super) fn all_of(secret: &[u8]) -> Vec<Self> {
        let plain = Self::new(secret.to_vec(), |byte| byte);
        let hex = Self::new(secret.iter().flat_map(|byte| [byte >> 4, byte & 15].map(hex_digit)).collect(), |digit| {
            digit.to_ascii_uppercase()
        });
        // Without the outer NUL, so that it stands in both byte orders.
        let mut wide = Zeroizing::new(secret.iter().flat_map(|byte| [*byte, 0]).collect::<Vec<_>>());
        wide.pop();
        let wide = Self::new(wide.to_vec(), |byte| byte);
        [plain, hex, wide].into_iter().chain((0..3).filter_map(|offset| Self::base64(secret, offset))).collect()
    }

    /// What is the same in the base64 of every text in which `offset` bytes (and any multiple of three) stand before the secret.
    fn base64(secret: &[u8], offset: usize) -> Option<Self> {
        let (from, to) = (offset * 8, (offset + secret.len()) * 8);
        let padded = Zeroizing::new([&vec![0; offset], secret, &[0; 3]].concat());
        let encoded = Zeroizing::new(STANDARD_NO_PAD.encode(&*padded));
        let inner = encoded.as_bytes().get(from.div_ceil(6)..to / 6)?;
        if inner.len() < SHORTEST_BASE64 {
            return None;
        }
        let needle = Self::new(inner.to_vec(), |character| match character {
            b'+' => b'-',
            b'/' => b'_',
            same => same,
        });
        let (has_edge_before, has_edge_behind) = (from % 6 != 0, to % 6 != 0);
        Some(Self { is_wrapped: true, has_edge_before, has_edge_behind, ..needle })
    }

    fn new(bytes: Vec<u8>, twin: impl Fn(u8) -> u8) -> Self {
        let twins = Zeroizing::new(bytes.iter().map(|byte| twin(*byte)).collect());
        Self { bytes: Zeroizing::new(bytes), twins, is_wrapped: false, has_edge_before: false, has_edge_behind: false }
    }

    /// Its length unescaped and unbroken.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes that may fill a place in it; none behind its end.
    #[inline]
    pub(super) fn at(&self, place: usize) -> Option<[u8; 2]> {
        Some([*self.bytes.get(place)?, *self.twins.get(place)?])
    }

    /// Whether its first bytes are this text, unescaped; as many as the text has.
    #[inline]
    pub(super) fn starts_with(&self, text: &[u8]) -> bool {
        let (Some(bytes), Some(twins)) = (self.bytes.get(..text.len()), self.twins.get(..text.len())) else {
            return false;
        };
        // In blocks which the compiler makes vectors of: near misses must not cost much each.
        let ((texts, text), (blocks, bytes), (twin_blocks, twins)) =
            (text.as_chunks::<16>(), bytes.as_chunks::<16>(), twins.as_chunks::<16>());
        texts.iter().zip(blocks).zip(twin_blocks).all(|((text, bytes), twins)| is_filled_by(text, bytes, twins))
            && is_filled_by(text, bytes, twins)
    }
}

#[inline]
fn is_filled_by(text: &[u8], bytes: &[u8], twins: &[u8]) -> bool {
    text.iter()
        .zip(bytes)
        .zip(twins)
        .fold(true, |so_far, ((text, byte), twin)| so_far & ((text == byte) | (text == twin)))
}

/// Whether a byte is of either alphabet of base64.
pub(super) fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_keeps_what_the_surroundings_cannot_change() {
        let secret = b"s3cr3t-\xff\xfe?";
        for offset in 0..3 {
            let needle = Needle::base64(secret, offset).expect("long enough");
            for (before, behind) in [(b'\0', b'\0'), (b'x', b'y'), (0xff, 0xff)] {
                let text = [vec![before; offset], secret.to_vec(), vec![behind; 4]].concat();
                let encoded = STANDARD_NO_PAD.encode(text);
                let from = (offset * 8).div_ceil(6);
                assert!(needle.starts_with(&encoded.as_bytes()[from..from + needle.len()]), "at offset {offset}");
            }
        }
    }

    #[test]
    fn base64_of_too_few_characters_is_not_looked_for() {
        let lens =
            |secret: &[u8]| (0..3).filter_map(|at| Needle::base64(secret, at)).map(|it| it.len()).collect::<Vec<_>>();
        assert_eq!(lens(b"abcd"), Vec::<usize>::new());
        assert_eq!(lens(b"abcde"), [6, 6, 6]);
        assert_eq!(lens(b"abcdef"), [8, 7, 7]);
    }
}
