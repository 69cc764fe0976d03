//! Records in, alerts out. Pure: time is that of the records, and of who asks it to settle.

use std::sync::Arc;
use std::time::SystemTime;

use super::about::{actor_of, principal_of, principal_on_route, principal_or_address, route_of, session_of};
use super::alert::{Alert, Evidence, Notice, Subject};
use super::board::Board;
use super::detection::{Detection, Severity};
use super::distinct::Distinct;
use super::door::{Address, Claimed, span};
use super::flow::Flow;
use super::habits::{Habits, Use};
use super::hitters::Hitters;
use super::recent::{Recent, Sorts};
use super::seen::{Keys, Seen, seconds, shown};
use super::settings::Settings;
use super::visits::{Visit, Visits};
use crate::audit::{Entry, Record};
use crate::domain::{AuthnFault, Denial, Unavailable};

/// What the monitor knows, and what it finds in the next record.
///
/// Memory is bounded by [`Settings::max_principals`]: whatever there is no end of is held by weight that decays, and who is least goes first.
#[derive(Debug)]
pub struct Engine {
    settings: Arc<Settings>,
    keys: Keys,
    /// The latest time of a record, in seconds since 1970.
    now: u32,
    principals: Hitters<Habits>,
    uses: Hitters<Use>,
    addresses: Hitters<Address>,
    identities: Hitters<Claimed>,
    sessions: Hitters<Visits>,
    routes: Hitters<Flow>,
    /// Who uses a route with a method by a role.
    users: Hitters<Distinct>,
    recent: Recent,
    board: Board,
}

/// How much an engine holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Principals.
    pub principals: usize,
    /// Principals on routes.
    pub uses: usize,
    /// What had to go since others are more active.
    pub evicted: u64,
}

/// Half of what was is forgotten after a day: principals and their uses, whose habits are worth keeping.
const DAY: u32 = 24 * 3600;
/// The same of addresses and identities that guess, and of sessions.
const HOUR: u32 = 3600;
/// A time of the clock that is older than the latest by more means that it was set back.
const BACK: u32 = 60;
/// The same for a record's, which may have waited.
const RECORD_BACK: u32 = 6 * 3600;
/// Routes are names of the configuration, of which there are that many at most that matter.
const ROUTES: usize = 8192;

impl Engine {
    /// One that knows nothing yet; the secret keys its hashes.
    pub fn new(settings: Arc<Settings>, secret: &[u8; 16]) -> Self {
        let most = settings.max_principals;
        Self {
            keys: Keys::new(secret),
            now: 0,
            principals: Hitters::new(most, DAY),
            uses: Hitters::new(most.saturating_mul(4), DAY),
            addresses: Hitters::new(most, HOUR),
            identities: Hitters::new(most, HOUR),
            sessions: Hitters::new(most, HOUR),
            routes: Hitters::new(ROUTES, DAY),
            users: Hitters::new(4 * ROUTES, DAY),
            recent: Recent::new(),
            board: Board::default(),
            settings,
        }
    }

    /// Works by other settings from now on; what it knows stays, with the room that it began with.
    pub fn follow(&mut self, settings: Arc<Settings>) {
        self.settings = settings;
    }

    /// Looks at a record; tells what came of it.
    pub fn observe(&mut self, entry: &Entry) -> Vec<Notice> {
        match entry {
            Entry::Exchange(record) => self.exchange(record),
            Entry::Act(act) => self.act(act),
            Entry::Skipped(skipped) => self.skipped(skipped),
            // What ends has a record of its own, and alerts are what it told itself.
            Entry::Decision(_) | Entry::Alert(_) | Entry::Configured(..) => {}
        }
        self.board.take_notices()
    }

    /// Clears what is over at this time, and tells of what goes on.
    pub fn settle(&mut self, now: SystemTime) -> Vec<Notice> {
        self.advance(seconds(now), BACK);
        let refused = self.board.take_refused();
        if refused > 0 {
            self.part(Detection::MonitorBehind, "alerts", &[("not_raised", refused as f64)]);
        }
        self.board.settle(&self.settings, self.now);
        self.board.take_notices()
    }

