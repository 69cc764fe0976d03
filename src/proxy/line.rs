//! The line of an exchange: how one under way is found again when its caller's access ends, and cut.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use pingora::Result;

use super::failure;
use super::ingress::Connection;
use crate::authz::{Grantee, Permit, Policy};
use crate::domain::{AuthnFault, Denial, Principal, unhurried};
use crate::session::{Carried, Line};
use crate::state::Services;

const REVOKED: Denial = Denial::Unauthenticated(AuthnFault::Revoked);

/// What ended it, for whoever is told.
fn denial(line: &Line) -> Denial {
    line.was_cut().map_or(REVOKED, |cut| cut.denial)
}

/// Puts an exchange on a line, unless its caller is revoked. None where nobody can be. An HTTP/1 connection is one line for all its exchanges;
/// of HTTP/2, each exchange has its own.
pub(super) fn carry(
    services: &Services,
    connection: &Connection,
    policy: &Policy,
    permit: &Permit,
    now: SystemTime,
) -> Result<Option<Arc<Line>>, Denial> {
    let Some(revocations) = &services.revocations else { return Ok(None) };
    let role = match permit.grantee() {
        Some(Grantee::Role(role)) => Some(Arc::clone(role)),
        Some(Grantee::Scope(_) | Grantee::Principal(_)) | None => None,
    };
    let principal = Arc::clone(permit.principal());
    // Where the rules are only tried out and none fits, whatever the caller is may be what lets them in.
    let any_of = if permit.is_shadowed() { policy.roles().of(&principal) } else { Vec::new() };
    let session = principal.session.as_ref().and(principal.expires);
    let until = session.into_iter().chain(permit.grant().map(|grant| grant.until)).min();
    let carried = Carried { principal, role, any_of, until, grant: permit.grant().map(|grant| grant.id) };
    let line = if connection.is_http2() { revocations.line() } else { connection.line(|| revocations.line()) };
    // Before the look: who is revoked after it is found on the line.
    line.carry(carried.clone());
    match revocations.ended(&carried, unhurried(now)) {
        Some(cut) => Err(cut.denial),
        None => Ok(Some(line)),
    }
}

/// What ended the access of a principal, or what they have by this role.
pub(super) fn ended(
    services: &Services,
    principal: &Arc<Principal>,
    role: Option<&str>,
    now: SystemTime,
) -> Option<Denial> {
    let (principal, role) = (Arc::clone(principal), role.map(Arc::from));
    let carried = Carried { principal, role, any_of: Vec::new(), until: None, grant: None };
    services.revocations.as_ref()?.ended(&carried, unhurried(now)).map(|cut| cut.denial)
}

/// What holds a session that is watched over: its line, until its client is to be told that it was cut.
#[derive(Debug, Clone)]
pub(super) struct Leash {
    line: Option<Arc<Line>>,
    is_off: Arc<AtomicBool>,
    /// Whether something is being written, or was when the line was cut.
    is_writing: Arc<AtomicBool>,
}

impl Leash {
    /// On this line.
    pub(super) fn new(line: Option<Arc<Line>>) -> Self {
        Self { line, is_off: Arc::default(), is_writing: Arc::default() }
    }

    /// Lets go: what is written from now on is the gateway's own word.
    pub(super) fn take_off(&self) {
        self.is_off.store(true, Ordering::Relaxed);
    }

    /// Whether all that was begun to be written has been.
    pub(super) fn is_written(&self) -> bool {
        !self.is_writing.load(Ordering::Relaxed)
    }

    /// Writes, unless the line is cut meanwhile.
    pub(super) async fn write<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.is_writing.store(true, Ordering::Relaxed);
        let written = self.hold(work).await?;
        self.is_writing.store(false, Ordering::Relaxed);
        Ok(written)
    }

    /// Does the work, unless the line is cut meanwhile, which is an error of the client's side.
    pub(super) async fn hold<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(line) = self.line.as_ref().filter(|_| !self.is_off.load(Ordering::Relaxed)) else { return work.await };
        tokio::select! {
            biased;
            () = line.cut() => Err(failure::carry_of_body(denial(line))),
            done = work => done,
        }
    }
}
