//! What a principal usually does: how much, of what, from where and when.

use serde::{Deserialize, Serialize};

use super::alert::Evidence;
use super::detection::Rule;
use super::distinct::Distinct;
use super::door::{Tried, above, span};
use super::window::{Baseline, Drift, Sliding, Spans};

const MINUTE: u32 = 60;
const QUARTER: u32 = 15 * 60;
const HOUR: u32 = 3600;
const DAY: u32 = 24 * HOUR;
/// For how long networks are remembered.
const REMEMBERED: u32 = 30 * DAY;
/// How many networks and routes are remembered at most.
const MOST: usize = 32;
/// How many spans of each sort what is usual is made of.
const MINUTES: u16 = 120;
const HOURS: u16 = 48;
const QUARTERS: u16 = 200;
/// How often a principal was there before anything about it is new.
const FEW_REQUESTS: u32 = 50;
/// What more of a role than these use is no news of any of them.
const FEW_USERS: u64 = 5;

/// What a principal usually does. What is of this hour alone is not kept over an end of the process.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Habits {
    first: u32,
    requests: u32,
    bytes: Usual,
    #[serde(skip)]
    paths: Distinct,
    #[serde(skip)]
    read_in: u32,
    reads: Baseline,
    quarters: Usual,
    drift: Drift,
    networks: Vec<(u64, u32)>,
    ways: Vec<u64>,
    hours: Hours,
    #[serde(skip)]
    refused: Sliding,
}

/// A sum by the span of time, and what is usual.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Usual {
    spans: Spans,
    baseline: Baseline,
}

impl Usual {
    /// Adds so much; tells whether that makes far too much.
    pub(super) fn add(
        &mut self,
        much: u64,
        now: u32,
        span: u32,
        memory: u16,
        rule: &Rule,
        name: &'static str,
    ) -> Option<Evidence> {
        if let Some(ended) = self.spans.add(much, now, span) {
            self.baseline.learn(ended, memory, rule.at);
        }
        self.is_far(span, rule).then(|| self.evidence(name, self.spans.sum(), rule))
    }

    fn is_far(&self, span: u32, rule: &Rule) -> bool {
        let sum = self.spans.sum();
        sum >= rule.at && self.is_learnt(span, rule) && self.baseline.is_far_below(sum, rule.factor)
    }

    fn is_learnt(&self, span: u32, rule: &Rule) -> bool {
        u64::from(self.baseline.spans()) * u64::from(span) >= rule.learn.as_secs()
    }

    fn evidence(&self, name: &'static str, much: u64, rule: &Rule) -> Evidence {
        usual(name, much, &self.baseline, rule)
    }
}

fn usual(name: &'static str, much: u64, baseline: &Baseline, rule: &Rule) -> Evidence {
    Evidence::new(&[
        (name, much as f64),
        ("usual", baseline.usual()),
        ("at", rule.at as f64),
        ("factor", f64::from(rule.factor)),
    ])
}

/// What a principal usually does on one route.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Use {
    requests: Usual,
    bytes: Usual,
    #[serde(skip)]
    tried: Tried,
}

impl Use {
    pub(super) fn requests(&mut self, now: u32, rule: &Rule) -> Option<Evidence> {
        self.requests.add(1, now, MINUTE, MINUTES, rule, "requests")
    }

    pub(super) fn bytes(&mut self, moved: u64, now: u32, rule: &Rule) -> Option<Evidence> {
        self.bytes.add(moved, now, MINUTE, MINUTES, rule, "bytes")
    }

    pub(super) fn tried(&mut self, miss: Option<u64>, now: u32, rule: &Rule) -> Option<Evidence> {
        self.tried.add(miss, now, rule)
    }

    /// Whether too much of what it asks for is not there.
    pub(super) fn misses(&self, now: u32, rule: &Rule) -> bool {
        self.tried.misses(now, rule)
    }
}

