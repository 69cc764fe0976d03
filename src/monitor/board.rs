//! The alerts that go on, each once, and those that are over, for a while.

use std::collections::{HashMap, VecDeque};

use super::alert::{Alert, Change, Evidence, Notice, moment};
use super::detection::{Detection, Severity};
use super::settings::Settings;

/// Which alerts there are.
#[derive(Debug, Default)]
pub(super) struct Board {
    active: HashMap<(Detection, u64), Held, ahash::RandomState>,
    over: VecDeque<Alert>,
    notices: Vec<Notice>,
    /// How many could not be held.
    refused: u64,
}

#[derive(Debug)]
struct Held {
    alert: Alert,
    last: u32,
    reminded: u32,
}

/// The most that are held: who floods the gateway with what is to be told must not drown what else is.
const MAX_ACTIVE: usize = 1024;
/// How many that are over are shown.
const MAX_OVER: usize = 256;
/// How often it is told that one goes on.
const REMIND_EVERY: u32 = 180;

impl Board {
    /// Says that something happened again, where its alert is raised already; tells whether it is.
    pub(super) fn hold(&mut self, detection: Detection, key: u64, evidence: Evidence, now: u32) -> bool {
        let Some(held) = self.active.get_mut(&(detection, key)) else { return false };
        held.last = held.last.max(now);
        held.alert.last = moment(held.last);
        held.alert.times += 1;
        held.alert.evidence = evidence;
        true
    }

    /// Whether the alert is raised.
    pub(super) fn is_raised(&self, detection: Detection, key: u64) -> bool {
        self.active.contains_key(&(detection, key))
    }

    /// Whether another can be raised. One that cannot is counted.
    pub(super) fn has_room(&mut self) -> bool {
        let has_room = self.active.len() < MAX_ACTIVE;
        self.refused += u64::from(!has_room);
        has_room
    }

    /// Raises an alert.
    pub(super) fn raise(&mut self, key: u64, alert: Alert, now: u32) {
        self.notices.push(Notice { change: Change::Raised, alert: alert.clone() });
        self.active.insert((alert.detection, key), Held { alert, last: now, reminded: now });
    }

    /// Clears what did not happen for long enough, and tells of what goes on.
    pub(super) fn settle(&mut self, settings: &Settings, now: u32) {
        let (notices, over) = (&mut self.notices, &mut self.over);
        self.active.retain(|(detection, _), held| {
            let hold = u32::try_from(settings.rule(*detection).hold.as_secs()).unwrap_or(u32::MAX);
            let goes_on = now.saturating_sub(held.last) < hold;
            if !goes_on {
                held.alert.cleared = Some(moment(now));
                notices.push(Notice { change: Change::Cleared, alert: held.alert.clone() });
                over.push_front(held.alert.clone());
            } else if now.saturating_sub(held.reminded) >= REMIND_EVERY {
                held.reminded = now;
                notices.push(Notice { change: Change::Held, alert: held.alert.clone() });
            }
            goes_on
        });
        self.over.truncate(MAX_OVER);
    }

    /// What happened since this was last asked.
    pub(super) fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// How many could not be held since this was last asked.
    pub(super) fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }

    /// How many go on of each severity.
    pub(super) fn count(&self, severity: Severity) -> usize {
        self.active.values().filter(|held| held.alert.severity == severity).count()
    }

    /// Those that go on, the latest first, and those that are over.
    pub(super) fn all(&self) -> (Vec<Alert>, Vec<Alert>) {
        let mut active: Vec<_> = self.active.values().map(|held| held.alert.clone()).collect();
        active.sort_by_key(|alert| std::cmp::Reverse(alert.since));
        (active, self.over.iter().cloned().collect())
    }
}
