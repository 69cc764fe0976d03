//! A token as what proves somebody who asks for another (RFC 8693), and what the new one is bound to.

use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::header::AUTHORIZATION;

use crate::authn::authenticator::DPOP;
use crate::authn::chain::{Chain, TokenService};
use crate::authn::dpop::Wanted;
use crate::crypto::api_key;
use crate::domain::{AuthnFault, Confirmation, Denial, Principal, RequestView};

impl Chain {
    /// Proves whom this token or API key stands for, which is not presented but handed in. What it is bound to, the request has to hold too;
    /// that is for [`Self::bind`] to see.
    ///
    /// # Errors
    /// As [`Self::authenticate`], and [`AuthnFault::Several`] where something is presented besides.
    pub async fn authenticate_token(
        &self,
        token: &str,
        request: &RequestView<'_>,
        now: SystemTime,
    ) -> Result<Arc<Principal>, Denial> {
        if self.presented(request).map_err(Denial::Unauthenticated)?.is_some() {
            return Err(Denial::Unauthenticated(AuthnFault::Several));
        }
        if token.starts_with(api_key::MARK) {
            return self.prove_key(&AUTHORIZATION, token, request, now);
        }
        match (self.prove_jwt(token, now).await, &self.asked) {
            (Some(proved), _) => proved,
            (None, Some(TokenService::Introspection(service))) => Box::pin(service.verify(token, now)).await,
            (None, Some(TokenService::TokenReview(service))) => Box::pin(service.verify(token, now)).await,
            (None, None) => Err(Denial::Unauthenticated(self.not_ours(token))),
        }
    }

    /// What a new token for this principal is to be bound to: all that its proof is bound to, which the caller has to hold now as well; else
    /// the key of the request's DPoP proof (RFC 9449 §5); else the certificate of the connection (RFC 8705 §3).
    ///
    /// # Errors
    /// [`Denial::Unauthenticated`] where the caller does not hold what the proof is bound to, or its DPoP proof is none.
    pub async fn bind(
        &self,
        principal: &Principal,
        was_presented: bool,
        request: &RequestView<'_>,
        now: SystemTime,
    ) -> Result<Confirmation, Denial> {
        let mut bound = principal.confirmation;
        let certificate = request.certificates.map(|certificates| certificates.thumbprint);
        if bound.certificate.is_some() && bound.certificate != certificate {
            return Err(Denial::Unauthenticated(AuthnFault::Binding));
        }
        // What was presented with its proof has used that up.
        let is_shown = was_presented && bound.key.is_some();
        if !is_shown && (bound.key.is_some() || request.headers.contains_key(DPOP)) {
            let wanted = Wanted { token: None, key: bound.key, nonce: self.needs_nonce(principal) };
            bound.key = Some(self.dpop.verify(request, &wanted, now).await?);
        }
        if bound.key.is_none() && bound.certificate.is_none() {
            bound.certificate = certificate;
        }
        Ok(bound)
    }
}

/// What a client's name and secret (RFC 6749 §2.3.1) are as a value of `Authorization`: an API key as itself, any other secret as a password.
/// None where they have no place in a head.
pub fn client_credential(id: &str, secret: &str) -> Option<HeaderValue> {
    let text = if secret.starts_with(api_key::MARK) {
        format!("Bearer {secret}")
    } else {
        format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
    };
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
