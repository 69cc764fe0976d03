//! How two programs speak with each other, and the certificate that all of them have.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};

use crate::fault::{Fault, While};

/// Whom the certificate names.
pub(crate) const NAME: &str = "localhost";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A protocol, and what it runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Wire {
    /// HTTP/1.1 on TCP.
    #[default]
    Plain,
    /// HTTP/1.1 on TLS.
    Tls,
    /// HTTP/2 on TLS.
    Http2,
}

impl Wire {
    pub(crate) fn is_tls(self) -> bool {
        matches!(self, Self::Tls | Self::Http2)
    }

    pub(crate) fn scheme(self) -> &'static str {
        if self.is_tls() { "https" } else { "http" }
    }

    /// As the command line has it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls => "tls",
            Self::Http2 => "http2",
        }
    }
}

/// The certificate in a site's folder.
pub(crate) fn certificate(folder: &Path) -> PathBuf {
    folder.join("tls.pem")
}

/// Its key.
pub(crate) fn key(folder: &Path) -> PathBuf {
    folder.join("tls.key")
}

/// Servers' settings for TLS.
pub(crate) fn server(folder: &Path, wire: Wire) -> Result<Arc<ServerConfig>, Fault> {
    let chain = CertificateDer::from_pem_file(certificate(folder)).during("reading the certificate")?;
    let key = PrivateKeyDer::from_pem_file(key(folder)).during("reading its key")?;
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().during("choosing versions of TLS")?;
    let mut config = builder.with_no_client_auth().with_single_cert(vec![chain], key).during("preparing TLS")?;
    if wire == Wire::Http2 {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    Ok(Arc::new(config))
}

/// A client of servers with that certificate.
pub(crate) struct Client {
    wire: Wire,
    tls: Arc<ClientConfig>,
}

impl Client {
    pub(crate) fn new(folder: &Path, wire: Wire) -> Result<Self, Fault> {
        let mut roots = RootCertStore::empty();
        let chain = CertificateDer::from_pem_file(certificate(folder)).during("reading the certificate")?;
        roots.add(chain).during("trusting the certificate")?;
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().during("choosing versions of TLS")?;
        Ok(Self { wire, tls: Arc::new(builder.with_root_certificates(roots).with_no_client_auth()) })
    }

    /// Connects; speaks HTTP/1.1, also where the server could do more.
    pub(crate) fn connect(&self, address: SocketAddr) -> std::io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        if !self.wire.is_tls() {
            return Ok(Box::new(stream));
        }
        let name = ServerName::try_from(NAME).map_err(std::io::Error::other)?;
        let connection = ClientConnection::new(Arc::clone(&self.tls), name).map_err(std::io::Error::other)?;
        Ok(Box::new(StreamOwned::new(connection, stream)))
    }
}

/// Both directions of a connection.
pub(crate) trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}
