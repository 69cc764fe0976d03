//! Requests that callers sign (RFC 9421).

mod base;
mod input;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderName;

use crate::crypto::{SignatureAlgorithm, SignatureKey, sha256};
use crate::domain::{AuthnFault, Denial, Name, NetworkSet, Principal, PrincipalKind, RequestView, Unavailable};

use super::BodyDigest;
use super::authenticator::{SIGNATURE, SIGNATURE_INPUT};
use super::chain::Proof;
use super::client_auth::LiveSecret;
use super::replay::{Once, ReplayCache, Single};
use super::structured;
use input::Presented;

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// What an `[authn.NAME.http_signature]` knows.
#[derive(Debug)]
pub struct HttpSignatureSettings {
    /// The NAME.
    pub name: Name,
    /// What a signature has to cover. `content-digest` is asked of requests with a body.
    pub components: Vec<String>,
    /// How old a signature may be, by its `created`; at most [`HttpSignature::MAX_AGE`].
    pub max_age: Duration,
    /// How far in the future `created` may be, at most [`HttpSignature::MAX_LEEWAY`].
    pub leeway: Duration,
    /// The `tag` that a signature has to have; none means that it is not looked at.
    pub tag: Option<String>,
    /// The label of the signature that is looked at; none means that there is one signature only.
    pub label: Option<String>,
    /// Whether a signature has to have a nonce.
    pub nonce_required: bool,
    /// The keys.
    pub keys: Vec<SignatureKeyEntry>,
}

/// One key, and whom it proves.
#[derive(Debug)]
pub struct SignatureKeyEntry {
    /// The `keyid` by which signatures name it.
    pub id: String,
    /// The key, with the algorithm that it is for.
    pub key: SignatureKey,
    /// Where a shared key came from: it proves nothing from the moment on at which its vault withdraws it.
    pub place: Option<LiveSecret>,
    /// The nonces that it has used: each key has its own, so that a caller who signs without end is held up alone.
    pub nonces: Arc<ReplayCache>,
    /// The id of the principal that it proves.
    pub owner: String,
    /// The principal's roles.
    pub roles: Vec<Arc<str>>,
    /// The principal's scopes.
    pub scopes: Vec<Arc<str>>,
    /// What sort of caller the owner is.
    pub kind: PrincipalKind,
    /// The moment from which on it proves nothing.
    pub expires: Option<SystemTime>,
    /// The client networks that it may be used from; none means any.
    pub networks: Option<NetworkSet>,
}

/// Why settings make no authenticator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpSignatureFault {
    /// `components` is empty, so that a signature would sign nothing.
    NoComponents,
    /// Not a component that can be asked for.
    Component(String),
    /// The age is zero or above [`HttpSignature::MAX_AGE`], or the leeway above [`HttpSignature::MAX_LEEWAY`].
    Time,
    /// The label or the tag is none that a signature can have.
    Text,
    /// A `keyid` that is empty, too long or not visible ASCII.
    KeyId(String),
    /// The owner of this key is no valid id.
    Owner(String),
    /// The set of networks of this key is empty, so that it could never be used.
    NoNetwork(String),
}

/// An `[authn.NAME.http_signature]`.
#[derive(Debug)]
pub struct HttpSignature {
    name: Name,
    components: Vec<String>,
    max_age: Duration,
    leeway: Duration,
    tag: Option<String>,
    label: Option<String>,
    nonce_required: bool,
    keys: HashMap<String, Known, ahash::RandomState>,
}

#[derive(Debug)]
struct Known {
    key: SignatureKey,
    place: Option<LiveSecret>,
    nonces: Arc<ReplayCache>,
    principal: Arc<Principal>,
    networks: Option<NetworkSet>,
}

/// A nonce that was used, and where.
type Used = (Arc<ReplayCache>, Single);

impl HttpSignature {
    /// The longest `max_age`.
    pub const MAX_AGE: Duration = Duration::from_secs(300);
    /// The longest leeway.
    pub const MAX_LEEWAY: Duration = Duration::from_secs(30);

    /// An authenticator that knows these keys.
    ///
    /// # Errors
    /// One [`HttpSignatureFault`] per way in which settings can be wrong.
    pub fn new(settings: HttpSignatureSettings) -> Result<Self, HttpSignatureFault> {
        check(&settings)?;
        let HttpSignatureSettings { name, components, max_age, leeway, tag, label, nonce_required, keys: entries } =
            settings;
        let mut keys = HashMap::with_capacity_and_hasher(entries.len(), ahash::RandomState::new());
        for entry in entries {
            let id = entry.id.clone();
            keys.insert(id, Known::new(entry, &name)?);
        }
        Ok(Self { name, components, max_age, leeway, tag, label, nonce_required, keys })
    }

