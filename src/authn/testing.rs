//! What the tests of this module share: keys, signed tokens and requests. Signs with aws-lc-rs itself, so that no code under test makes the
//! tokens that it then judges.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{ApiKeyEntry, Authenticator, Chain, Jwt, JwtSettings, KeySource, KindSource};
use crate::crypto::{ApiKeyRecord, sha256};
use crate::domain::{Denial, Host, Name, NormalPath, Principal, PrincipalKind, RequestView};
use crate::net::{Client, ClientSettings};

/// The time at which tests take place, in seconds.
pub(super) const NOW: u64 = 1_700_000_000;

pub(super) fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

pub(super) fn principal(id: &str) -> Arc<Principal> {
    Arc::new(Principal::new(Name::parse("corp").expect("a name"), PrincipalKind::Human, id.to_owned()))
}

/// What a future comes to that waits for nobody but, for a moment, those who have their turn before it.
pub(super) fn ready<T>(future: impl Future<Output = T>) -> T {
    let (mut future, began) = (std::pin::pin!(future), Instant::now());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "it waits");
        std::thread::yield_now();
    }
}

/// The text of an API key whose secret is this character 43 times.
pub(super) fn key_text(prefix: &str, fill: char) -> String {
    format!("clv_{prefix}_{}", fill.to_string().repeat(43))
}

/// The entry for [`key_text`], owned by its label.
pub(super) fn api_key_entry(label: &str, prefix: &str, fill: char) -> ApiKeyEntry {
    let sum = sha256(key_text(prefix, fill).as_bytes());
    let digest = sum.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"));
    ApiKeyEntry {
        label: Name::parse(label).expect("a name"),
        record: ApiKeyRecord::new(prefix, &digest).expect("a record"),
        owner: label.to_owned(),
        roles: Vec::new(),
        scopes: Vec::new(),
        kind: PrincipalKind::Service,
        expires: None,
        networks: None,
        canary: None,
    }
}

/// A private key.
pub(super) enum Signer {
    Rsa(&'static RsaKeyPair, &'static dyn RsaEncoding),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Hmac(Box<hmac::Key>),
}

pub(super) static RSA: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"));

impl Signer {
    pub(super) fn rs256() -> Self {
        Self::Rsa(&RSA, &RSA_PKCS1_SHA256)
    }

    pub(super) fn ps256() -> Self {
        Self::Rsa(&RSA, &RSA_PSS_SHA256)
    }

    pub(super) fn es256() -> Self {
        Self::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"))
    }

    pub(super) fn es384() -> Self {
        Self::Ec(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("a key"))
    }

    pub(super) fn ed() -> Self {
        Self::Ed(Ed25519KeyPair::generate().expect("a key"))
    }

    pub(super) fn hs256(key: &[u8]) -> Self {
        Self::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, key)))
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(key, encoding) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(*encoding, &random, message, &mut signature).expect("signed");
                signature
            }
            Self::Ec(key) => key.sign(&random, message).expect("signed").as_ref().to_vec(),
            Self::Ed(key) => key.sign(message).as_ref().to_vec(),
            Self::Hmac(key) => hmac::sign(key, message).as_ref().to_vec(),
        }
    }

    /// The public half as a JWK.
    pub(super) fn jwk(&self, kid: &str) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Rsa(key, _) => {
                let RsaPublicKeyComponents { n, e } = RsaPublicKeyComponents::<Vec<u8>>::from(key.public_key());
                json!({"kty": "RSA", "kid": kid, "use": "sig", "n": encode(&n), "e": encode(&e)})
            }
            Self::Ec(key) => {
                let point = &key.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let curve = if x.len() == 32 { "P-256" } else { "P-384" };
                json!({"kty": "EC", "kid": kid, "crv": curve, "x": encode(x), "y": encode(y)})
            }
            Self::Ed(key) => {
                json!({"kty": "OKP", "kid": kid, "crv": "Ed25519", "x": encode(key.public_key().as_ref())})
            }
            Self::Hmac(_) => json!({"kty": "oct", "kid": kid, "k": encode(b"0123456789abcdef0123456789abcdef")}),
        }
    }

    /// A token over these JSON texts, which need not be well-formed.
    pub(super) fn token(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

/// A text of its own for each call.
pub(super) fn header(alg: &str, kid: &str) -> Value {
    json!({"alg": alg, "kid": kid, "typ": "at+jwt"})
}

pub(super) const ISSUER: &str = "https://login.example.com";

/// Claims with which a token is good from `NOW - 60` to `NOW + 600`.
pub(super) fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": "https://api.example.com", "sub": "alice@example.com",
        "exp": NOW + 600, "nbf": NOW - 60, "iat": NOW - 60,
        "realm_access": {"roles": ["billing", "ops"]}, "scope": "read write",
    })
}

