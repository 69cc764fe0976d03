//! HashiCorp Vault and OpenBao: what is read there, for how long it holds, and when it is renewed.

mod absent;
mod api;
mod shown;

use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::provider::{Look, Mark};
use super::sealed::check_secret;
use super::worker::Worker;
use super::{VaultError, Vaults};
use crate::domain::Secret;
use crate::net::ClientSettings;
use api::{Api, Document, Lease};

/// Where a server is, how this gateway proves itself to it, and how often it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashicorpSettings {
    /// Its base URL.
    pub url: String,
    /// The namespace, where it has some.
    pub namespace: Option<String>,
    /// The mounts of version 2 of the key-value engine; all others are read as they are.
    pub kv2: Vec<String>,
    /// How a token is had.
    pub login: Login,
    /// How often what has no lease is read again.
    pub refresh: Duration,
    /// The rules and limits of calls.
    pub client: ClientSettings,
}

impl Hash for HashicorpSettings {
    /// By what tells settings apart in practice; equality looks at everything.
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.url, &self.namespace, &self.login).hash(state);
    }
}

/// How a token of the server is had.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Login {
    /// It is in a file, which is read again when the server takes it no more.
    TokenFile(PathBuf),
    /// It is in an environment variable.
    TokenEnv(String),
    /// By the AppRole method.
    AppRole {
        /// Where the method is mounted.
        mount: String,
        /// The role's id, which is no secret.
        role_id: String,
        /// A file with the secret id.
        secret_id_file: PathBuf,
    },
    /// By the Kubernetes method.
    Kubernetes {
        /// Where the method is mounted.
        mount: String,
        /// The role.
        role: String,
        /// A file with the service account's token.
        token_file: PathBuf,
    },
    /// By the method of TLS certificates.
    Cert {
        /// Where the method is mounted.
        mount: String,
        /// The role; without one, the server looks for one that takes the certificate.
        role: Option<String>,
        /// A PEM file with the certificate, and those between it and its authority.
        certificate: PathBuf,
        /// A PEM file with its key. Both are read again when the files changed, at the next login or when the server cannot be called.
        key: PathBuf,
    },
}

/// One server, with what was read there. Several secrets may be fields of one document, which is read once for all of them.
#[derive(Debug)]
pub(super) struct Hashicorp {
    api: Api,
    worker: Worker,
    documents: HashMap<String, Known>,
    refresh: Duration,
}

/// What is known of one document.
#[derive(Debug)]
struct Known {
    document: Option<Document>,
    /// Counts up with each reading.
    version: u64,
    due: Instant,
    /// When the lease is over.
    ends: Option<Instant>,
    fault: Option<VaultError>,
    failures: u32,
    /// How often a token had been had when it was read.
    logins: u64,
}

/// The field that is meant where a path names none.
const FIELD: &str = "value";
/// The shortest time between two attempts that fail, and the longest.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);
/// A lease that is renewed for less than this part of its first length is near its longest: a new one is had.
const WORTH: u32 = 4;

impl Hashicorp {
    pub(super) fn new(settings: &HashicorpSettings) -> Self {
        let (api, refresh) = (Api::new(settings.clone()), settings.refresh);
        Self { api, worker: Worker::default(), documents: HashMap::new(), refresh }
    }

    /// Looks at the secret `PATH` or `PATH#FIELD`.
    pub(super) fn look(&mut self, path: &str, seen: Option<Mark>, now: Instant) -> Result<Look, VaultError> {
        let (base, field) = path.split_once('#').unwrap_or((path, FIELD));
        let fresh = || Known { document: None, version: 0, due: now, ends: None, fault: None, failures: 0, logins: 0 };
        let known = self.documents.entry(base.to_owned()).or_insert_with(fresh);
        let mut was_renewed = false;
        if now >= known.due || (known.fault.is_none() && known.is_orphaned(&self.api)) {
            was_renewed = known.renew(&mut self.api, &mut self.worker, now);
            if !was_renewed {
                known.read(base, &mut self.api, &mut self.worker, self.refresh, now);
            }
        }
        match (&known.document, known.fault) {
            (_, Some(VaultError::NotFound)) => {
                Ok(Look::Read { mark: None, outcome: Err(VaultError::NotFound), ends: None, confirmed: None })
            }
            (_, Some(fault)) => Err(fault),
            (Some(_), None) if seen == Some(Mark::Version(known.version)) && !was_renewed => {
                // Others may have had it renewed.
                Ok(Look::Renewed { ends: known.ends, confirmed: known.confirmed(self.refresh) })
            }
            (Some(document), None) => {
                let outcome = document.field(field).and_then(|secret| check_secret(&secret).map(|()| secret));
                let (mark, confirmed) = (Some(Mark::Version(known.version)), known.confirmed(self.refresh));
                Ok(Look::Read { mark, outcome, ends: known.ends, confirmed })
            }
            (None, None) => Err(VaultError::Stale),
        }
    }