    /// The NAME of its `[authn.NAME]`.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// What a signature has to be, as an `Accept-Signature` asks for it (RFC 9421 §5.1). A nonce cannot be asked for without giving one out.
    pub(super) fn asked_for(&self) -> String {
        let quoted = |text: &String| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let components: Vec<_> = self.components.iter().map(quoted).collect();
        let tag = self.tag.as_ref().map(|tag| format!(";tag={}", quoted(tag))).unwrap_or_default();
        let label = self.label.as_deref().unwrap_or("sig");
        format!("{label}=({});created;keyid{tag}", components.join(" "))
    }

    /// The principal that the request's signature proves, and the body that was signed. The nonce is used up last, so that nobody but the
    /// key's holder can use any up.
    pub(super) async fn verify(&self, request: &RequestView<'_>, now: SystemTime) -> Result<Proof, Denial> {
        let (proof, nonce) = self.verify_here(request, now)?;
        if let Some((nonces, nonce)) = nonce {
            self.first(nonces.claim(&nonce, now).await?)?;
        }
        Ok(proof)
    }

    /// The same, as far as this node knows; with the nonce that the others have to be asked about.
    fn verify_here(&self, request: &RequestView<'_>, now: SystemTime) -> Result<(Proof, Option<Used>), Denial> {
        let refuse = Denial::Unauthenticated;
        let (known, presented, body) = self.prove(request, now).map_err(refuse)?;
        if !known.place.as_ref().is_none_or(LiveSecret::is_there) {
            return Err(Denial::Unavailable(Unavailable::IssuerKeys));
        }
        let mut single = None;
        if let Some(nonce) = &presented.parameters.nonce {
            let made = created(&presented).map_err(refuse)?;
            let proof = Single { digest: sha256(nonce.as_bytes()), owner: [0; 16], made, lasts: self.max_age };
            self.first(known.nonces.take(&proof, now))?;
            single = Some((Arc::clone(&known.nonces), proof));
        }
        Ok((Proof { principal: Arc::clone(&known.principal), body }, single))
    }

    fn first(&self, use_of_nonce: Once) -> Result<(), Denial> {
        match use_of_nonce {
            Once::First => Ok(()),
            Once::Again => Err(Denial::Unauthenticated(AuthnFault::Replay)),
            Once::Full => Err(Denial::RateExceeded(self.max_age)),
        }
    }

    /// The `keyid` of the signature that is looked at, proved or not.
    pub(super) fn claimed(&self, request: &RequestView<'_>) -> Option<String> {
        self.presented(request).ok()?.parameters.keyid
    }

    fn presented(&self, request: &RequestView<'_>) -> Result<Presented, AuthnFault> {
        let field = |name| only_line(request, name).map_err(|none| none.unwrap_or(AuthnFault::Malformed));
        input::parse(field(&SIGNATURE_INPUT)?, field(&SIGNATURE)?, self.label.as_deref())
    }

    fn prove(
        &self,
        request: &RequestView<'_>,
        now: SystemTime,
    ) -> Result<(&Known, Presented, Option<BodyDigest>), AuthnFault> {
        let presented = self.presented(request)?;
        let keyid = presented.parameters.keyid.as_deref().ok_or(AuthnFault::Claim)?;
        let known = self.keys.get(keyid).ok_or(AuthnFault::UnknownKey)?;
        // The key says which algorithm it is for; a signature may repeat it and nothing else.
        let alg = presented.parameters.alg.as_deref().map(SignatureAlgorithm::parse);
        if alg.is_some_and(|alg| alg != Some(known.key.algorithm())) {
            return Err(AuthnFault::Algorithm);
        }
        self.check_parameters(&presented, now)?;
        self.check_coverage(&presented, request)?;
        let base = base::signature_base(&presented, request)?;
        if !known.key.verify(base.as_bytes(), &presented.signature) {
            return Err(AuthnFault::Signature);
        }
        if known.principal.expires.is_some_and(|end| now >= end) {
            return Err(AuthnFault::Expired);
        }
        if known.networks.as_ref().is_some_and(|networks| !networks.contains(request.client)) {
            return Err(AuthnFault::Network);
        }
        let body = signed_body(&presented, request)?;
        Ok((known, presented, body))
    }

    fn check_parameters(&self, presented: &Presented, now: SystemTime) -> Result<(), AuthnFault> {
        let parameters = &presented.parameters;
        let created = created(presented)?;
        if created > now + self.leeway {
            return Err(AuthnFault::NotYetValid);
        }
        if now.duration_since(created).is_ok_and(|age| age > self.max_age) {
            return Err(AuthnFault::Expired);
        }
        if let Some(expires) = parameters.expires
            && now >= at(expires)?
        {
            return Err(AuthnFault::Expired);
        }
        let is_tagged = self.tag.is_none() || self.tag == parameters.tag;
        let has_nonce = parameters.nonce.is_some() || !self.nonce_required;
        if is_tagged && has_nonce { Ok(()) } else { Err(AuthnFault::Claim) }
    }

    fn check_coverage(&self, presented: &Presented, request: &RequestView<'_>) -> Result<(), AuthnFault> {
        let is_covered =
            |required: &String| presented.components.iter().any(|component| base::implies(&component.name, required));
        let is_about_body = |required: &String| required == CONTENT_DIGEST.as_str();
        let mut required = self.components.iter().filter(|required| request.has_body || !is_about_body(required));
        if required.all(is_covered) { Ok(()) } else { Err(AuthnFault::Component) }
    }
}

