//! Names that operators give to things in the configuration.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The name of a configured thing: 1-64 of `a-z`, `A-Z`, `0-9`, `-`, `_`, starting with a letter or digit.
///
/// Cheap to clone, and safe in logs, metric labels and records as it stands.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Name(Arc<str>);

/// Why a text is not a [`Name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameError;

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.as_str().to_owned()
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name is 1 to 64 letters, digits, `-` or `_`, and starts with a letter or digit")
    }
}

impl std::error::Error for NameError {}

impl Name {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// [`NameError`] when the text is empty, too long or holds another character.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let ok = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let bytes = text.as_bytes();
        match bytes.first() {
            Some(first) if first.is_ascii_alphanumeric() && bytes.len() <= 64 && bytes.iter().all(|&b| ok(b)) => {
                Ok(Self(text.into()))
            }
            _ => Err(NameError),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_plain_names_and_refuses_the_rest() {
        for good in ["a", "stripe", "corp-2", "A_b", "9lives"] {
            assert!(Name::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "_a", "a b", "a.b", "a/b", "é", "a\n", &"x".repeat(65)] {
            assert!(Name::parse(bad).is_err(), "{bad:?}");
        }
    }
}