impl Habits {
    /// Counts a request.
    pub(super) fn met(&mut self, now: u32) {
        if self.requests == 0 {
            self.first = now;
        }
        self.requests = self.requests.saturating_add(1);
    }

    fn is_known(&self, now: u32, rule: &Rule) -> bool {
        self.requests >= FEW_REQUESTS && u64::from(now.saturating_sub(self.first)) >= rule.learn.as_secs()
    }

    /// Whether it came from this network before, within what is remembered.
    pub(super) fn knows_network(&self, network: u64) -> bool {
        self.networks.iter().any(|(known, _)| *known == network)
    }

    /// Whether it ever came from somewhere else.
    pub(super) fn has_networks(&self) -> bool {
        !self.networks.is_empty()
    }

    /// Remembers from where it comes; tells of a network that is new.
    pub(super) fn network(&mut self, network: u64, now: u32, rule: &Rule) -> Option<Evidence> {
        if let Some((_, last)) = self.networks.iter_mut().find(|(known, _)| *known == network) {
            *last = now;
            return None;
        }
        self.networks.retain(|(_, last)| now.saturating_sub(*last) < REMEMBERED);
        let known = self.networks.len();
        if known == MOST {
            let oldest = self.networks.iter().enumerate().min_by_key(|(_, (_, last))| *last).map_or(0, |(nth, _)| nth);
            self.networks.swap_remove(oldest);
        }
        // Most have one, and a hundred thousand of them no room for what they do not have.
        self.networks.reserve_exact(1);
        self.networks.push((network, now));
        let is_told = known > 0 && (known as u64) < rule.at && self.is_known(now, rule);
        is_told.then(|| Evidence::new(&[("known_networks", known as f64), ("requests", f64::from(self.requests))]))
    }

    /// Remembers a route with its method; tells of one that is new, where those who use it, who are counted for that, are few.
    pub(super) fn way(&mut self, way: u64, now: u32, rule: &Rule, users: impl FnOnce() -> u64) -> Option<Evidence> {
        if self.ways.contains(&way) {
            return None;
        }
        let (known, users) = (self.ways.len(), users());
        if known < MOST {
            self.ways.reserve_exact(1);
            self.ways.push(way);
        }
        let is_told = known > 0 && (known as u64) < rule.at && users <= FEW_USERS && self.is_known(now, rule);
        let numbers = [("known_routes", known as f64), ("users", users as f64), ("requests", f64::from(self.requests))];
        is_told.then(|| Evidence::new(&numbers))
    }

    /// Tells of an hour at which it was never at work.
    pub(super) fn hour(&mut self, now: u32, rule: &Rule) -> Option<Evidence> {
        let (hour, days) = self.hours.meet(now)?;
        let is_told = u64::from(days) * u64::from(DAY) >= rule.learn.as_secs();
        is_told.then(|| Evidence::new(&[("hour", f64::from(hour)), ("days", f64::from(days))]))
    }

    /// Counts a request that no rule allows.
    pub(super) fn refused(&mut self, now: u32, rule: &Rule) -> Option<Evidence> {
        above("requests", self.refused.add(1, now, span(rule)), rule)
    }

    /// Counts bytes that it was answered with.
    pub(super) fn answered(&mut self, bytes: u64, now: u32, rule: &Rule) -> Option<Evidence> {
        self.bytes.add(bytes, now, HOUR, HOURS, rule, "bytes")
    }

    /// Counts a path that it read; tells of too many different ones.
    pub(super) fn read(&mut self, path: u64, now: u32, rule: &Rule) -> Option<Evidence> {
        let hour = now / HOUR;
        if hour != self.read_in {
            let read = self.paths.count();
            if read > 0 && hour > self.read_in {
                self.reads.learn(read, HOURS, rule.at);
            }
            self.paths.clear();
            self.read_in = hour;
        }
        self.paths.add(path);
        let paths = self.paths.count();
        let is_learnt = u64::from(self.reads.spans()) * u64::from(HOUR) >= rule.learn.as_secs();
        let is_much = paths >= rule.at && is_learnt && self.reads.is_far_below(paths, rule.factor);
        is_much.then(|| usual("paths", paths, &self.reads, rule))
    }

