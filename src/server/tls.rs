//! The TLS of a listener: its certificates, taken from the current snapshot at each handshake, so that a renewed file needs no restart; and
//! what is asked of clients.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use crate::authn::peer_certificates;
use crate::config::ClientCertificate;
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

/// Takes any readable client certificate of which the client holds the key. Whether it is good for anything is decided for each request, by
/// the authenticators of the snapshot that the request finds: so authorities and revocation lists change without a restart, and for
/// connections that are open already. A resumed session shows the certificates of the handshake that it began with, on this listener and for
/// the same server name (rustls keeps sessions by listener), and they are judged anew like any others.
#[derive(Debug)]
pub(super) struct ClientKeys {
    is_required: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientKeys {
    /// What a listener asks of its clients; nothing where it does not ask.
    pub(super) fn verifier(asked: ClientCertificate) -> Option<Arc<dyn ClientCertVerifier>> {
        let is_required = match asked {
            ClientCertificate::None => return None,
            ClientCertificate::Ask => false,
            ClientCertificate::Require => true,
        };
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        Some(Arc::new(Self { is_required, algorithms }))
    }
}

impl ClientCertVerifier for ClientKeys {
    fn client_auth_mandatory(&self) -> bool {
        self.is_required
    }

    /// Authorities are not hinted at: they change without a restart, and are nobody's business.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let bad = || Error::InvalidCertificate(CertificateError::BadEncoding);
        webpki::EndEntityCert::try_from(leaf).map_err(|_| bad())?;
        let chain: Vec<_> = std::iter::once(leaf).chain(intermediates).collect();
        // What is too much would be seen as none later on.
        peer_certificates(&chain).ok_or_else(bad)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
