//! One request, on one page: the phases from a head to the permission to forward it. Each returns a value or a refusal; only `respond`
//! answers a client. What comes after (forward, apply, respond, record) Pingora calls through `gateway`.

use std::sync::Arc;
use std::time::SystemTime;

use crate::authn::Proof;
use crate::authz::{Permit, RuleApproval, Unauthorized};
use crate::domain::{Denial, ExactRequest, Principal, RequestView, Unavailable, hex, steady};
use crate::inject::{Content, Credential, ReadBody};
use crate::limit::Key;
use crate::proxy::admission::{Admission, Body, Decision, Proven, Refusal, Slots};
use crate::proxy::client_certificates::ClientCertificates;
use crate::proxy::hold::needs_body;
use crate::proxy::identify::{Arrival, identify};
use crate::proxy::ingress::Connection;
use crate::proxy::inspect::{self, Look};
use crate::proxy::record::Draft;
use crate::proxy::{canary, line, lockout, own, tokens};
use crate::session::{AccessError, Grant, Use, digest};
use crate::state::{AccessService, LimitBy, Route, Services, Snapshot};

/// Decides whether a request may be forwarded, and gets what forwarding it needs. Nothing is sent anywhere yet.
pub(super) async fn admit(
    arrival: &Arrival<'_>,
    connection: &Connection,
    services: &Services,
    snapshot: &Snapshot,
    draft: &mut Draft,
) -> Result<Decision, Refusal> {
    if !services.audit.accepts() && !Box::pin(services.audit.admit()).await {
        return Err(Denial::Unavailable(Unavailable::Audit).into());
    }
    // The raw head is judged first: what Pingora made of an ambiguous one must not matter.
    draft.sound_head()?;
    let request = identify(arrival)?;
    draft.identified(&request);

    if let Some(decision) = own::answer(services, snapshot, &request, arrival.method, draft)? {
        return Ok(decision);
    }

    let certificates = ClientCertificates::of(connection, snapshot, &request.host, arrival.headers)?;
    let route = snapshot.router.find(&request.host, &request.path, arrival.method)?;
    draft.routed(route);
    let path = route.check_form(&request.path, request.websocket, request.content_length)?;

    // Limits per client come before any costly proof.
    let mut slots = Slots::default();
    slots.take(&route.limits, LimitBy::Client, || Key::client(draft.client()))?;
    let client = draft.client();
    draft.meter(&route.limits, LimitBy::Client, || Key::client(client))?;

    let certificates =
        certificates.get().map_err(|fault| Refusal::with_challenge(fault, &route.authn, draft.time()))?;
    let view = request.view(arrival, &path, connection, draft.client(), certificates);
    // Before any costly proof too: who guesses is not listened to.
    let claimed = || lockout::claimed(services, &route.authn, &view, None);
    lockout::check(services, snapshot, &route.authn, &view, None).inspect_err(|_| draft.claimed(claimed()))?;
    draft.lap();
    let proof = route.authn.authenticate(&view, draft.time()).await;
    if let Err(denial) = &proof {
        canary::presented(services, &route.authn, &view, None, denial);
    }
    let proof =
        lockout::settle(services, snapshot, &route.authn, &view, None, proof).inspect_err(|_| draft.claimed(claimed()));
    let proof = proof.map_err(|denial| Refusal::with_challenge(denial, &route.authn, draft.time()))?;
    draft.authenticated(&proof.principal);
    let session = proof.principal.session.as_ref();
    if session.is_some_and(|session| !session.bounds.admit(&route.name, arrival.method.as_str())) {
        return Err(Denial::NotAllowed.into());
    }

    let (route, websocket) = (Arc::clone(route), request.websocket);
    let look = inspect::look(&route, view.headers, view.has_body && !websocket, request.content_length)?;
    if view.has_body && (needs_body(&route) || look == Look::Whole) {
        // Only now, and only of those who are known: whoever likes could have it keep bodies otherwise.
        if !route.policy.needs_body() {
            // And of those only who may ask, as far as that can be said without the body.
            authorize(services, snapshot, &route, Arc::clone(&proof.principal), &view, None, draft.time())?;
        }
        let proven = Proven { route, path, proof, slots, look };
        return Ok(Decision::Hold(Box::new(proven)));
    }
    let proven = Candidate { route, view, proof, slots, websocket, look, now: draft.time() };
    permit(services, snapshot, connection, draft, proven, None).await
}

