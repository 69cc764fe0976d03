//! What somebody who was asked said lately: bounded in number and in age.

use std::collections::HashMap;
use std::mem;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

/// Values by the digest of the question, in segments of two generations: when the young one is full it becomes the old one, and the old one
/// goes. Ages are counted by a clock that nobody can set back.
pub(super) struct Recent<V> {
    segments: Box<[RwLock<Segment<V>>]>,
    generation: usize,
    age: Duration,
}

type Generation<V> = HashMap<[u8; 32], (V, Instant), ahash::RandomState>;

struct Segment<V> {
    young: Generation<V>,
    old: Generation<V>,
}

/// A power of two up to 256, since one byte of the digest chooses.
const SEGMENTS: usize = 64;

impl<V: Clone> Recent<V> {
    /// Room for about this many values, each younger than `age`; with an age of zero nothing is kept.
    pub(super) fn new(capacity: usize, age: Duration) -> Self {
        let empty = || RwLock::new(Segment { young: Generation::default(), old: Generation::default() });
        Self { segments: (0..SEGMENTS).map(|_| empty()).collect(), generation: (capacity / SEGMENTS / 2).max(1), age }
    }

    /// The value for this question, if it is young enough now.
    pub(super) fn find(&self, key: &[u8; 32], now: Instant) -> Option<V> {
        let segment = self.segment(key).read().unwrap_or_else(PoisonError::into_inner);
        let (value, asked) = segment.young.get(key).or_else(|| segment.old.get(key))?;
        (now.saturating_duration_since(*asked) < self.age).then(|| value.clone())
    }

    /// Keeps the answer to a question that was asked at this time.
    pub(super) fn keep(&self, key: [u8; 32], value: V, asked: Instant) {
        if self.age.is_zero() {
            return;
        }
        let mut segment = self.segment(&key).write().unwrap_or_else(PoisonError::into_inner);
        let gone = if segment.young.len() < self.generation {
            Generation::default()
        } else {
            let full = mem::take(&mut segment.young);
            mem::replace(&mut segment.old, full)
        };
        segment.young.insert(key, (value, asked));
        // Freed only after the lock is.
        drop(segment);
        drop(gone);
    }

    fn segment(&self, key: &[u8; 32]) -> &RwLock<Segment<V>> {
        &self.segments[usize::from(key[0]) % SEGMENTS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_kept_for_its_age_and_no_longer() {
        let recent = Recent::new(1000, Duration::from_secs(30));
        let asked = Instant::now();
        recent.keep([1; 32], "yes", asked);
        for (key, seconds, want) in [(1, 0, true), (1, 29, true), (1, 30, false), (1, 3000, false), (2, 0, false)] {
            let found = recent.find(&[key; 32], asked + Duration::from_secs(seconds));
            assert_eq!(found.is_some(), want, "{key} {seconds}");
        }
        let none = Recent::new(1000, Duration::ZERO);
        none.keep([1; 32], "yes", asked);
        assert_eq!(none.find(&[1; 32], asked), None);
    }

    #[test]
    fn never_holds_more_than_its_room() {
        let recent = Recent::new(1280, Duration::from_secs(30));
        let now = Instant::now();
        for n in 0..10_000_u32 {
            let key = crate::crypto::sha256(&n.to_be_bytes());
            recent.keep(key, n, now);
            assert_eq!(recent.find(&key, now), Some(n));
        }
        let held: usize =
            recent.segments.iter().map(|s| s.read().expect("lock")).map(|s| s.young.len() + s.old.len()).sum();
        assert!((640..=1280).contains(&held), "{held}");
    }
}
