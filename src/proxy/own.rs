//! What the gateway answers itself: its key sets, the token service, access requests.

use std::sync::Arc;

use crate::domain::{Denial, Methods, Unavailable};
use crate::limit::Key;
use crate::proxy::admission::{Asked, Decision, Document, Refusal, Slots};
use crate::proxy::identify::Identified;
use crate::proxy::record::Draft;
use crate::state::{AccessCall, AccessService, Endpoint, LimitBy, Services, Snapshot, TokenService};

const KEY_SET: &str = "application/jwk-set+json";

/// What becomes of a request that is for the gateway itself; none for any other. What is published is public: those ask for it who know
/// nobody here.
pub(super) fn answer(
    services: &Services,
    snapshot: &Snapshot,
    request: &Identified<'_>,
    method: &http::Method,
    draft: &mut Draft,
) -> Result<Option<Decision>, Refusal> {
    let (host, path) = (request.host.as_str(), request.path.as_str());
    if let Some(issuer) = snapshot.issuer.as_ref().filter(|issuer| issuer.publishes(host, path)) {
        reads(method)?;
        return Ok(Some(Decision::Publish(Document { text: issuer.key_set(draft.lapped())?, kind: KEY_SET })));
    }
    if let Some(service) = &snapshot.sessions
        && let Some(endpoint) = service.endpoint(host, path)
    {
        let mut slots = Slots::default();
        slots.take(&service.limits, LimitBy::Client, || Key::client(draft.client()))?;
        return tokens(services, service, endpoint, method, slots).map(Some);
    }
    let Some(service) = &snapshot.access else { return Ok(None) };
    if service.host == host && path == AccessService::DESCRIPTION_PATH {
        reads(method)?;
        return Ok(Some(Decision::Publish(Document {
            text: AccessService::DESCRIPTION.into(),
            kind: "application/json",
        })));
    }
    let Some(call) = service.call(host, path) else { return Ok(None) };
    let mut slots = Slots::default();
    slots.take(&service.limits, LimitBy::Client, || Key::client(draft.client()))?;
    let methods = match call {
        AccessCall::All => Methods::of("GET").union(Methods::of("POST")),
        AccessCall::One(_) => Methods::of("GET"),
        AccessCall::Do(..) => Methods::of("POST"),
    };
    takes(method, methods)?;
    Ok(Some(Decision::Serve(Asked::Access(call), slots)))
}

/// What is published is read with GET or HEAD.
fn reads(method: &http::Method) -> Result<(), Refusal> {
    takes(method, Methods::of("GET").union(Methods::of("HEAD")))
}

fn takes(method: &http::Method, methods: Methods) -> Result<(), Refusal> {
    let is_one = Methods::of(method.as_str()).intersects(methods);
    if is_one { Ok(()) } else { Err(Denial::MethodNotAllowed(methods).into()) }
}

/// What the token service publishes; what has to be asked for takes its form first.
fn tokens(
    services: &Services,
    service: &TokenService,
    endpoint: Endpoint,
    method: &http::Method,
    slots: Slots,
) -> Result<Decision, Refusal> {
    match endpoint {
        Endpoint::Metadata => {
            reads(method)?;
            Ok(Decision::Publish(Document { text: Arc::clone(&service.metadata), kind: "application/json" }))
        }
        Endpoint::KeySet => {
            reads(method)?;
            let signers = services.engines.authenticators.sessions().signers();
            let signers = signers.ok_or(Denial::Unavailable(Unavailable::Credential))?;
            Ok(Decision::Publish(Document { text: Arc::clone(signers.key_set()), kind: KEY_SET }))
        }
        Endpoint::Token | Endpoint::Revocation | Endpoint::Introspection => {
            takes(method, Methods::of("POST"))?;
            Ok(Decision::Serve(Asked::Tokens(endpoint), slots))
        }
    }
}
