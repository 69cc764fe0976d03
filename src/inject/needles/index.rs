//! Where in which needle a few bytes stand: a bitmap that answers "nowhere" at once, before a sorted list that answers exactly.

use zeroize::{Zeroize, Zeroizing};

/// The bitmap's size, in bits of an address.
const ADDRESS_BITS: u32 = 16;

/// Places in needles, by key.
pub(super) struct Index {
    filter: Zeroizing<Vec<u64>>,
    entries: Zeroizing<Vec<Entry>>,
}

/// A key, and the needle and the place in it where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) key: u32,
    pub(super) needle: usize,
    pub(super) place: usize,
}

impl Zeroize for Entry {
    fn zeroize(&mut self) {
        self.key.zeroize();
        self.place.zeroize();
    }
}

impl Index {
    /// An index of these entries; the same one twice counts once.
    pub(super) fn new(entries: Vec<Entry>) -> Self {
        let mut entries = Zeroizing::new(entries);
        entries.sort_unstable();
        entries.dedup();
        let mut filter = Zeroizing::new(vec![0; 1 << (ADDRESS_BITS - 6)]);
        for entry in entries.iter() {
            let (word, bit) = address(entry.key);
            if let Some(word) = filter.get_mut(word) {
                *word |= bit;
            }
        }
        Self { filter, entries }
    }

    /// Whether the key may be in it: quick, and right when it says no.
    #[inline]
    pub(super) fn may_have(&self, key: u32) -> bool {
        let (word, bit) = address(key);
        self.filter.get(word).is_some_and(|word| word & bit != 0)
    }

    /// All entries with this key.
    #[inline]
    pub(super) fn at(&self, key: u32) -> &[Entry] {
        if self.may_have(key) { self.find(key) } else { &[] }
    }

    #[cold]
    fn find(&self, key: u32) -> &[Entry] {
        let from = self.entries.partition_point(|entry| entry.key < key);
        let rest = self.entries.get(from..).unwrap_or_default();
        let count = rest.partition_point(|entry| entry.key == key);
        rest.get(..count).unwrap_or_default()
    }
}

#[inline]
fn address(key: u32) -> (usize, u64) {
    let hash = key.wrapping_mul(0x9E37_79B1) >> (32 - ADDRESS_BITS);
    ((hash >> 6) as usize, 1 << (hash & 63))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_gives_all_its_places_once() {
        let entry = |key, place| Entry { key, needle: 0, place };
        let index = Index::new(vec![entry(7, 1), entry(9, 0), entry(7, 3), entry(7, 1)]);
        assert_eq!(index.at(7), [entry(7, 1), entry(7, 3)]);
        assert_eq!(index.at(9), [entry(9, 0)]);
        assert_eq!(index.at(8), []);
    }
}
