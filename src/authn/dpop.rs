//! Proofs that a caller holds the key which its token is bound to (RFC 9449).

mod nonce;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::HeaderValue;
use serde_json::{Map, Value};

use crate::crypto::{constant_time_eq, sha256};
use crate::domain::{AuthnFault, Denial, Host, NormalPath, ProofFault, RequestView, Unavailable};
use crate::session::Peers;

use super::alg::{Alg, Algs};
use super::authenticator::DPOP;
use super::claims;
use super::confirmation;
use super::jwks;
use super::replay::{Once, ReplayCache, Single};
use super::token::Token;
use nonce::Nonces;

/// Checks proofs, and remembers those that were used.
pub struct Dpop {
    used: ReplayCache,
    nonces: Nonces,
}

/// The longest proof, in bytes: enough for the largest RSA key taken and its signature.
const MAX_PROOF: usize = 4096;
/// The longest `jti`, in bytes.
const MAX_JTI: usize = 128;
/// How old a proof may be, and how far ahead of this clock its maker's may be (RFC 9449 §11.1).
const PAST: Duration = Duration::from_secs(60);
const FUTURE: Duration = Duration::from_secs(10);
/// The most used proofs that are remembered; each lives for at most two of its windows of 70 s.
const MAX_USED: usize = 1 << 20;
const REPLAY_SEGMENTS: usize = 64;
/// One key may fill so much of it, which is enough for 500 requests a second.
const SHARES: usize = 8;

/// What a token and its issuer's settings demand of a proof.
pub(super) struct Wanted<'a> {
    /// The access token that the proof comes with; none where one is asked for (RFC 9449 §5).
    pub(super) token: Option<&'a str>,
    /// The thumbprint of the key that the token is bound to; none where any key will do.
    pub(super) key: Option<[u8; 32]>,
    /// Whether the proof has to hold a nonce that was given out here.
    pub(super) nonce: bool,
}

/// What a sound proof says.
struct Sound {
    /// The thumbprint of its key.
    key: [u8; 32],
    jti: String,
    issued: SystemTime,
}

impl Dpop {
    /// The algorithms taken, as challenges name them.
    pub const ALGORITHMS: [Alg; 5] = [Alg::Es256, Alg::Es384, Alg::EdDsa, Alg::Ps256, Alg::Rs256];

    /// One of a process that began then; none, where nothing can have been used before.
    pub(super) fn new(began: Option<Instant>) -> Self {
        let used = ReplayCache::new(MAX_USED, REPLAY_SEGMENTS, SHARES);
        Self { used: began.into_iter().fold(used, ReplayCache::since), nonces: Nonces::new() }
    }

    /// Checks the request's one `DPoP` field by every rule of RFC 9449 §4.3. A proof is good once. Only one that is sound in everything
    /// else counts as used, so that nobody without a token and its key can fill the memory of them. Tells the thumbprint of its key.
    pub(super) async fn verify(
        &self,
        request: &RequestView<'_>,
        wanted: &Wanted<'_>,
        now: SystemTime,
    ) -> Result<[u8; 32], Denial> {
        let (key, proof) = self.verify_here(request, wanted, now)?;
        first(self.used.claim(&proof, now).await?).map(|()| key)
    }

    /// The same, as far as this node knows; with what the others have to be asked about.
    fn verify_here(
        &self,
        request: &RequestView<'_>,
        wanted: &Wanted<'_>,
        now: SystemTime,
    ) -> Result<([u8; 32], Single), Denial> {
        let Sound { key, jti, issued } = self.judge(request, wanted, now).map_err(refused)?;
        let digest = sha256(&[&key[..], jti.as_bytes()].concat());
        let mut owner = [0; 16];
        owner.copy_from_slice(&key[..16]);
        let proof = Single { digest, owner, made: issued, lasts: PAST };
        first(self.used.take(&proof, now)).map(|()| (key, proof))
    }

    /// Uses proofs up together with these nodes.
    pub(super) fn share_with(&self, peers: Arc<dyn Peers>) {
        self.nonces.share(&peers.secret("DPoP nonces"));
        self.used.share_with(peers, "dpop".to_owned());
    }

    /// The nonce that proofs made now are to hold (RFC 9449 §9).
    pub(super) fn nonce(&self, now: SystemTime) -> Option<HeaderValue> {
        HeaderValue::try_from(self.nonces.current(now)).ok()
    }

    /// Everything but whether it was used before.
    fn judge(&self, request: &RequestView<'_>, wanted: &Wanted<'_>, now: SystemTime) -> Result<Sound, ProofFault> {
        let mut fields = request.headers.get_all(DPOP).iter();
        let field = fields.next().ok_or(ProofFault::Missing)?;
        if fields.next().is_some() {
            return Err(ProofFault::Several);
        }
        let text = field.to_str().ok().filter(|text| text.len() <= MAX_PROOF).ok_or(ProofFault::Malformed)?;
        let proof = Token::parse(text).map_err(of_form)?;
        let key = check_signature(&proof, wanted.key)?;
        let claims = &proof.claims;
        let member = |name: &str| claims.get(name).and_then(Value::as_str).ok_or(ProofFault::Claim);
        if member("htm")? != request.method.as_str() || !is_asked(request, member("htu")?) {
            return Err(ProofFault::Request);
        }
        if let Some(token) = wanted.token {
            let covers = claims.get("ath").and_then(confirmation::digest).ok_or(ProofFault::Claim)?;
            if !constant_time_eq(&covers, &sha256(token.as_bytes())) {
                return Err(ProofFault::Token);
            }
        }
        let issued = claims::time(claims, "iat").ok().flatten().ok_or(ProofFault::Claim)?;
        if issued.checked_add(PAST).is_none_or(|end| now > end) {
            return Err(ProofFault::Expired);
        }
        if issued > now + FUTURE {
            return Err(ProofFault::NotYetValid);
        }
        let jti = member("jti")?;
        if !(1..=MAX_JTI).contains(&jti.len()) {
            return Err(ProofFault::Claim);
        }
        let nonce = claims.get("nonce").and_then(Value::as_str);
        if wanted.nonce && !nonce.is_some_and(|nonce| self.nonces.is_ours(nonce, now)) {
            return Err(ProofFault::Nonce);
        }
        Ok(Sound { key, jti: jti.to_owned(), issued })
    }
}

