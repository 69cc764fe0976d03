//! Client certificates that must not be believed, each beside one that is.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};

use crate::authn::testing::{NOW, at, name, proven, with_request};
use crate::authn::{Authenticator, CertificateName, Chain, Mtls, MtlsFault, MtlsSettings, peer_certificates};
use crate::domain::{AuthnFault, Denial, Principal, PrincipalKind, RequestView, Unavailable};

const ID: &str = "spiffe://prod.example.com/job";

/// An authority, with the params that a test changes.
struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

fn authority_params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl Authority {
    fn new(params: CertificateParams) -> Self {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// One below this one.
    fn below(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    fn leaf(&self, change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = leaf_params();
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        params.signed_by(&key, &self.issuer).expect("a certificate").der().to_vec()
    }

    fn der(&self) -> Vec<u8> {
        self.certificate.der().to_vec()
    }

    /// A list that revokes these serials, good from 2020 to this year.
    fn list(&self, serials: &[u64], until: i32) -> Vec<u8> {
        self.list_of(2020, serials, until)
    }

    /// The same from this year on.
    fn list_of(&self, since: i32, serials: &[u64], until: i32) -> Vec<u8> {
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2021, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(since, 1, 1),
            next_update: date_time_ymd(until, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).expect("a list").pem().expect("PEM").into_bytes()
    }
}

fn leaf_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.subject_alt_names = vec![uri(ID)];
    params.serial_number = Some(SerialNumber::from(7));
    params
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().expect("ASCII"))
}

fn settings(ca: &Authority, crl: Vec<Vec<u8>>) -> MtlsSettings {
    MtlsSettings {
        name: name("workloads"),
        ca: ca.certificate.pem().into_bytes(),
        crl,
        identity: CertificateName::Uri { prefix: String::new() },
        roles: vec![Arc::from("workload")],
        kind: PrincipalKind::Service,
    }
}

fn prove(settings: MtlsSettings, chain: &[Vec<u8>], now: u64) -> Result<Arc<Principal>, Denial> {
    let mtls = Arc::new(Mtls::new(settings).expect("an authenticator"));
    prove_with(&mtls, chain, now)
}

fn prove_with(mtls: &Arc<Mtls>, shown: &[Vec<u8>], now: u64) -> Result<Arc<Principal>, Denial> {
    let chain = Chain::new(vec![Authenticator::Mtls(Arc::clone(mtls))], &name("api"), Arc::default()).expect("a chain");
    let certificates = peer_certificates(shown);
    with_request(&[], |request| proven(&chain, &RequestView { certificates: certificates.as_ref(), ..*request }, now))
}

fn refused(fault: AuthnFault) -> Option<Denial> {
    Some(Denial::Unauthenticated(fault))
}

