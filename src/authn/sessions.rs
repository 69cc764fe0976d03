//! Sessions that the gateway itself began, in the tokens that it signed for them (RFC 9068).

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use serde_json::Value;

use crate::domain::{AuthnFault, Denial, Name, Principal, Unavailable, steady};
use crate::session::{Session, Sessions, Signers};

use super::alg::{Alg, Algs};
use super::claims;
use super::facts::{Fact, Facts};
use super::jwks::KeySet;
use super::token::Token;

/// The name under which routes take sessions.
pub const SESSIONS: &str = "sessions";

/// An authenticator for the gateway's own sessions. Who comes in one is who was proved when it began.
pub struct SessionTokens {
    sessions: Arc<Sessions>,
    issuer: String,
    keys: ArcSwapOption<Known>,
    facts: Facts<16>,
}

/// The gateway's keys, as they verify.
struct Known {
    signers: Arc<Signers>,
    set: KeySet,
}

/// The most verified tokens that are remembered.
const MAX_FACTS: usize = 100_000;
const AWAY: Denial = Denial::Unavailable(Unavailable::Cluster);
/// How far apart the clocks of two nodes may be: for that long, a token may be used before it was signed.
const AHEAD: Duration = Duration::from_secs(10);

impl SessionTokens {
    /// One for the sessions whose tokens have this issuer.
    pub fn new(sessions: Arc<Sessions>, issuer: String) -> Self {
        Self { sessions, issuer, keys: ArcSwapOption::empty(), facts: Facts::new(MAX_FACTS) }
    }

    /// The issuer of its tokens.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The principal of a token that was verified before, by its tag, unless its session may have become idle.
    pub(super) fn recall(&self, tag: &[u8; 16], now: SystemTime) -> Option<Arc<Principal>> {
        let now = steady(now);
        if self.sessions.is_cut_off() {
            return None;
        }
        let known = self.known()?;
        let principal = self.facts.find(tag, now, |key| known.set.holds(key))?;
        let session = principal.session.as_ref()?;
        if session.is_idle(now) {
            return None;
        }
        Some(principal)
    }

    /// Whether what came of [`Self::verify`] could be another once the other nodes were heard: a session may have been begun, or used, at one
    /// of them just now.
    pub(super) fn may_be_news(&self, proved: &Result<Arc<Principal>, Denial>) -> bool {
        let is_unknown = matches!(
            proved,
            Err(Denial::Unauthenticated(AuthnFault::Inactive | AuthnFault::Idle | AuthnFault::UnknownKey))
        );
        is_unknown && self.sessions.is_shared()
    }

    /// Has everything heard that other nodes have done.
    pub(super) async fn hear(&self) -> Result<(), Denial> {
        let sessions = Arc::clone(&self.sessions);
        tokio::task::spawn_blocking(move || sessions.hear()).await.map_err(|_| Denial::Internal)?.map_err(|_| AWAY)
    }

    /// Verifies a token of this tag, and finds its session.
    pub(super) fn verify(&self, token: &Token<'_>, tag: [u8; 16], now: SystemTime) -> Result<Arc<Principal>, Denial> {
        let now = steady(now);
        if self.sessions.is_cut_off() {
            return Err(AWAY);
        }
        let known = self.known().ok_or(Denial::Unavailable(Unavailable::Authenticator))?;
        let (id, key) = self.judge(token, &known.set, now).map_err(Denial::Unauthenticated)?;
        // By its id alone: what a session is stands in the store, and nowhere else.
        let id = id.parse().map_err(|_| Denial::Unauthenticated(AuthnFault::Claim))?;
        let found = self.sessions.find(id, now).map_err(|fault| {
            log::error!("a session cannot be looked up: {fault}");
            Denial::Unavailable(Unavailable::Authenticator)
        })?;
        let session = found.ok_or(Denial::Unauthenticated(AuthnFault::Inactive))?;
        if session.stay.is_idle(now) {
            return Err(Denial::Unauthenticated(AuthnFault::Idle));
        }
        let from = now.min(session.since);
        let fact = Fact { principal: Arc::clone(&session.principal), from, until: session.until, key };
        self.facts.keep(tag, fact);
        Ok(session.principal)
    }

