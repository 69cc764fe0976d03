//! The Pingora application in front of the proxy.

use std::sync::Arc;

use async_trait::async_trait;
use pingora::apps::ServerApp;
use pingora::protocols::Stream;
use pingora::server::ShutdownWatch;

use super::{Connection, Gate, Guarded};
use crate::authn::peer_certificates;

/// Takes each new connection of one listener, lets it in or closes it, and hands it on guarded. The application behind it may be shared
/// by several listeners.
#[derive(Debug)]
pub struct Ingress<A> {
    gate: Arc<Gate>,
    inner: Arc<A>,
}

impl<A> Ingress<A> {
    /// An ingress through this gate.
    pub fn new(gate: Arc<Gate>, inner: Arc<A>) -> Self {
        Self { gate, inner }
    }
}

#[async_trait]
impl<A: ServerApp + Send + Sync + 'static> ServerApp for Ingress<A> {
    async fn process_new(self: &Arc<Self>, mut stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        // Held to the end of the connection: the seat is in it.
        let arrival = self.gate.arrival(&mut stream).await?;
        let mut connection = Connection::new(
            self.gate.settings().listener.clone(),
            arrival.peer,
            arrival.client,
            stream.get_ssl_digest().is_some(),
            stream.get_ssl().and_then(|tls| tls.server_name()).map(Box::from),
        );
        let shown = stream.get_ssl().and_then(|tls| tls.peer_cert_chain_der()).unwrap_or_default();
        connection.certificates = peer_certificates(shown);
        let guarded = Guarded::new(stream, Arc::new(connection), Arc::clone(&self.gate)).ok()?;
        // A stream that was handed back would come in here again, and be guarded twice.
        drop(self.inner.process_new(Box::new(guarded), shutdown).await);
        None
    }

    /// From the shutdown signal on every answer says `Connection: close`; what is still idle after the lame-duck time is cut off.
    async fn cleanup(&self) {
        tokio::time::sleep(self.gate.settings().lame_duck).await;
        self.inner.cleanup().await;
    }
}

#[cfg(test)]
mod tests;
