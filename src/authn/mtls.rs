//! Client certificates: who vouches for one, whether it is still good, and whom it names.

mod lists;
mod names;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{
    CertRevocationList, EndEntityCert, Error, ExpirationPolicy, KeyUsage, RevocationCheckDepth,
    RevocationOptionsBuilder, UnknownStatusPolicy, VerifiedPath,
};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

use super::facts::{Fact, Facts};
use crate::domain::{AuthnFault, Denial, Name, PeerCertificates, Principal, PrincipalKind, RequestView, Unavailable};

use lists::Lists;
pub use names::CertificateName;

/// What an `[authn.NAME.mtls]` says.
#[derive(Debug, Clone)]
pub struct MtlsSettings {
    /// The NAME.
    pub name: Name,
    /// The authorities, in PEM. There are no others: never the system's.
    pub ca: Vec<u8>,
    /// The revocation lists, in PEM; empty where revocation is not checked.
    pub crl: Vec<Vec<u8>>,
    /// Which of a certificate's names is the id.
    pub identity: CertificateName,
    /// The roles of everybody whom it proves.
    pub roles: Vec<Arc<str>>,
    /// What sort of callers these are.
    pub kind: PrincipalKind,
}

/// Why authorities or revocation lists cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MtlsFault {
    /// The CA file holds no PEM certificate.
    NoAuthority,
    /// The CA file holds something that is no X.509 v3 certificate of an authority.
    BadAuthority,
    /// A revocation file holds no PEM list.
    NoList,
    /// A revocation file holds something that is no list with an end.
    BadList,
}

/// An `[authn.NAME.mtls]`. What it has verified it forgets with itself: a reload, which other authorities or lists bring about, makes a new one.
pub struct Mtls {
    name: Name,
    authorities: Vec<Authority>,
    lists: Lists,
    identity: CertificateName,
    roles: Vec<Arc<str>>,
    kind: PrincipalKind,
    facts: Facts<32>,
}

struct Authority {
    anchor: TrustAnchor<'static>,
    /// The bits of its key.
    key: Vec<u8>,
    from: SystemTime,
    until: SystemTime,
}

/// How many verified certificates are remembered.
const REMEMBERED: usize = 8192;

impl Mtls {
    /// Reads the authorities and the lists.
    ///
    /// # Errors
    /// An [`MtlsFault`] when one of them cannot be used, or there is none.
    pub fn new(settings: MtlsSettings) -> Result<Self, MtlsFault> {
        Ok(Self {
            name: settings.name,
            authorities: authorities(&settings.ca)?,
            lists: Lists::read(&settings.crl)?,
            identity: settings.identity,
            roles: settings.roles,
            kind: settings.kind,
            facts: Facts::new(REMEMBERED),
        })
    }

    /// The NAME of its `[authn.NAME]`.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The principal that it proves. That the client holds the certificate's key is proved already, by the handshake or by whom it met.
    pub(super) fn verify(&self, request: &RequestView<'_>, now: SystemTime) -> Result<Arc<Principal>, Denial> {
        let shown = request.certificates.ok_or(Denial::Unauthenticated(AuthnFault::Missing))?;
        if let Some(principal) = self.facts.find(&shown.thumbprint, now, |_| true) {
            return Ok(principal);
        }
        let until = self.verify_path(shown, now)?;
        let leaf = shown.chain.first().ok_or(Denial::Unauthenticated(AuthnFault::Missing))?;
        let id = self.identity.find(leaf).map_err(Denial::Unauthenticated)?;
        let mut principal = Principal::new(self.name.clone(), self.kind, id);
        principal.roles.clone_from(&self.roles);
        principal.expires = Some(until);
        let principal = Arc::new(principal);
        // A clock that goes back finds nothing.
        self.facts.keep(
            shown.thumbprint,
            Fact { principal: Arc::clone(&principal), from: now, until, key: shown.thumbprint },
        );
        Ok(principal)
    }

