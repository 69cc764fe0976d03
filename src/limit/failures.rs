//! Lock-outs: who has presented wrong credentials too often waits, twice as long each time.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ahash::RandomState;

use super::Key;
use super::shards::Shards;

/// When somebody is locked out, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailureSettings {
    /// How many failures within `window` lock out.
    pub free: u32,
    /// The time in which they count together.
    pub window: Duration,
    /// How long the first lock-out is; each failure after one doubles it.
    pub delay: Duration,
    /// The longest lock-out.
    pub max_delay: Duration,
}

/// A lock-out that is over: nothing failed for the window, or as long as it last lasted, whichever is longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Where the failures came from: the first address.
    pub from: IpAddr,
    /// How many failures there were.
    pub failures: u32,
    /// How many attempts were refused unseen.
    pub refused: u64,
}

/// What becomes of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// It counts.
    Counted,
    /// The key's first lock-out begins with it.
    Begins,
    /// It was under way when a lock-out began, which goes on for so long. It makes that no longer, and nobody is to be told that it failed.
    Late(Duration),
}

/// What failed, by key.
///
/// A success forgives nothing, time does: otherwise who has one account could clear the way for guessing at others. State is kept for a
/// bounded number of keys. A newcomer looks at [`LOOKED_AT`] old ones and drops those whose time is over; where there is still no room, it
/// takes the place of one of them, if it can of one that is not locked out. So a flood of keys locks out nobody who has not failed.
#[derive(Debug)]
pub struct Failures {
    keys_per_shard: usize,
    known: AtomicUsize,
    shards: Shards<Shard>,
}

const SHARDS: usize = 64;
const LOOKED_AT: usize = 4;

#[derive(Debug, Default)]
struct Shard {
    known: HashMap<Key, Episode, RandomState>,
    order: VecDeque<Key>,
}

#[derive(Debug, Clone, Copy)]
struct Episode {
    from: IpAddr,
    failures: u32,
    /// How many lock-outs there were; none yet where it is 0.
    level: u32,
    since: Instant,
    locked_until: Instant,
    forgotten_at: Instant,
    refused: u64,
}

impl Failures {
    /// Keeps state for at most `max_keys` keys.
    pub fn new(max_keys: usize) -> Self {
        Self {
            keys_per_shard: (max_keys / SHARDS).max(1),
            known: AtomicUsize::new(0),
            shards: Shards::new(SHARDS, |hasher| Shard {
                known: HashMap::with_hasher(hasher.clone()),
                order: VecDeque::new(),
            }),
        }
    }

    /// Whether nobody has failed of late, so that nobody need be looked for.
    pub fn is_empty(&self) -> bool {
        self.known.load(Ordering::Relaxed) == 0
    }

    /// Lets an attempt pass, unless its key is locked out.
    ///
    /// # Errors
    /// The time after which to come again.
    pub fn check(&self, key: Key, now: Instant) -> Result<(), Duration> {
        if self.is_empty() {
            return Ok(());
        }
        let mut shard = self.shards.lock(key);
        let Some(episode) = shard.known.get_mut(&key).filter(|episode| now < episode.locked_until) else {
            return Ok(());
        };
        episode.refused = episode.refused.saturating_add(1);
        Err(episode.locked_until - now)
    }

    /// Counts a failure, in one step with finding out whether its key is locked out by now.
    pub fn fail(&self, key: Key, from: IpAddr, settings: &FailureSettings, now: Instant) -> Failed {
        let mut shard = self.shards.lock(key);
        if !shard.known.contains_key(&key) {
            let dropped = shard.make_room(now, self.keys_per_shard);
            self.known.fetch_sub(dropped, Ordering::Relaxed);
            self.known.fetch_add(1, Ordering::Relaxed);
            shard.order.push_back(key);
        }
        shard.known.entry(key).or_insert_with(|| Episode::new(from, now)).fail(from, settings, now)
    }

    /// Forgets those whose time is over: the lock-outs that ended, and how many go on.
    pub fn sweep(&self, now: Instant) -> (Vec<Ended>, usize) {
        let (mut ended, mut going_on) = (Vec::new(), 0);
        if self.is_empty() {
            return (ended, going_on);
        }
        self.shards.each(|shard| {
            let before = shard.known.len();
            shard.known.retain(|_, episode| {
                let is_over = now >= episode.forgotten_at;
                if episode.level > 0 {
                    if is_over {
                        ended.push(episode.ended());
                    } else {
                        going_on += 1;
                    }
                }
                !is_over
            });
            let Shard { known, order } = shard;
            order.retain(|key| known.contains_key(key));
            self.known.fetch_sub(before - known.len(), Ordering::Relaxed);
        });
        (ended, going_on)
    }
}

