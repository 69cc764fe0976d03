//! One compiled configuration.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::{AccessService, Rotating, Route, Router, TokenService, Tracing};
use crate::audit::sinks::SinkSettings;
use crate::authz::Enforcement;
use crate::crypto::Certificates;
use crate::domain::{Name, NetworkSet, SecretRef};
use crate::inject::Issuer;
use crate::limit::FailureSettings;
use crate::monitor;
use crate::net::Client;
use crate::target::Target;
use crate::vault::{Slot, Vault};

/// One compiled configuration: immutable, numbered, swapped whole. An exchange keeps the one it began with to its end.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Rises by one with each configuration that takes effect; 1 at start.
    pub number: u64,
    /// The SHA-256 digest of the text that it was compiled from.
    pub digest: [u8; 32],
    /// The routes.
    pub router: Router,
    /// How many routes there are.
    pub routes: usize,
    /// The vaults: a secret that is in use is refreshed as long as its vault is.
    pub vaults: Vec<Arc<Vault>>,
    /// Secrets that no request waits for: whether the gateway is ready does not hang on them.
    pub beside: BTreeSet<SecretRef>,
    /// The targets, for their status.
    pub targets: Vec<Arc<Target>>,
    /// The secrets that are replaced.
    pub rotations: Vec<Rotating>,
    /// When callers are locked out; none where they never are.
    pub failures: Option<FailureSettings>,
    /// The gateway as an issuer of tokens about its callers.
    pub issuer: Option<Arc<Issuer>>,
    /// The gateway as one that begins sessions.
    pub sessions: Option<Arc<TokenService>>,
    /// Where access is asked for.
    pub access: Option<Arc<AccessService>>,
    /// Where records are brought besides the log's files.
    pub sinks: Vec<SinkSettings>,
    /// Where spans go; none where they go nowhere.
    pub trace: Option<Arc<Tracing>>,
    /// What is looked for in records.
    pub monitor: Arc<monitor::Settings>,
    /// Who is told of alerts.
    pub notifiers: Vec<Arc<monitor::Notifier>>,
    /// The key that signs the audit log's checkpoints.
    pub audit_key: Option<Arc<Slot>>,
    /// Where the audit log's checkpoints are sent too.
    pub audit_anchor: Option<Arc<AuditAnchor>>,
    /// What can change about listeners without a restart.
    pub listeners: HashMap<Name, ListenerState, ahash::RandomState>,
}

impl Snapshot {
    /// Tells the log of every route whose rules are not enforced: nobody should forget one.
    pub fn warn_of_shadow(&self) {
        let shadowed = |route: &&Arc<Route>| route.policy.enforcement() == Enforcement::Shadow;
        for route in self.router.routes().filter(shadowed) {
            log::warn!(route = route.name.as_str(); "the rules of this route are not enforced: its `mode` is `shadow`");
        }
    }
}

/// A service that keeps the audit log's checkpoints.
#[derive(Debug)]
pub struct AuditAnchor {
    /// Below what they are put.
    pub url: String,
    /// What it is called with.
    pub client: Arc<Client>,
    /// What lets them be put there.
    pub token: Option<Arc<Slot>>,
}

/// What can change about a listener without a restart.
#[derive(Debug, Default)]
pub struct ListenerState {
    /// Proxies whose `Forwarded` or `X-Forwarded-For` is believed.
    pub forwarded_from: NetworkSet,
    /// Balancers that end TLS, whose `Client-Cert` is believed.
    pub client_cert_from: NetworkSet,
    /// The certificates, where it speaks TLS.
    pub certificates: Option<Arc<Certificates>>,
}
