//! How an upstream proves who it is: a name that is never empty, and whom to trust.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use pingora::protocols::tls::CaType;
use pingora::utils::tls::WrappedX509;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::url::{Origin, Scheme};

/// How an `https` upstream proves who it is. There is no way to say that it need not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UpstreamTls {
    server_name: String,
    ca: Option<CaBundle>,
}

/// Why TLS settings were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFault {
    /// TLS settings for a target that speaks plain HTTP.
    NotTls,
    /// The URL holds an address, and no server name says what its certificate must say.
    NameNeeded,
    /// The server name, or the URL's host in its place, is no DNS name and no address.
    BadName,
    /// The CA bundle is not PEM.
    BadPem,
    /// The CA bundle holds no certificate.
    NoCertificate,
    /// The CA bundle holds something that is no certificate, or none that can be trusted.
    BadCertificate,
}

impl UpstreamTls {
    /// Settings for an origin. The server name, which goes out as SNI (RFC 6066 §3) and must stand in the certificate, is the URL's host
    /// unless given. A CA bundle in PEM replaces the system's roots for this target.
    ///
    /// # Errors
    /// A [`TlsFault`] naming the rule that is broken.
    pub fn new(origin: &Origin, server_name: Option<&str>, ca_pem: Option<&[u8]>) -> Result<Self, TlsFault> {
        match origin.scheme {
            Scheme::Http if server_name.is_some() || ca_pem.is_some() => return Err(TlsFault::NotTls),
            Scheme::Https if server_name.is_none() && origin.literal_ip().is_some() => {
                return Err(TlsFault::NameNeeded);
            }
            Scheme::Http | Scheme::Https => {}
        }
        let server_name = server_name.unwrap_or(&origin.host);
        // An empty name is refused here too: with one, Pingora would verify nothing and say nothing.
        if origin.scheme == Scheme::Https && ServerName::try_from(server_name).is_err() {
            return Err(TlsFault::BadName);
        }
        Ok(Self { server_name: server_name.to_owned(), ca: ca_pem.map(CaBundle::parse).transpose()? })
    }

    /// The name sent as SNI and looked for in the certificate; never empty.
    pub fn server_name(&self) -> &str {
        &self.server_name
    }

    /// The certificates trusted instead of the system's, as Pingora takes them.
    pub(super) fn ca(&self) -> Option<Arc<CaType>> {
        self.ca.as_ref().map(|bundle| Arc::clone(&bundle.0))
    }
}

/// Certificates to trust, parsed once. Two bundles are equal when they hold the same bytes in the same order.
#[derive(Clone)]
struct CaBundle(Arc<CaType>);

impl CaBundle {
    fn parse(pem: &[u8]) -> Result<Self, TlsFault> {
        let mut roots = RootCertStore::empty();
        let mut certificates = Vec::new();
        for der in CertificateDer::pem_slice_iter(pem) {
            let der = der.map_err(|_| TlsFault::BadPem)?;
            // Both parsers that will read it later are asked now: the one fails each connection, the other panics.
            roots.add(der.clone()).map_err(|_| TlsFault::BadCertificate)?;
            let parsed =
                WrappedX509::try_new(der.to_vec(), |raw| X509Certificate::from_der(raw).map(|(_, parsed)| parsed));
            certificates.push(parsed.map_err(|_| TlsFault::BadCertificate)?);
        }
        if certificates.is_empty() {
            return Err(TlsFault::NoCertificate);
        }
        Ok(Self(certificates.into()))
    }

    fn raw(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.0.iter().map(|certificate| certificate.borrow_raw_cert())
    }
}

impl PartialEq for CaBundle {
    fn eq(&self, other: &Self) -> bool {
        self.raw().eq(other.raw())
    }
}

impl Eq for CaBundle {}

impl Hash for CaBundle {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for raw in self.raw() {
            raw.hash(state);
        }
    }
}

impl fmt::Debug for CaBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} certificates", self.0.len())
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotTls => "the target speaks plain HTTP, which has no TLS settings",
            Self::NameNeeded => "the URL holds an address: a server name must say what its certificate says",
            Self::BadName => "the server name is no DNS name",
            Self::BadPem => "the CA bundle is not PEM",
            Self::NoCertificate => "the CA bundle holds no certificate",
            Self::BadCertificate => "the CA bundle holds a certificate that cannot be trusted",
        })
    }
}

impl std::error::Error for TlsFault {}

#[cfg(test)]
mod tests {
    use super::super::url::TargetUrl;
    use super::*;

    fn tls(url: &str, server_name: Option<&str>, ca: Option<&[u8]>) -> Result<UpstreamTls, TlsFault> {
        UpstreamTls::new(&TargetUrl::parse(url).expect(url).origin, server_name, ca)
    }

    fn certificate(name: &str) -> String {
        rcgen::generate_simple_self_signed([name.to_owned()]).expect("certificate").cert.pem()
    }

    #[test]
    fn a_server_name_is_always_there_or_the_settings_are_refused() {
        for (url, name, want) in [
            ("https://api.test", None, Ok("api.test")),
            ("https://api.test", Some("other.test"), Ok("other.test")),
            ("https://10.0.0.1", Some("api.test"), Ok("api.test")),
            ("http://api.test", None, Ok("api.test")),
            ("https://10.0.0.1", None, Err(TlsFault::NameNeeded)),
            ("https://[::1]", None, Err(TlsFault::NameNeeded)),
            ("https://api.test", Some(""), Err(TlsFault::BadName)),
            ("https://api.test", Some("a b"), Err(TlsFault::BadName)),
            ("https://-.test", None, Err(TlsFault::BadName)),
            ("http://api.test", Some("api.test"), Err(TlsFault::NotTls)),
        ] {
            assert_eq!(
                tls(url, name, None).as_ref().map(UpstreamTls::server_name).map_err(|f| *f),
                want,
                "{url} {name:?}"
            );
        }
    }

    #[test]
    fn ca_bundles_are_read_whole_or_refused() {
        let (one, two) = (certificate("one.test"), certificate("two.test"));
        let both = tls("https://a.test", None, Some(format!("{one}{two}").as_bytes())).expect("bundle");
        assert_eq!(both.ca().expect("ca").len(), 2);
        assert_ne!(both, tls("https://a.test", None, Some(one.as_bytes())).expect("bundle"));
        let broken = one.replacen("-----END", "!-----END", 1);
        let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (pem, want) in [
            ("", TlsFault::NoCertificate),
            ("no pem at all", TlsFault::NoCertificate),
            (broken.as_str(), TlsFault::BadPem),
            (junk, TlsFault::BadCertificate),
        ] {
            assert_eq!(tls("https://a.test", None, Some(pem.as_bytes())), Err(want), "{pem}");
        }
    }
}