/// Goes on where [`admit`] stopped for the body, which is this.
pub(super) async fn go_on(
    proven: Proven,
    body: Option<ReadBody>,
    arrival: &Arrival<'_>,
    connection: &Connection,
    services: &Services,
    snapshot: &Snapshot,
    draft: &mut Draft,
) -> Result<Decision, Refusal> {
    let request = identify(arrival)?;
    let Proven { route, path, proof, slots, look } = proven;
    // Certificates have proved what they can.
    let view = request.view(arrival, &path, connection, draft.client(), None);
    draft.lap();
    // What was allowed when the head came may have ended while the body did.
    let candidate = Candidate { route, view, proof, slots, websocket: false, look, now: SystemTime::now() };
    permit(services, snapshot, connection, draft, candidate, body).await
}

/// A request whose caller is proved.
struct Candidate<'a> {
    route: Arc<Route>,
    view: RequestView<'a>,
    proof: Proof,
    slots: Slots,
    websocket: bool,
    look: Look,
    /// The time by which it is decided.
    now: SystemTime,
}

/// Decides whether somebody who is proved may have what they ask for, and gets what forwarding it needs.
async fn permit(
    services: &Services,
    snapshot: &Snapshot,
    connection: &Connection,
    draft: &mut Draft,
    candidate: Candidate<'_>,
    body: Option<ReadBody>,
) -> Result<Decision, Refusal> {
    let Candidate { route, view, proof, mut slots, websocket, look, now } = candidate;
    if route.is_revocation_critical && !services.knows_revocations() {
        return Err(Denial::Unavailable(Unavailable::Cluster).into());
    }
    let digest = body.as_ref().filter(|_| route.policy.needs_body()).map(ReadBody::digest);
    let permit = authorize(services, snapshot, &route, proof.principal, &view, digest, now)?;
    draft.authorized(&permit);
    let line = line::carry(services, connection, &route.policy, &permit, now)
        .map_err(|denial| Refusal::with_challenge(denial, &route.authn, now))?;

    if let Some(bait) = route.credential.as_ref().filter(|credential| credential.is_canary()) {
        return Err(canary::baited(services, bait, &permit, draft.client()).into());
    }
    if let Some(session) = &permit.principal().session {
        // By what is allowed alone: whoever only has the token keeps no session from ending.
        session.touch(steady(now));
    }
    // Again, now that an end is found on the line: one that came in between was for nobody yet. A counted one is asked of the store.
    let access = services.access.as_ref();
    let is_in_force = |grant: &Grant| access.is_some_and(|access| access.is_in_force(permit.principal(), grant.id));
    if permit.grant().is_some_and(|grant| !grant.is_counted && !is_in_force(grant)) {
        return Err(Denial::ApprovalNeeded.into());
    }

    let who = || services.engines.limits.keyer().key(&permit.principal().key_parts());
    slots.take(&route.limits, LimitBy::Principal, who)?;
    slots.take(&route.limits, LimitBy::Route, || Key::EVERYBODY)?;
    draft.meter(&route.limits, LimitBy::Principal, who)?;
    draft.meter(&route.limits, LimitBy::Route, || Key::EVERYBODY)?;

    // Nobody else waits, nor is anything allocated for them.
    if let Some(inspecting) = &route.inspecting {
        Box::pin(inspect::inspect(services, &route, inspecting, &view, body.as_ref(), draft)).await?;
    }

    // Before any connection to the upstream: a request without its credential must not open one.
    let content = Content { headers: view.headers, has_body: view.has_body, body: body.as_ref() };
    let own = own_credential(&route, &permit).await?;
    let acquire = |credential: &Arc<Credential>| credential.acquire(&permit, draft.lapped(), &content);
    let injection = own.as_ref().or(route.credential.as_ref()).map(acquire).transpose()?;
    draft.acquired(injection.as_ref());
    if services.audit.is_durable() {
        // Before a use is spent: who is refused has used nothing.
        Box::pin(draft.decided()).await?;
    }
    let session = permit.principal().session.as_ref();
    if permit.grant().is_some() || session.is_some_and(|session| session.bounds.uses.is_some()) {
        // Last of what may refuse: who is refused has used nothing.
        let spent = Box::pin(spend(services, &permit, now)).await;
        spent.map_err(|denial| Refusal::with_challenge(denial, &route.authn, now))?;
    }
    let own = route.identity_token.as_ref();
    let token = own.map(|own| own.mint(&permit, now).map(|value| (own.header().clone(), value))).transpose()?;

    let body = Body::new(proof.body, draft.lapped() + route.body_timeout);
    let windows = inspect::windows(&route, look, view.headers);
    let body =
        body.watched_by(windows).replaced_by(injection.as_ref().and_then(|injection| injection.filled().cloned()));
    let mut admission = Admission::new(route, permit, view.path.clone(), injection, slots, websocket, body);
    admission.identity_token = token;
    admission.line = line;
    Ok(Decision::Forward(Box::new(admission)))
}