    /// Finds a path to an authority by which the certificate is good now (RFC 5280 §6); tells until when it will be.
    fn verify_path(&self, shown: &PeerCertificates, now: SystemTime) -> Result<SystemTime, Denial> {
        let refused = Denial::Unauthenticated(AuthnFault::Certificate);
        let chain: Vec<_> = shown.chain.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let (leaf, intermediates) = chain.split_first().ok_or(Denial::Unauthenticated(AuthnFault::Missing))?;
        let leaf = EndEntityCert::try_from(leaf).map_err(|_| refused)?;
        let since = now.duration_since(UNIX_EPOCH).map_err(|_| refused)?;
        let keys: Vec<_> = shown.chain[1..].iter().filter_map(|der| key_of(der)).collect();
        let mut fault = refused;
        for authority in self.authorities.iter().filter(|one| one.from <= now && now < one.until) {
            let keys: Vec<_> = keys.iter().map(Vec::as_slice).chain([authority.key.as_slice()]).collect();
            let lists = self.lists.signed_by(&keys);
            if lists.is_empty() && !self.lists.is_empty() {
                // Nobody says that it is not revoked.
                continue;
            }
            let path =
                Path { authority, leaf: &leaf, intermediates, lists: &lists, now: UnixTime::since_unix_epoch(since) };
            match self.judge(&path, &shown.chain) {
                Ok(until) => return until.ok_or(refused),
                Err(error) if fault == refused => fault = denial(&error),
                Err(_) => {}
            }
        }
        Err(fault)
    }

    /// Until when a path to one authority is good.
    fn judge(&self, path: &Path<'_>, chain: &[Vec<u8>]) -> Result<Option<SystemTime>, Error> {
        let until = path.verify(0, |path| self.holds_until(path))?;
        // What one list says, a newer one, or one of a part, does not take back.
        let naming = (0..path.lists.len()).filter(|&nth| names_one(path.lists[nth], chain));
        if naming.map(|nth| path.verify(nth, |_| ())).any(|found| matches!(found, Err(Error::CertRevoked))) {
            return Err(Error::CertRevoked);
        }
        Ok(until)
    }

    /// When the first of what a path rests on ends.
    fn holds_until(&self, path: &VerifiedPath<'_>) -> Option<SystemTime> {
        let authority = self.authorities.iter().find(|one| one.anchor == *path.anchor())?;
        let mut until = authority.until.min(self.lists.until().unwrap_or(authority.until));
        let leaf = path.end_entity().der();
        for der in path.intermediate_certificates().map(|one| one.der()).chain([leaf]) {
            let (_, certificate) = X509Certificate::from_der(&der).ok()?;
            until = until.min(end_of(certificate.validity().not_after)?);
        }
        Some(until)
    }
}

impl std::fmt::Debug for Mtls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mtls").field("name", &self.name).field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// A path that is looked for.
struct Path<'a> {
    authority: &'a Authority,
    leaf: &'a EndEntityCert<'a>,
    intermediates: &'a [CertificateDer<'a>],
    /// All of keys that may be on it.
    lists: &'a [&'a CertRevocationList<'static>],
    now: UnixTime,
}

impl Path<'_> {
    /// Looks for it by the lists from the one of this number on, and then those before it.
    fn verify<T>(&self, first: usize, found: impl FnOnce(&VerifiedPath<'_>) -> T) -> Result<T, Error> {
        let ordered: Vec<_> = self.lists[first..].iter().chain(&self.lists[..first]).copied().collect();
        let revocation = RevocationOptionsBuilder::new(&ordered).ok().map(|options| {
            options
                .with_depth(RevocationCheckDepth::Chain)
                .with_status_policy(UnknownStatusPolicy::Deny)
                .with_expiration_policy(ExpirationPolicy::Enforce)
                .build()
        });
        let anchors = [self.authority.anchor.clone()];
        let path = self.leaf.verify_for_usage(
            aws_lc_rs::default_provider().signature_verification_algorithms.all,
            &anchors,
            self.intermediates,
            self.now,
            KeyUsage::client_auth(),
            revocation,
            Some(&may_sign),
        );
        path.map(|path| found(&path))
    }
}

