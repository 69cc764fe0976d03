//! API keys that this proxy gives to callers: made once, shown once, kept as a digest.

use std::fmt;

use zeroize::Zeroizing;

use super::{constant_time_eq, random, sha256};
use crate::domain::hex;

/// What is kept of an API key: nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ApiKeyRecord {
    prefix: String,
    digest: [u8; 32],
}

/// Why texts are not an [`ApiKeyRecord`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiKeyRecordError {
    /// The prefix is not 12 letters and digits.
    Prefix,
    /// The digest is not `sha256:` and 64 lower-case hexadecimal digits.
    Digest,
}

/// What every key starts with, so that scanners of repositories can find a leaked one.
pub const MARK: &str = "clv_";
const PREFIX: usize = 12;
/// 43 of 62 characters carry 256.03 bits.
const SECRET: usize = 43;
const LENGTH: usize = MARK.len() + PREFIX + 1 + SECRET;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const DIGEST_MARK: &str = "sha256:";

/// A new key: the text to show its owner once, and what to keep.
///
/// The text is `clv_`, 12 letters and digits that find the record, `_`, and 43 letters and digits that are the secret. Only letters, digits
/// and `_`: a double click selects it all, and it needs no quoting anywhere.
pub fn generate() -> (Zeroizing<String>, ApiKeyRecord) {
    let mut text = Zeroizing::new(String::with_capacity(LENGTH));
    text.push_str(MARK);
    push_random(&mut text, PREFIX);
    text.push('_');
    push_random(&mut text, SECRET);
    let prefix = text[MARK.len()..][..PREFIX].to_owned();
    let record = ApiKeyRecord { prefix, digest: sha256(text.as_bytes()) };
    (text, record)
}

/// The prefix and the secret of a key's text, in constant space; `None` for every text that [`generate`] cannot have made.
pub fn parse(text: &str) -> Option<(&str, &str)> {
    if text.len() != LENGTH {
        return None;
    }
    let (prefix, secret) = text.strip_prefix(MARK)?.split_once('_')?;
    (prefix.len() == PREFIX && is_alphanumeric(prefix) && is_alphanumeric(secret)).then_some((prefix, secret))
}

impl ApiKeyRecord {
    /// Reads a record from what configuration holds: the prefix, and the digest as [`Self::digest_text`] writes it.
    ///
    /// # Errors
    /// One [`ApiKeyRecordError`] per way to be wrong.
    pub fn new(prefix: &str, digest: &str) -> Result<Self, ApiKeyRecordError> {
        if prefix.len() != PREFIX || !is_alphanumeric(prefix) {
            return Err(ApiKeyRecordError::Prefix);
        }
        let digest = digest.strip_prefix(DIGEST_MARK).and_then(from_hex).ok_or(ApiKeyRecordError::Digest)?;
        Ok(Self { prefix: prefix.to_owned(), digest })
    }

    /// The 12 public characters that find this record.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether this is the text of the key that the record is of. Digests are compared in constant time.
    pub fn verify(&self, text: &str) -> bool {
        constant_time_eq(&self.digest, &sha256(text.as_bytes()))
    }

    /// `sha256:` and the digest of the whole key in lower-case hexadecimal.
    pub fn digest_text(&self) -> String {
        format!("{DIGEST_MARK}{}", hex(&self.digest))
    }
}

impl fmt::Display for ApiKeyRecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prefix => "the prefix is the 12 letters and digits after `clv_` in the key",
            Self::Digest => {
                "the digest is `sha256:` and 64 lower-case hexadecimal digits, as `claviger key new` prints it"
            }
        })
    }
}

impl std::error::Error for ApiKeyRecordError {}

/// Adds letters and digits, each as likely as the others: bytes from 248 (4 times 62) on are thrown away.
fn push_random(text: &mut String, count: usize) {
    let end = text.len() + count;
    while text.len() < end {
        let bytes = Zeroizing::new(random::<64>());
        let fair = bytes.iter().filter(|&&byte| byte < 248).take(end - text.len());
        text.extend(fair.map(|byte| char::from(ALPHABET[usize::from(byte % 62)])));
    }
}

fn is_alphanumeric(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f').then(|| char::from(b).to_digit(16)).flatten();
    if text.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_new_key_finds_and_proves_its_record() {
        let (text, record) = generate();
        let (prefix, secret) = parse(&text).expect("a key");
        assert_eq!((prefix, text.len()), (record.prefix(), LENGTH));
        assert!(record.verify(&text));
        let (other, _) = generate();
        assert!(!record.verify(&other));
        assert!(!record.verify("") && !record.verify(secret));
        assert!(!format!("{record:?}").contains(secret));
    }

    #[test]
    fn records_are_read_as_they_are_written_and_nothing_else_is() {
        let (_, record) = generate();
        assert_eq!(ApiKeyRecord::new(record.prefix(), &record.digest_text()), Ok(record.clone()));
        let digest = record.digest_text();
        let (upper, bare, short) = (digest.to_uppercase(), &digest[7..], &digest[..70]);
        let signed = format!("sha256:+{}", "0".repeat(63));
        for (prefix, digest, want) in [
            ("short", &*digest, ApiKeyRecordError::Prefix),
            ("abc-efghijkl", &digest, ApiKeyRecordError::Prefix),
            ("abcdefghijkl", &upper, ApiKeyRecordError::Digest),
            ("abcdefghijkl", bare, ApiKeyRecordError::Digest),
            ("abcdefghijkl", short, ApiKeyRecordError::Digest),
            ("abcdefghijkl", &signed, ApiKeyRecordError::Digest),
        ] {
            assert_eq!(ApiKeyRecord::new(prefix, digest), Err(want), "{prefix} {digest}");
        }
    }

    #[test]
    fn texts_that_no_key_has_are_refused() {
        let good = format!("clv_{}_{}", "a".repeat(12), "b".repeat(43));
        assert!(parse(&good).is_some());
        for bad in [
            String::new(),
            "clv_".to_owned(),
            good.to_uppercase(),
            format!("{good}b"),
            format!(" {good}"),
            good.replace("clv_", "clw_"),
            good.replace("a_b", "ab_"),
            good.replace("bb", "b-"),
            good.replacen("bb", "é", 1),
            format!("clv_{}_{}", "a".repeat(13), "b".repeat(42)),
        ] {
            assert_eq!(parse(&bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn parsing_takes_any_text(text in ".{0,80}") {
            prop_assert!(parse(&text).is_none());
        }
    }
}
