//! Keys that prove signed messages, each bound to the one algorithm that it is for.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PSS_2048_8192_SHA512,
    VerificationAlgorithm,
};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;

use crate::domain::Secret;

/// The algorithms of RFC 9421 §3.3 that are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// `hmac-sha256`.
    HmacSha256,
    /// `ed25519`.
    Ed25519,
    /// `ecdsa-p256-sha256`; r and s side by side.
    EcdsaP256Sha256,
    /// `ecdsa-p384-sha384`; r and s side by side.
    EcdsaP384Sha384,
    /// `rsa-pss-sha512`; a salt of 64 bytes.
    RsaPssSha512,
}

/// Why something is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureKeyFault {
    /// Not one public key in PEM (SubjectPublicKeyInfo).
    Pem,
    /// A private key, which has no business here.
    Private,
    /// The key is of another sort than the algorithm needs, or of a size that is not safe.
    Sort,
    /// A shared secret of fewer than [`SignatureKey::MIN_SECRET`] bytes.
    Short,
}

/// A key that proves signatures of one algorithm.
pub struct SignatureKey {
    algorithm: SignatureAlgorithm,
    key: Key,
}

enum Key {
    Shared(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

impl SignatureAlgorithm {
    /// Every algorithm taken.
    pub const ALL: [Self; 5] =
        [Self::HmacSha256, Self::Ed25519, Self::EcdsaP256Sha256, Self::EcdsaP384Sha384, Self::RsaPssSha512];

    /// The algorithm of a registered name, which is exact.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Its registered name (RFC 9421 §6.2).
    pub fn name(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::Ed25519 => "ed25519",
            Self::EcdsaP256Sha256 => "ecdsa-p256-sha256",
            Self::EcdsaP384Sha384 => "ecdsa-p384-sha384",
            Self::RsaPssSha512 => "rsa-pss-sha512",
        }
    }

    fn verification(self) -> Option<&'static dyn VerificationAlgorithm> {
        match self {
            Self::HmacSha256 => None,
            Self::Ed25519 => Some(&ED25519),
            Self::EcdsaP256Sha256 => Some(&ECDSA_P256_SHA256_FIXED),
            Self::EcdsaP384Sha384 => Some(&ECDSA_P384_SHA384_FIXED),
            Self::RsaPssSha512 => Some(&RSA_PSS_2048_8192_SHA512),
        }
    }
}

impl SignatureKey {
    /// The shortest shared secret taken, in bytes: as long as the digest (RFC 2104 §3).
    pub const MIN_SECRET: usize = 32;

    /// The key for `hmac-sha256`.
    ///
    /// # Errors
    /// [`SignatureKeyFault::Short`].
    pub fn shared(secret: &Secret) -> Result<Self, SignatureKeyFault> {
        let bytes = secret.expose();
        if bytes.len() < Self::MIN_SECRET {
            return Err(SignatureKeyFault::Short);
        }
        let key = Key::Shared(Box::new(hmac::Key::new(hmac::HMAC_SHA256, bytes)));
        Ok(Self { algorithm: SignatureAlgorithm::HmacSha256, key })
    }

    /// A public key in PEM, for any algorithm but `hmac-sha256`.
    ///
    /// # Errors
    /// The other [`SignatureKeyFault`]s.
    pub fn public(algorithm: SignatureAlgorithm, pem: &[u8]) -> Result<Self, SignatureKeyFault> {
        if memchr::memmem::find(pem, b"PRIVATE KEY").is_some() {
            return Err(SignatureKeyFault::Private);
        }
        let mut keys = SubjectPublicKeyInfoDer::pem_slice_iter(pem);
        let (Some(Ok(der)), None) = (keys.next(), keys.next()) else { return Err(SignatureKeyFault::Pem) };
        let verification = algorithm.verification().ok_or(SignatureKeyFault::Sort)?;
        let key = ParsedPublicKey::new(verification, der).map_err(|_| SignatureKeyFault::Sort)?;
        Ok(Self { algorithm, key: Key::Public(key) })
    }

    /// The one algorithm that it is for.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// Whether this key signed the message. Takes the same time for every wrong tag of a shared secret.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            Key::Shared(key) => hmac::verify(key, message, signature).is_ok(),
            Key::Public(key) => key.verify_sig(message, signature).is_ok(),
        }
    }
}

impl fmt::Debug for SignatureKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignatureKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl fmt::Display for SignatureKeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pem => "the file does not hold one public key in PEM",
            Self::Private => "the file holds a private key, which only the caller should have",
            Self::Sort => "the key is not one for this algorithm",
            Self::Short => "the secret has fewer than 32 bytes",
        })
    }
}

impl std::error::Error for SignatureKeyFault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_for_one_algorithm_and_one_sort() {
        use SignatureAlgorithm as A;
        let pair = |sort| rcgen::KeyPair::generate_for(sort).expect("a key pair");
        let (p256, ed) = (pair(&rcgen::PKCS_ECDSA_P256_SHA256), pair(&rcgen::PKCS_ED25519));
        let both = p256.public_key_pem() + &ed.public_key_pem();
        for (algorithm, pem, want) in [
            (A::EcdsaP256Sha256, p256.public_key_pem(), None),
            (A::Ed25519, ed.public_key_pem(), None),
            (A::EcdsaP384Sha384, p256.public_key_pem(), Some(SignatureKeyFault::Sort)),
            (A::Ed25519, p256.public_key_pem(), Some(SignatureKeyFault::Sort)),
            (A::RsaPssSha512, ed.public_key_pem(), Some(SignatureKeyFault::Sort)),
            (A::HmacSha256, ed.public_key_pem(), Some(SignatureKeyFault::Sort)),
            (A::Ed25519, ed.serialize_pem(), Some(SignatureKeyFault::Private)),
            (A::Ed25519, both, Some(SignatureKeyFault::Pem)),
            (A::Ed25519, String::new(), Some(SignatureKeyFault::Pem)),
        ] {
            assert_eq!(SignatureKey::public(algorithm, pem.as_bytes()).err(), want, "{algorithm:?} {pem}");
        }
        for (length, want) in [(31, Some(SignatureKeyFault::Short)), (32, None)] {
            assert_eq!(SignatureKey::shared(&Secret::new(vec![7; length])).err(), want, "{length}");
        }
    }
}
