//! One request, on one page: the phases from a head to the permission to forward it. Each returns a value or a refusal; only `respond`
//! answers a client. What comes after (forward, apply, respond, record) Pingora calls through `gateway`.

use crate::domain::{Denial, RequestView, Unavailable};
use crate::limit::Key;
use crate::proxy::admission::{Admission, Body, Decision, Refusal, Slots};
use crate::proxy::client_certificates::ClientCertificates;
use crate::proxy::identify::{Arrival, identify};
use crate::proxy::ingress::Connection;
use crate::proxy::record::Draft;
use crate::proxy::{line, lockout, own};
use crate::state::{LimitBy, Services, Snapshot};

/// Decides whether a request may be forwarded, and gets what forwarding it needs. Nothing is sent anywhere yet.
pub(super) async fn admit(
    arrival: &Arrival<'_>,
    connection: &Connection,
    services: &Services,
    snapshot: &Snapshot,
    draft: &mut Draft,
) -> Result<Decision, Refusal> {
    if !services.audit.accepts() {
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

    let view = RequestView {
        method: arrival.method,
        host: &request.host,
        path: &path,
        headers: arrival.headers,
        client: draft.client(),
        peer: connection.peer.ip(),
        is_tls: connection.tls,
        authority: request.authority,
        asked: &request.path,
        query: request.query,
        certificates: certificates.get().map_err(|fault| Refusal::with_challenge(fault, &route.authn, draft.time()))?,
        target: request.target,
        has_body: arrival.has_body && !request.websocket,
    };
    // Before any costly proof too: who guesses is not listened to.
    lockout::check(services, snapshot, &route.authn, &view)?;
    draft.lap();
    let proof = route.authn.authenticate(&view, draft.time()).await;
    if let Err(denial) = &proof {
        lockout::failed(services, snapshot, &route.authn, &view, denial);
    }
    let proof = proof.map_err(|denial| Refusal::with_challenge(denial, &route.authn, draft.time()))?;
    draft.authenticated(&proof.principal);
    let session = proof.principal.session.as_ref();
    if session.is_some_and(|session| !session.bounds.admit(&route.name, arrival.method.as_str())) {
        return Err(Denial::NotAllowed.into());
    }

    let permit = route.policy.authorize(proof.principal, &view)?;
    draft.authorized(&permit);
    let line = line::carry(services, connection, &permit, draft.time())
        .map_err(|denial| Refusal::with_challenge(denial, &route.authn, draft.time()))?;

    let who = || services.engines.limits.keyer().key(&permit.principal().key_parts());
    slots.take(&route.limits, LimitBy::Principal, who)?;
    slots.take(&route.limits, LimitBy::Route, || Key::EVERYBODY)?;

    // Before any connection to the upstream: a request without its credential must not open one.
    let injection =
        route.credential.as_ref().map(|credential| credential.acquire(&permit, draft.lapped())).transpose()?;
    draft.acquired(injection.as_ref());
    let own = route.identity_token.as_ref();
    let token =
        own.map(|own| own.mint(&permit, draft.time()).map(|value| (own.header().clone(), value))).transpose()?;

    let body = Body::new(proof.body, draft.lapped() + route.body_timeout);
    let mut admission = Admission::new(route.clone(), permit, path, injection, slots, request.websocket, body);
    admission.identity_token = token;
    admission.line = line;
    Ok(Decision::Forward(Box::new(admission)))
}
