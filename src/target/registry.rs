//! The targets in use, and the background work that keeps what is known of them fresh.
//!
//! Health is kept by address and check, not in `pingora_load_balancing`'s `HealthRegistry`: that one takes a single check for all its backends
//! and hashes each candidate on the request path. Here an endpoint carries its own health, and two targets share one by asking for the same.

use std::convert::Infallible;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use pingora::connectors::http::Connector;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::check::keep_checked;
use super::endpoint::{Check, Endpoint};
use super::resolution::{Resolution, Written, keep_resolved};
use super::settings::Settings;
use super::upstream::Target;
use crate::domain::Retained;
use crate::net::Egress;

/// Every target in use. Outlives reloads: equal settings give the running target, and targets that differ in weights or timeouts still share
/// the addresses and the health of their backends.
#[derive(Default)]
pub struct Targets {
    targets: Retained<Opened, Target>,
    resolutions: Retained<Written, Resolution>,
    endpoints: Retained<(SocketAddr, Option<Check>), Endpoint>,
    changed: Arc<Notify>,
    connector: OnceLock<Arc<Connector>>,
}

#[derive(PartialEq, Eq)]
struct Opened {
    settings: Settings,
    egress: Egress,
}

impl Hash for Opened {
    /// The egress rules have no hash; equality tells them apart.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.settings.hash(state);
    }
}

impl Targets {
    /// The running target for these settings, or a new one. Addresses that are written out, and names that another target has resolved, serve
    /// at once; other names need [`Self::resolve_now`].
    pub fn open(&self, settings: &Settings, egress: &Egress) -> Arc<Target> {
        let opened = Opened { settings: settings.clone(), egress: egress.clone() };
        let make = |opened: &Opened| {
            let target = self.make(opened);
            self.refresh(&target);
            Ok::<_, Infallible>(target)
        };
        let Ok(target) = self.targets.get(opened, make);
        self.changed.notify_one();
        target
    }

    /// Looks up every name that was never looked up with success, and waits for the answers: 5 s at most. To be called at startup, and before
    /// a reloaded configuration takes over, so that its first request finds backends.
    pub async fn resolve_now(&self) {
        let mut lookups = JoinSet::new();
        for resolution in self.resolutions.in_use().into_iter().filter(|resolution| resolution.is_pending()) {
            lookups.spawn(async move { resolution.resolve().await });
        }
        while lookups.join_next().await.is_some() {}
        self.targets.in_use().iter().for_each(|target| self.refresh(target));
    }

    /// Resolves and checks in the background until `shutdown` turns, or its sender is gone. To be run once, on a tokio runtime.
    pub async fn run(&self, mut shutdown: watch::Receiver<bool>) {
        let mut tasks = JoinSet::new();
        loop {
            self.tend(&mut tasks);
            tokio::select! {
                _ = shutdown.changed() => return,
                () = self.changed.notified() => {}
                Some(_) = tasks.join_next() => {}
            }
        }
    }

    /// Gives targets their backends' present addresses, and each new name and endpoint a task. A task ends with the last user of what it
    /// tends, and all end with the set.
    fn tend(&self, tasks: &mut JoinSet<()>) {
        self.targets.in_use().iter().for_each(|target| self.refresh(target));
        for resolution in self.resolutions.in_use().iter().filter(|resolution| resolution.adopt()) {
            tasks.spawn(keep_resolved(Arc::downgrade(resolution), Arc::clone(&self.changed)));
        }
        for endpoint in self.endpoints.in_use().iter().filter(|endpoint| endpoint.adopt()) {
            // One connector for all checks, since each loads the system's roots; none where nothing is checked.
            let connector = self.connector.get_or_init(|| Arc::new(Connector::new(None)));
            tasks.spawn(keep_checked(Arc::downgrade(endpoint), Arc::clone(connector)));
        }
    }

    fn make(&self, opened: &Opened) -> Target {
        let Opened { settings, egress } = opened;
        let backends = settings.served_at().into_iter().map(|backend| {
            let (every, egress) = (settings.resolve_every, egress.clone());
            let written = Written { host: backend.host, port: backend.port, every, egress };
            let Ok(resolution) =
                self.resolutions.get(written, |written| Ok::<_, Infallible>(Resolution::new(written.clone())));
            (resolution, backend.weight)
        });
        Target::new(settings.clone(), backends.collect())
    }

    fn refresh(&self, target: &Target) {
        target.refresh(|address, check| {
            let make =
                |(address, check): &(_, Option<Check>)| Ok::<_, Infallible>(Endpoint::new(*address, check.clone()));
            let Ok(endpoint) = self.endpoints.get((address, check.cloned()), make);
            endpoint
        });
    }
}

