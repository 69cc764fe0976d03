//! Pseudonyms: who is named in lines, by texts that nobody can trace back once the key of their period is destroyed.
//!
//! A line is linked as it was written, so that destroying keys changes no line. Within a period, one value of one sort has one pseudonym; in
//! the next it has another, which cannot be linked to the first.

mod fault;
mod keys;
mod names;
mod period;
mod phrase;
mod tend;

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::crypto::hmac_sha256;

pub use fault::KeyFault;
pub use keys::{Key, Keys};
pub use period::{Every, Period, PeriodError};
pub use phrase::{Phrase, RESERVED};

pub(super) use names::Names;
pub(super) use tend::Tender;

/// Whose names are pseudonyms, and where the keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pseudonyms {
    /// The directory of the keys.
    pub directory: PathBuf,
    /// How long each is used.
    pub every: Every,
    /// What is a pseudonym.
    pub fields: Vec<Field>,
    /// How long a key is kept after its period; for ever where none is given.
    pub keep: Option<Duration>,
}

/// What in a line names somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// A principal's id, the key that proved it, and whoever is named in what was done or found.
    Principal,
    /// Who acts for a principal.
    Actor,
    /// A client's address.
    Client,
    /// A session's id.
    Session,
    /// What somebody wrote: why something was done, and the ticket.
    Reason,
}

impl Field {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Principal, Self::Actor, Self::Client, Self::Session, Self::Reason];
    /// Those that are pseudonyms unless others are named. A session goes on from one period to the next: by its id, those of the one whose key is
    /// destroyed would be known by the other's.
    pub const USUAL: [Self; 4] = [Self::Principal, Self::Actor, Self::Client, Self::Session];

    /// The word for it in configurations.
    pub fn text(self) -> &'static str {
        match self {
            Self::Principal => "principal",
            Self::Actor => "actor",
            Self::Client => "client",
            Self::Session => "session",
            Self::Reason => "reason",
        }
    }

    /// What a word stands for.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.text() == text)
    }

    /// What sort of value it has, as pseudonyms are made: somebody who acts for one and is another has one pseudonym.
    pub fn class(self) -> &'static str {
        match self {
            Self::Principal | Self::Actor => "name",
            Self::Client => "address",
            Self::Session => "session",
            Self::Reason => "text",
        }
    }

    /// The place of its class.
    fn place(self) -> usize {
        match self {
            Self::Principal | Self::Actor => 0,
            Self::Client => 1,
            Self::Session => 2,
            Self::Reason => 3,
        }
    }
}

/// `~` and the first 16 bytes of the HMAC-SHA-256, under the period's key, of class, NUL and value, in base64url without padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pseudonym([u8; Self::LENGTH]);

impl Pseudonym {
    /// Its length, in bytes.
    pub const LENGTH: usize = 23;
    const BYTES: usize = 16;
    /// What stands for everybody where there is no key.
    const NOBODY: Self = Self([b'~'; Self::LENGTH]);

    fn new(key: &[u8], field: Field, value: &str) -> Self {
        let digest = hmac_sha256(key, &[field.class().as_bytes(), b"\0", value.as_bytes()].concat());
        let mut text = [b'~'; Self::LENGTH];
        // Sixteen bytes are 22 characters.
        let _ = URL_SAFE_NO_PAD.encode_slice(&digest[..Self::BYTES], &mut text[1..]);
        Self(text)
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_one_pseudonym_of_its_class_under_each_key() {
        let (one, other) = ([1; 32], [2; 32]);
        let of = |key: &[u8; 32], field, value| Pseudonym::new(key, field, value);
        let ada = of(&one, Field::Principal, "ada");
        assert_eq!(ada, of(&one, Field::Actor, "ada"), "one person has one");
        for another in [
            of(&other, Field::Principal, "ada"),
            of(&one, Field::Client, "ada"),
            of(&one, Field::Session, "ada"),
            of(&one, Field::Reason, "ada"),
            of(&one, Field::Principal, "adb"),
            of(&one, Field::Principal, ""),
        ] {
            assert_ne!(ada, another);
        }
        assert_eq!(ada.as_str().len(), 23);
        assert!(ada.as_str().starts_with('~'));
    }

    /// What others have to come to who know the key, by what docs/audit.md says.
    #[test]
    fn a_pseudonym_is_what_the_documents_say() {
        let digest = hmac_sha256(&[7; 32], b"name\0ada");
        let want = format!("~{}", URL_SAFE_NO_PAD.encode(&digest[..16]));
        assert_eq!(Pseudonym::new(&[7; 32], Field::Principal, "ada").as_str(), want);
    }
}
