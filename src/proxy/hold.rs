//! A request of which the body has to be known before anything more is decided.

use pingora_proxy::Session;

use super::admission::{Decision, Proven, Refusal};
use super::identify::Arrival;
use super::ingress;
use super::pipeline::go_on;
use super::record::Draft;
use super::serve::read;
use crate::domain::Denial;
use crate::inject::ReadBody;
use crate::state::{Services, Snapshot};

/// The most of a body that is read before anything is decided, in bytes: what Pingora keeps to send it from is one byte more.
const MAX_HELD: usize = 64 * 1024 - 1;

/// Reads the body, and decides. It is forwarded from where Pingora keeps it.
pub(super) async fn hold(
    services: &Services,
    proven: Proven,
    session: &mut Session,
    snapshot: &Snapshot,
    draft: &mut Draft,
) -> Result<Decision, Refusal> {
    let limit = MAX_HELD.min(usize::try_from(proven.route.max_body).unwrap_or(usize::MAX));
    let within = proven.route.body_timeout;
    session.enable_retry_buffering();
    let body = ReadBody::new(read(session, limit, within).await?);
    let Some(connection) = ingress::connection(session.digest()) else { return Err(Denial::Internal.into()) };
    let arrival = Arrival::of(session.req_header(), true);
    go_on(proven, body, &arrival, connection, services, snapshot, draft).await
}
