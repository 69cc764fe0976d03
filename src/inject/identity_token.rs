//! Who the caller is, told to the upstream in a token that the gateway signs: whoever gets it can prove it with the published keys.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwapOption;
use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

use crate::authz::Permit;
use crate::crypto::{SigningKey, tag};
use crate::domain::{Denial, HostPattern, Principal, Recent, Secret, Unavailable, seconds};
use crate::vault::Slot;

/// The gateway as an issuer of tokens about its callers.
pub struct Issuer {
    settings: IssuerSettings,
    keys: ArcSwapOption<Keys>,
    minted: Recent<16, Minted>,
}

/// What an issuer is made from.
pub struct IssuerSettings {
    /// The `iss` of its tokens.
    pub issuer: String,
    /// The host that its keys are published on.
    pub host: HostPattern,
    /// The path of its key set, in normal form.
    pub path: String,
    /// How long a token lives, unless what proved the caller ends before.
    pub lifetime: Duration,
    /// The key that signs.
    pub key: Arc<Slot>,
    /// Keys that are published and do not sign: the last, and the next.
    pub other_keys: Vec<Arc<Slot>>,
}

/// The keys as they were when they had these versions.
struct Keys {
    versions: Vec<u64>,
    signer: Option<SigningKey>,
    set: Arc<str>,
}

struct Minted {
    value: HeaderValue,
    from: SystemTime,
    /// Until when it is handed out again.
    until: SystemTime,
}

/// The token of one route: the header that it stands in, and whom it is for.
#[derive(Debug)]
pub struct IdentityToken {
    issuer: Arc<Issuer>,
    header: HeaderName,
    audience: String,
}

/// The `typ` of tokens, by which nobody takes one for a token of another sort (RFC 8725 §3.11).
pub const TYPE: &str = "claviger-identity+jwt";
/// The longest token, in bytes: targets take no longer header.
const MAX_TOKEN: usize = 8 * 1024;
/// How many tokens are remembered.
const MAX_MINTED: usize = 65_536;

const AWAY: Denial = Denial::Unavailable(Unavailable::Credential);

impl Issuer {
    /// The longest lifetime of a token.
    pub const MAX_LIFETIME: Duration = Duration::from_secs(600);
    /// The shortest.
    pub const MIN_LIFETIME: Duration = Duration::from_secs(1);

    /// An issuer. Its keys are looked for at each use, as every secret is.
    pub fn new(settings: IssuerSettings) -> Self {
        Self { settings, keys: ArcSwapOption::empty(), minted: Recent::new(MAX_MINTED) }
    }

    /// Whether a request for this host and path asks for the key set.
    pub fn publishes(&self, host: &str, path: &str) -> bool {
        path == self.settings.path && matches!(&self.settings.host, HostPattern::Exact(own) if own == host)
    }

    /// The key set (RFC 7517 §5), with public keys alone.
    ///
    /// # Errors
    /// [`Unavailable::Credential`] while the key that signs cannot be had or is none. Others that are not there are left out.
    pub fn key_set(&self, now: Instant) -> Result<Arc<str>, Denial> {
        self.keys(now).map(|keys| Arc::clone(&keys.set))
    }

