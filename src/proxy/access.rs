//! Access requests: asked for, listed, approved and ended by callers that are proved as on any route.

mod asked;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::caller::{Caller, Proof};
use super::pipeline::spend_session;
use crate::domain::{AccessFault, Denial, Id, InvalidAccess, Principal, PrincipalKind, Unavailable, steady};
use crate::session::{Access, AccessError, AccessRequest, AccessState, Revocation};
use crate::state::{AccessCall, AccessService, AccessVerb, Approval};
use asked::AskBody;

/// One request to the access service.
pub(super) struct Call<'a> {
    pub(super) service: &'a AccessService,
    pub(super) caller: Caller<'a>,
}

/// What is sent with a decision.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct VerbBody {
    /// Why.
    reason: Option<String>,
}

/// How long what was written may take to hold here.
const HOLDS_WITHIN: Duration = Duration::from_secs(1);
const INVALID: Denial = Denial::Access(AccessFault::Invalid(InvalidAccess::Form));

impl Call<'_> {
    /// Answers with one JSON object.
    ///
    /// # Errors
    /// Why nothing became of it.
    pub(super) async fn answer(
        mut self,
        what: AccessCall,
        body: Result<Vec<u8>, Denial>,
    ) -> Result<(StatusCode, Bytes), Denial> {
        let body = body?;
        let headers = self.caller.arrival.headers;
        let writes = *self.caller.arrival.method == Method::POST;
        if writes && !is_deliberate(headers) {
            return Err(INVALID);
        }
        let now = self.caller.draft.time();
        let proved = self.caller.prove(Proof::Presented(headers), &body, now).await?;
        let principal = Arc::clone(&proved.principal);
        // From here on by the clock that nobody puts back.
        let now = steady(now);
        let (status, json) = match what {
            AccessCall::All if writes => (StatusCode::CREATED, self.ask(&principal, &body, now).await?),
            AccessCall::All => (StatusCode::OK, self.list(&principal, now).await?),
            AccessCall::One(id) => (StatusCode::OK, self.told(&self.seen(&principal, id).await?, now)),
            AccessCall::Do(id, verb) => (StatusCode::OK, self.do_it(&principal, id, verb, &body, now).await?),
        };
        Ok((status, Bytes::from(json.to_string())))
    }

    async fn ask(&self, principal: &Arc<Principal>, body: &[u8], now: SystemTime) -> Result<Value, Denial> {
        let body: AskBody = serde_json::from_slice(body).map_err(|_| INVALID)?;
        let invalid = |what| Denial::Access(AccessFault::Invalid(what));
        let approval = self.service.approvals.get(&body.approval).ok_or(invalid(InvalidAccess::Approval))?;
        let may_ask = match approval.requesters.as_slice() {
            [] => self.caller.snapshot.router.routes().any(|route| route.policy.may_wait(principal, &body.approval)),
            roles => self.has_any(principal, roles),
        };
        let breaks_glass = body.break_glass;
        let may_break = principal.actor.is_none() && self.has_any(principal, &approval.break_glass);
        if !may_ask || (breaks_glass && !may_break) {
            return Err(Denial::NotAllowed);
        }
        let asked = body.asked(approval, &self.caller.snapshot.router, now).map_err(invalid)?;
        let mut request = AccessRequest::new(asked, principal, now);
        if breaks_glass {
            request.break_glass(now).map_err(Denial::Access)?;
        }
        let access = self.access()?;
        spend_session(self.caller.services, principal, now).await?;
        let kept = request.clone();
        blocking(move || access.ask(&kept, now)).await?;
        self.until_held(&request).await;
        Ok(self.told(&request, now))
    }

    async fn list(&self, principal: &Arc<Principal>, now: SystemTime) -> Result<Value, Denial> {
        let wanted = asked::state(self.caller.arrival.target).ok_or(INVALID)?;
        let access = self.access()?;
        let mut all = blocking(move || access.all()).await?;
        all.retain(|one| self.may_see(principal, one));
        all.retain(|one| wanted.as_ref().is_none_or(|state| state_now(one, now) == state));
        let requests: Vec<_> = all.iter().rev().map(|one| self.told(one, now)).collect();
        Ok(json!({ "requests": requests }))
    }

    async fn do_it(
        &self,
        principal: &Arc<Principal>,
        id: Id,
        verb: AccessVerb,
        body: &[u8],
        now: SystemTime,
    ) -> Result<Value, Denial> {
        let body: VerbBody =
            if body.is_empty() { VerbBody::default() } else { serde_json::from_slice(body).map_err(|_| INVALID)? };
        if body.reason.as_ref().is_some_and(|reason| !Revocation::is_reason(reason)) {
            return Err(INVALID);
        }
        let seen = self.seen(principal, id).await?;
        let approval = self.service.approvals.get(&seen.approval).ok_or(Denial::NotAllowed)?;
        let is_approver = self.has_any(principal, &approval.approvers);
        if seen.is_hold && !matches!(verb, AccessVerb::Approve | AccessVerb::Deny) {
            // Nothing was granted that could be ended, and what waits is not theirs to take back.
            return Err(Denial::NotAllowed);
        }
        let is_own = seen.requester() == principal.name();
        let may = match verb {
            // In person: who acts for an approver was not trusted with that.
            AccessVerb::Approve | AccessVerb::Deny | AccessVerb::Review => is_approver && principal.actor.is_none(),
            AccessVerb::End => is_own || is_approver || self.has_any(principal, &["admin"]),
        };
        if !may {
            let fault = if is_own { Denial::Access(AccessFault::SelfApproval) } else { Denial::NotAllowed };
            return Err(fault);
        }
        if matches!(verb, AccessVerb::Approve) && self.is_revoked(&seen) {
            return Err(Denial::Access(AccessFault::Revoked));
        }
        let (by, needed, reason) = (principal.name(), approval.needed, body.reason);
        let access = self.access()?;
        // Last of what may refuse: who is refused has used nothing.
        spend_session(self.caller.services, principal, now).await?;
        let change = move |request: &mut AccessRequest| match verb {
            AccessVerb::Approve => request.vote(&by, true, reason.clone(), needed, now),
            AccessVerb::Deny => request.vote(&by, false, reason.clone(), needed, now),
            AccessVerb::End => request.end(&by, reason.clone(), now),
            AccessVerb::Review => request.review(&by, reason.clone(), now),
        };
        let request = blocking(move || access.change(id, change)).await?;
        self.until_held(&request).await;
        Ok(self.told(&request, now))
    }

    /// The request of this id; to who may not see it, there is none.
    async fn seen(&self, principal: &Arc<Principal>, id: Id) -> Result<AccessRequest, Denial> {
        let access = self.access()?;
        let found = blocking(move || access.get(id)).await?;
        if self.may_see(principal, &found) { Ok(found) } else { Err(Denial::Access(AccessFault::Unknown)) }
    }

    fn may_see(&self, principal: &Arc<Principal>, request: &AccessRequest) -> bool {
        let approvers = self.service.approvals.get(&request.approval).map(|approval| &approval.approvers[..]);
        request.requester() == principal.name()
            || approvers.is_some_and(|roles| self.has_any(principal, roles))
            || self.has_any(principal, &["auditor", "admin"])
    }

    /// Whether the access of whoever asked has ended. What asks for the end of that is no such request.
    fn is_revoked(&self, request: &AccessRequest) -> bool {
        let of = (request.authenticator.clone(), PrincipalKind::Human, request.principal.clone());
        let requester = Arc::new(Principal::new(of.0, of.1, of.2));
        !request.is_hold && self.caller.ended_as(&requester, None, self.caller.circumstances().time).is_some()
    }

    fn has_any(&self, principal: &Arc<Principal>, roles: &[impl AsRef<str>]) -> bool {
        let when = self.caller.circumstances();
        let has = |role: &str| {
            self.service.roles.has(principal, role, &when)
                && self.caller.ended_as(principal, Some(role), when.time).is_none()
        };
        roles.iter().any(|role| has(role.as_ref()))
    }

    fn access(&self) -> Result<Arc<Access>, Denial> {
        self.caller.services.access.clone().ok_or(Denial::Unavailable(Unavailable::Authenticator))
    }

    /// Waits until what was answered for holds here: the store is looked at every few milliseconds.
    async fn until_held(&self, request: &AccessRequest) {
        let Ok(access) = self.access() else { return };
        let held = async {
            while !access.holds(request, steady(SystemTime::now())) || self.is_held_yet(request) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let _ = tokio::time::timeout(HOLDS_WITHIN, held).await;
    }

    /// Whether it is for the end of a hold, which was approved and has not ended yet.
    fn is_held_yet(&self, request: &AccessRequest) -> bool {
        let is_approved = request.is_hold && matches!(request.state, AccessState::Granted { .. });
        is_approved && self.caller.services.revocations.as_ref().is_some_and(|all| all.hold(request.id).is_some())
    }

    fn told(&self, request: &AccessRequest, now: SystemTime) -> Value {
        let approval = self.service.approvals.get(&request.approval);
        let needed = approval.map_or(1, |approval: &Arc<Approval>| approval.needed);
        let mut told = asked::told(request, needed, state_now(request, now));
        told["revoked"] = self.is_revoked(request).into();
        told
    }
}

/// Where it stands now: a grant may be over, and nobody noted it.
fn state_now(request: &AccessRequest, now: SystemTime) -> &'static str {
    match request.state {
        AccessState::Granted { .. } if !request.is_hold && !request.is_granted(now) => "over",
        AccessState::Pending if now >= request.expires => "expired",
        state @ (AccessState::Pending
        | AccessState::Granted { .. }
        | AccessState::Denied
        | AccessState::Expired
        | AccessState::Ended) => state.text(),
    }
}

/// Whether a request that changes something was meant: a page elsewhere cannot have a browser send JSON with what the browser knows.
fn is_deliberate(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

/// What waits for the disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AccessError> + Send + 'static,
) -> Result<T, Denial> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(AccessError::Fault(fault))) => Err(Denial::Access(fault)),
        Ok(Err(AccessError::Store(error))) => {
            log::error!("access requests cannot be read or written: {error}");
            Err(Denial::Unavailable(Unavailable::Authenticator))
        }
        Ok(Err(AccessError::Away(_))) => Err(Denial::Unavailable(Unavailable::Cluster)),
        Err(_) => Err(Denial::Internal),
    }
}
