//! Reload: a changed file is compiled off to the side, and either takes effect whole or changes nothing and says why.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Mutex, Notify};

use super::{Diagnostics, Plan, Process, Stamp, compile};
use crate::state::Services;
use crate::telemetry::ReloadResult;

/// Reloads one configuration file into running services.
pub struct Reloader {
    file: PathBuf,
    services: Arc<Services>,
    process: Process,
    /// The configuration and the files that it names, as they were last read.
    taken: ArcSwap<BTreeMap<PathBuf, Stamp>>,
    /// Held while a reload is under way, so that two never are; the number of the newest snapshot.
    turn: Mutex<u64>,
    asked: Notify,
}

/// Why a configuration did not take effect.
#[derive(Debug)]
pub enum ReloadError {
    /// The file cannot be read.
    Unreadable(std::io::Error),
    /// It is wrong.
    Wrong(Diagnostics),
    /// It changes what holds for the life of the process.
    NeedsRestart,
    /// The work could not be finished.
    Interrupted,
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "the configuration cannot be read: {error}"),
            Self::Wrong(diagnostics) => diagnostics.fmt(f),
            Self::NeedsRestart => f.write_str(
                "[server], [admin], [audit] and the addresses and bounds of [listen] hold for the life of a process; \
                 start the new configuration with `claviger run --upgrade`",
            ),
            Self::Interrupted => f.write_str("the reload was interrupted"),
        }
    }
}

impl std::error::Error for ReloadError {}

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

impl Reloader {
    /// A reloader for the file that these services were first compiled from. `taken` are that file and those that it names, as they were read.
    pub fn new(file: PathBuf, services: Arc<Services>, process: Process, taken: BTreeMap<PathBuf, Stamp>) -> Self {
        let turn = Mutex::new(services.snapshot().number);
        Self { file, services, process, taken: ArcSwap::from_pointee(taken), turn, asked: Notify::new() }
    }

    /// Asks for a reload now, whether or not a file has changed.
    pub fn ask(&self) {
        self.asked.notify_one();
    }

    /// Reloads when asked, and when the configuration or a file that it names has changed. A file is taken only when it has stayed the same
    /// from one look to the next: half a file can be valid TOML with half the rules.
    pub async fn watch(&self) {
        let mut seen = self.stamps().await;
        loop {
            let asked = tokio::select! {
                () = self.asked.notified() => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            let now = self.stamps().await;
            let settled = now == seen && now != **self.taken.load();
            if asked || settled {
                self.reload_and_tell(now).await;
                // A new configuration may name other files.
                seen = self.stamps().await;
            } else {
                seen = now;
            }
        }
    }

    async fn reload_and_tell(&self, now: BTreeMap<PathBuf, Stamp>) {
        let result = match self.reload().await {
            Ok(number) => {
                log::info!(config = number; "the configuration was reloaded");
                ReloadResult::Applied
            }
            Err(error) => {
                log::error!("the configuration was not reloaded, the old one stays: {error}");
                self.services.refused(error.to_string());
                // Not tried again until something changes.
                self.taken.store(Arc::new(now));
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
        let compiled = tokio::task::spawn_blocking(move || load(&file, number, &services)).await;
        let plan = compiled.map_err(|_| ReloadError::Interrupted)??;
        if plan.process != self.process {
            return Err(ReloadError::NeedsRestart);
        }
        // The first request under the new snapshot finds addresses and keys.
        self.services.engines.targets.resolve_now().await;
        let _ = tokio::time::timeout(Duration::from_secs(5), self.services.engines.authenticators.prime()).await;
        self.taken.store(Arc::new(plan.watched));
        self.services.swap(plan.snapshot);
        *newest = number;
        Ok(number)
    }

    async fn stamps(&self) -> BTreeMap<PathBuf, Stamp> {
        let paths: Vec<PathBuf> = self.taken.load().keys().cloned().collect();
        let stamped =
            tokio::task::spawn_blocking(|| paths.into_iter().map(|path| (path.clone(), Stamp::of(&path))).collect());
        stamped.await.unwrap_or_default()
    }
}

fn load(file: &Path, number: u64, services: &Services) -> Result<Plan, ReloadError> {
    let stamp = Stamp::of(file);
    let text = std::fs::read_to_string(file).map_err(ReloadError::Unreadable)?;
    let mut plan = compile(file, &text, number, &services.engines).map_err(ReloadError::Wrong)?;
    plan.watched.insert(file.to_owned(), stamp);
    Ok(plan)
}
