//! What an admitted exchange carries to its end, and what a refused one is answered with.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use pingora::upstreams::peer::HttpPeer;
use pingora_proxy::Session;

pub(super) use super::body::Body;
use super::client_messages::ClientMessages;
use super::inspect::Look;
use super::line::Leash;
use super::replay::{Back, Replay};
use super::scrub::Scrubbing;
use super::withhold::Withholding;
use crate::authn::{Chain, Proof};
use crate::authz::Permit;
use crate::domain::{ClientIdentity, Denial, HttpFault, Methods, Name, NormalPath};
use crate::inject::Injection;
use crate::inspect::{LeakCounts, LeakKind};
use crate::limit::{Key, Slot, retry_after};
use crate::session::{Cut, Line};
use crate::state::{AccessCall, Endpoint, LimitBy, Route, RouteLimit};
use crate::target::{Selected, Tried};
use crate::telemetry::Limited;

/// An exchange that may be forwarded, with what that needs. Its slots are free again when it is dropped.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) route: Arc<Route>,
    pub(super) permit: Permit,
    /// The path as the rules judged it and the upstream is asked for it.
    pub(super) path: NormalPath,
    pub(super) injection: Option<Injection>,
    /// How the response is looked through for what was injected; none before it begins, and where nothing is looked for.
    pub(super) scrubbing: Option<Scrubbing>,
    /// How often a secret was found in fields.
    pub(super) reflected: u64,
    /// What must not leave, and was found in fields.
    pub(super) leaked: LeakCounts,
    /// How the response's head waits for what is in its body; none where it does not.
    pub(super) withholding: Option<Box<Withholding>>,
    /// The header that tells the target in a token who the caller is.
    pub(super) identity_token: Option<(HeaderName, HeaderValue)>,
    pub(super) websocket: bool,
    /// How the messages of a WebSocket's client are looked through; none where they are not.
    pub(super) messages: Option<Box<ClientMessages>>,
    pub(super) attempt: Attempt,
    pub(super) body: Body,
    /// What was read of the body, until it is read again.
    pub(super) replay: Option<Replay>,
    /// Where the session lies when it is not wrapped any more.
    pub(super) back: Option<Back>,
    /// What it is found by when its caller's access ends; none where that cannot be.
    pub(super) line: Option<Arc<Line>>,
    /// What holds its session, where that is watched over.
    pub(super) leash: Option<Leash>,
    slots: Slots,
}

/// Where the current try at an upstream stands.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    pub(super) tried: Tried,
    pub(super) selected: Option<Selected>,
    /// Whether the connected peer was found to be the target's origin: without that, no credential is applied.
    pub(super) bound: bool,
    pub(super) count: u32,
    /// Whether another injection was tried, since the target did not take the first.
    pub(super) is_renewed: bool,
    pub(super) began: Option<Instant>,
}

impl Admission {
    pub(super) fn new(
        route: Arc<Route>,
        permit: Permit,
        path: NormalPath,
        injection: Option<Injection>,
        slots: Slots,
        websocket: bool,
        body: Body,
    ) -> Self {
        let inspecting = route.inspecting.as_ref().filter(|_| websocket);
        Self {
            messages: inspecting.map(|own| Box::new(ClientMessages::new(Arc::clone(own), route.body_timeout))),
            route,
            permit,
            path,
            injection,
            scrubbing: None,
            reflected: 0,
            leaked: LeakCounts::default(),
            withholding: None,
            identity_token: None,
            websocket,
            attempt: Attempt::default(),
            body,
            replay: None,
            back: None,
            line: None,
            leash: None,
            slots,
        }
    }

    /// The peer to connect to at this backend, as whom the credential makes the gateway; none where that may not be. A certificate is shown
    /// before the connected peer can be judged, so it is asked here too whose the credential is.
    pub(super) fn peer(&self, selected: &Selected) -> Option<HttpPeer> {
        if self.is_for_target() { self.route.target.peer(selected, self.client()) } else { None }
    }

    /// Whether a connected peer is the target's origin, and the one that the credential belongs to.
    pub(super) fn binds(&self, peer: &HttpPeer) -> bool {
        let selected = self.attempt.selected.as_ref();
        let is_origin = selected.is_some_and(|selected| self.route.target.binds(selected, self.client(), peer));
        is_origin && self.is_for_target()
    }

