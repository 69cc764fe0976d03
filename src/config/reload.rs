//! Reload: a changed file is compiled off to the side, and either takes effect whole or changes nothing and says why.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::{Mutex, Notify};

use super::{Diagnostics, Plan, Process, Watched, compile};
use crate::state::{Engines, Services, Snapshot};
use crate::telemetry::ReloadResult;
use crate::vault::Slot;

/// Reloads one configuration file into running services.
pub struct Reloader {
    file: PathBuf,
    services: Arc<Services>,
    process: Process,
    /// The password of what the nodes share, for those who outlive a configuration.
    password: Arc<ArcSwapOption<Slot>>,
    /// What was looked at for the configuration in force, and for one that was refused since, as it was read.
    taken: ArcSwap<Watched>,
    /// Held while a reload is under way, so that two never are; the number of the newest snapshot.
    turn: Mutex<u64>,
    asked: Notify,
    retired: Arc<Retired>,
}

/// The snapshots that were replaced, until no exchange is under them any more. What a large one takes to free is then nobody's to wait for who
/// happened to be the last under it.
#[derive(Default)]
struct Retired(std::sync::Mutex<Vec<Arc<Snapshot>>>);

impl Retired {
    fn add(&self, snapshot: Arc<Snapshot>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(snapshot);
    }

    fn free(&self) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over: Vec<_> = all.extract_if(.., |one| Arc::strong_count(one) == 1).collect();
        drop(all);
        drop(over);
    }
}

/// Why a configuration could not be compiled.
#[derive(Debug)]
pub enum LoadError {
    /// The file cannot be read.
    Unreadable(PathBuf, std::io::Error),
    /// It is wrong.
    Wrong(Diagnostics),
}

/// Why a configuration did not take effect.
#[derive(Debug)]
pub enum ReloadError {
    /// It could not be compiled.
    Load(LoadError),
    /// It changes what holds for the life of the process.
    NeedsRestart,
    /// The work could not be finished.
    Interrupted,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(file, error) => write!(f, "cannot read {}: {error}", file.display()),
            Self::Wrong(diagnostics) => diagnostics.fmt(f),
        }
    }
}

impl std::error::Error for LoadError {}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(error) => error.fmt(f),
            Self::NeedsRestart => f.write_str(
                "[server], [admin], [audit], [store], [cluster] and the addresses and bounds of [listen] hold for the life of a process; \
                 start the new configuration with `claviger run --upgrade`",
            ),
            Self::Interrupted => f.write_str("the reload was interrupted"),
        }
    }
}

impl std::error::Error for ReloadError {}

/// Reads and compiles a file: what was looked at for it, and what came of it.
///
/// # Errors
/// [`LoadError`] when the file cannot be read or is wrong.
pub fn load(file: &Path, number: u64, engines: &Engines) -> (Watched, Result<Plan, LoadError>) {
    let mut watched = Watched::default();
    watched.file(file);
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => return (watched, Err(LoadError::Unreadable(file.to_owned(), error))),
    };
    let (named, plan) = compile(file, &text, number, engines);
    watched.join(named);
    (watched, plan.map_err(LoadError::Wrong))
}

/// How long a reload waits for new secrets. Those that are not there then are asked for on.
const PRIMED_WITHIN: Duration = Duration::from_secs(5);
/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

impl Reloader {
    /// A reloader for the file that these services were first compiled from, for which `taken` was looked at.
    pub fn new(file: PathBuf, services: Arc<Services>, process: Process, taken: Watched) -> Self {
        let turn = Mutex::new(services.snapshot().number);
        let (password, taken) = (Arc::default(), ArcSwap::from_pointee(taken));
        Self { file, services, process, password, taken, turn, asked: Notify::new(), retired: Arc::default() }
    }

    /// The same, which puts the slot of the cluster's password here with each reload.
    pub fn with_password(self, password: Arc<ArcSwapOption<Slot>>) -> Self {
        Self { password, ..self }
    }

    /// Asks for a reload now, whether or not a file has changed.
    pub fn ask(&self) {
        self.asked.notify_one();
    }

    /// Reloads when asked, and when the configuration or something that it names has changed. A file is taken only when it has stayed the
    /// same from one look to the next: half a file can be valid TOML with half the rules.
    pub async fn watch(&self) {
        let mut seen = self.look().await;
        loop {
            let asked = tokio::select! {
                () = self.asked.notified() => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            let now = self.look().await;
            let settled = now == seen && now != **self.taken.load();
            if asked || settled {
                self.reload_and_tell().await;
                // A new configuration may name other files.
                seen = self.look().await;
            } else {
                seen = now;
            }
        }
    }

    async fn reload_and_tell(&self) {
        let result = match self.reload().await {
            Ok(number) => {
                log::info!(config = number; "the configuration was reloaded");
                self.services.snapshot().warn_of_shadow();
                ReloadResult::Applied
            }
            Err(error) => {
                log::error!("the configuration was not reloaded, the old one stays: {error}");
                self.services.refused(error.to_string());
                ReloadResult::Refused
            }
        };
        // Last: who sees the count finds what it counts.
        self.services.engines.metrics.reloads.of(result).inc();
    }

    /// Compiles the file and puts it in force; tells the number of the new snapshot.
    ///
    /// # Errors
    /// A [`ReloadError`]; the snapshot in force is then unchanged.
    pub async fn reload(&self) -> Result<u64, ReloadError> {
        let mut newest = self.turn.lock().await;
        let number = *newest + 1;
        let (file, services) = (self.file.clone(), Arc::clone(&self.services));
        let loaded = tokio::task::spawn_blocking(move || load(&file, number, &services.engines)).await;
        let (watched, plan) = loaded.map_err(|_| ReloadError::Interrupted)?;
        let plan = match plan {
            Ok(plan) if plan.process == self.process => plan,
            refused => {
                // Not tried again until something changes, be it what was missing this time.
                let mut all = self.look().await;
                all.join(watched);
                self.taken.store(Arc::new(all));
                return Err(refused.map_or_else(ReloadError::Load, |_| ReloadError::NeedsRestart));
            }
        };
        // The first request under the new snapshot finds secrets, addresses and keys.
        let services = Arc::clone(&self.services);
        let read = tokio::task::spawn_blocking(move || services.engines.vaults.prime(PRIMED_WITHIN)).await;
        read.map_err(|_| ReloadError::Interrupted)?;
        self.services.engines.targets.resolve_now().await;
        let _ = tokio::time::timeout(PRIMED_WITHIN, self.services.engines.authenticators.prime()).await;
        self.taken.store(Arc::new(watched));
        // Before the vault of the one before may go.
        self.password.store(plan.cluster.and_then(|secrets| secrets.password));
        self.retired.add(self.services.swap(plan.snapshot));
        *newest = number;
        Ok(number)
    }

    async fn look(&self) -> Watched {
        let taken = self.taken.load_full();
        let before = Watched::clone(&taken);
        let retired = Arc::clone(&self.retired);
        let look = move || {
            retired.free();
            taken.look_again()
        };
        // A look that could not be made has seen nothing new.
        tokio::task::spawn_blocking(look).await.unwrap_or(before)
    }
}
