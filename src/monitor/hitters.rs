//! Bounded memory for what there is no end of: who is active keeps a place, and who comes once takes it from whoever is least.

use std::collections::{BTreeSet, HashMap};
use std::ops::{Index, IndexMut};

/// The heaviest of a stream, by Space-Saving (Metwally, Agrawal, El Abbadi 2005) over weights that decay: each time a key is met counts one, and
/// half of it is forgotten after each half-life. Decay is kept forward (Cormode et al. 2009), as the logarithm of a sum that only grows, so that
/// the order of keys that are not met never changes and nothing has to be swept. When all places are taken, a new key gets that of the least, and
/// inherits its weight: it may count for more than it is, never for less, so no flood of keys that come once drives out one that comes often.
///
/// A place in the order is left until the weight has grown by a fifth; the least is so far off at most.
#[derive(Debug)]
pub(super) struct Hitters<V> {
    slots: Slots<V>,
    places: HashMap<u64, u32, ahash::RandomState>,
    /// The bits of a positive number that was the weight's logarithm, which order like it, and where it stands.
    order: BTreeSet<(u64, u32)>,
    capacity: usize,
    half_life: f64,
    evicted: u64,
}

#[derive(Debug)]
struct Slot<V> {
    key: u64,
    /// The logarithm to base 2 of its weight, as of the beginning of time.
    weight: f64,
    /// What it was when it got its place in the order.
    ranked: f64,
    value: V,
}

/// Slots that stay where they are as more come: moving a hundred thousand of them to make room takes long enough for requests to feel it.
#[derive(Debug)]
struct Slots<V> {
    /// Each full but the last.
    chunks: Vec<Vec<Slot<V>>>,
    len: usize,
}

/// How many slots of a [`Slots`] are made room for at once.
const CHUNK: usize = 64;

impl<V> Slots<V> {
    fn push(&mut self, slot: Slot<V>) {
        if self.len.is_multiple_of(CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
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
        &self.chunks[nth as usize / CHUNK][nth as usize % CHUNK]
    }
}

impl<V> IndexMut<u32> for Slots<V> {
    fn index_mut(&mut self, nth: u32) -> &mut Slot<V> {
        &mut self.chunks[nth as usize / CHUNK][nth as usize % CHUNK]
    }
}

/// By how much the logarithm of a weight may have grown without a new place in the order.
const SLACK: f64 = 0.25;

impl<V: Default> Hitters<V> {
    /// Room for so many.
    pub(super) fn new(capacity: usize, half_life_seconds: u32) -> Self {
        let capacity = capacity.clamp(1, u32::MAX as usize);
        Self {
            slots: Slots { chunks: Vec::new(), len: 0 },
            places: HashMap::default(),
            order: BTreeSet::new(),
            capacity,
            half_life: f64::from(half_life_seconds.max(1)),
            evicted: 0,
        }
    }

    /// The value of a key, which is met now: a new one where it has none.
    pub(super) fn meet(&mut self, key: u64, now: u32) -> &mut V {
        let add = f64::from(now) / self.half_life;
        let nth = match self.places.get(&key) {
            Some(nth) => *nth,
            None => self.place(key, add),
        };
        let slot = &mut self.slots[nth];
        let (high, low) = if slot.weight > add { (slot.weight, add) } else { (add, slot.weight) };
        slot.weight = high + (low - high).exp2().ln_1p() * std::f64::consts::LOG2_E;
        if slot.weight - slot.ranked > SLACK {
            self.order.remove(&(slot.ranked.to_bits(), nth));
            self.order.insert((slot.weight.to_bits(), nth));
            slot.ranked = slot.weight;
        }
        &mut slot.value
    }

    /// The value of a key that has one, without meeting it.
    pub(super) fn look(&self, key: u64) -> Option<&V> {
        self.places.get(&key).map(|nth| &self.slots[*nth].value)
    }

    /// The same, to be changed.
    pub(super) fn known(&mut self, key: u64) -> Option<&mut V> {
        self.places.get(&key).map(|nth| &mut self.slots[*nth].value)
    }

    fn place(&mut self, key: u64, add: f64) -> u32 {
        let fresh = |weight| Slot { key, weight, ranked: weight, value: V::default() };
        let least = if self.slots.len < self.capacity { None } else { self.order.pop_first() };
        let nth = match least {
            None => {
                // One that counts for nothing beside the one that is added at once.
                self.slots.push(fresh((add - 64.0).max(0.0)));
                u32::try_from(self.slots.len - 1).unwrap_or(u32::MAX)
            }
            Some((_, nth)) => {
                let slot = &mut self.slots[nth];
                self.places.remove(&slot.key);
                *slot = fresh(slot.weight);
                self.evicted += 1;
                nth
            }
        };
        self.places.insert(key, nth);
        self.order.insert((self.slots[nth].ranked.to_bits(), nth));
        nth
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
        assert_eq!((hitters.places.len(), hitters.order.len()), (64, 64));
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
}