impl Shard {
    /// Makes room for one more, and tells how many were dropped for it.
    fn make_room(&mut self, now: Instant, room: usize) -> usize {
        let before = self.known.len();
        for _ in 0..LOOKED_AT.min(self.order.len()) {
            let Some(key) = self.order.pop_front() else { break };
            let is_full = self.known.len() >= room;
            let goes = self.known.get(&key).is_none_or(|one| now >= one.forgotten_at || (is_full && one.level == 0));
            if goes {
                self.known.remove(&key);
            } else {
                self.order.push_back(key);
            }
        }
        while self.known.len() >= room
            && let Some(key) = self.order.pop_front()
        {
            self.known.remove(&key);
        }
        before - self.known.len()
    }
}

impl Episode {
    fn new(from: IpAddr, now: Instant) -> Self {
        Self { from, failures: 0, level: 0, since: now, locked_until: now, forgotten_at: now, refused: 0 }
    }

    fn fail(&mut self, from: IpAddr, settings: &FailureSettings, now: Instant) -> Failed {
        if now >= self.forgotten_at {
            *self = Self::new(from, now);
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures < settings.free {
            self.forgotten_at = self.since + settings.window;
            return Failed::Counted;
        }
        if self.level > 0 && now < self.locked_until {
            return Failed::Late(self.locked_until - now);
        }
        self.level = self.level.saturating_add(1);
        let doubled = 2_u32.saturating_pow(self.level - 1);
        let wait = settings.delay.saturating_mul(doubled).min(settings.max_delay);
        self.locked_until = now + wait;
        self.forgotten_at = self.locked_until + wait.max(settings.window);
        if self.level == 1 { Failed::Begins } else { Failed::Counted }
    }

    fn ended(&self) -> Ended {
        Ended { from: self.from, failures: self.failures, refused: self.refused }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn settings() -> FailureSettings {
        FailureSettings { free: 3, window: 60 * SECOND, delay: SECOND, max_delay: 8 * SECOND }
    }

    fn address(n: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(n).into()
    }

    fn fail(failures: &Failures, n: u32, now: Instant) -> Failed {
        failures.fail(Key::client(address(n)), address(n), &settings(), now)
    }

    #[test]
    fn waits_double_up_to_the_longest_and_are_forgotten_in_the_end() {
        let failures = Failures::new(6400);
        let start = Instant::now();
        let key = Key::client(address(1));
        assert_eq!([fail(&failures, 1, start), fail(&failures, 1, start)], [Failed::Counted; 2]);
        assert_eq!(failures.check(key, start), Ok(()));
        let mut now = start;
        for (nth, wait) in [1, 2, 4, 8, 8].into_iter().enumerate() {
            let want = if nth == 0 { Failed::Begins } else { Failed::Counted };
            assert_eq!(fail(&failures, 1, now), want, "one beginning");
            assert_eq!(fail(&failures, 1, now), Failed::Late(wait * SECOND), "what was under way makes it no longer");
            assert_eq!(failures.check(key, now), Err(wait * SECOND));
            assert_eq!(failures.check(Key::client(address(2)), now), Ok(()), "another is not locked out");
            now += wait * SECOND;
            assert_eq!(failures.check(key, now), Ok(()));
        }
        assert_eq!(failures.sweep(now + 59 * SECOND), (Vec::new(), 1));
        let ended = Ended { from: address(1), failures: 12, refused: 5 };
        assert_eq!(failures.sweep(now + 60 * SECOND), (vec![ended], 0));
        assert!(failures.is_empty());
        assert_eq!(fail(&failures, 1, now + 60 * SECOND), Failed::Counted, "all is forgotten");
    }

    #[test]
    fn failures_far_apart_lock_nobody_out() {
        let failures = Failures::new(6400);
        let start = Instant::now();
        for n in 0..100 {
            assert_eq!(fail(&failures, 1, start + n * 31 * SECOND), Failed::Counted);
            assert_eq!(failures.check(Key::client(address(1)), start + n * 31 * SECOND), Ok(()));
        }
    }

    #[test]
    fn a_hundred_thousand_addresses_fit_into_the_room_and_lock_out_nobody_else() {
        let failures = Failures::new(6400);
        let start = Instant::now();
        let locked = u32::MAX;
        for _ in 0..3 {
            fail(&failures, locked, start);
        }
        for n in 0..100_000 {
            fail(&failures, n, start);
        }
        let held = failures.shards.sum(|shard| shard.known.len().max(shard.order.len()));
        assert!((3000..=6400).contains(&held), "{held}");
        assert_eq!(failures.known.load(Ordering::Relaxed), failures.shards.sum(|shard| shard.known.len()));
        assert!(failures.check(Key::client(address(locked)), start).is_err(), "who is locked out stays so");
        assert_eq!(failures.check(Key::client(address(200_000)), start), Ok(()));
        assert_eq!(failures.sweep(start + 60 * SECOND), (Vec::new(), 1));
    }
}
