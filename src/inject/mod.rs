//! The closed set of injections: what puts a credential on an upstream request. Acquiring may fail; applying cannot.

mod aws;
mod behalf;
mod body;
mod content;
mod hmac;
mod identity;
mod identity_token;
mod injection;
mod method;
pub mod needles;
mod own;
mod path;
mod prepared;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwapOption;
use http::{HeaderName, StatusCode};

use crate::authz::Permit;
use crate::crypto::constant_time_eq;
use crate::crypto::sigv4::{Payload, Upload};
use crate::domain::{Denial, HttpFault, Name, Secret, Unavailable};
use crate::vault::{Rotation, Slot, Vault};
use behalf::Behalf;
use own::{Own, Source};
use prepared::Prepared;

pub use crate::crypto::sigv4::Head;
pub use aws::{AwsPayload, AwsSettings};
pub use behalf::OnBehalf;
pub use body::{Blank, Field, FieldFault, Filled, Placeholder, PlaceholderFault};
pub use content::{Content, ReadBody};
pub use hmac::{HmacEncoding, HmacSettings, KeyEncoding, SignedTemplate, SigningFault, ValueTemplate};
pub use identity::{IdentityHeader, TemplateFault};
pub use identity_token::{IdentityToken, Issuer, IssuerSettings, TYPE as IDENTITY_TOKEN_TYPE};
pub use injection::Injection;
pub use method::Method;
pub use own::SecretTemplate;
pub use path::{PathTemplate, PathTemplateFault};

/// A configured credential: named secrets, how they are put on a request, and the one target they may be sent to.
#[derive(Debug)]
pub struct Credential {
    name: Name,
    target: Name,
    pieces: Vec<Piece>,
    prepared: ArcSwapOption<Prepared>,
    /// The versions of secrets that cannot be sent: they are looked at and told of once.
    unfit: ArcSwapOption<Vec<u64>>,
    warned: Mutex<Option<Instant>>,
    rotation: OnceLock<Arc<Rotation>>,
    /// Where each principal has a secret of their own, for which the one piece has none.
    own: Option<Own>,
    /// What the secret is had by, where it is a token of one principal.
    behalf: Option<Behalf>,
    /// Whether it is a decoy, which has no secret.
    is_canary: bool,
}

/// How often it is told at most that a secret came back.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// One of the things that a credential puts on a request.
#[derive(Debug)]
pub struct Piece {
    /// How.
    pub method: Method,
    /// What of: one secret, but for [`Method::Aws`], whose are the access key's id, its secret, and the session token where there is one.
    pub secrets: Vec<Arc<Slot>>,
}

impl Credential {
    /// A credential for requests to `target`, made of these pieces.
    pub fn new(name: Name, target: Name, pieces: Vec<Piece>) -> Self {
        Self {
            name,
            target,
            pieces,
            prepared: ArcSwapOption::empty(),
            unfit: ArcSwapOption::empty(),
            warned: Mutex::default(),
            rotation: OnceLock::new(),
            own: None,
            behalf: None,
            is_canary: false,
        }
    }

    /// One whose secret is each principal's own, at a place in this vault.
    pub fn of_principals(
        name: Name,
        target: Name,
        method: Method,
        vault: Arc<Vault>,
        template: SecretTemplate,
    ) -> Self {
        let piece = Piece { method, secrets: Vec::new() };
        Self { own: Some(Own::new(Source::Vault(vault, template))), ..Self::new(name, target, vec![piece]) }
    }

    /// One that is a bearer token of each principal's own, which is had on their behalf.
    pub fn on_behalf(name: Name, target: Name, of: OnBehalf) -> Self {
        let piece = Piece { method: Method::Bearer, secrets: Vec::new() };
        Self { own: Some(Own::new(Source::Behalf(Arc::new(of)))), ..Self::new(name, target, vec![piece]) }
    }

    /// A decoy: what leads to it is bait, and nothing is ever sent with it.
    pub fn canary(name: Name, target: Name) -> Self {
        Self { is_canary: true, ..Self::new(name, target, Vec::new()) }
    }

    /// Whether it is a decoy.
    pub fn is_canary(&self) -> bool {
        self.is_canary
    }

    /// Whether each principal has a secret of their own.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Where each principal's own secret is, where each has one in a vault.
    pub fn template(&self) -> Option<&SecretTemplate> {
        self.own.as_ref().and_then(Own::template)
    }

    /// Whether the same id leads to the same principal's secret with this one and that one.
    pub fn shares_secrets_with(&self, other: &Self) -> bool {
        matches!((&self.own, &other.own), (Some(own), Some(other)) if own.is_place_of(other))
    }

