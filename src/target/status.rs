//! What an operator may know of a running target.

use std::net::SocketAddr;

use serde::Serialize;

/// A target as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TargetStatus {
    /// The operator's name for it.
    pub name: String,
    /// What credentials are bound to.
    pub origin: String,
    /// Its backends as they were written.
    pub backends: Vec<BackendStatus>,
    /// Requests sent to a backend that counts as unhealthy because all did, since the target was opened.
    pub failed_open: u64,
}

/// One backend as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackendStatus {
    /// `host:port`.
    pub backend: String,
    /// The addresses in use.
    pub addresses: Vec<AddressStatus>,
    /// What was wrong with the last lookup, if anything was: it failed, or the egress rules refused an address.
    pub resolve_error: Option<String>,
}

/// One address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AddressStatus {
    /// Where requests go.
    pub address: SocketAddr,
    /// Whether it counts as healthy; always where nothing is checked.
    pub healthy: bool,
    /// Requests under way, of every target that checks this address alike.
    pub in_flight: usize,
    /// Why the last check failed, if it did.
    pub check_error: Option<String>,
}