/// The credential of this principal alone, on a route where each has one. Nobody else waits, nor is anything allocated for them.
async fn own_credential(route: &Route, permit: &Permit) -> Result<Option<Arc<Credential>>, Denial> {
    match route.credential.as_ref().filter(|credential| credential.is_own()) {
        Some(credential) => Box::pin(credential.of(permit)).await.map(Some),
        None => Ok(None),
    }
}

/// The permit, by a rule that allows the request, or one that would with a grant, and the grant that the caller has.
fn authorize(
    services: &Services,
    snapshot: &Snapshot,
    route: &Route,
    principal: Arc<Principal>,
    view: &RequestView<'_>,
    body: Option<[u8; 32]>,
    now: SystemTime,
) -> Result<Permit, Refusal> {
    let granted = |principal: &Principal, approval: &RuleApproval| {
        let exact = approval.is_exact.then(|| exact(view, body));
        let wanted =
            Use { approval: &approval.name, route: &route.name, method: view.method.as_str(), exact: exact.as_ref() };
        services.access.as_ref()?.find(principal, &wanted, steady(now))
    };
    let who = Arc::clone(&principal);
    let refused = route.policy.authorize(principal, view, now, granted);
    // Whose access has ended is nobody, whatever rules say; whom one allows is asked so once they are on their line.
    let ended =
        || line::ended(services, &who, None, now).map(|denial| Refusal::with_challenge(denial, &route.authn, now));
    refused.map_err(|Unauthorized { approval }| match approval {
        _ if let Some(refusal) = ended() => refusal,
        None => Denial::NotAllowed.into(),
        // There may be a grant, and it may have been ended.
        Some(_) if services.access.as_ref().is_some_and(|access| access.is_cut_off()) => {
            Denial::Unavailable(Unavailable::Cluster).into()
        }
        Some(approval) => {
            let url = snapshot.access.as_ref().map(|service| format!("{}{}", service.url, AccessService::PATH));
            Refusal { approval: url.map(|url| Box::new((approval, url))), ..Denial::ApprovalNeeded.into() }
        }
    })
}

/// The request, body and all, as somebody may have approved it.
fn exact(view: &RequestView<'_>, body: Option<[u8; 32]>) -> ExactRequest {
    ExactRequest {
        method: view.method.as_str().to_owned(),
        host: view.host.as_str().to_owned(),
        path: view.asked.as_str().to_owned(),
        query: view.query.map(str::to_owned),
        body: hex(&body.unwrap_or_else(|| digest(b""))),
    }
}

/// Counts a request of a session that is good for so many.
///
/// # Errors
/// Why it is not good for this one.
pub(super) async fn spend_session(services: &Services, principal: &Principal, now: SystemTime) -> Result<(), Denial> {
    let Some(session) = principal.session.as_ref().filter(|session| session.bounds.uses.is_some()) else {
        return Ok(());
    };
    let (sessions, id) = (Arc::clone(services.engines.authenticators.sessions()), session.id);
    let spent = tokio::task::spawn_blocking(move || sessions.spend(id, steady(now))).await;
    spent.map_err(|_| Denial::Internal)?.map_err(|fault| tokens::denial(&fault))
}

/// Uses up one of the requests that a session and a grant are for: the one thing that a decision waits for the store with.
async fn spend(services: &Services, permit: &Permit, now: SystemTime) -> Result<(), Denial> {
    spend_session(services, permit.principal(), now).await?;
    let Some(grant) = permit.grant().filter(|grant| grant.is_counted) else { return Ok(()) };
    let Some(access) = services.access.clone() else { return Err(Denial::ApprovalNeeded) };
    let (id, now) = (grant.id, steady(now));
    match tokio::task::spawn_blocking(move || access.spend(id, now)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(AccessError::Fault(_))) => Err(Denial::ApprovalNeeded),
        Ok(Err(AccessError::Store(error))) => {
            log::error!("a use of a grant cannot be written: {error}");
            Err(Denial::Unavailable(Unavailable::Authenticator))
        }
        Ok(Err(AccessError::Away(_))) => Err(Denial::Unavailable(Unavailable::Cluster)),
        Err(_) => Err(Denial::Internal),
    }
}
