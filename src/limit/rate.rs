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
mod tests {
    use proptest::prelude::*;

    use super::super::Keyer;
    use super::*;

    fn settings(requests: u32, per: Duration, burst: u32) -> RateSettings {
        let number = |n| NonZeroU32::new(n).expect("not zero");
        RateSettings { requests: number(requests), per, burst: number(burst) }
    }

    fn rate(settings: RateSettings, max_keys: usize) -> Rate {
        Rate::new(settings, NonZeroUsize::new(max_keys).expect("not zero"))
    }

    fn key(n: u32) -> Key {
        Key::client(std::net::Ipv4Addr::from_bits(n).into())
    }

    #[test]
    fn a_burst_is_allowed_and_then_the_rate() {
        let rate = rate(settings(2, Duration::from_secs(1), 3), 100);
        let start = rate.epoch;
        let ms = Duration::from_millis;
        for (at, want) in [
            (0, Ok((2, ms(500)))),
            (0, Ok((1, ms(1000)))),
            (0, Ok((0, ms(1500)))),
            (0, Err((ms(500), ms(1500)))),
            (499, Err((ms(1), ms(1001)))),
            (500, Ok((0, ms(1500)))),
            (1600, Ok((1, ms(900)))),
            (1_000_000, Ok((2, ms(500)))),
        ] {
            let got = rate.check(key(1), start + ms(at));
            let got = got.map(|a| (a.remaining, a.reset)).map_err(|e| (e.retry_after, e.reset));
            assert_eq!(got, want, "{at} ms");
        }
    }

    #[test]
    fn what_other_nodes_allowed_counts_and_what_was_allowed_too_much_is_paid_back() {
        let limits = settings(1, Duration::from_secs(1), 4);
        let nodes = [rate(limits, 100), rate(limits, 100)];
        let (who, start) = (key(1), nodes[0].epoch.max(nodes[1].epoch));
        nodes.iter().for_each(Rate::share);
        let allow = |node: usize, at: u64| nodes[node].check(who, start + Duration::from_secs(at)).is_ok();
        let settle = || {
            let mut all = 0;
            for node in &nodes {
                all += node.spent(10).iter().map(|(_, spent)| spent.count).sum::<u32>();
                assert!(node.spent(10).is_empty(), "told once");
            }
            all
        };
        assert_eq!((0..10).filter(|n| allow(n % 2, 0)).count(), 8, "each its burst, before they know of one another");
        assert_eq!(settle(), 8);
        for node in &nodes {
            node.settle(who, Duration::from_secs(8), start);
        }
        let allowed: Vec<_> = (1..10).map(|at| allow(0, at)).collect();
        assert_eq!(allowed.iter().position(|allowed| *allowed), Some(4), "at 5 s: eight less four and one");
        nodes[1].settle(who, Duration::ZERO, start + Duration::from_secs(1));
        assert!(!allow(1, 4) && allow(1, 5), "a lesser debt than the known one is none");
        let told = nodes[1].spent(10);
        assert_eq!(told[0].1.since, start + Duration::from_secs(5), "when the first of them was");
        told.iter().for_each(|(key, spent)| nodes[1].unspend(*key, *spent));
        assert_eq!(nodes[1].spent(10), told);
    }

    #[test]
    fn a_time_before_an_earlier_one_earns_nothing() {
        let rate = rate(settings(1, Duration::from_secs(1), 1), 100);
        let start = rate.epoch + Duration::from_secs(10);
        assert!(rate.check(key(1), start).is_ok());
        assert_eq!(rate.check(key(1), start - Duration::from_secs(2)).expect_err("too soon").retry_after.as_secs(), 1);
        assert!(rate.check(key(1), rate.epoch).is_err());
    }

    #[test]
    fn extreme_settings_neither_overflow_nor_open_the_limit() {
        let slow = rate(settings(1, Duration::MAX, u32::MAX), 1);
        assert!(slow.check(key(1), slow.epoch + Duration::from_secs(1 << 32)).is_ok());
        let fast = rate(settings(u32::MAX, Duration::ZERO, 1), 1);
        assert!(fast.check(key(1), fast.epoch).is_ok());
        assert!(fast.check(key(1), fast.epoch).is_err());
    }

    #[test]
    fn keys_at_rest_make_room_without_a_pass_over_all() {
        let rate = rate(settings(1, Duration::from_secs(1), 1), 10_000);
        for second in 0..1000 {
            for n in 0..100 {
                assert!(rate.check(key(second * 100 + n), rate.epoch + Duration::from_secs(second.into())).is_ok());
            }
        }
        assert!(rate.shards.sum(|shard| shard.known.len()) < 1000, "of 100,000 keys only the last few are live");
    }

    #[test]
    fn a_flood_of_keys_is_held_to_the_shared_rate_and_leaves_known_keys_alone() {
        let rate = rate(settings(10, Duration::from_secs(1), 5), 640);
        let known = key(u32::MAX);
        assert!(rate.check(known, rate.epoch).is_ok());
        let allowed = (0..50_000).filter(|n| rate.check(key(*n), rate.epoch).is_ok()).count();
        assert!(rate.shards.sum(|shard| shard.known.len()) <= 640);
        assert!(allowed <= 640 + 64 * 5, "{allowed}: each key with room once, each shard's shared state a burst");
        assert_eq!(rate.check(known, rate.epoch).expect("its own state").remaining, 3);
        let later = rate.epoch + Duration::from_millis(100);
        assert!(rate.check(key(1_000_000), later).is_ok(), "newcomers come in again at once when the flood ends");
    }

    #[test]
    fn threads_together_get_no_more_than_the_burst() {
        let rate = rate(settings(1, Duration::from_secs(3600), 1000), 100);
        let who = Keyer::default().key(&[b"corp", b"alice"]);
        let count = || (0..500).filter(|_| rate.check(who, rate.epoch).is_ok()).count();
        let allowed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(count)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        assert_eq!(allowed, 1000);
    }

    proptest! {
        #[test]
        fn no_stretch_of_time_sees_more_than_burst_and_rate(
            (requests, per, burst) in (1u32..9, 1u64..5_000, 1u32..5),
            max_keys in 1usize..4,
            steps in proptest::collection::vec((0u32..5, 0u64..2_000), 1..200),
        ) {
            let per = Duration::from_nanos(per);
            let rate = rate(settings(requests, per, burst), max_keys);
            let mut allowed: HashMap<u32, Vec<u128>> = HashMap::new();
            let mut now = Duration::ZERO;
            for (who, step) in steps {
                now += Duration::from_nanos(step);
                match rate.check(key(who), rate.epoch + now) {
                    Ok(_) => allowed.entry(who).or_default().push(now.as_nanos()),
                    Err(exceeded) => prop_assert!(!exceeded.retry_after.is_zero() && exceeded.retry_after <= exceeded.reset),
                }
            }
            for times in allowed.values() {
                for (i, first) in times.iter().enumerate() {
                    for (j, last) in times.iter().enumerate().skip(i) {
                        let earned = (last - first) * u128::from(requests) / per.as_nanos();
                        prop_assert!((j - i + 1) as u128 <= u128::from(burst) + earned);
                    }
                }
            }
        }

        #[test]
        fn who_waits_as_told_is_allowed(requests in 1u32..1000, per in 1u64..1_000_000, burst in 1u32..10) {
            let rate = rate(settings(requests, Duration::from_nanos(per), burst), 1);
            let exceeded = (0..=burst).find_map(|_| rate.check(key(1), rate.epoch).err()).expect("one too many");
            prop_assert!(rate.check(key(1), rate.epoch + exceeded.retry_after).is_ok());
        }
    }
}
