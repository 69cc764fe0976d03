//! Work that goes on beside requests: secrets, addresses, keys, reloads, and the counts that listeners keep.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::{BackgroundService, GenBackgroundService, background_service};
use prometheus::IntCounter;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::rotations::Versions;
use super::{audit, rotations, sessions, sinks};
use crate::audit::sinks::Sinks;
use crate::cluster::Cluster;
use crate::config::Reloader;
use crate::domain::Lockout;
use crate::proxy::ingress::Gate;
use crate::state::Services;
use crate::telemetry::{Availability, ConnectionRefusal, IngressTimeout, Metrics, VaultState};
use crate::vault::Vaults;

/// The background service of a gateway.
pub(super) struct Background {
    services: Arc<Services>,
    reloader: Arc<Reloader>,
    gates: Vec<Arc<Gate>>,
    cluster: Option<Arc<Cluster>>,
    sinks: Option<Arc<Sinks>>,
}

pub(super) fn service(
    services: Arc<Services>,
    reloader: Arc<Reloader>,
    gates: Vec<Arc<Gate>>,
    cluster: Option<Arc<Cluster>>,
    sinks: Option<Arc<Sinks>>,
) -> GenBackgroundService<Background> {
    background_service("background", Background { services, reloader, gates, cluster, sinks })
}

#[async_trait]
impl BackgroundService for Background {
    /// Goes on while requests are drained, since they still need secrets and keys; ends with the process.
    async fn start(&self, _shutdown: ShutdownWatch) {
        let engines = &self.services.engines;
        let (_never, forever) = watch::channel(false);
        tokio::join!(
            self.refresh_secrets(),
            self.forget_secrets(),
            engines.targets.run(forever),
            engines.authenticators.run(),
            self.reloader.watch(),
            self.reload_on_hangup(),
            self.count(),
            self.end_lockouts(),
            audit::sign(&self.services),
            sessions::keep(&self.services),
            rotations::keep(&self.services),
            sinks::keep(&self.services, self.sinks.clone()),
        );
    }
}

impl Background {
    async fn refresh_secrets(&self) {
        let mut every = tokio::time::interval(Vaults::REFRESH_EVERY);
        loop {
            every.tick().await;
            if self.services.engines.vaults.has_left() {
                let services = Arc::clone(&self.services);
                tokio::task::spawn_blocking(move || services.engines.vaults.give_back());
            }
            for vault in self.services.engines.vaults.in_use() {
                tokio::task::spawn_blocking(move || vault.refresh());
            }
        }
    }

    /// Has forgotten what was made of secrets that were replaced or withdrawn, where no request comes that would find out.
    async fn forget_secrets(&self) {
        let mut every = tokio::time::interval(Duration::from_secs(1));
        loop {
            every.tick().await;
            let snapshot = self.services.snapshot();
            let credentials = snapshot.router.routes().filter_map(|route| route.credential.as_ref());
            credentials.for_each(|credential| credential.forget_stale(Instant::now()));
        }
    }

    async fn reload_on_hangup(&self) {
        let Ok(mut hangups) = signal(SignalKind::hangup()) else {
            log::error!("SIGHUP cannot be received: only file changes reload");
            return;
        };
        while hangups.recv().await.is_some() {
            self.reloader.ask();
        }
    }

    /// Tells of lock-outs that are over, each once.
    async fn end_lockouts(&self) {
        let mut every = tokio::time::interval(Duration::from_secs(1));
        let engines = &self.services.engines;
        loop {
            every.tick().await;
            for by in Lockout::ALL {
                let (ended, going_on) = engines.lockouts.of(by).sweep(Instant::now());
                engines.metrics.lockouts.of(by.into()).set(i64::try_from(going_on).unwrap_or(i64::MAX));
                for one in ended {
                    let (failures, refused) = (one.failures, one.refused);
                    log::warn!(by = by.text(), client:% = one.from, failures, refused; "a lock-out is over");
                }
            }
        }
    }

    /// Carries what listeners count over to the metrics.
    async fn count(&self) {
        let mut every = tokio::time::interval(Duration::from_millis(500));
        let mut carried = vec![Carried::default(); self.gates.len()];
        let mut versions = Versions::default();
        loop {
            every.tick().await;
            let metrics = &self.services.engines.metrics;
            let open: usize = self.gates.iter().map(|gate| gate.open_connections()).sum();
            metrics.connections.set(gauge(open));
            self.count_availability(&mut versions);
            self.count_peers();
            for (gate, carried) in self.gates.iter().zip(&mut carried) {
                carried.over(gate, metrics);
            }
        }
    }
}

impl Background {
    fn count_peers(&self) {
        let Some(cluster) = &self.cluster else { return };
        let metrics = &self.services.engines.metrics;
        metrics.cluster_reached.set(cluster.is_reached().into());
        metrics.cluster_silence.set(cluster.silence().map_or(f64::INFINITY, |silence| silence.as_secs_f64()));
    }

    fn count_availability(&self, versions: &mut Versions) {
        let metrics = &self.services.engines.metrics;
        let secrets = self.services.engines.vaults.status();
        versions.note(&secrets, &self.services);
        let usable = secrets.iter().filter(|slot| slot.usable).count();
        let mut vaults: BTreeMap<_, VaultState> = BTreeMap::new();
        for slot in &secrets {
            vaults.entry(slot.name.vault.clone()).or_default().add(slot.age, slot.lease);
        }
        metrics.vaults.show(&vaults);
        metrics.secrets.of(Availability::Usable).set(gauge(usable));
        metrics.secrets.of(Availability::Failed).set(gauge(secrets.len() - usable));
        for target in &self.services.snapshot().targets {
            let status = target.status();
            let addresses = || status.backends.iter().flat_map(|backend| &backend.addresses);
            let usable = addresses().filter(|address| address.healthy).count();
            metrics.backends(&target.settings().name, usable, addresses().count() - usable);
        }
    }
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// How much of each of a listener's counts is in the metrics already.
#[derive(Clone, Copy, Default)]
struct Carried([u64; 8]);

impl Carried {
    fn over(&mut self, gate: &Gate, metrics: &Metrics) {
        let counted = gate.counters();
        let places: [(&AtomicU64, &IntCounter); 8] = [
            (&counted.refused_full, metrics.connections_refused.of(ConnectionRefusal::Total)),
            (&counted.refused_per_address, metrics.connections_refused.of(ConnectionRefusal::Client)),
            (&counted.refused_proxy_header, metrics.connections_refused.of(ConnectionRefusal::ProxyHeader)),
            (&counted.timed_out_idle, metrics.ingress_timeouts.of(IngressTimeout::Idle)),
            (&counted.timed_out_head, metrics.ingress_timeouts.of(IngressTimeout::Head)),
            (&counted.timed_out_body, metrics.ingress_timeouts.of(IngressTimeout::Body)),
            (&counted.timed_out_write, metrics.ingress_timeouts.of(IngressTimeout::Write)),
            (&counted.heads_unheard, &metrics.parser_refusals),
        ];
        for (carried, (from, to)) in self.0.iter_mut().zip(places) {
            let now = from.load(Ordering::Relaxed);
            to.inc_by(now - *carried);
            *carried = now;
        }
    }
}
