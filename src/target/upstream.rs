//! A running target: its settings joined to what is known of its backends.

use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use http::{HeaderMap, HeaderValue, Method, header};
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::upstreams::peer::HttpPeer;
use zeroize::Zeroizing;

use super::client::Presented;
use super::endpoint::{Check, Endpoint};
use super::resolution::Resolution;
use super::select::{Member, Members, Selected, Tried};
use super::settings::Settings;
use super::status::{AddressStatus, BackendStatus, TargetStatus};
use super::url::Scheme;
use super::{check, peer};
use crate::domain::ClientIdentity;

/// An upstream API, running. Made by [`super::Targets::open`].
pub struct Target {
    settings: Settings,
    check: Option<Check>,
    key: u64,
    template: HttpPeer,
    backends: Vec<(Arc<Resolution>, NonZeroU8)>,
    members: ArcSwap<Members>,
    refreshing: Mutex<()>,
    failing_open: AtomicBool,
    failed_open: AtomicU64,
    /// How often its connections were left for new ones.
    generation: AtomicU64,
    /// When they were the last time.
    left: Mutex<Option<Instant>>,
}

/// Connections are left for new ones no more often: a target that takes nothing on any is not to be given ever more of them.
const LEAVE_EVERY: Duration = Duration::from_secs(1);

impl Target {
    /// A target over these backends, without members until [`Self::refresh`] gives it some.
    pub(super) fn new(settings: Settings, backends: Vec<(Arc<Resolution>, NonZeroU8)>) -> Self {
        let link = settings.link();
        let key = peer::group_key(&(&settings.name, &settings.origin, &link));
        let template = link.template(&settings.timeouts, key);
        let check = settings.health.clone().map(|health| {
            let host = health.host.clone().unwrap_or_else(|| settings.host_header.clone());
            Check { health, host, link }
        });
        let members = ArcSwap::from_pointee(Members::new(Vec::new(), settings.balance));
        Self {
            settings,
            check,
            key,
            template,
            backends,
            members,
            refreshing: Mutex::default(),
            failing_open: AtomicBool::new(false),
            failed_open: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            left: Mutex::default(),
        }
    }

    /// What the operator said.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What upstream requests carry as `Host`.
    pub fn host_header(&self) -> &HeaderValue {
        &self.settings.host_header
    }

    /// Chooses a backend for one attempt, never one that was tried; `key` matters to consistent hashing alone. `None` where no address is
    /// known or none is left.
    ///
    /// Where every backend counts as unhealthy all of them are candidates: a check may be wrong, and refusing every request would make that
    /// an outage. This opens health only, never a rule; it is logged and counted.
    pub fn select(&self, key: &[u8], tried: &Tried) -> Option<Selected> {
        let members = self.members.load();
        let untried = |endpoint: &Endpoint| !tried.contains(endpoint.address());
        let endpoint = match members.choose(key, |endpoint| endpoint.is_healthy() && untried(endpoint)) {
            Some(endpoint) => {
                self.note_failing_open(false);
                endpoint
            }
            None if members.none_healthy() => {
                let endpoint = members.choose(key, untried)?;
                self.failed_open.fetch_add(1, Ordering::Relaxed);
                self.note_failing_open(true);
                endpoint
            }
            None => return None,
        };
        Some(Selected::new(Arc::clone(endpoint), self.key))
    }

    /// The peer to connect to: TLS verified, every timeout set, connections shared within this target only, and only among those that are
    /// made as the same `client`. None where that cannot be shown: over plain HTTP, or when it is no certificate with its key.
    pub fn peer(&self, selected: &Selected, client: Option<&ClientIdentity>) -> Option<HttpPeer> {
        let presented = self.presented(client)?;
        let mut peer = peer::at(&self.template, selected.address(), presented);
        peer.group_key = peer.group_key.wrapping_add(self.generation.load(Ordering::Relaxed));
        Some(peer)
    }

