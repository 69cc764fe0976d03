//! The sealed file: a map of names to secrets inside one envelope.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::crypto::{MasterKey, OpenError};
use crate::domain::Secret;

use super::files::{self, Access, Stamp};
use super::{MAX_SECRET, VaultError};

/// A sealed file: `{"name": "base64 value", ...}` in a [`MasterKey`] envelope, at most 16 MiB. It is replaced whole, so it may be read at any time;
/// a lock on `FILE.lock` makes changes one at a time.
#[derive(Debug)]
pub struct SealedFile(PathBuf);

const MAX_FILE: usize = 16 * 1024 * 1024;
const CONTEXT: &[u8] = b"claviger sealed file";

impl SealedFile {
    /// The sealed file at this path, whether it is there or not.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes it, with no secret in it.
    ///
    /// # Errors
    /// [`VaultError::Unwritable`], with `AlreadyExists` where there is a file.
    pub fn create(&self, key: &MasterKey) -> Result<(), VaultError> {
        let sealed = Entries::default().seal(key)?;
        files::create(&self.0, &sealed).and_then(|_| files::sync_directory(&self.0)).map_err(unwritable)
    }

    /// Every secret in it.
    ///
    /// # Errors
    /// One [`VaultError`] per way to be wrong.
    pub fn read(&self, key: &MasterKey) -> Result<Entries, VaultError> {
        self.read_stamped(key).map(|(entries, _)| entries)
    }

    /// Changes what is in it; alone, so that changes made at the same time are all kept.
    ///
    /// # Errors
    /// Those of [`Self::read`] and of `change`, and [`VaultError::Unwritable`]; the file is as before then.
    pub fn update(
        &self,
        key: &MasterKey,
        change: impl FnOnce(&mut Entries) -> Result<(), VaultError>,
    ) -> Result<(), VaultError> {
        self.rewrite(|file| {
            let mut entries = file.read(key)?;
            change(&mut entries)?;
            entries.seal(key)
        })
    }

    /// Seals it with another key; with the same one where it is that which opens it.
    pub(super) fn reseal(&self, old: &MasterKey, new: &MasterKey) -> Result<(), VaultError> {
        self.rewrite(|file| file.read_with_either(old, new)?.seal(new))
    }

    pub(super) fn read_with_either(&self, one: &MasterKey, other: &MasterKey) -> Result<Entries, VaultError> {
        match self.read(one) {
            Err(VaultError::Sealed(OpenError::WrongKey)) => self.read(other),
            opened => opened,
        }
    }

    fn rewrite(&self, content: impl FnOnce(&Self) -> Result<Vec<u8>, VaultError>) -> Result<(), VaultError> {
        // The file itself is replaced where its name is a symlink, which would otherwise become a second copy.
        let path = std::fs::canonicalize(&self.0).map_err(|e| VaultError::Unreadable(e.kind()))?;
        let target = Self(path);
        let _lock = target.lock().map_err(unwritable)?;
        files::replace(&target.0, &content(&target)?).map_err(unwritable)
    }

    pub(super) fn stamp(&self) -> Result<Stamp, VaultError> {
        Stamp::of(&self.0).map_err(|e| VaultError::Unreadable(e.kind()))
    }

    pub(super) fn read_stamped(&self, key: &MasterKey) -> Result<(Entries, Stamp), VaultError> {
        let (sealed, stamp) = files::read(&self.0, MAX_FILE, Access::Any).map_err(|e| e.of_vault())?;
        if sealed.is_empty() {
            return Err(VaultError::SealedEmpty);
        }
        let json = key.open(CONTEXT, &sealed)?;
        Ok((Entries::from_json(&json)?, stamp))
    }

    /// Held until dropped.
    fn lock(&self) -> io::Result<File> {
        let file = files::lock_file(&files::sibling(&self.0, ".lock"), &self.0)?;
        file.lock()?;
        Ok(file)
    }
}

