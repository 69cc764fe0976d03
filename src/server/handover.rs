//! How one process takes over from another. The new one asks for the listening sockets (SIGQUIT), takes connections beside the old one, and
//! only then tells it to drain and end (SIGTERM). A new process that dies on the way leaves the old one serving.

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::Service;
use rustix::process::{Pid, Signal};

use super::StartError;
use super::process::RunDirectory;
use crate::config::Process;
use crate::state::Services;

/// How long an old process may take to be signalled once the new one listens for its sockets.
const ASKING: Duration = Duration::from_secs(10);
/// How long listening on every address may take.
const LISTENING: Duration = Duration::from_secs(10);

/// How long the audit log may take to be closed.
const CLOSED_WITHIN: Duration = Duration::from_secs(5);

/// Both ends of a hand-over: this process's predecessor, if it has one, and its successors.
pub(super) struct Handover {
    directory: RunDirectory,
    addresses: Vec<SocketAddr>,
    predecessor: Option<Pid>,
    sockets: OnceLock<ListenFds>,
}

impl Handover {
    /// For a process that will listen on these addresses.
    pub(super) fn new(directory: RunDirectory, addresses: Vec<SocketAddr>) -> Self {
        Self { directory, addresses, predecessor: None, sockets: OnceLock::new() }
    }

    /// Where sockets are handed over.
    pub(super) fn socket(&self) -> String {
        self.directory.upgrade_socket()
    }

    /// Finds the running process, to take over from it.
    pub(super) fn find(&mut self) -> Result<(), StartError> {
        let old = self.directory.running().ok_or_else(|| {
            let pid_file = self.directory.pid_file();
            StartError::Upgrade(format!(
                "cannot take over: no running process in {}; start without --upgrade",
                pid_file.display()
            ))
        })?;
        self.predecessor = Some(old);
        Ok(())
    }

    /// Waits until every address can be had, with nobody to take it from: who has one now may be about to end.
    pub(super) fn wait_until_free(&self) -> Result<(), StartError> {
        let began = Instant::now();
        // All of them at once: some of this process's own may be in each other's way.
        let mut bound = Vec::new();
        for &address in &self.addresses {
            let mut is_told = false;
            while let Err(error) = TcpListener::bind(address).map(|socket| bound.push(socket)) {
                if error.kind() != ErrorKind::AddrInUse || began.elapsed() > LISTENING {
                    return Err(StartError::Listen(address, error));
                }
                if !is_told {
                    log::warn!("{address} is in use; waiting {LISTENING:?} at most until it is free");
                    is_told = true;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(())
    }

    /// Tells the process that was found to give its sockets as soon as this one waits for them, which has to be next.
    pub(super) fn ask(&self) {
        let Some(old) = self.predecessor else { return };
        let socket = PathBuf::from(self.socket());
        // One that an earlier process left behind.
        let _ = fs::remove_file(&socket);
        std::thread::spawn(move || {
            let began = Instant::now();
            while !socket.exists() && began.elapsed() < ASKING {
                std::thread::sleep(Duration::from_millis(10));
            }
            if !socket.exists() {
                log::error!("this process does not listen for the sockets; the running one is left alone");
            } else if let Err(error) = rustix::process::kill_process(old, Signal::QUIT) {
                log::error!(error:%; "the running process cannot be told to hand over");
            }
        });
    }

    /// Gives a copy of the sockets to the process that waits for them. This one goes on taking connections until it is told to end.
    pub(super) fn give(&self) {
        let Some(sockets) = self.sockets.get() else { return };
        match sockets.lock().send_to_sock(self.socket().as_str()) {
            Ok(_) => log::info!("the listening sockets were handed over; this process serves until the new one does"),
            Err(error) => log::error!(error:%; "no process took the listening sockets; this one serves on"),
        }
    }

    /// Waits until this process listens everywhere; then it is the one that serves, and the old one is told to end.
    async fn take_over(&self, sockets: &ListenFds) -> bool {
        let began = Instant::now();
        while !self.addresses.iter().all(|address| sockets.lock().get(&address.to_string()).is_some()) {
            if began.elapsed() > LISTENING {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.directory.claim();
        if let Some(old) = self.predecessor {
            match rustix::process::kill_process(old, Signal::TERM) {
                Ok(()) => log::info!("this process serves now; the old one was told to end"),
                Err(error) => log::warn!(error:%; "the old process cannot be told to end"),
            }
        }
        true
    }
}

/// The service that gets hold of the sockets, and finishes the hand-over to this process.
pub(super) struct Sockets {
    pub(super) handover: Arc<Handover>,
    pub(super) services: Arc<Services>,
    pub(super) process: Process,
}

#[async_trait]
impl Service for Sockets {
    async fn start_service(&mut self, sockets: Option<ListenFds>, _shutdown: ShutdownWatch, _listeners: usize) {
        let Some(sockets) = sockets else { return };
        // A socket that the new configuration has no listener for would take connections that nobody answers.
        let wanted = self.handover.addresses.iter().map(SocketAddr::to_string).collect();
        sockets.lock().close_unclaimed(&wanted);
        let sockets = self.handover.sockets.get_or_init(|| sockets);
        if self.handover.take_over(sockets).await {
            self.services.serve();
            tell(&self.process, &self.services);
        } else {
            let all: Vec<_> = self.handover.addresses.iter().map(SocketAddr::to_string).collect();
            log::error!(
                "within {LISTENING:?} not all of these could be listened on: {}; the process ends. Does another process have one (`ss -ltnp`), or is it no \
                 address of this machine?",
                all.join(", ")
            );
            // Else the log, which may be the one of whoever listens there, could not be told from that of a process that was killed.
            if let Err(unwritten) = self.services.audit.close(CLOSED_WITHIN) {
                log::error!("{unwritten}");
            }
            std::process::exit(1);
        }
    }

    fn name(&self) -> &str {
        "handover"
    }

    fn threads(&self) -> Option<usize> {
        Some(1)
    }
}

/// Says where there is somebody now.
fn tell(process: &Process, services: &Services) {
    for listener in &process.listeners {
        let scheme = if listener.tls { "https" } else { "http" };
        log::info!(listener = listener.name.as_str(); "listening on {scheme}://{}", listener.address);
    }
    if let Some(address) = process.admin {
        log::info!("health, status and metrics on http://{address}");
    }
    if let Some(address) = process.probes {
        log::info!("health and metrics for other machines on http://{address}");
    }
    services.snapshot().warn_of_shadow();
    log::info!(routes = services.snapshot().routes; "serving with {} threads a listener", process.threads);
}
