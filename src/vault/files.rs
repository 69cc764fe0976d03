//! Reading files within bounds and noticing that they changed; writing them whole or not at all.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

use crate::crypto::random;

use super::VaultError;

/// What tells one content of a file from another without reading it: two equal stamps are one content, but for changes that fall into one
/// tick of the file system's clock (see [`Stamp::is_settled`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// The stamp of what the path leads to, through symlinks.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        Ok(Self::new(&std::fs::metadata(path)?))
    }

    fn new(meta: &Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            length: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// Whether the last change is so long ago that another one would show. Before that, the stamp must not stand for what was read: file
    /// systems keep time in ticks, and a second write in the same tick leaves the same stamp.
    pub(super) fn is_settled(&self, now: SystemTime) -> bool {
        let (seconds, nanos) = self.changed;
        let since_epoch = u64::try_from(seconds).ok().zip(u32::try_from(nanos).ok());
        let changed = since_epoch.map_or(Duration::ZERO, |(seconds, nanos)| Duration::new(seconds, nanos));
        now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().abs_diff(changed) > Duration::from_secs(1)
    }
}

/// Who may access a file that is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Whoever its owner lets.
    Any,
    /// The owner alone.
    OwnerOnly,
}

/// How reading a file failed.
#[derive(Debug)]
pub(super) enum ReadError {
    /// The system said no.
    Io(io::Error),
    /// No regular file.
    NotAFile,
    /// Longer than the limit.
    TooLarge,
    /// Others than the owner may access it.
    Exposed,
}

/// The whole of a regular file of at most `limit` bytes, and its stamp from before it was read.
pub(super) fn read(path: &Path, limit: usize, access: Access) -> Result<(Zeroizing<Vec<u8>>, Stamp), ReadError> {
    // Asked before it is opened, since opening a FIFO would wait for a writer.
    if !std::fs::metadata(path).map_err(ReadError::Io)?.is_file() {
        return Err(ReadError::NotAFile);
    }
    let file = File::open(path).map_err(ReadError::Io)?;
    let meta = file.metadata().map_err(ReadError::Io)?;
    if access == Access::OwnerOnly && meta.mode() & 0o077 != 0 {
        return Err(ReadError::Exposed);
    }
    let length = usize::try_from(meta.len()).unwrap_or(usize::MAX);
    if length > limit {
        return Err(ReadError::TooLarge);
    }
    // One byte of room past the end, so that reading to the end never moves the buffer and leaves a copy behind.
    let mut content = Zeroizing::new(Vec::with_capacity(length + 1));
    file.take(meta.len() + 1).read_to_end(&mut content).map_err(ReadError::Io)?;
    if content.len() > length {
        // It grew meanwhile: half a content is none.
        return Err(ReadError::Io(io::ErrorKind::Interrupted.into()));
    }
    Ok((content, Stamp::new(&meta)))
}

impl ReadError {
    /// The error of a file that is part of a vault.
    pub(super) fn of_vault(self) -> VaultError {
        match self {
            Self::Io(error) => VaultError::Unreadable(error.kind()),
            Self::NotAFile => VaultError::NotAFile,
            Self::TooLarge => VaultError::TooLarge,
            Self::Exposed => VaultError::KeyExposed,
        }
    }

    /// The error of a file with something to log in with.
    pub(super) fn of_login(self) -> VaultError {
        VaultError::LoginUnreadable(match self {
            Self::Io(error) => error.kind(),
            Self::NotAFile | Self::TooLarge => io::ErrorKind::InvalidData,
            Self::Exposed => io::ErrorKind::PermissionDenied,
        })
    }

    /// The error of a file that holds a master key.
    pub(super) fn of_key(self) -> VaultError {
        match self {
            Self::Io(error) => VaultError::KeyUnreadable(error.kind()),
            Self::NotAFile | Self::TooLarge => VaultError::KeyMalformed,
            Self::Exposed => VaultError::KeyExposed,
        }
    }
}

/// Writes a new file of mode 0600 to the disk.
///
/// # Errors
/// Those of the file system; `AlreadyExists` where there is one.
pub(super) fn create(path: &Path, content: &[u8]) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    if let Err(error) = written {
        let _ = std::fs::remove_file(path);
        return Err(error);
    }
    Ok(file)
}

/// Puts a new content in a file's place, on disk before this returns: readers see the old one or the new one, also after a crash. The new
/// file has mode 0600 and the owner of the old one, so that an administrator's change does not lock the proxy out.
///
/// # Errors
/// Those of the file system; the old file stands then.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let old = std::fs::metadata(path)?;
    let temporary = sibling(path, &format!(".{:016x}.tmp", u64::from_ne_bytes(random())));
    let placed = create(&temporary, content).and_then(|file| {
        let new = file.metadata()?;
        if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
            fchown(&file, Some(old.uid()), Some(old.gid()))?;
        }
        std::fs::rename(&temporary, path)
    });
    if placed.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    placed.and_then(|()| sync_directory(path))
}

/// A file to lock, made where it is not there; its owner is that of the file beside it, as far as this user may say so. It stays: removing it
/// would let two hold "the" lock.
///
/// # Errors
/// Those of the file system.
pub(super) fn lock_file(path: &Path, beside: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let (own, other) = (file.metadata()?, std::fs::metadata(beside)?);
    if (own.uid(), own.gid()) != (other.uid(), other.gid()) {
        // An administrator was first: the proxy's user has to be able to lock it too.
        let _ = fchown(&file, Some(other.uid()), Some(other.gid()));
    }
    Ok(file)
}

/// Makes the names in a file's directory last through a crash.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

/// The path with something added to the file's name.
pub(super) fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut text = path.as_os_str().to_owned();
    text.push(suffix);
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_settled_when_a_second_write_would_show() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_millis(seconds);
        let stamp = Stamp { device: 1, inode: 1, length: 1, modified: (1, 0), changed: (100, 500_000_000) };
        for (now, want) in [(100_600, false), (101_500, false), (101_501, true), (99_000, true), (200_000, true)] {
            assert_eq!(stamp.is_settled(at(now)), want, "{now}");
        }
    }

    #[test]
    fn reading_is_bounded_and_takes_regular_files_only() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        std::fs::write(&path, "12345").expect("written");
        assert_eq!(read(&path, 5, Access::Any).expect("read").0.as_slice(), b"12345");
        assert!(matches!(read(&path, 4, Access::Any), Err(ReadError::TooLarge)));
        assert!(matches!(read(dir.path(), 4, Access::Any), Err(ReadError::NotAFile)));
        assert!(matches!(read(&dir.path().join("none"), 4, Access::Any), Err(ReadError::Io(_))));
    }

    #[test]
    fn a_file_is_replaced_whole_and_leaves_nothing_beside() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        assert!(replace(&path, b"x").is_err(), "there is nothing to replace");
        create(&path, b"old").expect("created");
        assert_eq!(create(&path, b"again").expect_err("kept").kind(), io::ErrorKind::AlreadyExists);
        replace(&path, b"new").expect("replaced");
        assert_eq!(std::fs::read(&path).expect("read"), b"new");
        assert_eq!(std::fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).expect("listed").count(), 1);
    }
}
