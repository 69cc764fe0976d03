//! The authenticators that outlive a reload, and the background work that keeps their keys fresh.

use std::convert::Infallible;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::domain::{Name, Retained};
use crate::net::Client;
use crate::session::{Peers, Sessions};

use super::{
    AskFault, Basic, BasicFault, BasicSettings, Dpop, ForwardAuth, ForwardAuthSettings, Introspection,
    IntrospectionSettings, Jwt, JwtFault, JwtSettings, Passwords, ReplayCache, SessionTokens, TokenReview,
    TokenReviewSettings,
};

/// The running authenticators by their settings: a reload that changes nothing about one keeps its keys and what they proved.
#[derive(Debug, Default)]
pub struct Authenticators {
    jwts: Retained<Wanted<JwtSettings>, Jwt>,
    introspections: Retained<Wanted<IntrospectionSettings>, Introspection>,
    token_reviews: Retained<Wanted<TokenReviewSettings>, TokenReview>,
    forward_auths: Retained<Wanted<ForwardAuthSettings>, ForwardAuth>,
    dpop: Arc<Dpop>,
    /// By authenticator and `keyid`.
    nonces: Retained<(Name, String), ReplayCache>,
    basics: Retained<BasicSettings, Basic>,
    passwords: Arc<Passwords>,
    /// By the issuer of their tokens.
    session_tokens: Retained<String, SessionTokens>,
    sessions: Arc<Sessions>,
    peers: OnceLock<Arc<dyn Peers>>,
}

/// How many nonces one key of signatures may use while they are remembered, at most twice the age that a signature may have.
const NONCES: usize = 1 << 18;
/// Few: every key has its own.
const NONCE_SEGMENTS: usize = 8;

/// What the nonces of a key are called at every node.
fn nonces_name((authenticator, keyid): &(Name, String)) -> String {
    format!("nonce {authenticator} {keyid}")
}

/// Settings, and the client whose rules bind them: with other egress rules the keys are not had, and nobody is asked, the same way.
#[derive(Debug)]
struct Wanted<S> {
    settings: S,
    client: Arc<Client>,
}

impl<S: PartialEq> PartialEq for Wanted<S> {
    fn eq(&self, other: &Self) -> bool {
        self.settings == other.settings && self.client.settings() == other.client.settings()
    }
}

impl<S: Eq> Eq for Wanted<S> {}

impl<S: Hash> Hash for Wanted<S> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.settings.hash(state);
    }
}

/// How often it is seen whether keys are due: also the longest that a new issuer or an unknown key waits for a fetch to begin.
const LOOK: Duration = Duration::from_secs(1);

impl Authenticators {
    /// The running authenticator for these settings, or a new one, with the keys that a running one has from the same source: it may be away.
    ///
    /// # Errors
    /// Those of [`Jwt::new`].
    pub fn jwt(&self, settings: JwtSettings, client: &Arc<Client>) -> Result<Arc<Jwt>, JwtFault> {
        let wanted = Wanted { settings, client: Arc::clone(client) };
        let running = self.jwts.in_use_by(|one| Arc::clone(&one.client));
        self.jwts.get(wanted, |wanted| {
            let jwt = Jwt::new(wanted.settings.clone(), &wanted.client)?;
            let under_the_same_rules = running.iter().filter(|(by, _)| by.settings() == wanted.client.settings());
            under_the_same_rules.for_each(|(_, one)| jwt.inherit(one));
            Ok(jwt)
        })
    }

    /// The running authenticator for these settings, with what it was told lately, or a new one.
    ///
    /// # Errors
    /// Those of [`Introspection::new`].
    pub fn introspection(
        &self,
        settings: IntrospectionSettings,
        client: &Arc<Client>,
    ) -> Result<Arc<Introspection>, AskFault> {
        let wanted = Wanted { settings, client: Arc::clone(client) };
        self.introspections.get(wanted, |wanted| Introspection::new(wanted.settings.clone(), &wanted.client))
    }

    /// The running authenticator for these settings, with what it was told lately, or a new one.
    ///
    /// # Errors
    /// Those of [`TokenReview::new`].
    pub fn token_review(
        &self,
        settings: TokenReviewSettings,
        client: &Arc<Client>,
    ) -> Result<Arc<TokenReview>, AskFault> {
        let wanted = Wanted { settings, client: Arc::clone(client) };
        self.token_reviews.get(wanted, |wanted| TokenReview::new(wanted.settings.clone(), &wanted.client))
    }

