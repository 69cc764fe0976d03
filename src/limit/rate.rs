//! The rate limit: GCRA (the leaky bucket as a meter, ITU-T I.371), exact per key.

use std::collections::{HashMap, VecDeque};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ahash::RandomState;

use super::Key;
use super::shards::Shards;

/// How much one key may do: `requests` in every `per`, of which `burst` may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RateSettings {
    /// How many requests are earned in `per`.
    pub requests: NonZeroU32,
    /// The time in which they are earned; zero counts as a nanosecond.
    pub per: Duration,
    /// How many may come at once after a rest.
    pub burst: NonZeroU32,
}

/// The request is within the rate, and has been counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// How many more may come at once now.
    pub remaining: u32,
    /// The time until the whole burst may come again, if nothing comes meanwhile.
    pub reset: Duration,
}

/// The request is above the rate, and has not been counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// The time until one request is allowed, if none comes meanwhile.
    pub retry_after: Duration,
    /// The time until the whole burst may come again, if nothing comes meanwhile.
    pub reset: Duration,
}

/// A rate limit and where every key stands in it.
///
/// Over any stretch of time a key is allowed at most `burst` + time × `requests` / `per` requests, without rounding: time is counted in
/// ticks of 1 / `requests` nanoseconds, of which one request costs `per`'s nanoseconds, a whole number.
///
/// **When there are too many keys.** State is kept for a bounded number of keys. Each newcomer first looks at [`LOOKED_AT`] old keys and drops
/// those at rest (whose whole burst may come again), which makes cleaning incremental. Where there is still no room, the newcomer shares one
/// state with the others of its shard that found none. So a flood of made-up keys gains nothing, since all of it is held to one key's rate
/// per shard; it takes nothing from keys already known; and it hinders newcomers only in shards whose shared state it keeps busy, while the
/// flood lasts. A key that gets its own state starts it where the shared one stands, so the bound above also holds for it.
///
/// **With other nodes.** Each decides alone, tells from time to time what it allowed ([`spent`](Self::spent)), and hears what all together did
/// ([`settle`](Self::settle)), which counts like its own from then on. So what the nodes allow too much between two settlements is paid back:
/// over any stretch of time, *n* nodes allow a key at most what one would, and up to *n* - 1 times what the burst leaves open at a settlement.
#[derive(Debug)]
pub struct Rate {
    settings: RateSettings,
    /// What one request costs, in ticks.
    cost: u128,
    /// What a whole burst costs, in ticks.
    depth: u128,
    epoch: Instant,
    keys_per_shard: usize,
    shards: Shards<Shard>,
    is_shared: AtomicBool,
}

/// Requests that other nodes were not told of yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// How many.
    pub count: u32,
    /// When the first of them was allowed.
    pub since: Instant,
}

const SHARDS: usize = 64;
/// How many bursts a key may owe.
const MOST_OWED: u128 = 8;
/// How many old keys each newcomer looks at. Two or more, so that a table which only grows is gone through before it has doubled.
const LOOKED_AT: usize = 4;

impl Rate {
    /// A limit with these settings that keeps state for at most `max_keys` keys.
    pub fn new(settings: RateSettings, max_keys: NonZeroUsize) -> Self {
        let count = max_keys.get().min(SHARDS);
        let cost = settings.per.as_nanos().max(1);
        Self {
            settings,
            cost,
            depth: cost * u128::from(settings.burst.get()),
            epoch: Instant::now(),
            keys_per_shard: max_keys.get() / count,
            shards: Shards::new(count, Shard::new),
            is_shared: AtomicBool::new(false),
        }
    }

    /// Counts one request of this key at this time, if it is within the rate.
    ///
    /// # Errors
    /// [`Exceeded`], with the time after which to come again.
    pub fn check(&self, key: Key, now: Instant) -> Result<Allowed, Exceeded> {
        let at = now;
        let now = self.ticks(now.saturating_duration_since(self.epoch));
        let mut shard = self.shards.lock(key);
        let now = shard.advance(now);
        let at_rest = shard.at_rest(key, now, self.keys_per_shard);
        let next = now.max(*at_rest) + self.cost;
        let ahead = next - now;
        match self.depth.checked_sub(ahead) {
            Some(left) => {
                *at_rest = next;
                if self.is_shared.load(Ordering::Relaxed) {
                    shard.spend(key, Spent { count: 1, since: at }, self.keys_per_shard);
                }
                let remaining = u32::try_from(left / self.cost).unwrap_or(u32::MAX);
                Ok(Allowed { remaining, reset: self.duration(ahead) })
            }
            None => Err(Exceeded {
                retry_after: self.duration(ahead - self.depth),
                reset: self.duration(ahead - self.cost),
            }),
        }
    }

    /// Keeps count for other nodes from now on.
    pub fn share(&self) {
        self.is_shared.store(true, Ordering::Relaxed);
    }

