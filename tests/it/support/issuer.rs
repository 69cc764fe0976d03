//! An identity provider on loopback: discovery, keys, and tokens with any header and any claims.

use std::{
    io,
    sync::{Arc, Mutex, OnceLock},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, jwk::Jwk};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};

use super::{
    http1::Message,
    tls::Authority,
    upstream::{Then, Upstream, Wire},
};

/// The audience of [`Issuer::claims`].
pub(crate) const AUDIENCE: &str = "https://api.test";
/// The path of the key set.
pub(crate) const JWKS_PATH: &str = "/jwks";
/// The path of the discovery document (OpenID Connect Discovery §4).
pub(crate) const DISCOVERY_PATH: &str = "/.well-known/openid-configuration";

/// An issuer with an RSA key (`kid` "rsa", one per process: making it is slow) and a P-256 key of its own (`kid` "ec").
/// What another issuer signs with "ec" is therefore a forgery here.
pub(crate) struct Issuer {
    server: Upstream,
    ec: EncodingKey,
    served: Arc<Mutex<Served>>,
}

/// What is answered for the key set.
struct Served {
    status: u16,
    body: String,
    /// What is done in place of any answer.
    fault: Option<Fault>,
}

/// What an issuer does that does not work.
pub(crate) type Fault = Arc<dyn Fn(&Message, &mut Wire<'_>) -> io::Result<Then> + Send + Sync>;

impl Issuer {
    /// An issuer over plain HTTP.
    pub(crate) fn start() -> Self {
        Self::listen(None)
    }

    /// An issuer over HTTPS at 127.0.0.1, with a certificate of this authority.
    pub(crate) fn start_tls(authority: &Authority) -> Self {
        Self::listen(Some(authority))
    }

    fn listen(authority: Option<&Authority>) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let ec = EncodingKey::from_ec_pem(key.serialize_pem().as_bytes()).expect("PKCS#8");
        let served = Arc::new(Mutex::new(Served { status: 200, body: key_set(&ec).to_string(), fault: None }));
        let answers = Arc::clone(&served);
        let scheme = if authority.is_some() { "https" } else { "http" };
        let answer = move |request: &Message, wire: &mut Wire<'_>| {
            let (status, body, fault) = {
                let served = answers.lock().expect("no panic with the lock");
                (served.status, served.body.clone(), served.fault.clone())
            };
            match request.path() {
                _ if fault.is_some() => fault.map_or(Ok(Then::Close), |fault| fault(request, wire)),
                JWKS_PATH => wire.respond(status, &[("Content-Type", "application/json")], body.as_bytes()),
                DISCOVERY_PATH => {
                    let base = format!("{scheme}://{}", request.header("host").unwrap_or_default());
                    wire.json(200, &discovery(&base))
                }
                _ => wire.respond(404, &[], b"").map(|_| Then::Close),
            }
        };
        let server = match authority {
            None => Upstream::start(answer),
            Some(authority) => Upstream::start_tls(authority.serving(&authority.server(&["127.0.0.1"]), false), answer),
        };
        Self { server, ec, served }
    }

    /// The `iss` of its tokens, and its base URL.
    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// Where its keys are.
    pub(crate) fn jwks_url(&self) -> String {
        self.server.url() + JWKS_PATH
    }

    /// Its public keys.
    pub(crate) fn jwks(&self) -> Value {
        key_set(&self.ec)
    }

    /// Answers for the key set with this from now on; an outage, a rotation, a lie.
    pub(crate) fn publish(&self, status: u16, body: impl Into<String>) {
        let mut served = self.served.lock().expect("no panic with the lock");
        (served.status, served.body) = (status, body.into());
    }

    /// Does this in place of any answer from now on; or answers again.
    pub(crate) fn fails(&self, fault: Option<Fault>) {
        self.served.lock().expect("no panic with the lock").fault = fault;
    }

    /// How often it was asked for anything.
    pub(crate) fn asks(&self) -> usize {
        self.server.requests().len()
    }

    /// How often the key set was asked for.
    pub(crate) fn fetches(&self) -> usize {
        self.server.requests().iter().filter(|request| request.path() == JWKS_PATH).count()
    }

    /// Claims that hold for five minutes: `iss`, `sub`, `aud` ([`AUDIENCE`]), `iat`, `nbf`, `exp`.
    pub(crate) fn claims(&self, subject: &str) -> Value {
        let now = now();
        json!({"iss": self.url(), "sub": subject, "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + 300})
    }

    /// These claims, signed with ES256.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.sign(&json!({"alg": "ES256", "typ": "JWT", "kid": "ec"}), claims)
    }

    /// These claims under this header, signed with the key that its `alg` calls for.
    ///
    /// # Panics
    /// On an `alg` of neither RSA nor P-256; [`jws`] signs anything.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let algorithm: Algorithm = serde_json::from_value(header["alg"].clone()).expect("a known alg");
        let key = if algorithm == Algorithm::ES256 { &self.ec } else { rsa() };
        jws(header, claims, |input| jsonwebtoken::crypto::sign(input, key, algorithm).expect("a signature"))
    }
}

impl Issuer {
    /// Exactly these bytes as header and claims, with a right ES256 signature.
    pub(crate) fn sign_bytes(&self, header: &[u8], claims: &[u8]) -> String {
        self.sign_text(&format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims)))
    }

    /// This signing input, which may be none, with a right ES256 signature.
    pub(crate) fn sign_text(&self, input: &str) -> String {
        let signature = jsonwebtoken::crypto::sign(input.as_bytes(), &self.ec, Algorithm::ES256).expect("a signature");
        format!("{input}.{signature}")
    }
}

/// A compact JWS (RFC 7515 §3.1) whose signature, in base64url, the closure makes from the signing input.
pub(crate) fn jws(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> String) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let input = format!("{}.{}", encode(header), encode(claims));
    let signature = sign(input.as_bytes());
    format!("{input}.{signature}")
}

/// Seconds since 1970, as claims count time.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs()
}

/// A discovery document for this base URL.
pub(crate) fn discovery(base: &str) -> Value {
    json!({
        "issuer": base,
        "jwks_uri": format!("{base}{JWKS_PATH}"),
        "authorization_endpoint": format!("{base}/authorize"),
        "token_endpoint": format!("{base}/token"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "RS256"],
    })
}

fn key_set(ec: &EncodingKey) -> Value {
    json!({"keys": [public(rsa(), Algorithm::RS256, "rsa"), public(ec, Algorithm::ES256, "ec")]})
}

/// The public half. RSA keys name no `alg`, so that PS256 and its kin can be tried with the same key.
fn public(key: &EncodingKey, algorithm: Algorithm, kid: &str) -> Value {
    let mut jwk = Jwk::from_encoding_key(key, algorithm).expect("a public half");
    jwk.common.key_id = Some(kid.to_owned());
    jwk.common.key_algorithm = jwk.common.key_algorithm.filter(|_| algorithm == Algorithm::ES256);
    let mut jwk = serde_json::to_value(jwk).expect("JSON");
    jwk["use"] = json!("sig");
    jwk
}

fn rsa() -> &'static EncodingKey {
    static KEY: OnceLock<EncodingKey> = OnceLock::new();
    KEY.get_or_init(|| {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
        EncodingKey::from_rsa_pem(key.serialize_pem().as_bytes()).expect("PKCS#8")
    })
}