    /// It as it is for whoever has this permit: with their own secret, where each has one. Waits where that was not read before.
    ///
    /// # Errors
    /// [`Unavailable::Credential`] where there can be none for them.
    pub async fn of(self: &Arc<Self>, permit: &Permit) -> Result<Arc<Self>, Denial> {
        match &self.own {
            None => Ok(Arc::clone(self)),
            Some(own) => own.find(self, permit).await,
        }
    }

    /// The `[credential.NAME]`.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The `[target.NAME]` that it belongs to.
    pub fn target(&self) -> &Name {
        &self.target
    }

    /// Has its secret replaced by this rotation; tells whether no other does that.
    pub fn rotate(&self, rotation: Arc<Rotation>) -> bool {
        self.rotation.set(rotation).is_ok()
    }

    /// Its secret, where it has one alone that is sent as it is.
    pub fn only_secret(&self) -> Option<&Arc<Slot>> {
        match self.pieces.as_slice() {
            [Piece { method, secrets }] if method.is_simple() => secrets.first(),
            _ => None,
        }
    }

    /// Notes the status that the target answered a request with this by.
    pub fn answered(&self, injection: &Injection, status: StatusCode) {
        if let (Some(rotation), Some(secret)) = (self.rotation.get(), injection.prepared.secrets.first()) {
            rotation.answered(secret, status);
        }
    }

    /// What a request would get with this secret in place of its only one; none where it cannot be sent so.
    pub fn trial(&self, secret: &Arc<Secret>) -> Option<Injection> {
        Some(self.injection(Arc::new(self.prepared_of(secret, Vec::new())?), Payload::Empty))
    }

    fn prepared_of(&self, secret: &Arc<Secret>, before: Vec<Arc<Secret>>) -> Option<Prepared> {
        let [piece] = self.pieces.as_slice() else { return None };
        let secrets = vec![Arc::clone(secret)];
        let part = piece.method.prepare(&secrets).ok()?;
        let mut sought = piece.method.sought(secrets.clone(), &part);
        sought.extend(before);
        Some(Prepared::new(Vec::new(), vec![part], secrets, sought))
    }

    /// Another injection for a request whose target did not take this one: with the secret that is in use by now, with a token that is had
    /// for it, or with the secret from before a rotation while that is kept. None where there is no other.
    pub async fn another(self: &Arc<Self>, permit: &Permit, refused: &Injection) -> Option<Injection> {
        self.of(permit).await.ok()?.replaced(permit, refused).await
    }

    async fn replaced(&self, permit: &Permit, refused: &Injection) -> Option<Injection> {
        let (slot, sent) = (self.only_secret()?, refused.prepared.secrets.first()?);
        let is_other = |secret: &Arc<Secret>| !constant_time_eq(secret.expose(), sent.expose());
        let in_use = || slot.load().ok().filter(is_other);
        let secret = match in_use().or_else(|| self.rotation.get()?.previous().filter(is_other)) {
            Some(secret) => secret,
            None if self.renew(slot, permit, *refused.prepared.versions.first()?).await => in_use()?,
            None => return None,
        };
        // What was sent before must not come back either.
        let prepared = self.prepared_of(&secret, refused.prepared.sought.clone())?;
        Some(self.injection(Arc::new(prepared), refused.payload))
    }

    async fn renew(&self, slot: &Slot, permit: &Permit, version: u64) -> bool {
        match &self.behalf {
            Some(behalf) => behalf.renew(permit, version).await,
            None => slot.renew(version).await,
        }
    }

    fn injection(&self, prepared: Arc<Prepared>, payload: Payload) -> Injection {
        Injection {
            credential: self.name.clone(),
            target: self.target.clone(),
            prepared,
            payload,
            body: None,
            filled: None,
        }
    }

    /// Whether it is to be told now that one of its secrets came back: whoever can bring that about must not be able to fill the log.
    pub fn may_warn(&self, now: Instant) -> bool {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = warned.is_none_or(|last| now.saturating_duration_since(last) >= WARN_EVERY);
        if is_due {
            *warned = Some(now);
        }
        is_due
    }

    /// The headers that the injection will set: a client's own are taken off first.
    pub fn headers(&self) -> impl Iterator<Item = HeaderName> {
        self.pieces.iter().flat_map(|piece| piece.method.headers())
    }

    /// Whether the body has to be known before anything is sent.
    pub fn needs_body(&self) -> bool {
        self.pieces.iter().any(|piece| piece.method.needs_body())
    }

    /// The injection for one authorized request. Asking needs the proof that the request was authorized.
    ///
    /// # Errors
    /// [`Unavailable::Credential`] when a vault has no such secret now, or one that cannot be sent in this form; [`HttpFault::Upload`] for a
    /// body that cannot be signed again; [`Denial::Canary`] for a decoy; [`Denial::BodyForm`] and [`Denial::BodyTooLarge`] for one that no secret can be put in.
    pub fn acquire(&self, _permit: &Permit, now: Instant, content: &Content<'_>) -> Result<Injection, Denial> {
        if self.is_canary {
            return Err(Denial::Canary);
        }
        if self.own.is_some() {
            return Err(UNAVAILABLE);
        }
        let prepared = match self.prepared.load_full() {
            Some(prepared) if self.is_current(&prepared, now)? => prepared,
            _ => self.prepare(now)?,
        };
        let payload = self.payload(content)?;
        let body = self.body(content)?;
        let filled = prepared.fill(content)?;
        Ok(Injection { body, filled, ..self.injection(prepared, payload) })
    }