    fn client(&self) -> Option<&ClientIdentity> {
        self.injection.as_ref().and_then(Injection::client)
    }

    fn is_for_target(&self) -> bool {
        let name = &self.route.target.settings().name;
        self.injection.as_ref().is_none_or(|injection| injection.target() == name)
    }

    /// Takes another injection, once, where there is one.
    pub(super) async fn renew(&mut self) -> bool {
        let (Some(credential), Some(refused), false) =
            (&self.route.credential, &self.injection, self.attempt.is_renewed)
        else {
            return false;
        };
        self.attempt.is_renewed = true;
        let another = credential.another(&self.permit, refused).await;
        let is_there = another.is_some();
        self.injection = another.or(self.injection.take());
        is_there
    }

    /// What ended its caller's access in the middle of it, if something did.
    pub(super) fn was_cut(&self) -> Option<Cut> {
        self.line.as_ref().and_then(|line| line.was_cut())
    }

    /// The same, and its client can be told so from now on.
    pub(super) fn tell_of_cut(&self) -> Option<Cut> {
        let cut = self.was_cut()?;
        self.leash.iter().for_each(Leash::take_off);
        Some(cut)
    }

    /// Whether the client of a WebSocket can be told something: behind a whole frame, where frames are looked at.
    pub(super) fn is_between_frames(&self) -> bool {
        self.scrubbing.as_ref().is_some_and(|scrubbing| scrubbing.is_between_frames())
            && self.leash.as_ref().is_none_or(Leash::is_written)
    }

    /// Takes what is to go on of the response, and leaves what may go on now.
    ///
    /// # Errors
    /// [`Denial::Withheld`], where nothing more may.
    pub(super) fn let_go(&mut self, body: &mut Option<Bytes>, end: bool) -> Result<(), Denial> {
        let Some(withholding) = &mut self.withholding else { return Ok(()) };
        let leaked = self.scrubbing.as_ref().map(|scrubbing| scrubbing.findings().leaked);
        let has_details = leaked.is_some_and(|leaked| leaked.of(LeakKind::ErrorDetails) > 0);
        withholding.pass(body, end, has_details)
    }

    /// Takes the session out of all that it was wrapped in and can be taken out of, so that its connection can serve the next request;
    /// says whether it was.
    pub(super) fn unwrap(&mut self, session: &mut Session) -> bool {
        let is_wrapped = self.withholding.is_some() || self.back.is_some();
        // The outermost first.
        if let Some(withholding) = self.withholding.take() {
            withholding.end(&mut session.downstream_session);
        }
        if let Some(back) = self.back.take() {
            back.unwrap(session);
        }
        is_wrapped
    }

    /// The header fields that tell the client where it stands with its limits.
    pub(super) fn limit_fields(&self) -> &[(HeaderName, HeaderValue)] {
        &self.slots.fields
    }
}

/// What becomes of an exchange that is not refused.
#[derive(Debug)]
pub(super) enum Decision {
    /// It may be forwarded.
    Forward(Box<Admission>),
    /// Its body is needed before anything more is decided.
    Hold(Box<Proven>),
    /// It asked for what the gateway publishes.
    Publish(Document),
    /// It asks something of the gateway itself; with the limits that it counts in.
    Serve(Asked, Slots),
}

/// What is asked of the gateway itself, with a body.
#[derive(Debug)]
pub(super) enum Asked {
    /// A session, or something about one.
    Tokens(Endpoint),
    /// Access, or a decision on that.
    Access(AccessCall),
}

/// A request whose caller is proved, while its body comes.
#[derive(Debug)]
pub(super) struct Proven {
    pub(super) route: Arc<Route>,
    /// The path as the rules judge it.
    pub(super) path: NormalPath,
    pub(super) proof: Proof,
    pub(super) slots: Slots,
    /// How its body is looked through.
    pub(super) look: Look,
}

/// What the gateway publishes.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) text: Arc<str>,
    /// Its media type.
    pub(super) kind: &'static str,
}

