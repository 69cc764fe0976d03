//! Where an issuer's keys come from, and how they are kept fresh.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use jsonwebtoken::DecodingKey;
use serde_json::Value;

use crate::crypto::sha256;
use crate::domain::Secret;
use crate::net::{Client, Fetched, Fresh, NetError, Pace, Refreshed};

use super::alg::{Alg, Algs, Family};
use super::client_auth::LiveSecret;
use super::json::parse_object;
use super::jwks::{JwksFault, KeySet};
use super::key::{self, Key};

/// Where the keys are that prove an issuer's tokens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeySource {
    /// One public key in PEM, for one algorithm. The token's `kid` does not matter.
    Pem {
        /// A `PUBLIC KEY`, `RSA PUBLIC KEY` or `CERTIFICATE` block.
        text: String,
        /// The algorithm.
        alg: Alg,
    },
    /// One key shared with the issuer, for one HMAC algorithm. The token's `kid` does not matter.
    Secret {
        /// The key, at least as long as the algorithm's digest (RFC 7518 §3.2).
        key: SharedKey,
        /// The algorithm.
        alg: Alg,
    },
    /// A file with a JWK set, read anew every 10 s.
    JwksFile(PathBuf),
    /// The URL of a JWK set.
    JwksUrl(String),
    /// The JWK set that the issuer's discovery document names (OpenID Connect Discovery 1.0 §4).
    Discovery,
}

impl KeySource {
    /// Whether the keys come over the network.
    pub(super) fn is_url(&self) -> bool {
        match self {
            Self::JwksUrl(_) | Self::Discovery => true,
            Self::Pem { .. } | Self::Secret { .. } | Self::JwksFile(_) => false,
        }
    }
}

/// A key shared with an issuer, equal to another by its digest and its place.
#[derive(Debug, Clone)]
pub struct SharedKey {
    secret: Arc<Secret>,
    digest: Digest,
    place: Option<LiveSecret>,
}

/// Not shown: whoever guesses a weak key could check the guess against it.
#[derive(Clone)]
struct Digest([u8; 32]);

impl SharedKey {
    /// Takes the key, which proves nothing from the moment on at which its vault withdraws it.
    pub fn new(secret: Arc<Secret>, place: Option<LiveSecret>) -> Self {
        Self { digest: Digest(sha256(secret.expose())), secret, place }
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl PartialEq for SharedKey {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.digest.0, &other.digest.0).is_ok() && self.place == other.place
    }
}

impl Eq for SharedKey {}

impl Hash for SharedKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.0.hash(state);
    }
}

/// Why keys could not be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFault {
    /// The PEM text is no public key that fits the algorithm: wrong type, unsafe size, or private.
    Pem,
    /// The algorithm does not go with the source: HMAC needs a shared key, and nothing else may have one.
    Algorithm,
    /// The shared key is shorter than the algorithm's digest.
    ShortSecret,
    /// The file cannot be read, or is larger than 1 MiB.
    File,
    /// The call failed.
    Net(NetError),
    /// The discovery document is not one JSON object with `issuer` and `jwks_uri`.
    Discovery,
    /// The discovery document speaks for another issuer.
    Issuer,
    /// What came is not a key set.
    Jwks(JwksFault),
}

impl From<NetError> for KeyFault {
    fn from(error: NetError) -> Self {
        Self::Net(error)
    }
}

impl From<JwksFault> for KeyFault {
    fn from(fault: JwksFault) -> Self {
        Self::Jwks(fault)
    }
}

/// The keys of one issuer as they are now.
pub(super) enum Keys {
    /// One key from the configuration; tokens need not name it. Of one from a vault, the place where it must still be.
    Fixed(Arc<KeySet>, Option<LiveSecret>),
    /// A set that its source may replace.
    Fetched(Refreshed<KeySet, KeyFault>),
}

/// Keys serve four hours after their source went away: tokens outlive an outage of their issuer by less.
const MAX_STALE: Duration = Duration::from_secs(4 * 3600);
const URL_PACE: Pace = Pace {
    interval: Duration::from_secs(300),
    shortest: Duration::from_secs(60),
    longest: Duration::from_secs(3600),
    max_stale: MAX_STALE,
};
const FILE_PACE: Pace = Pace {
    interval: Duration::from_secs(10),
    shortest: Duration::from_secs(10),
    longest: Duration::from_secs(10),
    max_stale: MAX_STALE,
};
const MAX_FILE: u64 = 1 << 20;

/// No source may ask to be left alone for longer than was configured.
fn url_pace(refresh: Option<Duration>) -> Pace {
    refresh.map_or(URL_PACE, |every| Pace {
        interval: every,
        shortest: every.min(URL_PACE.shortest),
        longest: every,
        ..URL_PACE
    })
}

