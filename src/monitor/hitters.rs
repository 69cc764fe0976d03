//! Bounded memory for what there is no end of: who is active keeps a place, and who comes once takes it from whoever is least.

use std::collections::BTreeMap;
use std::ops::{Index, IndexMut};

use ahash::RandomState;
use hashbrown::HashTable;

/// The heaviest of a stream, by Space-Saving (Metwally, Agrawal, El Abbadi 2005) over weights that decay: each time a key is met counts one, and
/// half of it is forgotten after each half-life. Decay is kept forward (Cormode et al. 2009), as the logarithm of a sum that only grows, so that
/// the order of keys that are not met never changes and nothing has to be swept. When all places are taken, a new key gets that of the least, and
/// inherits its weight: it may count for more than it is, never for less, so no flood of keys that come once drives out one that comes often.
///
/// The order is that paper's: a ring for all whose weights are the same to within a fifth, and the rings by weight. Of the least ring, the one that
/// has been in it longest goes.
#[derive(Debug)]
pub(super) struct Hitters<V> {
    slots: Slots<V>,
    /// The slots by their keys, which only they hold.
    places: HashTable<u32>,
    hasher: RandomState,
    /// By rank, the one that has had it longest.
    rings: BTreeMap<u64, u32>,
    capacity: usize,
    half_life: f64,
    evicted: u64,
}

#[derive(Debug)]
struct Slot<V> {
    key: u64,
    /// The logarithm to base 2 of its weight, as of the beginning of time.
    weight: f64,
    /// Who got the same rank before and after it, in a ring.
    before: u32,
    after: u32,
    value: V,
}

impl<V> Slot<V> {
    /// Weights of the same rank count as the same. The bits of positive numbers order like them.
    fn rank(&self) -> u64 {
        (self.weight * RANKS).floor().to_bits()
    }
}

/// How many ranks there are to a doubling.
const RANKS: f64 = 4.0;

/// Slots that stay where they are as more come: moving a hundred thousand of them to make room takes long enough for requests to feel it.
#[derive(Debug)]
struct Slots<V> {
    /// Each full but the last.
    chunks: Vec<Vec<Slot<V>>>,
    len: usize,
}

impl<V> Slots<V> {
    /// How many are made room for at once: what fits in 16 KiB, which allocators do not round up.
    const CHUNK: usize = (16 << 10) / size_of::<Slot<V>>();

    fn push(&mut self, slot: Slot<V>) {
        if self.len.is_multiple_of(Self::CHUNK) {
            self.chunks.push(Vec::with_capacity(Self::CHUNK));
        }
        if let Some(last) = self.chunks.last_mut() {
            last.push(slot);
            self.len += 1;
        }
    }
}

impl<V> Index<u32> for Slots<V> {
    type Output = Slot<V>;

    fn index(&self, nth: u32) -> &Slot<V> {
        &self.chunks[nth as usize / Self::CHUNK][nth as usize % Self::CHUNK]
    }
}

impl<V> IndexMut<u32> for Slots<V> {
    fn index_mut(&mut self, nth: u32) -> &mut Slot<V> {
        &mut self.chunks[nth as usize / Self::CHUNK][nth as usize % Self::CHUNK]
    }
}

impl<V: Default> Hitters<V> {
    /// Room for so many.
    pub(super) fn new(capacity: usize, half_life_seconds: u32) -> Self {
        Self {
            slots: Slots { chunks: Vec::new(), len: 0 },
            places: HashTable::new(),
            hasher: RandomState::new(),
            rings: BTreeMap::new(),
            capacity: capacity.clamp(1, u32::MAX as usize),
            half_life: f64::from(half_life_seconds.max(1)),
            evicted: 0,
        }
    }

    /// The value of a key, which is met now: a new one where it has none.
    pub(super) fn meet(&mut self, key: u64, now: u32) -> &mut V {
        let add = f64::from(now) / self.half_life;
        let nth = self.find(key).unwrap_or_else(|| self.place(key, add));
        let slot = &mut self.slots[nth];
        let rank = slot.rank();
        let (high, low) = if slot.weight > add { (slot.weight, add) } else { (add, slot.weight) };
        slot.weight = high + (low - high).exp2().ln_1p() * std::f64::consts::LOG2_E;
        if slot.rank() != rank {
            self.leave(nth, rank);
            self.enter(nth);
        }
        &mut self.slots[nth].value
    }

    /// The value of a key that has one, without meeting it.
    pub(super) fn look(&self, key: u64) -> Option<&V> {
        self.find(key).map(|nth| &self.slots[nth].value)
    }

    /// The same, to be changed.
    pub(super) fn known(&mut self, key: u64) -> Option<&mut V> {
        self.find(key).map(|nth| &mut self.slots[nth].value)
    }

    /// Each, with its key and weight, from the nth on. Which place somebody has, changes only when another takes it.
    pub(super) fn from(&self, nth: usize) -> impl Iterator<Item = (u64, f64, &V)> {
        let from = u32::try_from(nth).unwrap_or(u32::MAX)..u32::try_from(self.slots.len).unwrap_or(u32::MAX);
        from.map(|nth| &self.slots[nth]).map(|slot| (slot.key, slot.weight, &slot.value))
    }

