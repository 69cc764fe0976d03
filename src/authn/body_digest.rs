//! What a body must come to, as `Content-Digest` says it (RFC 9530 §2).

use sfv::{ListEntry, Parser};

use crate::crypto::Hasher;
use crate::domain::AuthnFault;

use super::structured::canonical;

/// The digests that a body must have; at least one. All that are there must be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyDigest {
    sha256: Option<[u8; 32]>,
    sha512: Option<[u8; 64]>,
}

/// A body under way, as far as it has come.
#[derive(Debug)]
pub struct BodyCheck {
    sha256: Option<(Hasher, [u8; 32])>,
    sha512: Option<(Hasher, [u8; 64])>,
}

/// The longest `Content-Digest` taken, in bytes.
const MAX_FIELD: usize = 1024;

impl BodyDigest {
    /// Reads the field's one line. Algorithms other than SHA-256 and SHA-512 are passed over.
    ///
    /// # Errors
    /// [`AuthnFault::Digest`] when it is not in canonical form, or names neither of the two.
    pub fn parse(field: &[u8]) -> Result<Self, AuthnFault> {
        if field.len() > MAX_FIELD {
            return Err(AuthnFault::Digest);
        }
        let members = Parser::parse_dictionary(field).map_err(|_| AuthnFault::Digest)?;
        if !canonical(&members, field) {
            return Err(AuthnFault::Digest);
        }
        let mut digest = Self { sha256: None, sha512: None };
        for (name, member) in &members {
            let bytes = match member {
                ListEntry::Item(item) => item.bare_item.as_byte_seq(),
                ListEntry::InnerList(_) => None,
            };
            let bytes = bytes.ok_or(AuthnFault::Digest)?;
            match name.as_str() {
                "sha-256" => digest.sha256 = Some(bytes.as_slice().try_into().map_err(|_| AuthnFault::Digest)?),
                "sha-512" => digest.sha512 = Some(bytes.as_slice().try_into().map_err(|_| AuthnFault::Digest)?),
                _ => {}
            }
        }
        if digest.sha256.is_none() && digest.sha512.is_none() { Err(AuthnFault::Digest) } else { Ok(digest) }
    }

    /// A body of which nothing has come.
    pub fn begin(&self) -> BodyCheck {
        BodyCheck {
            sha256: self.sha256.map(|want| (Hasher::sha256(), want)),
            sha512: self.sha512.map(|want| (Hasher::sha512(), want)),
        }
    }

    /// Whether it is that of a request without a body.
    pub(super) fn is_of_nothing(&self) -> bool {
        self.begin().is_right()
    }
}

impl BodyCheck {
    /// Takes the body's next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        if let Some((hasher, _)) = &mut self.sha256 {
            hasher.update(bytes);
        }
        if let Some((hasher, _)) = &mut self.sha512 {
            hasher.update(bytes);
        }
    }

    /// Whether all that was taken is the body that was signed.
    pub fn is_right(self) -> bool {
        let Self { sha256, sha512 } = self;
        sha256.is_none_or(|(hasher, want)| hasher.is(&want)) && sha512.is_none_or(|(hasher, want)| hasher.is(&want))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
    const HELLO_512: &str =
        "sha-512=:m3HSJL1i83hdltRq0+o9czGb+8KJDKra4t/3JRlnPKcjI8PZm6XBHXx6zG4UuMXaDEZjR1wuXDre9G9zvN7AQw==:";

    #[test]
    fn every_digest_that_is_known_must_be_right() {
        for (field, body, want) in [
            (EMPTY.to_owned(), "", Ok(true)),
            (EMPTY.to_owned(), "x", Ok(false)),
            (HELLO_512.to_owned(), "hello", Ok(true)),
            (format!("{EMPTY}, {HELLO_512}"), "hello", Ok(false)),
            (format!("{EMPTY}, {HELLO_512}"), "", Ok(false)),
            (format!("md5=:AAAA:, {HELLO_512}"), "hello", Ok(true)),
            ("md5=:AAAA:".to_owned(), "hello", Err(AuthnFault::Digest)),
            (format!("{HELLO_512}, {HELLO_512}"), "hello", Err(AuthnFault::Digest)),
            (String::new(), "", Err(AuthnFault::Digest)),
            ("sha-256=:47DEQpj8:".to_owned(), "", Err(AuthnFault::Digest)),
            ("sha-256=1".to_owned(), "", Err(AuthnFault::Digest)),
            // The last character has bits that no byte has: another spelling of the same bytes.
            (EMPTY.replace("FU=", "FV="), "", Err(AuthnFault::Digest)),
            (EMPTY.replace("sha-256", "SHA-256"), "", Err(AuthnFault::Digest)),
            (format!("{EMPTY}{}", " ".repeat(MAX_FIELD)), "", Err(AuthnFault::Digest)),
        ] {
            let got = BodyDigest::parse(field.as_bytes()).map(|digest| {
                let mut check = digest.begin();
                body.bytes().for_each(|byte| check.update(&[byte]));
                check.is_right()
            });
            assert_eq!(got, want, "{field} {body}");
        }
    }
}
