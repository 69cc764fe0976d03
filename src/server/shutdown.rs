//! How a process ends: by signal, with what is under way finished and every record written.

use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pingora::server::{ExecutionPhase, Server, ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::broadcast::error::RecvError;

use super::handover::Handover;
use super::monitor::Monitor;
use crate::audit::sinks::Sinks;
use crate::proxy::ingress::Gate;
use crate::state::Services;

/// SIGTERM drains and ends, SIGINT ends at once, SIGQUIT gives the listening sockets to a new process and changes nothing else.
pub(super) struct Signals {
    services: Arc<Services>,
    handover: Arc<Handover>,
}

impl Signals {
    pub(super) fn new(services: Arc<Services>, handover: Arc<Handover>) -> Self {
        Self { services, handover }
    }

    async fn received(&self) -> std::io::Result<ShutdownSignal> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut quit = signal(SignalKind::quit())?;
        loop {
            tokio::select! {
                _ = terminate.recv() => return Ok(ShutdownSignal::GracefulTerminate),
                _ = interrupt.recv() => return Ok(ShutdownSignal::FastShutdown),
                _ = quit.recv() => {
                    // Beside this loop: a process that asked and went away is waited for, and other signals are not to wait with it.
                    let handover = Arc::clone(&self.handover);
                    tokio::task::spawn_blocking(move || handover.give());
                }
            }
        }
    }
}

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        let received = match self.received().await {
            Ok(received) => received,
            Err(error) => {
                log::error!(error:%; "signals cannot be received");
                std::future::pending().await
            }
        };
        // From here on every answer says `Connection: close`, so that clients come back to another process by themselves.
        self.services.drain();
        log::info!("told to end: what is under way is finished first");
        received
    }
}

/// How long idle connections stay open after the listeners closed, and a little more.
const LAME_DUCK: Duration = Duration::from_millis(1500);
/// How long writing the last records may take.
const FLUSH: Duration = Duration::from_secs(10);

/// Ends the process as soon as nothing is under way any more. Pingora alone would wait for its whole grace period.
pub(super) fn exit_when_drained(server: &Server, last: Last, gates: Vec<Arc<Gate>>) {
    let mut phases = server.watch_execution_phase();
    std::thread::spawn(move || {
        loop {
            match phases.blocking_recv() {
                Ok(ExecutionPhase::ShutdownGracePeriod) => break,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
        let closed = Instant::now();
        let under_way = || last.services.engines.metrics.in_flight.get() > 0;
        // An exchange is over before its last bytes have left: its connection is what tells.
        let connected = || gates.iter().any(|gate| gate.open_connections() > 0);
        while closed.elapsed() < LAME_DUCK || under_way() || connected() {
            std::thread::sleep(Duration::from_millis(20));
        }
        last.flush();
        std::process::exit(0);
    });
}

/// How long exchanges that were cut may take to end.
const CUT: Duration = Duration::from_secs(2);

/// What is left to be done when nothing is served any more.
#[derive(Clone)]
pub(super) struct Last {
    services: Arc<Services>,
    sinks: Option<Arc<Sinks>>,
    monitor: Arc<Monitor>,
    /// Pingora and the thread of [`exit_when_drained`] may come to the end at the same time, and each ends the process then.
    once: Arc<Once>,
}

impl Last {
    pub(super) fn new(services: Arc<Services>, sinks: Option<Arc<Sinks>>, monitor: Arc<Monitor>) -> Self {
        Self { services, sinks, monitor, once: Arc::new(Once::new()) }
    }

    /// Writes what records there are, also those of exchanges that the end of their runtime has just cut. Whoever comes second waits for the first.
    pub(super) fn flush(&self) {
        self.once.call_once_force(|_| self.end());
    }

    fn end(&self) {
        let services = &self.services;
        wait_until(|| services.engines.metrics.in_flight.get() == 0);
        log::info!("nothing is served any more; the last records are written");
        // The monitor is to know the last records too.
        wait_until(|| services.audit.is_shown());
        // While there is a log that takes it.
        self.monitor.stop();
        // First, since a vault may hang.
        if let Err(unwritten) = services.audit.close(FLUSH) {
            log::error!(exchanges = unwritten.exchanges; "records could not be written");
        }
        wait_until(|| services.audit.is_anchored());
        // Before the vaults, in which what proves them to their receivers lies.
        self.sinks.as_ref().inspect(|sinks| sinks.stop());
        services.engines.vaults.close(CUT);
    }
}

/// Waits for this as long as exchanges that were cut may take to end.
fn wait_until(is_done: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_done() && began.elapsed() < CUT {
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use serde_json::Value;

    use super::super::monitor;
    use super::*;
    use crate::audit::{Log, Settings, Skipped, SkippedFor};
    use crate::domain::Name;
    use crate::state::{Engines, Snapshot};

    #[test]
    fn whatever_the_last_record_shows_is_in_the_log_however_many_come_to_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.log");
        let engines = Engines::new().expect("engines");
        let settings = Settings { path: Some(path.clone()), ..Settings::default() };
        let log = Log::open(settings, engines.metrics.audit.clone()).expect("a log");
        let services = Arc::new(Services::new(engines, log, Snapshot::default()));
        let monitor = monitor::watch(&services, crate::server::habits::read(&services)).expect("a thread");
        let last = Last::new(Arc::clone(&services), None, monitor);
        let (time, sink) = (SystemTime::now(), Name::parse("siem").expect("a name"));
        services.audit.submit(Skipped { time, sink, count: 7, reason: SkippedFor::Age });
        let lines = || {
            let text = std::fs::read_to_string(&path).expect("a file");
            let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
            let told = |line: Value| [&line["act"], &line["kind"]].iter().find_map(|it| it.as_str().map(str::to_owned));
            lines.filter_map(told).collect::<Vec<_>>()
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    last.flush();
                    assert_eq!(lines()[2..], ["skipped", "raised", "cleared", "closed", "checkpoint"]);
                });
            }
        });
        assert_eq!(services.engines.metrics.audit.unrecorded.get(), 0);
    }
}
