//! The concurrency limit: how many requests of one key are under way at once, exactly.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use ahash::RandomState;

use super::Key;
use super::shards::Shards;

/// A concurrency limit and what every key has under way.
///
/// A key is kept only while it has a slot, so the keys are never more than the requests under way, which the listeners bound.
#[derive(Debug)]
pub struct Concurrency {
    max: NonZeroU32,
    taken: Shards<HashMap<Key, u32, RandomState>>,
}

const SHARDS: usize = 64;

impl Concurrency {
    /// A limit of `max` requests at once for each key.
    pub fn new(max: NonZeroU32) -> Self {
        Self { max, taken: Shards::new(SHARDS, |hasher| HashMap::with_hasher(hasher.clone())) }
    }

    /// A slot for one request of this key, held until it is dropped; `None` where `max` are taken.
    pub fn acquire(self: &Arc<Self>, key: Key) -> Option<Slot> {
        let mut shard = self.taken.lock(key);
        let taken = shard.entry(key).or_insert(0);
        // A key is only ever new with none taken, and `max` is at least one: an entry made here never stays at zero.
        if *taken >= self.max.get() {
            return None;
        }
        *taken += 1;
        Some(Slot { limit: Arc::clone(self), key })
    }

    fn release(&self, key: Key) {
        let mut shard = self.taken.lock(key);
        if let Some(taken) = shard.get_mut(&key) {
            *taken -= 1;
            if *taken == 0 {
                shard.remove(&key);
            }
        }
    }
}

/// One request's place in a [`Concurrency`] limit; free again when dropped.
#[derive(Debug)]
#[must_use = "a slot is free again as soon as it is dropped"]
pub struct Slot {
    limit: Arc<Concurrency>,
    key: Key,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.limit.release(self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use proptest::prelude::*;

    use super::*;

    fn limit(max: u32) -> Arc<Concurrency> {
        Arc::new(Concurrency::new(NonZeroU32::new(max).expect("not zero")))
    }

    fn key(n: u8) -> Key {
        Key::client([10, 0, 0, n].into())
    }

    #[test]
    fn threads_never_hold_more_than_the_limit_and_leave_nothing_behind() {
        let limit = limit(3);
        let held = AtomicU32::new(0);
        let work = || {
            let mut got = 0;
            for _ in 0..2_000 {
                if let Some(slot) = limit.acquire(key(1)) {
                    assert!(held.fetch_add(1, Ordering::SeqCst) < 3);
                    held.fetch_sub(1, Ordering::SeqCst);
                    drop(slot);
                    got += 1;
                }
            }
            got
        };
        let got: u32 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        assert!(got > 0);
        assert_eq!(limit.taken.sum(HashMap::len), 0);
    }

    proptest! {
        #[test]
        fn slots_are_what_a_plain_count_says(
            max in 1u32..4,
            steps in proptest::collection::vec((0u8..3, any::<bool>()), 1..200),
        ) {
            let limit = limit(max);
            let mut held: HashMap<u8, Vec<Slot>> = HashMap::new();
            for (who, take) in steps {
                let mine = held.entry(who).or_default();
                if take {
                    let slot = limit.acquire(key(who));
                    prop_assert_eq!(slot.is_some(), mine.len() < max as usize);
                    mine.extend(slot);
                } else {
                    mine.pop();
                }
            }
            prop_assert_eq!(limit.taken.sum(HashMap::len), held.values().filter(|slots| !slots.is_empty()).count());
            held.clear();
            prop_assert_eq!(limit.taken.sum(HashMap::len), 0);
        }
    }
}
