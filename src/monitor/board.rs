//! The alerts that go on, each once, and those that are over, for a while.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::alert::{Actor, Alert, Change, Evidence, Notice, Subject, moment};
use super::detection::{Action, Detection, Rule, Severity};
use super::settings::Settings;

/// Which alerts there are.
#[derive(Debug, Default)]
pub(super) struct Board {
    active: HashMap<(Detection, u64), Held, ahash::RandomState>,
    over: VecDeque<Alert>,
    notices: Vec<Notice>,
    /// How many are held in each [`Room`].
    rooms: [usize; 3],
    /// How many could not be held.
    refused: u64,
}

#[derive(Debug)]
struct Held {
    alert: Alert,
    last: u32,
    reminded: u32,
    /// Whose access was ended, and when.
    acted: Vec<(Actor, u32)>,
}

/// What an alert takes its room from: who floods the gateway with what is to be told must not drown what else is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    /// Those about whom nothing is proved: anybody can make up names, and many have many addresses.
    Strangers,
    /// Principals, their sessions, and routes.
    Callers,
    /// This gateway's parts, what has a name here, and whoever gave access to themselves.
    Own,
}

impl Room {
    fn of(subject: &Subject) -> Self {
        match subject {
            Subject::Identity(_) | Subject::Address(_) => Self::Strangers,
            Subject::Principal(_) | Subject::PrincipalOnRoute(..) | Subject::Session(..) | Subject::Route(_) => {
                Self::Callers
            }
            Subject::Requester(_) | Subject::Named(_) | Subject::Part(_) => Self::Own,
        }
    }

    /// The most that are held there. Of strangers, what is critical has some of it for itself.
    fn most(self, severity: Severity) -> usize {
        match (self, severity) {
            (Self::Strangers, Severity::Info | Severity::Warning) => 192,
            (Self::Strangers | Self::Own, _) => 256,
            (Self::Callers, _) => 1024,
        }
    }
}

/// How many of those whose access was ended are remembered with an alert.
const MAX_ACTED: usize = 16;
/// How many that are over are shown.
const MAX_OVER: usize = 256;
/// How often it is told that one goes on.
const REMIND_EVERY: u32 = 180;

impl Held {
    /// Whether an actor's access is to be ended now, which is remembered then.
    fn acts(&mut self, rule: &Rule, actor: &Actor, now: u32) -> bool {
        let (session, lasts) = match &rule.action {
            Action::FreezeSession if actor.session.is_some() => (actor.session, rule.freeze),
            Action::FreezePrincipal => (None, rule.freeze),
            // What was approved is not to be approved again while it goes on.
            Action::RequireApproval { lapse, .. } => (None, lapse.unwrap_or(Duration::MAX)),
            Action::FreezeSession | Action::None => return false,
        };
        let whom = Actor { session, ..actor.clone() };
        let lasts = u32::try_from(lasts.as_secs()).unwrap_or(u32::MAX);
        self.acted.retain(|(_, at)| now.saturating_sub(*at) < lasts);
        if self.acted.iter().any(|(one, _)| *one == whom) {
            return false;
        }
        if self.acted.len() == MAX_ACTED {
            self.acted.remove(0);
        }
        self.acted.push((whom, now));
        true
    }
}

impl Board {
    /// Says that something happened again, where its alert is raised already; tells whether it is.
    /// Where the detection ends access, and that is over by now or was somebody else's, it is to be ended again.
    pub(super) fn hold(
        &mut self,
        (detection, key): (Detection, u64),
        evidence: Evidence,
        rule: &Rule,
        actor: impl FnOnce() -> Option<Actor>,
        now: u32,
    ) -> bool {
        let Some(held) = self.active.get_mut(&(detection, key)) else { return false };
        held.last = held.last.max(now);
        held.alert.last = moment(held.last);
        held.alert.times += 1;
        held.alert.evidence = evidence;
        if rule.action != Action::None
            && let Some(actor) = actor()
            && held.acts(rule, &actor, now)
        {
            held.alert.actor = Some(actor);
            self.notices.push(Notice { change: Change::Held, alert: held.alert.clone(), acts: true });
        }
        true
    }

    /// Whether the alert is raised.
    pub(super) fn is_raised(&self, detection: Detection, key: u64) -> bool {
        self.active.contains_key(&(detection, key))
    }

    /// Whether another can be raised. One that cannot is counted.
    pub(super) fn has_room(&mut self, subject: &Subject, severity: Severity) -> bool {
        let room = Room::of(subject);
        let has_room = self.rooms[room as usize] < room.most(severity);
        self.refused += u64::from(!has_room);
        has_room
    }

    /// Raises an alert.
    pub(super) fn raise(&mut self, key: u64, alert: Alert, rule: &Rule, now: u32) {
        self.notices.push(Notice { change: Change::Raised, alert: alert.clone(), acts: true });
        self.rooms[Room::of(&alert.subject) as usize] += 1;
        let place = (alert.detection, key);
        let actor = alert.actor.clone();
        let mut held = Held { alert, last: now, reminded: now, acted: Vec::new() };
        if let Some(actor) = actor {
            held.acts(rule, &actor, now);
        }
        self.active.insert(place, held);
    }

    /// Takes it that the clock was set back to this time: nothing that is held happened later.
    pub(super) fn set_back(&mut self, now: u32) {
        for held in self.active.values_mut() {
            (held.last, held.reminded) = (held.last.min(now), held.reminded.min(now));
            held.acted.iter_mut().for_each(|(_, at)| *at = (*at).min(now));
        }
    }

    /// Clears what did not happen for long enough, and tells of what goes on.
    pub(super) fn settle(&mut self, settings: &Settings, now: u32) {
        let (notices, over, rooms) = (&mut self.notices, &mut self.over, &mut self.rooms);
        self.active.retain(|(detection, _), held| {
            let hold = u32::try_from(settings.rule(*detection).hold.as_secs()).unwrap_or(u32::MAX);
            let goes_on = now.saturating_sub(held.last) < hold;
            if !goes_on {
                held.alert.cleared = Some(moment(now));
                notices.push(Notice { change: Change::Cleared, alert: held.alert.clone(), acts: false });
                rooms[Room::of(&held.alert.subject) as usize] -= 1;
                over.push_front(held.alert.clone());
            } else if now.saturating_sub(held.reminded) >= REMIND_EVERY {
                held.reminded = now;
                notices.push(Notice { change: Change::Held, alert: held.alert.clone(), acts: false });
            }
            goes_on
        });
        self.over.truncate(MAX_OVER);
    }

    /// Clears all, since nobody holds them any more.
    pub(super) fn stop(&mut self, now: u32) {
        for (_, Held { mut alert, .. }) in self.active.drain() {
            (alert.cleared, alert.is_cut_short) = (Some(moment(now)), true);
            self.notices.push(Notice { change: Change::Cleared, alert: alert.clone(), acts: false });
            self.over.push_front(alert);
        }
        self.rooms = [0; 3];
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