    /// Clears every alert that goes on, as the process ends.
    pub fn stop(&mut self, now: SystemTime) -> Vec<Notice> {
        self.advance(seconds(now), BACK);
        self.board.stop(self.now);
        self.board.take_notices()
    }

    /// The alerts that go on, the latest first, and those that are over.
    pub fn alerts(&self) -> (Vec<Alert>, Vec<Alert>) {
        self.board.all()
    }

    /// How many alerts of a severity go on.
    pub fn count(&self, severity: Severity) -> usize {
        self.board.count(severity)
    }

    /// How much it holds.
    pub fn size(&self) -> Size {
        let evicted = self.principals.evicted() + self.uses.evicted() + self.addresses.evicted();
        Size {
            principals: self.principals.len(),
            uses: self.uses.len(),
            evicted: evicted + self.identities.evicted() + self.sessions.evicted(),
        }
    }

    /// Takes the time. Where it was set back by more than so much, windows begin anew as they are met, and nothing that is held happened later.
    fn advance(&mut self, now: u32, back: u32) {
        if now.saturating_add(back) >= self.now {
            self.now = self.now.max(now);
            return;
        }
        self.now = now;
        self.sessions = Hitters::new(self.settings.max_principals, HOUR);
        self.board.set_back(now);
    }

    fn exchange(&mut self, record: &Record) {
        let seen = self.keys.seen(record);
        self.advance(seconds(record.time + record.timings.total), RECORD_BACK);
        let keys = [seen.principal, seen.address, seen.route, record.claimed.unwrap_or(0)];
        self.recent.keep(record.id, keys, Sorts::of(record, &seen));
        if seen.is_wrong_credential {
            self.wrong_credential(record, &seen);
        }
        if seen.route != 0 {
            self.route(record, &seen);
        }
        if seen.principal == 0 {
            self.stranger(record, &seen);
        } else {
            self.proved(&seen);
            self.session(record, &seen);
            self.principal(record, &seen);
            self.on_route(record, &seen);
        }
        self.facts(record, &seen);
    }

    fn wrong_credential(&mut self, record: &Record, seen: &Seen) {
        let (settings, now) = (Arc::clone(&self.settings), self.now);
        let failed = settings.rule(Detection::FailedLogins);
        let address = self.addresses.meet(seen.address, now);
        let many = address.wrong(now, failed);
        let stuffing =
            record.claimed.and_then(|id| address.claimed(id, now, settings.rule(Detection::CredentialStuffing)));
        let slow =
            record.claimed.and_then(|id| address.claimed_slowly(id, now, settings.rule(Detection::SlowStuffing)));
        let about = || Subject::Address(shown(record.client));
        self.tell(Detection::FailedLogins, (seen.address, seen.address), many, record, about);
        self.tell(Detection::CredentialStuffing, (seen.address, seen.address), stuffing, record, about);
        // Where that is told, it is no slower.
        let slow = slow.filter(|_| !self.board.is_raised(Detection::CredentialStuffing, seen.address));
        self.tell(Detection::SlowStuffing, (seen.address, seen.address), slow, record, about);
        let Some(id) = record.claimed else { return };
        let claimed = self.identities.meet(id, now);
        let many = claimed.wrong(now, failed);
        let spread = claimed.from(seen.network, now, settings.rule(Detection::DistributedGuessing));
        let slow = claimed.spread_slowly(seen.network, now, settings.rule(Detection::SlowGuessing));
        let about = || Subject::Identity(id);
        self.tell(Detection::FailedLogins, (id, id), many, record, about);
        self.tell(Detection::DistributedGuessing, (id, id), spread, record, about);
        let slow = slow.filter(|_| !self.board.is_raised(Detection::DistributedGuessing, id));
        self.tell(Detection::SlowGuessing, (id, id), slow, record, about);
    }

