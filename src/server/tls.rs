//! The certificates of a TLS listener, taken from the current snapshot at each handshake: a renewed file needs no restart.

use std::fmt;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::domain::Name;
use crate::state::Services;

/// Finds a listener's certificate for a handshake.
pub(super) struct SnapshotCertificates {
    services: Arc<Services>,
    listener: Name,
}

impl SnapshotCertificates {
    pub(super) fn new(services: Arc<Services>, listener: Name) -> Self {
        Self { services, listener }
    }
}

impl fmt::Debug for SnapshotCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "certificates of {}", self.listener)
    }
}

impl ResolvesServerCert for SnapshotCertificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let snapshot = self.services.snapshot();
        let certificates = snapshot.listeners.get(&self.listener)?.certificates.as_ref()?;
        Some(certificates.find(hello.server_name()))
    }
}
