//! What was used once and must not be used again: DPoP proofs (RFC 9449 §11.1) and the nonces of signatures (RFC 9421 §7.2.2).

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::crypto::sha256;
use crate::domain::{Denial, Unavailable, seconds};
use crate::session::Peers;

/// Used proofs by their digests, in segments of two generations. The old one goes when all in it have ended, so nothing is ever searched for
/// what has. Bounded: what does not fit is not remembered, and whoever asked has to refuse it.
pub struct ReplayCache {
    segments: Box<[Mutex<Segment>]>,
    /// The most entries in a generation of a segment.
    room: usize,
    /// The most of them by one owner.
    share: usize,
    /// When the process began, by the clock that nobody sets: what was made before may have been used then.
    born: Option<Instant>,
    /// The other nodes, and what tells these proofs from others there.
    peers: OnceLock<(Arc<dyn Peers>, String)>,
}

#[derive(Default)]
struct Segment {
    young: Generation,
    old: Generation,
    /// When the last among those forgotten was made. One that was made no later may have been used, whatever the clock says now, and
    /// however much longer proofs last than they did then.
    forgotten: u64,
}

#[derive(Default)]
struct Generation {
    /// Half a digest each: chance makes no two equal, and nobody gains by making their own so.
    proofs: HashSet<[u8; 16], ahash::RandomState>,
    /// How many of them are whose.
    owners: HashMap<[u8; 16], usize, ahash::RandomState>,
    /// When the last of them was made, in seconds since 1970.
    made: u64,
}

/// A proof that is good once.
pub(super) struct Single {
    /// The digest of all that tells it from others.
    pub(super) digest: [u8; 32],
    /// Who made it, or part of a digest of that.
    pub(super) owner: [u8; 16],
    /// When it was made, as it says.
    pub(super) made: SystemTime,
    /// How long from then on it is taken.
    pub(super) lasts: Duration,
}

/// What becomes of one more use.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Once {
    First,
    Again,
    Full,
}

/// How far apart the clocks of two nodes may be.
const CLOCKS: Duration = Duration::from_secs(60);

impl ReplayCache {
    /// The most segments: one byte of the digest chooses.
    pub const MAX_SEGMENTS: usize = 256;

    /// Room for about this many proofs, in so many segments that each have a lock, up to [`Self::MAX_SEGMENTS`]. One owner may fill one of
    /// so many shares of it, wherever its proofs fall: nobody keeps the others out alone.
    pub fn new(capacity: usize, segments: usize, shares: usize) -> Self {
        let segments: Box<[_]> = (0..segments.clamp(1, Self::MAX_SEGMENTS)).map(|_| Mutex::default()).collect();
        let room = (capacity / segments.len() / 2).max(1);
        Self { room, share: (room / shares.max(1)).max(1), segments, born: None, peers: OnceLock::new() }
    }

    /// The same for a process that began at this time: what was made in a second before may have been used in another process.
    #[must_use]
    pub fn since(self, began: Instant) -> Self {
        Self { born: Some(began), ..self }
    }

    /// Uses proofs up together with these nodes from now on, under this name; once.
    pub(super) fn share_with(&self, peers: Arc<dyn Peers>, name: String) {
        // A second time it would be with the same.
        let _ = self.peers.set((peers, name));
    }

    /// Uses up at all nodes what was taken here, and tells whether it was used at another.
    pub(super) async fn claim(&self, proof: &Single, now: SystemTime) -> Result<Once, Denial> {
        let Some((peers, name)) = self.peers.get() else { return Ok(Once::First) };
        let digest = sha256(&[name.as_bytes(), b"\0", &proof.digest].concat());
        let (peers, made) = (Arc::clone(peers), proof.made);
        let end = proof.made.checked_add(proof.lasts + CLOCKS).ok_or(Denial::Internal)?;
        let lasts = end.duration_since(now).unwrap_or(CLOCKS);
        match tokio::task::spawn_blocking(move || peers.claim(&digest, made, lasts)).await {
            Ok(Ok(true)) => Ok(Once::First),
            Ok(Ok(false)) => Ok(Once::Again),
            Ok(Err(_)) => Err(Denial::Unavailable(Unavailable::Cluster)),
            Err(_) => Err(Denial::Internal),
        }
    }

    /// Uses a proof up here.
    pub(super) fn take(&self, proof: &Single, now: SystemTime) -> Once {
        let made = seconds(proof.made);
        // It is good through the second in which it ends.
        let lasts = proof.lasts.as_secs() + 1;
        let mut half = [0; 16];
        half.copy_from_slice(&proof.digest[16..]);
        let segment = &self.segments[usize::from(proof.digest[0]) % self.segments.len()];
        // By the system's clock as it is now: it may have been wrong when the process began.
        let began = self.born.and_then(|born| now.checked_sub(born.elapsed()));
        let born = began.map_or(0, |began| seconds(began).saturating_sub(1));
        let mut segment = segment.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = segment.turn(lasts, seconds(now));
        let once = if made <= segment.forgotten.max(born) || segment.holds(&half) {
            Once::Again
        } else if segment.young.proofs.len() >= self.room || segment.young.of(&proof.owner) >= self.share {
            Once::Full
        } else {
            segment.young.proofs.insert(half);
            *segment.young.owners.entry(proof.owner).or_default() += 1;
            segment.young.made = segment.young.made.max(made);
            Once::First
        };
        // Freed only after the lock is.
        drop(segment);
        drop(gone);
        once
    }
}

