//! State by key under many small locks, so that two keys seldom wait for one another.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ahash::RandomState;

use super::Key;

/// One state per shard; a key always belongs to the same one. Which keys share a shard nobody outside can tell.
#[derive(Debug)]
pub(super) struct Shards<S> {
    hasher: RandomState,
    shards: Box<[Mutex<S>]>,
}

impl<S> Shards<S> {
    /// As many shards as `count`, at least one. Maps in them may use the hasher that `make` is given.
    pub(super) fn new(count: usize, make: impl Fn(&RandomState) -> S) -> Self {
        let hasher = RandomState::new();
        let shards = (0..count.max(1)).map(|_| Mutex::new(make(&hasher))).collect();
        Self { hasher, shards }
    }

    /// The state of the key's shard, locked.
    pub(super) fn lock(&self, key: Key) -> MutexGuard<'_, S> {
        // The map inside uses the hash's lowest and highest bits; those in the middle choose the shard.
        let middle = (self.hasher.hash_one(key) >> 32) as u32;
        let shard = &self.shards[middle as usize % self.shards.len()];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with every shard, each locked in turn.
    pub(super) fn each(&self, mut with: impl FnMut(&mut S)) {
        self.shards.iter().for_each(|shard| with(&mut shard.lock().unwrap_or_else(PoisonError::into_inner)));
    }

    /// A number taken from every shard, each locked in turn, added up.
    #[cfg(test)]
    pub(super) fn sum(&self, of: impl Fn(&S) -> usize) -> usize {
        self.shards.iter().map(|shard| of(&shard.lock().unwrap_or_else(PoisonError::into_inner))).sum()
    }
}
