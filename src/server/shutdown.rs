//! How a process ends: by signal, with what is under way finished and every record written.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pingora::server::{ExecutionPhase, Server, ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::broadcast::error::RecvError;

use crate::state::Services;

/// SIGTERM drains and ends, SIGQUIT hands over to a new process, SIGINT ends at once.
pub(super) struct Signals {
    services: Arc<Services>,
}

impl Signals {
    pub(super) fn new(services: Arc<Services>) -> Self {
        Self { services }
    }
}

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        let received = tokio::select! {
            () = wait_for(SignalKind::terminate()) => ShutdownSignal::GracefulTerminate,
            () = wait_for(SignalKind::quit()) => ShutdownSignal::GracefulUpgrade,
            () = wait_for(SignalKind::interrupt()) => ShutdownSignal::FastShutdown,
        };
        // From here on every answer says `Connection: close`, so that clients come back to another process by themselves.
        self.services.drain();
        received
    }
}

async fn wait_for(kind: SignalKind) {
    match signal(kind) {
        Ok(mut stream) => drop(stream.recv().await),
        Err(error) => {
            log::error!(error:%; "a signal cannot be received");
            std::future::pending().await
        }
    }
}

/// How long idle connections stay open after the listeners closed, and a little more.
const LAME_DUCK: Duration = Duration::from_millis(1500);
/// How long writing the last records may take.
const FLUSH: Duration = Duration::from_secs(10);

/// Ends the process as soon as nothing is under way any more. Pingora alone would wait for its whole grace period.
pub(super) fn exit_when_drained(server: &Server, services: Arc<Services>) {
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
        while closed.elapsed() < LAME_DUCK || services.engines.metrics.in_flight.get() > 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
        flush(&services);
        std::process::exit(0);
    });
}

/// Writes what records there are.
pub(super) fn flush(services: &Services) {
    if let Err(unwritten) = services.audit.close(FLUSH) {
        log::error!(exchanges = unwritten.exchanges; "records could not be written");
    }
}
