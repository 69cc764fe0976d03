//! A certificate and its private key out of one PEM text, for an upstream that asks for one.

use std::fmt;
use std::mem;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::Zeroizing;

use super::secret_from_base64;
use crate::domain::{ClientIdentity, Secret, Wiped};

/// Why a text is no certificate with its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientIdentityFault {
    /// It is broken off, or holds what is no base64.
    BadPem,
    /// It holds no certificate in PEM.
    NoCertificate,
    /// A certificate in it cannot be read, or is no X.509 v3 certificate.
    BadCertificate,
    /// It holds no private key in PEM.
    NoKey,
    /// It holds several.
    SeveralKeys,
    /// The key cannot be read, or is of a sort that cannot be used.
    BadKey,
    /// The key is not that of the first certificate.
    Mismatch,
}

/// Reads a certificate chain, that of the key first, and its private key, before it or behind it: PKCS #8, PKCS #1 or SEC 1, not encrypted.
/// Whether it has ended is for those to judge who are shown it.
///
/// # Errors
/// A [`ClientIdentityFault`]; none shows any of the text.
pub fn client_identity(pem: &Secret) -> Result<ClientIdentity, ClientIdentityFault> {
    let (mut chain, mut keys) = (Vec::new(), Vec::new());
    for section in sections(pem.expose())? {
        if section.label == CERTIFICATE {
            chain.push(CertificateDer::from(section.der()?.to_vec()));
        } else if KEYS.contains(&section.label) {
            keys.push(section.der()?);
        }
    }
    let leaf = chain.first().ok_or(ClientIdentityFault::NoCertificate)?;
    let ends = end(leaf).ok_or(ClientIdentityFault::BadCertificate)?;
    // Those behind it are read here too: whoever connects would panic over one that it cannot read.
    if chain.iter().any(|certificate| end(certificate).is_none()) || webpki::EndEntityCert::try_from(leaf).is_err() {
        return Err(ClientIdentityFault::BadCertificate);
    }
    let key = match &mut *keys {
        [] => return Err(ClientIdentityFault::NoKey),
        [key] => Secret::new(mem::take(key)),
        [_, _, ..] => return Err(ClientIdentityFault::SeveralKeys),
    };
    is_pair(&chain, &key)?;
    let fingerprint = fingerprint(chain.iter().map(AsRef::as_ref).chain([key.expose()]));
    let chain = chain.iter().map(|certificate| certificate.to_vec()).collect();
    Ok(ClientIdentity::new(fingerprint, chain, key, ends))
}

/// One section of a PEM text (RFC 7468). It is read here, since the buffers of those who read PEM are not wiped.
struct Section<'a> {
    label: &'a [u8],
    base64: Wiped,
}

const CERTIFICATE: &[u8] = b"CERTIFICATE";
const KEYS: [&[u8]; 3] = [b"PRIVATE KEY", b"RSA PRIVATE KEY", b"EC PRIVATE KEY"];

impl Section<'_> {
    fn der(&self) -> Result<Zeroizing<Vec<u8>>, ClientIdentityFault> {
        secret_from_base64(self.base64.as_ref()).ok_or(ClientIdentityFault::BadPem)
    }
}

/// The sections of a text, of which nothing else counts; an error where one does not end.
fn sections(pem: &[u8]) -> Result<Vec<Section<'_>>, ClientIdentityFault> {
    let mut lines = pem.split(|b| matches!(b, b'\n' | b'\r')).map(<[u8]>::trim_ascii);
    let mut sections = Vec::new();
    while let Some(line) = lines.next() {
        let Some(label) = edge(line, b"-----BEGIN ") else { continue };
        let mut base64 = Wiped::default();
        loop {
            let line = lines.next().ok_or(ClientIdentityFault::BadPem)?;
            if edge(line, b"-----END ") == Some(label) {
                break;
            }
            base64.extend(line);
        }
        sections.push(Section { label, base64 });
    }
    Ok(sections)
}

fn edge<'a>(line: &'a [u8], begin: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(begin)?.strip_suffix(b"-----")
}

/// A digest of byte strings in this order, each with its length.
fn fingerprint<'a>(parts: impl Iterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

fn end(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let (rest, parsed) = X509Certificate::from_der(certificate).ok()?;
    let seconds = parsed.validity().not_after.timestamp();
    // One that ended before 1970 has ended.
    let ends = UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()));
    ends.filter(|_| rest.is_empty())
}

/// Whether the key can be used, is known again by its bytes alone, and is that of the first certificate. What the library keeps of the key is in
/// memory of its own, here and in connections.
fn is_pair(chain: &[CertificateDer<'static>], key: &Secret) -> Result<(), ClientIdentityFault> {
    let key = PrivateKeyDer::try_from(key.expose()).map_err(|_| ClientIdentityFault::BadKey)?;
    let key = any_supported_type(&key).map_err(|_| ClientIdentityFault::BadKey)?;
    CertifiedKey::new(chain.to_vec(), key).keys_match().map_err(|_| ClientIdentityFault::Mismatch)
}

impl fmt::Display for ClientIdentityFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadPem => "it is no PEM",
            Self::NoCertificate => "it holds no certificate in PEM",
            Self::BadCertificate => "it holds a certificate that is no readable X.509 v3 certificate",
            Self::NoKey => "it holds no private key in PEM, or an encrypted one",
            Self::SeveralKeys => "it holds several private keys",
            Self::BadKey => "its private key is of a sort that cannot be used",
            Self::Mismatch => "its private key is not that of its first certificate",
        })
    }
}

