//! The files of a log: the one that is written, and those that were full before it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::Segment;

/// What files of a log that are compressed end in.
const ZSTD: &str = ".zst";

/// How often it is looked for files that were there a moment before.
const TRIES: usize = 10;

/// The files of the log at this path, the oldest first; the path itself where there are none.
///
/// # Errors
/// When the directory cannot be read.
fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    let all: Vec<_> = Segment::of(path)?.into_iter().map(|segment| segment.path).collect();
    Ok(if all.is_empty() { vec![path.to_owned()] } else { all })
}

/// Opens all files of the log at this path, the oldest first, so that none is missed that gets another name later.
///
/// # Errors
/// When one cannot be opened, with its path; also when they change all the time.
pub(super) fn open_all(path: &Path) -> Result<Vec<(PathBuf, File)>, (PathBuf, io::Error)> {
    let of_log = |error| (path.to_owned(), error);
    let mut failed = of_log(io::Error::other("its files change all the time"));
    for _ in 0..TRIES {
        let names = files(path).map_err(of_log)?;
        let opened = names.iter().map(|name| match File::open(name) {
            Ok(file) => Ok((name.clone(), file)),
            Err(error) => Err((name.clone(), error)),
        });
        match opened.collect::<Result<Vec<_>, _>>() {
            // One may have been renamed between the look and the opening.
            Ok(opened) if files(path).map_err(of_log)? == names => return Ok(opened),
            Ok(_) => {}
            Err((name, error)) if error.kind() == io::ErrorKind::NotFound => failed = (name, error),
            Err(error) => return Err(error),
        }
    }
    Err(failed)
}

/// Reads a file of a log, compressed or not, as its name says.
pub(super) fn read(path: &Path, file: File) -> io::Result<Counted> {
    let counted = Count { file, read: 0 };
    let is_compressed = path.to_str().is_some_and(|text| text.ends_with(ZSTD));
    Ok(if is_compressed { Counted::Zstd(Box::new(zstd::Decoder::new(counted)?)) } else { Counted::Plain(counted) })
}

/// A file, and how much of it was read.
pub(super) enum Counted {
    Plain(Count),
    Zstd(Box<zstd::Decoder<'static, io::BufReader<Count>>>),
}

pub(super) struct Count {
    file: File,
    read: u64,
}

impl Counted {
    /// How many bytes were read from the disk.
    pub(super) fn done(&self) -> u64 {
        match self {
            Self::Plain(count) => count.read,
            Self::Zstd(decoder) => decoder.get_ref().get_ref().read,
        }
    }
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(count) => count.read(buffer),
            Self::Zstd(decoder) => decoder.read(buffer),
        }
    }
}

impl Read for Count {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read += read as u64;
        Ok(read)
    }
}
