//! Revocation lists (RFC 5280 §5), found by the keys that they are signed with: an issuer may have had several under one name.

use std::collections::HashMap;
use std::time::SystemTime;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject as _;
use webpki::{BorrowedCertRevocationList, CertRevocationList};
use x509_parser::prelude::{CertificateRevocationList, FromDer as _};

use super::{MtlsFault, moment};

/// All lists of an authenticator, the newest first: of several by one key, the first that is found is gone by.
pub(super) struct Lists(Vec<Dated>);

struct Dated {
    list: CertRevocationList<'static>,
    /// What is signed, and the signature.
    signed: (Vec<u8>, Vec<u8>),
    since: SystemTime,
    until: SystemTime,
}

impl Lists {
    /// Reads them.
    pub(super) fn read(pem: &[Vec<u8>]) -> Result<Self, MtlsFault> {
        let mut all = Vec::new();
        for pem in pem {
            let before = all.len();
            for der in CertificateRevocationListDer::pem_slice_iter(pem) {
                let der = der.map_err(|_| MtlsFault::BadList)?;
                all.push(Dated::read(&der).ok_or(MtlsFault::BadList)?);
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

    /// Those that one of these keys has signed.
    pub(super) fn signed_by(&self, keys: &[&[u8]]) -> Vec<&CertRevocationList<'static>> {
        let signed = self.0.iter().filter(|one| keys.iter().any(|key| one.is_signed_by(key)));
        signed.map(|one| &one.list).collect()
    }

    /// When the newest of some issuer ends: nothing that was found good is so for longer.
    pub(super) fn until(&self) -> Option<SystemTime> {
        let mut last: HashMap<&[u8], SystemTime> = HashMap::new();
        for one in &self.0 {
            let until = last.entry(one.list.issuer()).or_insert(one.until);
            *until = one.until.max(*until);
        }
        last.into_values().min()
    }
}

impl Dated {
    fn read(der: &CertificateRevocationListDer<'_>) -> Option<Self> {
        let list = BorrowedCertRevocationList::from_der(der).and_then(|list| list.to_owned()).ok()?;
        let (_, parsed) = CertificateRevocationList::from_der(der).ok()?;
        let (since, until) = (moment(parsed.last_update())?, moment(parsed.next_update()?)?);
        let signed = (parsed.tbs_cert_list.as_ref().to_vec(), parsed.signature_value.data.to_vec());
        Some(Self { list: list.into(), signed, since, until })
    }

    /// Whether it is signed with this key (the bits of a `subjectPublicKey`), by any algorithm; which one is right, is looked at with the path.
    fn is_signed_by(&self, key: &[u8]) -> bool {
        let (text, signature) = &self.signed;
        let all = aws_lc_rs::default_provider().signature_verification_algorithms.all;
        all.iter().any(|algorithm| algorithm.verify_signature(key, text, signature).is_ok())
    }
}
