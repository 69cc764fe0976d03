//! Active health checks: one `GET` per backend and interval, on a connection of its own.
//!
//! `pingora_load_balancing`'s own HTTP check is not used: each configured one would load the system's roots for itself, it panics on a bad
//! host, and it reads a body of any length.

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
    let mut peer = peer::at(&template, endpoint.address(), None);
    // A connection that takes one stream is not pooled.
    peer.options.max_h2_streams = 1;
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
    status_of(connector, peer, request).await
}

/// The status that a request without a body is answered with.
pub(super) async fn status_of(connector: &Connector, peer: &HttpPeer, request: RequestHeader) -> pingora::Result<u16> {
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

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::super::tls::UpstreamTls;
    use super::super::url::TargetUrl;
    use super::*;

    #[tokio::test]
    async fn an_upstream_must_prove_the_name_under_the_roots_of_its_target() {
        let ours = rcgen::generate_simple_self_signed(["api.test".to_owned()]).expect("certificate");
        let other = rcgen::generate_simple_self_signed(["api.test".to_owned()]).expect("certificate");
        let endpoint = Endpoint::new(testing::start_tls(&ours), None);
        let connector = Connector::new(None);
        let origin = TargetUrl::parse("https://api.test").expect("url").origin;
        for (what, server_name, roots, want) in [
            ("its own root and name", None, Some(ours.cert.pem()), true),
            ("another name", Some("other.test"), Some(ours.cert.pem()), false),
            ("the address instead of the name", Some("127.0.0.1"), Some(ours.cert.pem()), false),
            ("another root", None, Some(other.cert.pem()), false),
            ("the system's roots", None, None, false),
        ] {
            let tls = UpstreamTls::new(&origin, server_name, roots.as_deref().map(str::as_bytes)).expect(what);
            let mut check = testing::check(testing::health("/"));
            check.link = peer::Link { scheme: origin.scheme, tls, ..check.link };
            let outcome = probe(&connector, &endpoint, &check).await;
            assert_eq!(outcome.is_ok(), want, "{what}: {outcome:?}");
        }
    }

    #[tokio::test]
    async fn a_check_fails_when_nobody_answers_in_time() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
        let endpoint = Endpoint::new(silent.local_addr().expect("address"), None);
        let mut check = testing::check(testing::health("/"));
        check.health.timeout = Duration::from_millis(20);
        let outcome = probe(&Connector::new(None), &endpoint, &check).await;
        assert!(outcome.is_err(), "{outcome:?}");
    }
}
