//! Who comes in: the connection limits, and who the client is. Asked before the TLS handshake where there is one.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use pingora::http::ResponseHeader;
use pingora::listeners::PreTlsProcess;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{GetProxyDigest, GetSocketDigest, Stream, UniqueID, l4};
use pingora::{Error, ErrorType};
use tokio::io::AsyncRead;
use tokio::time::timeout;

use crate::domain::canonical_ip;
use crate::proxy::descriptors::spares_upstreams;

use super::counters::count;
use super::seats::{Seat, Seats};
use super::{IngressCounters, Settings, proxy_protocol};

/// One listener's gate. A TLS listener needs it twice: as [`Ingress`](super::Ingress)' and as its endpoints' pre-TLS callback, so that
/// a connection is refused, and a PROXY protocol header read, before the handshake.
#[derive(Debug)]
pub struct Gate {
    settings: Settings,
    seats: Arc<Seats>,
    counters: IngressCounters,
}

/// Who came in, and the seat taken: to be kept as long as the connection.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) peer: SocketAddr,
    pub(super) client: SocketAddr,
    _seat: Seat,
}

impl Gate {
    /// A gate with these bounds, through which nobody has come.
    pub fn new(settings: Settings) -> Arc<Self> {
        let seats = Seats::new(settings.max_connections, settings.max_connections_per_address);
        Arc::new(Self { settings, seats, counters: IngressCounters::default() })
    }

    /// The listener's bounds.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What the listener has counted.
    pub fn counters(&self) -> &IngressCounters {
        &self.counters
    }

    /// The connections there are now.
    pub fn open_connections(&self) -> usize {
        self.seats.taken()
    }

    /// Lets a connection in, unless it was let in before its TLS handshake. None if it is to be closed.
    pub(super) async fn arrival(&self, stream: &mut Stream) -> Option<Arc<Arrival>> {
        if stream.get_ssl_digest().is_some() {
            // Not let in now if it was not then: a PROXY protocol header inside TLS would be the client's own word.
            return arrived(stream.get_proxy_digest().as_deref());
        }
        self.admit(stream.as_mut()).await
    }

    async fn admit<S>(&self, stream: &mut S) -> Option<Arc<Arrival>>
    where
        S: AsyncRead + GetSocketDigest + UniqueID + Unpin + ?Sized,
    {
        let peer = peer_of(stream)?;
        let seat = self.seats.take().filter(|_| spares_upstreams(stream.id()));
        let Some(mut seat) = seat else {
            count(&self.counters.refused_full);
            return None;
        };
        let client = self.client_of(stream, peer).await?;
        if !seat.assign(client.ip()) {
            count(&self.counters.refused_per_address);
            return None;
        }
        count(&self.counters.accepted);
        Some(Arc::new(Arrival { peer, client, _seat: seat }))
    }

    /// The peer, or whom a trusted one names. None if a trusted one names nobody.
    async fn client_of<S>(&self, mut stream: &mut S, peer: SocketAddr) -> Option<SocketAddr>
    where
        S: AsyncRead + Unpin + ?Sized,
    {
        if !self.settings.proxy_protocol_from.contains(peer.ip()) {
            return Some(peer);
        }
        match timeout(self.settings.head_timeout, proxy_protocol::read(&mut stream)).await {
            Ok(Ok(named)) => Some(named.unwrap_or(peer)),
            Ok(Err(_)) | Err(_) => {
                count(&self.counters.refused_proxy_header);
                None
            }
        }
    }
}

#[async_trait]
impl PreTlsProcess for Gate {
    async fn process(&self, stream: &mut l4::stream::Stream) -> pingora::Result<()> {
        let arrival = self.admit(stream).await;
        let arrival = arrival.ok_or_else(|| Error::explain(ErrorType::AcceptError, "refused at the gate"))?;
        stream.set_proxy_digest(digest_of(arrival)?);
        Ok(())
    }
}

/// A digest that carries facts of ours through Pingora: the one slot for them that every layer hands on.
pub(super) fn digest_of<T: Send + Sync + 'static>(facts: Arc<T>) -> pingora::Result<ProxyDigest> {
    let unused = Box::new(ResponseHeader::build(200, Some(0))?);
    Ok(ProxyDigest::new(unused, Some(Box::new(facts))))
}

fn arrived(digest: Option<&ProxyDigest>) -> Option<Arc<Arrival>> {
    digest?.user_data.as_deref()?.downcast_ref().map(Arc::clone)
}

/// The other end of the TCP connection. A connection that has none is nobody's.
fn peer_of<S: GetSocketDigest + ?Sized>(stream: &S) -> Option<SocketAddr> {
    let digest = stream.get_socket_digest()?;
    let peer = digest.peer_addr()?.as_inet()?;
    Some(SocketAddr::new(canonical_ip(peer.ip()), peer.port()))
}
