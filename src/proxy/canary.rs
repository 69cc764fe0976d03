//! Decoys: whoever uses one is refused like any other, and those are told who can do something about it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::authn::Chain;
use crate::authz::Permit;
use crate::domain::{AuthnFault, Denial, Name, RequestView};
use crate::inject::Credential;
use crate::state::{Ending, Services};
use crate::telemetry::Decoy;

/// Where a credential was refused: if that was because it is a decoy, raises the alarm and ends the sessions of those from whom it was stolen.
/// Waits for nothing: the answer comes when any other would.
pub(super) fn presented(
    services: &Services,
    chain: &Chain,
    view: &RequestView<'_>,
    handed_in: Option<&str>,
    denial: &Denial,
) {
    if *denial != Denial::Unauthenticated(AuthnFault::Canary) {
        return;
    }
    let Some(canary) = chain.canary(view, handed_in) else { return };
    services.engines.metrics.canary_uses.of(Decoy::Key).inc();
    if services.canaries.begins(&canary.name, &view.client.to_string(), Instant::now()) {
        log::error!(
            canary = canary.name.as_str(), client:% = view.client;
            "a canary key was presented: where it was kept, somebody was who should not"
        );
    }
    canary.revokes.iter().for_each(|of| end_sessions(services, of.clone(), &canary.name));
}

/// Where a route leads to a decoy: raises the alarm and ends the sessions of whoever was allowed to use it. They are refused.
pub(super) fn baited(services: &Services, bait: &Credential, permit: &Permit, client: IpAddr) -> Denial {
    let principal = permit.principal();
    services.engines.metrics.canary_uses.of(Decoy::Credential).inc();
    if services.canaries.begins(bait.name().as_str(), &principal.name(), Instant::now()) {
        log::error!(
            canary = bait.name().as_str(), principal = principal.name().as_str(), client:% = client;
            "a canary credential was used, which leads nowhere"
        );
    }
    end_sessions(services, (principal.authenticator.clone(), principal.id.clone()), bait.name().as_str());
    Denial::Canary
}

/// Has somebody's sessions ended, one after another and not by whoever waits for an answer.
fn end_sessions(services: &Services, of: (Name, String), canary: &str) {
    if services.revocations.is_none() {
        return;
    }
    match services.canaries.end(Ending { of, canary: canary.to_owned() }) {
        Ok(false) => return,
        Ok(true) => {}
        Err(_) => {
            log::error!(canary; "sessions do not end for it: too many are to be ended already");
            return;
        }
    }
    let canaries = Arc::clone(&services.canaries);
    let sessions = Arc::clone(services.engines.authenticators.sessions());
    tokio::task::spawn_blocking(move || {
        while let Some(Ending { of: (authenticator, id), canary }) = canaries.next() {
            let why = ("a canary was used", format!("canary:{canary}"));
            let ended = sessions.end_all((&authenticator, &id), (why.0, &why.1), SystemTime::now());
            if let Err(fault) = ended {
                log::error!(canary = canary.as_str(); "sessions do not end for it: {fault}");
            }
        }
    });
}
