//! AWS Secrets Manager: what is read there, and when it is read again.

mod api;
mod content;
mod json;

use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::provider::{Look, Mark};
use super::sealed::check_secret;
use super::worker::Worker;
use super::{Slot, VaultError};
use crate::net::ClientSettings;
use api::Api;
use content::Content;

/// Where secrets are asked for, with which access key, and how often.
#[derive(Debug, Clone)]
pub struct SecretsManagerSettings {
    /// The origin of the endpoint.
    pub url: String,
    /// The region, for which calls are signed.
    pub region: String,
    /// The access key's id.
    pub access_key: Arc<Slot>,
    /// The access key's secret.
    pub secret: Arc<Slot>,
    /// The session token of a temporary key.
    pub session_token: Option<Arc<Slot>>,
    /// How often a secret is asked for again.
    pub refresh: Duration,
    /// The rules and limits of calls.
    pub client: ClientSettings,
}

/// By what tells settings apart: secrets by where they are.
impl PartialEq for SecretsManagerSettings {
    fn eq(&self, other: &Self) -> bool {
        let Self { url, region, access_key, secret, session_token, refresh, client } = self;
        let same_token = match (session_token, &other.session_token) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        let same_key = Arc::ptr_eq(access_key, &other.access_key) && Arc::ptr_eq(secret, &other.secret) && same_token;
        same_key && (url, region, refresh, client) == (&other.url, &other.region, &other.refresh, &other.client)
    }
}

impl Eq for SecretsManagerSettings {}

impl Hash for SecretsManagerSettings {
    /// By what tells settings apart in practice; equality looks at everything.
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.url, &self.region).hash(state);
    }
}

/// The secrets of one region of one account. Several paths may be fields of one secret, which is read once for all of them.
#[derive(Debug)]
pub(super) struct SecretsManager {
    api: Api,
    worker: Worker,
    known: HashMap<String, Known>,
    refresh: Duration,
}

/// What is known of one secret.
#[derive(Debug)]
struct Known {
    content: Option<Content>,
    /// Counts up with each reading.
    version: u64,
    /// When it was last read.
    read: Option<Instant>,
    due: Instant,
    fault: Option<VaultError>,
    /// How often in a row there was none.
    absences: u32,
}

/// How long nobody asks again for what could not be had, where good secrets are not asked for more often than that.
const RETRY: Duration = Duration::from_secs(5);
/// How long it is at most after there was none several times in a row, where good secrets are asked for more often than that.
const LAST_RETRY: Duration = Duration::from_secs(30);

impl SecretsManager {
    pub(super) fn new(settings: &SecretsManagerSettings) -> Self {
        let (api, refresh) = (Api::new(settings.clone()), settings.refresh);
        Self { api, worker: Worker::default(), known: HashMap::new(), refresh }
    }

    /// Looks at the secret `NAME` or `NAME#FIELD`.
    pub(super) fn look(&mut self, path: &str, seen: Option<Mark>, now: Instant) -> Result<Look, VaultError> {
        let (name, field) = parts(path);
        let fresh = || Known { content: None, version: 0, read: None, due: now, fault: None, absences: 0 };
        let known = self.known.entry(name.to_owned()).or_insert_with(fresh);
        if now >= known.due {
            let read = self.worker.wait(self.api.read(name)).unwrap_or(Err(VaultError::Stale));
            known.take(read, self.refresh, now);
        }
        match (&known.content, known.fault) {
            (_, Some(VaultError::NotFound)) => {
                Ok(Look::Read { mark: None, outcome: Err(VaultError::NotFound), ends: None, confirmed: None })
            }
            (_, Some(fault)) => Err(fault),
            // Without change it is as old as its last reading, which another field may have had.
            (Some(_), None) if seen == Some(Mark::Version(known.version)) => {
                Ok(Look::Renewed { ends: None, confirmed: known.read })
            }
            (Some(content), None) => {
                let outcome = content.part(field).and_then(|secret| check_secret(&secret).map(|()| secret));
                // A field that somebody comes for later is no younger than what it is a field of.
                let mark = Some(Mark::Version(known.version));
                Ok(Look::Read { mark, outcome, ends: None, confirmed: known.read })
            }
            (None, None) => Err(VaultError::Stale),
        }
    }

    /// Forgets what nobody uses any more.
    pub(super) fn keep(&mut self, used: &HashSet<String>) {
        let used: HashSet<&str> = used.iter().map(|path| parts(path).0).collect();
        self.known.retain(|name, _| used.contains(name.as_str()));
    }
}

/// The name of a secret, which holds no `#`, and the field that is meant, where one is.
fn parts(path: &str) -> (&str, Option<&str>) {
    path.split_once('#').map_or((path, None), |(name, field)| (name, Some(field)))
}

impl Known {
    fn take(&mut self, read: Result<Content, VaultError>, refresh: Duration, now: Instant) {
        match read {
            Ok(content) => {
                (self.content, self.fault, self.read) = (Some(content), None, Some(now));
                self.due = now + refresh;
                self.version += 1;
                self.absences = 0;
            }
            Err(fault) => {
                let first = RETRY.min(refresh);
                let wait = if fault == VaultError::AccessKey {
                    // Where no call can be signed, nobody was asked: a key that is mended serves at once.
                    Duration::ZERO
                } else if fault == VaultError::NotFound {
                    // Principals without a secret of their own must not take the time of those who have one.
                    first.saturating_mul(1 << self.absences.min(16)).min(refresh.max(LAST_RETRY))
                } else {
                    first
                };
                (self.fault, self.due) = (Some(fault), now + wait);
                if fault == VaultError::NotFound {
                    self.content = None;
                    self.absences += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
