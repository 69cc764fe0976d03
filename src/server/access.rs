//! The thread that takes over what became of access requests, and tells of it.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::complaint::Complaint;
use super::holds::{self, Holds};
use crate::audit::{Act, Deed, Phrase};
use crate::domain::{AccessDeed, Id, Name, steady};
use crate::session::{
    Access, AccessEvent, AccessRequest, AccessState, Revocation, Revocations, SessionFault, StoreError, Untold,
};
use crate::state::Services;

use super::webhooks::Webhooks;

/// How long an event waits before it counts as written down: the audit log is far quicker.
const WRITTEN_AFTER: Duration = Duration::from_secs(1);
/// How often what is late or over is looked for.
const SETTLE_EVERY: Duration = Duration::from_millis(500);

/// Starts the thread, where there is a store; it ends with the process.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn watch(services: &Arc<Services>) -> std::io::Result<()> {
    let Some(access) = services.access.clone() else { return Ok(()) };
    let services = Arc::clone(services);
    let webhooks = Webhooks::start(&services)?;
    let watch = move || {
        let mut watcher = Watcher {
            services: &services,
            access: &access,
            webhooks,
            holds: Holds::new(&access),
            told: Vec::new(),
            denied: Vec::new(),
            complaint: Complaint::new("no new grant takes effect", "grants can be read again"),
            stays: Complaint::new(
                "somebody to whom an approver said no is not out for good",
                "all to whom an approver said no are out",
            ),
        };
        watcher.tell(access.untold());
        watcher.run();
    };
    thread::Builder::new().name("access".to_owned()).spawn(watch).map(drop)
}

struct Watcher<'a> {
    services: &'a Services,
    access: &'a Access,
    webhooks: Webhooks,
    holds: Holds,
    /// How many events of which request went to the audit log, and when.
    told: Vec<(Instant, Id, usize)>,
    /// The ends of access of those on hold to whom an approver said no, by the request, until the store has taken them.
    denied: Vec<(Id, Revocation)>,
    complaint: Complaint,
    /// The same of these ends.
    stays: Complaint,
}