    /// The running authenticator for these settings, with what it was told lately, or a new one.
    ///
    /// # Errors
    /// Those of [`ForwardAuth::new`].
    pub fn forward_auth(
        &self,
        settings: ForwardAuthSettings,
        client: &Arc<Client>,
    ) -> Result<Arc<ForwardAuth>, AskFault> {
        let wanted = Wanted { settings, client: Arc::clone(client) };
        self.forward_auths.get(wanted, |wanted| ForwardAuth::new(wanted.settings.clone(), &wanted.client))
    }

    /// The running authenticator for these settings, with the passwords that it has seen to be right, or a new one.
    ///
    /// # Errors
    /// Those of [`Basic::new`].
    pub fn basic(&self, settings: BasicSettings) -> Result<Arc<Basic>, BasicFault> {
        self.basics.get(settings, |settings| Basic::new(settings.clone(), Arc::clone(&self.passwords)))
    }

    /// Who checks DPoP proofs, for every route: a proof that one has seen is used up for all.
    pub fn dpop(&self) -> Arc<Dpop> {
        Arc::clone(&self.dpop)
    }

    /// The nonces that this key of this authenticator has used: a reload does not make any of them good again.
    pub fn nonces(&self, authenticator: &Name, keyid: &str) -> Arc<ReplayCache> {
        let of = (authenticator.clone(), keyid.to_owned());
        let made = |of: &(Name, String)| {
            let nonces = ReplayCache::new(NONCES, NONCE_SEGMENTS, 1).since(Instant::now());
            if let Some(peers) = self.peers.get() {
                nonces.share_with(Arc::clone(peers), nonces_name(of));
            }
            Ok::<_, Infallible>(nonces)
        };
        let Ok(nonces) = self.nonces.get(of, made);
        nonces
    }

    /// Shares sessions, and what is good once, with these nodes from now on; once, before anybody is proved.
    pub fn share_with(&self, peers: &Arc<dyn Peers>) {
        // A second time it would be with the same.
        let _ = self.peers.set(Arc::clone(peers));
        self.sessions.share_with(Arc::clone(peers));
        self.dpop.share_with(Arc::clone(peers));
        for (name, nonces) in self.nonces.in_use_by(nonces_name) {
            nonces.share_with(Arc::clone(peers), name);
        }
    }

    /// The running authenticator of sessions whose tokens have this issuer, or a new one.
    pub fn session_tokens(&self, issuer: &str) -> Arc<SessionTokens> {
        let made = |issuer: &String| SessionTokens::new(Arc::clone(&self.sessions), issuer.clone());
        let Ok(tokens) = self.session_tokens.get(issuer.to_owned(), |issuer| Ok::<_, Infallible>(made(issuer)));
        tokens
    }

    /// The sessions themselves.
    pub fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    /// An authenticator in use that has not the keys that it needs.
    pub fn waits_for_keys(&self) -> Option<Name> {
        self.jwts.in_use().iter().find(|jwt| !jwt.is_ready()).map(|jwt| jwt.name().clone())
    }

    /// The authenticators in use that take tokens.
    pub fn issuers(&self) -> Vec<Arc<Jwt>> {
        self.jwts.in_use()
    }

    /// Fetches all keys that are due and waits for them: for a start or reload that wants its first requests answered.
    pub async fn prime(&self) {
        let mut fetches = JoinSet::new();
        self.fetch_due(&mut fetches);
        while fetches.join_next().await.is_some() {}
    }

    /// Keeps all keys fresh for as long as the returned future is driven.
    pub async fn run(&self) {
        let mut fetches = JoinSet::new();
        loop {
            self.fetch_due(&mut fetches);
            tokio::time::sleep(LOOK).await;
            while fetches.try_join_next().is_some() {}
        }
    }

    fn fetch_due(&self, fetches: &mut JoinSet<()>) {
        for jwt in self.jwts.in_use().into_iter().filter(|jwt| jwt.is_due()) {
            fetches.spawn(async move {
                match jwt.refresh().await {
                    Ok(()) if jwt.is_ready() => {}
                    Ok(()) => log::warn!("the key set of authenticator `{}` holds no usable key", jwt.name()),
                    Err(fault) => {
                        log::warn!(
                            "the keys of authenticator `{}` could not be fetched from {}: {fault}",
                            jwt.name(),
                            jwt.source()
                        )
                    }
                }
            });
        }
    }
}
