//! The files that keys are in: one for each period, in a directory that is their owner's alone.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::fault::{KeyFault, Wrong};
use super::{Field, Period, Pseudonym};
use crate::crypto::random;
use crate::domain::{Secret, hex};

/// The keys of a directory: `PERIOD.key` each. `.PERIOD.…` is one that is being made or destroyed, `PERIOD.….erased` a note of one that was.
#[derive(Debug, Clone)]
pub struct Keys(PathBuf);

/// The key of one period, and which file it is in.
#[derive(Debug)]
pub struct Key {
    secret: Secret,
    stamp: Stamp,
}

/// What tells one file at a path from the next: an inode's number is soon given again.
type Stamp = (u64, u64, i64, i64);

/// A key was destroyed, and the log does not tell of it yet.
#[derive(Debug)]
pub(in crate::audit) struct Note {
    path: PathBuf,
    /// Held while it is told.
    _file: File,
    pub(in crate::audit) period: Period,
    pub(in crate::audit) by: String,
    pub(in crate::audit) at: SystemTime,
}

/// The length of a key, in bytes.
const LENGTH: usize = 32;
const KEY: &str = ".key";
const ERASED: &str = ".erased";
/// No note is longer, in bytes.
const LONGEST_NOTE: u64 = 256;

impl Keys {
    /// Those of a directory that is there.
    ///
    /// # Errors
    /// When it is not, or others may use it.
    pub fn of(directory: &Path) -> Result<Self, KeyFault> {
        let about = fs::symlink_metadata(directory).map_err(|error| KeyFault::io(directory, error))?;
        if !about.is_dir() {
            return Err(KeyFault::new(directory, Wrong::NotADirectory));
        }
        check(directory, &about, "700")?;
        Ok(Self(directory.to_owned()))
    }

    /// Those of a directory, which is made where it is not there.
    ///
    /// # Errors
    /// When it cannot be made, or others may use it.
    pub(in crate::audit) fn make(directory: &Path) -> Result<Self, KeyFault> {
        match DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(KeyFault::io(directory, error)),
            Ok(()) | Err(_) => {}
        }
        Self::of(directory)
    }

    /// The periods that there is a key of, the oldest first; also where it was only half made or destroyed.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn periods(&self) -> Result<Vec<Period>, KeyFault> {
        let half = |name: &str| name.strip_prefix('.')?.split_once('.')?.0.parse().ok();
        let whole = |name: &str| name.strip_suffix(KEY)?.parse().ok();
        let mut periods: Vec<Period> =
            self.names()?.iter().filter_map(|name| half(name).or_else(|| whole(name))).collect();
        periods.sort_by_key(|period| (period.end(), period.begin()));
        periods.dedup();
        Ok(periods)
    }

    /// The key of a period; none where there is none.
    ///
    /// # Errors
    /// When it cannot be read, others may read it, or it is none.
    pub fn read(&self, period: Period) -> Result<Option<Key>, KeyFault> {
        let path = self.path(period);
        let failed = |error| KeyFault::io(&path, error);
        let there = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            there => there.map_err(failed)?,
        };
        // Opening a pipe would wait for a writer.
        if !there.is_file() {
            return Err(KeyFault::new(&path, Wrong::NotAKey));
        }
        let mut file = File::open(&path).map_err(failed)?;
        let about = file.metadata().map_err(failed)?;
        check(&path, &about, "600")?;
        let mut bytes = Zeroizing::new(vec![0; LENGTH]);
        if about.len() != LENGTH as u64 || file.read_exact(&mut bytes).is_err() {
            return Err(KeyFault::new(&path, Wrong::NotAKey));
        }
        if bytes.iter().all(|&byte| byte == 0) {
            // It was being destroyed: under it anybody could tell whose a pseudonym is.
            return Err(KeyFault::new(&path, Wrong::NotAKey));
        }
        Ok(Some(Key { secret: Secret::new(std::mem::take(&mut *bytes)), stamp: stamp(&about) }))
    }

    /// The key of a period, which is made where there is none. Of several processes that make it at once, all have the same.
    ///
    /// # Errors
    /// When it can be neither read nor made.
    pub(in crate::audit) fn take(&self, period: Period) -> Result<Key, KeyFault> {
        if let Some(key) = self.read(period)? {
            return Ok(key);
        }
        let path = self.path(period);
        let failed = |error| KeyFault::io(&path, error);
        let part = self.hidden(period);
        let placed = write_new(&part, &*Zeroizing::new(random::<LENGTH>())).and_then(|_| fs::hard_link(&part, &path));
        let _ = fs::remove_file(&part);
        match placed {
            // Another process was first: its key is the one.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            Ok(()) | Err(_) => {}
        }
        self.sync().map_err(failed)?;
        self.read(period)?.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
    }

    /// Whether this is the period's key yet.
    pub(in crate::audit) fn is_still(&self, period: Period, key: &Key) -> bool {
        fs::symlink_metadata(self.path(period)).is_ok_and(|about| stamp(&about) == key.stamp)
    }

    /// Destroys the key of a period, with what is left of one that was being made or destroyed, and leaves a note for the gateway to tell of in
    /// its log. Tells whether there was one.
    ///
    /// # Errors
    /// When it cannot be destroyed, or the note not be left.
    pub fn erase(&self, period: Period, by: &str, now: SystemTime) -> Result<bool, KeyFault> {
        let path = self.path(period);
        let failed = |error| KeyFault::io(&path, error);
        // Nobody may take it for a key once it is overwritten.
        match fs::rename(&path, self.hidden(period)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            Ok(()) | Err(_) => {}
        }
        // Before anything is overwritten: after a power cut there is a key of this name, or there is none.
        self.sync().map_err(failed)?;
        let prefix = format!(".{period}.");
        let names: Vec<_> = self.names()?.into_iter().filter(|name| name.starts_with(&prefix)).collect();
        if names.is_empty() {
            return Ok(false);
        }
        // First the note: what is destroyed and not told of could never be told of again.
        self.note(period, by, now).map_err(failed)?;
        let mut was_there = false;
        for name in names {
            match destroy(&self.0.join(name)) {
                Ok(()) => was_there = true,
                // Another process was quicker.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error)),
            }
        }
        self.sync().map_err(failed)?;
        Ok(was_there)
    }

    fn note(&self, period: Period, by: &str, now: SystemTime) -> io::Result<()> {
        let at = Timestamp::try_from(now).unwrap_or(Timestamp::UNIX_EPOCH);
        let path = self.0.join(format!("{period}.{}{ERASED}", hex(&random::<8>())));
        let file = write_new(&path, format!("{at} {by}\n").as_bytes())?;
        let (own, owner) = (file.metadata()?, fs::metadata(&self.0)?);
        if own.uid() != owner.uid() {
            // An administrator did it: the gateway has to be able to read it.
            fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
        }
        self.sync()
    }

    /// The notes that no other process tells of.
    pub(in crate::audit) fn notes(&self) -> Result<Vec<Note>, KeyFault> {
        let notes = self.names()?;
        Ok(notes.iter().filter(|name| name.ends_with(ERASED)).filter_map(|name| Note::read(&self.0, name)).collect())
    }

    fn path(&self, period: Period) -> PathBuf {
        self.0.join(format!("{period}{KEY}"))
    }

    fn hidden(&self, period: Period) -> PathBuf {
        self.0.join(format!(".{period}.{}", hex(&random::<8>())))
    }

    fn names(&self) -> Result<Vec<String>, KeyFault> {
        let all = fs::read_dir(&self.0).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let all = all.map_err(|error| KeyFault::io(&self.0, error))?;
        Ok(all.iter().filter_map(|entry| entry.file_name().into_string().ok()).collect())
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }
}

