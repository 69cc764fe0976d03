//! The thread that takes over what `claviger revocation` wrote to the store.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::complaint::Complaint;
use crate::audit::pseudonyms::Field;
use crate::audit::{Act, Deed, Phrase};
use crate::domain::{steady, unhurried};
use crate::session::{Change, Revocations, Revoked, StoreError};
use crate::state::Services;

/// How long a change waits before it counts as written down: the audit log is far quicker.
const WRITTEN_AFTER: Duration = Duration::from_secs(1);

/// How often what is over is forgotten, whoever wrote it.
const TIDY_EVERY: Duration = Duration::from_secs(5);
/// How long it is kept.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// A clock that goes back by more was wrong before.
const BACK: Duration = Duration::from_secs(1);

/// Starts the thread, where there is a store; it ends with the process.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn watch(services: &Arc<Services>) -> std::io::Result<()> {
    let Some(revocations) = services.revocations.clone() else { return Ok(()) };
    let services = Arc::clone(services);
    let watch = move || {
        let mut watcher = Watcher {
            services: &services,
            revocations: &revocations,
            told: Vec::new(),
            tidied: Instant::now(),
            last: SystemTime::now(),
            complaint: Complaint::new("no new revocation takes effect", "the store can be used again"),
        };
        watcher.begin();
        watcher.run()
    };
    thread::Builder::new().name("revocations".to_owned()).spawn(watch).map(drop)
}

struct Watcher<'a> {
    services: &'a Services,
    revocations: &'a Revocations,
    /// What went to the audit log, and when.
    told: Vec<(Instant, Change)>,
    tidied: Instant,
    last: SystemTime,
    complaint: Complaint,
}

impl Watcher<'_> {
    /// Tells of what was done while no process ran.
    fn begin(&mut self) {
        let told = self.revocations.untold().map(|untold| self.tell(untold));
        self.complaint.note(told);
        self.count();
    }

    fn run(&mut self) {
        loop {
            thread::sleep(Revocations::REFRESH_EVERY);
            let now = SystemTime::now();
            if self.last.duration_since(now).is_ok_and(|back| back > BACK) {
                // What was over by the wrong one may go on.
                self.revocations.read_again();
            }
            self.last = now;
            let refreshed = self.revocations.refresh(unhurried(now));
            let ended = self.revocations.end_due(steady(SystemTime::now()));
            if ended > 0 {
                log::info!(exchanges = ended; "exchanges were cut: their sessions have ended");
            }
            let settled = self.settle();
            let taken = refreshed.map(|(cut, untold)| {
                if cut > 0 {
                    log::warn!(exchanges = cut; "exchanges were cut: the access of their callers was ended");
                }
                self.tell(untold);
            });
            self.complaint.note(taken.and(settled));
            self.count();
        }
    }

    fn tell(&mut self, untold: Vec<Change>) {
        for change in untold {
            if self.told.iter().any(|(_, told)| *told == change) {
                continue;
            }
            let act = act(&change);
            // Sessions are ended by their own callers too, as often as they like.
            let level = match change.revocation().of {
                Revoked::Session(_) => log::Level::Info,
                Revoked::All
                | Revoked::Authenticator(_)
                | Revoked::Role(_)
                | Revoked::Principal(..)
                | Revoked::Key(..) => log::Level::Warn,
            };
            log::log!(level, of:% = act.of, by:% = act.by, id = act.id.as_str(); "{}", match &change {
                Change::Revoked(one) if one.approval.is_some() => "a caller is on hold until somebody approves",
                Change::Revoked(_) => "access is ended",
                Change::Lifted(_) => "a revocation is lifted",
            });
            self.services.audit.submit(act);
            self.told.push((Instant::now(), change));
        }
    }

    /// Says of what is in the audit log by now that it is, so that it is not told again.
    fn settle(&mut self) -> Result<(), StoreError> {
        if self.tidied.elapsed() > TIDY_EVERY {
            self.tidied = Instant::now();
            // A day later: by a clock that is ahead, what goes on must not be forgotten.
            let now = unhurried(SystemTime::now());
            self.revocations.tidy(now.checked_sub(KEPT).unwrap_or(now))?;
        }
        let written = self.told.iter().take_while(|(at, _)| at.elapsed() > WRITTEN_AFTER).count();
        if written == 0 || !self.services.audit.accepts() {
            return Ok(());
        }
        let changes: Vec<_> = self.told.iter().take(written).map(|(_, change)| change.clone()).collect();
        self.revocations.told(&changes)?;
        self.told.drain(..written);
        Ok(())
    }

    fn count(&self) {
        let metrics = &self.services.engines.metrics;
        metrics.revocations.set(i64::try_from(self.revocations.count()).unwrap_or(i64::MAX));
    }
}

fn act(change: &Change) -> Act {
    let one = change.revocation();
    let (deed, by) = match (change, &one.lifted_by) {
        (Change::Lifted(_), Some(by)) => (Deed::Lifted, by),
        (Change::Lifted(_), None) => (Deed::Lifted, &one.by),
        (Change::Revoked(_), _) => (Deed::Revoked, &one.by),
    };
    Act {
        time: SystemTime::now(),
        deed,
        id: one.id.to_string(),
        of: whom(&one.of),
        reason: one.reason.clone(),
        by: Phrase::who(by),
        since: one.since,
        until: one.until,
        approval: one.approval.clone(),
        ticket: None,
        terms: None,
    }
}

/// Whom a revocation ends, as it is written in commands.
fn whom(of: &Revoked) -> Phrase {
    match of {
        Revoked::Principal(name, id) => Phrase::plain(format!("principal:{name}:")).with(Field::Principal, id),
        Revoked::Key(name, key) => Phrase::plain(format!("key:{name}:")).with(Field::Principal, key),
        Revoked::Session(id) => Phrase::plain("session:").with(Field::Session, id.to_string()),
        Revoked::All | Revoked::Authenticator(_) | Revoked::Role(_) => Phrase::plain(of.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_a_revocation_ends_is_told_as_it_is_written() {
        let session = format!("session:{}", "0f".repeat(16));
        for text in ["all", "authn:corp", "role:ops", "principal:corp:ada", "key:corp:a:b", &session] {
            let of: Revoked = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(whom(&of).to_string(), text);
        }
    }
}