/// Header members by which a key could come from elsewhere than `jwk`.
const OTHER_KEYS: [&str; 3] = ["jku", "x5u", "x5c"];
/// Members of a JWK that must not leave their owner (RFC 7518 §6.2.2, §6.3.2, §6.4.1).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Type, key and signature (RFC 9449 §4.2). The key is compared before it is used: another proves nothing, and costs nothing.
fn check_signature(proof: &Token<'_>, bound: Option<[u8; 32]>) -> Result<[u8; 32], ProofFault> {
    // As it stands in the RFC, also where `application/` may be left out: proofs are made by libraries that know this one spelling.
    if proof.typ() != Some("dpop+jwt") {
        return Err(ProofFault::Type);
    }
    if !Dpop::ALGORITHMS.contains(&proof.alg) {
        return Err(ProofFault::Algorithm);
    }
    let header = proof.header();
    let jwk = header.get("jwk").and_then(Value::as_object).ok_or(ProofFault::Malformed)?;
    let gives_away = PRIVATE.iter().any(|member| jwk.contains_key(*member));
    if gives_away || OTHER_KEYS.iter().any(|member| header.contains_key(*member) || jwk.contains_key(*member)) {
        return Err(ProofFault::Malformed);
    }
    let key = thumbprint(jwk).ok_or(ProofFault::Malformed)?;
    if bound.is_some_and(|bound| !constant_time_eq(&key, &bound)) {
        return Err(ProofFault::Key);
    }
    jwks::read(jwk, Algs::of(Dpop::ALGORITHMS)).ok_or(ProofFault::Algorithm)?.verify(proof).map_err(of_form)?;
    Ok(key)
}

fn refused(fault: ProofFault) -> Denial {
    Denial::Unauthenticated(fault.into())
}

fn first(use_of_proof: Once) -> Result<(), Denial> {
    match use_of_proof {
        Once::First => Ok(()),
        Once::Again => Err(refused(ProofFault::Replay)),
        // What cannot be remembered could be used again.
        Once::Full => Err(Denial::Unavailable(Unavailable::Authenticator)),
    }
}

/// What is wrong with a proof as a signed token.
fn of_form(fault: AuthnFault) -> ProofFault {
    if fault == AuthnFault::Algorithm {
        ProofFault::Algorithm
    } else if fault == AuthnFault::Signature {
        ProofFault::Signature
    } else {
        ProofFault::Malformed
    }
}

/// The SHA-256 of a public key's needed members, sorted and without blanks (RFC 7638 §3, RFC 8037 §2).
fn thumbprint(jwk: &Map<String, Value>) -> Option<[u8; 32]> {
    let needed: &[&str] = match jwk.get("kty")?.as_str()? {
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        "RSA" => &["e", "kty", "n"],
        _ => return None,
    };
    let mut text = String::with_capacity(512);
    for name in needed {
        let value = jwk.get(*name)?.as_str()?;
        // None of them needs an escape: base64url, or a curve's name.
        if !value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
            return None;
        }
        text.push(if text.is_empty() { '{' } else { ',' });
        text.extend(["\"", name, "\":\"", value, "\""]);
    }
    text.push('}');
    Some(sha256(text.as_bytes()))
}

/// Whether `htu` is what this request asks for, without query and fragment (RFC 9449 §4.3), each in the normal form that routes and rules
/// see. What comes in the clear may have come over TLS to somebody before, and its maker signed `https`; never the other way round.
fn is_asked(request: &RequestView<'_>, htu: &str) -> bool {
    let Some((scheme, rest)) = htu.split_once("://") else { return false };
    let port = if scheme.eq_ignore_ascii_case("https") {
        443
    } else if scheme.eq_ignore_ascii_case("http") && !request.is_tls {
        80
    } else {
        return false;
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    Host::parse(authority).is_ok_and(|host| host == *request.host)
        && port_of(authority, port) == port_of(request.authority, port)
        && NormalPath::parse(path.as_bytes()).is_ok_and(|path| path == *request.asked)
}

/// The port behind a host that is sound, or the scheme's own.
fn port_of(authority: &str, default: u16) -> Option<u16> {
    let after_address = authority.rsplit(']').next().unwrap_or_default();
    match after_address.rsplit_once(':') {
        Some((_, digits)) => digits.parse().ok(),
        None => Some(default),
    }
}

impl Default for Dpop {
    fn default() -> Self {
        Self::new(Some(Instant::now()))
    }
}

impl fmt::Debug for Dpop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dpop").finish_non_exhaustive()
    }
}
