//! One verification key: what it is, and which algorithms it may be used with.

use std::sync::{Arc, OnceLock};

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm,
};
use jsonwebtoken::{DecodingKey, DecodingKeyKind};

use crate::crypto::sha256;
use crate::domain::AuthnFault;

use super::alg::{Alg, Algs, Family};
use super::token::Token;

/// A key that proves tokens.
pub(super) struct Key {
    id: [u8; 32],
    kid: Option<Arc<str>>,
    algs: Algs,
    decoding: DecodingKey,
    /// What it takes for each algorithm that was asked for: to prepare that costs a sixth of an RSA verification.
    prepared: Box<[(Alg, OnceLock<Option<Verifier>>)]>,
}

/// A key as the library uses it, for one algorithm.
enum Verifier {
    Shared(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

/// The sizes of RSA keys taken, in bits (RFC 7518 §3.3).
const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=8192;

impl Key {
    /// A key with the algorithms that it is bound to; none where there are no algorithms.
    pub(super) fn new(kid: Option<&str>, algs: Algs, decoding: DecodingKey) -> Option<Self> {
        if algs.is_empty() {
            return None;
        }
        let id = identity(kid, algs, &decoding);
        let prepared =
            Alg::ALL.into_iter().filter(|alg| algs.contains(*alg)).map(|alg| (alg, OnceLock::new())).collect();
        Some(Self { id, kid: kid.map(Arc::from), algs, decoding, prepared })
    }

    /// What tells this key from every other: a digest over all that it is.
    pub(super) fn id(&self) -> &[u8; 32] {
        &self.id
    }

    pub(super) fn kid(&self) -> Option<&Arc<str>> {
        self.kid.as_ref()
    }

    pub(super) fn takes(&self, alg: Alg) -> bool {
        self.algs.contains(alg)
    }

    /// Whether this key signed the token.
    pub(super) fn verify(&self, token: &Token<'_>) -> Result<(), AuthnFault> {
        self.verify_bytes(token.signed.as_bytes(), &token.signature, token.alg)
    }

    /// Whether this key signed these bytes.
    pub(super) fn verify_bytes(&self, signed: &[u8], signature: &[u8], alg: Alg) -> Result<(), AuthnFault> {
        let (_, verifier) = self.prepared.iter().find(|(one, _)| *one == alg).ok_or(AuthnFault::Algorithm)?;
        let is_signed = match verifier.get_or_init(|| Verifier::new(alg, &self.decoding)) {
            Some(Verifier::Shared(key)) => hmac::verify(key, signed, signature).is_ok(),
            Some(Verifier::Public(key)) => key.verify_sig(signed, signature).is_ok(),
            None => false,
        };
        if is_signed { Ok(()) } else { Err(AuthnFault::Signature) }
    }
}

impl Verifier {
    /// None where the key is of another family than the algorithm.
    fn new(alg: Alg, key: &DecodingKey) -> Option<Self> {
        if key.family() != alg.verifier().family() {
            return None;
        }
        let shared =
            |alg: hmac::Algorithm| Some(Self::Shared(Box::new(hmac::Key::new(alg, key.try_get_as_bytes().ok()?))));
        let public = |alg: &'static dyn VerificationAlgorithm| {
            Some(Self::Public(ParsedPublicKey::new(alg, key.try_get_as_bytes().ok()?).ok()?))
        };
        let rsa = |alg: &'static RsaParameters| match key.kind() {
            DecodingKeyKind::SecretOrDer(der) => Some(Self::Public(ParsedPublicKey::new(alg, der).ok()?)),
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                Some(Self::Public(RsaPublicKeyComponents { n, e }.to_parsed_public_key(alg).ok()?))
            }
        };
        match alg {
            Alg::Hs256 => shared(hmac::HMAC_SHA256),
            Alg::Hs384 => shared(hmac::HMAC_SHA384),
            Alg::Hs512 => shared(hmac::HMAC_SHA512),
            Alg::Rs256 => rsa(&RSA_PKCS1_2048_8192_SHA256),
            Alg::Rs384 => rsa(&RSA_PKCS1_2048_8192_SHA384),
            Alg::Rs512 => rsa(&RSA_PKCS1_2048_8192_SHA512),
            Alg::Ps256 => rsa(&RSA_PSS_2048_8192_SHA256),
            Alg::Ps384 => rsa(&RSA_PSS_2048_8192_SHA384),
            Alg::Ps512 => rsa(&RSA_PSS_2048_8192_SHA512),
            Alg::Es256 => public(&ECDSA_P256_SHA256_FIXED),
            Alg::Es384 => public(&ECDSA_P384_SHA384_FIXED),
            Alg::EdDsa => public(&ED25519),
        }
    }
}

