//! What other machines are told: health, readiness and metrics, to probes of a cluster and to whoever collects metrics.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use tokio::time::timeout;

use super::control::tell;
use crate::admin;
use crate::proxy::ingress::Seats;
use crate::state::Services;

/// The application for other machines. Anybody may connect, so each connection is for one request that has to come at once.
pub(super) struct Probes {
    services: Arc<Services>,
    seats: Arc<Seats>,
}

/// How many connections there may be at once, and how many from an address: nobody alone keeps the cluster's probes out.
const CONNECTIONS: usize = 256;
const OF_AN_ADDRESS: usize = 8;
/// How long a request may take to come, and its answer to be taken.
const WITHIN: Duration = Duration::from_secs(2);

impl Probes {
    pub(super) fn new(services: Arc<Services>) -> Self {
        Self { services, seats: Seats::new(CONNECTIONS, OF_AN_ADDRESS) }
    }
}

#[async_trait]
impl HttpServerApp for Probes {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        _shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let mut seat = self.seats.take()?;
        let client = session.client_addr().and_then(|client| client.as_inet())?.ip();
        if !seat.assign(client) {
            return None;
        }
        if !timeout(WITHIN, session.read_request()).await.ok()?.ok()? {
            return None;
        }
        session.set_keepalive(None);
        let head = session.req_header();
        let answer = admin::probe(&self.services, &head.method, head.uri.path());
        timeout(WITHIN, tell(&mut session, answer)).await.ok()?.ok()?;
        timeout(WITHIN, session.finish()).await.ok()?.ok()?;
        None
    }
}
