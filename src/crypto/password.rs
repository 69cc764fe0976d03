//! Callers' passwords, kept as argon2id digests (RFC 9106) in the PHC string form.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroizing;

use super::{constant_time_eq, random};

/// What is kept of a password: `$argon2id$v=19$m=KiB,t=passes,p=lanes$salt$hash`. Whoever has it can try passwords against it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordDigest {
    params: Params,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

/// Why a text is no [`PasswordDigest`] that is taken. Never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordDigestError {
    /// Not of the form that [`PasswordDigest`] tells.
    Form,
    /// It asks for less than [`PasswordDigest::MIN_MEMORY`].
    Weak,
    /// It asks for more memory, passes or lanes than a login may cost.
    Costly,
}

const MARK: &str = "$argon2id$v=19$";
/// 19 MiB, two passes, one lane: the least that OWASP's cheat sheet on storing passwords names first.
const USUAL: (u32, u32, u32) = (19 * 1024, 2, 1);
const MAX_PASSES: u32 = 16;
const MAX_LANES: u32 = 16;
/// How long salt and hash may be, in bytes.
const SALT: std::ops::RangeInclusive<usize> = 8..=64;
const HASH: std::ops::RangeInclusive<usize> = 16..=64;
const LEN: usize = 32;

impl PasswordDigest {
    /// The least memory that a digest may ask for, in KiB.
    pub const MIN_MEMORY: u32 = 8 * 1024;
    /// The most memory that a digest may ask for, in KiB: each login under way needs as much.
    pub const MAX_MEMORY: u32 = 256 * 1024;

    /// The digest of a password under a new salt.
    ///
    /// # Errors
    /// [`PasswordDigestError::Form`] when the library takes no such password; only for one of more than 4 GiB.
    ///
    /// # Panics
    /// When the system has no random bytes.
    pub fn generate(password: &[u8]) -> Result<Self, PasswordDigestError> {
        let (memory, passes, lanes) = USUAL;
        let params = params(memory, passes, lanes, LEN)?;
        let mut made = Self { params, salt: random::<16>().to_vec(), hash: Vec::new() };
        made.hash = made.compute(password).ok_or(PasswordDigestError::Form)?.to_vec();
        Ok(made)
    }

    /// Reads the PHC string form; one spelling for each digest.
    ///
    /// # Errors
    /// One [`PasswordDigestError`] per way to be wrong.
    pub fn parse(text: &str) -> Result<Self, PasswordDigestError> {
        let parts: Vec<&str> = text.strip_prefix(MARK).ok_or(PasswordDigestError::Form)?.split('$').collect();
        let [costs, salt, hash] = parts[..] else { return Err(PasswordDigestError::Form) };
        let costs: Vec<&str> = costs.split(',').collect();
        let [memory, passes, lanes] = costs[..] else { return Err(PasswordDigestError::Form) };
        let (memory, passes, lanes) = (cost(memory, "m=")?, cost(passes, "t=")?, cost(lanes, "p=")?);
        let (salt, hash) = (bytes(salt, &SALT)?, bytes(hash, &HASH)?);
        if memory < Self::MIN_MEMORY || passes == 0 || lanes == 0 {
            return Err(PasswordDigestError::Weak);
        }
        if memory > Self::MAX_MEMORY || passes > MAX_PASSES || lanes > MAX_LANES {
            return Err(PasswordDigestError::Costly);
        }
        Ok(Self { params: params(memory, passes, lanes, hash.len())?, salt, hash })
    }

    /// Whether this is the password. Takes tens of milliseconds and the memory that the digest asks for; compares in constant time.
    pub fn verify(&self, password: &[u8]) -> bool {
        self.compute(password).is_some_and(|hash| constant_time_eq(&hash, &self.hash))
    }

    /// A digest that no password has, and that costs what this one costs.
    ///
    /// # Panics
    /// When the system has no random bytes.
    #[must_use]
    pub fn decoy(&self) -> Self {
        Self { params: self.params.clone(), salt: random::<16>().to_vec(), hash: random::<LEN>().to_vec() }
    }

    /// What one comparison costs, to be compared with others.
    pub fn work(&self) -> u64 {
        u64::from(self.params.m_cost()) * u64::from(self.params.t_cost())
    }

    /// The PHC string form.
    pub fn to_text(&self) -> String {
        let (memory, passes, lanes) = (self.params.m_cost(), self.params.t_cost(), self.params.p_cost());
        let encode = |bytes: &[u8]| STANDARD_NO_PAD.encode(bytes);
        format!("{MARK}m={memory},t={passes},p={lanes}${}${}", encode(&self.salt), encode(&self.hash))
    }

