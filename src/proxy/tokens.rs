//! The token service: a proof goes in, a session comes out (RFC 6749, RFC 8693), and what may be asked about one later (RFC 7009, RFC 7662).

mod form;
mod grant;

pub(super) use grant::denial;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::admission::Refusal;
use super::caller::{Caller, Proof};
use crate::authn::client_credential;
use crate::domain::{AuthnFault, Denial, OauthFault, Principal, ProofFault, Unavailable, steady};
use crate::session::{Revocation, Revoked};
use crate::state::{Endpoint, TokenService};
use form::Form;

/// How long an end that was written may take to hold here.
const ENDED_WITHIN: Duration = Duration::from_secs(1);

/// One request to the token service.
pub(super) struct Call<'a> {
    pub(super) service: &'a TokenService,
    pub(super) caller: Caller<'a>,
}

/// Why a request to it was refused, as OAuth tells it (RFC 6749 §5.2).
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    pub(super) status: u16,
    pub(super) error: &'static str,
}

impl Call<'_> {
    /// Answers with one JSON object.
    ///
    /// # Errors
    /// [`Refused`], with the error of OAuth that says why.
    pub(super) async fn answer(mut self, endpoint: Endpoint, body: Result<Vec<u8>, Denial>) -> Result<Bytes, Refused> {
        let mut is_exchange = false;
        let answered = self.try_answer(endpoint, body, &mut is_exchange).await;
        answered.map(|json| Bytes::from(json.to_string())).map_err(|denial| self.refused(denial, is_exchange))
    }

    async fn try_answer(
        &mut self,
        endpoint: Endpoint,
        body: Result<Vec<u8>, Denial>,
        is_exchange: &mut bool,
    ) -> Result<Value, Denial> {
        let body = body?;
        let form = Form::parse(self.caller.arrival.headers, &body)?;
        *is_exchange = form.get("grant_type") == Some(TokenService::GRANT_TYPES[1]);
        match endpoint {
            Endpoint::Token => self.token(&form, &body).await,
            Endpoint::Introspection => self.introspect(&form, &body).await,
            Endpoint::Revocation => self.revoke(&form).await,
            // Answered without a body.
            Endpoint::Metadata | Endpoint::KeySet => Err(Denial::Internal),
        }
    }

    /// A session for whoever is proved.
    async fn token(&mut self, form: &Form, body: &[u8]) -> Result<Value, Denial> {
        let grant_type = form.get("grant_type").ok_or(Denial::TokenRequest(OauthFault::InvalidRequest))?;
        let handed_in = match grant_type {
            grant if grant == TokenService::GRANT_TYPES[0] => None,
            grant if grant == TokenService::GRANT_TYPES[1] => Some(grant::subject_token(form)?),
            _ => return Err(Denial::TokenRequest(OauthFault::UnsupportedGrantType)),
        };
        let now = self.caller.draft.time();
        let headers = self.headers(form)?;
        let proof = handed_in.map_or(Proof::Presented(&headers), Proof::HandedIn);
        let proved = self.caller.prove(proof, body, now).await?;
        // From here on by the clock that nobody puts back.
        let now = steady(now);
        let principal = Principal { confirmation: proved.confirmation, ..Principal::clone(&proved.principal) };
        let wanted = grant::wanted(form, self.service, self.caller.snapshot, principal, now)?;
        let sessions = Arc::clone(self.caller.services.engines.authenticators.sessions());
        let (issuer, most) = (self.service.issuer.clone(), self.service.per_principal);
        // It waits for the disk.
        let begun = tokio::task::spawn_blocking(move || sessions.begin(wanted, &issuer, most, now)).await;
        let (session, token) = begun.map_err(|_| Denial::Internal)?.map_err(|fault| grant::denial(&fault))?;
        self.caller.draft.authenticated(&session.principal);
        Ok(grant::response(form, &session, token, now))
    }

    /// What a token means, to its own principal and to auditors; to others, and of what is none, that it is not active (RFC 7662 §2.2).
    async fn introspect(&mut self, form: &Form, body: &[u8]) -> Result<Value, Denial> {
        let token = form.get("token").ok_or(Denial::TokenRequest(OauthFault::InvalidRequest))?;
        let now = self.caller.draft.time();
        let headers = self.headers(form)?;
        let asks = self.caller.prove(Proof::Presented(&headers), body, now).await?;
        if self.caller.services.engines.authenticators.sessions().is_cut_off() {
            // It may have been ended at a node of which nothing is heard.
            return Err(Denial::Unavailable(Unavailable::Cluster));
        }
        let inactive = Ok(json!({ "active": false }));
        let Some(session) = self.service.taken.tokens.of_token(token, now).await? else { return inactive };
        let (roles, when) = (&self.service.roles, self.caller.circumstances());
        let has = |role: &&str| {
            roles.has(&asks.principal, role, &when) && self.caller.ended_as(&asks.principal, Some(role), now).is_none()
        };
        let is_spent = session.stay.bounds.uses.is_some()
            && self
                .caller
                .services
                .engines
                .authenticators
                .sessions()
                .is_spent(session.stay.id, now)
                .map_err(|fault| grant::denial(&fault))?;
        let goes_on = !is_spent
            && self.service.taken.takes(&session.principal)
            && self.caller.ended_as(&session.principal, None, now).is_none();
        let may_know = session.principal.name() == asks.principal.name() || ["auditor", "admin"].iter().any(has);
        if !may_know || !goes_on {
            return inactive;
        }
        Ok(grant::claims(&session, &self.service.issuer, roles))
    }

    /// Ends the session of a token. Whoever has it may, as they might use it; for what is none, there is nothing to do (RFC 7009 §2.2).
    async fn revoke(&mut self, form: &Form) -> Result<Value, Denial> {
        let token = form.get("token").ok_or(Denial::TokenRequest(OauthFault::InvalidRequest))?;
        let now = self.caller.draft.time();
        let Some(session) = self.service.taken.tokens.of_token(token, now).await? else { return Ok(json!({})) };
        self.caller.draft.authenticated(&session.principal);
        let lasts = session.until.duration_since(now).unwrap_or_default();
        let (of, by) = (Revoked::Session(session.stay.id), session.principal.name());
        let revocation = Revocation::new(of, "ended by its caller".to_owned(), by, now, Some(lasts));
        let sessions = Arc::clone(self.caller.services.engines.authenticators.sessions());
        let written = tokio::task::spawn_blocking(move || sessions.revoke(&revocation)).await;
        written.map_err(|_| Denial::Internal)?.map_err(|fault| grant::denial(&fault))?;
        // Answered once it holds: the store is looked at every few milliseconds.
        let held = async {
            while self.caller.ended_as(&session.principal, None, SystemTime::now()).is_none() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let held = tokio::time::timeout(ENDED_WITHIN, held).await;
        // Written, and it may not hold yet: nobody is to rely on it.
        held.map(|()| json!({})).map_err(|_| Denial::Unavailable(Unavailable::Authenticator))
    }

    /// The head, with the client's credential where authenticators look for it. OAuth's clients encode name and password before they put
    /// them into the head, or have them in the form (RFC 6749 §2.3.1); and an API key stands where a password belongs.
    fn headers(&self, form: &Form) -> Result<HeaderMap, Denial> {
        let mut headers = self.caller.arrival.headers.clone();
        if let Some(secret) = form.get("client_secret") {
            if headers.contains_key(AUTHORIZATION) {
                return Err(Denial::Unauthenticated(AuthnFault::Several));
            }
            let id = form.get("client_id").ok_or(Denial::TokenRequest(OauthFault::InvalidRequest))?;
            headers.insert(AUTHORIZATION, authorization(id, secret)?);
            return Ok(headers);
        }
        let text = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let basic =
            text.and_then(|text| text.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Basic"));
        let pair = basic.and_then(|(_, encoded)| String::from_utf8(STANDARD.decode(encoded).ok()?).ok());
        if let Some((id, secret)) = pair.as_deref().and_then(|pair| pair.split_once(':')) {
            headers.insert(AUTHORIZATION, authorization(&form::decode(id), &form::decode(secret))?);
        }
        Ok(headers)
    }

    fn refused(&self, denial: Denial, is_exchange: bool) -> Refused {
        let refusal = Refusal::with_challenge(denial, &self.service.authn, self.caller.draft.time());
        let (error, status) = match denial {
            Denial::TokenRequest(fault) => (fault.text(), denial.status()),
            // RFC 9449 §5, §8.
            Denial::Unauthenticated(AuthnFault::Proof(ProofFault::Nonce)) => ("use_dpop_nonce", 400),
            Denial::Unauthenticated(AuthnFault::Proof(_)) => ("invalid_dpop_proof", 400),
            // What is handed in is a parameter, and who hands it in no client (RFC 8693 §2.2.2).
            Denial::Unauthenticated(_) if is_exchange => ("invalid_request", 400),
            Denial::Unauthenticated(_) => ("invalid_client", denial.status()),
            Denial::RateExceeded(_)
            | Denial::VolumeExceeded(..)
            | Denial::LockedOut(..)
            | Denial::TooManyInFlight
            | Denial::TooManySessions
            | Denial::Unavailable(_) => ("temporarily_unavailable", denial.status()),
            Denial::NotAllowed | Denial::Canary | Denial::ApprovalNeeded | Denial::OnHold | Denial::Access(_) => {
                ("unauthorized_client", denial.status())
            }
            Denial::Internal => ("server_error", denial.status()),
            Denial::Malformed(_)
            | Denial::HeadTooLarge
            | Denial::BodyTooLarge
            | Denial::BodyForm
            | Denial::Inspection(_)
            | Denial::TimedOut(_)
            | Denial::Withheld(_)
            | Denial::Misdirected
            | Denial::NoRoute
            | Denial::MethodNotAllowed(_) => ("invalid_request", denial.status()),
        };
        Refused { refusal, status, error }
    }
}

fn authorization(id: &str, secret: &str) -> Result<HeaderValue, Denial> {
    client_credential(id, secret).ok_or(Denial::Unauthenticated(AuthnFault::Malformed))
}

/// The status of an answer that is not one of [`Denial`]'s own.
pub(super) fn status(refused: &Refused) -> StatusCode {
    StatusCode::from_u16(refused.status).unwrap_or(StatusCode::BAD_REQUEST)
}
