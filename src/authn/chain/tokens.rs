//! Bearer and DPoP tokens: which of a route's authenticators proves one, and whether its caller holds what it is bound to.

use std::sync::Arc;
use std::time::SystemTime;

use crate::authn::chain::{Chain, Scheme, TokenService};
use crate::authn::dpop::Wanted;
use crate::authn::token::{MAX_TOKEN, Token};
use crate::authn::turns::TURNS;
use crate::crypto::tag;
use crate::domain::{AuthnFault, Denial, Principal, RequestView};

impl Chain {
    pub(super) async fn prove_token(
        &self,
        scheme: Scheme,
        presented: &str,
        request: &RequestView<'_>,
        now: SystemTime,
    ) -> Result<Arc<Principal>, Denial> {
        let principal = match (self.prove_jwt(presented, now).await, &self.asked) {
            (Some(proved), _) => proved?,
            (None, Some(TokenService::Introspection(service))) => Box::pin(service.verify(presented, now)).await?,
            (None, Some(TokenService::TokenReview(service))) => Box::pin(service.verify(presented, now)).await?,
            (None, None) => return Err(Denial::Unauthenticated(self.not_ours(presented))),
        };
        self.confirm(&principal, scheme, presented, request, now).await?;
        // What began a session was held against them when it was presented, and is not presented any more.
        let networks = principal.session.as_ref().and(principal.networks.as_ref());
        if networks.is_some_and(|networks| !networks.contains(request.client)) {
            return Err(Denial::Unauthenticated(AuthnFault::Network));
        }
        Ok(principal)
    }

    /// None for a token of which no issuer is known here.
    pub(super) async fn prove_jwt(&self, presented: &str, now: SystemTime) -> Option<Result<Arc<Principal>, Denial>> {
        if !self.takes_tokens() || presented.len() > MAX_TOKEN {
            return None;
        }
        let tag = tag(presented.as_bytes());
        match self.recall(&tag, now) {
            Some(principal) => Some(Ok(principal)),
            // Boxed: what a known token takes is part of every exchange.
            None => Box::pin(self.prove_new(presented, tag, now)).await,
        }
    }

    async fn prove_new(
        &self,
        presented: &str,
        tag: [u8; 16],
        now: SystemTime,
    ) -> Option<Result<Arc<Principal>, Denial>> {
        let token = Token::parse(presented).ok()?;
        let issuer = token.issuer().ok()?;
        let jwt = self.tokens.iter().find(|jwt| jwt.issuer() == issuer);
        let sessions = self.sessions.as_ref().filter(|sessions| sessions.tokens.issuer() == issuer);
        if jwt.is_none() && sessions.is_none() {
            return None;
        }
        let turn = TURNS.take().await;
        // Another request with the same token may have had its turn meanwhile.
        if let Some(principal) = self.recall(&tag, now) {
            return Some(Ok(principal));
        }
        let proved = match (jwt, sessions) {
            (Some(jwt), _) => jwt.verify(&token, tag, now),
            (None, sessions) => {
                let sessions = &sessions?.tokens;
                let mut proved = sessions.verify(&token, tag, now);
                if sessions.may_be_news(&proved) {
                    // Whoever waits for the network has no turn.
                    drop(turn);
                    proved = match sessions.hear().await {
                        Ok(()) => {
                            let _turn = TURNS.take().await;
                            sessions.verify(&token, tag, now)
                        }
                        Err(away) => Err(away),
                    };
                }
                proved
            }
        };
        Some(proved.and_then(|principal| self.goes_on(principal)))
    }

    fn recall(&self, tag: &[u8; 16], now: SystemTime) -> Option<Arc<Principal>> {
        let known = self.tokens.iter().find_map(|jwt| jwt.recall(tag, now));
        known.or_else(|| {
            let sessions = self.sessions.as_ref()?;
            sessions.tokens.recall(tag, now).filter(|principal| sessions.takes(principal))
        })
    }

    /// A session of somebody who may not begin one any more is over, whatever its token says.
    fn goes_on(&self, principal: Arc<Principal>) -> Result<Arc<Principal>, Denial> {
        let is_over =
            principal.session.is_some() && !self.sessions.as_ref().is_some_and(|taken| taken.takes(&principal));
        if is_over { Err(Denial::Unauthenticated(AuthnFault::Inactive)) } else { Ok(principal) }
    }

    /// Whether the principal's DPoP proofs have to hold a nonce.
    pub(super) fn needs_nonce(&self, principal: &Principal) -> bool {
        self.tokens.iter().any(|jwt| *jwt.name() == principal.authenticator && jwt.needs_nonce())
            || self.sessions.as_ref().is_some_and(|sessions| sessions.needs_nonce(principal))
    }

    fn takes_tokens(&self) -> bool {
        !self.tokens.is_empty() || self.sessions.is_some()
    }

    pub(super) fn knows_issuer(&self, issuer: &str) -> bool {
        self.tokens.iter().any(|jwt| jwt.issuer() == issuer)
            || self.sessions.as_ref().is_some_and(|sessions| sessions.tokens.issuer() == issuer)
    }

    /// What is wrong with a token that no issuer here made.
    pub(super) fn not_ours(&self, presented: &str) -> AuthnFault {
        if !self.takes_tokens() || presented.len() > MAX_TOKEN {
            return AuthnFault::Malformed;
        }
        match Token::parse(presented).and_then(|token| token.issuer().map(|_| ())) {
            Ok(()) => AuthnFault::Issuer,
            Err(fault) => fault,
        }
    }

    /// Whether the caller holds what its token is bound to. A token that is bound to nothing must not pretend that it is (RFC 9449 §7.1).
    async fn confirm(
        &self,
        principal: &Principal,
        scheme: Scheme,
        token: &str,
        request: &RequestView<'_>,
        now: SystemTime,
    ) -> Result<(), Denial> {
        let bound = principal.confirmation;
        let certificate = request.certificates.map(|certificates| certificates.thumbprint);
        if bound.certificate.is_some() && bound.certificate != certificate {
            return Err(Denial::Unauthenticated(AuthnFault::Binding));
        }
        match (scheme, bound.key) {
            (Scheme::Bearer, None) => Ok(()),
            (Scheme::Dpop, Some(key)) => {
                let nonce = self.needs_nonce(principal);
                let wanted = Wanted { token: Some(token), key: Some(key), nonce };
                Box::pin(self.dpop.verify(request, &wanted, now)).await.map(drop)
            }
            (Scheme::Bearer, Some(_)) | (Scheme::Dpop, None) => Err(Denial::Unauthenticated(AuthnFault::Binding)),
        }
    }
}