/// The bits of a certificate's key.
fn key_of(der: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(certificate.public_key().subject_public_key.data.to_vec())
}

/// Whether a list has the serial number of one of these certificates.
fn names_one(list: &CertRevocationList<'_>, chain: &[Vec<u8>]) -> bool {
    chain.iter().any(|der| {
        let parsed = X509Certificate::from_der(der);
        // What cannot be read has no path.
        parsed.is_ok_and(|(_, certificate)| matches!(list.find_serial(certificate.raw_serial()), Ok(Some(_))))
    })
}

/// Whether the key usages of a path allow what its certificates are used for, where they are told (RFC 5280 §4.2.1.3).
fn may_sign(path: &VerifiedPath<'_>) -> Result<(), Error> {
    let may = |der: &[u8], is_leaf: bool| {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let usage = certificate.key_usage().ok()?;
        Some(usage.is_none_or(
            |usage| {
                if is_leaf { usage.value.digital_signature() } else { usage.value.key_cert_sign() }
            },
        ))
    };
    let intermediates = path.intermediate_certificates().all(|one| may(&one.der(), false) == Some(true));
    let leaf = may(&path.end_entity().der(), true) == Some(true);
    if intermediates && leaf { Ok(()) } else { Err(Error::UnknownIssuer) }
}

fn denial(error: &Error) -> Denial {
    if matches!(error, Error::CrlExpired { .. }) {
        // Nothing is wrong with the certificate: whether it is revoked cannot be told.
        return Denial::Unavailable(Unavailable::Authenticator);
    }
    Denial::Unauthenticated(if matches!(error, Error::CertExpired { .. }) {
        AuthnFault::Expired
    } else if matches!(error, Error::CertNotValidYet { .. }) {
        AuthnFault::NotYetValid
    } else if matches!(error, Error::CertRevoked) {
        AuthnFault::Revoked
    } else {
        AuthnFault::Certificate
    })
}

fn authorities(pem: &[u8]) -> Result<Vec<Authority>, MtlsFault> {
    let mut authorities = Vec::new();
    for der in CertificateDer::pem_slice_iter(pem) {
        let der = der.map_err(|_| MtlsFault::BadAuthority)?;
        authorities.push(authority(&der).ok_or(MtlsFault::BadAuthority)?);
    }
    if authorities.is_empty() { Err(MtlsFault::NoAuthority) } else { Ok(authorities) }
}

/// None for a certificate that may not vouch for others: the library would let each that it is given.
fn authority(der: &CertificateDer<'_>) -> Option<Authority> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let is_authority = certificate.basic_constraints().ok()?.is_some_and(|constraints| constraints.value.ca);
    let may_sign = certificate.key_usage().ok()?.is_none_or(|usage| usage.value.key_cert_sign());
    let anchor = webpki::anchor_from_trusted_cert(der).ok()?.to_owned();
    let validity = certificate.validity();
    let authority =
        Authority { anchor, key: key_of(der)?, from: moment(validity.not_before)?, until: end_of(validity.not_after)? };
    (is_authority && may_sign).then_some(authority)
}

fn moment(time: ASN1Time) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(time.timestamp()).ok()?))
}

/// The first moment after a last second (RFC 5280 §4.1.2.5: that second is in).
fn end_of(time: ASN1Time) -> Option<SystemTime> {
    moment(time)?.checked_add(Duration::from_secs(1))
}

impl std::fmt::Display for MtlsFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoAuthority => "the file holds no PEM certificate",
            Self::BadAuthority => "the file holds what is no X.509 v3 certificate of an authority",
            Self::NoList => "the file holds no PEM revocation list",
            Self::BadList => "the file holds what is no revocation list with a `nextUpdate`",
        })
    }
}

impl std::error::Error for MtlsFault {}
