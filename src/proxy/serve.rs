//! One request to the gateway itself, from its body to the answer.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};
use pingora::{Error, ErrorType, Result};
use pingora_proxy::Session;
use tokio::sync::OwnedSemaphorePermit;

use super::admission::{Asked, Refusal};
use super::caller::Caller;
use super::exchange::Exchange;
use super::identify::Arrival;
use super::{access, ingress, respond, tokens};
use crate::domain::{Denial, TimedOut};
use crate::state::Services;

/// The largest body, in bytes, and how long it may take.
const MAX_BODY: usize = 64 * 1024;
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers it.
pub(super) async fn serve(
    services: &Services,
    session: &mut Session,
    exchange: &mut Exchange,
    asked: &Asked,
) -> Result<()> {
    let has_body = !session.is_body_empty();
    let mut body = read(services, session).await;
    let snapshot = Arc::clone(&exchange.snapshot);
    let draining = services.is_draining();
    let arrival = Arrival::of(session.req_header(), has_body);
    let (Some(connection), Some(draft)) = (ingress::connection(session.digest()), exchange.draft()) else {
        return Err(no_service());
    };
    let id = draft.id();
    let sessions = snapshot.sessions.as_ref().ok_or_else(no_service);
    let requests = snapshot.access.as_ref().ok_or_else(no_service);
    let (chain, limits, name) = match asked {
        Asked::Tokens(_) => sessions.as_ref().map(|service| (&service.authn, &service.limits, &service.name)),
        Asked::Access(_) => requests.as_ref().map(|service| (&service.authn, &service.limits, &service.name)),
    }
    .map_err(|_| no_service())?;
    let own = match asked {
        Asked::Tokens(_) => sessions.as_ref().map(|service| &service.issuer),
        Asked::Access(_) => requests.as_ref().map(|service| &service.url),
    };
    if own.is_ok_and(|own| is_foreign(arrival.headers, own)) {
        body = Err(Denial::NotAllowed);
    }
    let (snapshot, arrival) = (&snapshot, &arrival);
    let caller = Caller { services, snapshot, connection, arrival, draft, chain, limits, name };
    match *asked {
        Asked::Tokens(endpoint) => {
            let call = tokens::Call { service: sessions?, caller };
            match Box::pin(call.answer(endpoint, body)).await {
                Ok(json) => respond::tell(session, StatusCode::OK, json, id, draining).await,
                Err(refused) => {
                    exchange.refuse(refused.refusal.denial);
                    respond::refuse_token(session, &refused, id, draining).await
                }
            }
        }
        Asked::Access(what) => {
            let call = access::Call { service: requests?, caller };
            match Box::pin(call.answer(what, body)).await {
                Ok((status, json)) => respond::tell(session, status, json, id, draining).await,
                Err(denial) => {
                    exchange.refuse(denial);
                    let refusal = Refusal::with_challenge(denial, chain, SystemTime::now());
                    respond::refuse(session, &refusal, id, draining).await
                }
            }
        }
    }
}

/// Whether a page elsewhere had a browser send it, with what the browser knows: its certificate, a password (Fetch, Fetch Metadata).
fn is_foreign(headers: &HeaderMap, own: &str) -> bool {
    let is_else = |name: &str, known: &[&str]| {
        headers
            .get_all(name)
            .iter()
            .any(|value| !known.iter().any(|one| value.as_bytes().eq_ignore_ascii_case(one.as_bytes())))
    };
    is_else("sec-fetch-site", &["same-origin", "none"]) || is_else("origin", &[own])
}

fn no_service() -> Box<Error> {
    Error::explain(ErrorType::InternalError, "a request that was not for the gateway itself")
}

/// Reads the body, within bounds: of its own, and of all that are read at the time.
async fn read(services: &Services, session: &mut Session) -> Result<Vec<u8>, Denial> {
    let reading = async {
        let late = Denial::TimedOut(TimedOut::Body);
        respond::go_on(session).await.map_err(|_| late)?;
        let (mut body, mut rooms) = (Vec::new(), None::<OwnedSemaphorePermit>);
        loop {
            match session.read_request_body().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > MAX_BODY => return Err(Denial::BodyTooLarge),
                Ok(Some(chunk)) => {
                    let room = services.engines.bodies.own_room(chunk.len()).ok_or(Denial::TooManyInFlight)?;
                    match &mut rooms {
                        Some(rooms) => rooms.merge(room),
                        None => rooms = Some(room),
                    }
                    body.extend_from_slice(&chunk);
                }
                Ok(None) => return Ok(body),
                Err(_) => return Err(late),
            }
        }
    };
    tokio::time::timeout(BODY_TIMEOUT, reading).await.unwrap_or(Err(Denial::TimedOut(TimedOut::Body)))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn what_a_page_elsewhere_sends_is_told_from_all_else() {
        for (fields, want) in [
            (&[][..], false),
            (&[("sec-fetch-site", "same-origin"), ("origin", "https://auth.test")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "same-site")], true),
            (&[("sec-fetch-site", "cross-site")], true),
            (&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")], true),
            (&[("origin", "https://auth.test:8443")], true),
            (&[("origin", "http://auth.test")], true),
            (&[("origin", "null")], true),
            (&[("origin", "https://evil.test")], true),
        ] {
            let mut all = HeaderMap::new();
            for (name, value) in fields {
                all.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            assert_eq!(is_foreign(&all, "https://auth.test"), want, "{fields:?}");
        }
    }
}
