//! Where lines meet the file: the only place that links them and the only one that writes.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use super::batch::{Batch, Linked};
use super::chain::{Chain, Kind};
use super::known::{Known, free_name, last_of};
use super::line::moment;
use super::segment::{Segment, directory};
use super::tail::{Tail, Torn, first_head};
use crate::crypto::SigningKey;
#[cfg(test)]
pub(super) use disk::Moment;

/// The log's file.
///
/// It is open for appending, and locked while a batch is linked and written, so that an old and a new process share one chain during an
/// upgrade: each goes on where the other ended. Between two batches somebody may rotate, move or delete the file.
pub(super) struct Sink {
    /// None for standard output, which nobody moves.
    path: Option<PathBuf>,
    file: File,
    /// The size of the file when the end of the chain was last known to be its last line; none when that has to be looked at.
    len: Option<u64>,
    /// Up to where the system has been told that nobody needs it in memory.
    left: u64,
    /// Since when the file is written, as far as that is known.
    began: SystemTime,
    chain: Chain,
    torn: Option<Torn>,
    linked: Linked,
    limits: Limits,
    /// Whether it is kept beside the file how far it goes.
    is_noted: bool,
    /// Until when it is not tried again to make the file whole.
    given_up_until: Option<SystemTime>,
    /// Whether it has been made whole since that was last looked at.
    pub(super) is_rotated: bool,
    /// Whether somebody has cut the file, and with it, it may be, lines that were not on the disk yet, since that was last looked at.
    pub(super) is_cut: bool,
    /// How often the file was not where the log goes on, since that was last looked at.
    pub(super) displaced: u64,
    /// What signs checkpoints.
    pub(super) key: Option<Arc<SigningKey>>,
    /// Checkpoints that were written and not fetched.
    pub(super) checkpoints: Vec<Vec<u8>>,
    /// How many times the disk is to fail.
    #[cfg(test)]
    pub(super) sync_faults: std::cell::Cell<u32>,
    /// When somebody else is to cut the file.
    #[cfg(test)]
    pub(super) cut: std::cell::Cell<Option<Moment>>,
}

/// When a file is whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) size: u64,
    pub(super) age: Duration,
}

/// How long another process may write.
const PATIENCE: Duration = Duration::from_millis(500);
/// When it is tried again to make a file whole.
const ROTATE_AGAIN: Duration = Duration::from_mins(1);
const LOCK_EVERY: Duration = Duration::from_millis(1);

impl Sink {
    /// Opens the file at the path, created for its owner alone where there is none, or standard output.
    pub(super) fn open(path: Option<PathBuf>, limits: Limits, now: SystemTime) -> io::Result<Self> {
        let file = match &path {
            Some(path) => open_file(path)?,
            // The stream of `std` has a buffer of its own that hides how much was written.
            None => File::from(io::stdout().as_fd().try_clone_to_owned()?),
        };
        let chain = Chain::new();
        let linked = Linked::new(chain);
        let (len, began) = (path.is_none().then_some(0), now);
        let (torn, key, checkpoints) = (None, None, Vec::new());
        let (given_up_until, is_rotated, is_noted, is_cut, displaced) = (None, false, false, false, 0);
        Ok(Self {
            path,
            file,
            len,
            left: 0,
            began,
            chain,
            torn,
            linked,
            limits,
            is_noted,
            given_up_until,
            is_rotated,
            is_cut,
            displaced,
            key,
            checkpoints,
            #[cfg(test)]
            sync_faults: std::cell::Cell::default(),
            #[cfg(test)]
            cut: std::cell::Cell::default(),
        })
    }

    /// The end of the chain, as it was left.
    #[cfg(test)]
    pub(super) fn chain(&self) -> Chain {
        self.chain
    }

    /// Finds where the log goes on; tells how far a log went before that is not there any more, for whose sake another chain begins.
    pub(super) fn begin(&mut self, now: SystemTime) -> io::Result<Option<Known>> {
        let done = self.lock(now).and_then(|()| {
            // Under the lock: another process may begin another chain, and say so there.
            self.known().map_or(Ok(None), |known| self.expect(known))
        });
        let _ = self.file.unlock();
        done
    }

    /// When the file is to become whole, if nothing else happens before.
    pub(super) fn due_in(&self, now: SystemTime) -> Option<Duration> {
        self.len.filter(|len| *len > 0)?;
        let age = now.duration_since(self.began).unwrap_or_default();
        let given_up = self.given_up_until.and_then(|until| until.duration_since(now).ok()).unwrap_or_default();
        let left = self.limits.age.saturating_sub(age).max(given_up);
        Some(if left.is_zero() && !self.is_due(now) { ROTATE_AGAIN } else { left })
    }

