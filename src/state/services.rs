//! What outlives a reload.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;

use super::{Bodies, Canaries, Snapshot, Spans};
use crate::audit::Log;
use crate::authn::Authenticators;
use crate::inspect::Library;
use crate::limit::{Limits, Lockouts};
use crate::monitor::Shown;
use crate::session::{Access, Peers, Revocations};
use crate::target::Targets;
use crate::telemetry::Metrics;
use crate::vault::Vaults;

/// The engines' registries: what a configuration is compiled against, so that equal settings find what is running already.
#[derive(Debug)]
pub struct Engines {
    /// Secrets.
    pub vaults: Vaults,
    /// Upstream APIs with their health and addresses.
    pub targets: Targets,
    /// Authenticators with their keys and verified facts.
    pub authenticators: Authenticators,
    /// Counters.
    pub limits: Arc<Limits>,
    /// Who failed to prove an identity.
    pub lockouts: Lockouts,
    /// Compiled rules for traffic.
    pub rules: Library,
    /// Room for bodies that are judged.
    pub bodies: Bodies,
    /// Metrics.
    pub metrics: Metrics,
}

impl Engines {
    /// Engines that know nothing yet.
    ///
    /// # Errors
    /// Those of [`Metrics::new`]; not after it has once worked.
    pub fn new() -> prometheus::Result<Self> {
        Ok(Self {
            vaults: Vaults::default(),
            targets: Targets::default(),
            authenticators: Authenticators::default(),
            limits: Arc::default(),
            lockouts: Lockouts::default(),
            rules: Library::default(),
            bodies: Bodies::default(),
            metrics: Metrics::new()?,
        })
    }
}

/// Everything long-lived that the data plane uses, and the place where the current snapshot stands.
#[derive(Debug)]
pub struct Services {
    /// The engines' registries.
    pub engines: Engines,
    /// The audit log.
    pub audit: Log,
    /// Exchanges that are to be told as spans.
    pub spans: Spans,
    /// The alerts, as they were last told.
    pub alerts: ArcSwap<Shown>,
    /// Which decoys were used.
    pub canaries: Arc<Canaries>,
    /// Whose access was ended; none where there is no store that could say so.
    pub revocations: Option<Arc<Revocations>>,
    /// Who was granted what for a time; none where there is no store that could say so.
    pub access: Option<Arc<Access>>,
    /// The other nodes; none where this one is alone.
    pub peers: Option<Arc<dyn Peers>>,
    snapshot: ArcSwap<Snapshot>,
    reload: ArcSwap<ReloadOutcome>,
    serving: AtomicBool,
    draining: AtomicBool,
}

/// How the last reload ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReloadOutcome {
    /// The configuration in force is the newest that was asked for.
    Applied,
    /// A newer one was refused, for this reason.
    Refused(String),
}

impl Services {
    /// Services around a first snapshot.
    pub fn new(engines: Engines, audit: Log, first: Snapshot) -> Self {
        engines.metrics.config_number.set(number(&first));
        let reload = ArcSwap::from_pointee(ReloadOutcome::Applied);
        Self {
            engines,
            audit,
            spans: Spans::default(),
            alerts: ArcSwap::default(),
            canaries: Arc::default(),
            revocations: None,
            access: None,
            peers: None,
            snapshot: ArcSwap::from_pointee(first),
            reload,
            serving: AtomicBool::new(false),
            draining: AtomicBool::new(false),
        }
    }

    /// The same, with what is kept in a store.
    #[must_use]
    pub fn with_store(self, revocations: Arc<Revocations>, access: Arc<Access>) -> Self {
        Self { revocations: Some(revocations), access: Some(access), ..self }
    }

    /// The same, with other nodes.
    #[must_use]
    pub fn with_peers(self, peers: Arc<dyn Peers>) -> Self {
        Self { peers: Some(peers), ..self }
    }

    /// Whether every revocation is known here, but for those of the last moment.
    pub fn knows_revocations(&self) -> bool {
        self.revocations.as_ref().is_some_and(|revocations| revocations.is_current())
            && self.peers.as_ref().is_none_or(|peers| peers.is_fresh())
    }

    /// The current snapshot. One call per exchange.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Puts a snapshot in force from the next exchange on; gives the one before.
    pub fn swap(&self, next: Snapshot) -> Arc<Snapshot> {
        let number = number(&next);
        self.audit.configured(next.number, next.digest);
        let before = self.snapshot.swap(Arc::new(next));
        self.reload.store(Arc::new(ReloadOutcome::Applied));
        // Last: who sees the number finds what it numbers.
        self.engines.metrics.config_number.set(number);
        before
    }

    /// Says why the newest configuration was not put in force.
    pub fn refused(&self, reason: String) {
        self.reload.store(Arc::new(ReloadOutcome::Refused(reason)));
    }

    /// How the last reload ended.
    pub fn last_reload(&self) -> Arc<ReloadOutcome> {
        self.reload.load_full()
    }

    /// Says that this process listens everywhere.
    pub fn serve(&self) {
        self.serving.store(true, Ordering::Relaxed);
    }

    /// Whether this process listens everywhere.
    pub fn is_serving(&self) -> bool {
        self.serving.load(Ordering::Relaxed)
    }

    /// Says that this process is on its way out: from now on, connections are not kept.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether this process is on its way out.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

fn number(snapshot: &Snapshot) -> i64 {
    i64::try_from(snapshot.number).unwrap_or(i64::MAX)
}
