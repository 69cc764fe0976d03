//! Keyed digests (HMAC, FIPS 198-1) of texts that come in pieces.

use std::fmt;

use aws_lc_rs::hmac;

/// Which digest is keyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MacAlgorithm {
    /// SHA-1, which is broken as a digest and not in HMAC; for old APIs.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// A key of an HMAC. `Debug` does not show it.
pub struct MacKey(hmac::Key);

/// An HMAC under way.
pub struct Mac(hmac::Context);

impl MacKey {
    /// A key of these bytes.
    pub fn new(algorithm: MacAlgorithm, bytes: &[u8]) -> Self {
        let algorithm = match algorithm {
            MacAlgorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            MacAlgorithm::Sha256 => hmac::HMAC_SHA256,
            MacAlgorithm::Sha512 => hmac::HMAC_SHA512,
        };
        Self(hmac::Key::new(algorithm, bytes))
    }

    /// The HMAC of nothing yet.
    pub fn begin(&self) -> Mac {
        Mac(hmac::Context::with_key(&self.0))
    }
}

impl Mac {
    /// Takes what comes next.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The HMAC of all that was taken.
    pub fn finish(self) -> Vec<u8> {
        self.0.sign().as_ref().to_vec()
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mac")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::hex;

    /// Test cases 1, 2 and 6 of RFC 4231 and of RFC 2202.
    #[test]
    fn macs_are_those_of_the_rfcs() {
        let long = "Test Using Larger Than Block-Size Key - Hash Key First";
        for (algorithm, key, text, want) in [
            (
                MacAlgorithm::Sha256,
                vec![0x0b; 20],
                "Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                MacAlgorithm::Sha256,
                b"Jefe".to_vec(),
                "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                MacAlgorithm::Sha256,
                vec![0xaa; 131],
                long,
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
            (
                MacAlgorithm::Sha512,
                b"Jefe".to_vec(),
                "what do ya want for nothing?",
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
                 9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
            (MacAlgorithm::Sha1, vec![0x0b; 20], "Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"),
            (
                MacAlgorithm::Sha1,
                b"Jefe".to_vec(),
                "what do ya want for nothing?",
                "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
            ),
        ] {
            let mut mac = MacKey::new(algorithm, &key).begin();
            for piece in text.as_bytes().chunks(5) {
                mac.update(piece);
            }
            assert_eq!(hex(&mac.finish()), want, "{algorithm:?} {text}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", MacKey::new(MacAlgorithm::Sha256, b"canary")), "[redacted]");
    }
}