/// Why an exchange was refused, and the header fields that go with the answer.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) denial: Denial,
    pub(super) fields: Vec<(HeaderName, HeaderValue)>,
    /// What approval would allow it, and where to ask for that.
    pub(super) approval: Option<Box<(Name, String)>>,
}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        let fields = match &denial {
            Denial::MethodNotAllowed(methods) => allow(*methods),
            Denial::Malformed(HttpFault::Method) => allow(Methods::ALL),
            Denial::TooManyInFlight => vec![(header::RETRY_AFTER, retry_after(Duration::ZERO))],
            Denial::RateExceeded(wait) | Denial::VolumeExceeded(_, wait) | Denial::LockedOut(_, wait) => {
                vec![(header::RETRY_AFTER, retry_after(*wait))]
            }
            Denial::Malformed(_)
            | Denial::HeadTooLarge
            | Denial::BodyTooLarge
            | Denial::BodyForm
            | Denial::Inspection(_)
            | Denial::TimedOut(_)
            | Denial::Misdirected
            | Denial::NoRoute
            | Denial::Unauthenticated(_)
            | Denial::NotAllowed
            | Denial::Canary
            | Denial::ApprovalNeeded
            | Denial::OnHold
            | Denial::Access(_)
            | Denial::TooManySessions
            | Denial::TokenRequest(_)
            | Denial::Withheld(_)
            | Denial::Unavailable(_)
            | Denial::Internal => Vec::new(),
        };
        Self { denial, fields, approval: None }
    }
}

const ACCEPT_SIGNATURE: HeaderName = HeaderName::from_static("accept-signature");
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// What a 405 has to say (RFC 9110 §15.5.6).
fn allow(methods: Methods) -> Vec<(HeaderName, HeaderValue)> {
    HeaderValue::from_str(&methods.to_string()).map(|allow| (header::ALLOW, allow)).into_iter().collect()
}

impl Refusal {
    /// A refusal by authenticators, which says how to prove an identity (RFC 9110 §11.6.1).
    pub(super) fn with_challenge(denial: Denial, chain: &Chain, now: SystemTime) -> Self {
        let mut refusal = Self::from(denial);
        if let Denial::Unauthenticated(fault) = denial {
            let challenges = chain.challenges(fault).iter();
            refusal.fields.extend(challenges.map(|challenge| (header::WWW_AUTHENTICATE, challenge.clone())));
            refusal.fields.extend(chain.accept_signature(fault).map(|asked| (ACCEPT_SIGNATURE, asked.clone())));
            refusal.fields.extend(chain.nonce(fault, now).map(|nonce| (DPOP_NONCE, nonce)));
        }
        refusal
    }
}

/// What limits an exchange has been counted in.
#[derive(Debug, Default)]
pub(super) struct Slots {
    held: Vec<Slot>,
    fields: Vec<(HeaderName, HeaderValue)>,
}

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

impl Slots {
    /// Counts the exchange in each of a route's limits of one sort.
    pub(super) fn take(&mut self, limits: &[RouteLimit], by: LimitBy, key: impl Fn() -> Key) -> Result<(), Refusal> {
        for limit in limits.iter().filter(|limit| limit.by == by) {
            let key = key();
            if let Some((rate, told)) = &limit.rate {
                let counted = rate.check(key, Instant::now());
                self.fields.push((RATE_LIMIT_POLICY, told.policy()));
                match counted {
                    Ok(allowed) => self.fields.push((RATE_LIMIT, told.allowed(&allowed))),
                    Err(exceeded) => {
                        limit.metrics.refused(Limited::Rate);
                        self.fields.push((RATE_LIMIT, told.exceeded(&exceeded)));
                        let mut refusal = Refusal::from(Denial::RateExceeded(exceeded.retry_after));
                        refusal.fields.append(&mut self.fields);
                        return Err(refusal);
                    }
                }
            }
            if let Some(concurrency) = &limit.concurrency {
                let Some(slot) = concurrency.acquire(key) else {
                    limit.metrics.refused(Limited::Concurrency);
                    return Err(Denial::TooManyInFlight.into());
                };
                self.held.push(slot);
            }
        }
        Ok(())
    }
}
