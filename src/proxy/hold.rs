//! A request of which the body has to be known before anything more is decided.

use std::time::Duration;

use pingora_proxy::Session;
use tokio::time::{Instant, timeout_at};

use super::admission::{Decision, Proven, Refusal};
use super::held::Held;
use super::identify::Arrival;
use super::ingress;
use super::inspect::beyond;
use super::pipeline::go_on;
use super::record::Draft;
use super::replay::{Back, Replay};
use super::respond;
use crate::domain::{Denial, TimedOut};
use crate::inject::ReadBody;
use crate::state::{Route, Services, Snapshot};

/// The most of a body that is read for rules and credentials, in bytes. Up to here Pingora keeps it itself, to send it from.
const MAX_HELD: usize = 64 * 1024 - 1;

/// Reads the body, and decides. A long one is read again from where it is kept.
pub(super) async fn hold(
    services: &Services,
    mut proven: Proven,
    session: &mut Session,
    snapshot: &Snapshot,
    draft: &mut Draft,
) -> Result<Decision, Refusal> {
    let deadline = Instant::now() + proven.route.body_timeout;
    session.enable_retry_buffering();
    let (held, is_whole) = keep(services, session, &proven.route, deadline).await?;
    let is_needed = needs_body(&proven.route);
    if is_needed && (!is_whole || held.len() > MAX_HELD) {
        return Err(Denial::BodyTooLarge.into());
    }
    if let Some(inspecting) = proven.route.inspecting.as_ref().filter(|_| !is_whole) {
        proven.look = beyond(inspecting)?;
    }
    // All of it is in memory once more while it is judged.
    let size = if is_whole { held.len() } else { 0 };
    let _room = services.engines.bodies.room(size).ok_or(Denial::TooManyInFlight)?;
    let body = if is_whole { Some(ReadBody::new(held.bytes().await.map_err(|error| lost(&error))?)) } else { None };
    let Some(connection) = ingress::connection(session.digest()) else { return Err(Denial::Internal.into()) };
    let arrival = Arrival::of(session.req_header(), true);
    let mut decision = go_on(proven, body, &arrival, connection, services, snapshot, draft).await?;
    if let Decision::Forward(admission) = &mut decision
        && !(is_whole && held.len() <= MAX_HELD)
    {
        let back = Back::default();
        admission.back = Some(back.clone());
        admission.replay = Some(Replay::new(held, (!is_whole).then_some(deadline), back));
    }
    Ok(decision)
}

/// Whether rules or a credential need the body, and not only whoever looks it through.
pub(super) fn needs_body(route: &Route) -> bool {
    route.policy.needs_body() || route.credential.as_ref().is_some_and(|own| own.needs_body())
}

/// Reads the body as far as it may be kept; and says whether that is all of it.
async fn keep(
    services: &Services,
    session: &mut Session,
    route: &Route,
    deadline: Instant,
) -> Result<(Held, bool), Denial> {
    let inspecting = route.inspecting.as_ref();
    let (most, memory) = inspecting.map_or((MAX_HELD, MAX_HELD), |own| (own.body, own.memory));
    let largest = usize::try_from(route.max_body).unwrap_or(usize::MAX);
    let late = Denial::TimedOut(TimedOut::Body);
    // Before anything is asked for: what cannot be kept need not be sent.
    let room = services.engines.bodies.room(memory.min(most)).ok_or(Denial::TooManyInFlight)?;
    respond::go_on(session).await.map_err(|_| late)?;
    let began = Instant::now();
    let mut held = Held::new(memory, room);
    loop {
        let patience = deadline.min(Instant::now() + PATIENCE);
        match timeout_at(patience, session.read_request_body()).await.map_err(|_| late)? {
            Ok(Some(chunk)) if held.len() + chunk.len() > largest => return Err(Denial::BodyTooLarge),
            Ok(Some(chunk)) => held.push(&chunk).await.map_err(|error| lost(&error))?,
            Ok(None) => return Ok((held, true)),
            Err(_) => return Err(late),
        }
        if held.len() > most {
            return Ok((held, false));
        }
        let took = began.elapsed();
        if took > GRACE && (held.len() as u64) < SLOWEST * took.as_secs() {
            return Err(late);
        }
    }
}

/// For how long nothing of a body may come that is kept here; and how slow it may be after a while, in bytes a second.
const PATIENCE: Duration = Duration::from_secs(15);
const GRACE: Duration = Duration::from_secs(10);
const SLOWEST: u64 = 128;

fn lost(error: &std::io::Error) -> Denial {
    log::error!(error:%; "a body cannot be kept");
    Denial::Internal
}