    /// Whether the file is to become whole.
    pub(super) fn is_due(&self, now: SystemTime) -> bool {
        let age = now.duration_since(self.began).unwrap_or_default();
        let is_due = |len| len >= self.limits.size || (len > 0 && age >= self.limits.age);
        let is_tried = self.given_up_until.is_none_or(|until| now >= until);
        is_tried && self.len.is_some_and(is_due) && self.is_movable()
    }

    /// Whether a file of its own is at the path: a device, a pipe or a link is somebody else's to move.
    fn is_movable(&self) -> bool {
        self.path.as_ref().is_some_and(|path| fs::symlink_metadata(path).is_ok_and(|about| about.is_file()))
    }

    /// Writes what is left of the batch, and makes the file whole when it is time, with a checkpoint of which `closing` adds the members. After
    /// an error it may be called again, and goes on where the file ends.
    pub(super) fn write(
        &mut self,
        batch: &mut Batch,
        closing: impl FnOnce(&mut Vec<u8>),
        now: SystemTime,
    ) -> io::Result<()> {
        let done = self.lock(now).and_then(|()| {
            self.link(now);
            self.linked.batch(batch, self.key.as_ref());
            let done = self.put();
            batch.did(done.0);
            done.1?;
            if self.is_due(now) { self.rotate(closing, now) } else { Ok(()) }
        });
        // Of a file that cannot be locked either, nothing has to be given back.
        let _ = self.file.unlock();
        if done.is_ok() && !self.is_noted {
            // Without the lock: what another process has left to bring to the disk may be much, and it must be able to go on.
            self.sync()?;
            self.note();
        }
        self.leave();
        done
    }

    /// Begins new lines behind the last one, and tells of half a line.
    fn link(&mut self, now: SystemTime) {
        self.linked.begin(self.chain);
        if let Some(torn) = self.torn {
            self.linked.torn(torn, &moment(now));
        }
    }

    /// Writes what is linked; tells how many lines of the batch are in the file, whatever came of the rest.
    fn put(&mut self) -> (usize, io::Result<()>) {
        let (mut written, mut result) = (0, Ok(()));
        while let Some(rest) = self.linked.text.get(written..).filter(|rest| !rest.is_empty()) {
            match self.file.write(rest) {
                Ok(0) => result = Err(io::ErrorKind::WriteZero.into()),
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => result = Err(error),
            }
            if result.is_err() {
                break;
            }
        }
        let (lines, chain, end) = self.linked.within(written);
        self.checkpoints.extend(self.linked.checkpoints(written).map(<[u8]>::to_vec));
        self.chain = chain;
        self.after(written, end);
        #[cfg(test)]
        self.cut_at(Moment::Written);
        (lines, result.and_then(|()| self.look_again()))
    }

    /// Takes back what was written of a line that has no end: the next would begin in its middle.
    fn after(&mut self, written: usize, end: usize) {
        let before = self.len;
        self.len = before.map(|before| before + end as u64);
        if end > 0 {
            self.torn = None;
        }
        if written == end {
            return;
        }
        let all = before.map(|before| before + written as u64).filter(|_| self.path.is_some());
        // A file that was cut meanwhile would become longer by that, and is noticed by its length.
        let is_cut =
            all.is_some_and(|all| self.file.metadata().is_ok_and(|about| about.is_file() && about.len() < all));
        let is_back = !is_cut && all.and(self.len).is_some_and(|len| self.file.set_len(len).is_ok());
        if !is_back {
            // Found again at the end of a file; of anything else, it is all that is known.
            self.torn = Some(Torn::of(&self.linked.text[end..written]));
            self.len = if self.path.is_none() { self.len } else { all.filter(|_| is_cut) };
        }
    }

