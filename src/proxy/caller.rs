//! Who asks the gateway itself for something: proved as on any route, with the body at hand.

use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderMap;

use super::admission::Slots;
use super::canary;
use super::client_certificates::ClientCertificates;
use super::identify::{Arrival, identify};
use super::ingress::Connection;
use super::line;
use super::lockout;
use super::record::Draft;
use crate::authn::Chain;
use crate::authz::Circumstances;
use crate::domain::{AuthnFault, Confirmation, Denial, Name, Principal, RequestView, steady};
use crate::limit::Key;
use crate::state::{LimitBy, RouteLimit, Services, Snapshot};

/// A request to the gateway itself.
pub(super) struct Caller<'a> {
    pub(super) services: &'a Services,
    pub(super) snapshot: &'a Snapshot,
    pub(super) connection: &'a Connection,
    pub(super) arrival: &'a Arrival<'a>,
    pub(super) draft: &'a mut Draft,
    pub(super) chain: &'a Chain,
    pub(super) limits: &'a [RouteLimit],
    /// What of the gateway is asked: a session that is confined to routes is to none of it.
    pub(super) name: &'a Name,
}

/// Whom a request stands for.
pub(super) struct Proved {
    pub(super) principal: Arc<Principal>,
    /// What a token for them is to be bound to.
    pub(super) confirmation: Confirmation,
    /// What they count in until they are answered.
    _slots: Slots,
}

/// What proves them.
pub(super) enum Proof<'a> {
    /// What stands in these header fields.
    Presented(&'a HeaderMap),
    /// A token that is handed in besides.
    HandedIn(&'a str),
}

impl Caller<'_> {
    /// Proves who asks.
    pub(super) async fn prove(&mut self, proof: Proof<'_>, body: &[u8], now: SystemTime) -> Result<Proved, Denial> {
        let request = identify(self.arrival)?;
        let own = self.arrival.headers;
        let certificates = ClientCertificates::of(self.connection, self.snapshot, &request.host, own)?;
        let headers = match proof {
            Proof::Presented(headers) => headers,
            Proof::HandedIn(_) => own,
        };
        let view = request.view(self.arrival, &request.path, self.connection, self.draft.client(), certificates.get()?);
        let view = RequestView { headers, has_body: !body.is_empty(), ..view };
        let claimed = match proof {
            Proof::Presented(_) => None,
            Proof::HandedIn(token) => Some(token),
        };
        let whom = || lockout::claimed(self.services, self.chain, &view, claimed);
        lockout::check(self.services, self.snapshot, self.chain, &view, claimed)
            .inspect_err(|_| self.draft.claimed(whom()))?;
        self.draft.lap();
        let proved = self.prove_by(&proof, &view, body, now).await;
        if let Err(denial) = &proved {
            canary::presented(self.services, self.chain, &view, claimed, denial);
        }
        let principal = lockout::settle(self.services, self.snapshot, self.chain, &view, claimed, proved)
            .inspect_err(|_| self.draft.claimed(whom()))?;
        self.draft.authenticated(&principal);
        if let Some(denial) = self.ended_as(&principal, None, now) {
            return Err(denial);
        }
        let session = principal.session.as_ref();
        if session.is_some_and(|session| !session.bounds.admit(self.name, self.arrival.method.as_str())) {
            return Err(Denial::NotAllowed);
        }
        let who = || self.services.engines.limits.keyer().key(&principal.key_parts());
        let mut slots = Slots::default();
        slots.take(self.limits, LimitBy::Principal, who).map_err(|refusal| refusal.denial)?;
        slots.take(self.limits, LimitBy::Route, || Key::EVERYBODY).map_err(|refusal| refusal.denial)?;
        let was_presented = matches!(proof, Proof::Presented(_));
        let confirmation = self.chain.bind(&principal, was_presented, &view, now).await?;
        if let Some(session) = session {
            session.touch(steady(now));
        }
        Ok(Proved { confirmation, _slots: slots, principal: Arc::clone(&principal) })
    }

    async fn prove_by(
        &self,
        proof: &Proof<'_>,
        view: &RequestView<'_>,
        body: &[u8],
        now: SystemTime,
    ) -> Result<Arc<Principal>, Denial> {
        if let Proof::HandedIn(token) = proof {
            return self.chain.authenticate_token(token, view, now).await;
        }
        let proof = self.chain.authenticate(view, now).await?;
        if let Some(signed) = proof.body {
            let mut check = signed.begin();
            check.update(body);
            if !check.is_right() {
                return Err(Denial::Unauthenticated(AuthnFault::Digest));
            }
        }
        Ok(proof.principal)
    }

    /// Where they ask from, and when.
    pub(super) fn circumstances(&self) -> Circumstances {
        Circumstances { client: self.draft.client(), time: self.draft.time() }
    }

    /// What ended their access, or what they have by this role, whether a claim or the configuration gives it.
    pub(super) fn ended_as(&self, principal: &Arc<Principal>, role: Option<&str>, now: SystemTime) -> Option<Denial> {
        line::ended(self.services, principal, role, now)
    }
}
