//! Tokens that an issuer signs (RFC 7519, RFC 8725, RFC 9068).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;

use crate::domain::{AuthnFault, Denial, Name, Principal, PrincipalKind, Unavailable};
use crate::net::Client;

use super::alg::{Alg, Algs, Family};
use super::claims::{self, Proof};
use super::facts::{Fact, Facts};
use super::keys::{KeyFault, KeySource, Keys};
use super::token::Token;

/// What an `[authn.NAME.jwt]` demands of a token and takes from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtSettings {
    /// The NAME.
    pub name: Name,
    /// What `iss` must be, to the letter.
    pub issuer: String,
    /// `aud` must name one of these; at least one.
    pub audiences: Vec<String>,
    /// The algorithms taken; none means every asymmetric one.
    pub algorithms: Vec<Alg>,
    /// Where the keys are.
    pub keys: KeySource,
    /// How often they are fetched again from a URL, at least [`JwtSettings::SHORTEST_REFRESH`] and at most [`JwtSettings::LONGEST_REFRESH`]: so long
    /// one that the issuer took back may prove tokens. None for five minutes, or what the issuer's `Cache-Control` says, 1 min to 1 h.
    pub keys_refresh: Option<Duration>,
    /// How far this clock and the issuer's may differ; at most [`JwtSettings::MAX_LEEWAY`].
    pub leeway: Duration,
    /// What `typ` may be, without regard to case and with or without `application/`; none means unchecked.
    pub types: Vec<String>,
    /// The claim that is the principal's id.
    pub id_claim: String,
    /// The claim that names roles, or a dotted path to it.
    pub roles_claim: Option<String>,
    /// The claim that names scopes.
    pub scopes_claim: String,
    /// What role names have to begin with to count; the rest of the name is the role. None means every name counts, as it is.
    pub roles_prefix: Option<String>,
    /// What sort of caller a token stands for.
    pub kind: KindSource,
    /// Whether only access tokens of RFC 9068 are taken: of its type, and with every claim that its §2.2 requires.
    pub is_access_token_profile: bool,
    /// Whether proofs of possession have to hold a nonce that was given out here (RFC 9449 §9).
    pub is_nonce_needed: bool,
}

/// How it is known what sort of caller a token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KindSource {
    /// All tokens stand for this one.
    Fixed(PrincipalKind),
    /// By the text of this claim, or of the one that a dotted path leads to: `human`, `service` or `agent`.
    Claim(String),
}

impl JwtSettings {
    /// The largest leeway.
    pub const MAX_LEEWAY: Duration = Duration::from_secs(30);
    /// The shortest time after which keys are fetched again.
    pub const SHORTEST_REFRESH: Duration = Duration::from_secs(1);
    /// The longest.
    pub const LONGEST_REFRESH: Duration = Duration::from_hours(1);
}

impl Hash for JwtSettings {
    /// By what tells settings apart in practice; equality looks at everything.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.issuer.hash(state);
        self.keys.hash(state);
    }
}

/// Why settings make no authenticator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwtFault {
    /// The issuer is empty.
    NoIssuer,
    /// There is no audience, or an empty one.
    NoAudience,
    /// The leeway is above [`JwtSettings::MAX_LEEWAY`].
    Leeway,
    /// Keys that are not fetched from a URL, or not between [`JwtSettings::SHORTEST_REFRESH`] and [`JwtSettings::LONGEST_REFRESH`].
    Refresh,
    /// The keys cannot be had, or do not go with the algorithms.
    Keys(KeyFault),
}

/// An authenticator for one issuer's tokens, with its keys and what they proved.
pub struct Jwt {
    settings: JwtSettings,
    allowed: Algs,
    keys: Keys,
    /// Why the keys could not be fetched, the last time.
    trouble: ArcSwapOption<KeyFault>,
    facts: Facts<16>,
}

/// The most verified tokens that are remembered for one issuer.
const MAX_FACTS: usize = 100_000;
/// The longest that a verified token is not verified again.
const MAX_FACT_AGE: Duration = Duration::from_secs(3600);
/// The type of access tokens (RFC 9068 §2.1).
const ACCESS_TOKEN: &str = "at+jwt";