#[test]
fn certificates_that_nobody_good_vouches_for_prove_nothing() {
    use AuthnFault::{Certificate, Expired, Missing, NotYetValid};
    let ours = Authority::new(authority_params("ours"));
    let twin = Authority::new(authority_params("ours"));
    let other = Authority::new(authority_params("other"));
    let good = ours.leaf(|_| {});
    let principal = prove(settings(&ours, Vec::new()), std::slice::from_ref(&good), NOW).expect("the good one");
    assert_eq!((principal.id.as_str(), &*principal.roles[0]), (ID, "workload"));

    // Not an authority, and yet somebody's issuer.
    let mut no_authority = leaf_params();
    no_authority.is_ca = IsCa::ExplicitNoCa;
    let leaf = ours.below(no_authority);
    let plain = ours.below(leaf_params());
    let mut no_signing = authority_params("below");
    no_signing.key_usages = vec![KeyUsagePurpose::CrlSign];
    let no_signing = ours.below(no_signing);
    let below = ours.below(authority_params("below"));
    let key = KeyPair::generate().expect("a key");
    let self_signed = leaf_params().self_signed(&key).expect("a certificate").der().to_vec();
    let with_server_usage = ours.leaf(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    let no_signature = ours.leaf(|p| p.key_usages = vec![KeyUsagePurpose::KeyEncipherment]);
    let mut flipped = good.clone();
    *flipped.last_mut().expect("bytes") ^= 1;
    for (what, chain, want) in [
        ("none", vec![], Missing),
        ("another authority", vec![other.leaf(|_| {})], Certificate),
        ("the other authority sent along", vec![other.leaf(|_| {}), other.der()], Certificate),
        ("another authority of the same name", vec![twin.leaf(|_| {})], Certificate),
        ("the same with its own authority", vec![twin.leaf(|_| {}), twin.der()], Certificate),
        ("self-signed", vec![self_signed.clone()], Certificate),
        ("self-signed with the authority", vec![self_signed, ours.der()], Certificate),
        ("ended", vec![ours.leaf(|p| p.not_after = date_time_ymd(2020, 1, 1))], Expired),
        ("not begun", vec![ours.leaf(|p| p.not_before = date_time_ymd(2030, 1, 1))], NotYetValid),
        ("for servers", vec![with_server_usage], Certificate),
        ("not for signatures", vec![no_signature], Certificate),
        ("issued by a leaf", vec![leaf.leaf(|_| {}), leaf.der()], Certificate),
        ("issued by what says nothing of authorities", vec![plain.leaf(|_| {}), plain.der()], Certificate),
        ("issued by what may not sign", vec![no_signing.leaf(|_| {}), no_signing.der()], Certificate),
        ("without what leads to ours", vec![below.leaf(|_| {})], Certificate),
        ("an authority itself", vec![ours.der()], Certificate),
        ("a changed signature", vec![flipped], Certificate),
        ("garbage", vec![b"garbage".to_vec()], Certificate),
    ] {
        assert_eq!(prove(settings(&ours, Vec::new()), &chain, NOW).err(), refused(want), "{what}");
    }
    let whole = [below.leaf(|_| {}), below.der()];
    assert!(prove(settings(&ours, Vec::new()), &whole, NOW).is_ok(), "by way of another authority");
}

#[test]
fn what_was_verified_holds_until_the_first_of_what_it_rests_on_ends() {
    let mut ends = authority_params("ours");
    ends.not_after = date_time_ymd(2025, 1, 1);
    let ours = Authority::new(ends);
    let leaf = [ours.leaf(|p| p.not_after = date_time_ymd(2024, 6, 1))];
    let (june, january) = (1_717_200_000, 1_735_689_600);
    let mtls = Arc::new(Mtls::new(settings(&ours, Vec::new())).expect("an authenticator"));
    assert_eq!(prove_with(&mtls, &leaf, NOW).expect("good").expires, Some(at(june + 1)));
    assert!(prove_with(&mtls, &leaf, june).is_ok());
    assert_eq!(prove_with(&mtls, &leaf, june + 1).err(), refused(AuthnFault::Expired));
    let long = [ours.leaf(|_| {})];
    assert_eq!(prove_with(&mtls, &long, NOW).expect("good").expires, Some(at(january + 1)));
    assert_eq!(prove_with(&mtls, &long, january + 1).err(), refused(AuthnFault::Certificate), "the authority ended");
}

#[test]
fn revocation_fails_closed() {
    let ours = Authority::new(authority_params("ours"));
    let twin = Authority::new(authority_params("ours"));
    let below = ours.below(authority_params("below"));
    let leaf = [ours.leaf(|_| {})];
    let away = Some(Denial::Unavailable(Unavailable::Authenticator));
    for (what, lists, want) in [
        ("others are revoked", vec![ours.list(&[1, 2], 2030)], None),
        ("this one is", vec![ours.list(&[1, 7], 2030)], refused(AuthnFault::Revoked)),
        ("the list has ended", vec![ours.list(&[], 2022)], away),
        ("the list is another authority's", vec![below.list(&[], 2030)], refused(AuthnFault::Certificate)),
        ("the list is signed by another", vec![twin.list(&[], 2030)], refused(AuthnFault::Certificate)),
        (
            "a newer one is of another key of that name",
            vec![ours.list(&[], 2030), twin.list_of(2021, &[7], 2030)],
            None,
        ),
        (
            "and this one is revoked by its own",
            vec![twin.list_of(2021, &[], 2030), ours.list(&[7], 2030)],
            refused(AuthnFault::Revoked),
        ),
        (
            "a list of a time to come says nothing yet",
            vec![ours.list_of(2029, &[], 2030), ours.list(&[7], 2030)],
            refused(AuthnFault::Revoked),
        ),
        ("what it says counts all the same", vec![ours.list_of(2029, &[7], 2030)], refused(AuthnFault::Revoked)),
        (
            "a newer one takes nothing back",
            vec![ours.list_of(2022, &[], 2030), ours.list(&[7], 2030)],
            refused(AuthnFault::Revoked),
        ),
    ] {
        assert_eq!(prove(settings(&ours, lists), &leaf, NOW).err(), want, "{what}");
    }
    // What a client sends along changes nothing of that: one that ended comes first among webpki's errors.
    let mut over = authority_params("ours");
    over.not_after = date_time_ymd(2021, 1, 1);
    let lists = vec![ours.list_of(2022, &[], 2030), ours.list(&[7], 2030)];
    let padded = [ours.leaf(|_| {}), Authority::new(over).der()];
    assert_eq!(prove(settings(&ours, lists), &padded, NOW).err(), refused(AuthnFault::Revoked));
    // Nor does its end.
    let ended = vec![ours.list_of(2022, &[], 2030), ours.list(&[7], 2022)];
    assert_eq!(prove(settings(&ours, ended), &leaf, NOW).err(), refused(AuthnFault::Revoked));
    // An authority that has a new key under its name: both are trusted, in one order and in the other.
    for [first, second] in [[&ours, &twin], [&twin, &ours]] {
        let ca = [first, second].map(|one| one.certificate.pem()).concat();
        let judge = |lists: Vec<Vec<u8>>, by: &Authority| {
            prove(MtlsSettings { ca: ca.clone().into_bytes(), ..settings(&ours, lists) }, &[by.leaf(|_| {})], NOW).err()
        };
        for by in [&ours, &twin] {
            assert_eq!(judge(vec![ours.list(&[], 2030), twin.list_of(2021, &[], 2030)], by), None);
        }
        let both = vec![ours.list(&[7], 2030), twin.list_of(2021, &[], 2030)];
        assert_eq!(judge(both.clone(), &ours), refused(AuthnFault::Revoked));
        assert_eq!(judge(both, &twin), None, "the same number of another key");
        assert_eq!(
            judge(vec![ours.list(&[], 2030)], &twin),
            refused(AuthnFault::Certificate),
            "nobody says that it is good"
        );
    }
    let chain = [below.leaf(|_| {}), below.der()];
    let lists = vec![below.list(&[], 2030)];
    assert_eq!(prove(settings(&ours, lists), &chain, NOW).err(), refused(AuthnFault::Certificate), "half of the way");
    let lists = vec![below.list(&[], 2030), ours.list(&[], 2030)];
    assert!(prove(settings(&ours, lists), &chain, NOW).is_ok());
    // What was verified is not remembered beyond the list.
    let mtls = Arc::new(Mtls::new(settings(&ours, vec![ours.list(&[], 2024)])).expect("an authenticator"));
    assert!(prove_with(&mtls, &leaf, NOW).is_ok());
    assert_eq!(prove_with(&mtls, &leaf, 1_704_067_200).err(), away);
}

#[test]
fn an_authority_file_without_authorities_is_refused() {
    let ours = Authority::new(authority_params("ours"));
    let leaf = Authority::new(leaf_params()).certificate.pem();
    let (ca, list) = (ours.certificate.pem(), ours.list(&[], 2030));
    let key = KeyPair::generate().expect("a key").serialize_pem();
    let broken = "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n";
    for (ca, crl, want) in [
        (String::new(), vec![], MtlsFault::NoAuthority),
        ("garbage".to_owned(), vec![], MtlsFault::NoAuthority),
        (key, vec![], MtlsFault::NoAuthority),
        (broken.to_owned(), vec![], MtlsFault::BadAuthority),
        (format!("{ca}{leaf}"), vec![], MtlsFault::BadAuthority),
        (ca.clone(), vec![Vec::new()], MtlsFault::NoList),
        (ca.clone(), vec![list, ca.clone().into_bytes()], MtlsFault::NoList),
        (ca.clone(), vec![b"-----BEGIN X509 CRL-----\nAQID\n-----END X509 CRL-----\n".to_vec()], MtlsFault::BadList),
    ] {
        let settings = MtlsSettings { ca: ca.into_bytes(), ..settings(&ours, crl) };
        assert_eq!(Mtls::new(settings).err(), Some(want));
    }
}

#[test]
fn exactly_one_plain_name_is_the_id() {
    let ours = Authority::new(authority_params("ours"));
    let dns = |text: &str| SanType::DnsName(text.try_into().expect("ASCII"));
    let email = |text: &str| SanType::Rfc822Name(text.try_into().expect("ASCII"));
    let with = |prefix: &str| CertificateName::Uri { prefix: prefix.to_owned() };
    let prod = || with("spiffe://prod.example.com/");
    let long = format!("spiffe://prod.example.com/{}", "a".repeat(256));
    for (identity, names, want) in [
        (with(""), vec![uri(ID)], Some(ID)),
        (with(""), vec![uri(ID), dns("a.test")], Some(ID)),
        (with(""), vec![uri(ID), uri("spiffe://other/job")], None),
        (with(""), vec![uri(ID), uri(ID)], None),
        (with(""), vec![dns("a.test")], None),
        (with(""), vec![], None),
        (with(""), vec![uri("")], None),
        (with(""), vec![uri("spiffe://prod.example.com/job\0.evil")], None),
        (with(""), vec![uri("spiffe://a b")], None),
        (with(""), vec![uri("spiffe://a\r\nb")], None),
        (with(""), vec![uri(&long)], None),
        (prod(), vec![uri(ID), uri("spiffe://other/job")], Some(ID)),
        (prod(), vec![uri(ID), uri("spiffe://prod.example.com/other")], None),
        (prod(), vec![uri("spiffe://prod.example.com.evil/job")], None),
        (prod(), vec![uri("spiffe://prod.example.com/")], None),
        (prod(), vec![uri(ID), uri("spiffe://other/\0")], None),
        (CertificateName::Dns, vec![dns("Job.Test")], Some("job.test")),
        (CertificateName::Dns, vec![dns("*.test")], None),
        (CertificateName::Dns, vec![dns("a.test"), dns("b.test")], None),
        (CertificateName::Dns, vec![dns("a.test\0.evil")], None),
        (CertificateName::Email, vec![email("job@example.com")], Some("job@example.com")),
        (CertificateName::Email, vec![email("job@evil@example.com")], None),
    ] {
        let leaf = ours.leaf(|p| p.subject_alt_names.clone_from(&names));
        let settings = MtlsSettings { identity: identity.clone(), ..settings(&ours, Vec::new()) };
        let found = prove(settings, &[leaf], NOW).map(|principal| principal.id.clone());
        assert_eq!(found, want.map(str::to_owned).ok_or(Denial::Unauthenticated(AuthnFault::Claim)), "{names:?}");
    }
}

#[test]
fn a_subject_is_written_so_that_no_value_begins_another_attribute() {
    let ours = Authority::new(authority_params("ours"));
    let other = || DnType::CustomDnType(vec![2, 5, 4, 65]);
    for (parts, want) in [
        (vec![(DnType::OrganizationName, "Example"), (DnType::CommonName, "job")], Some("CN=job,O=Example")),
        (vec![(DnType::CommonName, "job,O=Admin")], Some("CN=job\\,O\\=Admin")),
        (vec![(DnType::CommonName, " #a+b\\")], Some("CN=\\ #a\\+b\\\\")),
        (vec![(DnType::CommonName, "job\0")], None),
        (vec![(DnType::CommonName, "job"), (other(), "x")], None),
        (vec![], None),
    ] {
        let leaf = ours.leaf(|p| {
            p.distinguished_name = rcgen::DistinguishedName::new();
            parts.iter().for_each(|(kind, value)| p.distinguished_name.push(kind.clone(), *value));
        });
        let settings = MtlsSettings { identity: CertificateName::Subject, ..settings(&ours, Vec::new()) };
        let found = prove(settings, &[leaf], NOW).map(|principal| principal.id.clone());
        assert_eq!(found, want.map(str::to_owned).ok_or(Denial::Unauthenticated(AuthnFault::Claim)), "{parts:?}");
    }
}
