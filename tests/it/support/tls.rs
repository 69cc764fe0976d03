//! Certificates for tests: an authority made on the spot, and what it issues.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs::default_provider},
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use x509_parser::prelude::{FromDer, X509Certificate};

/// A certificate authority that lives as long as the test.
pub(crate) struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
pub(crate) struct Identity {
    certificate: Certificate,
    key: KeyPair,
}

impl Authority {
    /// A new authority by this common name.
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).expect("a certificate");
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// The authority's certificate, as a file would hold it.
    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A server certificate for these host names and addresses.
    pub(crate) fn server(&self, names: &[&str]) -> Identity {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("host names or addresses");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params)
    }

    /// A client certificate with this common name and these URIs (such as SPIFFE ids).
    pub(crate) fn client(&self, name: &str, uris: &[&str]) -> Identity {
        self.client_with(name, uris, |_| ())
    }

    /// The same, changed before it is signed.
    pub(crate) fn client_with(
        &self,
        name: &str,
        uris: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names =
            uris.iter().map(|&uri| SanType::URI(uri.try_into().expect("an ASCII URI"))).collect();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        self.issue(params)
    }

    /// A server certificate for these names that has long ended.
    pub(crate) fn expired_server(&self, names: &[&str]) -> Identity {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("host names or addresses");
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 12, 31);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params)
    }

    /// A server certificate for these names that nobody but itself vouches for.
    pub(crate) fn self_signed(names: &[&str]) -> Identity {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(names).expect("host names or addresses");
        Identity { certificate: params.self_signed(&key).expect("a certificate"), key }
    }

    /// A list of this authority that revokes these and is good for long, as a file would hold it.
    pub(crate) fn revoking(&self, revoked: &[&Identity]) -> String {
        let entry = |identity: &&Identity| RevokedCertParams {
            serial_number: SerialNumber::from_slice(&identity.serial()),
            revocation_time: rcgen::date_time_ymd(2021, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2020, 1, 1),
            next_update: rcgen::date_time_ymd(2099, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(entry).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).expect("a list").pem().expect("PEM")
    }

    /// A client certificate with this common name for this key.
    pub(crate) fn client_of(&self, name: &str, key: KeyPair) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue_for(key, params)
    }

    fn issue(&self, params: CertificateParams) -> Identity {
        self.issue_for(KeyPair::generate().expect("a key"), params)
    }

    fn issue_for(&self, key: KeyPair, mut params: CertificateParams) -> Identity {
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Identity { certificate, key }
    }

    /// A TLS client that trusts this authority alone, with a certificate of its own or none.
    pub(crate) fn trusting_client(&self, identity: Option<&Identity>) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let builder = builder.expect("TLS 1.2 and 1.3").with_root_certificates(self.roots());
        Arc::new(match identity {
            None => builder.with_no_client_auth(),
            Some(i) => builder.with_client_auth_cert(i.chain(), i.key()).expect("a matching pair"),
        })
    }

    /// A TLS server with this certificate, which asks for a client certificate of this authority if `mutual`.
    pub(crate) fn serving(&self, identity: &Identity, mutual: bool) -> Arc<ServerConfig> {
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let builder = builder.expect("TLS 1.2 and 1.3");
        let builder = if mutual {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(self.roots()), provider());
            builder.with_client_cert_verifier(verifier.build().expect("a root"))
        } else {
            builder.with_no_client_auth()
        };
        Arc::new(builder.with_single_cert(identity.chain(), identity.key()).expect("a matching pair"))
    }

    /// A TLS server with this certificate, which asks for a client certificate of this authority, and serves those without if it is not
    /// `required`.
    pub(crate) fn asking(&self, identity: &Identity, required: bool) -> ServerConfig {
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(self.roots()), provider());
        let verifier = if required { verifier } else { verifier.allow_unauthenticated() };
        let builder = builder.expect("TLS 1.2 and 1.3").with_client_cert_verifier(verifier.build().expect("a root"));
        builder.with_single_cert(identity.chain(), identity.key()).expect("a matching pair")
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).expect("a root");
        roots
    }
}

impl Identity {
    /// The certificate, as a file would hold it.
    pub(crate) fn certificate_pem(&self) -> String {
        self.certificate.pem()
    }

    /// The private key in PKCS#8, as a file would hold it.
    pub(crate) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// Both, as a secret would hold them.
    pub(crate) fn pem(&self) -> String {
        self.certificate_pem() + &self.key_pem()
    }

    /// The certificate as a handshake shows it.
    pub(crate) fn der(&self) -> Vec<u8> {
        self.certificate.der().to_vec()
    }

    /// Its serial number.
    pub(crate) fn serial(&self) -> Vec<u8> {
        let (_, parsed) = X509Certificate::from_der(self.certificate.der()).expect("a certificate");
        parsed.raw_serial().to_vec()
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.der().clone()]
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).expect("PKCS#8")
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(default_provider())
}
