//! The volume limit: how many bytes, how many different objects and what share of errors one key may come to in a span of time.

use std::collections::{HashMap, VecDeque};
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::RandomState;

use super::Key;
use super::shards::Shards;
use crate::domain::Measure;

/// How much one key may come to in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VolumeSettings {
    /// How long a window is; it begins with a key's first request.
    pub per: Duration,
    /// How many bytes of bodies, both ways together.
    pub bytes: Option<NonZeroU64>,
    /// How many different objects: paths in their normal form. Told apart within a few of a hundred; at most [`Volume::MAX_OBJECTS`].
    pub objects: Option<NonZeroU32>,
    /// What share of requests may come to nothing.
    pub errors: Option<ErrorRatio>,
}

/// A share of requests that were answered 4xx or 5xx.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorRatio {
    /// More than so many of a hundred are too many.
    pub percent: u8,
    /// But not before there were so many requests.
    pub from: NonZeroU32,
}

/// The window of this key is full until it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// Of what there was too much.
    pub measure: Measure,
    /// The time until the window ends.
    pub retry_after: Duration,
}

/// A volume limit and what every key came to.
///
/// Windows do not slide: one begins with a request that finds none, and lasts for `per`. So over any stretch of `per` a key comes to at most
/// twice what is set, and to what was under way beside: what an exchange comes to is known when it ends. Objects are counted before that, so
/// that the one too many is not handed out.
///
/// **Objects** are counted in a bitmap of [`BITS_PER_OBJECT`] bits for each (linear counting: Whang, Vander-Zanden and Taylor, ACM TODS 15(2),
/// 1990), under a random key, so that nobody can look for paths that count as one.
///
/// **When there are too many keys**, newcomers share one window with the others of their shard that found no room, after windows that are
/// over were dropped, a few for each newcomer.
#[derive(Debug)]
pub struct Volume {
    settings: VolumeSettings,
    hasher: RandomState,
    /// The words of a bitmap.
    words: usize,
    /// How many of its bits are set when there were as many objects as there may be.
    max_set: u32,
    keys_per_shard: usize,
    shards: Shards<Shard>,
}

/// One exchange that counts in a [`Volume`] when it ends.
#[derive(Debug)]
pub struct Meter {
    volume: Arc<Volume>,
    key: Key,
}

const SHARDS: usize = 64;
/// How many old keys each newcomer looks at.
const LOOKED_AT: usize = 4;
/// Of *n* objects in *m* bits, *n*² / 2*m* are expected to share one with another, which is reckoned with, and the root of that is by how much
/// counts are off: 1 of 50, 11 of 1000, 35 of 10,000.
const BITS_PER_OBJECT: u32 = 4;
const FEWEST_BITS: u32 = 1024;
/// How much memory the bitmaps of one limit take at most, in bytes.
const MAX_MEMORY: usize = 64 << 20;

impl Volume {
    /// The most objects that can be told apart in one window: so many that more than 10,000 keys have room for theirs.
    pub const MAX_OBJECTS: u32 = 10_000;

    /// A limit with these settings that keeps windows for at most `max_keys` keys, and for no more than bitmaps of 64 MiB in all.
    pub fn new(settings: VolumeSettings, max_keys: NonZeroUsize) -> Self {
        let objects = settings.objects.map_or(0, |max| max.get().min(Self::MAX_OBJECTS));
        let words =
            if objects == 0 { 0 } else { (objects * BITS_PER_OBJECT).max(FEWEST_BITS).div_ceil(u64::BITS) as usize };
        let max_keys = max_keys.get().min(MAX_MEMORY / (words * 8).max(1)).max(1);
        let count = max_keys.min(SHARDS);
        Self {
            settings,
            hasher: RandomState::new(),
            words,
            max_set: most_set(objects, words),
            keys_per_shard: max_keys / count,
            shards: Shards::new(count, Shard::new),
        }
    }

    /// Lets a request for this object begin, where the key's window is not full.
    ///
    /// # Errors
    /// [`Full`], with what there was too much of.
    pub fn open(self: &Arc<Self>, key: Key, object: &str, now: Instant) -> Result<Meter, Full> {
        let bit = (self.words > 0).then(|| self.hasher.hash_one(object));
        let mut shard = self.shards.lock(key);
        let window = shard.window(key, now, self.settings.per, self.keys_per_shard);
        let retry_after = window.left(now, self.settings.per);
        if let Some(measure) = self.full(window, bit) {
            return Err(Full { measure, retry_after });
        }
        if let Some(bit) = bit {
            window.objects.insert(bit, self.words);
        }
        Ok(Meter { volume: Arc::clone(self), key })
    }