impl std::error::Error for ClientIdentityFault {}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256};

    use super::*;

    fn certificate(key: &KeyPair) -> String {
        rcgen::CertificateParams::default().self_signed(key).expect("a certificate").pem()
    }

    fn read(text: &str) -> Result<ClientIdentity, ClientIdentityFault> {
        client_identity(&Secret::new(text.as_bytes().to_vec()))
    }

    #[test]
    fn keys_of_each_sort_and_order_are_read() {
        for algorithm in [&PKCS_ECDSA_P256_SHA256, &PKCS_ED25519, &PKCS_RSA_SHA256] {
            let key = KeyPair::generate_for(algorithm).expect("a key");
            let (own, other) = (certificate(&key), certificate(&KeyPair::generate().expect("a key")));
            let text = format!("{own}{other}{}", key.serialize_pem());
            let identity = read(&text).expect("a pair");
            assert_eq!((identity.chain().len(), identity.key().expose()), (2, key.serialized_der()));
            let turned = read(&format!("{}{own}{other}", key.serialize_pem())).expect("a pair");
            assert_eq!(turned.fingerprint(), identity.fingerprint());
            let shorter = read(&format!("{own}{}", key.serialize_pem())).expect("a pair");
            assert_ne!(shorter.fingerprint(), identity.fingerprint(), "the whole chain counts");
            assert!(identity.ends() > SystemTime::now());
        }
    }

    #[test]
    fn lines_may_end_in_any_way_and_have_others_between_the_sections() {
        let key = KeyPair::generate().expect("a key");
        let text = format!("Bag Attributes\n{}subject: x\n\n{}", certificate(&key), key.serialize_pem());
        for end in ["\n", "\r\n", "\r", " \t\n"] {
            assert_eq!(read(&text.replace('\n', end)).expect("a pair").key().expose(), key.serialized_der(), "{end:?}");
        }
        assert!(read(text.trim_end()).is_ok(), "without a last line end");
    }

    #[test]
    fn keys_in_their_older_forms_are_read() {
        for (algorithm, header) in [(&PKCS_ECDSA_P256_SHA256, "EC"), (&PKCS_RSA_SHA256, "RSA")] {
            let key = KeyPair::generate_for(algorithm).expect("a key");
            let whole = PrivateKeyDer::try_from(key.serialized_der()).expect("PKCS #8");
            let PrivateKeyDer::Pkcs8(pkcs8) = whole else { panic!("{whole:?}") };
            let inner = inner_key(pkcs8.secret_pkcs8_der());
            let body = STANDARD.encode(&inner);
            let text = format!("-----BEGIN {header} PRIVATE KEY-----\n{body}\n-----END {header} PRIVATE KEY-----\n");
            let identity = read(&format!("{}{text}", certificate(&key))).expect(header);
            assert_eq!(identity.key().expose(), inner);
        }
    }

    /// What PKCS #8 wraps (RFC 5958 §2): the last of its members that is an octet string.
    fn inner_key(pkcs8: &[u8]) -> Vec<u8> {
        let (_, outer) = x509_parser::der_parser::parse_der(pkcs8).expect("DER");
        let members = outer.as_sequence().expect("a sequence");
        members.get(2).and_then(|member| member.as_slice().ok()).expect("an octet string").to_vec()
    }

    #[test]
    fn what_is_no_pair_is_refused() {
        let (key, other) = (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
        let (own, pem, stranger) = (certificate(&key), key.serialize_pem(), other.serialize_pem());
        let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        for (text, want) in [
            (String::new(), ClientIdentityFault::NoCertificate),
            ("no PEM at all".to_owned(), ClientIdentityFault::NoCertificate),
            (pem.clone(), ClientIdentityFault::NoCertificate),
            (format!("{own}{}", pem.replacen("-----END", "!-----END", 1)), ClientIdentityFault::BadPem),
            (own.clone(), ClientIdentityFault::NoKey),
            (format!("{own}{pem}{stranger}"), ClientIdentityFault::SeveralKeys),
            (format!("{own}{stranger}"), ClientIdentityFault::Mismatch),
            (format!("{}{own}{pem}", certificate(&other)), ClientIdentityFault::Mismatch),
            (format!("{junk}{pem}"), ClientIdentityFault::BadCertificate),
            (format!("{own}{junk}{pem}"), ClientIdentityFault::BadCertificate),
            (format!("{own}{no_key}"), ClientIdentityFault::BadKey),
            (format!("{own}{}", pem.replace("PRIVATE", "ENCRYPTED PRIVATE")), ClientIdentityFault::NoKey),
            (format!("{own}{}", pem.replace("END PRIVATE", "END EC PRIVATE")), ClientIdentityFault::BadPem),
            (format!("{own}{}", pem.replacen('\n', "\nProc-Type: 4,ENCRYPTED\n\n", 1)), ClientIdentityFault::BadPem),
            (format!("{own}{}", pem.trim_end().trim_end_matches('-')), ClientIdentityFault::BadPem),
        ] {
            assert_eq!(read(&text).err(), Some(want), "{text}");
        }
    }
}
