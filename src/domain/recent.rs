//! A bounded store of what was found out lately and may be found out again.

use std::collections::HashMap;
use std::fmt;
use std::mem;
use std::sync::{PoisonError, RwLock};

/// Values by a digest or tag of `N` bytes, in segments of two generations: when the young one is full it becomes the old one, and the old one
/// goes. So the size is bounded, nothing is ever searched, and only a small part is dropped at a time. Whether a value still holds is for
/// whoever finds it to say.
pub struct Recent<const N: usize, V> {
    segments: Box<[RwLock<Segment<N, V>>]>,
    generation: usize,
}

type Generation<const N: usize, V> = HashMap<[u8; N], V, ahash::RandomState>;

struct Segment<const N: usize, V> {
    young: Generation<N, V>,
    old: Generation<N, V>,
}

/// A power of two up to 256, since the first byte of the key chooses.
const SEGMENTS: usize = 64;

impl<const N: usize, V> Recent<N, V> {
    /// Room for about this many values. The first byte of a key has to be as good as random.
    pub fn new(capacity: usize) -> Self {
        let empty = || RwLock::new(Segment { young: Generation::default(), old: Generation::default() });
        Self { segments: (0..SEGMENTS).map(|_| empty()).collect(), generation: (capacity / SEGMENTS / 2).max(1) }
    }

    /// What `take` makes of the value of this key, if there is one.
    pub fn find<R>(&self, key: &[u8; N], take: impl FnOnce(&V) -> Option<R>) -> Option<R> {
        let segment = self.segment(key).read().unwrap_or_else(PoisonError::into_inner);
        segment.young.get(key).or_else(|| segment.old.get(key)).and_then(take)
    }

    /// Keeps a value.
    pub fn keep(&self, key: [u8; N], value: V) {
        let mut segment = self.segment(&key).write().unwrap_or_else(PoisonError::into_inner);
        let gone = if segment.young.len() < self.generation {
            Generation::default()
        } else {
            let full = mem::take(&mut segment.young);
            mem::replace(&mut segment.old, full)
        };
        segment.young.insert(key, value);
        // Freed only after the lock is.
        drop(segment);
        drop(gone);
    }

    fn segment(&self, key: &[u8; N]) -> &RwLock<Segment<N, V>> {
        &self.segments[usize::from(key[0]) % SEGMENTS]
    }
}

impl<const N: usize, V> fmt::Debug for Recent<N, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recent").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_holds_more_than_its_room_and_never_loses_the_youngest() {
        let recent = Recent::new(1280);
        for n in 0..10_000_u32 {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&n.wrapping_mul(0x9e37_79b1).to_be_bytes());
            recent.keep(key, n);
            assert_eq!(recent.find(&key, |value| Some(*value)), Some(n));
        }
        let held: usize =
            recent.segments.iter().map(|s| s.read().expect("lock")).map(|s| s.young.len() + s.old.len()).sum();
        assert!((640..=1280).contains(&held), "{held}");
    }

    #[test]
    fn a_value_is_found_by_its_key_alone_and_only_if_it_is_taken() {
        let recent = Recent::new(1280);
        recent.keep([1; 16], "yes");
        for (key, taken, want) in [(1, true, Some("yes")), (1, false, None), (2, true, None)] {
            assert_eq!(recent.find(&[key; 16], |value| taken.then_some(*value)), want, "{key} {taken}");
        }
    }
}
