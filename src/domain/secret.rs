//! Secret bytes and the references by which configuration names them.

use std::fmt;

use zeroize::Zeroizing;

use super::Name;

/// Bytes that must not leak: wiped when dropped, `[redacted]` in every `Debug`, never `Display`ed or serialized.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes ownership of the bytes; the caller keeps no copy.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes themselves. Every call site is a place to review.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Drops trailing line ends, which editors and `echo` add to files that hold one secret.
    #[must_use]
    pub fn trim_line_end(mut self) -> Self {
        while self.0.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
            self.0.pop();
        }
        self
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Where a secret is kept: `vault:path`, as configuration writes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretRef {
    /// The `[vault.NAME]` that holds it.
    pub vault: Name,
    /// Its path in that vault; what a path may hold is the vault's business beyond the checks made here.
    pub path: String,
}

/// Why a text is not a [`SecretRef`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretRefError {
    /// There is no `vault:` in front; most often somebody pasted the secret itself.
    NoVault,
    /// What stands before the colon is no name.
    BadVault,
    /// The path is empty, too long, or holds `..`, control or non-ASCII characters.
    BadPath,
}

impl fmt::Display for SecretRefError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoVault => "a secret is named as `vault:path`, never written here",
            Self::BadVault => "what stands before `:` is not the name of a vault",
            Self::BadPath => "a secret's path is 1 to 256 visible ASCII characters without `..` segments",
        })
    }
}

impl std::error::Error for SecretRefError {}

impl SecretRef {
    /// Reads `vault:path`.
    ///
    /// # Errors
    /// One [`SecretRefError`] per way to be wrong; none repeats the text, which may be a secret.
    pub fn parse(text: &str) -> Result<Self, SecretRefError> {
        let (vault, path) = text.split_once(':').ok_or(SecretRefError::NoVault)?;
        let vault = Name::parse(vault).map_err(|_| SecretRefError::BadVault)?;
        let visible = path.bytes().all(|b| b.is_ascii_graphic());
        let climbs = path.split('/').any(|s| s.is_empty() || s == "." || s == "..");
        if path.is_empty() || path.len() > 256 || !visible || climbs {
            return Err(SecretRefError::BadPath);
        }
        Ok(Self { vault, path: path.to_owned() })
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.vault, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_the_bytes() {
        let secret = Secret::new(b"canary-4711".to_vec());
        assert_eq!(format!("{secret:?}"), "[redacted]");
        assert_eq!(secret.expose(), b"canary-4711");
    }

    #[test]
    fn line_ends_of_secret_files_are_dropped() {
        assert_eq!(Secret::new(b"key\r\n\n".to_vec()).trim_line_end().expose(), b"key");
    }

    #[test]
    fn references_are_vault_and_path() {
        let parsed = SecretRef::parse("local:stripe/api-key").expect("a reference");
        assert_eq!((parsed.vault.as_str(), parsed.path.as_str()), ("local", "stripe/api-key"));
        for (text, want) in [
            ("plain-secret", SecretRefError::NoVault),
            ("not a name:x", SecretRefError::BadVault),
            ("local:", SecretRefError::BadPath),
            ("local:../etc/shadow", SecretRefError::BadPath),
            ("local:a//b", SecretRefError::BadPath),
            ("local:/abs", SecretRefError::BadPath),
            ("local:a b", SecretRefError::BadPath),
        ] {
            assert_eq!(SecretRef::parse(text), Err(want), "{text}");
        }
    }
}
