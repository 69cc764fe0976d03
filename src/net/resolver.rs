//! Name resolution under the egress rules: an address that they forbid is never handed to the connector.

use std::fmt;
use std::io;
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
            match egress.resolve(name.as_str(), 0).await {
                Ok(found) => Ok(Box::new(found.into_iter()) as Addrs),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(Forbidden.into()),
                Err(error) => Err(error.into()),
            }
        })
    }
}

impl Egress {
    /// The addresses of a host that a connection may be made to. One that is an address was written by the operator.
    ///
    /// # Errors
    /// When it has none, or none that is permitted ([`io::ErrorKind::PermissionDenied`]).
    pub async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if is_localhost(host) {
            return Ok(LOOPBACK.map(|ip| SocketAddr::new(ip, port)).to_vec());
        }
        let literal = host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        if let Some(ip) = literal.filter(|ip| self.permits_literal(*ip)) {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        let found = tokio::net::lookup_host((host, port)).await?;
        let permitted: Vec<SocketAddr> = found.filter(|address| self.permits(address.ip())).collect();
        if permitted.is_empty() {
            Err(io::Error::new(io::ErrorKind::PermissionDenied, Forbidden))
        } else {
            Ok(permitted)
        }
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
