//! Name resolution under the egress rules: an address that they forbid is never handed to the connector.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::Egress;

/// Resolves by the system's resolver and keeps the addresses that the rules permit. Asked anew for each connection, so a name whose
/// address changes after a check leads nowhere either.
pub(super) struct Resolver {
    egress: Arc<Egress>,
}

impl Resolver {
    pub(super) fn new(egress: Arc<Egress>) -> Self {
        Self { egress }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let egress = Arc::clone(&self.egress);
        Box::pin(async move {
            if is_localhost(name.as_str()) {
                return Ok(Box::new(LOOPBACK.map(|ip| SocketAddr::new(ip, 0)).into_iter()) as Addrs);
            }
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let permitted: Vec<SocketAddr> = found.filter(|address| egress.permits(address.ip())).collect();
            if permitted.is_empty() {
                return Err(Forbidden.into());
            }
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

pub(super) const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// Whether the name always means this machine (RFC 6761 §6.3), so that no resolver is asked about it.
pub(super) fn is_localhost(host: &str) -> bool {
    host.strip_suffix('.').unwrap_or(host) == "localhost"
}

/// The egress rules permit none of the name's addresses.
#[derive(Debug)]
pub(super) struct Forbidden;

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("forbidden by the egress rules")
    }
}

impl std::error::Error for Forbidden {}
