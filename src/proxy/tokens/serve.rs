//! One request to the token service, from its body to the answer.

use std::sync::Arc;
use std::time::Duration;

use pingora::{Error, ErrorType, Result};
use pingora_proxy::Session;

use super::Call;
use crate::domain::{Denial, TimedOut};
use crate::proxy::exchange::Exchange;
use crate::proxy::identify::Arrival;
use crate::proxy::{ingress, respond};
use crate::state::{Endpoint, Services};

/// The largest form, in bytes, and how long it may take.
const MAX_FORM: usize = 64 * 1024;
const FORM_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers it.
pub(in crate::proxy) async fn serve(
    services: &Services,
    session: &mut Session,
    exchange: &mut Exchange,
    endpoint: Endpoint,
) -> Result<()> {
    let has_body = !session.is_body_empty();
    let body = read(session).await;
    let snapshot = Arc::clone(&exchange.snapshot);
    let draining = services.is_draining();
    let head = session.req_header();
    let connection = ingress::connection(session.digest());
    let (Some(connection), Some(service), Some(draft)) = (connection, &snapshot.sessions, exchange.draft()) else {
        return Err(Error::explain(ErrorType::InternalError, "a request that was not for the token service"));
    };
    let (id, arrival) = (draft.id(), Arrival::of(head, has_body));
    let call = Call { services, snapshot: &snapshot, service, connection, arrival: &arrival, draft };
    match Box::pin(call.answer(endpoint, body)).await {
        Ok(json) => respond::tell(session, json, id, draining).await,
        Err(refused) => {
            exchange.refuse(refused.refusal.denial);
            respond::refuse_token(session, &refused, id, draining).await
        }
    }
}

/// Reads the body, within bounds.
async fn read(session: &mut Session) -> Result<Vec<u8>, Denial> {
    let reading = async {
        let mut body = Vec::new();
        loop {
            match session.read_request_body().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > MAX_FORM => return Err(Denial::BodyTooLarge),
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(body),
                Err(_) => return Err(Denial::TimedOut(TimedOut::Body)),
            }
        }
    };
    tokio::time::timeout(FORM_TIMEOUT, reading).await.unwrap_or(Err(Denial::TimedOut(TimedOut::Body)))
}