    fn compute(&self, password: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut out = Zeroizing::new(vec![0; self.params.output_len().unwrap_or(LEN)]);
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone());
        argon2.hash_password_into(password, &self.salt, &mut out).ok()?;
        Some(out)
    }
}

fn params(memory: u32, passes: u32, lanes: u32, length: usize) -> Result<Params, PasswordDigestError> {
    Params::new(memory, passes, lanes, Some(length)).map_err(|_| PasswordDigestError::Form)
}

/// A decimal number without sign or leading zeros behind this name.
fn cost(text: &str, name: &str) -> Result<u32, PasswordDigestError> {
    let digits = text.strip_prefix(name).ok_or(PasswordDigestError::Form)?;
    let number: u32 = digits.parse().map_err(|_| PasswordDigestError::Form)?;
    if number.to_string() == digits { Ok(number) } else { Err(PasswordDigestError::Form) }
}

fn bytes(text: &str, lengths: &std::ops::RangeInclusive<usize>) -> Result<Vec<u8>, PasswordDigestError> {
    let bytes = STANDARD_NO_PAD.decode(text).map_err(|_| PasswordDigestError::Form)?;
    if lengths.contains(&bytes.len()) { Ok(bytes) } else { Err(PasswordDigestError::Form) }
}

impl fmt::Debug for PasswordDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordDigest").finish_non_exhaustive()
    }
}

impl fmt::Display for PasswordDigestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "a password's digest is `$argon2id$v=19$m=...,t=...,p=...$salt$hash`",
            Self::Weak => "this digest is guessed too cheaply: it asks for less than 8 MiB (`m=8192`) or for nothing",
            Self::Costly => {
                "this digest costs too much at each login: at most 256 MiB (`m=262144`), 16 passes, 16 lanes"
            }
        })
    }
}

impl std::error::Error for PasswordDigestError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_proves_its_password_alone_and_is_read_as_it_is_written() {
        let digest = PasswordDigest::generate("pässword".as_bytes()).expect("a digest");
        assert!(digest.to_text().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_eq!(PasswordDigest::parse(&digest.to_text()), Ok(digest.clone()));
        for (password, want) in [("pässword", true), ("password", false), ("", false), ("pässword\0", false)] {
            assert_eq!(digest.verify(password.as_bytes()), want, "{password:?}");
        }
        assert!(!digest.decoy().verify("pässword".as_bytes()));
        assert_eq!(digest.decoy().work(), digest.work());
        assert!(!format!("{digest:?}").contains('$'), "{digest:?}");
    }

    #[test]
    fn other_spellings_and_costs_are_refused() {
        use PasswordDigestError::{Costly, Form, Weak};
        let text = |costs: &str| format!("$argon2id$v=19${costs}$c29tZXNhbHQxMjM0NTY3OA${}", "A".repeat(43));
        assert!(PasswordDigest::parse(&text("m=8192,t=1,p=1")).is_ok());
        assert!(PasswordDigest::parse(&text("m=262144,t=16,p=16")).is_ok());
        let good = text("m=19456,t=2,p=1");
        for (text, want) in [
            (String::new(), Form),
            ("plain password".to_owned(), Form),
            (good.replace("argon2id", "argon2i"), Form),
            (good.replace("v=19", "v=16"), Form),
            (good.replace("v=19$", ""), Form),
            (text("t=2,m=19456,p=1"), Form),
            (text("m=+19456,t=2,p=1"), Form),
            (text("m=019456,t=2,p=1"), Form),
            (text("m=99999999999,t=2,p=1"), Form),
            (text("m=19456,t=2,p=1,keyid=x"), Form),
            (format!("{good}="), Form),
            (format!("{good}$x"), Form),
            (good.replace("c29tZXNhbHQxMjM0NTY3OA", "c29t"), Form),
            (good.replace(&"A".repeat(43), "AAAA"), Form),
            (good.replace(&"A".repeat(43), &format!("{}B", "A".repeat(42))), Form),
            (text("m=8191,t=1,p=1"), Weak),
            (text("m=19456,t=0,p=1"), Weak),
            (text("m=19456,t=2,p=0"), Weak),
            (text("m=262145,t=2,p=1"), Costly),
            (text("m=19456,t=17,p=1"), Costly),
            (text("m=19456,t=2,p=17"), Costly),
        ] {
            assert_eq!(PasswordDigest::parse(&text), Err(want), "{text}");
        }
    }
}
