//! What becomes of whole files: they are compressed, and removed when they are old, but for what the chain needs of them.
//!
//! A thread of its own does it. During an upgrade two processes may: whoever compresses a file has locked what comes of it, and not the file,
//! for whose lock the other process's records would wait.

use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::domain::unhurried;

use super::segment::{Form, Segment, ZSTD, beside, directory, is_whole};

/// Wakes the thread; it ends when this is dropped.
pub(super) struct Keeper(SyncSender<()>);

/// How often it is looked whether something is old.
const LOOK_EVERY: Duration = Duration::from_mins(10);
/// What is not compressed to the end yet ends in this.
const PART: &str = ".zst.part";
/// zstd's own default.
const LEVEL: i32 = 3;

/// How far ahead a clock is that was put forward, and after how long it is believed.
const AHEAD: Duration = Duration::from_secs(60);
const SETTLED: Duration = Duration::from_secs(24 * 3600);

impl Keeper {
    /// Starts the thread for the log at this path, whose files are kept this long.
    pub(super) fn start(path: PathBuf, keep: Option<Duration>) -> io::Result<Self> {
        let (wake, woken) = mpsc::sync_channel(1);
        thread::Builder::new().name("audit-files".to_owned()).spawn(move || run(&path, keep, &woken))?;
        Ok(Self(wake))
    }

    /// Says that a file has become whole.
    pub(super) fn wake(&self) {
        // One that is awake looks again.
        let _ = self.0.try_send(());
    }
}

fn run(path: &Path, keep: Option<Duration>, woken: &Receiver<()>) {
    let mut ahead_since = None;
    loop {
        let now = SystemTime::now();
        let is_ahead = now > unhurried(now) + AHEAD;
        ahead_since = is_ahead.then(|| ahead_since.unwrap_or_else(Instant::now));
        // A clock that was put forward may be wrong for a moment; one that stays so was set right.
        let is_settled = ahead_since.is_some_and(|since| since.elapsed() >= SETTLED);
        if let Err(error) = tidy(path, keep, if is_settled { now } else { unhurried(now) }) {
            log::error!(error:%; "the audit log's whole files cannot be compressed or removed");
        }
        if woken.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

/// Removes what is old, which makes room, and compresses what is whole.
pub(super) fn tidy(path: &Path, keep: Option<Duration>, now: SystemTime) -> io::Result<()> {
    let since = keep.and_then(|keep| now.checked_sub(keep));
    let removed = since.map_or(Ok(()), |since| retention::remove_old(path, since));
    for segment in Segment::whole(path)?.iter().filter(|segment| segment.form == Form::Plain) {
        if let Err(error) = compress(&segment.path) {
            // The others may be smaller.
            log::error!(error:%, file:% = segment.path.display(); "a whole file of the audit log cannot be compressed");
        }
    }
    removed.and(remove_leftovers(path))
}

/// Removes what a process left of compressing that was killed, where nothing is there any more that would be compressed to it.
fn remove_leftovers(path: &Path) -> io::Result<()> {
    let log = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    for entry in fs::read_dir(directory(path))? {
        let entry = entry?;
        let (name, part) = (entry.file_name(), entry.path());
        let whole = name.as_bytes().strip_suffix(PART.as_bytes()).map(OsStr::from_bytes);
        let Some(whole) = whole.filter(|whole| is_whole(log, whole)) else { continue };
        if !entry.file_type()?.is_file() {
            continue;
        }
        let file = match File::open(&part) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file?,
        };
        // Whoever writes it has it locked.
        if file.try_lock().is_ok() && is_still(&part, &file)? && !path.with_file_name(whole).try_exists()? {
            remove_if_there(&part)?;
        }
    }
    Ok(())
}

fn compress(path: &Path) -> io::Result<()> {
    let is_packed = pack(path, || match File::open(path) {
        // Another process has done it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        file => {
            let file = file?;
            let modified = file.metadata()?.modified()?;
            Ok(Some((file, modified)))
        }
    })?;
    if is_packed { remove_if_there(path) } else { Ok(()) }
}

/// Makes the compressed form of the whole file at this path, of what `open` opens, and of this age; tells whether it is there. While another
/// process does the same, or where nothing is opened, it is not.
fn pack<R: Read>(path: &Path, open: impl FnOnce() -> io::Result<Option<(R, SystemTime)>>) -> io::Result<bool> {
    let part = beside(path, PART);
    let out = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&part)?;
    if out.try_lock().is_err() || !is_still(&part, &out)? {
        return Ok(false);
    }
    let packed = open().and_then(|input| match input {
        Some((input, modified)) => encode(input, modified, &out).map(|()| true),
        None => Ok(false),
    });
    match packed {
        Ok(true) => {
            fs::rename(part, beside(path, ZSTD))?;
            sync_directory(path)?;
            Ok(true)
        }
        // It takes room, of which there may be none.
        Ok(false) => fs::remove_file(part).map(|()| false),
        Err(error) => fs::remove_file(part).and(Err(error)),
    }
}

