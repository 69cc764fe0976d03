//! What one listener takes.

use std::time::Duration;

use crate::domain::{Name, NetworkSet};

/// The bounds of one listener. Every one of them holds for each of its connections.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The listener's configured name.
    pub listener: Name,
    /// The largest request head in HTTP/1, in bytes, its last blank line included.
    pub max_head: usize,
    /// From a head's first byte to its last, however it drips; also for the HTTP/2 preface and for a PROXY protocol header.
    pub head_timeout: Duration,
    /// How long a connection may wait for the first byte of a head.
    pub idle_timeout: Duration,
    /// How long a client may leave what is written to it unread.
    pub write_timeout: Duration,
    /// Connections at once.
    pub max_connections: usize,
    /// Connections at once from one client address (one /64 network in IPv6).
    pub max_connections_per_address: usize,
    /// The peers that must start each connection with a PROXY protocol header, and are believed; no other peer is.
    pub proxy_protocol_from: NetworkSet,
    /// At shutdown, how long idle connections are kept, so that a request already on its way is answered with `Connection: close`.
    pub lame_duck: Duration,
}

impl Settings {
    /// The defaults, for the listener of this name.
    pub fn new(listener: Name) -> Self {
        Self {
            listener,
            max_head: 32 * 1024,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
            max_connections: 65_536,
            max_connections_per_address: 1024,
            proxy_protocol_from: NetworkSet::default(),
            lame_duck: Duration::from_secs(1),
        }
    }
}