    /// Has what is asked from now on go over new connections: on those that there are, the target takes nothing more. What is under way on
    /// them goes on.
    pub fn leave_connections(&self) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if left.is_none_or(|at| at.elapsed() >= LEAVE_EVERY) {
            *left = Some(Instant::now());
            self.generation.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether a resolved peer is this target's origin, at the backend selected for this attempt, connected to as this `client` and no other:
    /// scheme, TLS name, trust, address and our own certificate. Asked on every attempt before a credential is applied.
    pub fn binds(&self, selected: &Selected, client: Option<&ClientIdentity>, resolved: &HttpPeer) -> bool {
        let newest = self.generation.load(Ordering::Relaxed);
        let is_at = |presented| peer::is_at(&self.template, selected.address(), presented, newest, resolved);
        selected.owner() == self.key && self.presented(client).is_some_and(is_at)
    }

    #[expect(clippy::option_option, reason = "none that is to be shown and none that can be are two things")]
    fn presented<'a>(&self, client: Option<&'a ClientIdentity>) -> Option<Option<Presented<'a>>> {
        let Some(client) = client else { return Some(None) };
        match self.settings.origin.scheme {
            Scheme::Http => None,
            Scheme::Https => Presented::new(client, self.key).map(Some),
        }
    }

    /// The status that a GET of this path, below the target's own, is answered with: on a connection of its own to a backend that is chosen as
    /// for requests. `prepare` adds fields to the head.
    ///
    /// # Errors
    /// Why it was not asked; never with what was to be sent.
    pub async fn ask(
        &self,
        path: &str,
        query: Option<&str>,
        prepare: impl FnOnce(&mut HeaderMap),
    ) -> Result<u16, String> {
        let selected = self.select(b"", &Tried::default()).ok_or("no backend of the target is known")?;
        let mut peer = peer::at(&self.template, selected.address(), None);
        // A connection that takes one stream is not pooled.
        peer.options.max_h2_streams = 1;
        let mut target = Zeroizing::new(format!("{}{path}", self.settings.base_path));
        if let Some(query) = query {
            target.push('?');
            target.push_str(query);
        }
        let built = RequestHeader::build(Method::GET, target.as_bytes(), None);
        let mut request = built.map_err(|_| "the path cannot be asked for".to_owned())?;
        let mut fields = HeaderMap::new();
        fields.insert(header::HOST, self.settings.host_header.clone());
        fields.insert(header::USER_AGENT, HeaderValue::from_static("claviger-probe"));
        prepare(&mut fields);
        for (name, value) in &fields {
            let added = request.append_header(name.clone(), value.clone());
            added.map_err(|_| "a field cannot be sent".to_owned())?;
        }
        let asked = check::status_of(&Connector::new(None), &peer, request).await;
        asked.map_err(|error| format!("the target cannot be asked: {}", error.etype().as_str()))
    }

    /// The target as it stands.
    pub fn status(&self) -> TargetStatus {
        let members = self.members.load();
        let backend = |resolution: &Resolution| BackendStatus {
            backend: resolution.label(),
            addresses: address_status(&members, &resolution.addresses()),
            resolve_error: resolution.last_error(),
        };
        TargetStatus {
            name: self.settings.name.to_string(),
            origin: self.settings.origin.to_string(),
            backends: self.backends.iter().map(|(resolution, _)| backend(resolution)).collect(),
            failed_open: self.failed_open.load(Ordering::Relaxed),
        }
    }

    /// Takes over the addresses that its backends have now. `endpoint` gives what is known of an address.
    pub(super) fn refresh(&self, endpoint: impl Fn(SocketAddr, Option<&Check>) -> Arc<Endpoint>) {
        let _one_at_a_time = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut members = Vec::new();
        for (resolution, weight) in &self.backends {
            let member = |address| Member { endpoint: endpoint(address, self.check.as_ref()), weight: *weight };
            members.extend(resolution.addresses().into_iter().map(member));
        }
        let members = Members::new(members, self.settings.balance);
        if !members.is_like(&self.members.load()) {
            self.members.store(Arc::new(members));
        }
    }

    fn note_failing_open(&self, now: bool) {
        if self.failing_open.load(Ordering::Relaxed) == now || self.failing_open.swap(now, Ordering::Relaxed) == now {
            return;
        }
        let name = &self.settings.name;
        if now {
            log::warn!("target {name}: every backend is unhealthy, requests go to all of them");
        } else {
            log::info!("target {name}: requests go to healthy backends again");
        }
    }
}

fn address_status(members: &Members, addresses: &[SocketAddr]) -> Vec<AddressStatus> {
    let endpoints = members.iter().map(|member| &member.endpoint);
    endpoints
        .filter(|endpoint| addresses.contains(&endpoint.address()))
        .map(|endpoint| AddressStatus {
            address: endpoint.address(),
            healthy: endpoint.is_healthy(),
            in_flight: endpoint.in_flight(),
            check_error: endpoint.last_error(),
        })
        .collect()
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target").field("settings", &self.settings).finish_non_exhaustive()
    }
}