impl std::fmt::Debug for Targets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Targets").field("targets", &self.targets.in_use()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::select::Tried;
    use super::super::settings::{Balance, Timeouts};
    use super::super::status::AddressStatus;
    use super::super::testing::{Upstream, address, backend, health, open_egress, settings};
    use super::*;

    fn addresses(target: &Target) -> Vec<AddressStatus> {
        target.status().backends.into_iter().flat_map(|backend| backend.addresses).collect()
    }

    /// Waits until the target's address counts as wanted; the checks themselves run in the background.
    async fn until_healthy_is(target: &Target, at: SocketAddr, want: bool) {
        let turned = async {
            while !addresses(target).iter().any(|status| status.address == at && status.healthy == want) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), turned).await.expect("health turned in time");
    }

    fn running() -> (Arc<Targets>, watch::Sender<bool>) {
        let targets = Arc::new(Targets::default());
        let (stop, shutdown) = watch::channel(false);
        let run = Arc::clone(&targets);
        tokio::spawn(async move { run.run(shutdown).await });
        (targets, stop)
    }

    #[test]
    fn equal_settings_give_the_running_target() {
        let (targets, egress) = (Targets::default(), Egress::default());
        let first = targets.open(&settings("https://api.test"), &egress);
        assert!(Arc::ptr_eq(&first, &targets.open(&settings("https://api.test"), &egress)));
        assert!(!Arc::ptr_eq(&first, &targets.open(&settings("https://api.test/v1"), &egress)));
        assert!(!Arc::ptr_eq(&first, &targets.open(&settings("https://api.test"), &open_egress())));
    }

    #[tokio::test]
    async fn names_serve_after_resolve_now_and_only_where_egress_lets_them() {
        let targets = Targets::default();
        let open = targets.open(&settings("http://localhost:8080"), &open_egress());
        let closed = targets.open(&settings("http://localhost:8080"), &Egress::default());
        assert!(open.select(b"", &Tried::default()).is_none());
        targets.resolve_now().await;
        let selected = open.select(b"", &Tried::default()).expect("resolved");
        assert!(selected.address().ip().is_loopback());
        assert!(closed.select(b"", &Tried::default()).is_none());
        let status = closed.status();
        assert!(status.backends[0].resolve_error.as_ref().is_some_and(|error| error.contains("refuse")), "{status:?}");

        let mut slower = settings("http://localhost:8080");
        slower.timeouts.read = Duration::from_secs(600);
        let reopened = targets.open(&slower, &open_egress());
        assert!(reopened.select(b"", &Tried::default()).is_some(), "what is resolved survives a reload");
    }

    #[test]
    fn each_backend_is_tried_once_and_a_retry_never_returns_to_it() {
        let targets = Targets::default();
        for balance in [Balance::RoundRobin, Balance::ConsistentHash, Balance::LeastRequests] {
            let mut settings = settings("http://api.test");
            settings.balance = balance;
            settings.backends = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"].map(|at| backend(address(at))).to_vec();
            let target = targets.open(&settings, &Egress::default());
            let mut tried = Tried::default();
            while let Some(selected) = target.select(b"key", &tried) {
                assert!(!tried.contains(selected.address()), "{balance:?}");
                tried.add(&selected);
            }
            assert_eq!(tried.count(), 3, "{balance:?}");
            assert!(addresses(&target).iter().all(|status| status.in_flight == 0), "{balance:?}");
        }
    }

    #[test]
    fn a_peer_binds_to_its_own_target_and_backend_only() {
        let (targets, egress) = (Targets::default(), Egress::default());
        let open = |url: &str| {
            let mut settings = settings(url);
            settings.backends = ["10.0.0.1:443", "10.0.0.2:443"].map(|at| backend(address(at))).to_vec();
            targets.open(&settings, &egress)
        };
        let (ours, other) = (open("https://api.test"), open("https://other.test"));
        let (first, second) = (ours.select(b"", &Tried::default()), ours.select(b"", &Tried::default()));
        let (first, second) = (first.expect("first"), second.expect("second"));
        let peer = |target: &Target, selected| target.peer(selected, None).expect("a peer");
        assert!(ours.binds(&first, None, &peer(&ours, &first)));
        assert!(!ours.binds(&second, None, &peer(&ours, &first)), "another backend");
        let theirs = other.select(b"", &Tried::default()).expect("other");
        assert!(!ours.binds(&theirs, None, &peer(&ours, &theirs)), "selected by another target");
        assert!(!ours.binds(&first, None, &peer(&other, &first)), "another target's TLS name");
    }

    #[tokio::test]
    async fn health_follows_the_upstream_and_survives_a_reload() {
        let (targets, _stop) = running();
        let (bad, good) = (Upstream::start().await, Upstream::start().await);
        let mut settings = settings("http://api.test");
        settings.backends = vec![backend(bad.address), backend(good.address)];
        settings.health = Some(health("/up"));
        let target = targets.open(&settings, &Egress::default());
        assert!(addresses(&target).iter().all(|status| status.healthy), "new backends begin healthy");

        bad.answer(503);
        until_healthy_is(&target, bad.address, false).await;
        for _ in 0..4 {
            assert_eq!(target.select(b"", &Tried::default()).expect("healthy").address(), good.address);
        }

        settings.timeouts = Timeouts { read: Duration::from_secs(1), ..Timeouts::default() };
        settings.backends[0].weight = settings.backends[0].weight.saturating_add(4);
        let reopened = targets.open(&settings, &Egress::default());
        assert!(!Arc::ptr_eq(&target, &reopened));
        drop(target);
        let known = addresses(&reopened);
        assert!(known.iter().any(|status| status.address == bad.address && !status.healthy), "{known:?}");

        bad.answer(204);
        until_healthy_is(&reopened, bad.address, true).await;
    }

    #[tokio::test]
    async fn when_every_backend_is_unhealthy_requests_still_go_out_and_are_counted() {
        let (targets, _stop) = running();
        let upstream = Upstream::start().await;
        let mut settings = settings("http://api.test");
        settings.backends = vec![backend(upstream.address)];
        settings.health = Some(health("/up"));
        let target = targets.open(&settings, &Egress::default());
        upstream.answer(500);
        until_healthy_is(&target, upstream.address, false).await;

        let mut tried = Tried::default();
        tried.add(&target.select(b"", &tried).expect("fails open"));
        assert!(target.select(b"", &tried).is_none(), "but not to the same backend again");
        let status = target.status();
        assert_eq!(status.failed_open, 1);
        assert_eq!(status.backends[0].addresses[0].check_error.as_deref(), Some("status 500"));
    }
}
