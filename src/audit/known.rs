//! How far a log is known to go, kept beside it, so that it is noticed when somebody else moved, copied, cut or removed its file; and how a
//! file that was moved is taken back.
//!
//! `PATH.end` holds the id of the chain and the number of a line that is on the disk: `CHAIN SEQ`, always of one length, so that it is
//! overwritten whole. What it says may lag behind, never ahead.

use std::fs::{self, DirEntry, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirEntryExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::chain::{Chain, ChainId};
use super::segment::{Form, Segment, ZSTD, beside, directory, is_whole, whole_path};
use super::tail::{Tail, first_head};

/// A line that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) chain: ChainId,
    pub(super) seq: u64,
}

impl Known {
    /// What is known of the log at this path; none where that is nothing.
    ///
    /// # Errors
    /// When that cannot be read; [`InvalidData`](io::ErrorKind::InvalidData) when it is not what was written there.
    pub(super) fn read(path: &Path) -> io::Result<Option<Self>> {
        let file = match open_end(path, OpenOptions::new().read(true)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut text = Vec::new();
        file.take(LENGTH).read_to_end(&mut text)?;
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, format!("{} is damaged", end_path(path).display()));
        Self::parse(&text).map(Some).ok_or_else(damaged)
    }

    /// Says that the log at this path goes at least so far.
    pub(super) fn write(self, path: &Path) -> io::Result<()> {
        let file = open_end(path, OpenOptions::new().write(true).create(true).truncate(false).mode(0o600))?;
        file.write_all_at(format!("{} {:020}\n", self.chain, self.seq).as_bytes(), 0)
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let (chain, seq) = std::str::from_utf8(text).ok()?.strip_suffix('\n')?.split_once(' ')?;
        let is_whole = seq.len() == 20 && seq.bytes().all(|b| b.is_ascii_digit());
        let chain = ChainId::parse(chain.as_bytes()).filter(|_| is_whole)?;
        Some(Self { chain, seq: seq.parse().ok()? })
    }

    /// Whether a log that ends so holds it.
    pub(super) fn is_in(self, end: &Chain) -> bool {
        end.id == self.chain && end.seq >= self.seq
    }
}

/// How long it is: an id, a blank, twenty digits and a line feed.
const LENGTH: u64 = 8 + 1 + 20 + 1;

/// Where it is kept.
fn end_path(path: &Path) -> PathBuf {
    beside(path, ".end")
}

/// Opens it. What is no file there is an error: the writer must not wait for the other end of a pipe.
fn open_end(path: &Path, options: &OpenOptions) -> io::Result<File> {
    let end = end_path(path);
    if fs::metadata(&end).is_ok_and(|about| !about.is_file()) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{} is no file", end.display())));
    }
    options.open(end)
}

/// The end of the chain in a whole file. Other processes may wait for it: of one that is compressed, which has to be read from its beginning, no
/// line is looked at but the last ones.
pub(super) fn last_of(whole: Segment) -> io::Result<Option<Chain>> {
    let file = File::open(&whole.path)?;
    let tail = match whole.form {
        Form::Live | Form::Plain => {
            let len = file.metadata()?.len();
            Tail::of(&file, len)?
        }
        Form::Zstd => Tail::of_stream(&mut zstd::Decoder::new(file)?)?,
    };
    Ok(tail.chain)
}

/// A file of a log that somebody moved.
#[derive(Debug)]
pub(super) struct Stray {
    pub(super) path: PathBuf,
    /// The number of its first line, and where it ends.
    first: u64,
    pub(super) end: Chain,
}

impl Stray {
    /// The file beside the log that holds this line, under a name that begins as the log's does, and ends with line `most` at the latest: of
    /// some, the one that goes farthest.
    pub(super) fn holding(path: &Path, known: Known, most: u64) -> io::Result<Option<Self>> {
        let stem = path.file_stem().unwrap_or_default().as_bytes();
        let mut found: Option<Self> = None;
        for entry in strangers(path)? {
            let is_named_so = entry.file_name().as_bytes().starts_with(stem);
            if !is_named_so || !entry.file_type()?.is_file() {
                continue;
            }
            // What nobody may read is not the log's: its files belong to who writes them.
            let Some(one) = File::open(entry.path()).and_then(|file| Self::of(entry.path(), &file)).ok().flatten()
            else {
                continue;
            };
            let is_it = known.is_in(&one.end) && one.end.seq <= most;
            if is_it && found.as_ref().is_none_or(|found| found.end.seq < one.end.seq) {
                found = Some(one);
            }
        }
        Ok(found)
    }

    /// The file of this inode, wherever it is in the log's directory.
    pub(super) fn at(path: &Path, inode: u64, file: &File) -> io::Result<Option<Self>> {
        let name = strangers(path)?.into_iter().find(|entry| entry.ino() == inode).map(|entry| entry.path());
        name.map_or(Ok(None), |name| Self::of(name, file))
    }

