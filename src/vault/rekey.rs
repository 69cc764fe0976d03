//! Replacing the master key of sealed files, so that whatever ends it in the middle is made good by doing it again.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use crate::crypto::MasterKey;

use super::files::{self, sibling, sync_directory};
use super::key_source::{create_key, load_key};
use super::{KeySource, SealedFile, VaultError};

/// Why a master key was not replaced, and which file it is about.
pub type RekeyFault = (PathBuf, VaultError);

/// Seals the files with a new master key, which is made beside `key_file` as `KEY_FILE.new` and takes its place when all are sealed; the old one is
/// then in `KEY_FILE.old`, which this tells. Whoever is ended before that does the rest by the same call.
///
/// # Errors
/// [`VaultError`], with the file that it is about. No file is sealed anew where one opens neither with the old key nor with the new one, or where
/// there is a `KEY_FILE.old` with another key.
pub fn rekey(sealed: &[PathBuf], key_file: &Path) -> Result<PathBuf, RekeyFault> {
    // Where the name is a symlink, what it leads to is replaced.
    let key_file =
        std::fs::canonicalize(key_file).map_err(|e| (key_file.to_owned(), VaultError::KeyUnreadable(e.kind())))?;
    let about = |path: &Path, error: io::Error| (path.to_owned(), unwritable(&error));
    let _alone = alone(&key_file).map_err(|e| about(&key_file, e))?;
    let old = load(&key_file)?;
    let (new_file, old_file) = (sibling(&key_file, ".new"), sibling(&key_file, ".old"));
    let opens = |path: &PathBuf| SealedFile::new(path.clone()).read(&old).is_ok();
    if is_half(&new_file) && sealed.iter().all(opens) {
        // Of a process that was ended while it made it.
        std::fs::remove_file(&new_file).map_err(|e| about(&new_file, e))?;
    }
    if is_half(&old_file) {
        // It is in its place yet.
        std::fs::remove_file(&old_file).map_err(|e| about(&old_file, e))?;
    }
    match files::create(&old_file, old.to_text().as_bytes()) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if *load(&old_file)?.to_text() != *old.to_text() {
                return Err(about(&old_file, error));
            }
        }
        Err(error) => return Err(about(&old_file, error)),
    }
    reseal(sealed, &old, &new_file)?;
    let place = || {
        // An administrator's change must not lock the proxy out.
        let owner = std::fs::metadata(&key_file)?;
        for made in [&new_file, &old_file] {
            let there = std::fs::metadata(made)?;
            if (owner.uid(), owner.gid()) != (there.uid(), there.gid()) {
                chown(made, Some(owner.uid()), Some(owner.gid()))?;
            }
        }
        std::fs::rename(&new_file, &key_file)?;
        sync_directory(&key_file)
    };
    place().map_err(|e| about(&key_file, e))?;
    Ok(old_file)
}

/// Seals the files with the master key of `new_file`, which is made where it is not there.
///
/// # Errors
/// As those of [`rekey`]; the new key stays, and is taken the next time.
pub fn reseal(sealed: &[PathBuf], old: &MasterKey, new_file: &Path) -> Result<(), RekeyFault> {
    let new = if new_file.exists() {
        load(new_file)?
    } else {
        create_key(new_file).map_err(|error| (new_file.to_owned(), error))?
    };
    // All are opened before any is changed: one of another key, or one that was forgotten before, is found while nothing has to be made good.
    for path in sealed {
        SealedFile::new(path.clone()).read_with_either(old, &new).map_err(|error| (path.clone(), error))?;
    }
    sealed
        .iter()
        .try_for_each(|path| SealedFile::new(path.clone()).reseal(old, &new).map_err(|error| (path.clone(), error)))
}

/// Whether there is a file of ours with half a key.
fn is_half(path: &Path) -> bool {
    load(path).is_err_and(|(_, error)| error == VaultError::KeyMalformed)
}

/// A lock on the file that the name leads to: whoever waited for it finds another one there.
fn alone(key_file: &Path) -> io::Result<File> {
    loop {
        let file = File::open(key_file)?;
        file.lock()?;
        let (held, named) = (file.metadata()?, std::fs::metadata(key_file)?);
        if (held.dev(), held.ino()) == (named.dev(), named.ino()) {
            return Ok(file);
        }
    }
}

fn load(path: &Path) -> Result<MasterKey, RekeyFault> {
    load_key(&KeySource::File(path.to_owned())).map_err(|error| (path.to_owned(), error))
}

