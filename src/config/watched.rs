//! What a configuration was made from, and how it is told that some of it has changed.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::vault::Slot;

/// What a configuration was made from, as it stood at one look: a change in any of it is a reason to reload.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    /// The configuration file and the files that it names.
    files: BTreeMap<PathBuf, Stamp>,
    /// Secrets whose value was compiled in, with their versions.
    secrets: Vec<(Arc<Slot>, u64)>,
}

/// What changes when a file does, in its content or by another in its place: device, inode, length and time of last change in nanoseconds.
/// None where there is no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp(Option<(u64, u64, u64, i128)>);

impl Watched {
    /// Watches a file from now on. To be called before it is read: what changes while it is read is then a change.
    pub(super) fn file(&mut self, path: &Path) {
        self.files.insert(path.to_owned(), Stamp::of(path));
    }

    /// Watches a secret from now on. To be called before it is loaded.
    pub(super) fn secret(&mut self, slot: &Arc<Slot>) {
        self.secrets.push((Arc::clone(slot), slot.version()));
    }

    /// The same things as they stand now. Asks the file system.
    pub(super) fn look_again(&self) -> Self {
        Self {
            files: self.files.keys().map(|path| (path.clone(), Stamp::of(path))).collect(),
            secrets: self.secrets.iter().map(|(slot, _)| (Arc::clone(slot), slot.version())).collect(),
        }
    }

    /// Watches what another does too, as that one saw it.
    pub(super) fn join(&mut self, other: Self) {
        self.files.extend(other.files);
        self.secrets.retain(|(own, _)| !other.secrets.iter().any(|(slot, _)| slot.name() == own.name()));
        self.secrets.extend(other.secrets);
    }
}

impl PartialEq for Watched {
    fn eq(&self, other: &Self) -> bool {
        let versions = |watched: &Self| -> Vec<_> {
            watched.secrets.iter().map(|(slot, version)| (slot.name().clone(), *version)).collect()
        };
        self.files == other.files && versions(self) == versions(other)
    }
}

impl Stamp {
    /// The stamp of the file that is there now.
    fn of(path: &Path) -> Self {
        let stamp = std::fs::metadata(path).ok().map(|meta| {
            let changed = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
            (meta.dev(), meta.ino(), meta.len(), changed)
        });
        Self(stamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_shows_until_it_is_looked_at() {
        let folder = tempfile::tempdir().expect("a folder");
        let (here, coming) = (folder.path().join("here"), folder.path().join("coming"));
        std::fs::write(&here, "1").expect("written");
        let mut watched = Watched::default();
        watched.file(&here);
        let mut tried = Watched::default();
        tried.file(&coming);
        watched.join(tried);
        assert_eq!(watched, watched.look_again());
        std::fs::write(&coming, "22").expect("written");
        let now = watched.look_again();
        assert!(watched != now, "a file that was missing has come");
        assert_eq!(now, now.look_again());
    }
}
