//! Who is held by the monitor until somebody approves: asked for where access requests are, and lifted once that is done.

use std::collections::BTreeSet;
use std::time::SystemTime;

use crate::domain::{AccessDeed, AccessFault, Id};
use crate::session::{
    Access, AccessError, AccessEvent, AccessRequest, AccessState, Revocation, Revocations, Revoked, StoreError,
};

/// The holds whose approval was asked for.
pub(super) struct Holds {
    known: BTreeSet<Id>,
}

impl Holds {
    /// Those that were asked for before this process began.
    pub(super) fn new(access: &Access) -> Self {
        let waits = |one: &AccessRequest| one.is_hold && one.state == AccessState::Pending;
        let all = access.all().unwrap_or_else(|error| {
            log::error!("who waits for an approval to go on cannot be read: {error:?}");
            Vec::new()
        });
        Self { known: all.into_iter().filter(waits).map(|one| one.id).collect() }
    }

    /// Asks for what nobody has asked for yet, lifts what was approved, and takes back what nobody has to approve any more. Costs next to
    /// nothing while nobody is held.
    ///
    /// # Errors
    /// [`StoreError`]; what was not done is done the next time.
    pub(super) fn settle(&mut self, access: &Access, all: &Revocations, now: SystemTime) -> Result<(), StoreError> {
        let held = all.holds();
        let ids: BTreeSet<_> = held.iter().map(|one| one.id).collect();
        for over in self.known.difference(&ids) {
            let end = |request: &mut AccessRequest| request.end("gateway", Some(OVER.to_owned()), now);
            if !is_settled(access.change(*over, end))? {
                return Ok(());
            }
        }
        for hold in &held {
            if !settle_one(access, all, hold, now)? {
                return Ok(());
            }
        }
        self.known = ids;
        Ok(())
    }
}

/// Whether that is done; it is not while the other nodes are away, and is tried again then.
fn settle_one(access: &Access, all: &Revocations, hold: &Revocation, now: SystemTime) -> Result<bool, StoreError> {
    let Some(request) = access.known(hold.id)? else {
        return AccessRequest::of_hold(hold).map_or(Ok(true), |request| is_settled(access.ask(&request, now)));
    };
    if let (AccessState::Granted { .. }, Some(by)) = (request.state, approver(&request)) {
        all.lift(hold.id, by)?;
    }
    Ok(true)
}

/// Why a request that nobody decided on is over.
const OVER: &str = "the hold was lifted, or is over";

fn approver(request: &AccessRequest) -> Option<&str> {
    request.events.iter().rev().find(|event| event.deed == AccessDeed::Granted).map(|event| event.by.as_str())
}

fn is_settled<T>(done: Result<T, AccessError>) -> Result<bool, StoreError> {
    match done {
        Ok(_) | Err(AccessError::Fault(AccessFault::Decided | AccessFault::Unknown)) => Ok(true),
        Err(AccessError::Away(_)) => Ok(false),
        Err(AccessError::Fault(fault)) => {
            log::error!("an approval that somebody waits for cannot be asked for: {}", fault.text());
            Ok(true)
        }
        Err(AccessError::Store(error)) => Err(error),
    }
}

/// The end of the access of somebody who was held, where an approver said no: a hold may lapse, and the request for its end be forgotten.
pub(super) fn denied(request: &AccessRequest, event: &AccessEvent) -> Option<Revocation> {
    if !request.is_hold || event.deed != AccessDeed::Denied {
        return None;
    }
    let of = Revoked::Principal(request.authenticator.clone(), request.principal.clone());
    let reason = event.reason.clone().unwrap_or_else(|| "an approver said no".to_owned());
    Some(Revocation::new(of, reason, event.by.clone(), event.at, None))
}
