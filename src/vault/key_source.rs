//! Reading a master key from where configuration says it is, and making one.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::crypto::MasterKey;

use super::files::{self, Access, Stamp, read};
use super::{KeySource, VaultError};

const MAX_KEY_FILE: usize = 1024;

/// Reads and checks a master key.
///
/// # Errors
/// [`VaultError::KeyUnreadable`], [`VaultError::KeyExposed`] or [`VaultError::KeyMalformed`].
pub fn load_key(source: &KeySource) -> Result<MasterKey, VaultError> {
    let text = match source {
        KeySource::File(path) => read(path, MAX_KEY_FILE, Access::OwnerOnly).map_err(|e| e.of_key())?.0,
        // Its mode says nothing: systemd grants access by ACL, whose mask shows as the group's bits.
        KeySource::SystemdCredential(name) => {
            read(&credential_path(name)?, MAX_KEY_FILE, Access::Any).map_err(|e| e.of_key())?.0
        }
        KeySource::Env(variable) => Zeroizing::new(environment(variable)?.into_vec()),
    };
    let text = std::str::from_utf8(&text).map_err(|_| VaultError::KeyMalformed)?;
    MasterKey::parse(text.trim_ascii()).map_err(|_| VaultError::KeyMalformed)
}

/// Makes a new master key in a new file of mode 0600.
///
/// # Errors
/// [`VaultError::Unwritable`], with `AlreadyExists` where there is a file: a key that is lost takes every secret with it.
pub fn create_key(path: &Path) -> Result<MasterKey, VaultError> {
    let key = MasterKey::generate();
    let mut text = Zeroizing::new(Vec::with_capacity(64));
    text.extend_from_slice(key.to_text().as_bytes());
    text.push(b'\n');
    let created = files::create(path, &text).and_then(|_| files::sync_directory(path));
    created.map(|()| key).map_err(|e| VaultError::Unwritable(e.kind()))
}

/// The stamp of the key's file; none for a key that cannot change while the process runs.
pub(super) fn stamp(source: &KeySource) -> Result<Option<Stamp>, VaultError> {
    let of = |path: &Path| Stamp::of(path).map(Some).map_err(|e| VaultError::KeyUnreadable(e.kind()));
    match source {
        KeySource::File(path) => of(path),
        KeySource::SystemdCredential(name) => of(&credential_path(name)?),
        KeySource::Env(_) => Ok(None),
    }
}

fn credential_path(name: &str) -> Result<PathBuf, VaultError> {
    if name.is_empty() || name.contains('/') || matches!(name, "." | "..") {
        return Err(VaultError::KeyUnreadable(ErrorKind::InvalidInput));
    }
    Ok(Path::new(&environment("CREDENTIALS_DIRECTORY")?).join(name))
}

fn environment(variable: &str) -> Result<OsString, VaultError> {
    std::env::var_os(variable).ok_or(VaultError::KeyUnreadable(ErrorKind::NotFound))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_file_is_its_owners_alone_and_holds_a_key() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("key");
        let good = format!("{}\n", *MasterKey::generate().to_text());
        let unreadable = Err(VaultError::KeyUnreadable(ErrorKind::NotFound));
        let load = || load_key(&KeySource::File(path.clone())).map(drop);
        assert_eq!(load(), unreadable);
        for (mode, content, want) in [
            (0o600, &*good, Ok(())),
            (0o400, &good, Ok(())),
            (0o640, &good, Err(VaultError::KeyExposed)),
            (0o602, &good, Err(VaultError::KeyExposed)),
            (0o600, "", Err(VaultError::KeyMalformed)),
            (0o600, "canary-4711", Err(VaultError::KeyMalformed)),
            (0o600, &"a".repeat(2000), Err(VaultError::KeyMalformed)),
        ] {
            let _ = std::fs::remove_file(&path);
            std::fs::write(&path, content).expect("written");
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).expect("mode set");
            assert_eq!(load(), want, "{mode:o} {content:.12}");
        }
        assert_eq!(load_key(&KeySource::Env("CLAVIGER_TEST_UNSET".into())).map(drop), unreadable);
    }

    #[test]
    fn a_systemd_credential_is_one_name() {
        let invalid = VaultError::KeyUnreadable(ErrorKind::InvalidInput);
        for name in ["", "..", "a/b", "/etc/key"] {
            assert_eq!(load_key(&KeySource::SystemdCredential(name.into())).err(), Some(invalid), "{name}");
        }
    }
}