impl Watcher<'_> {
    fn run(mut self) {
        let mut settled = Instant::now();
        loop {
            thread::sleep(Revocations::REFRESH_EVERY);
            let now = steady(SystemTime::now());
            let mut is_news = false;
            let mut done = self.access.refresh(now).map(|untold| {
                is_news = !untold.is_empty();
                self.tell(untold);
            });
            if is_news || settled.elapsed() > SETTLE_EVERY {
                settled = Instant::now();
                self.end_denied();
                done = done.and(self.settle(now)).and(self.settle_holds(now));
            }
            self.complaint.note(done);
            let grants = i64::try_from(self.access.count()).unwrap_or(i64::MAX);
            self.services.engines.metrics.grants.set(grants);
        }
    }

    fn tell(&mut self, untold: Vec<Untold>) {
        for Untold { request, from } in untold {
            let all = request.events.len();
            let known = self.told.iter().filter(|(_, id, _)| *id == request.id).map(|(_, _, told)| *told).max();
            let first = known.unwrap_or(0).max(from);
            for event in request.events.iter().skip(first).filter(|event| self.access.tells(event)) {
                self.tell_one(&request, event);
                self.denied.extend(holds::denied(&request, event).map(|end| (request.id, end)));
            }
            if first < all {
                self.told.push((Instant::now(), request.id, all));
            }
        }
    }

    fn tell_one(&self, request: &AccessRequest, event: &AccessEvent) {
        let (id, of, by) = (request.id.to_string(), request.requester(), event.by.clone());
        let approval = request.approval.as_str();
        match event.deed {
            AccessDeed::BrokeGlass => {
                self.services.engines.metrics.broken_glass.inc();
                log::error!(id = id.as_str(), of = of.as_str(), approval; "somebody broke the glass: review it");
            }
            AccessDeed::Asked
            | AccessDeed::Approved
            | AccessDeed::Denied
            | AccessDeed::Granted
            | AccessDeed::Expired
            | AccessDeed::Ended
            | AccessDeed::Reviewed => {
                let deed = event.deed.text();
                log::info!(id = id.as_str(), of = of.as_str(), by = by.as_str(), approval; "access request: {deed}");
            }
        }
        let until = match (event.deed, request.state) {
            (AccessDeed::Granted | AccessDeed::BrokeGlass, AccessState::Granted { until, .. }) => Some(until),
            (_, _) => None,
        };
        let act = Act {
            time: SystemTime::now(),
            deed: Deed::Access(event.deed),
            id,
            of: Phrase::who(&of),
            reason: event.reason.clone().unwrap_or_default(),
            by: Phrase::who(&by),
            since: event.at,
            until,
            approval: Some(request.approval.clone()),
            ticket: request.ticket.clone(),
            terms: (!request.is_hold).then(|| terms(request)),
        };
        self.webhooks.tell(|| told(&act));
        self.services.audit.submit(act);
    }

    fn end_denied(&mut self) {
        let sessions = self.services.engines.authenticators.sessions();
        let (mut done, mut is_refused) = (Ok(()), false);
        self.denied.retain(|(_, end)| {
            // What the store refused once, it refuses of all.
            let Some(fault) = (!is_refused).then(|| sessions.revoke(end).err()).flatten() else { return is_refused };
            done = Err(format!("{}: {fault}", end.of));
            is_refused = matches!(fault, SessionFault::Store(_));
            is_refused
        });
        self.stays.note(done);
    }

    fn settle_holds(&mut self, now: SystemTime) -> Result<(), StoreError> {
        let Some(revocations) = &self.services.revocations else { return Ok(()) };
        self.holds.settle(self.access, revocations, now)
    }

    /// Says of what is in the audit log by now that it is, and of what is late that it has expired.
    fn settle(&mut self, now: SystemTime) -> Result<(), StoreError> {
        // What a process that is killed now has not done is for the next to do.
        let (now_is, denied) = (Instant::now(), &self.denied);
        let is_written =
            |(at, id, _): &(Instant, Id, usize)| *at + WRITTEN_AFTER < now_is && denied.iter().all(|(of, _)| of != id);
        if self.services.audit.accepts() {
            for (_, id, events) in self.told.iter().filter(|one| is_written(one)) {
                self.access.told(*id, *events)?;
            }
            self.told.retain(|one| !is_written(one));
        }
        self.access.settle(now)
    }
}

/// What is asked for, in words. Of a single request without its query, which is in no record.
fn terms(request: &AccessRequest) -> String {
    let mut terms = format!("for {}", humantime::format_duration(request.lasts));
    let mut add = |what: &str, text: String| terms.push_str(&format!("; {what} {text}"));
    if let Some(routes) = &request.bounds.routes {
        add("routes", routes.iter().map(Name::as_str).collect::<Vec<_>>().join(", "));
    }
    if let Some(methods) = request.bounds.methods {
        add("methods", methods.names().collect::<Vec<_>>().join(", "));
    }
    if let Some(uses) = request.uses {
        add("uses", uses.to_string());
    }
    if let Some(exact) = &request.exact {
        add("request", format!("{} {}{}, body sha256 {}", exact.method, exact.host, exact.path, exact.body));
    }
    terms
}

/// The record of an act, as a webhook is told it.
fn told(act: &Act) -> String {
    let stamp = |time| jiff::Timestamp::try_from(time).map_or_else(|_| String::new(), |time| format!("{time:.3}"));
    let deed = match act.deed {
        Deed::Access(deed) => deed.text(),
        Deed::Revoked | Deed::Lifted | Deed::Rotation(_) | Deed::Erased => "",
    };
    serde_json::json!({
        "id": act.id,
        "act": deed,
        "of": act.of.to_string(),
        "approval": act.approval,
        "reason": act.reason,
        "ticket": act.ticket,
        "terms": act.terms,
        "by": act.by.to_string(),
        "since": stamp(act.since),
        "until": act.until.map(stamp),
    })
    .to_string()
}
