//! A configuration with every way to prove who calls, and requests that prove it.

mod config;
mod oracle;
mod signed;

use std::fs::Permissions;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use claviger::authn::{forwarded_certificates, peer_certificates};
use claviger::config::{Plan, compile};
use claviger::crypto::{PasswordDigest, api_key};
use claviger::domain::{Host, NormalPath, PeerCertificates, RequestView};
use claviger::state::{Engines, Route};
use http::{HeaderMap, HeaderName, Method};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize, SanType,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const AUTHORITY: &str = "api.example.test";
const AUDIENCE: &str = "https://api.example.test";
/// After every moment that is asked about here.
const NEVER: u64 = 60_000_000_000;
const ADA: &str = "spiffe://example.test/ada";
const PASSWORD: &str = "correct horse battery staple";
/// The secret of HMAC signatures.
const SHARED: &str = "0123456789abcdef0123456789abcdef";

/// What a request is measured by.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// One that is sent again and again, or one for each measurement.
    pub(crate) requests: Vec<Request>,
    pub(crate) now: SystemTime,
    /// For tokens that are to be verified anew each time: the same without claviger.
    pub(crate) bare: Option<Bare>,
}

/// A request, and the route that it goes to.
pub(crate) struct Request {
    route: Arc<Route>,
    host: Host,
    path: NormalPath,
    headers: HeaderMap,
    certificates: Option<PeerCertificates>,
    /// Whether the certificates are read from the head, as behind a balancer.
    is_forwarded: bool,
}

/// One token and its key, for the library alone.
pub(crate) struct Bare {
    token: String,
    key: DecodingKey,
    validation: Validation,
    prepared: ParsedPublicKey,
}

/// Keys, configuration, and who is asked.
pub(crate) struct Site {
    pub(crate) runtime: Runtime,
    _folder: TempDir,
    plan: Plan,
    keys: Keys,
    now: SystemTime,
    /// How many requests there are of a kind of which each is good once.
    once: usize,
}

/// Who signs, and what else is presented.
struct Keys {
    rsa: KeyPair,
    ec: KeyPair,
    ed: KeyPair,
    api_key: String,
    certificate: Vec<u8>,
}

impl Kind {
    /// Whether each of its requests is good once.
    pub(crate) fn is_once(&self) -> bool {
        self.requests.len() > 1
    }
}

impl Request {
    /// Whether the route's authenticators take it.
    pub(crate) async fn authenticate(&self, now: SystemTime) -> bool {
        let forwarded =
            if self.is_forwarded { forwarded_certificates(&self.headers).expect("certificates") } else { None };
        let view = RequestView {
            method: &Method::GET,
            host: &self.host,
            path: &self.path,
            headers: &self.headers,
            client: CLIENT,
            peer: CLIENT,
            is_tls: true,
            authority: AUTHORITY,
            asked: &self.path,
            query: None,
            target: self.path.as_str(),
            has_body: false,
            certificates: forwarded.as_ref().or(self.certificates.as_ref()),
        };
        std::hint::black_box(self.route.authn.authenticate(&view, now).await).is_ok()
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(HeaderName::from_static(name), value.parse().expect("a value"));
        self
    }
}

impl Bare {
    /// Whether the signature is the key's.
    pub(crate) fn verify(&self) -> bool {
        let (signed, signature) = self.token.rsplit_once('.').expect("a token");
        jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &self.key, self.validation.algorithms[0])
            .expect("a key")
    }

    /// That, and what the library checks of claims.
    pub(crate) fn decode(&self) -> bool {
        jsonwebtoken::decode::<Value>(&self.token, &self.key, &self.validation).is_ok()
    }

    /// Whether the signature is that of a key which was read before, without any library for tokens.
    pub(crate) fn verify_prepared(&self) -> bool {
        let (signed, signature) = self.token.rsplit_once('.').expect("a token");
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        self.prepared.verify_sig(signed.as_bytes(), &signature).is_ok()
    }
}

