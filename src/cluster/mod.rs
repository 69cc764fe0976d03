//! Many nodes that agree: what one begins, ends or decides, all know, through a Redis or Valkey that they share.
//!
//! Every node has everything in its own store, so that nothing is asked of the network while requests are served, and what is not reached
//! stays known. What is shared carries a version, and of each version there is one: the first that came.

mod link;
mod rates;
mod rows;
mod sync;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwapOption;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

use crate::crypto::{MasterKey, hmac_sha256};
use crate::limit::Limits;
use crate::net::Egress;
use crate::session::{Away, Earlier, Peers, Row, Store};
use crate::vault::Slot;

use link::{Fault, Link, Place};

/// What a node shares with the others, and where.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The Redis or Valkey, `redis://` or `rediss://`.
    pub url: String,
    /// Certificates of the authorities that it is proved by, as PEM; none for those of the system.
    pub ca: Option<Vec<u8>>,
    /// What its keys begin with: nodes that have the same are one cluster.
    pub name: String,
    /// For how long what was heard last is good enough for sessions.
    pub max_stale: Duration,
    /// Where connections may go.
    pub egress: Egress,
    /// The password, as the configuration in force has it: a slot is kept current no longer than the vault that it is of.
    pub password: Arc<ArcSwapOption<Slot>>,
    /// What seals all that is shared: who reads it learns nothing, and who writes it is not believed.
    pub key: Arc<Slot>,
}

/// Why a node cannot take part.
#[derive(Debug)]
pub enum ClusterError {
    /// The URL is none, or the certificates are none.
    Settings(String),
    /// The key that seals cannot be had, or is none.
    Key(String),
    /// The system gives no threads.
    Threads(std::io::Error),
}

/// A node's part in a cluster.
pub struct Cluster {
    shared: Arc<Shared>,
    runtime: Runtime,
}

struct Shared {
    place: Place,
    seal: MasterKey,
    /// What all nodes have and nobody else.
    secret: [u8; 32],
    /// None while it cannot be reached.
    link: ArcSwapOption<Link>,
    /// Whose turn it is to hear what is new.
    turn: tokio::sync::Mutex<Turn>,
    /// Somebody said that something is new.
    news: Notify,
    max_stale: Duration,
    born: Instant,
    /// Until when the others are known to have said nothing more, in milliseconds after [`Self::born`]; none is 0.
    heard: AtomicU64,
    outbox: std::sync::Mutex<Store>,
    /// Held while something is decided, until that is in the store.
    deciding: tokio::sync::RwLock<()>,
    /// Whether there may be something that the others were not told of.
    is_outbox_full: AtomicBool,
}

/// Where hearing stands.
struct Turn {
    store: Store,
    seen: u64,
    epoch: Option<String>,
    node: String,
    /// The nodes that had told all that they had, when that was heard last.
    nodes: String,
    /// When the last time that worked began.
    begun: Option<Instant>,
    /// When the last time that failed began.
    failed: Option<Instant>,
}

/// With no word of the others for longer, nothing is done where a revocation must not be missed.
const FRESH: Duration = Duration::from_secs(2);

impl Cluster {
    /// Begins to take part, with what lies in this store; goes on until it is dropped.
    ///
    /// # Errors
    /// One [`ClusterError`] per way to be wrong. That the others are not reached is none: that is tried again and again.
    pub fn start(settings: Settings, store: Store, limits: &Arc<Limits>) -> Result<Self, ClusterError> {
        let key = settings.key.load().map_err(|error| ClusterError::Key(error.to_string()))?;
        let text = std::str::from_utf8(key.expose()).unwrap_or_default();
        let seal = MasterKey::parse(text.trim_end()).map_err(|error| ClusterError::Key(error.to_string()))?;
        // What is counted shows nobody whom, and is the same at every node.
        let mut secret = [0; 16];
        secret.copy_from_slice(&hmac_sha256(text.trim_end().as_bytes(), b"claviger limits")[..16]);
        limits.share(&secret);
        let mark = store.mark().map_err(|error| ClusterError::Settings(error.to_string()))?;
        let outbox = store.again().map_err(|error| ClusterError::Settings(error.to_string()))?;
        let max_stale = settings.max_stale;
        let place = Place::new(settings).map_err(ClusterError::Settings)?;
        let node = store.node().map_err(|error| ClusterError::Settings(error.to_string()))?.to_string();
        let nodes = store.nodes().map_err(|error| ClusterError::Settings(error.to_string()))?;
        let turn = Turn { store, seen: mark.seen, epoch: mark.epoch, node, nodes, begun: None, failed: None };
        let shared = Arc::new(Shared {
            place,
            seal,
            secret: hmac_sha256(text.trim_end().as_bytes(), b"claviger cluster"),
            link: ArcSwapOption::empty(),
            turn: tokio::sync::Mutex::new(turn),
            news: Notify::new(),
            max_stale,
            born: Instant::now(),
            heard: AtomicU64::new(0),
            outbox: std::sync::Mutex::new(outbox),
            deciding: tokio::sync::RwLock::new(()),
            is_outbox_full: AtomicBool::new(true),
        });
        let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("cluster").enable_all().build();
        let runtime = runtime.map_err(ClusterError::Threads)?;
        runtime.spawn(sync::run(Arc::clone(&shared)));
        runtime.spawn(rates::run(Arc::clone(&shared), Arc::clone(limits)));
        Ok(Self { shared, runtime })
    }