    /// Whether this is made from the secrets as they are now. Each slot is asked each time: a secret that its vault withdrew must not live on
    /// in its prepared form.
    fn is_current(&self, prepared: &Prepared, now: Instant) -> Result<bool, Denial> {
        let mut versions = prepared.versions.iter();
        for slot in self.pieces.iter().flat_map(|piece| &piece.secrets) {
            let (version, _) = slot.load_at(now).map_err(|_| UNAVAILABLE)?;
            if versions.next() != Some(&version) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Forgets what was made of secrets that are not what they were, also where nobody comes any more; of each principal's own too.
    pub fn forget_stale(&self, now: Instant) {
        let prepared = self.prepared.load();
        if prepared.as_ref().is_some_and(|prepared| !matches!(self.is_current(prepared, now), Ok(true))) {
            self.prepared.compare_and_swap(&prepared, None);
        }
        self.own.iter().for_each(|own| own.forget_stale(now));
    }

    fn prepare(&self, now: Instant) -> Result<Arc<Prepared>, Denial> {
        let (mut versions, mut loaded) = (Vec::new(), Vec::new());
        for piece in &self.pieces {
            let mut secrets: Vec<Arc<Secret>> = Vec::with_capacity(piece.secrets.len());
            for slot in &piece.secrets {
                let (version, secret) = slot.load_at(now).map_err(|_| UNAVAILABLE)?;
                versions.push(version);
                secrets.push(secret);
            }
            loaded.push((&piece.method, secrets));
        }
        if self.unfit.load().as_deref() == Some(&versions) {
            return Err(UNAVAILABLE);
        }
        let (mut parts, mut all, mut sought) = (Vec::new(), Vec::new(), Vec::new());
        for (method, secrets) in loaded {
            let part = method.prepare(&secrets).map_err(|unfit| {
                log::error!(credential = self.name.as_str(); "{unfit}");
                self.unfit.store(Some(Arc::new(versions.clone())));
                UNAVAILABLE
            })?;
            all.extend(secrets.iter().cloned());
            sought.extend(method.sought(secrets, &part));
            parts.push(part);
        }
        if sought.iter().any(|secret| secret.expose().len() < needles::SHORTEST) {
            log::warn!(credential = self.name.as_str(); "a secret is too short to be looked for in what comes back");
        }
        let fresh = Arc::new(Prepared::new(versions, parts, all, sought));
        if fresh.client().is_some_and(|client| client.ends() < SystemTime::now()) {
            log::warn!(credential = self.name.as_str(); "the client certificate has expired");
        }
        self.prepared.store(Some(Arc::clone(&fresh)));
        Ok(fresh)
    }

    fn payload(&self, content: &Content<'_>) -> Result<Payload, Denial> {
        let Some(piece) = self.pieces.iter().find(|piece| matches!(piece.method, Method::Aws(_))) else {
            return Ok(Payload::Empty);
        };
        let upload = Upload::of(content.headers);
        match (upload, content.body) {
            (Upload::SignedChunks, _) => Err(Denial::Malformed(HttpFault::Upload)),
            (Upload::UnsignedTrailer, _) if !piece.method.needs_body() => Ok(Payload::UnsignedTrailer),
            (Upload::UnsignedTrailer, _) => Err(Denial::Malformed(HttpFault::Upload)),
            (Upload::Plain, _) if !content.has_body => Ok(Payload::Empty),
            (Upload::Plain, _) if !piece.method.needs_body() => Ok(Payload::Unsigned),
            (Upload::Plain, Some(body)) => Ok(Payload::Signed(body.digest())),
            // Whoever signs bodies has them read before.
            (Upload::Plain, None) => Err(Denial::Internal),
        }
    }

    /// The body, where a piece signs it with its own bytes.
    fn body(&self, content: &Content<'_>) -> Result<Option<ReadBody>, Denial> {
        let is_signed = |piece: &Piece| matches!(&piece.method, Method::Hmac(settings) if settings.signs_body());
        match content.body {
            _ if !content.has_body || !self.pieces.iter().any(is_signed) => Ok(None),
            Some(body) => Ok(Some(body.clone())),
            // Nothing may be signed in place of what comes later.
            None => Err(Denial::Internal),
        }
    }
}

const UNAVAILABLE: Denial = Denial::Unavailable(Unavailable::Credential);

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