    fn route(&mut self, record: &Record, seen: &Seen) {
        let (settings, now) = (Arc::clone(&self.settings), self.now);
        let flow = self.routes.meet(seen.route, now);
        flow.met(now);
        let denied = flow.denied(seen.is_denied, now, settings.rule(Detection::Denials));
        let failed = flow.failed(seen.is_error, now, settings.rule(Detection::UpstreamErrors));
        let about = || route_of(record);
        self.tell(Detection::Denials, (seen.route, seen.route), denied, record, about);
        self.tell(Detection::UpstreamErrors, (seen.route, seen.route), failed, record, about);
    }

    /// Somebody who proved nobody, and looks for what is there.
    fn stranger(&mut self, record: &Record, seen: &Seen) {
        if !seen.is_miss {
            return;
        }
        let settings = Arc::clone(&self.settings);
        let address = self.addresses.meet(seen.address, self.now);
        let many = address.tried(Some(seen.path), self.now, settings.rule(Detection::Enumeration));
        let about = || Subject::Address(shown(record.client));
        self.tell(Detection::Enumeration, (seen.address, seen.address), many, record, about);
    }

    /// Counts whom an address proves, where something went wrong there before.
    fn proved(&mut self, seen: &Seen) {
        let rule = self.settings.rule(Detection::SlowStuffing);
        if let Some(address) = self.addresses.known(seen.address) {
            address.proved(seen.principal, self.now, rule);
        }
    }

    /// Whether a session, or a right guess, comes from where it should not; asked before the network counts as known.
    fn session(&mut self, record: &Record, seen: &Seen) {
        let knows = |habits: &Habits| habits.knows_network(seen.network);
        let habits = self.principals.look(seen.principal);
        let (is_known, was_elsewhere) = (habits.is_some_and(knows), habits.is_some_and(Habits::has_networks));
        if seen.session == 0 {
            let stuffing = [Detection::CredentialStuffing, Detection::SlowStuffing];
            let is_stuffing = stuffing.into_iter().any(|one| self.board.is_raised(one, seen.address));
            let evidence = (is_stuffing && !is_known).then(|| Evidence::new(&[("successes", 1.0)]));
            // Behind it are the guesses that were wrong.
            let keys = (seen.principal, seen.address);
            return self.tell(Detection::StuffingSucceeded, keys, evidence, record, || principal_of(record));
        }
        let window = span(self.settings.rule(Detection::StolenSession));
        let visits = self.sessions.meet(seen.session, self.now);
        let (detection, evidence) = match visits.meet(seen.network, is_known || !was_elsewhere, seen.began, window) {
            Visit::Usual => return,
            Visit::Moved => (Detection::MovedSession, Evidence::new(&[("unknown_networks", 1.0)])),
            Visit::ByTurns(evidence) => (Detection::StolenSession, evidence),
        };
        self.tell(detection, (seen.session, seen.principal), Some(evidence), record, || session_of(record));
    }

    fn principal(&mut self, record: &Record, seen: &Seen) {
        let (settings, now) = (Arc::clone(&self.settings), self.now);
        let rule = |detection| settings.rule(detection);
        let broken = rule(Detection::BrokenRoute);
        let is_broken = self.routes.known(seen.route).is_some_and(|flow| flow.broken(now, broken).is_some());
        let (habits, users) = (self.principals.meet(seen.principal, now), &mut self.users);
        habits.met(now);
        // Whoever is let in by name or scope, or not at all, has nobody to be like.
        let role = record.role.as_deref().filter(|_| !seen.is_denied);
        let users = || {
            let Some(role) = role else { return 1 };
            let users = users.meet(self.keys.of(&[&seen.way.to_le_bytes(), role.as_bytes()]), now);
            users.add(seen.principal);
            users.count()
        };
        let refused = seen.is_not_allowed && !is_broken;
        let read = !seen.is_denied && !seen.is_miss;
        let found = [
            (Detection::NewNetwork, habits.network(seen.network, now, rule(Detection::NewNetwork))),
            (Detection::NewRoute, habits.way(seen.way, now, rule(Detection::NewRoute), users)),
            (Detection::UnusualHour, habits.hour(now, rule(Detection::UnusualHour))),
            (Detection::SlowRise, habits.rise(now, rule(Detection::SlowRise))),
            (Detection::Probing, refused.then(|| habits.refused(now, rule(Detection::Probing))).flatten()),
            (Detection::Exfiltration, habits.answered(seen.answered, now, rule(Detection::Exfiltration))),
            (Detection::Harvest, read.then(|| habits.read(seen.path, now, rule(Detection::Harvest))).flatten()),
        ];
        for (detection, evidence) in found {
            self.tell(detection, (seen.principal, seen.principal), evidence, record, || principal_of(record));
        }
    }

