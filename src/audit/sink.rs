//! Where lines meet the file: the only place that makes them one after another and the only one that writes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The log's file and the lines that are not in it yet.
///
/// The file is open for appending and each batch is one write, so that an old and a new process may share it during an upgrade.
#[derive(Debug)]
pub(super) struct Sink {
    /// None for standard output, which nobody moves.
    path: Option<PathBuf>,
    file: File,
    /// When the path was last compared with the file.
    followed: Instant,
    /// Whole lines.
    batch: Vec<u8>,
    /// How much of the batch is in the file; not at the end of a line after a write that was cut short.
    written: usize,
}

/// From here on a batch is written before more is added.
const FULL_BATCH: usize = 256 * 1024;
/// How often it is looked whether the file was moved.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);

impl Sink {
    /// Opens the file at the path, created for its owner alone where there is none, or standard output.
    pub(super) fn open(path: Option<PathBuf>, now: Instant) -> io::Result<Self> {
        let file = match &path {
            Some(path) => open_file(path)?,
            // The stream of `std` has a buffer of its own that hides how much was written.
            None => File::from(io::stdout().as_fd().try_clone_to_owned()?),
        };
        Ok(Self { path, file, followed: now, batch: Vec::with_capacity(FULL_BATCH), written: 0 })
    }

    /// The batch, for whole lines to be added. A chain of digests would begin here.
    pub(super) fn batch(&mut self) -> &mut Vec<u8> {
        &mut self.batch
    }

    /// Whether the batch should be written before more is added.
    pub(super) fn is_full(&self) -> bool {
        self.batch.len() >= FULL_BATCH
    }

    /// Writes what is left of the batch. After an error it may be called again, and goes on where the file ends.
    pub(super) fn write(&mut self, now: Instant) -> io::Result<()> {
        self.follow(now)?;
        while let Some(rest) = self.batch.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(more) => self.written += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.batch.clear();
        self.written = 0;
        Ok(())
    }

    /// Waits until what was written is on the disk. Pipes and terminals have none.
    pub(super) fn sync(&self) -> io::Result<()> {
        if self.file.metadata()?.is_file() { self.file.sync_all() } else { Ok(()) }
    }

    /// Takes the file that is at the path now, where the old one was moved or deleted.
    fn follow(&mut self, now: Instant) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        if now.saturating_duration_since(self.followed) < FOLLOW_EVERY {
            return Ok(());
        }
        self.followed = now;
        let ours = self.file.metadata()?;
        match fs::metadata(path) {
            Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        self.file = open_file(path)?;
        // A line that was cut short in the old file is written whole in the new one.
        let done = self.batch.get(..self.written).unwrap_or_default();
        self.written = done.iter().rposition(|&b| b == b'\n').map_or(0, |end| end + 1);
        Ok(())
    }
}

fn open_file(path: &PathBuf) -> io::Result<File> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    let about = file.metadata()?;
    if about.is_file() && about.len() > 0 {
        // A process that was killed may have left half a line. It stays, and the next one begins its own.
        let mut last = [0];
        file.read_exact_at(&mut last, about.len() - 1)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn lines(path: &std::path::Path) -> Vec<String> {
        fs::read_to_string(path).expect("file").lines().map(str::to_owned).collect()
    }

    fn append(sink: &mut Sink, text: &str) {
        writeln!(sink.batch(), "\"{text}\"").expect("memory");
    }

    #[test]
    fn the_file_is_the_owners_alone() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("audit.log");
        let sink = Sink::open(Some(path.clone()), Instant::now()).expect("opened");
        assert_eq!(fs::metadata(&path).expect("file").permissions().mode() & 0o777, 0o600);
        sink.sync().expect("synced");
    }

    #[test]
    fn a_moved_or_deleted_file_is_followed_once_a_second() {
        let dir = tempfile::tempdir().expect("directory");
        let (path, old) = (dir.path().join("audit.log"), dir.path().join("audit.log.1"));
        let start = Instant::now();
        let mut sink = Sink::open(Some(path.clone()), start).expect("opened");
        let mut put = |text: &str, after: u64| {
            append(&mut sink, text);
            sink.write(start + Duration::from_millis(after)).expect("written");
        };
        put("a", 0);
        fs::rename(&path, &old).expect("moved");
        put("b", 999);
        put("c", 1000);
        assert_eq!((lines(&old), lines(&path)), (vec!["\"a\"".into(), "\"b\"".into()], vec!["\"c\"".into()]));
        fs::remove_file(&path).expect("deleted");
        put("d", 2000);
        assert_eq!(lines(&path), ["\"d\""]);
    }

    #[test]
    fn half_a_line_of_a_killed_process_does_not_spoil_the_next() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("audit.log");
        fs::write(&path, "\"whole\"\n{\"to").expect("written");
        let now = Instant::now();
        let mut sink = Sink::open(Some(path.clone()), now).expect("opened");
        append(&mut sink, "next");
        sink.write(now).expect("written");
        assert_eq!(lines(&path), ["\"whole\"", "{\"to", "\"next\""]);
    }

    #[test]
    fn a_batch_that_met_a_full_disk_is_written_whole_and_once_elsewhere() {
        let dir = tempfile::tempdir().expect("directory");
        let (path, real) = (dir.path().join("audit.log"), dir.path().join("real"));
        symlink("/dev/full", &path).expect("link");
        let start = Instant::now();
        let mut sink = Sink::open(Some(path.clone()), start).expect("opened");
        for line in ["a", "bcd", "e"] {
            append(&mut sink, line);
        }
        assert_eq!(sink.write(start).expect_err("full").kind(), io::ErrorKind::StorageFull);
        // As after a short write that ended within the second line.
        sink.written = 6;
        fs::remove_file(&path).expect("deleted");
        symlink(&real, &path).expect("link");
        sink.write(start + FOLLOW_EVERY).expect("written");
        assert_eq!(lines(&real), ["\"bcd\"", "\"e\""], "the first line was written before");
    }

    #[test]
    fn a_write_that_was_cut_short_goes_on_where_it_ended() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("audit.log");
        let now = Instant::now();
        let mut sink = Sink::open(Some(path.clone()), now).expect("opened");
        append(&mut sink, "abc");
        sink.file.write_all(b"\"a").expect("written");
        sink.written = 2;
        sink.write(now).expect("written");
        assert_eq!(lines(&path), ["\"abc\""]);
    }
}