    /// What was allowed to which keys since this was asked, of up to so many keys. It is not told again.
    pub fn spent(&self, most: usize) -> Vec<(Key, Spent)> {
        let mut all = Vec::new();
        self.shards.each(|shard| {
            while all.len() < most
                && let Some(key) = shard.spent.keys().next().copied()
                && let Some(spent) = shard.spent.remove(&key)
            {
                all.push((key, spent));
            }
        });
        all
    }

    /// Takes back what could not be told: it is told the next time.
    pub fn unspend(&self, key: Key, spent: Spent) {
        self.shards.lock(key).spend(key, spent, self.keys_per_shard);
    }

    /// Takes over how far a key was ahead of its rate, all nodes taken together, when they were asked: nobody is allowed more by it.
    pub fn settle(&self, key: Key, ahead: Duration, asked: Instant) {
        let ticks = |at: Instant| self.ticks(at.saturating_duration_since(self.epoch));
        let mut shard = self.shards.lock(key);
        let now = shard.advance(ticks(asked));
        let known = ticks(asked) + self.ticks(ahead);
        // What was allowed while they were asked is not in it.
        let together = match shard.spent.get(&key) {
            Some(spent) => known.max(ticks(spent.since)) + u128::from(spent.count) * self.cost,
            None => known,
        };
        if shard.known.contains_key(&key) || shard.known.len() < self.keys_per_shard {
            let at_rest = shard.at_rest(key, now, self.keys_per_shard);
            *at_rest = together.max(*at_rest);
        }
    }

    /// How far ahead of its rate a key may come to be, all nodes taken together: nobody waits for longer than that for what nodes that did
    /// not know of one another allowed too much.
    pub fn most_owed(&self) -> Duration {
        self.duration(self.depth.saturating_mul(MOST_OWED))
    }

    /// What one request costs: the time in which it is earned.
    pub fn cost(&self) -> Duration {
        self.duration(self.cost)
    }

    /// The settings it was made from.
    pub fn settings(&self) -> &RateSettings {
        &self.settings
    }

    fn ticks(&self, time: Duration) -> u128 {
        time.as_nanos() * u128::from(self.settings.requests.get())
    }

    /// Rounded up: who waits as long as told is allowed.
    fn duration(&self, ticks: u128) -> Duration {
        const SECOND: u128 = 1_000_000_000;
        let nanos = ticks.div_ceil(u128::from(self.settings.requests.get()));
        let seconds = u64::try_from(nanos / SECOND).unwrap_or(u64::MAX);
        Duration::new(seconds, (nanos % SECOND) as u32)
    }
}

/// When keys are at rest again, in ticks since the limit's epoch.
#[derive(Debug)]
struct Shard {
    known: HashMap<Key, u128, RandomState>,
    /// The known keys in the order in which newcomers look at them.
    order: VecDeque<Key>,
    /// The state that keys without room share.
    shared: u128,
    /// The latest time seen.
    clock: u128,
    /// What other nodes were not told yet.
    spent: HashMap<Key, Spent, RandomState>,
}

impl Shard {
    fn new(hasher: &RandomState) -> Self {
        let (known, spent) = (HashMap::with_hasher(hasher.clone()), HashMap::with_hasher(hasher.clone()));
        Self { known, order: VecDeque::new(), shared: 0, clock: 0, spent }
    }

    /// Of keys without room nothing is told: what they share is of this node.
    fn spend(&mut self, key: Key, more: Spent, room: usize) {
        let has_room = self.spent.len() < room || self.spent.contains_key(&key);
        if has_room && self.known.contains_key(&key) {
            let spent = self.spent.entry(key).or_insert(Spent { count: 0, ..more });
            *spent = Spent { count: spent.count.saturating_add(more.count), since: spent.since.min(more.since) };
        }
    }

    /// Threads read the clock before they get the lock, so times come out of order by a little. Taken as they come, an early one could find
    /// a key dropped that was not yet at rest then.
    fn advance(&mut self, now: u128) -> u128 {
        self.clock = self.clock.max(now);
        self.clock
    }

    /// The state that counts for a key: its own, or the shared one where there is no room.
    fn at_rest(&mut self, key: Key, now: u128, room: usize) -> &mut u128 {
        if !self.known.contains_key(&key) {
            self.drop_some_at_rest(now);
            if self.known.len() >= room {
                return &mut self.shared;
            }
            self.order.push_back(key);
        }
        self.known.entry(key).or_insert(self.shared)
    }

    fn drop_some_at_rest(&mut self, now: u128) {
        for _ in 0..LOOKED_AT.min(self.order.len()) {
            let Some(key) = self.order.pop_front() else { return };
            if self.known.get(&key).is_some_and(|at_rest| *at_rest <= now) {
                self.known.remove(&key);
            } else {
                self.order.push_back(key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
