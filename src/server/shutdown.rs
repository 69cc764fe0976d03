//! How a process ends: by signal, with what is under way finished and every record written.

use std::sync::Arc;
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
    pub(super) services: Arc<Services>,
    pub(super) sinks: Option<Arc<Sinks>>,
    pub(super) monitor: Arc<Monitor>,
}

impl Last {
    /// Writes what records there are, also those of exchanges that the end of their runtime has just cut.
    pub(super) fn flush(&self) {
        let services = &self.services;
        let began = Instant::now();
        while services.engines.metrics.in_flight.get() > 0 && began.elapsed() < CUT {
            std::thread::sleep(Duration::from_millis(2));
        }
        // While there is a log that takes it.
        self.monitor.stop();
        // First, since a vault may hang.
        if let Err(unwritten) = services.audit.close(FLUSH) {
            log::error!(exchanges = unwritten.exchanges; "records could not be written");
        }
        let began = Instant::now();
        while !services.audit.is_anchored() && began.elapsed() < CUT {
            std::thread::sleep(Duration::from_millis(2));
        }
        // Before the vaults, in which what proves them to their receivers lies.
        self.sinks.as_ref().inspect(|sinks| sinks.stop());
        services.engines.vaults.close(CUT);
    }
}
