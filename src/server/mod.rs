//! Builds everything once and hands it to Pingora: listeners, TLS, background work, shutdown and upgrade.

mod access;
mod anchor;
mod audit;
mod background;
mod cluster;
mod complaint;
mod control;
mod freezer;
mod habits;
mod handover;
mod health;
mod holds;
mod listeners;
mod live;
mod monitor;
mod notify;
mod probes;
mod process;
mod revocations;
mod rotations;
mod sessions;
mod shutdown;
mod sinks;
mod tls;
mod traces;
mod webhooks;

use std::fmt;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use pingora::server::configuration::{Opt, ServerConf};
use pingora::server::{RunArgs, Server};
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

use crate::audit::sinks::Sinks;
use crate::authn::ApiKeys;
use crate::config::{self, LoadError, Plan, Process, Reloader};
use crate::domain::{Name, trust_clock};
use crate::inspect::Profile;
use crate::session::{Access, Revocations, Store, StoreError};
use crate::state::{Engines, Services};
use crate::vault::Rotation;

use handover::Handover;

pub use live::{Asked, Missing};
pub use process::{harden, install_crypto, warm_up_memory};

/// What a gateway is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The configuration file.
    pub config: PathBuf,
    /// Whether to take over the listeners of the process that runs now.
    pub upgrade: bool,
}

