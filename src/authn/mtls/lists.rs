//! Revocation lists (RFC 5280 §5), found by who issued a certificate and with which key: an issuer may have had several under one name.

use std::time::SystemTime;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject as _;
use webpki::{BorrowedCertRevocationList, CertRevocationList};
use x509_parser::prelude::{CertificateRevocationList, FromDer as _, X509Certificate};

use super::{MtlsFault, moment};

/// All lists of an authenticator, the newest first: of several by one key, webpki goes by the first that it finds.
pub(super) struct Lists(Vec<Dated>);

/// A list, and when it ends.
pub(super) struct Dated {
    pub(super) list: CertRevocationList<'static>,
    pub(super) until: SystemTime,
    since: SystemTime,
    issuer: Vec<u8>,
    signed: Signed,
    /// The authorities that signed it, by their numbers.
    by: Vec<usize>,
}

/// What is signed, by which algorithm, and the signature.
struct Signed {
    text: Vec<u8>,
    algorithm: Vec<u8>,
    signature: Vec<u8>,
}

/// A certificate of a path, as lists name it.
pub(super) struct Link {
    issuer: Vec<u8>,
    serial: Vec<u8>,
    /// Its issuer: the authority of this number, or whoever has this key.
    by: Signer,
}

/// Who issued a certificate.
pub(super) enum Signer {
    /// The authority of this number.
    Authority(usize),
    /// The certificate above, whose key has these bits.
    Key(Vec<u8>),
}

impl Link {
    /// What lists may say of this certificate.
    pub(super) fn new(certificate: &X509Certificate<'_>, by: Signer) -> Self {
        let (issuer, serial) = (certificate.issuer().as_raw().to_vec(), certificate.raw_serial().to_vec());
        Self { issuer, serial, by }
    }

    /// Whether this list names it.
    pub(super) fn is_named_by(&self, list: &Dated) -> bool {
        // What cannot be read is not taken for a no.
        !matches!(list.list.find_serial(&self.serial), Ok(None))
    }
}

impl Lists {
    /// Reads them; `authorities` are the keys that some are signed with.
    pub(super) fn read(pem: &[Vec<u8>], authorities: &[&[u8]]) -> Result<Self, MtlsFault> {
        let mut all = Vec::new();
        for pem in pem {
            let before = all.len();
            for der in CertificateRevocationListDer::pem_slice_iter(pem) {
                let der = der.map_err(|_| MtlsFault::BadList)?;
                all.push(Dated::read(&der, authorities).ok_or(MtlsFault::BadList)?);
            }
            if all.len() == before {
                return Err(MtlsFault::NoList);
            }
        }
        all.sort_by_key(|list| std::cmp::Reverse(list.since));
        Ok(Self(all))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of who issued this certificate, and with that key.
    pub(super) fn of(&self, link: &Link) -> Vec<&Dated> {
        let is_of = |one: &&Dated| match &link.by {
            Signer::Authority(nth) => one.by.contains(nth),
            Signer::Key(key) => one.signed.is_by(key),
        };
        self.0.iter().filter(|one| one.issuer == link.issuer).filter(is_of).collect()
    }
}

impl Dated {
    fn read(der: &CertificateRevocationListDer<'_>, authorities: &[&[u8]]) -> Option<Self> {
        let list = BorrowedCertRevocationList::from_der(der).and_then(|list| list.to_owned()).ok()?;
        let (_, parsed) = CertificateRevocationList::from_der(der).ok()?;
        let signed = Signed {
            text: parsed.tbs_cert_list.as_ref().to_vec(),
            algorithm: parsed.signature_algorithm.algorithm.as_bytes().to_vec(),
            signature: parsed.signature_value.data.to_vec(),
        };
        let by = authorities.iter().enumerate().filter(|(_, key)| signed.is_by(key)).map(|(nth, _)| nth).collect();
        let (since, until) = (moment(parsed.last_update())?, moment(parsed.next_update()?)?);
        Some(Self { list: list.into(), until, since, issuer: parsed.issuer().as_raw().to_vec(), signed, by })
    }
}

impl Signed {
    /// Whether it is signed with this key, the bits of a `subjectPublicKey`.
    fn is_by(&self, key: &[u8]) -> bool {
        // An algorithm's identifier begins with its name: a tag, a length, and the name.
        let is_named = |id: &[u8]| id.get(2..).is_some_and(|rest| rest.starts_with(&self.algorithm));
        let all = aws_lc_rs::default_provider().signature_verification_algorithms.all;
        let mut named = all.iter().filter(|one| is_named(one.signature_alg_id().as_ref()));
        named.any(|one| one.verify_signature(key, &self.text, &self.signature).is_ok())
    }
}
