//! API keys of the proxy's own: `clv_`, 12 letters or digits that name the key, `_`, and 43 more that prove it. Only the
//! SHA-256 of a key is known here.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderName;

use crate::crypto::{ApiKeyRecord, api_key, sha256};
use crate::domain::{AuthnFault, Name, NetworkSet, Principal, PrincipalKind};

/// What an `[authn.NAME.api_key]` knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeySettings {
    /// The NAME.
    pub name: Name,
    /// The header that holds the key and nothing else; none means `Authorization: Bearer`.
    pub header: Option<HeaderName>,
    /// The keys.
    pub keys: Vec<ApiKeyEntry>,
}

/// One key, by what may be known of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKeyEntry {
    /// What the operator calls it.
    pub label: Name,
    /// Its public prefix and its digest. The secret's 256 bits leave nothing to guess, so no slow hash is needed.
    pub record: ApiKeyRecord,
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
    /// Whose sessions end when it is used, where it is a decoy that proves nobody.
    pub canary: Option<Vec<(Name, String)>>,
}

/// A key that was left where only a thief finds it.
#[derive(Debug, PartialEq, Eq)]
pub struct CanaryKey {
    /// What it is called: `AUTHENTICATOR:LABEL`.
    pub name: String,
    /// Whose sessions end when it is used, by authenticator and id.
    pub revokes: Vec<(Name, String)>,
}

/// Why settings make no authenticator; with the label of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiKeyFault {
    /// Another key has the same prefix.
    SamePrefix(Name),
    /// The owner is no valid id.
    Owner(Name),
    /// The set of networks is empty, so that the key could never be used.
    NoNetwork(Name),
}

/// An authenticator by API keys.
pub struct ApiKeys {
    name: Name,
    header: Option<HeaderName>,
    keys: HashMap<Box<str>, Known, ahash::RandomState>,
}

struct Known {
    record: ApiKeyRecord,
    principal: Arc<Principal>,
    networks: Option<NetworkSet>,
    canary: Option<Arc<CanaryKey>>,
}

impl ApiKeys {
    /// An authenticator that knows these keys.
    ///
    /// # Errors
    /// One [`ApiKeyFault`] per way in which a key can be wrong.
    pub fn new(settings: ApiKeySettings) -> Result<Self, ApiKeyFault> {
        let ApiKeySettings { name, header, keys: entries } = settings;
        let mut keys = HashMap::with_capacity_and_hasher(entries.len(), ahash::RandomState::new());
        for entry in entries {
            if !Principal::is_valid_id(&entry.owner) {
                return Err(ApiKeyFault::Owner(entry.label));
            }
            if entry.networks.as_ref().is_some_and(NetworkSet::is_empty) {
                return Err(ApiKeyFault::NoNetwork(entry.label));
            }
            let (label, prefix) = (entry.label.clone(), entry.record.prefix().into());
            if keys.insert(prefix, Known::new(entry, &name)).is_some() {
                return Err(ApiKeyFault::SamePrefix(label));
            }
        }
        Ok(Self { name, header, keys })
    }

    /// The NAME of its `[authn.NAME]`.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Of every key, in no order, its public prefix, whom it proves, and what it is a decoy for where it proves nobody.
    pub fn known(&self) -> impl Iterator<Item = (&str, &Principal, Option<&CanaryKey>)> {
        self.keys.iter().map(|(prefix, known)| (&**prefix, &*known.principal, known.canary.as_deref()))
    }

    /// The header that holds the key, where it is not `Authorization`.
    pub(super) fn header(&self) -> Option<&HeaderName> {
        self.header.as_ref()
    }

    /// The decoy that this is the text of.
    pub(super) fn canary(&self, presented: &str) -> Option<&Arc<CanaryKey>> {
        let (prefix, _) = api_key::parse(presented)?;
        self.keys.get(prefix).filter(|known| known.record.verify(presented))?.canary.as_ref()
    }

    /// The principal that this key proves. An unknown prefix costs what a wrong secret costs.
    pub(super) fn verify(
        &self,
        presented: &str,
        client: std::net::IpAddr,
        now: SystemTime,
    ) -> Result<Arc<Principal>, AuthnFault> {
        let (prefix, _) = api_key::parse(presented).ok_or(AuthnFault::Malformed)?;
        let Some(known) = self.keys.get(prefix) else {
            std::hint::black_box(sha256(presented.as_bytes()));
            return Err(AuthnFault::UnknownKey);
        };
        if !known.record.verify(presented) {
            Err(AuthnFault::Signature)
        } else if known.canary.is_some() {
            Err(AuthnFault::Canary)
        } else if known.principal.expires.is_some_and(|end| now >= end) {
            Err(AuthnFault::Expired)
        } else if known.networks.as_ref().is_some_and(|networks| !networks.contains(client)) {
            Err(AuthnFault::Network)
        } else {
            Ok(Arc::clone(&known.principal))
        }
    }
}