impl Key {
    /// The pseudonym of a value under this key.
    pub fn pseudonym(&self, field: Field, value: &str) -> Pseudonym {
        Pseudonym::new(self.secret.expose(), field, value)
    }
}

impl Note {
    fn read(directory: &Path, name: &str) -> Option<Self> {
        let period = name.strip_suffix(ERASED)?.split_once('.')?.0.parse().ok()?;
        let path = directory.join(name);
        let mut file = File::open(&path).ok()?;
        if file.try_lock().is_err() || !path.exists() {
            return None;
        }
        let mut text = String::new();
        (&mut file).take(LONGEST_NOTE).read_to_string(&mut text).ok()?;
        let (at, by) = text.trim_end().split_once(' ')?;
        let at = SystemTime::try_from(at.parse::<Timestamp>().ok()?).ok()?;
        Some(Self { period, by: by.to_owned(), at, path, _file: file })
    }

    /// The log tells of it.
    pub(in crate::audit) fn told(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

/// Whether a file or directory is its owner's alone, who is this user, or root asks.
fn check(path: &Path, about: &Metadata, mode: &'static str) -> Result<(), KeyFault> {
    let user = rustix::process::geteuid();
    if about.mode() & 0o077 != 0 {
        Err(KeyFault::new(path, Wrong::Exposed(mode)))
    } else if !user.is_root() && about.uid() != user.as_raw() {
        Err(KeyFault::new(path, Wrong::Foreign))
    } else {
        Ok(())
    }
}

fn stamp(about: &Metadata) -> Stamp {
    (about.dev(), about.ino(), about.ctime(), about.ctime_nsec())
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()?;
    Ok(file)
}

/// Overwrites a file, and removes it. What is none is removed alone: whoever owns the directory may have put a link there, and an administrator
/// follows it nowhere.
fn destroy(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.is_file() {
        return fs::remove_file(path);
    }
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let mut file = OpenOptions::new().write(true).custom_flags(flags.cast_signed()).open(path)?;
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(LENGTH).clamp(LENGTH, 4096);
    file.write_all(&vec![0_u8; length])?;
    file.sync_all()?;
    fs::remove_file(path)
}

#[cfg(test)]
mod tests;
