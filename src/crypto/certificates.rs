//! Server certificates with their keys, chosen by server name.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

/// The certificates of one listener.
pub struct Certificates {
    by_name: HashMap<String, Arc<CertifiedKey>>,
    fallback: Arc<CertifiedKey>,
}

/// Why a certificate or its key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateError {
    /// The certificate file holds no PEM certificate.
    NoCertificate,
    /// The certificate cannot be read, or is no X.509 v3 certificate.
    BadCertificate,
    /// The key file holds no PEM private key.
    NoKey,
    /// The key is of a sort that cannot be used.
    BadKey,
    /// Certificate and key do not belong together.
    Mismatch,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCertificate => "the file holds no PEM certificate",
            Self::BadCertificate => "the certificate is no readable X.509 v3 certificate",
            Self::NoKey => "the file holds no PEM private key",
            Self::BadKey => "the private key is of a sort that cannot be used",
            Self::Mismatch => "certificate and private key do not belong together",
        })
    }
}

impl std::error::Error for CertificateError {}

/// One certificate chain with its key.
#[derive(Clone)]
pub struct Certificate {
    names: Vec<String>,
    key: Arc<CertifiedKey>,
}

impl Certificate {
    /// Reads a chain and its private key from PEM texts.
    ///
    /// # Errors
    /// A [`CertificateError`]; none shows any of the key.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|_| CertificateError::BadCertificate)?;
        let leaf = chain.first().ok_or(CertificateError::NoCertificate)?;
        let parsed = webpki::EndEntityCert::try_from(leaf).map_err(|_| CertificateError::BadCertificate)?;
        let names = parsed.valid_dns_names().map(str::to_ascii_lowercase).collect();
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| CertificateError::NoKey)?;
        let key = any_supported_type(&key).map_err(|_| CertificateError::BadKey)?;
        let key = CertifiedKey::new(chain, key);
        match key.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
            Err(_) => return Err(CertificateError::Mismatch),
        }
        Ok(Self { names, key: Arc::new(key) })
    }
}

impl Certificates {
    /// A listener's certificates; `None` where there is none. The first serves clients that name no server, or one that none is for.
    pub fn new(certificates: Vec<Certificate>) -> Option<Self> {
        let fallback = Arc::clone(&certificates.first()?.key);
        let mut by_name = HashMap::new();
        for certificate in certificates {
            for name in certificate.names {
                by_name.entry(name).or_insert_with(|| Arc::clone(&certificate.key));
            }
        }
        Some(Self { by_name, fallback })
    }

    /// The certificate for a server name: by the exact name, else by `*.` and what follows its first label.
    pub fn find(&self, server_name: Option<&str>) -> Arc<CertifiedKey> {
        let named = server_name.and_then(|name| {
            let name = name.to_ascii_lowercase();
            self.by_name.get(&name).or_else(|| {
                let (_, parent) = name.split_once('.')?;
                self.by_name.get(&format!("*.{parent}"))
            })
        });
        Arc::clone(named.unwrap_or(&self.fallback))
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("names", &self.by_name.keys()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(name: &str) -> (String, String) {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("certificate");
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn names_choose_the_certificate() {
        let (a, b) = (certificate("a.test"), certificate("*.b.test"));
        let list = [&a, &b].map(|(c, k)| Certificate::from_pem(c.as_bytes(), k.as_bytes()).expect("a pair"));
        let der = list.each_ref().map(|c| c.key.cert.first().cloned());
        let set = Certificates::new(list.to_vec()).expect("some");
        for (name, want) in
            [(Some("a.test"), 0), (Some("A.Test"), 0), (Some("x.b.test"), 1), (Some("b.test"), 0), (None, 0)]
        {
            assert_eq!(set.find(name).cert.first().cloned(), der[want], "{name:?}");
        }
    }

    #[test]
    fn broken_pairs_are_refused() {
        let ((cert, key), (_, other)) = (certificate("a.test"), certificate("b.test"));
        for (chain, key, want) in [
            ("", key.as_str(), CertificateError::NoCertificate),
            (&cert, "", CertificateError::NoKey),
            (&cert, &other, CertificateError::Mismatch),
        ] {
            assert_eq!(Certificate::from_pem(chain.as_bytes(), key.as_bytes()).err(), Some(want));
        }
    }
}