    /// Counts a request by the quarter of an hour; tells of a rise over many.
    pub(super) fn rise(&mut self, now: u32, rule: &Rule) -> Option<Evidence> {
        let ended = self.quarters.spans.add(1, now, QUARTER)?;
        let baseline = self.quarters.baseline;
        let is_learnt = self.quarters.is_learnt(QUARTER, rule);
        let is_rise = is_learnt && self.drift.add(baseline.deviations(ended));
        self.quarters.baseline.learn(ended, QUARTERS, rule.at);
        let is_much = ended >= rule.at && ended as f64 > baseline.usual() * f64::from(rule.factor);
        (is_rise && is_much).then(|| usual("requests", ended, &baseline, rule))
    }
}

/// At which hours of the day somebody was at work, on how many weekdays and days of weekends.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Hours {
    day: u32,
    /// The hours of this day, as bits.
    today: u32,
    days: [u8; 2],
    /// The hours of the latest such days, and of those before.
    known: [[u32; 2]; 2],
}

/// After so many days the hours of those before are forgotten.
const MOST_DAYS: u8 = 90;

impl Hours {
    /// Says that it is at work now. Where that is the first time in this hour of a day, and it never was at this hour or the ones beside it on
    /// such days, and not in the hour before either, tells the hour and on how many such days it was at work.
    fn meet(&mut self, now: u32) -> Option<(u32, u8)> {
        let (day, hour) = (now / DAY, now % DAY / HOUR);
        if day != self.day {
            self.end_day();
            self.day = day;
        }
        let bit = 1 << hour;
        if self.today & bit != 0 {
            return None;
        }
        let goes_on = self.today & (bit >> 1) != 0;
        self.today |= bit;
        let kind = kind(day);
        let [latest, before] = self.known[kind];
        let is_known = [23, 0, 1].iter().any(|off| (latest | before) & (1 << ((hour + off) % 24)) != 0);
        (!goes_on && !is_known).then_some((hour, self.days[kind]))
    }

    fn end_day(&mut self) {
        if self.today == 0 {
            return;
        }
        let kind = kind(self.day);
        let (days, [latest, before]) = (&mut self.days[kind], &mut self.known[kind]);
        if *days >= MOST_DAYS {
            (*days, *before, *latest) = (*days / 2, *latest, 0);
        }
        *days += 1;
        *latest |= self.today;
        self.today = 0;
    }
}

/// Weekday or weekend (UTC). The first day of 1970 was a Thursday.
fn kind(day: u32) -> usize {
    usize::from((day + 3) % 7 >= 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weekends_are_weekends() {
        // 2026-11-28 is a Saturday.
        assert_eq!([20_784, 20_785, 20_786, 20_787].map(kind), [0, 1, 1, 0]);
    }

    #[test]
    fn an_hour_at_which_nobody_ever_was_at_work_is_told_once_a_day() {
        let mut hours = Hours::default();
        let monday = 20_787 * DAY;
        for day in 0..5 {
            for minute in (9 * 60)..(17 * 60) {
                hours.meet(monday + day * DAY + minute * 60);
            }
        }
        let next = monday + 7 * DAY;
        assert_eq!(hours.meet(next + 3 * HOUR), Some((3, 5)));
        assert_eq!(hours.meet(next + 3 * HOUR + 60), None, "once");
        assert_eq!(hours.meet(next + 8 * HOUR), None, "a little early");
        assert_eq!(hours.meet(next + 17 * HOUR), None, "a little late");
        assert_eq!(hours.meet(next + 18 * HOUR), None, "later and later");
    }
}
