//! What was proved about tokens, kept so that the proof need not be repeated. Facts alone: no decision is ever kept here.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use crate::domain::Principal;

/// One verified token.
#[derive(Clone)]
pub(super) struct Fact {
    pub(super) principal: Arc<Principal>,
    /// The first moment at which it holds.
    pub(super) from: SystemTime,
    /// The moment at which it no longer holds.
    pub(super) until: SystemTime,
    /// The identity of the key that proved it.
    pub(super) key: [u8; 32],
}

/// Facts by the tag or the digest of what was proved, in segments of two generations: when the young one is full it becomes the old one, and the old
/// one goes. So the size is bounded, nothing is ever searched, and only a small part is dropped at a time.
pub(super) struct Facts<const N: usize> {
    segments: Box<[RwLock<Segment<N>>]>,
    generation: usize,
}

#[derive(Default)]
struct Generation<const N: usize>(HashMap<[u8; N], Fact, ahash::RandomState>);

#[derive(Default)]
struct Segment<const N: usize> {
    young: Generation<N>,
    old: Generation<N>,
}

/// A power of two up to 256, since its first byte chooses.
const SEGMENTS: usize = 64;

impl<const N: usize> Facts<N> {
    /// Room for about this many facts.
    pub(super) fn new(capacity: usize) -> Self {
        let segments = (0..SEGMENTS).map(|_| RwLock::default()).collect();
        Self { segments, generation: (capacity / SEGMENTS / 2).max(1) }
    }

    /// The fact about what has this tag, if it holds at this time.
    pub(super) fn find(
        &self,
        token: &[u8; N],
        now: SystemTime,
        is_current: impl Fn(&[u8; 32]) -> bool,
    ) -> Option<Arc<Principal>> {
        let segment = self.segment(token).read().unwrap_or_else(PoisonError::into_inner);
        let fact = segment.young.0.get(token).or_else(|| segment.old.0.get(token))?;
        let holds = fact.from <= now && now < fact.until && is_current(&fact.key);
        holds.then(|| Arc::clone(&fact.principal))
    }

    /// Keeps a fact.
    pub(super) fn keep(&self, token: [u8; N], fact: Fact) {
        let mut segment = self.segment(&token).write().unwrap_or_else(PoisonError::into_inner);
        let gone = if segment.young.0.len() < self.generation {
            Generation::default()
        } else {
            let full = mem::take(&mut segment.young);
            mem::replace(&mut segment.old, full)
        };
        segment.young.0.insert(token, fact);
        // Freed only after the lock is.
        drop(segment);
        drop(gone);
    }

    fn segment(&self, token: &[u8; N]) -> &RwLock<Segment<N>> {
        &self.segments[usize::from(token[0]) % SEGMENTS]
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::authn::testing;

    fn fact(from: u64, until: u64) -> Fact {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        Fact { principal: testing::principal("alice"), from: at(from), until: at(until), key: [7; 32] }
    }

    #[test]
    fn a_fact_holds_in_its_time_and_with_its_key() {
        let facts = Facts::new(1000);
        facts.keep([1; 16], fact(100, 200));
        for (token, now, key, want) in [
            (1, 100, 7, true),
            (1, 199, 7, true),
            (1, 200, 7, false),
            (1, 99, 7, false),
            (1, 150, 8, false),
            (2, 150, 7, false),
        ] {
            let now = UNIX_EPOCH + Duration::from_secs(now);
            let found = facts.find(&[token; 16], now, |id| *id == [key; 32]);
            assert_eq!(found.is_some(), want, "{token} {now:?} {key}");
        }
    }

    #[test]
    fn never_holds_more_than_its_room_and_never_loses_the_youngest() {
        let facts = Facts::new(1280);
        let now = UNIX_EPOCH + Duration::from_secs(150);
        for n in 0..10_000_u32 {
            let token = crate::crypto::tag(&n.to_be_bytes());
            facts.keep(token, fact(100, 200));
            assert!(facts.find(&token, now, |_| true).is_some());
        }
        let held: usize =
            facts.segments.iter().map(|s| s.read().expect("lock")).map(|s| s.young.0.len() + s.old.0.len()).sum();
        assert!((640..=1280).contains(&held), "{held}");
    }
}