pub(super) fn settings(keys: KeySource) -> JwtSettings {
    JwtSettings {
        name: Name::parse("corp").expect("a name"),
        issuer: ISSUER.to_owned(),
        audiences: vec!["https://api.example.com".to_owned(), "urn:second".to_owned()],
        algorithms: Vec::new(),
        keys,
        leeway: Duration::from_secs(10),
        types: vec!["at+jwt".to_owned()],
        id_claim: "sub".to_owned(),
        roles_claim: Some("realm_access.roles".to_owned()),
        scopes_claim: "scope".to_owned(),
        roles_prefix: None,
        kind: KindSource::Fixed(PrincipalKind::Human),
        is_access_token_profile: false,
        is_nonce_needed: false,
        keys_refresh: None,
    }
}

pub(super) fn client() -> Arc<Client> {
    Arc::new(Client::new(ClientSettings::default()).expect("a client"))
}

/// Calls `test` with a request that has these headers.
pub(super) fn with_request<R>(headers: &[(&str, &str)], test: impl FnOnce(&RequestView<'_>) -> R) -> R {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name: http::HeaderName = name.parse().expect("a name");
        map.append(name, value.parse().expect("a value"));
    }
    let host = Host::parse("api.example.com").expect("a host");
    let path = NormalPath::parse(b"/").expect("a path");
    let client = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    test(&RequestView {
        method: &Method::GET,
        host: &host,
        path: &path,
        headers: &map,
        client,
        peer: client,
        is_tls: true,
        authority: "api.example.com",
        asked: &path,
        query: None,
        target: "/",
        has_body: false,
        certificates: None,
    })
}

/// The principal that a chain of authenticators that never wait finds.
pub(super) fn proven(chain: &Chain, request: &RequestView<'_>, now: u64) -> Result<Arc<Principal>, Denial> {
    ready(chain.authenticate(request, at(now))).map(|proof| proof.principal)
}

pub(super) const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// A file with a key set, and an authenticator that reads it.
pub(super) struct Issuer {
    _dir: TempDir,
    pub(super) path: PathBuf,
    pub(super) jwt: Arc<Jwt>,
}

impl Issuer {
    pub(super) fn new(keys: &[Value], change: impl FnOnce(&mut JwtSettings)) -> Self {
        let dir = TempDir::new().expect("a directory");
        let path = dir.path().join("keys.json");
        fs::write(&path, json!({ "keys": keys }).to_string()).expect("written");
        let mut settings = settings(KeySource::JwksFile(path.clone()));
        change(&mut settings);
        let jwt = Arc::new(Jwt::new(settings, &client()).expect("an authenticator"));
        Self { _dir: dir, path, jwt }
    }

    pub(super) async fn publish(&self, keys: &[Value]) {
        fs::write(&self.path, json!({ "keys": keys }).to_string()).expect("written");
        self.jwt.refresh().await.expect("read");
    }
}

pub(super) fn prove(jwt: &Arc<Jwt>, token: &str, now: u64) -> Result<Arc<Principal>, Denial> {
    let chain = Chain::new(vec![Authenticator::Jwt(Arc::clone(jwt))], &name("api"), Arc::default()).expect("a chain");
    let value = format!("Bearer {token}");
    with_request(&[("authorization", &value)], |request| proven(&chain, request, now))
}

pub(super) fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

pub(super) fn with(mut value: Value, key: &str, member: Value) -> String {
    value[key] = member;
    value.to_string()
}

pub(super) fn without(mut value: Value, key: &str) -> String {
    value.as_object_mut().expect("an object").remove(key);
    value.to_string()
}