    /// What a file is; none where it is none that lines were appended to. An anchor has checkpoints alone.
    fn of(path: PathBuf, file: &File) -> io::Result<Option<Self>> {
        let mut first = [0];
        if file.read_at(&mut first, 0)? == 0 || first != *b"{" {
            // The writer looks: what is compressed, or no log at all, is not read through for the end of a line.
            return Ok(None);
        }
        let tail = Tail::of(file, file.metadata()?.len())?;
        let end = tail.chain.filter(|_| tail.is_log);
        let first = if end.is_some() { first_head(file)? } else { None };
        Ok(first.zip(end).map(|(first, end)| Self { path, first: first.seq, end }))
    }

    /// Gives it the name of a whole file of the log, under which it is read; tells that.
    pub(super) fn take_back(&self, log: &Path) -> io::Result<PathBuf> {
        let whole = free_name(log, self.first)?;
        fs::rename(&self.path, &whole)?;
        Ok(whole)
    }
}

/// What the file that begins with this line is called once it is whole; an error where one has that name already.
pub(super) fn free_name(path: &Path, first: u64) -> io::Result<PathBuf> {
    let whole = whole_path(path, first);
    for taken in [whole.clone(), beside(&whole, ZSTD)] {
        if taken.try_exists()? {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, taken.display().to_string()));
        }
    }
    Ok(whole)
}

/// What is beside the log and not one of its files by name.
fn strangers(path: &Path) -> io::Result<Vec<DirEntry>> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let all = fs::read_dir(directory(path))?.take(MOST);
    let is_stranger = |entry: &DirEntry| entry.file_name() != name && !is_whole(name, &entry.file_name());
    all.filter(|entry| entry.as_ref().map_or(true, is_stranger)).collect()
}

/// So many files are looked at.
const MOST: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::super::chain::Kind;
    use super::*;

    #[test]
    fn what_is_known_of_a_log_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.log");
        assert_eq!(Known::read(&path).expect("read"), None);
        for seq in [u64::MAX, 7] {
            let known = Known { chain: ChainId::new(), seq };
            known.write(&path).expect("written");
            assert_eq!(Known::read(&path).expect("read"), Some(known));
        }
        let known = Known { chain: ChainId::new(), seq: 12 };
        known.write(&path).expect("written");
        let whole = fs::read(end_path(&path)).expect("read");
        let (cut, half) = (&whole[..whole.len() - 1], &whole[..15]);
        for damaged in [&b"torn"[..], b"", b"\xff\xfe", cut, half] {
            fs::write(end_path(&path), damaged).expect("written");
            assert_eq!(Known::read(&path).expect_err("damaged").kind(), io::ErrorKind::InvalidData);
        }
        fs::write(end_path(&path), [&whole[..], &[b'x'; 10_000]].concat()).expect("written");
        assert_eq!(Known::read(&path).expect("read"), Some(known), "nothing behind it is looked at");
    }

    #[test]
    fn the_end_of_a_whole_file_is_found_whatever_comes_before_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let plain = whole_path(&folder.path().join("audit.log"), 1);
        let packed = beside(&plain, ZSTD);
        let (mut chain, mut line) = (Chain::new(), b"\n".to_vec());
        chain.link(&mut line, Kind::Checkpoint, b"");
        let file = File::create(&plain).expect("created");
        // Longer than any line that is read through.
        file.write_all_at(&line, 100 << 20).expect("written");
        let (from, to) = (File::open(&plain).expect("opened"), File::create(&packed).expect("created"));
        zstd::stream::copy_encode(from, to, 1).expect("compressed");
        for (path, form) in [(plain, Form::Plain), (packed, Form::Zstd)] {
            assert_eq!(last_of(Segment { path, first: Some(1), form }).expect("read"), Some(chain), "{form:?}");
        }
    }

    #[test]
    fn a_stray_is_told_from_an_anchor_another_log_and_an_older_copy() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.log");
        let (mut chain, mut other) = (Chain::new(), Chain::new());
        let (mut text, mut anchor, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for kind in [Kind::Opened, Kind::Checkpoint, Kind::Exchange] {
            chain.link(&mut text, kind, b"");
            other.link(&mut others, kind, b"");
        }
        let known = Known { chain: chain.id, seq: 3 };
        let older = text.clone();
        let start = text.len();
        chain.link(&mut text, Kind::Checkpoint, b"");
        anchor.extend_from_slice(&text[start..]);
        for (name, text) in [
            ("audit.anchor", &anchor),
            ("audit.log.copy", &older),
            ("audit-2.log", &others),
            ("audit.log.checkpoints", &anchor),
            ("elsewhere.log", &text),
        ] {
            fs::write(folder.path().join(name), text).expect("written");
        }
        let found = Stray::holding(&path, known, u64::MAX).expect("looked").expect("the copy");
        assert_eq!((found.path, found.end.seq), (folder.path().join("audit.log.copy"), 3));
        fs::write(folder.path().join("audit.log-20261128"), &text).expect("written");
        let older = Stray::holding(&path, known, 3).expect("looked").expect("the copy");
        assert_eq!(older.path, folder.path().join("audit.log.copy"));
        let found = Stray::holding(&path, known, u64::MAX).expect("looked").expect("the moved one");
        assert_eq!(found.end, chain);
        assert_eq!(found.take_back(&path).expect("renamed"), whole_path(&path, 1));
        assert!(found.take_back(&path).is_err(), "over no other file");
        assert!(Stray::holding(&path, Known { seq: 9, ..known }, u64::MAX).expect("looked").is_none());
    }
}
