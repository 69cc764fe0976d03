//! What of the lines that were written is on the disk, and stays there: whoever cuts the file asks for no lock.

use std::io;
use std::num::NonZeroU64;

use rustix::fs::{Advice, fadvise};

use super::super::known::Known;
use super::Sink;

/// When somebody else may cut the file, whom no lock keeps from it.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::audit) enum Moment {
    /// Lines were written, and the file was not looked at since.
    Written,
    /// It was looked at since, and they are not known to be on the disk.
    Unsynced,
}

/// How much of the end of a file stays in the system's memory at least, in bytes: those who follow the log closely read there. No more, so that the
/// pages for what comes are still in the processor's caches: with eight times as much a write takes half as long again.
pub(super) const KEPT: u64 = 512 << 10;

impl Sink {
    /// Tells the system, from time to time, that nobody needs in memory what was written a while ago: it brings that to the disk now and takes
    /// the same pages for what comes. Else a log fills all memory there is, and on each page for it has to be taken from somebody first, which
    /// takes longer than all else that is done for a line.
    pub(super) fn leave(&mut self) {
        let Some(end) = self.len.and_then(|len| len.checked_sub(KEPT)).and_then(NonZeroU64::new) else {
            self.left = 0;
            return;
        };
        // From the beginning, since what was not on the disk yet stayed the last time.
        if end.get().abs_diff(self.left) >= KEPT {
            self.left = end.get();
            // Advice: where it cannot be taken, memory is the system's to manage.
            let _ = fadvise(&self.file, 0, Some(end), Advice::DontNeed);
        }
    }

    /// Waits until what was written is on the disk. Pipes and terminals have none. An error is told once: after it nobody knows what is there.
    pub(in crate::audit) fn sync(&mut self) -> io::Result<()> {
        let done = self.try_sync();
        if done.is_err() {
            // Those that go elsewhere must be in the log too.
            self.checkpoints.clear();
        }
        done
    }

    fn try_sync(&mut self) -> io::Result<()> {
        #[cfg(test)]
        if self.sync_faults.replace(self.sync_faults.get().saturating_sub(1)) > 0 {
            return Err(io::Error::other("as a disk that fails once"));
        }
        #[cfg(test)]
        self.cut_at(Moment::Unsynced);
        if !self.file.metadata()?.is_file() {
            return Ok(());
        }
        self.file.sync_data()?;
        // Only now: what was cut off before is not on the disk.
        if self.path.is_some() && self.len > Some(self.file.metadata()?.len()) {
            self.cut_off();
        }
        Ok(())
    }

    /// Takes it that lines may be gone that were just written.
    fn cut_off(&mut self) {
        self.is_cut = true;
        self.checkpoints.clear();
    }

    #[cfg(test)]
    pub(super) fn cut_at(&self, moment: Moment) {
        if self.cut.get() == Some(moment) {
            self.cut.take();
            self.file.set_len(0).expect("cut");
        }
    }

    /// Keeps beside the file how far the log goes, of which everything is on the disk.
    pub(in crate::audit) fn note(&mut self) {
        self.is_noted = true;
        let Some(path) = self.path.as_deref().filter(|_| self.chain.seq > 0 && self.needs_disk().is_ok()) else {
            return;
        };
        if let Err(error) = (Known { chain: self.chain.id, seq: self.chain.seq }).write(path) {
            log::error!(error:%; "it cannot be kept how far the audit log goes: a file that is moved would not be missed");
        }
    }

    /// Fails where what is written cannot be on a disk.
    pub(in crate::audit) fn needs_disk(&self) -> io::Result<()> {
        let is_file = self.file.metadata()?.is_file();
        let wrong = || io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file, which `fsync` needs");
        if is_file { Ok(()) } else { Err(wrong()) }
    }

    /// Looks whether somebody has cut the file since lines were written.
    pub(super) fn look_again(&mut self) -> io::Result<()> {
        let written = self.len;
        self.catch_up()?;
        if self.len < written {
            self.cut_off();
        }
        Ok(())
    }
}
