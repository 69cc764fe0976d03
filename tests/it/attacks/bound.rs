//! Attacks on tokens that are bound: to a key by DPoP (RFC 9449), to a certificate (RFC 8705).

use std::{net::SocketAddr, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::ClientConfig;
use serde_json::{Value, json};

use super::{Bench, GOOD, Row, SEVERAL, Sent, refused};
use crate::support::{
    eventually,
    gateway::{Gateway, free_address},
    issuer::{AUDIENCE, Issuer, jws, now},
    proof::{ProofKey, hash},
    scene::{self, Extra, Scene},
    tls::{Authority, Identity},
    upstream::Upstream,
};

const SCHEMES: &[(&str, &[&str])] = &[("api", &["Bearer", "DPoP"]), ("nonced", &["Bearer", "DPoP"])];
const URL: &str = "http://gateway.test/api/x";

/// Somebody's token and the key that it is bound to.
struct Bound {
    token: String,
    key: ProofKey,
}

impl Bound {
    fn new(scene: &Scene, roles: &[&str]) -> Self {
        let key = ProofKey::new();
        let mut claims = scene.claims_of("ada", roles);
        claims["cnf"] = json!({"jkt": key.thumbprint()});
        Self { token: scene.issuer.token(&claims), key }
    }

    /// The token with this proof.
    fn sent(&self, proof: impl Into<String>) -> Sent {
        Sent::get("/api/x", [("Authorization", format!("DPoP {}", self.token)), ("DPoP", proof.into())])
    }

    fn claims(&self) -> Value {
        ProofKey::claims("GET", URL, Some(&self.token))
    }

    /// A proof that is sound but for this claim of it, which is left out where it is null.
    fn claiming(&self, name: &str, value: Value) -> Sent {
        let mut claims = self.claims();
        match value {
            Value::Null => claims.as_object_mut().expect("an object").remove(name).map(drop).expect("a claim of it"),
            value => claims[name] = value,
        }
        self.sent(self.key.sign(&self.key.header(), &claims))
    }

    /// A proof that is sound but for this member of its header.
    fn headed(&self, name: &str, value: Value) -> Sent {
        let mut header = self.key.header();
        header[name] = value;
        self.sent(self.key.sign(&header, &self.claims()))
    }

    fn proof(&self) -> String {
        self.key.proof("GET", URL, Some(&self.token), None)
    }
}

/// What is wrong with the schemes, or with what the proof is of.
fn misplaced(scene: &Scene) -> Vec<Row> {
    let bound = Bound::new(scene, &["reader"]);
    let (token, proof) = (&bound.token, bound.proof());
    let unbound = scene.token();
    let other = ProofKey::new();
    let authorized = |value: String| Sent::get("/api/x", [("Authorization", value)]);
    let unbound_proof = other.proof("GET", URL, Some(&unbound), None);
    let others = other.proof("GET", URL, Some(token), None);
    let mut claims = scene.claims_of("ada", &["reader"]);
    let mut bound_to = |cnf: Value| {
        claims["cnf"] = cnf;
        let token = scene.issuer.token(&claims);
        let proof = bound.key.proof("GET", URL, Some(&token), None);
        authorized(format!("DPoP {token}")).with("DPoP", proof)
    };
    vec![
        ("dpop", "no proof", authorized(format!("DPoP {token}")), refused("proof_missing")),
        ("dpop", "a bound token as a bearer's", authorized(format!("Bearer {token}")), refused("binding")),
        (
            "dpop",
            "a bound token as a bearer's, with a proof",
            authorized(format!("Bearer {token}")).with("DPoP", &proof),
            refused("binding"),
        ),
        ("dpop", "an unbound token", authorized(format!("DPoP {unbound}")), refused("binding")),
        (
            "dpop",
            "an unbound token with a proof",
            authorized(format!("DPoP {unbound}")).with("DPoP", unbound_proof),
            refused("binding"),
        ),
        ("dpop", "a proof of another key", bound.sent(others), refused("proof_key")),
        ("dpop", "two proofs", bound.sent(&proof).with("DPoP", bound.proof()), refused("proof_several")),
        ("dpop", "two in one field", bound.sent(format!("{proof}, {proof}")), refused("proof_malformed")),
        ("dpop", "for another method", bound.claiming("htm", json!("POST")), refused("proof_request")),
        ("dpop", "for the method in lower case", bound.claiming("htm", json!("get")), refused("proof_request")),
        (
            "dpop",
            "for another path",
            bound.claiming("htu", json!("http://gateway.test/api/y")),
            refused("proof_request"),
        ),
        ("dpop", "for another host", bound.claiming("htu", json!("http://other.test/api/x")), refused("proof_request")),
        (
            "dpop",
            "for another port",
            bound.claiming("htu", json!("http://gateway.test:81/api/x")),
            refused("proof_request"),
        ),
        (
            "dpop",
            "for another scheme",
            bound.claiming("htu", json!("ftp://gateway.test/api/x")),
            refused("proof_request"),
        ),
        ("dpop", "for a path alone", bound.claiming("htu", json!("/api/x")), refused("proof_request")),
        ("dpop", "for another token", bound.claiming("ath", json!(hash(b"another"))), refused("proof_token")),
        ("dpop", "for no token", bound.claiming("ath", json!(null)), refused("proof_claim")),
        ("dpop", "for the digest's text", bound.claiming("ath", json!(token)), refused("proof_claim")),
        ("dpop", "a binding that is no digest", bound_to(json!({"jkt": "x"})), refused("claim")),
        ("dpop", "a binding of another sort", bound_to(json!({"jwk": {}})), refused("binding")),
        (
            "dpop",
            "bound to a certificate as well",
            bound_to(json!({"jkt": bound.key.thumbprint(), "x5t#S256": hash(b"x")})),
            refused("binding"),
        ),
    ]
}

/// What is wrong with the proof itself.
fn malformed(scene: &Scene) -> Vec<Row> {
    let bound = Bound::new(scene, &["reader"]);
    let (key, claims) = (&bound.key, bound.claims());
    let jwk = |name: &str, value: Value| {
        let mut jwk = key.header()["jwk"].clone();
        jwk[name] = value;
        bound.headed("jwk", jwk)
    };
    let alg = |alg: &str| json!({"typ": "dpop+jwt", "alg": alg, "jwk": key.header()["jwk"]});
    let none = jws(&alg("none"), &claims, |_| "AAAA".to_owned());
    let unsigned = jws(&alg("none"), &claims, |_| String::new());
    let secret = json!({"typ": "dpop+jwt", "alg": "HS256", "jwk": {"kty": "oct", "k": "c2VjcmV0"}});
    let symmetric = jws(&secret, &claims, |input| {
        let key = jsonwebtoken::EncodingKey::from_secret(b"secret");
        jsonwebtoken::crypto::sign(input, &key, jsonwebtoken::Algorithm::HS256).expect("a signature")
    });
    let forged = ProofKey::new().sign(&key.header(), &claims);
    let good = bound.proof();
    let cut = &good[..good.len() - 2];
    let long = bound.claiming("jti", json!("x".repeat(129)));
    vec![
        ("dpop", "alg none", bound.sent(none), refused("proof_algorithm")),
        ("dpop", "alg none without a signature", bound.sent(unsigned), refused("proof_malformed")),
        ("dpop", "a symmetric alg", bound.sent(symmetric), refused("proof_algorithm")),
        ("dpop", "an alg of another key", bound.headed("alg", json!("RS256")), refused("proof_algorithm")),
        ("dpop", "an alg that is not known", bound.headed("alg", json!("ES256K")), refused("proof_algorithm")),
        ("dpop", "no typ of a proof", bound.headed("typ", json!("JWT")), refused("proof_type")),
        ("dpop", "typ in capitals", bound.headed("typ", json!("DPOP+JWT")), refused("proof_type")),
        ("dpop", "crit", bound.headed("crit", json!(["exp"])), refused("proof_malformed")),
        ("dpop", "no key", bound.headed("jwk", json!(null)), refused("proof_malformed")),
        ("dpop", "the private key", jwk("d", json!("c2VjcmV0")), refused("proof_malformed")),
        ("dpop", "a secret beside the key", jwk("k", json!("c2VjcmV0")), refused("proof_malformed")),
        ("dpop", "a key from elsewhere", bound.headed("jku", json!("http://evil.test")), refused("proof_malformed")),
        ("dpop", "a key in a certificate", bound.headed("x5c", json!(["AQID"])), refused("proof_malformed")),
        ("dpop", "another's signature under the key", bound.sent(forged), refused("proof_signature")),
        ("dpop", "cut", bound.sent(cut), refused("proof_signature")),
        ("dpop", "padded base64", bound.sent(format!("{good}==")), refused("proof_malformed")),
        ("dpop", "no proof at all", bound.sent("x"), refused("proof_malformed")),
        ("dpop", "more than 4096 bytes", bound.claiming("x", json!("x".repeat(4096))), refused("proof_malformed")),
        ("dpop", "made 2 minutes ago", bound.claiming("iat", json!(now() - 120)), refused("proof_expired")),
        ("dpop", "made in 2 minutes", bound.claiming("iat", json!(now() + 120)), refused("proof_not_yet_valid")),
        ("dpop", "made at no time", bound.claiming("iat", json!(null)), refused("proof_claim")),
        ("dpop", "made at a time in text", bound.claiming("iat", json!("now")), refused("proof_claim")),
        ("dpop", "without an id", bound.claiming("jti", json!(null)), refused("proof_claim")),
        ("dpop", "with an empty id", bound.claiming("jti", json!("")), refused("proof_claim")),
        ("dpop", "with an id of 129 bytes", long, refused("proof_claim")),
    ]
}

/// What was used, and what comes without a nonce where there must be one.
fn repeated(scene: &Scene) -> Vec<Row> {
    let nobody = Bound::new(scene, &[]);
    let once = nobody.sent(nobody.proof());
    let claims = nobody.claims();
    let earlier = nobody.claiming("iat", json!(now() - 50));
    let again = {
        let mut claims = claims.clone();
        claims["iat"] = json!(now() + 1);
        nobody.sent(nobody.key.sign(&nobody.key.header(), &claims))
    };
    let nonced = |nonce: Option<&str>| {
        let proof = nobody.key.proof("GET", "http://gateway.test/nonced/x", Some(&nobody.token), nonce);
        Sent { path: "/nonced/x".to_owned(), ..nobody.sent(proof) }
    };
    vec![
        ("dpop", "the first time, where no rule allows it", once.clone(), (403, "not_allowed", "")),
        ("dpop", "a second time", once, refused("proof_replay")),
        (
            "dpop",
            "an id, where no rule allows it",
            nobody.sent(nobody.key.sign(&nobody.key.header(), &claims)),
            (403, "not_allowed", ""),
        ),
        ("dpop", "the id again in another proof", again, refused("proof_replay")),
        ("dpop", "from before the process began", earlier, refused("proof_replay")),
        ("dpop", "no nonce where there must be one", nonced(None), refused("proof_nonce")),
        ("dpop", "a nonce of nobody's", nonced(Some("x")), refused("proof_nonce")),
    ]
}

#[test]
fn every_attack_on_a_token_bound_to_a_key_meets_its_answer() {
    let issuer = |url: &str, jwks: &str| {
        format!(
            "[authn.nonced.jwt]\nissuer = \"{url}\"\njwks_url = \"{jwks}\"\naudience = \"{AUDIENCE}\"\n\
             roles = \"roles\"\ndpop_nonce = true\n[route.nonced]\npath = \"/nonced/**\"\ntarget = \"api\"\n\
             authn = [\"nonced\"]\nallow = [{{ role = \"reader\" }}]\n"
        )
    };
    let (provider, upstream) = (Issuer::start(), Upstream::echo());
    let tables = issuer(&provider.url(), &provider.jwks_url());
    let gateway = Gateway::start(|site| {
        scene::config(site, &provider, &upstream, &Extra { tables: &tables, ..Extra::default() })
    });
    let scene = Scene { issuer: provider, upstream, gateway, bare: Default::default() };
    let bench = Bench { gateway: &scene.gateway, upstream: &scene.upstream, schemes: SCHEMES };
    bench.refuses([misplaced(&scene), malformed(&scene), repeated(&scene)].concat());

    let ada = Bound::new(&scene, &["reader"]);
    let early = ada.claiming("iat", json!(now() + 5));
    // What ended TLS in front of this proxy was asked for `https`.
    let elsewhere = ada.claiming("htu", json!("https://GATEWAY.test:443/api/%78?a=b#c"));
    let host = elsewhere.clone().with("Host", "gateway.test:443");
    bench.judge(vec![
        ("dpop", "a sound proof", ada.sent(ada.proof()), GOOD),
        ("dpop", "one of the future, as clocks differ", early, GOOD),
        ("dpop", "the URL in another spelling", host, GOOD),
    ]);
    assert!(scene.upstream.requests().iter().all(|request| request.header("dpop").is_none()));
}

/// A gateway with a listener in the clear, one over TLS that asks for certificates, and one for a balancer that did.
struct Doors {
    issuer: Issuer,
    upstream: Upstream,
    gateway: Gateway,
    servers: Authority,
    secure: SocketAddr,
    balanced: SocketAddr,
}

impl Doors {
    fn new() -> Self {
        let (issuer, upstream, servers) = (Issuer::start(), Upstream::echo(), Authority::new("servers"));
        let (secure, balanced) = (free_address(), free_address());
        let gateway = Gateway::start(|site| {
            let identity = servers.server(&["gateway.test"]);
            site.write("cert.pem", identity.certificate_pem());
            site.write("key.pem", identity.key_pem());
            let tables = format!(
                "[listen.secure]\naddress = \"{secure}\"\nclient_certificate = \"ask\"\n\
                 tls = {{ certificate = \"cert.pem\", key = \"key.pem\" }}\n\
                 [listen.balanced]\naddress = \"{balanced}\"\nclient_cert_from = [\"127.0.0.0/8\"]\n"
            );
            scene::config(site, &issuer, &upstream, &Extra { tables: &tables, ..Extra::default() })
        });
        for address in [secure, balanced] {
            eventually("the other listener is there", || std::net::TcpStream::connect(address).ok().map(drop));
        }
        Self { issuer, upstream, gateway, servers, secure, balanced }
    }

    fn client(&self, identity: Option<&Identity>) -> Arc<ClientConfig> {
        self.servers.trusting_client(identity)
    }

    /// The value of `Authorization` for a reader whose token is bound so.
    fn bound(&self, cnf: &Value) -> String {
        let mut claims = self.issuer.claims("ada");
        claims["roles"] = json!(["reader"]);
        claims["cnf"] = cnf.clone();
        format!("Bearer {}", self.issuer.token(&claims))
    }
}

#[test]
fn every_attack_on_a_token_bound_to_a_certificate_meets_its_answer() {
    let doors = Doors::new();
    let clients = Authority::new("clients");
    let (ours, other) = (clients.client("job", &[]), clients.client("job", &[]));
    let digest = hash(&ours.der());
    let bound = |cnf: Value| Sent::get("/api/x", [("Authorization", doors.bound(&cnf))]);
    let good = bound(json!({"x5t#S256": digest}));
    let (with, without) = (doors.client(Some(&ours)), doors.client(None));
    let secure = |sent: Sent| sent.at(doors.secure).over(Arc::clone(&with));
    let [field, others_field] = [&ours, &other].map(|one| format!(":{}:", STANDARD.encode(one.der())));
    let told = |field: &str| good.clone().at(doors.balanced).with("Client-Cert", field);
    let of_text = hash(ours.certificate_pem().as_bytes());
    let bench = Bench { gateway: &doors.gateway, upstream: &doors.upstream, schemes: SCHEMES };
    let others = good.clone().at(doors.secure).over(doors.client(Some(&other)));
    let both = json!({"x5t#S256": digest, "jkt": ProofKey::new().thumbprint()});
    bench.refuses(vec![
        ("certificate", "in the clear", good.clone(), refused("binding")),
        ("certificate", "in the clear, told by anybody", good.clone().with("Client-Cert", &field), refused("binding")),
        ("certificate", "none", good.clone().at(doors.secure).over(Arc::clone(&without)), refused("binding")),
        (
            "certificate",
            "none, told by anybody",
            good.clone().at(doors.secure).over(without).with("Client-Cert", &field),
            refused("binding"),
        ),
        ("certificate", "another of the same authority and name", others, refused("binding")),
        ("certificate", "the digest of its text", secure(bound(json!({"x5t#S256": of_text}))), refused("binding")),
        ("certificate", "another digest's name", secure(bound(json!({"x5t": digest}))), refused("binding")),
        ("certificate", "no digest", secure(bound(json!({"x5t#S256": "x"}))), refused("claim")),
        ("certificate", "a padded digest", secure(bound(json!({"x5t#S256": format!("{digest}=")}))), refused("claim")),
        ("certificate", "null", secure(bound(json!({"x5t#S256": null}))), refused("claim")),
        ("certificate", "bound to a key as well", secure(bound(both)), refused("binding")),
        ("certificate", "none that the balancer tells of", good.clone().at(doors.balanced), refused("binding")),
        ("certificate", "another that the balancer tells of", told(&others_field), refused("binding")),
        ("certificate", "two that the balancer tells of", told(&field).with("Client-Cert", &field), SEVERAL),
        ("certificate", "garbage from the balancer", told("garbage"), refused("malformed")),
    ]);
    bench.judge(vec![
        ("certificate", "the right one", secure(good.clone()), GOOD),
        ("certificate", "the right one, as the balancer tells", told(&field), GOOD),
    ]);
}