impl Jwt {
    /// An authenticator under these settings. Its keys are fetched later where they have to be.
    ///
    /// # Errors
    /// One [`JwtFault`] per way in which settings can be unsafe or useless.
    pub fn new(settings: JwtSettings, client: &Arc<Client>) -> Result<Self, JwtFault> {
        if settings.issuer.is_empty() {
            return Err(JwtFault::NoIssuer);
        }
        if settings.audiences.is_empty() || settings.audiences.iter().any(String::is_empty) {
            return Err(JwtFault::NoAudience);
        }
        if settings.leeway > JwtSettings::MAX_LEEWAY {
            return Err(JwtFault::Leeway);
        }
        let allowed = allowed(&settings).map_err(JwtFault::Keys)?;
        let refresh = settings.keys_refresh;
        let range = JwtSettings::SHORTEST_REFRESH..=JwtSettings::LONGEST_REFRESH;
        if refresh.is_some_and(|every| !settings.keys.is_url() || !range.contains(&every)) {
            return Err(JwtFault::Refresh);
        }
        let keys = Keys::new(&settings.keys, &settings.issuer, refresh, allowed, client).map_err(JwtFault::Keys)?;
        Ok(Self { settings, allowed, keys, trouble: ArcSwapOption::empty(), facts: Facts::new(MAX_FACTS) })
    }

    /// Takes over the keys of another one, where they are from the same source and for the same algorithms; they grow old as they would have.
    pub(super) fn inherit(&self, other: &Self) {
        let is_same = self.settings.keys == other.settings.keys
            && self.settings.issuer == other.settings.issuer
            && self.allowed == other.allowed;
        if let (true, Keys::Fetched(own), Keys::Fetched(known)) = (is_same, &self.keys, &other.keys) {
            own.inherit(known);
        }
    }

    /// The NAME of its `[authn.NAME]`.
    pub fn name(&self) -> &Name {
        &self.settings.name
    }

    /// The issuer whose tokens it takes.
    pub fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// Whether proofs for its tokens have to hold a nonce.
    pub(super) fn needs_nonce(&self) -> bool {
        self.settings.is_nonce_needed
    }

    /// Whether it has keys to prove tokens with.
    pub fn is_ready(&self) -> bool {
        self.keys.current().is_some_and(|keys| !keys.is_empty())
    }

    /// Whether it is time to call [`Self::refresh`].
    pub(super) fn is_due(&self) -> bool {
        match &self.keys {
            Keys::Fixed(..) => false,
            Keys::Fetched(keys) => keys.is_due(),
        }
    }

    /// Fetches the keys anew, where they come from elsewhere. The set that comes replaces the last; what lost keys proved is void.
    pub(super) async fn refresh(&self) -> Result<(), KeyFault> {
        match &self.keys {
            Keys::Fixed(..) => Ok(()),
            Keys::Fetched(keys) => {
                let fetched = keys.refresh().await;
                self.trouble.store(fetched.as_ref().err().cloned().map(Arc::new));
                fetched
            }
        }
    }

    /// Why its keys could not be fetched, the last time that it was tried; those that it had before may serve on.
    pub fn trouble(&self) -> Option<Arc<KeyFault>> {
        self.trouble.load_full()
    }

    /// Where its keys are fetched from.
    pub(super) fn source(&self) -> String {
        match &self.settings.keys {
            KeySource::JwksFile(path) => path.display().to_string(),
            KeySource::JwksUrl(url) => url.clone(),
            KeySource::Discovery => self.settings.issuer.clone(),
            KeySource::Pem { .. } | KeySource::Secret { .. } => "the configuration".to_owned(),
        }
    }

    /// The principal of a token that was verified before, by its tag.
    pub(super) fn recall(&self, token: &[u8; 16], now: SystemTime) -> Option<Arc<Principal>> {
        let keys = self.keys.current()?;
        self.facts.find(token, now, |key| keys.holds(key))
    }