/// Secrets by name, in the order of names.
#[derive(Debug, Default)]
pub struct Entries(BTreeMap<String, Secret>);

impl Entries {
    /// The secret of this name.
    pub fn get(&self, name: &str) -> Option<&Secret> {
        self.0.get(name)
    }

    /// Every name.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Adds a secret or replaces the one of this name.
    ///
    /// # Errors
    /// [`VaultError::Empty`] and [`VaultError::TooLarge`], as no slot would give it.
    pub fn set(&mut self, name: &str, secret: Secret) -> Result<(), VaultError> {
        check_secret(&secret)?;
        self.0.insert(name.to_owned(), secret);
        Ok(())
    }

    /// Removes a secret.
    ///
    /// # Errors
    /// [`VaultError::NotFound`].
    pub fn remove(&mut self, name: &str) -> Result<(), VaultError> {
        self.0.remove(name).map(drop).ok_or(VaultError::NotFound)
    }

    /// Takes a secret out, where there is one.
    pub(super) fn take(&mut self, name: &str) -> Option<Secret> {
        self.0.remove(name)
    }

    fn seal(&self, key: &MasterKey) -> Result<Vec<u8>, VaultError> {
        let encoded: BTreeMap<&str, Zeroizing<String>> = self
            .0
            .iter()
            .map(|(name, secret)| (name.as_str(), Zeroizing::new(STANDARD.encode(secret.expose()))))
            .collect();
        let plain: BTreeMap<&str, &str> = encoded.iter().map(|(name, text)| (*name, text.as_str())).collect();
        // Room for all of it at once (an escaped character takes up to 6 bytes): a buffer that grows leaves copies behind.
        let room = plain.iter().map(|(name, text)| 6 * name.len() + text.len() + 6).sum::<usize>() + 2;
        let mut json = Zeroizing::new(Vec::with_capacity(room));
        serde_json::to_writer(&mut *json, &plain).map_err(|_| VaultError::SealedContent)?;
        if json.len() + MasterKey::OVERHEAD > MAX_FILE {
            return Err(VaultError::TooLarge);
        }
        Ok(key.seal(CONTEXT, &json))
    }

    fn from_json(json: &[u8]) -> Result<Self, VaultError> {
        // Values are borrowed from the input, which is wiped; base64 needs no escapes.
        let encoded: BTreeMap<String, &str> = serde_json::from_slice(json).map_err(|_| VaultError::SealedContent)?;
        let decode = |(name, text): (String, &str)| {
            let value = STANDARD.decode(text).map_err(|_| VaultError::SealedContent)?;
            Ok((name, Secret::new(value)))
        };
        encoded.into_iter().map(decode).collect::<Result<_, _>>().map(Self)
    }
}

/// Refuses what is no secret: an empty one would be sent as an empty credential.
pub(super) fn check_secret(secret: &Secret) -> Result<(), VaultError> {
    match secret.expose().len() {
        0 => Err(VaultError::Empty),
        1..=MAX_SECRET => Ok(()),
        _ => Err(VaultError::TooLarge),
    }
}

fn unwritable(error: io::Error) -> VaultError {
    VaultError::Unwritable(error.kind())
}

impl From<OpenError> for VaultError {
    fn from(error: OpenError) -> Self {
        Self::Sealed(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec())
    }