fn unwritable(error: &io::Error) -> VaultError {
    VaultError::Unwritable(error.kind())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::crypto::OpenError;
    use crate::domain::Secret;

    struct Site {
        dir: tempfile::TempDir,
        key: PathBuf,
        sealed: Vec<PathBuf>,
    }

    impl Site {
        /// Two files that one key opens, each with a secret.
        fn new() -> Self {
            let dir = tempfile::tempdir().expect("a directory");
            let (key, sealed) = (dir.path().join("key"), vec![dir.path().join("a"), dir.path().join("b")]);
            let master = create_key(&key).expect("made");
            for path in &sealed {
                let file = SealedFile::new(path.clone());
                file.create(&master).expect("made");
                file.update(&master, |all| all.set("name", Secret::new(b"canary-4711".to_vec()))).expect("set");
            }
            Self { dir, key, sealed }
        }

        /// Whether all files open with the key, and no other key is left.
        fn is_whole(&self) -> bool {
            let master = load(&self.key).expect("a key");
            let opens = |path: &PathBuf| {
                let entries = SealedFile::new(path.clone()).read(&master);
                entries.is_ok_and(|all| all.get("name").expect("there").expose() == b"canary-4711")
            };
            self.sealed.iter().all(opens) && !self.dir.path().join("key.new").exists()
        }
    }

    #[test]
    fn all_files_of_a_key_open_with_the_new_one_alone() {
        let site = Site::new();
        let old = load(&site.key).expect("a key");
        let kept = rekey(&site.sealed, &site.key).expect("sealed anew");
        assert!(site.is_whole());
        assert_eq!(*load(&kept).expect("the old one").to_text(), *old.to_text());
        assert_eq!(
            rekey(&site.sealed, &site.key).expect_err("one is there"),
            (kept.clone(), VaultError::Unwritable(io::ErrorKind::AlreadyExists))
        );
        assert!(site.is_whole());
        for path in &site.sealed {
            let opened = SealedFile::new(path.clone()).read(&old);
            assert_eq!(opened.err(), Some(OpenError::WrongKey.into()));
        }
        assert_eq!(std::fs::metadata(&site.key).expect("there").mode() & 0o777, 0o600);
    }

    #[test]
    fn what_was_ended_in_the_middle_is_finished_by_the_next_call() {
        // Ended when the key was made, when one file was sealed, and when both were.
        for done in 0..=2 {
            let site = Site::new();
            let old = load(&site.key).expect("a key");
            let new = create_key(&site.dir.path().join("key.new")).expect("made");
            for path in &site.sealed[..done] {
                SealedFile::new(path.clone()).reseal(&old, &new).expect("sealed");
            }
            rekey(&site.sealed, &site.key).expect("finished");
            assert!(site.is_whole(), "{done}");
            assert_eq!(*load(&site.key).expect("a key").to_text(), *new.to_text(), "{done}");
        }
    }

    #[test]
    fn half_a_key_of_an_ended_process_is_made_anew() {
        let site = Site::new();
        let half = site.dir.path().join("key.new");
        std::fs::write(&half, "clvmk_").expect("written");
        std::fs::set_permissions(&half, PermissionsExt::from_mode(0o600)).expect("set");
        rekey(&site.sealed, &site.key).expect("sealed anew");
        assert!(site.is_whole());
    }

    #[test]
    fn two_at_a_time_leave_no_file_without_its_key() {
        let site = Site::new();
        std::thread::scope(|scope| {
            for path in &site.sealed {
                scope.spawn(|| drop(rekey(std::slice::from_ref(path), &site.key)));
            }
        });
        let keys = ["key", "key.new", "key.old"].map(|name| site.dir.path().join(name));
        let keys: Vec<_> = keys.iter().filter_map(|path| load(path).ok()).collect();
        for path in &site.sealed {
            assert!(keys.iter().any(|key| SealedFile::new(path.clone()).read(key).is_ok()), "{}", path.display());
        }
    }

    #[test]
    fn a_file_of_another_key_leaves_all_as_it_was() {
        let site = Site::new();
        SealedFile::new(site.dir.path().join("c")).create(&MasterKey::generate()).expect("made");
        let all = [&site.sealed[..], &[site.dir.path().join("c")]].concat();
        let refused = rekey(&all, &site.key).expect_err("of another key");
        assert_eq!(refused, (site.dir.path().join("c"), OpenError::WrongKey.into()));
        rekey(&site.sealed, &site.key).expect("without that one");
        assert!(site.is_whole());
    }
}
