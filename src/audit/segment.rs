//! The files of a log: the one that is written, at the log's path, and those that it was before, by the number of their first line.
//!
//! A file that is full is renamed `PATH.SEQ`, with the number of its first line in twenty digits, so that names sort as lines do, and
//! compressed later to `PATH.SEQ.zst`.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// One file of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Where it is.
    pub path: PathBuf,
    /// The number of its first line, as its name says; none for the file that is written.
    pub first: Option<u64>,
    /// How it is kept.
    pub form: Form,
}

/// How a file is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// It may grow.
    Live,
    /// It is whole.
    Plain,
    /// It is whole and compressed (RFC 8878).
    Zstd,
}

/// What the name of a compressed file ends with.
pub(super) const ZSTD: &str = ".zst";
const DIGITS: usize = 20;

impl Segment {
    /// The files of the log at this path, in the order of their lines; the one that is written last, where there is one.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn of(path: &Path) -> io::Result<Vec<Self>> {
        let mut segments = Self::whole(path)?;
        if path.try_exists()? {
            segments.push(Self { path: path.to_owned(), first: None, form: Form::Live });
        }
        Ok(segments)
    }

    /// Those that are not written any more.
    pub(super) fn whole(path: &Path) -> io::Result<Vec<Self>> {
        let mut segments = Vec::new();
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        for entry in fs::read_dir(directory(path))? {
            let entry = entry?;
            if let Some((first, form)) = parse(name, &entry.file_name())
                // What is gone by now has got another name: whoever opens it looks again.
                && !fs::metadata(entry.path()).is_ok_and(|about| !about.is_file())
            {
                segments.push(Self { path: entry.path(), first: Some(first), form });
            }
        }
        // Of one that is there in both forms, since its compressing was interrupted, the plain one.
        segments.sort_by_key(|segment| (segment.first, segment.form == Form::Zstd));
        segments.dedup_by_key(|segment| segment.first);
        Ok(segments)
    }
}

/// The directory of a log.
pub(super) fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What a file that begins with this line is called once it is full.
pub(super) fn whole_path(path: &Path, first: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{first:0DIGITS$}"));
    name.into()
}

/// The path with something behind it.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Whether this is what a whole file of the log of this name is called.
pub(super) fn is_whole(log: &OsStr, name: &OsStr) -> bool {
    parse(log, name).is_some()
}

fn parse(log: &OsStr, name: &OsStr) -> Option<(u64, Form)> {
    let rest = name.as_bytes().strip_prefix(log.as_bytes())?.strip_prefix(b".")?;
    let rest = std::str::from_utf8(rest).ok()?;
    let (digits, form) = match rest.strip_suffix(ZSTD) {
        Some(digits) => (digits, Form::Zstd),
        None => (rest, Form::Plain),
    };
    let is_number = digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    let first = if is_number { digits.parse().ok()? } else { return None };
    Some((first, form))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_listed_in_the_order_of_their_lines_and_strangers_left_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.log");
        assert_eq!(Segment::of(&path).expect("listed"), []);
        for name in [
            "audit.log",
            "audit.log.1",
            "audit.log.00000000000000000001.zst",
            "audit.log.00000000000000000100",
            "audit.log.00000000000000000100.zst",
            "audit.log.00000000000000000020",
            "audit.log.00000000000000000030.zst.part",
            "audit.log.checkpoints",
            "other.log.00000000000000000050",
        ] {
            fs::write(folder.path().join(name), "").expect("written");
        }
        let found: Vec<_> = Segment::of(&path).expect("listed").into_iter().map(|s| (s.first, s.form)).collect();
        let want = [(Some(1), Form::Zstd), (Some(20), Form::Plain), (Some(100), Form::Plain), (None, Form::Live)];
        assert_eq!(found, want);
        assert_eq!(whole_path(&path, 20), folder.path().join("audit.log.00000000000000000020"));
    }
}