    /// Whether the others can be reached now.
    pub fn is_reached(&self) -> bool {
        self.shared.link.load().is_some()
    }

    /// How long nothing was heard of them; none where nothing was heard yet.
    pub fn silence(&self) -> Option<Duration> {
        self.shared.silence()
    }

    /// Waits until the others have been heard, or for so long.
    pub fn wait(&self, most: Duration) {
        let until = Instant::now() + most;
        while self.silence().is_none() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Peers for Cluster {
    fn put(&self, rows: &[Row]) -> Result<usize, Away> {
        let link = self.shared.link.load_full().ok_or(Away::Link)?;
        let put = self.runtime.handle().block_on(link.put(&self.shared.seal, rows));
        put.map_err(|fault| self.shared.away(&link, fault))
    }

    fn decide(&self, row: &Row, rests_on: Earlier) -> Result<bool, Away> {
        let link = self.shared.link.load_full().ok_or(Away::Link)?;
        match rests_on {
            Earlier::Decisions if !link.is_settled() => return Err(Away::Link),
            Earlier::Decisions | Earlier::Nothing => {}
        }
        let decided = self.runtime.handle().block_on(self.shared.decide(&link, row));
        decided.map_err(|fault| self.shared.away(&link, fault))
    }

    fn hear(&self) -> Result<(), Away> {
        let link = self.shared.link.load_full().ok_or(Away::Link)?;
        let heard = self.runtime.handle().block_on(self.shared.hear(&link, Instant::now()));
        heard.map_err(|fault| self.shared.away(&link, fault))
    }

    fn claim(&self, digest: &[u8; 32], made: SystemTime, lasts: Duration) -> Result<bool, Away> {
        let link = self.shared.link.load_full().ok_or(Away::Link)?;
        let claimed = self.runtime.handle().block_on(link.claim(digest, made, lasts));
        claimed.map_err(|fault| self.shared.away(&link, fault))
    }

    fn secret(&self, purpose: &str) -> [u8; 32] {
        hmac_sha256(&self.shared.secret, purpose.as_bytes())
    }

    fn is_silent(&self) -> bool {
        self.shared.silence().is_none_or(|silence| silence > self.shared.max_stale)
    }

    fn is_fresh(&self) -> bool {
        self.shared.silence().is_some_and(|silence| silence <= FRESH)
    }
}

impl Shared {
    fn silence(&self) -> Option<Duration> {
        match self.heard.load(Ordering::Relaxed) {
            0 => None,
            heard => Some(self.born.elapsed().saturating_sub(Duration::from_millis(heard))),
        }
    }

    /// Takes what was decided over before anybody else is told by this node that it has told all.
    async fn decide(&self, link: &Link, row: &Row) -> Result<bool, Fault> {
        let row = std::slice::from_ref(row);
        let _deciding = self.deciding.read().await;
        let is_taken = link.put(&self.seal, row).await? > 0;
        if is_taken {
            self.with_outbox(|store| store.take(row, None))?;
        }
        Ok(is_taken)
    }

    /// Whoever finds that the link is broken has it looked at, and lets nobody wait for it any more.
    fn away(&self, link: &Arc<Link>, fault: Fault) -> Away {
        match fault {
            Fault::Store(error) => return Away::Store(error),
            Fault::Redis(_) => drop(self.link.compare_and_swap(link, None)),
            Fault::Password(_) | Fault::Anew | Fault::Broken | Fault::Unnamed | Fault::Forged(_) => {}
        }
        log::debug!("the other nodes cannot be asked: {fault}");
        self.news.notify_one();
        Away::Link
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("silence", &self.silence()).finish_non_exhaustive()
    }
}

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(what) => write!(f, "[cluster.redis]: {what}"),
            Self::Key(what) => {
                write!(f, "[cluster.redis] key: {what}. `claviger key sealing` makes one, the same for all nodes")
            }
            Self::Threads(error) => write!(f, "[cluster.redis]: no threads: {error}"),
        }
    }
}

impl std::error::Error for ClusterError {}
