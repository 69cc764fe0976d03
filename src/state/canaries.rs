//! Decoys that were used: of which use somebody is told, and whose sessions are still to be ended for it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::Name;

/// What is known of the use of decoys; outlives a reload.
#[derive(Debug, Default)]
pub struct Canaries {
    told: Mutex<HashMap<(String, String), Instant>>,
    ends: Mutex<Ends>,
}

#[derive(Debug, Default)]
struct Ends {
    waiting: VecDeque<Ending>,
    is_worked_on: bool,
}

/// Whose sessions are to end, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The principal, by authenticator and id.
    pub of: (Name, String),
    /// The decoy.
    pub canary: String,
}

impl Canaries {
    /// All uses of a decoy by the same in this time are one episode, of which somebody is told once.
    pub const EPISODE: Duration = Duration::from_secs(600);
    /// So many episodes are told apart; in more at once, one of each decoy stands for all others who use it.
    const MOST: usize = 1024;
    /// So many principals wait to have their sessions ended.
    const MOST_WAITING: usize = 4096;

    /// Whether an episode begins with this use of a decoy, by whoever this is.
    pub fn begins(&self, canary: &str, by: &str, now: Instant) -> bool {
        let mut told = lock(&self.told);
        let goes_on = |began: &Instant| now.saturating_duration_since(*began) < Self::EPISODE;
        let key = (canary.to_owned(), by.to_owned());
        if told.get(&key).is_some_and(goes_on) {
            return false;
        }
        if told.len() >= Self::MOST {
            told.retain(|_, began| goes_on(began));
        }
        // As many as there are decoys come on top.
        let key = if told.len() < Self::MOST { key } else { (key.0, String::new()) };
        if told.get(&key).is_some_and(goes_on) {
            return false;
        }
        told.insert(key, now);
        true
    }

    /// Has somebody's sessions ended; whether the caller is to begin with that, since nobody else does.
    ///
    /// # Errors
    /// When more wait than there is room for; these sessions do not end then.
    pub fn end(&self, ending: Ending) -> Result<bool, Full> {
        let mut ends = lock(&self.ends);
        if ends.waiting.iter().any(|waiting| waiting.of == ending.of) {
            return Ok(false);
        }
        if ends.waiting.len() >= Self::MOST_WAITING {
            return Err(Full);
        }
        ends.waiting.push_back(ending);
        Ok(!std::mem::replace(&mut ends.is_worked_on, true))
    }

    /// The next whose sessions are to be ended; after the last, somebody else has to begin again.
    pub fn next(&self) -> Option<Ending> {
        let mut ends = lock(&self.ends);
        let next = ends.waiting.pop_front();
        ends.is_worked_on = next.is_some();
        next
    }
}

/// More principals wait to have their sessions ended than there is room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

fn lock<T>(one: &Mutex<T>) -> MutexGuard<'_, T> {
    one.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_episode_is_told_once_and_a_flood_of_them_is_bounded() {
        let (canaries, now) = (Canaries::default(), Instant::now());
        let later = now + Canaries::EPISODE;
        for (canary, by, when, want) in [
            ("a", "1", now, true),
            ("a", "1", now, false),
            ("a", "2", now, true),
            ("b", "1", now, true),
            ("a", "1", later, true),
            ("a", "1", later, false),
        ] {
            assert_eq!(canaries.begins(canary, by, when), want, "{canary} {by}");
        }
        let begun = (0..10_000).filter(|by| canaries.begins("c", &format!("x{by}"), later)).count();
        assert!((1000..=Canaries::MOST + 1).contains(&begun), "{begun}");
        assert!(canaries.begins("d", "1", later), "another decoy is told of");
        assert!(!canaries.begins("d", "2", later));
    }

    #[test]
    fn whoever_waits_already_waits_once_and_one_works_at_a_time() {
        let canaries = Canaries::default();
        let ending = |id: usize| Ending {
            of: (Name::parse("corp").expect("a name"), id.to_string()),
            canary: "keys:bait".to_owned(),
        };
        assert_eq!([0, 0, 1].map(|id| canaries.end(ending(id))), [Ok(true), Ok(false), Ok(false)]);
        assert_eq!([(); 3].map(|()| canaries.next()), [Some(ending(0)), Some(ending(1)), None]);
        assert_eq!(canaries.end(ending(0)), Ok(true));
        let all: Vec<_> = (1..5000).map(|id| canaries.end(ending(id))).collect();
        assert_eq!((all[0], all[4998]), (Ok(false), Err(Full)));
    }
}
