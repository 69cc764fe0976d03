//! Where records go besides the log's files: to syslog, a webhook, OpenTelemetry, standard output. The files are what each of them reads, so
//! that nothing waits for a receiver and nothing is lost while it is away.

mod batch;
mod delivery;
mod otlp;
mod settings;
mod spool;
mod syslog;
mod told;
mod transport;
mod webhook;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::watch;

pub use settings::{Confirm, SinkProof, SinkSettings, SinkTo};
pub use syslog::{FACILITIES, SyslogHead};
pub use webhook::Format;

use super::Log;
use crate::telemetry::SinkMetrics;
use delivery::Delivery;
use spool::Spool;

/// The sinks at work, each with a thread of its own.
#[derive(Debug)]
pub struct Sinks {
    path: PathBuf,
    log: Log,
    running: Mutex<Vec<Running>>,
}

#[derive(Debug)]
struct Running {
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

/// How often a process that has to wait for another one looks whether that has ended.
const TURN_EVERY: Duration = Duration::from_millis(500);

impl Sinks {
    /// Sinks of the log whose file is at this path; none is at work yet.
    pub fn new(path: PathBuf, log: Log) -> Self {
        Self { path, log, running: Mutex::default() }
    }

    /// Has these sinks work instead of those that do, which end first. Blocks for what they have still to say.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(&self, sinks: Vec<(SinkSettings, SinkMetrics)>) -> io::Result<()> {
        self.stop();
        for (settings, metrics) in sinks {
            let running = run(&self.path, &self.log, settings, metrics)?;
            self.running.lock().unwrap_or_else(PoisonError::into_inner).push(running);
        }
        Ok(())
    }

    /// Whether one of them has ended that was not told to: it panicked.
    pub fn has_failed(&self) -> bool {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.iter().any(|one| one.thread.is_finished())
    }

    /// Ends all of them, each after what it can still send within a few seconds.
    pub fn stop(&self) {
        let running = std::mem::take(&mut *self.running.lock().unwrap_or_else(PoisonError::into_inner));
        for one in &running {
            // One that has ended need not be told.
            let _ = one.stop.send(true);
        }
        for one in running {
            // What panicked was told.
            let _ = one.thread.join();
        }
    }
}

fn run(path: &Path, log: &Log, settings: SinkSettings, metrics: SinkMetrics) -> io::Result<Running> {
    let (stop, stopped) = watch::channel(false);
    let (path, log) = (path.to_owned(), log.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let work = async move {
        if let Some(spool) = turn(&path, &settings, stopped.clone()).await {
            Delivery::new(settings, spool, metrics, log).run(stopped).await;
        }
    };
    let thread = thread::Builder::new().name("sink".to_owned()).spawn(move || {
        runtime.block_on(work);
        // A thread that waits for standard output is not waited for.
        runtime.shutdown_background();
    })?;
    Ok(Running { stop, thread })
}

/// The spool, once no other process delivers from it; none when it is not wanted any more.
async fn turn(path: &Path, settings: &SinkSettings, mut stop: watch::Receiver<bool>) -> Option<Spool> {
    let mut is_told = false;
    loop {
        match Spool::open(path, &settings.name) {
            Ok(Some(spool)) => return Some(spool),
            Ok(None) => {}
            Err(error) if !std::mem::replace(&mut is_told, true) => {
                log::error!(sink = settings.name.as_str(); "records cannot be delivered: {error}");
            }
            Err(_) => {}
        }
        let wait = tokio::time::timeout(TURN_EVERY, stop.wait_for(|stop| *stop)).await;
        if wait.is_ok() {
            return None;
        }
    }
}
