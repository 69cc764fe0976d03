//! What is wrong with keys.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A key, or the directory of all, cannot be used.
#[derive(Debug)]
pub struct KeyFault {
    path: PathBuf,
    wrong: Wrong,
}

#[derive(Debug)]
pub(super) enum Wrong {
    /// The system says no.
    Io(io::Error),
    NotADirectory,
    NotAKey,
    /// Others may use it, who may not once it has this mode.
    Exposed(&'static str),
    /// It is somebody else's.
    Foreign,
}

impl KeyFault {
    pub(super) fn new(path: &Path, wrong: Wrong) -> Self {
        Self { path: path.to_owned(), wrong }
    }

    pub(super) fn io(path: &Path, error: io::Error) -> Self {
        Self::new(path, Wrong::Io(error))
    }

    /// Whether nothing is there.
    pub fn is_missing(&self) -> bool {
        matches!(&self.wrong, Wrong::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }

    /// What makes it right.
    pub fn cure(&self) -> String {
        let path = self.path.display();
        match &self.wrong {
            Wrong::Io(_) | Wrong::Foreign => {
                format!("let the gateway's own user have `{path}`, mode 700, and what is in it, mode 600")
            }
            Wrong::NotADirectory => "name a directory that is for these keys alone".to_owned(),
            Wrong::NotAKey => format!(
                "put the 32 bytes of the key back; without them, remove `{path}`: another is made, and who was told of under this one is told no more"
            ),
            Wrong::Exposed(mode) => format!("`chmod {mode} {path}`"),
        }
    }
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.wrong {
            Wrong::Io(error) => write!(f, "`{path}`: {error}"),
            Wrong::NotADirectory => write!(f, "`{path}` is no directory"),
            Wrong::NotAKey => write!(f, "`{path}` is no key of 32 bytes"),
            Wrong::Exposed(_) => write!(f, "others than its owner may use `{path}`"),
            Wrong::Foreign => write!(f, "`{path}` is another user's"),
        }
    }
}

impl std::error::Error for KeyFault {}

impl From<KeyFault> for io::Error {
    fn from(fault: KeyFault) -> Self {
        let kind = match &fault.wrong {
            Wrong::Io(error) => error.kind(),
            Wrong::NotADirectory | Wrong::NotAKey => io::ErrorKind::InvalidData,
            Wrong::Exposed(_) | Wrong::Foreign => io::ErrorKind::PermissionDenied,
        };
        Self::new(kind, format!("{fault}; cure: {}", fault.cure()))
    }
}
