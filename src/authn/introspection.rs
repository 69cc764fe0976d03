//! Opaque tokens that an authorization server knows (RFC 7662).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Map, Value};

use crate::crypto::sha256;
use crate::domain::{AuthnFault, Confirmation, Denial, Name, Principal};
use crate::net::{Answer, Client, Question};

use super::asked::{AskFault, AskSettings, Asked};
use super::claims::{self, Single};
use super::client_auth::{ClientAuth, field};
use super::confirmation;
use super::json::parse_object;
use super::jwt::KindSource;
use super::token::MAX_TOKEN;

/// What an `[authn.NAME.introspection]` asks with, demands of the answer and takes from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntrospectionSettings {
    /// The introspection endpoint.
    pub ask: AskSettings,
    /// The proxy's own id at the authorization server.
    pub client_id: String,
    /// How it proves that it is this client.
    pub client_auth: ClientAuth,
    /// `aud` must name one of these; empty means unchecked.
    pub audiences: Vec<String>,
    /// What `iss` must be, to the letter; none means unchecked.
    pub issuer: Option<String>,
    /// The member that is the principal's id.
    pub id_claim: String,
    /// The member that names roles, or a dotted path to it.
    pub roles_claim: Option<String>,
    /// The member that names scopes.
    pub scopes_claim: String,
    /// What sort of caller a token stands for.
    pub kind: KindSource,
}

impl Hash for IntrospectionSettings {
    /// By what tells settings apart in practice; equality looks at everything.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.ask.hash(state);
    }
}

/// An `[authn.NAME.introspection]`.
pub struct Introspection {
    settings: IntrospectionSettings,
    asked: Asked,
}

/// How far ahead of this clock the server's may be; an end is an end, by this clock.
const LEEWAY: Duration = Duration::from_secs(10);

impl Introspection {
    /// An authenticator under these settings.
    ///
    /// # Errors
    /// One [`AskFault`] per way in which settings can be unsafe or useless.
    pub fn new(settings: IntrospectionSettings, client: &Arc<Client>) -> Result<Self, AskFault> {
        if settings.audiences.iter().any(String::is_empty) {
            return Err(AskFault::Audience);
        }
        settings.client_auth.check()?;
        Ok(Self { asked: Asked::new(settings.ask.clone(), client)?, settings })
    }

    /// The NAME of its `[authn.NAME]`.
    pub fn name(&self) -> &Name {
        &self.settings.ask.name
    }

    /// The principal that it proves.
    pub(super) async fn verify(&self, token: &str, now: SystemTime) -> Result<Arc<Principal>, Denial> {
        // All else about a question is the same for all of them.
        let key = token_key(token).map_err(Denial::Unauthenticated)?;
        self.asked.verdict(key, now, || self.ask(token, now)).await
    }

    async fn ask(&self, token: &str, now: SystemTime) -> Result<Arc<Principal>, Denial> {
        let mut form = String::new();
        field(&mut form, "token", token);
        field(&mut form, "token_type_hint", "access_token");
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        self.settings
            .client_auth
            .apply(&self.settings.client_id, now, &mut headers, &mut form)
            .ok_or_else(|| self.asked.away("the client's own secret is not to be had, or not of the right form"))?;
        let answer = self.asked.call(Question { method: Method::POST, headers, body: Bytes::from(form) }).await?;
        self.judge(&answer, now)
    }

    /// What an answer proves. Anything but a plain yes or no is no answer.
    fn judge(&self, answer: &Answer, now: SystemTime) -> Result<Arc<Principal>, Denial> {
        if answer.status != StatusCode::OK {
            return Err(self.asked.odd_status(answer.status));
        }
        let said = parse_object(&answer.body).ok_or_else(|| self.asked.away("the answer is not one JSON object"))?;
        match said.get("active") {
            Some(Value::Bool(true)) => self.principal(&said, now).map_err(Denial::Unauthenticated),
            Some(Value::Bool(false)) => Err(Denial::Unauthenticated(AuthnFault::Inactive)),
            Some(_) | None => Err(self.asked.away("the answer has no `active` that is true or false")),
        }
    }

    fn principal(&self, said: &Map<String, Value>, now: SystemTime) -> Result<Arc<Principal>, AuthnFault> {
        let settings = &self.settings;
        let confirmation = confirmation::read(said.get("cnf"))?;
        check_type(said.get("token_type"), &confirmation)?;
        if let Some(issuer) = &settings.issuer
            && said.get("iss").and_then(Value::as_str).ok_or(AuthnFault::Claim)? != issuer
        {
            return Err(AuthnFault::Issuer);
        }
        if !settings.audiences.is_empty() {
            claims::check_audience(&settings.audiences, said.get("aud"))?;
        }
        let expires = claims::time(said, "exp")?;
        if expires.is_some_and(|end| now >= end) {
            return Err(AuthnFault::Expired);
        }
        let begins = claims::time(said, "nbf")?.and_then(|begin| begin.checked_sub(LEEWAY));
        if begins.is_some_and(|begin| now < begin) {
            return Err(AuthnFault::NotYetValid);
        }
        let id = said.get(&settings.id_claim).and_then(Value::as_str).ok_or(AuthnFault::Claim)?;
        if !Principal::is_valid_id(id) {
            return Err(AuthnFault::Claim);
        }
        let roles = settings.roles_claim.as_deref().and_then(|path| claims::find(said, path));
        Ok(Arc::new(Principal {
            roles: claims::names(roles, Single::OneName)?,
            scopes: claims::names(said.get(&settings.scopes_claim), Single::SpaceSeparated)?,
            expires,
            actor: claims::actor(said)?,
            confirmation,
            ..Principal::new(self.name().clone(), claims::kind(&settings.kind, said)?, id.to_owned())
        }))
    }
}

/// The digest of a token of a form that may be asked about.
pub(super) fn token_key(token: &str) -> Result<[u8; 32], AuthnFault> {
    let is_sound = token.len() <= MAX_TOKEN && token.bytes().all(|b| b.is_ascii_graphic());
    if is_sound { Ok(sha256(token.as_bytes())) } else { Err(AuthnFault::Malformed) }
}

/// Refresh tokens are active too, and are told by being of no type that a request can be made with (RFC 6749 §7.1).
fn check_type(kind: Option<&Value>, bound: &Confirmation) -> Result<(), AuthnFault> {
    let Some(kind) = kind else { return Ok(()) };
    let kind = kind.as_str().ok_or(AuthnFault::Claim)?;
    let is_access = ["Bearer", "DPoP", "access_token"].iter().any(|known| kind.eq_ignore_ascii_case(known));
    if kind.eq_ignore_ascii_case("DPoP") && bound.key.is_none() {
        return Err(AuthnFault::Binding);
    }
    if is_access { Ok(()) } else { Err(AuthnFault::Type) }
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection").field("settings", &self.settings).finish_non_exhaustive()
    }
}
