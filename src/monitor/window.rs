//! Counts of a span of time, and what is usual in one.

use serde::{Deserialize, Serialize};

/// How often something happened within the last span of time: two counts, of this span and of the one before, of which as much counts as still
/// overlaps. Where things come evenly that is exact.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sliding {
    began: u32,
    before: u32,
    here: u32,
}

impl Sliding {
    /// Counts so much, now; tells how much there was within the window.
    pub(super) fn add(&mut self, much: u32, now: u32, window: u32) -> u64 {
        let window = window.max(1);
        let since = now.saturating_sub(self.began);
        // A window that begins later than now is of a clock that was set back since.
        if now < self.began || since >= window.saturating_mul(2) {
            *self = Self { began: now - now % window, ..Self::default() };
        } else if since >= window {
            *self = Self { began: self.began + window, before: self.here, here: 0 };
        }
        self.here = self.here.saturating_add(much);
        self.count(now, window)
    }

    /// How much there was within the window that ends now.
    pub(super) fn count(&self, now: u32, window: u32) -> u64 {
        let window = window.max(1);
        let since = now.saturating_sub(self.began);
        let (before, here) = match since / window {
            0 => (self.before, self.here),
            1 => (self.here, 0),
            _ => (0, 0),
        };
        let left = window - since % window;
        u64::from(here) + u64::from(before) * u64::from(left) / u64::from(window)
    }
}

/// What came within one span of time after another.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Spans {
    nth: u32,
    sum: u64,
}

impl Spans {
    /// Adds so much, now. Where a span has ended with that in which there was something, tells how much.
    pub(super) fn add(&mut self, much: u64, now: u32, span: u32) -> Option<u64> {
        let nth = now / span.max(1);
        if nth < self.nth {
            // The clock was set back: how much there was until when cannot be told.
            *self = Self { nth, sum: 0 };
        }
        let ended = (nth > self.nth).then(|| std::mem::replace(self, Self { nth, sum: 0 }).sum).filter(|sum| *sum > 0);
        self.sum = self.sum.saturating_add(much);
        ended
    }

    /// How much there is in the span that goes on.
    pub(super) fn sum(&self) -> u64 {
        self.sum
    }
}

/// What is usual: mean and variance of the logarithms of what spans of time had, the later ones counting for more (EWMA). Logarithms, since
/// what callers do has a long tail, of which a mean says little. Spans without anything are left out: what counts is how somebody works who
/// is at work. Beside it, the highest that a span had, of which half is forgotten with the memory: what comes each night is usual too.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Baseline {
    mean: f32,
    variance: f32,
    peak: f32,
    spans: u16,
}

/// No one is so even that less than this is unusual; of a logarithm, about a quarter of the number.
const LEAST_DEVIATION: f64 = 0.25;
/// How many deviations above the mean are far.
const FAR: f64 = 4.0;
/// How many times the highest that a span had is more than that.
const OVER_PEAK: f64 = 2.0;
/// What is farther away than so many deviations counts as so far, so that an attack does not become usual at once.
const LEARNT_TO: f64 = 3.0;

impl Baseline {
    /// How many spans it knows.
    pub(super) fn spans(&self) -> u32 {
        u32::from(self.spans)
    }

    /// What is usual.
    pub(super) fn usual(&self) -> f64 {
        f64::from(self.mean).exp() - 1.0
    }

    /// How many deviations a value lies above the mean.
    pub(super) fn deviations(&self, value: u64) -> f64 {
        (ln(value) - f64::from(self.mean)) / f64::from(self.variance).sqrt().max(LEAST_DEVIATION)
    }

    /// Whether a value is far above what is usual, so many times as much, and twice the highest.
    pub(super) fn is_far_below(&self, value: u64, factor: u32) -> bool {
        let much = value as f64;
        let is_high = much > self.usual() * f64::from(factor) && much > OVER_PEAK * f64::from(self.peak);
        is_high && self.deviations(value) > FAR
    }