    /// Verifies a token of this tag: key and signature first, so that what a record says of its claims is true.
    pub(super) fn verify(&self, token: &Token<'_>, tag: [u8; 16], now: SystemTime) -> Result<Arc<Principal>, Denial> {
        let keys = self.keys.current().ok_or(Denial::Unavailable(Unavailable::IssuerKeys))?;
        self.check_head(token).map_err(Denial::Unauthenticated)?;
        let kid = token.kid().map_err(Denial::Unauthenticated)?;
        let (named, source) = match &self.keys {
            Keys::Fixed(..) => (None, None),
            Keys::Fetched(source) => (kid, Some(source)),
        };
        let key = keys.pick(named, token.alg).map_err(|fault| {
            if let (AuthnFault::UnknownKey, Some(source)) = (fault, source) {
                source.poke();
            }
            Denial::Unauthenticated(fault)
        })?;
        key.verify(token).map_err(Denial::Unauthenticated)?;
        let proof = claims::check(&self.settings, &token.claims, key.kid(), now).map_err(Denial::Unauthenticated)?;
        Ok(self.remember(tag, proof, *key.id(), now))
    }

    /// What of the header does not need a key.
    fn check_head(&self, token: &Token<'_>) -> Result<(), AuthnFault> {
        if !self.allowed.contains(token.alg) {
            return Err(AuthnFault::Algorithm);
        }
        let JwtSettings { types, is_access_token_profile, .. } = &self.settings;
        if *is_access_token_profile && !token.typ().is_some_and(|typ| bare(typ).eq_ignore_ascii_case(ACCESS_TOKEN)) {
            return Err(AuthnFault::Type);
        }
        let is_taken = |typ: &str| types.iter().any(|taken| bare(taken).eq_ignore_ascii_case(bare(typ)));
        if types.is_empty() || token.typ().is_some_and(is_taken) { Ok(()) } else { Err(AuthnFault::Type) }
    }

    fn remember(&self, tag: [u8; 16], proof: Proof, key: [u8; 32], now: SystemTime) -> Arc<Principal> {
        let Proof { principal, from, until } = proof;
        let until = now.checked_add(MAX_FACT_AGE).map_or(until, |cap| until.min(cap));
        self.facts.keep(tag, Fact { principal: Arc::clone(&principal), from, until, key });
        principal
    }
}

/// The algorithms that the settings leave. A shared key and published keys never meet: that is how the one was taken for the other.
fn allowed(settings: &JwtSettings) -> Result<Algs, KeyFault> {
    let listed = &settings.algorithms;
    let (own, is_shared) = match &settings.keys {
        KeySource::Secret { alg, .. } => (Some(*alg), true),
        KeySource::Pem { alg, .. } => (Some(*alg), false),
        KeySource::JwksFile(_) | KeySource::JwksUrl(_) | KeySource::Discovery => (None, false),
    };
    let goes_with_source = |alg: &Alg| (alg.family() == Family::Hmac) == is_shared;
    let own_is_listed = own.is_none_or(|own| listed.is_empty() || listed.contains(&own));
    if !listed.iter().chain(own.as_ref()).all(goes_with_source) || !own_is_listed {
        return Err(KeyFault::Algorithm);
    }
    Ok(match own {
        Some(own) => Algs::of([own]),
        None if listed.is_empty() => Algs::asymmetric(),
        None => Algs::of(listed.iter().copied()),
    })
}

/// A media type without the `application/` that RFC 7515 §4.1.9 lets one leave out.
fn bare(typ: &str) -> &str {
    const PREFIX: &str = "application/";
    match typ.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
        Some(_) | None => typ,
    }
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwt").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl fmt::Display for JwtFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoIssuer => "an issuer is needed",
            Self::NoAudience => "at least one audience is needed, and none may be empty",
            Self::Leeway => "the leeway is at most 30 s",
            Self::Refresh => "keys from a URL are fetched again every second at the most, every hour at the least, and others not at all",
            Self::Keys(fault) => return fault.fmt(f),
        })
    }
}

impl std::error::Error for JwtFault {}
