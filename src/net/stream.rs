//! Connections of the proxy's own that are not HTTP: under the egress rules, bounded in time, and with TLS where they leave the machine.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Egress, NetError};

/// Where a [`Stream`] leads, and how.
#[derive(Debug, Clone)]
pub struct StreamSettings {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Where connections may go.
    pub egress: Egress,
    /// TLS; none for a connection in the clear.
    pub tls: Option<StreamTls>,
    /// The longest that connecting, and each step after it, may take.
    pub timeout: Duration,
}

/// How a server proves who it is.
#[derive(Debug, Clone)]
pub struct StreamTls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    /// The authorities as they were written: two are equal when these and the name are.
    ca: Option<Vec<u8>>,
}

impl PartialEq for StreamTls {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.ca == other.ca
    }
}

impl Eq for StreamTls {}

impl StreamTls {
    /// TLS to a server whose certificate is for this name, by these authorities in PEM or the system's.
    ///
    /// # Errors
    /// [`NetError::Authorities`], [`NetError::Url`] for a name that can be in no certificate, [`NetError::Setup`].
    pub fn new(name: &str, ca: Option<&[u8]>) -> Result<Self, NetError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|_| NetError::Setup)?;
        let config = match ca {
            Some(pem) => builder.with_root_certificates(roots(pem)?).with_no_client_auth(),
            None => builder.with_platform_verifier().map_err(|_| NetError::Setup)?.with_no_client_auth(),
        };
        let name = ServerName::try_from(name.trim_matches(['[', ']']).to_owned()).map_err(|_| NetError::Url)?;
        Ok(Self { config: Arc::new(config), name, ca: ca.map(<[u8]>::to_vec) })
    }

    /// The same connection in TLS, once the server has proved who it is.
    ///
    /// # Errors
    /// Why it has not.
    pub(super) async fn connect(&self, connection: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        TlsConnector::from(Arc::clone(&self.config)).connect(self.name.clone(), connection).await
    }
}

fn roots(pem: &[u8]) -> Result<RootCertStore, NetError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(|_| NetError::Authorities)?).map_err(|_| NetError::Authorities)?;
    }
    if roots.is_empty() { Err(NetError::Authorities) } else { Ok(roots) }
}

/// Bytes to a server that answers nothing but that it has read them all.
pub struct Stream {
    inner: Box<dyn Duplex>,
    timeout: Duration,
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Stream {
    /// Connects, to each address that the name has until one answers.
    ///
    /// # Errors
    /// [`NetError::Address`], [`NetError::Name`], [`NetError::Connect`] and [`NetError::Timeout`].
    pub async fn connect(settings: &StreamSettings) -> Result<Self, NetError> {
        let connected = timeout(settings.timeout, connect(settings)).await;
        Ok(Self { inner: connected.map_err(|_| NetError::Timeout)??, timeout: settings.timeout })
    }

    /// Writes all of it, unless the server has closed.
    ///
    /// # Errors
    /// [`NetError::Interrupted`] and [`NetError::Timeout`].
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), NetError> {
        let write = async {
            // What is written to a connection that the other side has closed is lost, and nobody says so.
            check_open(&mut self.inner, Duration::ZERO).await?;
            self.inner.write_all(bytes).await?;
            self.inner.flush().await
        };
        timeout(self.timeout, write).await.map_err(|_| NetError::Timeout)?.map_err(|_| NetError::Interrupted)
    }

    /// Says that nothing follows, and waits until the server closes too, which it does when it has read everything (RFC 5425 §4.4).
    ///
    /// # Errors
    /// [`NetError::Interrupted`] where it broke the connection instead, or had closed before it was told, and [`NetError::Timeout`].
    pub async fn settle(mut self) -> Result<(), NetError> {
        let settle = async {
            check_open(&mut self.inner, ON_ITS_WAY).await?;
            self.inner.shutdown().await?;
            let mut said = [0; 1024];
            while self.inner.read(&mut said).await? > 0 {}
            io::Result::Ok(())
        };
        timeout(self.timeout, settle).await.map_err(|_| NetError::Timeout)?.map_err(|_| NetError::Interrupted)
    }
}

/// For how long it is waited for an end that the other side may have sent already.
const ON_ITS_WAY: Duration = Duration::from_millis(20);

/// How often what a server says is read before something else is done: nothing that it says matters.
const MAX_SAID: usize = 16;

/// That the other side has not closed, as far as is known after so long.
async fn check_open(connection: &mut Box<dyn Duplex>, patience: Duration) -> io::Result<()> {
    let mut said = [0; 1024];
    let known = tokio::time::sleep(patience);
    tokio::pin!(known);
    for _ in 0..MAX_SAID {
        tokio::select! {
            biased;
            read = connection.read(&mut said) => if read? == 0 { return Err(io::ErrorKind::BrokenPipe.into()) },
            () = &mut known => break,
        }
    }
    Ok(())
}

async fn connect(settings: &StreamSettings) -> Result<Box<dyn Duplex>, NetError> {
    let found = settings.egress.resolve(&settings.host, settings.port).await;
    let is_forbidden = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    let found = found.map_err(|error| if is_forbidden(&error) { NetError::Address } else { NetError::Name })?;
    let mut connection = None;
    for address in found {
        if let Ok(stream) = TcpStream::connect(address).await {
            connection = Some(stream);
            break;
        }
    }
    let connection = connection.ok_or(NetError::Connect)?;
    let Some(tls) = &settings.tls else { return Ok(Box::new(connection)) };
    Ok(Box::new(tls.connect(connection).await.map_err(|_| NetError::Connect)?))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn only_a_server_that_closes_when_it_was_told_the_end_has_everything() {
        for (closes_early, want) in [(false, Ok(())), (true, Err(NetError::Interrupted))] {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let port = listener.local_addr().expect("bound").port();
            let (closed, is_closed) = tokio::sync::oneshot::channel();
            tokio::spawn(async move {
                let (mut connection, _) = listener.accept().await.expect("a connection");
                let mut said = [0; 4];
                connection.read_exact(&mut said).await.expect("what was written");
                if closes_early {
                    connection.shutdown().await.expect("closed");
                }
                let _ = closed.send(());
                while connection.read(&mut said).await.is_ok_and(|read| read > 0) {}
            });
            let (host, egress, timeout) = ("127.0.0.1".to_owned(), Egress::default(), Duration::from_secs(5));
            let mut stream =
                Stream::connect(&StreamSettings { host, port, tls: None, egress, timeout }).await.expect("connected");
            stream.write(b"said").await.expect("written");
            is_closed.await.expect("the server read it");
            assert_eq!(stream.settle().await, want, "closes early: {closes_early}");
        }
    }
}