/// Why a gateway did not start.
#[derive(Debug)]
pub enum StartError {
    /// The configuration cannot be read, or is wrong.
    Load(LoadError),
    /// The audit file at this path cannot be opened.
    Audit(Option<PathBuf>, std::io::Error),
    /// The store cannot be used.
    Store(StoreError),
    /// There is no running process to take over from, or nobody could safely take over from this one.
    Upgrade(String),
    /// This address cannot be listened on.
    Listen(SocketAddr, std::io::Error),
    /// Something that the process needs could not be made.
    Internal(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(error) => error.fmt(f),
            Self::Audit(Some(path), error) => {
                let cure = "let this user write the file and its directory, or name another as `path` in [audit]";
                write!(f, "cannot open the audit log {}: {error}; {cure}", path.display())
            }
            Self::Audit(None, error) => write!(f, "cannot open the audit log: {error}"),
            Self::Store(error) => error.fmt(f),
            Self::Upgrade(reason) => write!(f, "{reason}"),
            Self::Listen(address, error) => {
                let cure = if error.kind() == ErrorKind::AddrInUse {
                    "end what has it (`ss -ltnp`), which may be another listener of this configuration on all addresses, or take over from a claviger that runs with `--upgrade`"
                } else if error.kind() == ErrorKind::PermissionDenied {
                    "let this user have ports below 1024 (CAP_NET_BIND_SERVICE), or listen on another"
                } else {
                    "is it an address of this machine (`ip address`)?"
                };
                write!(f, "cannot listen on {address}: {error}; {cure}")
            }
            Self::Internal(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for StartError {}

impl From<LoadError> for StartError {
    fn from(error: LoadError) -> Self {
        Self::Load(error)
    }
}

/// What there is to say of a configuration that can be served.
#[derive(Debug)]
pub struct Checked {
    /// How many routes it has.
    pub routes: usize,
    /// What would make it better.
    pub advice: Vec<&'static str>,
    /// Whether what it names is there, where that was to be found out.
    pub live: Option<Asked>,
}

/// Reads and compiles a configuration, as a start would, and with `live` asks for what it names.
///
/// # Errors
/// [`StartError`] when it cannot be read or is wrong.
pub fn check(file: &Path, live: bool) -> Result<Checked, StartError> {
    process::install_crypto();
    let engines = Engines::new().map_err(|error| StartError::Internal(error.to_string()))?;
    let (_, plan) = config::load(file, 1, &engines);
    let Plan { snapshot, process, .. } = plan?;
    let is_unsigned = process.audit.path.is_some() && snapshot.audit_key.is_none();
    let unsigned = "[audit] has no `key`: checkpoints are not signed, so whoever can write the log can make it anew; `claviger key audit` makes one";
    let live = if live { Some(live::ask(&engines, &snapshot)?) } else { None };
    Ok(Checked { routes: snapshot.routes, advice: is_unsigned.then_some(unsigned).into_iter().collect(), live })
}

/// How the requests of a route of a configuration are looked through; none where they are not, or there is no such route.
///
/// # Errors
/// [`StartError`] when it cannot be read or is wrong.
pub fn profile(file: &Path, route: &Name) -> Result<Option<Arc<Profile>>, StartError> {
    process::install_crypto();
    let engines = Engines::new().map_err(|error| StartError::Internal(error.to_string()))?;
    let (_, plan) = config::load(file, 1, &engines);
    let plan = plan?;
    let inspecting = plan.snapshot.router.named(route).and_then(|route| route.inspecting.as_ref());
    Ok(inspecting.map(|own| Arc::clone(&own.profile)))
}

/// What commands need to know of a configuration.
#[derive(Debug)]
pub struct Site {
    /// The store, where there is one.
    pub store: Option<PathBuf>,
    /// The names of the authenticators.
    pub authenticators: Vec<Name>,
    /// Those of them that know API keys.
    pub api_keys: Vec<Arc<ApiKeys>>,
    /// The admin listener's address, where there is one.
    pub admin: Option<SocketAddr>,
    /// The secrets that are replaced.
    pub rotations: Vec<Arc<Rotation>>,
}

/// Reads and compiles a configuration for a command.
///
/// # Errors
/// [`StartError`] when it cannot be read or is wrong.
pub fn site(file: &Path) -> Result<Site, StartError> {
    process::install_crypto();
    let engines = Engines::new().map_err(|error| StartError::Internal(error.to_string()))?;
    let (_, plan) = config::load(file, 1, &engines);
    let Plan { snapshot, process, authenticators, api_keys, .. } = plan?;
    let rotations = snapshot.rotations.iter().map(|one| Arc::clone(&one.rotation)).collect();
    Ok(Site { store: process.store, authenticators, api_keys, admin: process.admin, rotations })
}

/// Runs a gateway until it is told to end; returns when every record is written.
///
/// # Errors
/// A [`StartError`] when it cannot start; an old process that was to be taken over from then serves on.
pub fn run(options: Options) -> Result<(), StartError> {
    trust_clock();
    process::install_crypto();
    let engines = Engines::new().map_err(|error| StartError::Internal(error.to_string()))?;
    let (watched, plan) = config::load(&options.config, 1, &engines);
    let Plan { snapshot, process, cluster, .. } = plan?;
    let mut handover = Handover::new(process::RunDirectory::open(&process.run_directory)?, addresses(&process));
    // Before anything is written: who cannot start leaves no trace in the log of whoever runs.
    if options.upgrade {
        handover.find()?
    } else {
        handover.wait_until_free()?
    }
    let log = audit::open(process.audit.clone(), &engines, &snapshot)
        .map_err(|error| StartError::Audit(process.audit.path.clone(), error))?;
    let kept = process.store.as_deref().map(|path| open(path, &engines)).transpose().map_err(StartError::Store)?;
    let services = Services::new(engines, log, snapshot);
    let (services, store) = match kept {
        Some((revocations, access, store)) => (services.with_store(revocations, access), Some(store)),
        None => (services, None),
    };
    let password = Arc::new(ArcSwapOption::new(cluster.as_ref().and_then(|secrets| secrets.password.clone())));
    let cluster = cluster::join(&process, (cluster, Arc::clone(&password)), store, &services)?;
    let services = Arc::new(match &cluster {
        Some(cluster) => services.with_peers(Arc::clone(cluster) as _),
        None => services,
    });
    prime(&services)?;
    sessions::keep_keys(&services);

    let learnt = habits::read(&services);
    let conf = conf(&process, handover.socket());
    let mut server = Server::new_with_opt_and_conf(options_for(&options), conf);
    handover.ask();
    server.bootstrap();
    let handover = Arc::new(handover);

    let reloader = Reloader::new(options.config, Arc::clone(&services), process.clone(), watched);
    let reloader = Arc::new(reloader.with_password(password));
    let gates = listeners::add(&mut server, &process, &services);
    let sinks = process.audit.path.clone().map(|path| Arc::new(Sinks::new(path, services.audit.clone())));
    let monitor = monitor::watch(&services, learnt).map_err(|error| StartError::Internal(error.to_string()))?;
    let last = shutdown::Last::new(Arc::clone(&services), sinks.clone(), monitor);
    shutdown::exit_when_drained(&server, last.clone(), gates.clone());
    server.add_service(background::service(Arc::clone(&services), reloader, gates, cluster, sinks));
    server.add_service(handover::Sockets { handover: Arc::clone(&handover), services: Arc::clone(&services), process });
    revocations::watch(&services).map_err(|error| StartError::Internal(error.to_string()))?;
    anchor::start(&services).map_err(|error| StartError::Internal(error.to_string()))?;
    access::watch(&services).map_err(|error| StartError::Internal(error.to_string()))?;
    traces::start(&services).map_err(|error| StartError::Internal(error.to_string()))?;
    let signals = shutdown::Signals::new(Arc::clone(&services), handover);
    server.run(RunArgs { shutdown_signal: Box::new(signals) });
    last.flush();
    Ok(())
}

/// The store, for all that is kept in it.
fn open(path: &Path, engines: &Engines) -> Result<(Arc<Revocations>, Arc<Access>, Store), StoreError> {
    let store = Store::open(path)?;
    engines.authenticators.sessions().open(store.again()?)?;
    let (for_access, for_cluster) = (store.again()?, store.again()?);
    let revocations = Revocations::new(store)?;
    let access = Access::new(for_access, Arc::clone(revocations.lines()))?;
    Ok((Arc::new(revocations), Arc::new(access), for_cluster))
}

/// Every address that this process listens on.
fn addresses(process: &Process) -> Vec<SocketAddr> {
    process.listeners.iter().map(|listener| listener.address).chain(process.admin).chain(process.probes).collect()
}

fn options_for(options: &Options) -> Opt {
    Opt { upgrade: options.upgrade, ..Opt::default() }
}

fn conf(process: &Process, upgrade_sock: String) -> ServerConf {
    ServerConf {
        threads: process.threads,
        upgrade_sock,
        grace_period_seconds: Some(process.drain.as_secs()),
        graceful_shutdown_timeout_seconds: Some(1),
        upstream_keepalive_pool_size: 512,
        max_retries: 8,
        ..ServerConf::default()
    }
}

/// Finds addresses and keys before the first request asks for them. What cannot be had in time is tried again in the background.
fn prime(services: &Services) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| StartError::Internal(error.to_string()))?;
    services.engines.vaults.prime(Duration::from_secs(5));
    runtime.block_on(async {
        // Until somebody waits for it, a hang-up would end the process. What changes meanwhile is reloaded without one.
        let _hangups = signal(SignalKind::hangup());
        // A file that has become as long as files may be is an error like a full disk, and not the end.
        let _too_long = signal(SignalKind::from_raw(Signal::XFSZ.as_raw()));
        services.engines.targets.resolve_now().await;
        let _ = tokio::time::timeout(Duration::from_secs(5), services.engines.authenticators.prime()).await;
    });
    Ok(())
}
