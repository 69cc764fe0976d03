//! Active health checks: one `GET` per backend and interval, on a connection of its own.
//!
//! `pingora_load_balancing`'s own HTTP check is not used: it loads the system's roots anew for each check, panics on a bad host, and reads a
//! body of any length.

use std::sync::{Arc, Weak};
use std::time::Duration;

use http::{Method, header};
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::upstreams::peer::HttpPeer;

use super::endpoint::{Check, Endpoint};
use super::peer;
use super::settings::{Health, Timeouts};

/// Checks are never closer than this, whatever the settings say.
const MIN_INTERVAL: Duration = Duration::from_millis(10);

/// Checks an endpoint for as long as somebody uses it.
pub(super) async fn keep_checked(endpoint: Weak<Endpoint>, connector: Arc<Connector>) {
    loop {
        let interval = {
            let Some(endpoint) = endpoint.upgrade() else { return };
            let Some(check) = endpoint.check() else { return };
            endpoint.observe(probe(&connector, &endpoint, check).await);
            check.health.interval.max(MIN_INTERVAL)
        };
        tokio::time::sleep(interval).await;
    }
}

async fn probe(connector: &Connector, endpoint: &Endpoint, check: &Check) -> Result<(), String> {
    let health = &check.health;
    let template = check.link.template(&timeouts(health), peer::group_key(check));
    let peer = peer::at(&template, endpoint.address());
    match tokio::time::timeout(health.timeout, status(connector, &peer, check)).await {
        Ok(Ok(status)) if health.expect.contains(&status) => Ok(()),
        Ok(Ok(status)) => Err(format!("status {status}")),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {:?}", health.timeout)),
    }
}

/// The status that the check is answered with. The body is not read, and the connection not used again: one that is kept would hide that no
/// new one can be made.
async fn status(connector: &Connector, peer: &HttpPeer, check: &Check) -> pingora::Result<u16> {
    let mut request = RequestHeader::build(Method::GET, check.health.path.as_str().as_bytes(), None)?;
    request.insert_header(header::HOST, check.host.clone())?;
    request.insert_header(header::USER_AGENT, "claviger-health-check")?;
    let (mut session, _) = connector.get_http_session(peer).await?;
    session.write_request_header(Box::new(request)).await?;
    session.finish_request_body().await?;
    session.read_response_header().await?;
    Ok(session.response_header().map_or(0, |response| response.status.as_u16()))
}

fn timeouts(health: &Health) -> Timeouts {
    let limit = health.timeout;
    Timeouts { connect: limit, total_connect: limit, read: limit, write: limit, idle: limit }
}