    fn full(&self, window: &Window, bit: Option<u64>) -> Option<Measure> {
        let VolumeSettings { bytes, errors, .. } = &self.settings;
        if bytes.is_some_and(|max| window.bytes >= max.get()) {
            return Some(Measure::Bytes);
        }
        let has_too_many = |most: &ErrorRatio| {
            window.ended >= most.from.get()
                && u64::from(window.failed) * 100 > u64::from(most.percent) * u64::from(window.ended)
        };
        if errors.as_ref().is_some_and(has_too_many) {
            return Some(Measure::Errors);
        }
        let is_new = |bit: u64| window.objects.set >= self.max_set && !window.objects.contains(bit, self.words);
        bit.is_some_and(is_new).then_some(Measure::Objects)
    }
}

impl Meter {
    /// Counts what the exchange came to.
    pub fn settle(self, bytes: u64, failed: bool, now: Instant) {
        let Self { volume, key } = self;
        let mut shard = volume.shards.lock(key);
        let window = shard.window(key, now, volume.settings.per, volume.keys_per_shard);
        window.bytes = window.bytes.saturating_add(bytes);
        window.ended = window.ended.saturating_add(1);
        window.failed = window.failed.saturating_add(u32::from(failed));
    }
}

/// How many bits are expected to be set by so many objects.
fn most_set(objects: u32, words: usize) -> u32 {
    let bits = (words * 64) as f64;
    if words == 0 { 0 } else { (bits * (1.0 - (-f64::from(objects) / bits).exp())).round() as u32 }
}

/// What one key came to since a moment.
#[derive(Debug)]
struct Window {
    began: Instant,
    bytes: u64,
    /// Requests that ended, and those of them that came to nothing.
    ended: u32,
    failed: u32,
    objects: Bitmap,
}

impl Window {
    fn new(now: Instant) -> Self {
        Self { began: now, bytes: 0, ended: 0, failed: 0, objects: Bitmap::default() }
    }

    fn left(&self, now: Instant, per: Duration) -> Duration {
        per.saturating_sub(now.saturating_duration_since(self.began))
    }
}

/// Which objects were seen, more or less.
#[derive(Debug, Default)]
struct Bitmap {
    /// None before the first.
    words: Box<[u64]>,
    set: u32,
}

impl Bitmap {
    fn place(hash: u64, words: usize) -> (usize, u64) {
        // Multiplied and shifted, a hash is spread over any number of bits without a division.
        let bit = ((u128::from(hash) * (words as u128 * 64)) >> 64) as usize;
        (bit / 64, 1 << (bit % 64))
    }

    fn contains(&self, hash: u64, words: usize) -> bool {
        let (word, mask) = Self::place(hash, words);
        self.words.get(word).is_some_and(|bits| bits & mask != 0)
    }

    fn insert(&mut self, hash: u64, words: usize) {
        if self.words.is_empty() {
            self.words = vec![0; words].into();
        }
        let (word, mask) = Self::place(hash, words);
        if let Some(bits) = self.words.get_mut(word) {
            self.set += u32::from(*bits & mask == 0);
            *bits |= mask;
        }
    }
}

#[derive(Debug)]
struct Shard {
    known: HashMap<Key, Window, RandomState>,
    /// The known keys in the order in which newcomers look at them.
    order: VecDeque<Key>,
    /// What keys without room came to together.
    shared: Option<Window>,
}

impl Shard {
    fn new(hasher: &RandomState) -> Self {
        Self { known: HashMap::with_hasher(hasher.clone()), order: VecDeque::new(), shared: None }
    }

    /// The window that counts for a key now.
    fn window(&mut self, key: Key, now: Instant, per: Duration, room: usize) -> &mut Window {
        if !self.known.contains_key(&key) {
            self.drop_some(now, per);
            if self.known.len() >= room {
                return renewed(self.shared.get_or_insert_with(|| Window::new(now)), now, per);
            }
            self.order.push_back(key);
        }
        renewed(self.known.entry(key).or_insert_with(|| Window::new(now)), now, per)
    }

    fn drop_some(&mut self, now: Instant, per: Duration) {
        for _ in 0..LOOKED_AT.min(self.order.len()) {
            let Some(key) = self.order.pop_front() else { return };
            if self.known.get(&key).is_some_and(|window| window.left(now, per).is_zero()) {
                self.known.remove(&key);
            } else {
                self.order.push_back(key);
            }
        }
    }
}

fn renewed(window: &mut Window, now: Instant, per: Duration) -> &mut Window {
    if window.left(now, per).is_zero() {
        *window = Window::new(now);
    }
    window
}