impl Site {
    /// Makes everything; `once` is how many requests there are to be of a kind of which each is good once.
    pub(crate) fn new(once: usize) -> Self {
        // An error says that it is installed already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().expect("a folder");
        let (authority, certificate) = certificates();
        let (api_key, record) = api_key::generate();
        let keys = Keys {
            rsa: KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key"),
            ec: KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key"),
            ed: KeyPair::generate_for(&PKCS_ED25519).expect("a key"),
            api_key: api_key.to_string(),
            certificate,
        };
        std::fs::create_dir(folder.path().join("secrets")).expect("a folder");
        for (name, content) in [
            ("rsa.pem", &*keys.rsa.public_key_pem()),
            ("ec.pem", &*keys.ec.public_key_pem()),
            ("ed.pem", &*keys.ed.public_key_pem()),
            ("clients.pem", &authority),
            ("secrets/shared", SHARED),
        ] {
            write(&folder.path().join(name), content);
        }
        let password = PasswordDigest::generate(PASSWORD.as_bytes()).expect("a digest").to_text();
        let (prefix, digest) = (record.prefix(), record.digest_text());
        let text = config::text(oracle::start(), prefix, &digest, &password);
        let engines = Engines::new().expect("engines");
        let plan = compile(&folder.path().join("claviger.toml"), &text, 1, &engines).1;
        let plan = plan.unwrap_or_else(|faults| panic!("{faults}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { runtime, _folder: folder, plan, keys, now: SystemTime::now(), once }
    }

    /// All that is measured.
    pub(crate) fn kinds(&self) -> Vec<Kind> {
        let mut kinds = Vec::new();
        for (name, unseen, route, alg) in [
            ("jwt RS256, verified before", "RS256", "rs256", Algorithm::RS256),
            ("jwt ES256, verified before", "ES256", "es256", Algorithm::ES256),
            ("jwt EdDSA, verified before", "EdDSA", "eddsa", Algorithm::EdDSA),
        ] {
            let token = self.token(route, alg, &json!({}));
            let request = || self.bearer(route, &token);
            kinds.push(self.kind(name, request()));
            kinds.push(Kind { bare: Some(self.bare(alg, &token, route)), ..self.kind(unseen, request()) });
        }
        let basic = STANDARD.encode(format!("ada:{PASSWORD}"));
        let (_, thumb) = signed::holder(&self.keys.ec);
        let bound = self.token("rs256", Algorithm::RS256, &json!({"cnf": {"jkt": thumb}}));
        let opaque = "2YotnFZFEjr1zCsicMWpAA-opaque-token";
        let reviewed = self.token("cluster", Algorithm::RS256, &json!({}));
        let shown = peer_certificates(&[&self.keys.certificate]);
        let told = format!(":{}:", STANDARD.encode(&self.keys.certificate));
        kinds.extend([
            self.kind("api_key", self.bearer("keys", &self.keys.api_key)),
            self.kind("basic, compared before", self.request("basic").with("authorization", &format!("Basic {basic}"))),
            self.kind("introspection, answered before", self.bearer("introspection", opaque)),
            self.kind("token_review, answered before", self.bearer("review", &reviewed)),
            self.kind("forward_auth, answered before", self.request("forward").with("x-session", opaque)),
            self.kind("mtls, verified before", Request { certificates: shown, ..self.request("mtls") }),
            self.kind(
                "mtls by `Client-Cert`, verified before",
                Request { is_forwarded: true, ..self.request("mtls").with("client-cert", &told) },
            ),
            self.many("http_signature HMAC, each its own", |nth| self.signed("hmac", nth)),
            self.many("http_signature Ed25519, each its own", |nth| self.signed("ed25519", nth)),
            self.many("http_signature P-256, each its own", |nth| self.signed("p256", nth)),
            self.many("jwt bound by DPoP: token verified before, proof each its own", |nth| {
                let proof = signed::proof(&self.keys.ec, &bound, AUTHORITY, "/rs256/items", self.now, nth);
                self.request("rs256").with("authorization", &format!("DPoP {bound}")).with("dpop", &proof)
            }),
        ]);
        kinds
    }

    fn kind(&self, name: &'static str, request: Request) -> Kind {
        Kind { name, requests: vec![request], now: self.now, bare: None }
    }

    fn many(&self, name: &'static str, make: impl FnMut(usize) -> Request) -> Kind {
        // One more than is measured, for the first try.
        Kind { name, requests: (0..=self.once).map(make).collect(), now: self.now, bare: None }
    }

    /// A request as a common client sends it, without a credential.
    fn request(&self, route: &str) -> Request {
        let host = Host::parse(AUTHORITY).expect("a host");
        let path = NormalPath::parse(format!("/{route}/items").as_bytes()).expect("a path");
        let found = self.plan.snapshot.router.find(&host, &path, &Method::GET).expect("a route");
        let route = Arc::clone(found);
        let request = Request { route, host, path, headers: HeaderMap::new(), certificates: None, is_forwarded: false };
        request
            .with("host", AUTHORITY)
            .with("user-agent", "bench/1.0")
            .with("accept", "application/json")
            .with("accept-encoding", "gzip")
            .with("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    }

    fn bearer(&self, route: &str, token: &str) -> Request {
        self.request(route).with("authorization", &format!("Bearer {token}"))
    }

    fn signed(&self, key: &str, nth: usize) -> Request {
        let fields = signed::fields(&self.keys, key, AUTHORITY, "/signed/items", self.now, nth);
        self.request("signed").with("signature-input", &fields.0).with("signature", &fields.1)
    }

    /// A token of the issuer that the route takes tokens of.
    fn token(&self, issuer: &str, alg: Algorithm, more: &Value) -> String {
        let mut claims = json!({
            "iss": format!("https://{issuer}.example.test"), "aud": AUDIENCE, "sub": "ada@example.test", "exp": NEVER,
            "iat": 1_700_000_000, "jti": "01890a5d-ac96-774b-bcce-b302099a8057", "client_id": "bench",
            "groups": ["reader"], "scope": "charges:read customers:read",
        });
        for (name, value) in more.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        signed::jws(&json!({"alg": alg, "typ": "at+jwt", "kid": "k1"}), &claims, &self.keys.signer(alg), alg)
    }

    fn bare(&self, alg: Algorithm, token: &str, issuer: &str) -> Bare {
        let keys = &self.keys;
        let (pair, read, verifier): (_, fn(&[u8]) -> _, &'static dyn VerificationAlgorithm) = if alg == Algorithm::RS256
        {
            (&keys.rsa, DecodingKey::from_rsa_pem, &RSA_PKCS1_2048_8192_SHA256)
        } else if alg == Algorithm::ES256 {
            (&keys.ec, DecodingKey::from_ec_pem, &ECDSA_P256_SHA256_FIXED)
        } else {
            (&keys.ed, DecodingKey::from_ed_pem, &ED25519)
        };
        let mut validation = Validation::new(alg);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[format!("https://{issuer}.example.test")]);
        let bare = Bare {
            token: token.to_owned(),
            key: read(pair.public_key_pem().as_bytes()).expect("a key"),
            validation,
            prepared: ParsedPublicKey::new(verifier, pair.public_key_raw()).expect("a key"),
        };
        assert!(bare.verify() && bare.decode() && bare.verify_prepared(), "{alg:?}");
        bare
    }
}

impl Keys {
    fn signer(&self, alg: Algorithm) -> EncodingKey {
        let key = if alg == Algorithm::RS256 {
            EncodingKey::from_rsa_pem(self.rsa.serialize_pem().as_bytes())
        } else if alg == Algorithm::ES256 {
            EncodingKey::from_ec_pem(self.ec.serialize_pem().as_bytes())
        } else if alg == Algorithm::EdDSA {
            EncodingKey::from_ed_pem(self.ed.serialize_pem().as_bytes())
        } else {
            return EncodingKey::from_secret(SHARED.as_bytes());
        };
        key.expect("a key")
    }
}

/// An authority, in PEM, and a client's certificate of it, in DER.
fn certificates() -> (String, Vec<u8>) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let authority = CertifiedIssuer::self_signed(params, key).expect("an authority");
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::URI(ADA.try_into().expect("a name"))];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let certificate = params.signed_by(&key, &authority).expect("a certificate");
    (authority.pem(), certificate.der().to_vec())
}

/// Writes a file that only its owner may read.
fn write(path: &Path, content: &str) {
    std::fs::write(path, content).expect("a file");
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).expect("a mode");
}