fn encode(mut input: impl Read, modified: SystemTime, out: &File) -> io::Result<()> {
    if out.metadata()?.len() > 0 {
        // A process left it that was killed.
        out.set_len(0)?;
    }
    let mut encoder = zstd::stream::write::Encoder::new(out, LEVEL)?;
    encoder.include_checksum(true)?;
    io::copy(&mut input, &mut encoder)?;
    let out = encoder.finish()?;
    // By its time it is told how old it is.
    out.set_times(FileTimes::new().set_modified(modified))?;
    out.sync_all()
}

/// Removes a file that another process may have removed before.
fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Where the last checkpoints of removed files are.
pub(super) fn kept_path(path: &Path) -> PathBuf {
    beside(path, ".checkpoints")
}

/// Whether the file is at this path yet.
fn is_still(path: &Path, file: &File) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(directory(path))?.sync_all()
}

mod retention;

#[cfg(test)]
mod tests {
    use super::super::chain::{Chain, Kind};
    use super::super::read::Reader;
    use super::super::segment::whole_path;
    use super::*;

    #[test]
    fn whole_files_are_compressed_and_old_ones_removed_but_for_their_last_checkpoint() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("audit.log");
        let mut chain = Chain::new();
        let mut all = Vec::new();
        for _ in 0..3 {
            let (first, mut text) = (chain.seq + 1, Vec::new());
            for _ in 0..1000 {
                chain.link(&mut text, Kind::Exchange, b",\"x\":1");
            }
            let start = text.len();
            chain.link(&mut text, Kind::Checkpoint, b"");
            all.push(text[start..].to_vec());
            fs::write(whole_path(&path, first), text).expect("written");
        }
        let now = SystemTime::now();
        tidy(&path, None, now).expect("tidied");
        let forms = || Segment::of(&path).expect("listed").iter().map(|one| (one.first, one.form)).collect::<Vec<_>>();
        assert_eq!(forms(), [(Some(1), Form::Zstd), (Some(1002), Form::Zstd), (Some(2003), Form::Zstd)]);
        let mut reader = Reader::open(&path, 1).expect("opened");
        let mut count = 0;
        while reader.next().expect("read").is_some() {
            count += 1;
        }
        assert_eq!(count, 3003);

        let day = Duration::from_hours(24);
        let oldest = File::options().write(true).open(beside(&whole_path(&path, 1), ZSTD)).expect("opened");
        oldest.set_modified(now - 2 * day).expect("made old");
        tidy(&path, Some(day), now).expect("tidied");
        assert_eq!(forms(), [(Some(1002), Form::Zstd), (Some(2003), Form::Zstd)]);
        assert_eq!(fs::read(kept_path(&path)).expect("kept"), all[0]);
        tidy(&path, Some(day), now + 3 * day).expect("tidied");
        assert_eq!((forms(), fs::read(kept_path(&path)).expect("kept")), (vec![], all.concat()));
    }

    #[test]
    fn what_cannot_be_compressed_keeps_nothing_else_from_being_compressed_or_removed() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("audit.log");
        let (now, day) = (SystemTime::now(), Duration::from_hours(24));
        for first in [1, 2, 3] {
            fs::write(whole_path(&path, first), "x\n").expect("written");
        }
        File::options()
            .write(true)
            .open(whole_path(&path, 1))
            .expect("opened")
            .set_modified(now - 2 * day)
            .expect("old");
        // Where a folder is, no file can be put.
        fs::create_dir(beside(&whole_path(&path, 2), ".zst.part")).expect("a folder");
        tidy(&path, Some(day), now).expect("tidied");
        let forms: Vec<_> = Segment::of(&path).expect("listed").iter().map(|one| (one.first, one.form)).collect();
        assert_eq!(forms, [(Some(2), Form::Plain), (Some(3), Form::Zstd)]);
    }

    #[test]
    fn what_is_no_file_of_the_log_takes_nothing_with_it_that_is() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("audit.log");
        let (now, day) = (SystemTime::now(), Duration::from_hours(24));
        let mut text = Vec::new();
        Chain::new().link(&mut text, Kind::Exchange, b"");
        for (first, text) in [(1, &text[..]), (2, b"x\n")] {
            fs::write(whole_path(&path, first), text).expect("written");
        }
        tidy(&path, Some(day), now + 3 * day).expect("tidied");
        let left: Vec<_> = Segment::of(&path).expect("listed").iter().map(|one| one.first).collect();
        assert_eq!(left, [Some(1)]);
    }

    #[test]
    fn what_a_killed_compression_left_goes_with_what_it_was_of() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("audit.log");
        let part = |first| beside(&whole_path(&path, first), ".zst.part");
        fs::write(whole_path(&path, 1), "x\n").expect("written");
        for (first, content) in [(1, "half"), (2, "half of what was removed since"), (3, "")] {
            fs::write(part(first), content).expect("written");
        }
        let busy = part(4);
        fs::write(&busy, "").expect("written");
        let busy = File::open(busy).expect("opened");
        busy.lock().expect("another process compresses");
        let strange = beside(&path, ".backup.zst.part");
        fs::write(&strange, "somebody else's").expect("written");
        tidy(&path, None, SystemTime::now()).expect("tidied");
        assert_eq!([1, 2, 3, 4].map(|first| part(first).exists()), [false, false, false, true]);
        assert!(strange.exists() && beside(&whole_path(&path, 1), ZSTD).exists());
    }
}
