//! Proofs that were used, kept until they would no longer be taken anyway.

use std::collections::HashSet;
use std::mem;
use std::sync::{Mutex, PoisonError};

/// Used proofs by the digest of key and `jti`, in segments of two generations. The old one goes when all in it have ended, so nothing is
/// ever searched for what has. Bounded: what does not fit is not remembered, and whoever asked has to refuse it.
pub(super) struct Used {
    segments: Box<[Mutex<Segment>]>,
    /// The most entries in a generation of a segment.
    room: usize,
}

#[derive(Default)]
struct Segment {
    young: Generation,
    old: Generation,
    /// The end of the proof that ended last among those forgotten. One that ends no later may have been used, whatever the clock says now.
    forgotten: u64,
}

#[derive(Default)]
struct Generation {
    /// Half a digest each: chance makes no two equal, and nobody gains by making their own so.
    proofs: HashSet<[u8; 16], ahash::RandomState>,
    /// When the last of them ends, in seconds since 1970.
    until: u64,
}

/// What becomes of one more use.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Once {
    First,
    Again,
    Full,
}

/// A power of two up to 256, since one byte of the digest chooses.
const SEGMENTS: usize = 64;

impl Used {
    /// Room for about this many proofs.
    pub(super) fn new(capacity: usize) -> Self {
        let segments = (0..SEGMENTS).map(|_| Mutex::default()).collect();
        Self { segments, room: (capacity / SEGMENTS / 2).max(1) }
    }

    /// Uses a proof of this digest that ends at this time; times are in seconds since 1970.
    pub(super) fn take(&self, proof: &[u8; 32], until: u64, now: u64) -> Once {
        let mut half = [0; 16];
        half.copy_from_slice(&proof[16..]);
        let segment = &self.segments[usize::from(proof[0]) % SEGMENTS];
        let mut segment = segment.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = segment.turn(now);
        let once = if until <= segment.forgotten || segment.holds(&half) {
            Once::Again
        } else if segment.young.proofs.len() >= self.room {
            Once::Full
        } else {
            segment.young.proofs.insert(half);
            segment.young.until = segment.young.until.max(until);
            Once::First
        };
        // Freed only after the lock is.
        drop(segment);
        drop(gone);
        once
    }
}

impl Segment {
    /// Begins a new generation once all in the old one have ended; gives the one that is forgotten.
    fn turn(&mut self, now: u64) -> Option<Generation> {
        if self.young.proofs.is_empty() || self.old.until > now {
            return None;
        }
        self.forgotten = self.forgotten.max(self.old.until);
        let young = mem::take(&mut self.young);
        Some(mem::replace(&mut self.old, young))
    }

    fn holds(&self, proof: &[u8; 16]) -> bool {
        self.young.proofs.contains(proof) || self.old.proofs.contains(proof)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::sha256;

    #[test]
    fn a_proof_is_taken_once_for_as_long_as_it_could_be_and_never_after_the_clock_went_back() {
        let used = Used::new(100_000);
        let proof = |n: u32| sha256(&n.to_be_bytes());
        assert_eq!(used.take(&proof(0), 1060, 1000), Once::First);
        for now in 1000..1060 {
            // Others of the same segment, so that its generations turn.
            for n in 0..20 {
                let mut other = proof(now * 100 + n);
                other[0] = proof(0)[0];
                used.take(&other, u64::from(now) + 60, now.into());
            }
            assert_eq!(used.take(&proof(0), 1060, now.into()), Once::Again, "{now}");
        }
        for now in [1300, 1400, 1500, 1600] {
            let mut other = proof(now);
            other[0] = proof(0)[0];
            used.take(&other, u64::from(now) + 60, now.into());
        }
        assert_eq!(used.take(&proof(0), 1060, 1000), Once::Again, "forgotten, and still not taken");
    }

    #[test]
    fn what_does_not_fit_is_refused_until_there_is_room_and_the_size_is_bounded() {
        let used = Used::new(1280);
        let proof = |n: u32| sha256(&n.to_be_bytes());
        let firsts = (0..10_000).filter(|n| used.take(&proof(*n), 1060, 1000) == Once::First).count();
        let held = |used: &Used| -> usize {
            let sizes = used.segments.iter().map(|segment| segment.lock().expect("lock"));
            sizes.map(|segment| segment.young.proofs.len() + segment.old.proofs.len()).sum()
        };
        assert!(firsts <= 1280 && held(&used) == firsts, "{firsts}");
        assert!((0..10_000).all(|n| used.take(&proof(n), 1060, 1001) != Once::First), "none is forgotten for room");
        let later = (20_000..20_500).filter(|n| used.take(&proof(*n), 1360, 1300) == Once::First).count();
        assert!(later > 400, "{later}");
        assert!(held(&used) <= 1280);
    }

    #[test]
    fn of_many_that_use_one_at_once_one_is_the_first() {
        let used = Used::new(100_000);
        let firsts: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let all = 0..1000_u32;
                        all.filter(|n| used.take(&sha256(&[*n as u8]), 1060, 1000) == Once::First).count()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("a thread")).sum()
        });
        assert_eq!(firsts, 256);
    }
}
