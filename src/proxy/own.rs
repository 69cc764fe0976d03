//! What the gateway answers itself: its key sets, and the token service.

use std::sync::Arc;

use crate::domain::{Denial, Methods, Unavailable};
use crate::limit::Key;
use crate::proxy::admission::{Decision, Document, Refusal, Slots};
use crate::proxy::identify::Identified;
use crate::proxy::record::Draft;
use crate::state::{Endpoint, LimitBy, Services, Snapshot, TokenService};

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
    let Some(service) = &snapshot.sessions else { return Ok(None) };
    let Some(endpoint) = service.endpoint(host, path) else { return Ok(None) };
    let mut slots = Slots::default();
    slots.take(&service.limits, LimitBy::Client, || Key::client(draft.client()))?;
    own_service(services, service, endpoint, method, slots).map(Some)
}

/// What is published is read with GET or HEAD.
fn reads(method: &http::Method) -> Result<(), Refusal> {
    let reads = Methods::of("GET").union(Methods::of("HEAD"));
    if Methods::of(method.as_str()).intersects(reads) { Ok(()) } else { Err(Denial::MethodNotAllowed(reads).into()) }
}

/// What the token service publishes; what has to be asked for takes its form first.
fn own_service(
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
            if *method != http::Method::POST {
                return Err(Denial::MethodNotAllowed(Methods::of("POST")).into());
            }
            Ok(Decision::Serve(endpoint, slots))
        }
    }
}
