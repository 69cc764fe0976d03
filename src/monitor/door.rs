//! What is known of those who prove nobody: by the address they come from, and by whom they claim to be.

use super::alert::Evidence;
use super::detection::Rule;
use super::distinct::Distinct;
use super::window::Sliding;

/// An address from which something went wrong.
#[derive(Debug, Default)]
pub(super) struct Address {
    wrong: Sliding,
    identities: Different,
    /// Whom it claimed within hours, beside whom it proved.
    slow: Beside,
    /// None until it looks for something in vain.
    tried: Option<Box<Tried>>,
}

/// An identity that somebody claimed and did not prove.
#[derive(Debug, Default)]
pub(super) struct Claimed {
    wrong: Sliding,
    networks: Different,
    slow: Different,
}

/// How many different things of one sort there were, and of another, both within the same span of time: else a share of the two would be of none.
#[derive(Debug, Default)]
pub(super) struct Beside {
    began: u32,
    these: Distinct,
    others: Distinct,
    /// How many there were of either in the span before.
    before: (u32, u32),
}

/// How many different things there were within a span of time, which begins anew when it is over.
#[derive(Debug, Default)]
pub(super) struct Different {
    began: u32,
    seen: Distinct,
}

/// What somebody asked for, and how much of it was not there or not theirs.
#[derive(Debug, Default)]
pub(super) struct Tried {
    requests: Sliding,
    /// None for most: what they ask for is there.
    missed: Option<Box<Missed>>,
}

#[derive(Debug, Default)]
struct Missed {
    requests: Sliding,
    paths: Different,
}

impl Different {
    /// Counts one; tells how many there were.
    pub(super) fn add(&mut self, hash: u64, now: u32, window: u32) -> u64 {
        self.begin(now, window);
        self.seen.add(hash);
        self.seen.count()
    }

    fn begin(&mut self, now: u32, window: u32) {
        if now < self.began || now - self.began >= window {
            self.began = now;
            self.seen.clear();
        }
    }
}

impl Tried {
    /// Counts a request; tells of different paths too many that were not there, which are too many of all.
    pub(super) fn add(&mut self, miss: Option<u64>, now: u32, rule: &Rule) -> Option<Evidence> {
        let window = span(rule);
        let requests = self.requests.add(1, now, window);
        let path = miss?;
        let missed = self.missed.get_or_insert_default();
        let (missed, paths) = (missed.requests.add(1, now, window), missed.paths.add(path, now, window));
        let share = 100 * missed / requests.max(1);
        let is_much = paths >= rule.at && share >= u64::from(rule.share);
        is_much.then(|| {
            Evidence::new(&[
                ("paths", paths as f64),
                ("share", share as f64),
                ("at", rule.at as f64),
                ("at_share", f64::from(rule.share)),
            ])
        })
    }
}

impl Beside {
    /// Counts one.
    pub(super) fn add(&mut self, hash: u64, now: u32, window: u32) {
        self.begin(now, window);
        self.these.add(hash);
    }

    /// Counts one of the other sort.
    pub(super) fn add_other(&mut self, hash: u64, now: u32, window: u32) {
        self.begin(now, window);
        self.others.add(hash);
    }

    /// How many there were of either.
    pub(super) fn counts(&mut self, now: u32, window: u32) -> (u64, u64) {
        self.begin(now, window);
        (self.these.count(), self.others.count())
    }

    /// The same, and how many there were in the span before.
    pub(super) fn last_counts(&mut self, now: u32, window: u32) -> [(u64, u64); 2] {
        [self.counts(now, window), (self.before.0.into(), self.before.1.into())]
    }

    fn begin(&mut self, now: u32, window: u32) {
        if now >= self.began && now - self.began < window {
            return;
        }
        let is_next = now >= self.began && now - self.began < window.saturating_mul(2);
        let count = |of: &Distinct| if is_next { u32::try_from(of.count()).unwrap_or(u32::MAX) } else { 0 };
        let before = (count(&self.these), count(&self.others));
        *self = Self { began: now, before, ..Self::default() };
    }
}

impl Tried {
    /// Whether too many of all requests were for what was not there.
    pub(super) fn misses(&self, now: u32, rule: &Rule) -> bool {
        let window = span(rule);
        let missed = self.missed.as_ref().map_or(0, |missed| missed.requests.count(now, window));
        missed > 0 && 100 * missed >= u64::from(rule.share) * self.requests.count(now, window)
    }
}

impl Address {
    /// Counts a wrong credential.
    pub(super) fn wrong(&mut self, now: u32, rule: &Rule) -> Option<Evidence> {
        wrong(&mut self.wrong, now, rule)
    }

    /// Counts whom it claimed.
    pub(super) fn claimed(&mut self, identity: u64, now: u32, rule: &Rule) -> Option<Evidence> {
        let identities = self.identities.add(identity, now, span(rule));
        above("identities", identities, rule)
    }

    /// Counts whom it claimed over hours: in an office people mistype all day, and far more of them are proved.
    pub(super) fn claimed_slowly(&mut self, identity: u64, now: u32, rule: &Rule) -> Option<Evidence> {
        let window = span(rule);
        self.slow.add(identity, now, window);
        let (identities, proved) = self.slow.counts(now, window);
        let share = 100 * identities / (identities + proved);
        let is_much = identities >= rule.at && share >= u64::from(rule.share);
        is_much.then(|| {
            Evidence::new(&[
                ("identities", identities as f64),
                ("share", share as f64),
                ("at", rule.at as f64),
                ("at_share", f64::from(rule.share)),
            ])
        })
    }

    /// Counts whom it proved.
    pub(super) fn proved(&mut self, principal: u64, now: u32, rule: &Rule) {
        self.slow.add_other(principal, now, span(rule));
    }

    /// Counts a request that proved nobody.
    pub(super) fn tried(&mut self, miss: Option<u64>, now: u32, rule: &Rule) -> Option<Evidence> {
        self.tried.get_or_insert_default().add(miss, now, rule)
    }
}

impl Claimed {
    /// Counts a wrong credential.
    pub(super) fn wrong(&mut self, now: u32, rule: &Rule) -> Option<Evidence> {
        wrong(&mut self.wrong, now, rule)
    }

    /// Counts from where it was claimed.
    pub(super) fn from(&mut self, network: u64, now: u32, rule: &Rule) -> Option<Evidence> {
        let networks = self.networks.add(network, now, span(rule));
        above("networks", networks, rule)
    }

    /// The same over hours.
    pub(super) fn spread_slowly(&mut self, network: u64, now: u32, rule: &Rule) -> Option<Evidence> {
        let networks = self.slow.add(network, now, span(rule));
        above("networks", networks, rule)
    }
}

fn wrong(count: &mut Sliding, now: u32, rule: &Rule) -> Option<Evidence> {
    above("failures", count.add(1, now, span(rule)), rule)
}

/// The evidence of a number that is not below the threshold.
pub(super) fn above(name: &'static str, number: u64, rule: &Rule) -> Option<Evidence> {
    let evidence =
        || Evidence::new(&[(name, number as f64), ("at", rule.at as f64), ("window", rule.window.as_secs_f64())]);
    (number >= rule.at).then(evidence)
}

/// The rule's window in seconds.
pub(super) fn span(rule: &Rule) -> u32 {
    u32::try_from(rule.window.as_secs()).unwrap_or(u32::MAX).max(1)
}
