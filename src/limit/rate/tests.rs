//! Rates allow what they say, to everybody and over any stretch of time.

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
