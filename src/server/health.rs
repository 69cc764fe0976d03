//! How the gateway's own parts stand, as the monitor asks each second.

use std::time::{Duration, Instant};

use crate::monitor::{Behind, Health};
use crate::state::Services;

/// What of it was told when it was last asked.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// How many records were not looked at, and exchanges had none.
    unwatched: u64,
    unrecorded: u64,
    /// How many ends of access were given up.
    given_up: u64,
    anchor: Anchor,
}

/// Since when checkpoints do not get to the anchor.
#[derive(Debug, Default)]
struct Anchor {
    errors: u64,
    /// When one was last found waiting, or failing.
    last: Option<Instant>,
    since: Option<Instant>,
}

/// A failed checkpoint is tried again after a minute at the latest; when nothing failed for longer, it got there.
const QUIET: Duration = Duration::from_secs(90);

impl Told {
    /// How things stand now.
    pub(super) fn health(&mut self, services: &Services) -> Health {
        let Services { engines, audit, .. } = services;
        let (unwatched, unrecorded) = (engines.metrics.audit.unwatched.get(), engines.metrics.audit.unrecorded.get());
        let endings = &engines.metrics.monitor;
        let (waiting, given_up) = (u64::try_from(endings.refused.get()).unwrap_or(0), endings.given_up.get());
        let unusable = engines.vaults.status().into_iter().filter(|slot| !slot.usable);
        let snapshot = services.snapshot();
        let status = snapshot.rotations.iter().map(|one| one.rotation.status());
        let sinks = snapshot.sinks.iter().map(|sink| Behind {
            of: format!("sink {}", sink.name),
            waits: Duration::try_from_secs_f64(engines.metrics.sink(&sink.name).lag_seconds.get()).unwrap_or_default(),
            most: Some(sink.max_age),
        });
        let errors = engines.metrics.audit.anchor_errors.get();
        let anchor = self.anchor.waits(errors, !audit.is_anchored(), Instant::now());
        let anchor = Behind { of: "anchor".to_owned(), waits: anchor, most: None };
        Health {
            is_audit_stopped: !audit.accepts(),
            unrecorded: unrecorded - std::mem::replace(&mut self.unrecorded, unrecorded),
            secrets: unusable.map(|slot| slot.name.to_string()).collect(),
            overdue: status.filter(|one| one.is_overdue).map(|one| one.credential.clone()).collect(),
            shed: unwatched - std::mem::replace(&mut self.unwatched, unwatched),
            unended: (waiting, given_up - std::mem::replace(&mut self.given_up, given_up)),
            behind: sinks.chain([anchor]).collect(),
        }
    }
}

impl Anchor {
    /// For how long checkpoints wait.
    fn waits(&mut self, errors: u64, is_waiting: bool, now: Instant) -> Duration {
        if std::mem::replace(&mut self.errors, errors) != errors || is_waiting {
            self.last = Some(now);
        }
        if self.last.is_none_or(|last| now.duration_since(last) > QUIET) {
            self.since = None;
            return Duration::ZERO;
        }
        now.duration_since(*self.since.get_or_insert(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_is_away_from_its_first_failure_until_none_has_followed_for_long() {
        let (mut anchor, began) = (Anchor::default(), Instant::now());
        let mut waits = |second: u64, errors, is_waiting| {
            anchor.waits(errors, is_waiting, began + Duration::from_secs(second)).as_secs()
        };
        assert_eq!([waits(0, 0, false), waits(10, 1, false), waits(70, 2, false)], [0, 0, 60]);
        assert_eq!([waits(71, 2, false), waits(130, 3, true), waits(400, 3, true)], [61, 120, 390]);
        assert_eq!([waits(401, 3, false), waits(491, 3, false)], [391, 0], "it got there");
        assert_eq!([waits(500, 3, true), waits(510, 3, true)], [0, 10], "and fails anew");
    }
}
