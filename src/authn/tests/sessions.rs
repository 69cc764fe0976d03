//! Attacks on the tokens of the gateway's own sessions.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::authn::SessionTokens;
use crate::authn::token::Token;
use crate::crypto::{MasterKey, SigningKey, tag};
use crate::domain::{AuthnFault, Bounds, Denial, Name, Principal, PrincipalKind, Secret};
use crate::session::{NewSession, Session, Sessions, Store};

const ISSUER: &str = "https://gateway.test";

struct Bench {
    sessions: Arc<Sessions>,
    tokens: SessionTokens,
    now: SystemTime,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (sessions, now) = (Arc::new(Sessions::default()), SystemTime::now());
        sessions.open(Store::open(&folder.path().join("claviger.db")).expect("opened")).expect("opened again");
        sessions.keep_keys(&MasterKey::generate(), Duration::from_secs(86_400), now).expect("keys");
        let tokens = SessionTokens::new(Arc::clone(&sessions), ISSUER.to_owned());
        Self { sessions, tokens, now, _folder: folder }
    }

    fn begin(&self, idle: Option<Duration>) -> (Session, String) {
        let name = Name::parse("corp").expect("a name");
        let principal = Principal::new(name, PrincipalKind::Human, "ada".to_owned());
        let until = self.now + Duration::from_secs(600);
        let new = NewSession { principal, bounds: Bounds::default(), roles: Vec::new(), idle, until };
        self.sessions.begin(new, ISSUER, 10, self.now).expect("begun")
    }

    fn verify(&self, token: &str, after: u64) -> Result<String, AuthnFault> {
        let now = self.now + Duration::from_secs(after);
        let tag = tag(token.as_bytes());
        // As who allows it does.
        let used = |principal: Arc<Principal>| {
            principal.session.as_ref().expect("a session").touch(now);
            principal.id.clone()
        };
        if let Some(principal) = self.tokens.recall(&tag, now) {
            return Ok(used(principal));
        }
        match self.tokens.verify(&Token::parse(token)?, tag, now) {
            Ok(principal) => Ok(used(principal)),
            Err(Denial::Unauthenticated(fault)) => Err(fault),
            Err(other) => panic!("{other:?}"),
        }
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

fn parts(token: &str) -> (Value, Value) {
    let mut parts =
        token.split('.').map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")));
    let mut part = || parts.next().expect("a part").expect("JSON");
    (part(), part())
}

fn signed(header: &Value, claims: &Value, key: &SigningKey) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", encode(header), encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(text.as_bytes()).expect("signed"));
    format!("{text}.{signature}")
}

#[test]
fn only_what_the_gateway_signed_as_a_session_is_one() {
    let bench = Bench::new();
    let (session, good) = bench.begin(None);
    let signers = bench.sessions.signers().expect("keys");
    let ours = signers.signer(bench.now).expect("a key");
    let pem = SigningKey::generate().expect("a key");
    let theirs = SigningKey::from_pem(&Secret::new(pem.as_bytes().to_vec())).expect("a key");
    let (header, claims) = parts(&good);
    let headed = |name: &str, value: Value, key: &SigningKey| {
        let mut header = header.clone();
        header[name] = value;
        signed(&header, &claims, key)
    };
    let claiming = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        signed(&header, &claims, ours)
    };
    let past = claims["iat"].as_u64().expect("a time") - 1;
    let unsigned = format!("{}.", good.rsplit_once('.').expect("a signature").0);
    for round in ["before", "after the good one was seen"] {
        for (what, token, want) in [
            ("another key", headed("kid", header["kid"].clone(), &theirs), AuthnFault::Signature),
            ("another key by its own name", headed("kid", json!(theirs.kid()), &theirs), AuthnFault::UnknownKey),
            ("no key's name", headed("kid", Value::Null, ours), AuthnFault::Malformed),
            ("an identity token", headed("typ", json!("claviger-identity+jwt"), ours), AuthnFault::Type),
            ("any token", headed("typ", json!("JWT"), ours), AuthnFault::Type),
            ("another algorithm", headed("alg", json!("HS256"), ours), AuthnFault::Algorithm),
            ("none", headed("alg", json!("none"), ours), AuthnFault::Algorithm),
            ("no signature", unsigned.clone(), AuthnFault::Malformed),
            ("another issuer", claiming("iss", json!("https://other.test")), AuthnFault::Issuer),
            ("another audience", claiming("aud", json!("https://other.test")), AuthnFault::Audience),
            ("several audiences", claiming("aud", json!([ISSUER])), AuthnFault::Claim),
            ("over", claiming("exp", json!(past)), AuthnFault::Expired),
            ("not yet", claiming("iat", json!(past + 100)), AuthnFault::NotYetValid),
            ("no session's id", claiming("jti", json!("x")), AuthnFault::Claim),
            ("a session that there is not", claiming("jti", json!("0".repeat(32))), AuthnFault::Inactive),
        ] {
            assert_eq!(bench.verify(&token, 1), Err(want), "{what}, {round}");
        }
        assert_eq!(bench.verify(&good, 1).as_deref(), Ok("ada"));
    }
    // What the token says of anything but the session's id does not matter: it may say more, and confers no more.
    let boasting = claiming("roles", json!(["admin"]));
    assert_eq!(bench.verify(&boasting, 1).as_deref(), Ok("ada"));
    let found = block_on(bench.tokens.of_token(&boasting, bench.now)).expect("looked up").expect("a session");
    assert!(found.principal.roles.is_empty() && found.stay.id == session.stay.id);
    assert_eq!(bench.verify(&good, 601), Err(AuthnFault::Expired), "remembered or not");
}

#[test]
fn a_session_that_went_unused_for_too_long_is_over_for_good() {
    let bench = Bench::new();
    let (_, token) = bench.begin(Some(Duration::from_secs(60)));
    for (after, want) in [(50, true), (100, true), (159, true), (220, false), (221, false), (230, false)] {
        assert_eq!(bench.verify(&token, after).is_ok(), want, "{after}");
    }
    assert_eq!(bench.verify(&token, 230), Err(AuthnFault::Idle));
    let (_, another) = bench.begin(Some(Duration::from_secs(60)));
    assert_eq!(bench.verify(&another, 61), Err(AuthnFault::Idle), "never used");
}