    #[test]
    fn what_was_set_is_read_and_the_file_shows_none_of_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, key) = (dir.path().join("sealed"), MasterKey::generate());
        let file = SealedFile::new(path.clone());
        file.create(&key).expect("created");
        assert_eq!(file.create(&key), Err(VaultError::Unwritable(io::ErrorKind::AlreadyExists)));
        file.update(&key, |e| e.set("stripe/\"quoted\"", secret("canary-4711"))).expect("set");
        file.update(&key, |e| e.set("other", Secret::new(vec![0, 255, 10]))).expect("set");
        let entries = file.read(&key).expect("read");
        assert_eq!(entries.names().collect::<Vec<_>>(), ["other", "stripe/\"quoted\""]);
        assert_eq!(entries.get("stripe/\"quoted\"").expect("there").expose(), b"canary-4711");
        assert_eq!(entries.get("other").expect("there").expose(), [0, 255, 10]);
        assert!(!format!("{entries:?}").contains("4711"));
        let bytes = std::fs::read(&path).expect("read");
        for text in ["canary", &STANDARD.encode("canary-4711"), "stripe"] {
            assert!(!bytes.windows(text.len()).any(|w| w == text.as_bytes()), "{text}");
        }
        file.update(&key, |e| e.remove("other")).expect("removed");
        assert_eq!(file.update(&key, |e| e.remove("other")), Err(VaultError::NotFound));
    }

    #[test]
    fn each_way_to_be_wrong_is_told_apart_and_changes_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, key) = (dir.path().join("sealed"), MasterKey::generate());
        let file = SealedFile::new(path.clone());
        assert_eq!(file.read(&key).map(drop), Err(VaultError::Unreadable(io::ErrorKind::NotFound)));
        file.create(&key).expect("created");
        let good = std::fs::read(&path).expect("read");
        let mut flipped = good.clone();
        *flipped.last_mut().expect("not empty") ^= 1;
        let other = MasterKey::generate().seal(CONTEXT, b"{}");
        let foreign = key.seal(CONTEXT, b"[]");
        for (content, want) in [
            (&b""[..], VaultError::SealedEmpty),
            (b"canary-4711", OpenError::NotSealed.into()),
            (&flipped, OpenError::Corrupt.into()),
            (&good[..good.len() - 1], OpenError::Corrupt.into()),
            (&other, OpenError::WrongKey.into()),
            (&foreign, VaultError::SealedContent),
        ] {
            std::fs::write(&path, content).expect("written");
            assert_eq!(file.read(&key).map(drop), Err(want));
            assert_eq!(file.update(&key, |e| e.set("a", secret("b"))), Err(want));
            assert_eq!(std::fs::read(&path).expect("read"), content);
            assert!(!format!("{want} {want:?}").contains("4711"));
        }
    }

    #[test]
    fn no_slot_would_give_an_empty_or_endless_secret_so_none_is_set() {
        let mut entries = Entries::default();
        for (length, want) in [
            (0, Err(VaultError::Empty)),
            (1, Ok(())),
            (MAX_SECRET, Ok(())),
            (MAX_SECRET + 1, Err(VaultError::TooLarge)),
        ] {
            assert_eq!(entries.set("a", Secret::new(vec![7; length])), want, "{length}");
        }
        for index in 0..200 {
            entries.set(&format!("n{index}"), Secret::new(vec![7; MAX_SECRET])).expect("set");
        }
        assert_eq!(entries.seal(&MasterKey::generate()), Err(VaultError::TooLarge));
    }

    #[test]
    fn changes_made_at_the_same_time_are_all_kept() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, key) = (dir.path().join("sealed"), MasterKey::generate());
        SealedFile::new(path.clone()).create(&key).expect("created");
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let (path, key) = (&path, &key);
                scope.spawn(move || {
                    for index in 0..5 {
                        let name = format!("{writer}-{index}");
                        SealedFile::new(path.clone()).update(key, |e| e.set(&name, secret(&name))).expect("set");
                    }
                });
            }
        });
        assert_eq!(SealedFile::new(path).read(&key).expect("read").names().count(), 20);
    }

    #[test]
    fn a_symlink_to_the_file_stays_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, link, key) = (dir.path().join("sealed"), dir.path().join("link"), MasterKey::generate());
        SealedFile::new(path.clone()).create(&key).expect("created");
        std::os::unix::fs::symlink(&path, &link).expect("linked");
        SealedFile::new(link.clone()).update(&key, |e| e.set("a", secret("b"))).expect("set");
        assert!(std::fs::symlink_metadata(&link).expect("there").is_symlink());
        assert!(SealedFile::new(path).read(&key).expect("read").get("a").is_some());
    }
}