/// When the signature was made, as it says.
fn created(presented: &Presented) -> Result<SystemTime, AuthnFault> {
    at(presented.parameters.created.ok_or(AuthnFault::Claim)?)
}

fn at(seconds: u64) -> Result<SystemTime, AuthnFault> {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).ok_or(AuthnFault::Malformed)
}

impl Known {
    fn new(entry: SignatureKeyEntry, authenticator: &Name) -> Result<Self, HttpSignatureFault> {
        let SignatureKeyEntry { id, key, place, nonces, owner, roles, scopes, kind, expires, networks } = entry;
        let is_id = (1..=input::MAX_TEXT).contains(&id.len()) && id.bytes().all(|b| matches!(b, b' '..=b'~'));
        if !is_id {
            return Err(HttpSignatureFault::KeyId(id));
        }
        if !Principal::is_valid_id(&owner) {
            return Err(HttpSignatureFault::Owner(id));
        }
        if networks.as_ref().is_some_and(NetworkSet::is_empty) {
            return Err(HttpSignatureFault::NoNetwork(id));
        }
        let name = Some(id.into());
        let principal = Principal {
            roles,
            scopes,
            expires,
            key: name,
            networks: networks.clone(),
            ..Principal::new(authenticator.clone(), kind, owner)
        };
        Ok(Self { key, place, nonces, principal: Arc::new(principal), networks })
    }
}

fn check(settings: &HttpSignatureSettings) -> Result<(), HttpSignatureFault> {
    if settings.components.is_empty() {
        return Err(HttpSignatureFault::NoComponents);
    }
    for component in &settings.components {
        let is_field = || HeaderName::from_bytes(component.as_bytes()).is_ok_and(|name| name.as_str() == component);
        let is_derived = base::DERIVED.contains(&component.as_str()) && component != "@query-param";
        if !is_derived && !is_field() {
            return Err(HttpSignatureFault::Component(component.clone()));
        }
    }
    let is_age = !settings.max_age.is_zero() && settings.max_age <= HttpSignature::MAX_AGE;
    if !is_age || settings.leeway > HttpSignature::MAX_LEEWAY {
        return Err(HttpSignatureFault::Time);
    }
    let is_text =
        |text: &String| (1..=input::MAX_TEXT).contains(&text.len()) && text.bytes().all(|b| matches!(b, b' '..=b'~'));
    let is_tag = settings.tag.as_ref().is_none_or(is_text);
    // The key of a dictionary: others are in no `Signature-Input` (RFC 9651 §3.2).
    let is_label = settings.label.as_ref().is_none_or(|label| is_text(label) && structured::is_key(label));
    if is_tag && is_label { Ok(()) } else { Err(HttpSignatureFault::Text) }
}

/// The one line of a field. Lines would be joined to one text (RFC 9110 §5.3), and whoever adds one would change it: two are one too many.
///
/// # Errors
/// [`AuthnFault::Several`], or nothing where there is no line.
fn only_line<'a>(request: &RequestView<'a>, name: &HeaderName) -> Result<&'a [u8], Option<AuthnFault>> {
    let mut lines = request.headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => Ok(line.as_bytes()),
        (Some(_), Some(_)) => Err(Some(AuthnFault::Several)),
        (None, _) => Err(None),
    }
}

/// What the body must come to, where the signature says it. A request without a body is judged here, since nothing else of it comes.
fn signed_body(presented: &Presented, request: &RequestView<'_>) -> Result<Option<BodyDigest>, AuthnFault> {
    if !presented.components.iter().any(|component| component.name == CONTENT_DIGEST.as_str()) {
        return Ok(None);
    }
    let field = only_line(request, &CONTENT_DIGEST).map_err(|_| AuthnFault::Digest)?;
    let digest = BodyDigest::parse(field)?;
    match (request.has_body, digest.is_of_nothing()) {
        (true, _) => Ok(Some(digest)),
        (false, true) => Ok(None),
        (false, false) => Err(AuthnFault::Digest),
    }
}

impl fmt::Display for HttpSignatureFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoComponents => f.write_str("a signature that covers nothing proves nothing"),
            Self::Component(name) => write!(f, "`{name}` is no component that a signature can be asked to cover"),
            Self::Time => f.write_str("`max_age` is at most 5m and not zero, `leeway` at most 30s"),
            Self::Text => f.write_str("`label` is 1 to 256 lower-case letters, digits, `_`, `-`, `.`, `*`, and begins with a letter; `tag` is 1 to 256 visible characters"),
            Self::KeyId(id) => write!(f, "`{id}` is no `keyid`: 1 to 256 visible characters"),
            Self::Owner(id) => write!(f, "the owner of key `{id}` is no valid id"),
            Self::NoNetwork(id) => write!(f, "key `{id}` may be used from no network at all"),
        }
    }
}

impl std::error::Error for HttpSignatureFault {}
