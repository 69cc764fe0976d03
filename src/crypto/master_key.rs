//! The master key and the envelope it seals.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::{Zeroize, Zeroizing};

use super::{constant_time_eq, random};

/// The key that seals files: 32 random bytes, wiped when dropped, never shown by `Debug`.
///
/// # The envelope
///
/// ```text
/// offset  length  what
///      0       8  magic and version, the ASCII text `clvseal1`
///      8      32  salt, random for each write
///     40      32  commitment
///     72       n  ciphertext, as long as the plaintext
///   72+n      16  tag
/// ```
///
/// HKDF-SHA-256 (RFC 5869) with the master key as input keying material, the salt, and `claviger seal v1` + NUL + context as `info` gives 64
/// bytes: a key for AES-256-GCM (NIST SP 800-38D) and the commitment. The whole header is the associated data.
///
/// - A fresh 256-bit salt makes each derived key serve one encryption, so the nonce is constant (zero) and no pair of key and nonce comes twice
///   (SP 800-38D §8), however often one master key seals.
/// - The commitment ties an envelope to one key and context, which GCM alone does not, and tells a wrong key from a damaged file.
pub struct MasterKey(Zeroizing<[u8; MasterKey::LEN]>);

/// Why a text is not a [`MasterKey`]. Never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MasterKeyError;

/// Why an envelope did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenError {
    /// Not an envelope of this version, or shorter than one can be.
    NotSealed,
    /// Sealed under another key or context, or its header is damaged.
    WrongKey,
    /// Sealed under this key, and changed since.
    Corrupt,
}

const MAGIC: &[u8; 8] = b"clvseal1";
const LABEL: &[u8] = b"claviger seal v1\0";
const SALT: usize = 32;
const COMMITMENT: usize = 32;
const HEADER: usize = MAGIC.len() + SALT + COMMITMENT;
const TAG: usize = 16;

impl MasterKey {
    /// What the text form starts with, so that scanners of repositories can find a leaked key.
    pub const TEXT_PREFIX: &'static str = "clvmk_";
    /// By how many bytes an envelope is longer than its plaintext.
    pub const OVERHEAD: usize = HEADER + TAG;
    const LEN: usize = 32;

    /// A new random key.
    pub fn generate() -> Self {
        Self(Zeroizing::new(random()))
    }

    /// Reads the text form: `clvmk_` and 43 characters of base64url without padding.
    ///
    /// # Errors
    /// [`MasterKeyError`] for any other text, also one with spaces or line ends around it.
    pub fn parse(text: &str) -> Result<Self, MasterKeyError> {
        let encoded = text.strip_prefix(Self::TEXT_PREFIX).filter(|e| e.len() == 43).ok_or(MasterKeyError)?;
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(encoded).map_err(|_| MasterKeyError)?);
        let mut key = Zeroizing::new([0; Self::LEN]);
        if bytes.len() != key.len() {
            return Err(MasterKeyError);
        }
        key.copy_from_slice(&bytes);
        Ok(Self(key))
    }

    /// The text form, for the one place that keeps it.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(64));
        text.push_str(Self::TEXT_PREFIX);
        URL_SAFE_NO_PAD.encode_string(self.0.as_slice(), &mut text);
        text
    }

    /// Seals the plaintext so that only this key opens it, and only for this context.
    ///
    /// # Panics
    /// When the system has no random bytes, or the plaintext is longer than AES-GCM takes (64 GiB).
    pub fn seal(&self, context: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let salt = random::<SALT>();
        let (key, commitment) = self.derive(&salt, context);
        let mut sealed = Vec::with_capacity(plaintext.len() + Self::OVERHEAD);
        sealed.extend_from_slice(MAGIC);
        sealed.extend_from_slice(&salt);
        sealed.extend_from_slice(&commitment);
        sealed.extend_from_slice(plaintext);
        let (header, body) = sealed.split_at_mut(HEADER);
        let tag = key.seal_in_place_separate_tag(only_nonce(), Aad::from(&*header), body);
        // Had it failed, the buffer would still hold the plaintext: it must not be returned.
        let Ok(tag) = tag else {
            sealed.zeroize();
            panic!("the plaintext is longer than AES-GCM takes")
        };
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Opens what [`Self::seal`] made with the same key and context.
    ///
    /// # Errors
    /// One [`OpenError`] per way to be wrong; no plaintext is given out unless all of it is authentic.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        if sealed.len() < Self::OVERHEAD || !sealed.starts_with(MAGIC) {
            return Err(OpenError::NotSealed);
        }
        let (header, body) = sealed.split_at(HEADER);
        let (salt, claimed) = header[MAGIC.len()..].split_at(SALT);
        let (key, commitment) = self.derive(salt, context);
        if !constant_time_eq(claimed, &commitment) {
            return Err(OpenError::WrongKey);
        }
        let mut body = Zeroizing::new(body.to_vec());
        let length =
            key.open_in_place(only_nonce(), Aad::from(header), &mut body).map_err(|_| OpenError::Corrupt)?.len();
        body.truncate(length);
        Ok(body)
    }

    /// The key of one envelope and its commitment.
    fn derive(&self, salt: &[u8], context: &[u8]) -> (LessSafeKey, [u8; COMMITMENT]) {
        let mut okm = Zeroizing::new([0; Okm::LEN]);
        let prk = Salt::new(HKDF_SHA256, salt).extract(self.0.as_slice());
        let filled = prk.expand(&[LABEL, context], Okm).and_then(|expanded| expanded.fill(okm.as_mut_slice()));
        let (key, tail) = okm.split_at(AES_256_GCM.key_len());
        let mut commitment = [0; COMMITMENT];
        commitment.copy_from_slice(tail);
        match filled.and_then(|()| UnboundKey::new(&AES_256_GCM, key)) {
            Ok(key) => (LessSafeKey::new(key), commitment),
            Err(_) => unreachable!("HKDF-SHA-256 gives up to 8160 bytes, and the key has the algorithm's length"),
        }
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Display for MasterKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a master key is `clvmk_` and 43 characters of base64url; `claviger vault init` makes one")
    }
}