#[cfg(test)]
mod tests {
    use super::*;

    const PER: Duration = Duration::from_secs(60);
    const NONE: VolumeSettings = VolumeSettings { per: PER, bytes: None, objects: None, errors: None };

    fn volume(settings: VolumeSettings) -> Arc<Volume> {
        Arc::new(Volume::new(settings, NonZeroUsize::new(1000).expect("not zero")))
    }

    fn key(n: u32) -> Key {
        Key::client(std::net::Ipv4Addr::from(n).into())
    }

    fn objects(max: u32) -> VolumeSettings {
        VolumeSettings { objects: NonZeroU32::new(max), ..NONE }
    }

    #[test]
    fn a_window_that_is_full_of_bytes_opens_again_when_it_ends() {
        let volume = volume(VolumeSettings { bytes: NonZeroU64::new(100), ..NONE });
        let start = Instant::now();
        volume.open(key(1), "/a", start).expect("empty").settle(99, false, start);
        volume.open(key(1), "/a", start).expect("not full").settle(1, false, start + PER / 4);
        let full = volume.open(key(1), "/a", start + PER / 2).expect_err("full");
        assert_eq!(full, Full { measure: Measure::Bytes, retry_after: PER / 2 });
        assert!(volume.open(key(2), "/a", start).is_ok(), "another's window");
        assert!(volume.open(key(1), "/a", start + PER).is_ok());
    }

    #[test]
    fn the_object_too_many_is_refused_and_those_known_are_not() {
        for max in [1, 3, 50, 1000, Volume::MAX_OBJECTS] {
            let (volume, now) = (volume(objects(max)), Instant::now());
            let seen: Vec<String> = (0..max * 2).map(|n| format!("/things/{n}")).collect();
            let allowed = seen.iter().take_while(|path| volume.open(key(1), path, now).is_ok()).count();
            let off = (allowed as f64 - f64::from(max)).abs();
            // Five times what it is off by in the mean, which happens once in millions of runs.
            let mean = f64::from(max) / (2.0 * (volume.words * 64) as f64).sqrt();
            assert!(off <= 1.0 + 5.0 * mean, "{allowed} of {max}");
            assert!(seen[..allowed].iter().all(|path| volume.open(key(1), path, now).is_ok()), "known ones");
            let full = volume.open(key(1), &seen[allowed], now).expect_err("a new one");
            assert_eq!(full.measure, Measure::Objects);
        }
    }

    #[test]
    fn errors_count_from_a_number_of_requests_on() {
        let errors = ErrorRatio { percent: 50, from: NonZeroU32::new(10).expect("not zero") };
        let (volume, now) = (volume(VolumeSettings { errors: Some(errors), ..NONE }), Instant::now());
        let ends = |failed: bool| volume.open(key(1), "/", now).map(|meter| meter.settle(0, failed, now));
        for nth in 0..10 {
            assert!(ends(nth % 2 == 0).is_ok(), "half of them may fail");
        }
        assert!(ends(true).is_ok());
        assert_eq!(ends(false).expect_err("six of eleven").measure, Measure::Errors);
    }

    #[test]
    fn keys_without_room_share_one_window_and_take_nothing_from_those_known() {
        let few = NonZeroUsize::new(64).expect("not zero");
        let volume = Arc::new(Volume::new(VolumeSettings { bytes: NonZeroU64::new(10), ..NONE }, few));
        let now = Instant::now();
        volume.open(key(0), "/", now).expect("first").settle(1, false, now);
        for n in 1..10_000 {
            if let Ok(meter) = volume.open(key(n), "/", now) {
                meter.settle(9, false, now);
            }
        }
        assert_eq!(volume.shards.sum(|shard| shard.known.len()), 64);
        assert!(volume.open(key(0), "/", now).is_ok());
        assert!((10_000..10_100).filter(|n| volume.open(key(*n), "/", now).is_err()).count() > 90);
        assert!((10_000..10_100).all(|n| volume.open(key(n), "/", now + PER).is_ok()), "old windows make room");
    }

    #[test]
    fn bitmaps_take_no_more_than_their_share_of_memory() {
        let many = NonZeroUsize::new(1_000_000).expect("not zero");
        for max in [1, 500, Volume::MAX_OBJECTS, u32::MAX] {
            let volume = Volume::new(objects(max), many);
            assert!(volume.words * 8 * volume.keys_per_shard * SHARDS <= MAX_MEMORY);
            assert!(volume.keys_per_shard * SHARDS >= 10_000, "and who fills them has to be many");
        }
    }
}
