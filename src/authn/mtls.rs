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

use lists::{Link, Lists, Signer};
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
        let authorities = authorities(&settings.ca)?;
        Ok(Self {
            name: settings.name,
            lists: Lists::read(&settings.crl, &authorities.iter().map(|one| one.key.as_slice()).collect::<Vec<_>>())?,
            authorities,
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
        let since = UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).map_err(|_| refused)?);
        let current = self.authorities.iter().filter(|one| one.from <= now && now < one.until);
        let anchors: Vec<_> = current.map(|one| one.anchor.clone()).collect();
        // Without lists first: whoever has no path has nobody look through them.
        let path = verify(&leaf, &anchors, intermediates, since, &[], |path| self.path(path, now));
        let path = path.map_err(|error| denial(&error))?.ok_or(refused)?;
        if self.lists.is_empty() {
            return Ok(path.until);
        }
        let lists: Vec<_> = path.links.iter().map(|link| self.lists.of(link)).collect();
        // What one list says, a newer one, or one of a part, does not take back; nor its end.
        let is_named =
            path.links.iter().zip(&lists).any(|(link, lists)| lists.iter().any(|list| link.is_named_by(list)));
        if is_named {
            return Err(denial(&Error::CertRevoked));
        }
        let all: Vec<_> = lists.iter().flatten().map(|dated| &dated.list).collect();
        if all.is_empty() {
            // Nobody says that it is not revoked.
            return Err(refused);
        }
        // By nothing but that path.
        let above: Vec<_> = path.above.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let anchor = [self.authorities[path.authority].anchor.clone()];
        verify(&leaf, &anchor, &above, since, &all, |_| ()).map_err(|error| denial(&error))?;
        let ends = lists.iter().flatten().map(|list| list.until).filter(|until| *until > now);
        Ok(ends.fold(path.until, SystemTime::min))
    }

    /// A path that was found, as lists are asked about it.
    fn path(&self, found: &VerifiedPath<'_>, now: SystemTime) -> Option<Path> {
        let is_it = |one: &Authority| one.anchor == *found.anchor() && one.from <= now && now < one.until;
        let nth = self.authorities.iter().position(is_it)?;
        let above: Vec<_> = found.intermediate_certificates().map(|one| one.der().to_vec()).collect();
        let leaf = found.end_entity().der();
        let (mut links, mut until) = (Vec::new(), self.authorities[nth].until);
        for (at, der) in [leaf.as_ref()].into_iter().chain(above.iter().map(Vec::as_slice)).enumerate() {
            let (_, certificate) = X509Certificate::from_der(der).ok()?;
            until = until.min(end_of(certificate.validity().not_after)?);
            let by = match above.get(at) {
                Some(issuer) => Signer::Key(key_of(issuer)?),
                None => Signer::Authority(nth),
            };
            links.push(Link::new(&certificate, by));
        }
        Some(Path { authority: nth, above, links, until })
    }
}

impl std::fmt::Debug for Mtls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mtls").field("name", &self.name).field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// A path from a certificate to an authority.
struct Path {
    /// The number of the authority.
    authority: usize,
    /// The certificates between, from the one that issued the leaf upwards.
    above: Vec<Vec<u8>>,
    /// The leaf and those, as lists name them.
    links: Vec<Link>,
    /// When the first of it ends.
    until: SystemTime,
}

/// Looks for a path, by lists where there are some.
fn verify<T>(
    leaf: &EndEntityCert<'_>,
    anchors: &[TrustAnchor<'_>],
    intermediates: &[CertificateDer<'_>],
    now: UnixTime,
    lists: &[&CertRevocationList<'_>],
    found: impl FnOnce(&VerifiedPath<'_>) -> T,
) -> Result<T, Error> {
    let revocation = RevocationOptionsBuilder::new(lists).ok().map(|options| {
        options
            .with_depth(RevocationCheckDepth::Chain)
            .with_status_policy(UnknownStatusPolicy::Deny)
            .with_expiration_policy(ExpirationPolicy::Enforce)
            .build()
    });
    let path = leaf.verify_for_usage(
        aws_lc_rs::default_provider().signature_verification_algorithms.all,
        anchors,
        intermediates,
        now,
        KeyUsage::client_auth(),
        revocation,
        Some(&may_sign),
    );
    path.map(|path| found(&path))
}

/// The bits of a certificate's key.
fn key_of(der: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(certificate.public_key().subject_public_key.data.to_vec())
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