    fn keys(&self, now: Instant) -> Result<Arc<Keys>, Denial> {
        let slots = || [&self.settings.key].into_iter().chain(&self.settings.other_keys);
        let secrets: Vec<_> = slots().map(|slot| slot.load_at(now).ok()).collect();
        let versions = secrets.iter().map(|secret| secret.as_ref().map_or(0, |(version, _)| *version));
        let keys = match self.keys.load_full() {
            Some(keys) if versions.clone().eq(keys.versions.iter().copied()) => keys,
            _ => {
                let read = slots()
                    .zip(&secrets)
                    .map(|(slot, secret)| read(slot, secret.as_ref().map(|(_, secret)| &**secret)));
                let mut all: Vec<_> = read.collect();
                let set: Vec<_> = all.iter().flatten().map(SigningKey::jwk).collect();
                let set = format!(r#"{{"keys":[{}]}}"#, set.join(",")).into();
                // Remembered also where the first is none, so that each version is read and complained of once.
                let keys = Arc::new(Keys { versions: versions.collect(), signer: all.swap_remove(0), set });
                self.keys.store(Some(Arc::clone(&keys)));
                keys
            }
        };
        if keys.signer.is_some() { Ok(keys) } else { Err(AWAY) }
    }

    /// A token about a principal for this audience: it ends with what proved them, if not before.
    ///
    /// # Errors
    /// [`Unavailable::Credential`] while the key cannot be had or is none, and where the proof has ended.
    pub(super) fn token(&self, principal: &Principal, audience: &str, now: SystemTime) -> Result<HeaderValue, Denial> {
        if principal.expires.is_some_and(|end| end <= now) {
            return Err(AWAY);
        }
        self.mint(self.claims(principal, audience), principal.expires, now)
    }

    /// A token with these claims and times of its own; one that was made before, while half of its life is left.
    fn mint(
        &self,
        mut claims: Map<String, Value>,
        end: Option<SystemTime>,
        now: SystemTime,
    ) -> Result<HeaderValue, Denial> {
        let keys = self.keys(Instant::now())?;
        let signer = keys.signer.as_ref().ok_or(AWAY)?;
        let said = Value::Object(claims.clone()).to_string();
        let ends = end.map(seconds).unwrap_or_default().to_be_bytes();
        let key = tag(&[signer.kid().as_bytes(), &ends, said.as_bytes()].concat());
        let again =
            self.minted.find(&key, |minted| (minted.from <= now && now < minted.until).then(|| minted.value.clone()));
        if let Some(value) = again {
            return Ok(value);
        }
        let exp = now.checked_add(self.settings.lifetime).ok_or(AWAY)?;
        let exp = end.map_or(exp, |end| exp.min(end));
        claims.insert("iat".to_owned(), seconds(now).into());
        claims.insert("exp".to_owned(), seconds(exp).into());
        let token = signer.token(TYPE, claims).map_err(|_| AWAY)?;
        if token.len() > MAX_TOKEN {
            log::error!("a caller has too many roles for a token of {MAX_TOKEN} bytes");
            return Err(AWAY);
        }
        let mut value = HeaderValue::try_from(token).map_err(|_| AWAY)?;
        value.set_sensitive(true);
        let until = now + exp.duration_since(now).unwrap_or_default() / 2;
        self.minted.keep(key, Minted { value: value.clone(), from: now, until });
        Ok(value)
    }

    /// What is said of a principal, but for times.
    pub(super) fn claims(&self, principal: &Principal, audience: &str) -> Map<String, Value> {
        let mut claims = Map::new();
        let mut claim = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        claim("iss", self.settings.issuer.as_str().into());
        // The id alone could be somebody else's, whom another authenticator proves.
        claim("sub", principal.name().into());
        claim("aud", audience.into());
        claim("kind", principal.kind.text().into());
        claim("roles", principal.own_roles().map(Value::from).collect());
        // One with a blank in it would be read as two (RFC 6749 §3.3).
        let scopes: Vec<_> =
            principal.scopes.iter().map(|scope| &**scope).filter(|scope| !scope.contains(' ')).collect();
        if !scopes.is_empty() {
            claim("scope", scopes.join(" ").into());
        }
        if let Some(actor) = &principal.actor {
            claim("act", json!({ "sub": &**actor }));
        }
        claims
    }
}

impl IdentityToken {
    /// The token in this header for this audience.
    pub fn new(issuer: Arc<Issuer>, header: HeaderName, audience: String) -> Self {
        Self { issuer, header, audience }
    }

    /// The header. The client's own is taken off whatever becomes of this one.
    pub fn header(&self) -> &HeaderName {
        &self.header
    }

    /// The header's value for an authorized request: it ends with what proved the caller, if not before.
    ///
    /// # Errors
    /// [`Unavailable::Credential`] while the key cannot be had or is none.
    pub fn mint(&self, permit: &Permit, now: SystemTime) -> Result<HeaderValue, Denial> {
        self.issuer.token(permit.principal(), &self.audience, now)
    }
}

/// One of the keys, if it is there and is one.
fn read(slot: &Slot, secret: Option<&Secret>) -> Option<SigningKey> {
    let key = SigningKey::from_pem(secret?);
    key.inspect_err(|fault| log::error!("secret {}: {fault}", slot.name())).ok()
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let IssuerSettings { issuer, path, lifetime, .. } = &self.settings;
        f.debug_struct("Issuer")
            .field("issuer", issuer)
            .field("path", path)
            .field("lifetime", lifetime)
            .finish_non_exhaustive()
    }
}