impl Keys {
    /// The keys from this source. A file is read here, so that one which cannot be read is found at once; URLs are
    /// judged and not called yet.
    pub(super) fn new(
        source: &KeySource,
        issuer: &str,
        refresh: Option<Duration>,
        allowed: Algs,
        client: &Arc<Client>,
    ) -> Result<Self, KeyFault> {
        let (client, pace) = (Arc::clone(client), url_pace(refresh));
        match source {
            KeySource::Pem { text, alg } => {
                let key = key::pem(text, *alg).ok_or(KeyFault::Pem)?;
                Self::fixed(*alg, allowed, key, None)
            }
            KeySource::Secret { key, alg } => {
                if alg.family() != Family::Hmac {
                    return Err(KeyFault::Algorithm);
                }
                let secret = key.secret.expose();
                if secret.len() < alg.shortest_shared_key() {
                    return Err(KeyFault::ShortSecret);
                }
                Self::fixed(*alg, Algs::of([*alg]), DecodingKey::from_secret(secret), key.place.clone())
            }
            KeySource::JwksFile(path) => {
                let first = read_set(path, allowed)?;
                let path = path.clone();
                let fetch = move || {
                    let path = path.clone();
                    async move {
                        let read = tokio::task::spawn_blocking(move || read_set(&path, allowed));
                        read.await.unwrap_or(Err(KeyFault::File))
                    }
                };
                Ok(Self::Fetched(Refreshed::new(FILE_PACE, fetch).holding(first)))
            }
            KeySource::JwksUrl(url) => {
                client.check(url)?;
                let url = url.clone();
                Ok(Self::Fetched(Refreshed::new(pace, move || {
                    let (client, url) = (Arc::clone(&client), url.clone());
                    async move { fresh(&client.get_json_bytes(&url).await?, allowed) }
                })))
            }
            KeySource::Discovery => {
                client.check(issuer)?;
                let issuer: Arc<str> = issuer.into();
                Ok(Self::Fetched(Refreshed::new(pace, move || {
                    discover(Arc::clone(&client), Arc::clone(&issuer), allowed)
                })))
            }
        }
    }

    fn fixed(alg: Alg, allowed: Algs, decoding: DecodingKey, place: Option<LiveSecret>) -> Result<Self, KeyFault> {
        let algs = Algs::of([alg]).intersection(allowed);
        let key = Key::new(None, algs, decoding).ok_or(KeyFault::Algorithm)?;
        Ok(Self::Fixed(Arc::new(KeySet::single(key)), place))
    }

    /// The set as it is now; none before the first fetch, when the source is away for too long, and when the vault has withdrawn the key.
    pub(super) fn current(&self) -> Option<Arc<KeySet>> {
        match self {
            Self::Fixed(set, place) => place.as_ref().is_none_or(LiveSecret::is_there).then(|| Arc::clone(set)),
            Self::Fetched(set) => set.current(),
        }
    }
}

/// The key set by way of the issuer's own document, which must speak for exactly this issuer (OpenID Connect Discovery 1.0 §4.3).
async fn discover(client: Arc<Client>, issuer: Arc<str>, allowed: Algs) -> Result<Fresh<KeySet>, KeyFault> {
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let document = parse_object(&client.get_json_bytes(&url).await?.body).ok_or(KeyFault::Discovery)?;
    let text = |name: &str| document.get(name).and_then(Value::as_str).ok_or(KeyFault::Discovery);
    if text("issuer")? != &*issuer {
        return Err(KeyFault::Issuer);
    }
    fresh(&client.get_json_bytes_found(text("jwks_uri")?, &url).await?, allowed)
}

fn fresh(fetched: &Fetched, allowed: Algs) -> Result<Fresh<KeySet>, KeyFault> {
    Ok(Fresh { value: KeySet::parse(&fetched.body, allowed)?, max_age: fetched.max_age })
}

fn read_set(path: &Path, allowed: Algs) -> Result<Fresh<KeySet>, KeyFault> {
    let file = std::fs::File::open(path).map_err(|_| KeyFault::File)?;
    let mut body = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut body).map_err(|_| KeyFault::File)?;
    if body.len() as u64 > MAX_FILE {
        return Err(KeyFault::File);
    }
    Ok(Fresh { value: KeySet::parse(&body, allowed)?, max_age: None })
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pem => "the PEM text is no public key of the sort and size that the algorithm needs",
            Self::Algorithm => "the algorithm does not go with this source of keys",
            Self::ShortSecret => "the shared key is shorter than the algorithm's digest",
            Self::File => "the file cannot be read or is larger than 1 MiB",
            Self::Net(error) => return error.fmt(f),
            Self::Discovery => "the discovery document is not one JSON object with `issuer` and `jwks_uri`",
            Self::Issuer => "the discovery document speaks for another issuer",
            Self::Jwks(fault) => return fault.fmt(f),
        })
    }
}

impl std::error::Error for KeyFault {}
