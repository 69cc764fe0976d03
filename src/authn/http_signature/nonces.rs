//! The nonces that one key has used: within the time in which its signatures are good, each is good once.

use std::collections::HashSet;
use std::mem;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::crypto::sha256;

/// Used nonces of one key, bounded. Each is kept for at least the time in which its signature is good. Every key has its own, so that a
/// caller who signs without end is held up alone.
#[derive(Debug)]
pub struct Nonces {
    shards: Box<[Mutex<Shard>]>,
    /// The most that one generation of a shard holds.
    room: usize,
}

#[derive(Debug, Default)]
struct Shard {
    /// When the young generation began.
    began: Option<SystemTime>,
    young: HashSet<[u8; 16], ahash::RandomState>,
    old: HashSet<[u8; 16], ahash::RandomState>,
}

/// Why a nonce was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NonceFault {
    /// It was used before.
    Used,
    /// There is no room to remember another: what cannot be told apart from a replay is treated as one.
    Full,
}

const SHARDS: usize = 16;

impl Default for Nonces {
    fn default() -> Self {
        Self::new(Self::CAPACITY)
    }
}

impl Nonces {
    /// How many nonces one key may use while they are remembered.
    pub const CAPACITY: usize = 128 * 1024;

    fn new(capacity: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, room: (capacity / SHARDS).max(1) }
    }

    /// Uses a nonce up. It is remembered for `window` at least and twice that at most.
    pub(super) fn take(&self, nonce: &str, now: SystemTime, window: Duration) -> Result<(), NonceFault> {
        let digest = sha256(nonce.as_bytes());
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        let mut shard = self.shards[usize::from(digest[31]) % SHARDS].lock().unwrap_or_else(PoisonError::into_inner);
        let gone = shard.turn(now, window);
        let taken = if shard.young.contains(&key) || shard.old.contains(&key) {
            Err(NonceFault::Used)
        } else if shard.young.len() + shard.old.len() >= self.room {
            Err(NonceFault::Full)
        } else {
            shard.young.insert(key);
            Ok(())
        };
        // Freed only after the lock is.
        drop(shard);
        drop(gone);
        taken
    }
}

impl Shard {
    /// When the young generation has lasted for the window, it becomes the old one; answers what nobody needs any more.
    fn turn(&mut self, now: SystemTime, window: Duration) -> HashSet<[u8; 16], ahash::RandomState> {
        let began = *self.began.get_or_insert(now);
        // A clock that was set back forgets nothing.
        let lasted = now.duration_since(began).unwrap_or_default();
        if lasted <= window {
            return HashSet::default();
        }
        self.began = Some(now);
        let full = mem::take(&mut self.young);
        mem::replace(&mut self.old, full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authn::testing::at;

    const WINDOW: Duration = Duration::from_secs(70);

    #[test]
    fn a_nonce_is_good_once_for_the_whole_window() {
        let nonces = Nonces::default();
        assert_eq!(nonces.take("a", at(1000), WINDOW), Ok(()));
        for now in [1000, 900, 1001, 1070, 1071] {
            assert_eq!(nonces.take("a", at(now), WINDOW), Err(NonceFault::Used), "{now}");
        }
        // Used just before a turn, it survives that turn.
        assert_eq!(nonces.take("b", at(1141), WINDOW), Ok(()));
        for now in [1142, 1211, 1212] {
            assert_eq!(nonces.take("b", at(now), WINDOW), Err(NonceFault::Used), "{now}");
        }
    }

    #[test]
    fn a_full_store_refuses_until_there_is_room_and_forgets_nothing_meanwhile() {
        let nonces = Nonces::new(SHARDS * 4);
        let used: Vec<_> =
            (0..1000).map(|n| n.to_string()).filter(|n| nonces.take(n, at(1000), WINDOW) == Ok(())).collect();
        assert_eq!(used.len(), SHARDS * 4);
        for nonce in &used {
            assert_eq!(nonces.take(nonce, at(1001), WINDOW), Err(NonceFault::Used));
        }
        assert_eq!(nonces.take("new", at(1001), WINDOW), Err(NonceFault::Full));
        assert_eq!(nonces.take("new", at(1071), WINDOW), Err(NonceFault::Full), "the old generation still counts");
        assert_eq!(nonces.take("new", at(1142), WINDOW), Ok(()));
    }
}
