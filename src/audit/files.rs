//! The files of a log: the one that is written, and those that were full before it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::Segment;

/// What files of a log that are compressed end in.
const ZSTD: &str = ".zst";

/// The files of the log at this path, the oldest first; the path itself where there are none.
///
/// # Errors
/// When the directory cannot be read.
pub(super) fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    let all: Vec<_> = Segment::of(path)?.into_iter().map(|segment| segment.path).collect();
    Ok(if all.is_empty() { vec![path.to_owned()] } else { all })
}

/// Opens a file of a log, compressed or not.
pub(super) fn open(path: &Path) -> io::Result<Counted> {
    let file = File::open(path)?;
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