    /// Learns what a span had; `memory` is the number of spans of which the last ones make up two thirds. What `is_far_below` told of raises the
    /// highest to no more than what is told at the least, or twice what it was: the second attack is told too.
    #[expect(clippy::cast_possible_truncation, reason = "seven digits are plenty")]
    pub(super) fn learn(&mut self, value: u64, memory: u16, least_told: u64) {
        let memory = memory.max(1);
        let most = (least_told as f64).max(OVER_PEAK * f64::from(self.peak));
        let fading = f64::from(self.peak) * (-1.0 / f64::from(memory)).exp2();
        self.peak = (value as f64).min(most).max(fading) as f32;
        let highest = f64::from(self.mean) + LEARNT_TO * f64::from(self.variance).sqrt().max(LEAST_DEVIATION);
        let value = if self.spans < 8 { ln(value) } else { ln(value).min(highest) };
        self.spans = self.spans.saturating_add(1);
        let share = 1.0 / f64::from(self.spans.min(memory));
        let off = value - f64::from(self.mean);
        self.mean += (share * off) as f32;
        self.variance = ((1.0 - share) * (f64::from(self.variance) + share * off * off)) as f32;
    }
}

fn ln(value: u64) -> f64 {
    (value as f64).ln_1p()
}

/// A cumulated sum of deviations (CUSUM, Page 1954): finds what is a little too much for long.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Drift(f32);

/// What each deviation has to be above to count.
const ALLOWED: f64 = 1.0;
/// What one counts for at most: one burst is no rise.
const MOST: f64 = 2.0;
/// The sum that is a rise: eight spans at the least, or more that are less.
const RISE: f32 = 8.0;

impl Drift {
    /// Adds a deviation; tells whether that makes a rise, and begins anew then.
    #[expect(clippy::cast_possible_truncation, reason = "seven digits are plenty")]
    pub(super) fn add(&mut self, deviations: f64) -> bool {
        self.0 = (self.0 + (deviations - ALLOWED).clamp(-MOST, MOST / 2.0) as f32).max(0.0);
        let is_rise = self.0 >= RISE;
        if is_rise {
            self.0 = 0.0;
        }
        is_rise
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_slides_out_of_a_window_counts_no_more() {
        let mut sliding = Sliding::default();
        let start = 1_700_000_000;
        let counts: Vec<_> = [0, 30, 59, 90, 119, 300].map(|at| sliding.add(60, start - start % 60 + at, 60)).to_vec();
        assert_eq!(counts, [60, 120, 180, 150, 123, 60]);
    }

    #[test]
    fn a_clock_that_is_set_back_begins_windows_anew() {
        let (mut sliding, mut spans) = (Sliding::default(), Spans::default());
        assert_eq!([7200, 7201, 600, 601, 700].map(|at| sliding.add(1, at, 60)), [1, 2, 1, 2, 1]);
        assert_eq!([7200, 600, 660].map(|at| spans.add(1, at, 60)), [None, None, Some(1)]);
    }

    #[test]
    fn a_span_is_told_when_it_is_over_and_not_when_it_was_empty() {
        let mut spans = Spans::default();
        let ended: Vec<_> =
            [(60, 1), (61, 2), (119, 4), (120, 8), (600, 16)].map(|(at, much)| spans.add(much, at, 60)).to_vec();
        assert_eq!(ended, [None, None, None, Some(7), Some(8)]);
        assert_eq!(spans.sum(), 16);
    }

    #[test]
    fn what_is_usual_is_learnt_and_a_spike_is_not_learnt_at_once() {
        let mut baseline = Baseline::default();
        for n in 0..60 {
            baseline.learn([8, 10, 12][n % 3], 60, 50);
        }
        assert!((9.0..11.0).contains(&baseline.usual()), "{}", baseline.usual());
        assert!(!baseline.is_far_below(20, 2) && baseline.is_far_below(60, 5));
        (0..3).for_each(|_| baseline.learn(1_000_000, 60, 50));
        assert!(baseline.usual() < 13.0, "{}", baseline.usual());
        assert!(baseline.is_far_below(1_000_000, 5), "and again");
    }

    #[test]
    fn what_comes_each_night_is_usual_from_the_third_on() {
        let mut baseline = Baseline::default();
        let mut told = Vec::new();
        for hour in 0..(24 * 7) {
            let much = if hour % 24 == 2 { 1500 } else { 10 };
            if hour > 6 && much >= 1000 && baseline.is_far_below(much, 5) {
                told.push(hour);
            }
            baseline.learn(much, 48, 1000);
        }
        assert_eq!(told, [26], "the second night; the first one came before anything was known");
        assert!(baseline.is_far_below(5000, 5));
    }

    #[test]
    fn a_drift_is_found_and_a_burst_is_not() {
        let (mut drift, mut burst) = (Drift::default(), Drift::default());
        let found = (1..40).find(|_| drift.add(1.5));
        assert_eq!(found, Some(16));
        assert!(!(0..100).any(|n| burst.add(if n % 10 == 0 { 50.0 } else { 0.2 })));
    }
}