    /// A principal on one route.
    fn on_route(&mut self, record: &Record, seen: &Seen) {
        let (settings, now) = (Arc::clone(&self.settings), self.now);
        let rule = |detection| settings.rule(detection);
        let own = self.uses.meet(seen.pair, now);
        let requests = own.requests(now, rule(Detection::RequestSpike));
        let bytes = own.bytes(seen.moved, now, rule(Detection::ByteSpike));
        let missed = own.tried(seen.is_miss.then_some(seen.path), now, rule(Detection::Enumeration));
        let misses = own.misses(now, rule(Detection::Enumeration));
        let flow = self.routes.known(seen.route);
        let broken = flow.and_then(|flow| flow.called(seen.principal, misses, now, rule(Detection::BrokenRoute)));
        // What most callers look for in vain, nobody in particular looks for.
        let missed = missed.filter(|_| broken.is_none());
        self.tell(Detection::BrokenRoute, (seen.route, seen.route), broken, record, || route_of(record));
        let found =
            [(Detection::RequestSpike, requests), (Detection::ByteSpike, bytes), (Detection::Enumeration, missed)];
        for (detection, evidence) in found {
            self.tell(detection, (seen.pair, seen.principal), evidence, record, || principal_on_route(record));
        }
    }

    /// What needs no counting.
    fn facts(&mut self, record: &Record, seen: &Seen) {
        if record.reflected > 0 {
            let evidence = Evidence::new(&[("masked", record.reflected as f64)]);
            self.tell(Detection::ReflectedSecret, (seen.route, seen.route), Some(evidence), record, || {
                route_of(record)
            });
        }
        match record.denial {
            Some(Denial::Canary | Denial::Unauthenticated(AuthnFault::Canary)) => {
                let key = if seen.principal == 0 { seen.address } else { seen.principal };
                let evidence = Some(Evidence::new(&[("uses", 1.0)]));
                self.tell(Detection::Canary, (key, key), evidence, record, || principal_or_address(record));
            }
            Some(Denial::Unavailable(Unavailable::Credential)) => {
                let evidence = Some(Evidence::new(&[("refused", 1.0)]));
                self.tell(Detection::VaultTrouble, (seen.route, seen.route), evidence, record, || route_of(record));
            }
            Some(_) | None => {}
        }
    }

    /// Tells what a record gave evidence of: under the first key the alert is held, by the second the records behind it are found.
    fn tell(
        &mut self,
        detection: Detection,
        (key, about): (u64, u64),
        evidence: Option<Evidence>,
        record: &Record,
        subject: impl FnOnce() -> Subject,
    ) {
        let rule = self.settings.rule(detection);
        let Some(evidence) = evidence.filter(|_| rule.is_on) else { return };
        if self.board.hold((detection, key), evidence, rule, || actor_of(record), self.now) {
            return;
        }
        let subject = subject();
        // Before the records are looked for, which costs far more.
        if !self.board.has_room(&subject, rule.severity) {
            return;
        }
        let mut records = self.recent.behind(detection, about);
        if records.first() != Some(&record.id) {
            records.insert(0, record.id);
            records.truncate(Recent::NAMED);
        }
        let alert = Alert::raised(detection, rule.severity, (subject, actor_of(record)), evidence, self.now);
        self.board.raise(key, Alert { records, ..alert }, rule, self.now);
    }
}

mod kept;
mod own;

pub use kept::{Progress, Unread};
pub use own::{Behind, Health};

#[cfg(test)]
mod tests;
