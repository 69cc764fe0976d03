//! Sealing, digests, comparison and key material: thin names over aws-lc-rs, so that no other module touches an algorithm.

pub mod api_key;
mod base64;
mod certificates;
mod client_identity;
mod mac;
mod master_key;
mod password;
mod signature;
mod signing;
pub mod sigv4;

pub use self::base64::secret_from_base64;
pub use api_key::ApiKeyRecord;
pub use certificates::{Certificate, CertificateError, Certificates};
pub use client_identity::{ClientIdentityFault, client_identity};
pub use mac::{Mac, MacAlgorithm, MacKey};
pub use master_key::{MasterKey, MasterKeyError, OpenError};
pub use password::{PasswordDigest, PasswordDigestError};
pub use signature::{SignatureAlgorithm, SignatureKey, SignatureKeyFault};
pub use signing::{SigningKey, SigningKeyFault};

use std::sync::LazyLock;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{constant_time, digest, hmac, rand};

/// The SHA-256 digest of the bytes (FIPS 180-4).
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

/// What a server proves with that it has read the key of a WebSocket's handshake (RFC 6455 §4.2.2): SHA-1, which protects nothing here.
pub fn websocket_accept(key: &[u8]) -> [u8; 20] {
    const OF_EVERY_SERVER: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let mut out = [0; 20];
    out.copy_from_slice(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[key, OF_EVERY_SERVER].concat()).as_ref());
    out
}

/// A SHA-256 or SHA-512 digest of bytes that come one after the other (FIPS 180-4).
#[derive(Clone)]
pub struct Hasher(digest::Context);

impl Hasher {
    /// SHA-256 of nothing yet.
    pub fn sha256() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }

    /// SHA-512 of nothing yet.
    pub fn sha512() -> Self {
        Self(digest::Context::new(&digest::SHA512))
    }

    /// Takes what comes next.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Whether all that was taken has this digest.
    pub fn is(self, digest: &[u8]) -> bool {
        constant_time_eq(self.0.finish().as_ref(), digest)
    }
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hasher")
    }
}

/// Whether two byte strings are equal, in a time that depends on their lengths alone.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// Digests of what must not be found by its plain digest: HMAC-SHA-256 (FIPS 198-1) under a random key that nobody else has.
#[derive(Debug)]
pub struct Fingerprints(hmac::Key);

impl Default for Fingerprints {
    fn default() -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &*zeroize::Zeroizing::new(random::<32>())))
    }
}

impl Fingerprints {
    /// The digest of these byte strings in this order, each with its length.
    pub fn of(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut out = [0; 32];
        out.copy_from_slice(context.sign().as_ref());
        out
    }
}

/// HMAC-SHA-256 (FIPS 198-1) of the bytes under this key.
pub fn hmac_sha256(key: &[u8], bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), bytes).as_ref());
    out
}

/// A tag of what is looked up with each request: GMAC (NIST SP 800-38D §3) under a random key of this process, a quarter of the time of a
/// SHA-256. With one nonce for all, it is a universal hash: whoever does not see tags finds two byte strings with the same one no more often
/// than by chance, about once in 2^120 tries. So tags are compared and never shown, and nothing is ever sealed under their key.
pub fn tag(bytes: &[u8]) -> [u8; 16] {
    static KEY: LazyLock<Option<LessSafeKey>> = LazyLock::new(|| {
        let key = zeroize::Zeroizing::new(random::<16>());
        UnboundKey::new(&AES_128_GCM, &*key).ok().map(LessSafeKey::new)
    });
    let nonce = Nonce::assume_unique_for_key([0; 12]);
    let sealed = KEY.as_ref().and_then(|key| key.seal_in_place_separate_tag(nonce, Aad::from(bytes), &mut []).ok());
    // What cannot be tagged is like nothing else.
    sealed.and_then(|tag| tag.as_ref().try_into().ok()).unwrap_or_else(random)
}

/// `N` bytes from the system's cryptographic random generator.
///
/// # Panics
/// When the system has no random bytes to give: there is no safe way on from there.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    assert!(rand::fill(&mut bytes).is_ok(), "the system's random generator failed");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_sha_256() {
        assert_eq!(sha256(b"abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
    }

    /// The second test case of RFC 4231.
    #[test]
    fn messages_are_authenticated_as_others_do_it() {
        let mac = hmac_sha256(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(mac[..4], [0x5b, 0xdc, 0xc1, 0x46]);
    }

    #[test]
    fn tags_differ_as_the_bytes_do() {
        let long = [7; 4096];
        let all = [&b""[..], b"a", b"b", b"ab", &[0; 15], &[0; 16], &[0; 17], &long[..4095], &long];
        for (nth, one) in all.iter().enumerate() {
            for (mth, other) in all.iter().enumerate() {
                assert_eq!(tag(one) == tag(other), nth == mth, "{nth} {mth}");
            }
        }
    }

    #[test]
    fn comparison_sees_content_and_length() {
        for (a, b, want) in [("", "", true), ("key", "key", true), ("key", "kez", false), ("key", "keys", false)] {
            assert_eq!(constant_time_eq(a.as_bytes(), b.as_bytes()), want, "{a} {b}");
        }
    }

    #[test]
    fn fingerprints_keep_parts_apart_and_makers_too() {
        let one = Fingerprints::default();
        assert_eq!(one.of(&[b"ab", b"c"]), one.of(&[b"ab", b"c"]));
        assert_ne!(one.of(&[b"ab", b"c"]), one.of(&[b"a", b"bc"]));
        assert_ne!(one.of(&[b"a"]), Fingerprints::default().of(&[b"a"]));
    }

    #[test]
    fn random_bytes_do_not_repeat() {
        assert_ne!(random::<16>(), random::<16>());
    }
}