    /// Forgets what nobody uses any more, and ends its leases.
    pub(super) fn keep(&mut self, used: &HashSet<String>) {
        let mut ended = Vec::new();
        let used: HashSet<&str> = used.iter().filter_map(|path| path.split('#').next()).collect();
        self.documents.retain(|base, known| {
            let is_used = used.contains(base.as_str());
            if !is_used {
                ended.extend(known.take_lease());
            }
            is_used
        });
        if !ended.is_empty() {
            let revoking = self.api.revoke(&ended);
            let _ = self.worker.wait(async { tokio::time::timeout(Vaults::GIVEN_BACK_WITHIN, revoking).await });
        }
    }

    /// Ends all leases and the token, where it was had by logging in. What cannot be told ends by itself.
    pub(super) fn close(&mut self, within: Duration) {
        let leases: Vec<_> = self.documents.values_mut().filter_map(Known::take_lease).collect();
        if leases.is_empty() && !self.api.is_logged_in() {
            return;
        }
        let (api, each) = (&mut self.api, within / 2);
        let _ = self.worker.wait(async {
            let _ = tokio::time::timeout(each, api.revoke(&leases)).await;
            // A server that knows leases ends those of a token with it, should there have been too many.
            tokio::time::timeout(each, api.log_out()).await
        });
    }
}

impl Known {
    /// When it was last read or renewed, as far as the pace tells.
    fn confirmed(&self, refresh: Duration) -> Option<Instant> {
        if self.ends.is_none() { self.due.checked_sub(refresh) } else { None }
    }

    fn take_lease(&mut self) -> Option<String> {
        self.document.as_mut()?.lease.take().map(|lease| lease.id)
    }

    /// Whether what is leased hangs on a token that is no longer kept alive.
    fn is_orphaned(&self, api: &Api) -> bool {
        self.document.as_ref().is_some_and(|document| document.lease.is_some()) && self.logins != api.logins
    }

    /// Renews the lease, where there is one that can be; tells whether that worked.
    fn renew(&mut self, api: &mut Api, worker: &mut Worker, now: Instant) -> bool {
        let Some(lease) = self.document.as_ref().and_then(|document| document.lease.as_ref()) else { return false };
        if !lease.renewable || self.is_orphaned(api) || self.ends.is_some_and(|ends| now >= ends) {
            return false;
        }
        let (id, first) = (lease.id.clone(), lease.lasts);
        let Ok(Ok(lasts)) = worker.wait(api.renew(&id)) else { return false };
        if lasts < first / WORTH {
            return false;
        }
        self.hold(lasts, now);
        true
    }

    fn read(&mut self, base: &str, api: &mut Api, worker: &mut Worker, refresh: Duration, now: Instant) {
        let read = worker.wait(api.read(base)).unwrap_or(Err(VaultError::Stale));
        match read {
            Ok(document) => {
                match &document.lease {
                    Some(Lease { lasts, .. }) => self.hold(*lasts, now),
                    None => (self.due, self.ends) = (now + refresh, None),
                }
                (self.document, self.fault, self.failures) = (Some(document), None, 0);
                self.version += 1;
                self.logins = api.logins;
            }
            Err(fault) => {
                let wait = FIRST_RETRY.saturating_mul(1 << self.failures.min(16)).min(LAST_RETRY);
                (self.due, self.fault) = (now + wait, Some(fault));
                self.failures += 1;
                if fault == VaultError::NotFound {
                    self.document = None;
                }
            }
        }
    }

    /// Is good for so long, and asked for again when two thirds of that are over.
    fn hold(&mut self, lasts: Duration, now: Instant) {
        (self.ends, self.due) = (Some(now + lasts), now + lasts * 2 / 3);
        (self.fault, self.failures) = (None, 0);
    }
}

/// A secret of a text.
fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}