/// Every part with its length in front, so that no two keys spell the same.
fn identity(kid: Option<&str>, algs: Algs, decoding: &DecodingKey) -> [u8; 32] {
    let parts: [&[u8]; 3] = match decoding.kind() {
        DecodingKeyKind::SecretOrDer(bytes) => [kid.unwrap_or_default().as_bytes(), bytes, &[]],
        DecodingKeyKind::RsaModulusExponent { n, e } => [kid.unwrap_or_default().as_bytes(), n, e],
    };
    let mut text = algs.bits().to_be_bytes().to_vec();
    for part in parts {
        text.extend_from_slice(&part.len().to_be_bytes());
        text.extend_from_slice(part);
    }
    let id = sha256(&text);
    zeroize::Zeroize::zeroize(&mut text);
    id
}

/// An RSA key from its big-endian numbers, where its size and exponent are safe.
pub(super) fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<DecodingKey> {
    let (n, e) = (trim_zeros(modulus), trim_zeros(exponent));
    let bits = u32::try_from(n.len() * 8).ok()?.checked_sub(n.first()?.leading_zeros())?;
    let is_odd_above_one = e.last().is_some_and(|low| low % 2 == 1) && e != [1];
    (RSA_BITS.contains(&bits) && e.len() <= 4 && is_odd_above_one).then(|| DecodingKey::from_rsa_raw_components(n, e))
}

/// A P-256 or P-384 key from its coordinates, where they are a point on the curve.
pub(super) fn ec(alg: Alg, x: &[u8], y: &[u8]) -> Option<DecodingKey> {
    let (size, curve) = curve(alg)?;
    if x.len() != size || y.len() != size {
        return None;
    }
    let point = [&[4], x, y].concat();
    is_public_key(curve, &point).then(|| DecodingKey::from_ec_der(&point))
}

/// An Ed25519 key from its bytes.
pub(super) fn ed(x: &[u8]) -> Option<DecodingKey> {
    (x.len() == 32 && is_public_key(&ED25519, x)).then(|| DecodingKey::from_ed_der(x))
}

/// A public key from PEM, where it is of the sort that the algorithm needs.
pub(super) fn pem(text: &str, alg: Alg) -> Option<DecodingKey> {
    if text.contains("PRIVATE KEY") {
        return None;
    }
    let key = match alg.family() {
        Family::Hmac => return None,
        Family::Rsa => DecodingKey::from_rsa_pem(text.as_bytes()),
        Family::Ec => DecodingKey::from_ec_pem(text.as_bytes()),
        Family::Ed => DecodingKey::from_ed_pem(text.as_bytes()),
    };
    let key = key.ok()?;
    let bytes = key.try_get_as_bytes().ok()?;
    let is_sound = match alg.family() {
        Family::Hmac => false,
        Family::Rsa => RsaParameters::public_modulus_len(bytes).is_ok_and(|bits| RSA_BITS.contains(&bits)),
        Family::Ec => {
            curve(alg).is_some_and(|(size, curve)| bytes.len() == 2 * size + 1 && is_public_key(curve, bytes))
        }
        Family::Ed => bytes.len() == 32 && is_public_key(&ED25519, bytes),
    };
    is_sound.then_some(key)
}

fn curve(alg: Alg) -> Option<(usize, &'static dyn VerificationAlgorithm)> {
    match alg {
        Alg::Es256 => Some((32, &ECDSA_P256_SHA256_FIXED)),
        Alg::Es384 => Some((48, &ECDSA_P384_SHA384_FIXED)),
        Alg::Hs256 | Alg::Hs384 | Alg::Hs512 | Alg::EdDsa => None,
        Alg::Rs256 | Alg::Rs384 | Alg::Rs512 | Alg::Ps256 | Alg::Ps384 | Alg::Ps512 => None,
    }
}

fn is_public_key(algorithm: &'static dyn VerificationAlgorithm, bytes: &[u8]) -> bool {
    ParsedPublicKey::new(algorithm, bytes).is_ok()
}

fn trim_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}