    /// Gives somebody the place that it had.
    pub(super) fn put_back(&mut self, key: u64, weight: f64, value: V) {
        let nth = self.find(key).unwrap_or_else(|| self.place(key, 0.0));
        self.leave(nth, self.slots[nth].rank());
        (self.slots[nth].weight, self.slots[nth].value) = (weight, value);
        self.enter(nth);
    }

    fn find(&self, key: u64) -> Option<u32> {
        self.places.find(self.hasher.hash_one(key), |nth| self.slots[*nth].key == key).copied()
    }

    fn place(&mut self, key: u64, add: f64) -> u32 {
        let slot = |weight| Slot { key, weight, before: 0, after: 0, value: V::default() };
        let least = if self.slots.len < self.capacity { None } else { self.rings.first_key_value() };
        let nth = match least {
            None => {
                // One that counts for nothing beside the one that is added at once.
                self.slots.push(slot((add - 64.0).max(0.0)));
                u32::try_from(self.slots.len - 1).unwrap_or(u32::MAX)
            }
            Some((&rank, &nth)) => {
                self.leave(nth, rank);
                let old = std::mem::replace(&mut self.slots[nth], slot(0.0));
                self.slots[nth].weight = old.weight;
                if let Ok(place) = self.places.find_entry(self.hasher.hash_one(old.key), |at| *at == nth) {
                    place.remove();
                }
                self.evicted += 1;
                nth
            }
        };
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.places.insert_unique(hasher.hash_one(key), nth, |nth| hasher.hash_one(slots[*nth].key));
        self.enter(nth);
        nth
    }

    /// Puts a slot at the end of the ring of its rank.
    fn enter(&mut self, nth: u32) {
        let first = *self.rings.entry(self.slots[nth].rank()).or_insert(nth);
        let last = if first == nth { nth } else { self.slots[first].before };
        (self.slots[nth].before, self.slots[nth].after) = (last, first);
        self.slots[last].after = nth;
        self.slots[first].before = nth;
    }

    /// Takes a slot out of the ring of this rank.
    fn leave(&mut self, nth: u32, rank: u64) {
        let Slot { before, after, .. } = self.slots[nth];
        if after == nth {
            self.rings.remove(&rank);
            return;
        }
        self.slots[before].after = after;
        self.slots[after].before = before;
        if let Some(first) = self.rings.get_mut(&rank).filter(|first| **first == nth) {
            *first = after;
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len
    }

    /// How many had to go.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many are in rings, each in that of its rank.
    fn ranked<V: Default>(hitters: &Hitters<V>) -> usize {
        let ring = |(rank, first): (&u64, &u32)| {
            let next = |nth: &u32| Some(hitters.slots[*nth].after).filter(|next| next != first);
            std::iter::successors(Some(*first), next)
                .inspect(|nth| assert_eq!(hitters.slots[*nth].rank(), *rank))
                .count()
        };
        hitters.rings.iter().map(ring).sum()
    }

    #[test]
    fn a_flood_of_keys_that_come_once_drives_out_nobody_who_comes_often() {
        let mut hitters: Hitters<u32> = Hitters::new(64, 600);
        let start = 1_700_000_000;
        for n in 0..100_000_u32 {
            // One in fifty is the one that comes often: more than one in 64, which Space-Saving never loses.
            let key = if n % 50 == 0 { 7 } else { 1_000 + u64::from(n) };
            *hitters.meet(key, start + n / 1000) += 1;
            assert!(hitters.len() <= 64);
        }
        assert_eq!(hitters.look(7), Some(&2000), "it was there from its first time to its last");
        assert_eq!((hitters.places.len(), ranked(&hitters)), (64, 64));
        assert!(hitters.evicted() > 90_000);
    }

    #[test]
    fn who_was_heavy_once_goes_before_who_is_active_now() {
        let mut hitters: Hitters<u32> = Hitters::new(2, 60);
        (0..1000).for_each(|_| *hitters.meet(1, 1_700_000_000) += 1);
        // Twenty half-lives later one counts for more than a thousand did.
        let later = 1_700_000_000 + 1200;
        hitters.meet(2, later);
        hitters.meet(3, later);
        assert_eq!(
            (hitters.look(1).is_none(), hitters.look(2).is_some(), hitters.look(3).is_some()),
            (true, true, true)
        );
    }

    #[test]
    fn the_least_goes_and_whoever_is_there_is_found() {
        let mut hitters: Hitters<u64> = Hitters::new(100, 600);
        let mut random = 1_u64;
        for n in 0..50_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Low numbers come far more often than high ones.
            let key = (random >> 33) % 300 * ((random >> 48) % 300) / 300;
            let least = (0..hitters.len()).map(|nth| hitters.slots[u32::try_from(nth).expect("few")].rank()).min();
            let first = hitters.rings.first_key_value().map(|(rank, nth)| (*rank, hitters.slots[*nth].key));
            assert_eq!(first.map(|(rank, _)| rank), least);
            let evicted = hitters.evicted();
            *hitters.meet(key, 1_700_000_000 + n / 10) = key;
            assert_eq!(hitters.look(key), Some(&key));
            if hitters.evicted() > evicted {
                assert!(first.is_some_and(|(_, key)| hitters.look(key).is_none()), "the first of the least");
            }
        }
        assert_eq!((hitters.places.len(), ranked(&hitters)), (100, 100));
        assert!(hitters.evicted() > 1000, "{}", hitters.evicted());
    }
}