impl Known {
    fn new(entry: ApiKeyEntry, authenticator: &Name) -> Self {
        let ApiKeyEntry { label, record, owner, roles, scopes, kind, expires, networks, canary } = entry;
        let authenticator = authenticator.clone();
        let named = |revokes| Arc::new(CanaryKey { name: format!("{authenticator}:{label}"), revokes });
        let canary = canary.map(named);
        let key = Some(label.as_str().into());
        let principal = Principal {
            roles,
            scopes,
            expires,
            key,
            networks: networks.clone(),
            ..Principal::new(authenticator, kind, owner)
        };
        Self { record, principal: Arc::new(principal), networks, canary }
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let canaries = self.keys.values().filter(|known| known.canary.is_some()).count();
        f.debug_struct("ApiKeys")
            .field("name", &self.name)
            .field("keys", &self.keys.len())
            .field("canaries", &canaries)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ApiKeyEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeyEntry").field("label", &self.label).field("owner", &self.owner).finish_non_exhaustive()
    }
}

impl fmt::Display for ApiKeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SamePrefix(label) => write!(f, "key `{label}` has the prefix of another key"),
            Self::Owner(label) => write!(f, "the owner of key `{label}` is no valid id"),
            Self::NoNetwork(label) => write!(f, "key `{label}` may be used from no network at all"),
        }
    }
}

impl std::error::Error for ApiKeyFault {}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::authn::testing::{api_key_entry, key_text};

    fn keys(entries: Vec<ApiKeyEntry>) -> Result<ApiKeys, ApiKeyFault> {
        ApiKeys::new(ApiKeySettings { name: Name::parse("machines").expect("a name"), header: None, keys: entries })
    }

    #[test]
    fn a_key_proves_its_owner_and_anything_else_names_its_fault() {
        let good = key_text("AbCdEf012345", 'x');
        let mut expired = api_key_entry("expired", "expired00000", 'e');
        expired.expires = Some(UNIX_EPOCH + Duration::from_secs(1000));
        let mut bound = api_key_entry("bound", "bound0000000", 'b');
        bound.networks = Some(NetworkSet::new(vec!["10.0.0.0/8".parse().expect("network")]));
        let mut decoy = api_key_entry("decoy", "decoy0000000", 'd');
        decoy.canary = Some(Vec::new());
        let keys = keys(vec![api_key_entry("good", "AbCdEf012345", 'x'), expired, bound, decoy]).expect("keys");
        assert_eq!(
            keys.canary(&key_text("decoy0000000", 'd')).map(|decoy| decoy.name.as_str()),
            Some("machines:decoy")
        );
        assert_eq!((keys.canary(&good), keys.canary(&key_text("decoy0000000", 'e'))), (None, None));
        let (near, far) = ("10.0.0.1", "192.0.2.1");
        for (text, client, now, want) in [
            (good.clone(), far, 2000, Ok("good")),
            (key_text("AbCdEf012345", 'y'), far, 2000, Err(AuthnFault::Signature)),
            (key_text("ABCDEF012345", 'x'), far, 2000, Err(AuthnFault::UnknownKey)),
            (key_text("expired00000", 'e'), far, 999, Ok("expired")),
            (key_text("expired00000", 'e'), far, 1000, Err(AuthnFault::Expired)),
            (key_text("bound0000000", 'b'), near, 2000, Ok("bound")),
            (key_text("bound0000000", 'b'), "::ffff:10.0.0.1", 2000, Ok("bound")),
            (key_text("bound0000000", 'b'), far, 2000, Err(AuthnFault::Network)),
            (key_text("decoy0000000", 'd'), far, 2000, Err(AuthnFault::Canary)),
            (key_text("decoy0000000", 'e'), far, 2000, Err(AuthnFault::Signature)),
            (String::new(), far, 2000, Err(AuthnFault::Malformed)),
            ("clv_".to_owned(), far, 2000, Err(AuthnFault::Malformed)),
            (format!("{good}x"), far, 2000, Err(AuthnFault::Malformed)),
            (good[..59].to_owned(), far, 2000, Err(AuthnFault::Malformed)),
            (good.replace("clv_", "CLV_"), far, 2000, Err(AuthnFault::Malformed)),
            (good.replace('x', "+"), far, 2000, Err(AuthnFault::Malformed)),
            (good.replace("_x", "-x"), far, 2000, Err(AuthnFault::Malformed)),
            (good.replace("AbCdEf", "Ab-dEf"), far, 2000, Err(AuthnFault::Malformed)),
            (good.replacen("xx", "é", 1), far, 2000, Err(AuthnFault::Malformed)),
        ] {
            let got = keys.verify(&text, client.parse().expect("address"), UNIX_EPOCH + Duration::from_secs(now));
            assert_eq!(got.as_ref().map(|p| p.id.as_str()).map_err(|fault| *fault), want, "{text}");
        }
    }

    #[test]
    fn refuses_keys_that_are_ambiguous_or_useless() {
        let entry = || api_key_entry("one", "AbCdEf012345", 'x');
        let label = || Name::parse("one").expect("a name");
        let with = |change: fn(&mut ApiKeyEntry)| {
            let mut entry = entry();
            change(&mut entry);
            vec![entry]
        };
        for (entries, want) in [
            (vec![entry(), entry()], ApiKeyFault::SamePrefix(label())),
            (with(|e| e.owner = "a@b@c".to_owned()), ApiKeyFault::Owner(label())),
            (with(|e| e.networks = Some(NetworkSet::default())), ApiKeyFault::NoNetwork(label())),
        ] {
            assert_eq!(keys(entries).err(), Some(want));
        }
    }

    #[test]
    fn never_shows_digests() {
        let shown = format!("{:?}", api_key_entry("one", "AbCdEf012345", 'x'));
        assert!(!shown.contains("digest") && !shown.contains("AbCdEf"), "{shown}");
    }
}
