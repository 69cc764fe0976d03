//! What configuration says of a vault.

use std::path::PathBuf;
use std::time::Duration;

use super::{CommandSettings, HashicorpSettings, Oauth2Settings, SecretsManagerSettings};
use crate::domain::Name;

/// One vault as configured. Equal settings share one running [`super::Vault`] across reloads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Settings {
    /// The `[vault.NAME]`.
    pub name: Name,
    /// Where the secrets are.
    pub kind: Kind,
    /// How long the last good value serves while its source is away or unreadable; then the slot fails closed. At least
    /// [`Settings::MIN_STALE`], which is for configuration to check.
    pub max_stale: Duration,
}

impl Settings {
    /// `max_stale` where none is configured.
    pub const DEFAULT_STALE: Duration = Duration::from_secs(300);
    /// For what has an end of its own, by which it is refused: a year, and no secret lasts longer.
    pub const UNTIL_IT_ENDS: Duration = Duration::from_secs(super::provider::LONGEST);
    /// The least `max_stale`: below it, one late refresh would refuse requests.
    pub const MIN_STALE: Duration = Duration::from_secs(2);
}

/// Where a vault's secrets are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A file that `claviger vault` writes, sealed under a master key.
    SealedFile {
        /// The file.
        path: PathBuf,
        /// Where its master key is.
        key: KeySource,
    },
    /// The process's environment. A secret's variable is the prefix, then its path in upper case with `_` for each character that is not a
    /// letter or digit: with prefix `APP_`, `stripe/api-key` is `APP_STRIPE_API_KEY`. It never changes while the process runs.
    Environment {
        /// What every variable's name starts with.
        prefix: String,
    },
    /// One file a secret, as Kubernetes and Docker mount them; a secret's path is its file's path below this directory, and line ends at the
    /// file's end are dropped. Symlinks are followed, since that is how Kubernetes swaps a whole directory at once.
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// A server of HashiCorp Vault or OpenBao. A secret's path is its mount and the path below it, and behind `#` a field, `value` where
    /// none is named.
    Hashicorp(Box<HashicorpSettings>),
    /// AWS Secrets Manager, in one region. A secret's path is its name there, and behind `#` a member of the JSON object which it is; all of
    /// it where none is named.
    SecretsManager(Box<SecretsManagerSettings>),
    /// A program that prints secrets.
    Command(CommandSettings),
    /// An authorization server, of which one access token is had at a time.
    Oauth2(Box<Oauth2Settings>),
}

/// Where a master key is, in its text form; white space around it is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeySource {
    /// A file that only its owner may access.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// A systemd credential: the file of this name in `$CREDENTIALS_DIRECTORY` (systemd.exec(5), `LoadCredential=`).
    SystemdCredential(String),
}
