//! When the file is not where the log goes on, since somebody moved, copied, cut or replaced it: what is there is taken back, what is not is missed loudly.

use std::fmt::Display;
use std::fs::File;
use std::io;
use std::path::Path;

use super::super::chain::{Chain, ChainId, Digest};
use super::super::known::{Known, Stray, last_of};
use super::super::read::Reader;
use super::super::segment::{Form, Segment, ZSTD, beside, whole_path};
use super::super::tail::{Tail, first_head};
use super::Sink;

impl Sink {
    /// How far the log is known to go. That it cannot be read stops nobody: the log goes on from its files, and it is written anew.
    pub(super) fn known(&mut self) -> Option<Known> {
        let known = Known::read(self.path.as_deref()?);
        known.unwrap_or_else(|error| {
            self.displaced("what is kept beside it of how far it went cannot be read", &error);
            None
        })
    }

    /// Holds what was found against how far the log is known to go, before anything is written; tells what cannot be found.
    pub(super) fn expect(&mut self, known: Known) -> io::Result<Option<Known>> {
        let Some(path) = self.path.clone().filter(|_| self.needs_disk().is_ok() && !known.is_in(&self.chain)) else {
            return Ok(None);
        };
        let is_empty = Tail::of(&self.file, self.file.metadata()?.len())?.chain.is_none();
        let stray = if is_empty { Stray::holding(&path, known, u64::MAX)? } else { None };
        if let Some(stray) = stray {
            self.take_back(&path, &stray);
            self.chain = stray.end;
            return Ok(None);
        }
        let what =
            format!("line {} of the log {} is not there any more, nor what came after it", known.seq, known.chain);
        if is_empty || self.chain.id == known.chain {
            // The numbers go on, so that names of files sort as lines do.
            let seq = known.seq.max(self.chain.seq);
            self.chain = Chain { id: ChainId::new(), seq, head: Chain::NOTHING };
        }
        let id = self.chain.id;
        self.displaced(&what, &format_args!("the log {id} goes on"));
        Ok(Some(known))
    }

    /// Looks for the file that was at the path until now, where it was not made whole by another process.
    pub(super) fn look_for(&mut self, path: &Path, old: &File, inode: u64) -> io::Result<()> {
        let Some(first) = first_head(old)? else { return Ok(()) };
        let whole = whole_path(path, first.seq);
        if whole.try_exists()? || beside(&whole, ZSTD).try_exists()? {
            return Ok(());
        }
        if let Some(stray) = Stray::at(path, inode, old)? {
            self.take_back(path, &stray);
            return Ok(());
        }
        // Another process may have seen that before.
        let next = Tail::of(&self.file, self.file.metadata()?.len())?.chain;
        if next.is_none_or(|next| next.id != self.chain.id || next.seq <= self.chain.seq) {
            self.displaced("its file was moved away or removed, and is missing", &path.display());
        }
        Ok(())
    }

    /// Looks for a copy of what was in the file before it was cut. Lines may have been written since, by another process too; `own` is the last
    /// one that this process knew of.
    pub(super) fn was_cut(&mut self, own: Chain) -> io::Result<()> {
        let Some(path) = self.path.clone() else { return Ok(()) };
        let first = first_head(&self.file)?;
        let wanted = first.map_or(self.chain, |first| first.before());
        let newest = Segment::whole(&path)?.pop();
        let known = Known { chain: self.chain.id, seq: newest.as_ref().and_then(|one| one.first).unwrap_or(0) + 1 };
        if newest.map_or(Ok(None), last_of)? == Some(wanted) {
            // Another process saw that before, and has taken the copy back, which may end before what this one wrote.
            if own.seq > wanted.seq && !is_in(&path, own)? {
                let at = format_args!("at line {}", wanted.seq);
                self.displaced("its file was cut, and the copy of it ends too early", &at);
            }
            return Ok(());
        }
        // Lines may have been written since, and copied again.
        let stray = Stray::holding(&path, known, first.map_or(u64::MAX, |_| wanted.seq))?;
        if let Some(stray) = &stray {
            self.take_back(&path, stray);
        }
        match stray.map(|stray| stray.end) {
            Some(end) if end == wanted => {}
            // Lines of another process, which this one did not see before the cut.
            Some(end) if end.seq > wanted.seq => self.chain = end,
            Some(end) => {
                let at = format_args!("at line {}", end.seq);
                self.displaced("its file was cut, and the copy of it ends too early", &at);
            }
            None => self.displaced("its file was cut, and what was in it is missing", &path.display()),
        }
        Ok(())
    }

    fn take_back(&mut self, path: &Path, stray: &Stray) {
        self.displaced("its file was moved or copied, and is taken back from", &stray.path.display());
        match stray.take_back(path) {
            Ok(whole) => {
                self.is_rotated = true;
                log::warn!("the audit log goes on, and what was moved is {} now", whole.display());
            }
            Err(error) => log::error!(error:%; "what was moved cannot be given the name by which it would be read"),
        }
    }

    /// Tells of it, in the process's log and in a counter.
    pub(super) fn displaced(&mut self, what: &str, which: &dyn Display) {
        self.displaced += 1;
        log::error!(
            "somebody changed the audit log's files: {what}: {which}; claviger rotates its log by itself, so let nothing else do it"
        );
    }
}

/// Whether this line is in the file that is written.
fn is_in(path: &Path, line: Chain) -> io::Result<bool> {
    let mut reader = Reader::open_one(Segment { path: path.to_owned(), first: None, form: Form::Plain })?;
    while let Some(found) = reader.next()? {
        if found.head.is_some_and(|head| (head.chain, head.seq) == (line.id, line.seq)) {
            return Ok(Digest::of(found.bytes) == line.head);
        }
    }
    Ok(false)
}
