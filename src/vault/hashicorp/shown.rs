//! The certificate that is shown to a server, in files that may change.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Login;
use super::api::MAX_FILE;
use crate::net::{Client, ClientSettings};
use crate::vault::VaultError;
use crate::vault::files::{self, Access, Stamp};

/// Where the certificate and its key are, and what was last seen there.
#[derive(Debug)]
pub(super) struct Shown {
    certificate: PathBuf,
    key: PathBuf,
    seen: Option<[Stamp; 2]>,
}

impl Shown {
    /// What is shown with this login.
    pub(super) fn by(login: &Login) -> Option<Self> {
        match login {
            Login::Cert { certificate, key, .. } => {
                Some(Self { certificate: certificate.clone(), key: key.clone(), seen: None })
            }
            Login::TokenFile(_) | Login::TokenEnv(_) | Login::AppRole { .. } | Login::Kubernetes { .. } => None,
        }
    }

    /// Whether the files may hold others than those that are shown.
    pub(super) fn has_changed(&self) -> bool {
        let now = [&self.certificate, &self.key].map(|path| Stamp::of(path).ok());
        self.seen.map(|seen| seen.map(Some)) != Some(now)
    }

    /// A client that shows what is in the files now.
    pub(super) fn client(&mut self, settings: &ClientSettings) -> Result<Client, VaultError> {
        let read = |path: &Path| files::read(path, MAX_FILE, Access::Any).map_err(files::ReadError::of_login);
        let ((certificate, first), (key, second)) = (read(&self.certificate)?, read(&self.key)?);
        let client = Client::showing(settings.clone(), &certificate, &key).map_err(VaultError::Call)?;
        let now = SystemTime::now();
        let is_settled = first.is_settled(now) && second.is_settled(now);
        self.seen = is_settled.then_some([first, second]);
        Ok(client)
    }
}