impl std::error::Error for MasterKeyError {}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSealed => "it is not a sealed file of this version",
            Self::WrongKey => "it was sealed with another master key; give the key that it was made with",
            Self::Corrupt => "it was changed after it was sealed; restore it from a backup",
        })
    }
}

impl std::error::Error for OpenError {}

/// The one nonce of a key that encrypts once.
fn only_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

/// How much HKDF gives: the key, then the commitment.
#[derive(Clone, Copy)]
struct Okm;

impl Okm {
    const LEN: usize = 64;
}

impl KeyType for Okm {
    fn len(&self) -> usize {
        Self::LEN
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CANARY: &str = "clvmk_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";

    fn key() -> MasterKey {
        MasterKey::parse(CANARY).expect("a key")
    }

    #[test]
    fn the_text_form_is_exact() {
        assert_eq!(*key().to_text(), CANARY);
        let generated = MasterKey::generate();
        assert_eq!(MasterKey::parse(&generated.to_text()).expect("parsed").0, generated.0);
        let newline = format!("{CANARY}\n");
        let long = format!("{CANARY}A");
        let loose_bits = CANARY.replace("AQE", "AQF");
        for bad in ["", "clvmk_", &CANARY[6..], &CANARY[..48], &newline, &long, &loose_bits, "clv_AQEB"] {
            assert_eq!(MasterKey::parse(bad).err(), Some(MasterKeyError), "{bad:?}");
        }
    }

    #[test]
    fn neither_debug_nor_errors_show_the_key() {
        assert_eq!(format!("{:?}", key()), "[redacted]");
        let error = MasterKey::parse("clvmk_canary-4711").expect_err("no key");
        assert!(!format!("{error} {error:?}").contains("canary"));
    }

    #[test]
    fn every_flipped_bit_is_noticed_and_says_where() {
        let sealed = key().seal(b"context", b"plaintext");
        for position in 0..sealed.len() {
            for bit in 0..8 {
                let mut changed = sealed.clone();
                changed[position] ^= 1 << bit;
                let want = match position {
                    0..8 => OpenError::NotSealed,
                    8..HEADER => OpenError::WrongKey,
                    _ => OpenError::Corrupt,
                };
                assert_eq!(key().open(b"context", &changed).err(), Some(want), "byte {position}");
            }
        }
    }

    #[test]
    fn another_key_or_context_opens_nothing() {
        let sealed = key().seal(b"context", b"plaintext");
        assert_eq!(MasterKey::generate().open(b"context", &sealed).err(), Some(OpenError::WrongKey));
        for context in ["", "contex", "context2", "\0context"] {
            assert_eq!(key().open(context.as_bytes(), &sealed).err(), Some(OpenError::WrongKey), "{context:?}");
        }
    }

    /// The format must open in every later release.
    #[test]
    fn an_envelope_of_version_1_opens() {
        let sealed = URL_SAFE_NO_PAD.decode(VERSION_1).expect("base64url");
        assert_eq!(key().open(b"golden", &sealed).expect("opened").as_slice(), b"an envelope of version 1");
    }

    const VERSION_1: &str = "Y2x2c2VhbDH63oNaxSkO-QUCHPp9WkGR5Yi-xK6nFLyE1e9nb240K1K7meTScZijOgyT0FRhRf41aonCr58bxdQtVmjP0IcaFZdTY0qL5B1x_pOHKWypliqcczFKviQFjX07av8muZMV-0TcfUnWWw";

    proptest! {
        #[test]
        fn what_was_sealed_opens(
            context in proptest::collection::vec(any::<u8>(), 0..40),
            plaintext in proptest::collection::vec(any::<u8>(), 0..2000),
        ) {
            let sealed = key().seal(&context, &plaintext);
            prop_assert_eq!(sealed.len(), plaintext.len() + MasterKey::OVERHEAD);
            let opened = key().open(&context, &sealed).expect("opened");
            prop_assert_eq!(opened.as_slice(), &plaintext[..]);
            prop_assert_ne!(key().seal(&context, &plaintext), sealed);
        }

        #[test]
        fn a_shortened_or_lengthened_envelope_does_not_open(cut in 0usize..140, extra in 1usize..40) {
            let mut sealed = key().seal(b"context", &[7; 60]);
            prop_assert!(key().open(b"context", &sealed[..cut.min(sealed.len() - 1)]).is_err());
            sealed.extend(std::iter::repeat_n(0, extra));
            prop_assert!(key().open(b"context", &sealed).is_err());
        }
    }
}
