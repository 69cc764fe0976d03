//! What a route usually gets and answers.

use serde::{Deserialize, Serialize};

use super::alert::Evidence;
use super::detection::Rule;
use super::door::{Beside, span};
use super::window::{Baseline, Spans};

/// What goes wrong on a route within a minute, of all that comes, and for how many of its callers within a few.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Flow {
    #[serde(skip)]
    minute: u32,
    #[serde(skip)]
    requests: u64,
    denied: Faults,
    failed: Faults,
    /// The callers that look for something in vain, beside all.
    #[serde(skip)]
    missing: Beside,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Faults {
    #[serde(skip)]
    spans: Spans,
    baseline: Baseline,
}

const MINUTE: u32 = 60;
const MINUTES: u16 = 120;

impl Flow {
    /// Counts a request.
    pub(super) fn met(&mut self, now: u32) {
        let minute = now / MINUTE;
        if minute != self.minute {
            (self.minute, self.requests) = (minute, 0);
        }
        self.requests += 1;
    }

    /// Counts a caller, and whether what it asks for is not there; tells where that is so for too many of all.
    pub(super) fn called(&mut self, caller: u64, misses: bool, now: u32, rule: &Rule) -> Option<Evidence> {
        let window = span(rule);
        self.missing.add_other(caller, now, window);
        if misses {
            self.missing.add(caller, now, window);
        }
        self.broken(now, rule)
    }

    /// The evidence that what most callers ask for is not there, or was not in the span before: when one begins, few have come.
    pub(super) fn broken(&mut self, now: u32, rule: &Rule) -> Option<Evidence> {
        let share = |(missing, all): (u64, u64)| 100 * missing / all.max(1);
        let is_much = |counts: &(u64, u64)| counts.0 >= rule.at && share(*counts) >= u64::from(rule.share);
        let counts = self.missing.last_counts(now, span(rule)).into_iter().find(is_much)?;
        Some(Evidence::new(&[
            ("callers", counts.0 as f64),
            ("share", share(counts) as f64),
            ("at", rule.at as f64),
            ("at_share", f64::from(rule.share)),
        ]))
    }

    /// Counts whether it was refused.
    pub(super) fn denied(&mut self, is_denied: bool, now: u32, rule: &Rule) -> Option<Evidence> {
        self.denied.add(is_denied, now, self.requests, rule)
    }

    /// Counts whether its upstream failed.
    pub(super) fn failed(&mut self, is_failed: bool, now: u32, rule: &Rule) -> Option<Evidence> {
        self.failed.add(is_failed, now, self.requests, rule)
    }
}

impl Faults {
    fn add(&mut self, is_one: bool, now: u32, requests: u64, rule: &Rule) -> Option<Evidence> {
        // Minutes with nothing wrong are the usual ones: each counts as one with a single fault, so that they are learnt too.
        let ended = self.spans.add(u64::from(is_one) * 2 + u64::from(requests == 1), now, MINUTE);
        if let Some(ended) = ended {
            self.baseline.learn(ended / 2, MINUTES, rule.at);
        }
        let (faults, share) = (self.spans.sum() / 2, 100 * (self.spans.sum() / 2) / requests.max(1));
        let is_learnt = u64::from(self.baseline.spans()) * u64::from(MINUTE) >= rule.learn.as_secs();
        let is_much = is_one && faults >= rule.at && share >= u64::from(rule.share);
        // Before anything is learnt, what comes counts as unusual where it is much: a gateway that has just begun is watched too.
        let is_unusual = !is_learnt || self.baseline.is_far_below(faults, rule.factor);
        (is_much && is_unusual).then(|| {
            Evidence::new(&[
                ("requests", faults as f64),
                ("share", share as f64),
                ("usual", self.baseline.usual()),
                ("at", rule.at as f64),
            ])
        })
    }
}