    /// Whether a token says that it is one of these, proved or not.
    fn names_us(&self, token: &Token<'_>) -> bool {
        token.claims.get("iss").and_then(Value::as_str) == Some(&self.issuer)
    }

    /// Header, signature and claims: the id of the session, and the key that proved it.
    fn judge<'t>(
        &self,
        token: &'t Token<'_>,
        keys: &KeySet,
        now: SystemTime,
    ) -> Result<(&'t str, [u8; 32]), AuthnFault> {
        if token.typ() != Some(Sessions::TYPE) {
            return Err(AuthnFault::Type);
        }
        let kid = token.kid()?.ok_or(AuthnFault::UnknownKey)?;
        let key = keys.pick(Some(kid), token.alg)?;
        key.verify(token)?;
        let claims = &token.claims;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).ok_or(AuthnFault::Claim);
        if !self.names_us(token) {
            return Err(AuthnFault::Issuer);
        }
        if text("aud")? != self.issuer {
            return Err(AuthnFault::Audience);
        }
        if claims::time(claims, "exp")?.ok_or(AuthnFault::Claim)? <= now {
            return Err(AuthnFault::Expired);
        }
        if claims::time(claims, "iat")?.ok_or(AuthnFault::Claim)? > now + AHEAD {
            return Err(AuthnFault::NotYetValid);
        }
        Ok((text("jti")?, *key.id()))
    }

    /// The keys as they are now, read once for each change.
    fn known(&self) -> Option<Arc<Known>> {
        let signers = self.sessions.signers()?;
        if let Some(known) = self.keys.load_full().filter(|known| Arc::ptr_eq(&known.signers, &signers)) {
            return Some(known);
        }
        let set = KeySet::parse(signers.key_set().as_bytes(), Algs::of([Alg::EdDsa])).ok()?;
        let known = Arc::new(Known { signers, set });
        self.keys.store(Some(Arc::clone(&known)));
        Some(known)
    }
}

impl SessionTokens {
    /// The session of a token, whoever presents it and whatever it is bound to; none for whatever is not a token of a session that goes on.
    ///
    /// # Errors
    /// [`Unavailable::Authenticator`] while that cannot be found out.
    pub async fn of_token(&self, token: &str, now: SystemTime) -> Result<Option<Session>, Denial> {
        // Whatever else is handed in, no other node has begun.
        let is_ours = || Token::parse(token).is_ok_and(|token| self.names_us(&token));
        match self.known_session(token, now)? {
            None if self.sessions.is_shared() && is_ours() => {
                self.hear().await?;
                self.known_session(token, now)
            }
            found => Ok(found),
        }
    }

    fn known_session(&self, token: &str, now: SystemTime) -> Result<Option<Session>, Denial> {
        let now = steady(now);
        let Ok(token) = Token::parse(token) else { return Ok(None) };
        let known = self.known().ok_or(Denial::Unavailable(Unavailable::Authenticator))?;
        let Ok((id, _)) = self.judge(&token, &known.set, now) else { return Ok(None) };
        let Ok(id) = id.parse() else { return Ok(None) };
        let found = self.sessions.find(id, now).map_err(|_| Denial::Unavailable(Unavailable::Authenticator))?;
        Ok(found.filter(|session| !session.stay.is_idle(now)))
    }
}

/// Sessions, as the routes of one configuration take them.
#[derive(Debug, Clone)]
pub struct TakenSessions {
    /// Who proves them.
    pub tokens: Arc<SessionTokens>,
    /// The authenticators whose principals may have begun them.
    pub of: Arc<[Name]>,
    /// Those of them whose principals' DPoP proofs have to hold a nonce, in sessions as without.
    pub nonced: Arc<[Name]>,
}

impl TakenSessions {
    /// Whether a session of this principal may still be begun, and so may still be used.
    pub fn takes(&self, principal: &Principal) -> bool {
        self.of.contains(&principal.authenticator)
    }

    pub(super) fn needs_nonce(&self, principal: &Principal) -> bool {
        self.nonced.contains(&principal.authenticator)
    }
}

impl fmt::Debug for SessionTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionTokens").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