    /// Locks the file that is at the path now, and finds the end of the chain in it.
    fn lock(&mut self, now: SystemTime) -> io::Result<()> {
        let Some(path) = self.path.clone() else { return Ok(()) };
        loop {
            lock(&self.file)?;
            self.catch_up()?;
            let ours = self.file.metadata()?;
            match fs::metadata(&path) {
                Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            // What another process wrote to the old one has been looked at: nobody adds to it any more.
            let next = open_file(&path)?;
            let old = std::mem::replace(&mut self.file, next);
            (self.len, self.torn, self.began, self.is_noted) = (None, None, now, false);
            if ours.is_file() && ours.len() > 0 && self.is_movable() {
                self.look_for(&path, &old, ours.ino())?;
            }
        }
    }

    /// Takes over what another process, or one before, has written.
    fn catch_up(&mut self) -> io::Result<()> {
        let about = self.file.metadata()?;
        if self.path.is_none() || !about.is_file() {
            self.len.get_or_insert(0);
            return Ok(());
        }
        if self.len == Some(about.len()) {
            return Ok(());
        }
        let tail = Tail::of(&self.file, about.len())?;
        let whole = if tail.chain.is_none() { self.last_of_whole()? } else { None };
        let is_newer = |chain: &Chain| chain.id == self.chain.id && chain.seq >= self.chain.seq;
        let (is_new, own) = (self.chain.seq == 0, self.chain);
        if let Some(chain) = tail.chain.or(whole).filter(|chain| is_new || is_newer(chain)) {
            self.chain = chain;
        } else if is_new {
            // Lines from before there was a chain are held by it at their end.
            self.chain.head = tail.last.unwrap_or(Chain::NOTHING);
        } else if let Some(other) = tail.chain.filter(|chain| chain.id != self.chain.id) {
            self.displaced("another log is in its place, which goes on", &other.id);
            self.chain = other;
        }
        if self.chain.id == own.id && self.len.is_some_and(|len| about.len() < len) {
            self.was_cut(own)?;
        }
        if about.len() > 0 && self.len.is_none() {
            self.began = about.created().unwrap_or(self.began);
        }
        (self.torn, self.len) = (tail.torn, Some(about.len()));
        Ok(())
    }

    /// The end of the chain in the newest whole file, where that one begins behind what is known: a file may have come and gone since.
    fn last_of_whole(&self) -> io::Result<Option<Chain>> {
        let Some(path) = &self.path else { return Ok(None) };
        let newest = Segment::whole(path)?.pop();
        let is_news = |one: &Segment| self.chain.seq == 0 || one.first > Some(self.chain.seq);
        newest.filter(is_news).map_or(Ok(None), last_of)
    }

    /// Ends the file with a checkpoint, gives it the name of a whole one, and begins the next. An error is one of writing: where only the
    /// name cannot be given, requests go on, for the file is longer than it should be, and whole.
    fn rotate(&mut self, closing: impl FnOnce(&mut Vec<u8>), now: SystemTime) -> io::Result<()> {
        let Some(path) = self.path.clone() else { return Ok(()) };
        let begun = match self.whole_name(&path) {
            Ok(_) => {
                self.end_file(closing, now)?;
                // Once more: where the file was cut meanwhile, its copy has the name, and it begins with another line.
                self.whole_name(&path).and_then(|whole| fs::rename(&path, whole)).and_then(|()| open_file(&path))
            }
            Err(error) => Err(error),
        };
        match begun {
            Ok(file) => {
                // The lock is kept until the old file is closed: who waits for it finds that it was moved.
                self.file = file;
                (self.len, self.began, self.is_rotated, self.is_noted) = (None, now, true, false);
                File::open(directory(&path))?.sync_all()
            }
            Err(error) => {
                log::error!(error:%; "the audit log cannot be rotated");
                self.given_up_until = Some(now + ROTATE_AGAIN);
                Ok(())
            }
        }
    }

    /// What the file is called once it is whole.
    fn whole_name(&self, path: &Path) -> io::Result<PathBuf> {
        let first = first_head(&self.file)?.map_or(self.chain.seq + 1, |head| head.seq);
        free_name(path, first)
    }

    /// Ends the file with a checkpoint, and brings it to the disk.
    fn end_file(&mut self, closing: impl FnOnce(&mut Vec<u8>), now: SystemTime) -> io::Result<()> {
        self.link(now);
        let mut members = Vec::new();
        closing(&mut members);
        self.linked.line(Kind::Checkpoint, &members, self.key.as_ref());
        self.put().1?;
        self.sync()?;
        self.note();
        Ok(())
    }
}

fn lock(file: &File) -> io::Result<()> {
    let mut waited = Duration::ZERO;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if waited < PATIENCE => thread::sleep(LOCK_EVERY),
            Err(TryLockError::WouldBlock) => return Err(io::Error::other("another process holds the audit log")),
            // A file system without locks: there is one process, but for the moments of an upgrade.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        waited += LOCK_EVERY;
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
}

mod disk;
mod displaced;
#[cfg(test)]
mod tests;