impl Generation {
    /// How many there are of this owner.
    fn of(&self, owner: &[u8; 16]) -> usize {
        self.owners.get(owner).copied().unwrap_or_default()
    }
}

impl Segment {
    /// Begins a new generation once all in the old one have ended; gives the one that is forgotten.
    fn turn(&mut self, lasts: u64, now: u64) -> Option<Generation> {
        if self.young.proofs.is_empty() || self.old.made.saturating_add(lasts) > now {
            return None;
        }
        self.forgotten = self.forgotten.max(self.old.made);
        let young = mem::take(&mut self.young);
        Some(mem::replace(&mut self.old, young))
    }

    fn holds(&self, proof: &[u8; 16]) -> bool {
        self.young.proofs.contains(proof) || self.old.proofs.contains(proof)
    }
}

impl fmt::Debug for ReplayCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplayCache")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authn::testing::at;
    use crate::crypto::sha256;

    /// One that was made at this time, and lasts for a minute.
    fn one(digest: [u8; 32], made: u64) -> Single {
        Single { digest, owner: [0; 16], made: at(made), lasts: Duration::from_secs(60) }
    }

    #[test]
    fn a_proof_is_taken_once_for_as_long_as_it_could_be_and_never_after_the_clock_went_back() {
        let used = ReplayCache::new(100_000, 64, 1);
        let proof = |n: u32| sha256(&n.to_be_bytes());
        assert_eq!(used.take(&one(proof(0), 1000), at(1000)), Once::First);
        for now in 1000..1060 {
            // Others of the same segment, so that its generations turn.
            for n in 0..20 {
                let mut other = proof(now * 100 + n);
                other[0] = proof(0)[0];
                used.take(&one(other, now.into()), at(now.into()));
            }
            assert_eq!(used.take(&one(proof(0), 1000), at(now.into())), Once::Again, "{now}");
        }
        for now in [1300, 1400, 1500, 1600] {
            let mut other = proof(now);
            other[0] = proof(0)[0];
            used.take(&one(other, now.into()), at(now.into()));
        }
        assert_eq!(used.take(&one(proof(0), 1000), at(1000)), Once::Again, "forgotten, and still not taken");
        let longer = Single { lasts: Duration::from_secs(3600), ..one(proof(0), 1000) };
        assert_eq!(used.take(&longer, at(1600)), Once::Again, "nor when proofs came to last longer");
    }

    #[test]
    fn what_does_not_fit_is_refused_until_there_is_room_and_the_size_is_bounded() {
        let used = ReplayCache::new(1280, 64, 1);
        let proof = |n: u32| sha256(&n.to_be_bytes());
        let firsts = (0..10_000).filter(|n| used.take(&one(proof(*n), 1000), at(1000)) == Once::First).count();
        let held = |used: &ReplayCache| -> usize {
            let sizes = used.segments.iter().map(|segment| segment.lock().expect("lock"));
            sizes.map(|segment| segment.young.proofs.len() + segment.old.proofs.len()).sum()
        };
        assert!(firsts <= 1280 && held(&used) == firsts, "{firsts}");
        assert!(
            (0..10_000).all(|n| used.take(&one(proof(n), 1000), at(1001)) != Once::First),
            "none is forgotten for room"
        );
        let later = (20_000..20_500).filter(|n| used.take(&one(proof(*n), 1300), at(1300)) == Once::First).count();
        assert!(later > 400, "{later}");
        assert!(held(&used) <= 1280);
    }

    #[test]
    fn of_many_that_use_one_at_once_one_is_the_first() {
        let used = ReplayCache::new(100_000, 64, 1);
        let firsts: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let all = 0..1000_u32;
                        all.filter(|n| used.take(&one(sha256(&[*n as u8]), 1000), at(1000)) == Once::First).count()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("a thread")).sum()
        });
        assert_eq!(firsts, 256);
    }

    #[test]
    fn one_owner_fills_a_share_and_leaves_the_rest_to_the_others() {
        let used = ReplayCache::new(6400, 64, 5);
        let proof = |n: u32, owner: u8| {
            // All in one segment, as somebody may choose who makes their own.
            let mut proof = Single { owner: [owner; 16], ..one(sha256(&n.to_be_bytes()), 1000) };
            proof.digest[0] = 7;
            proof
        };
        let takes = |range: std::ops::Range<u32>, owner| -> Vec<Once> {
            range.map(|n| used.take(&proof(n, owner), at(1000))).collect()
        };
        let flood = takes(0..1000, 1);
        // A share of each generation; the first of all is in the old one by then.
        assert_eq!(flood.iter().filter(|once| **once == Once::First).count(), 11);
        assert_eq!(flood.last(), Some(&Once::Full));
        assert!(takes(1000..1010, 2).iter().all(|once| *once == Once::First));
    }

    #[test]
    fn what_was_made_before_the_process_began_may_have_been_used() {
        let used = ReplayCache::new(100, 1, 1).since(Instant::now() - Duration::from_millis(200));
        for (made, want) in [(900, Once::Again), (999, Once::Again), (1000, Once::First), (1001, Once::First)] {
            assert_eq!(used.take(&one([made as u8; 32], made), at(1001)), want, "{made}");
        }
    }
}
