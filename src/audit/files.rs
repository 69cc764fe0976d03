//! The files of a log: the one that is written, and those that were full before it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What files of a log that are compressed end in.
const ZSTD: &str = ".zst";

/// The files of the log at this path, the oldest first: those beside it with a number behind its name, compressed or not, and itself. A file of
/// another name alone.
///
/// # Errors
/// When there is none, or the directory cannot be read.
pub(super) fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let mut numbered = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let Some(rest) =
            entry.file_name().to_str().and_then(|other| other.strip_prefix(name)?.strip_prefix('.').map(str::to_owned))
        else {
            continue;
        };
        let (digits, is_compressed) = rest.strip_suffix(ZSTD).map_or((rest.as_str(), false), |digits| (digits, true));
        if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
            numbered.push((digits.parse::<u64>().unwrap_or(u64::MAX), is_compressed, entry.path()));
        }
    }
    // Of one that is there in both forms, since its compressing was interrupted, the plain one.
    numbered.sort();
    numbered.dedup_by_key(|(number, ..)| *number);
    let mut all: Vec<_> = numbered.into_iter().map(|(.., path)| path).collect();
    if path.exists() || all.is_empty() {
        all.push(path.to_owned());
    }
    Ok(all)
}

/// Opens a file of a log, compressed or not; also how large it is on the disk.
pub(super) fn open(path: &Path) -> io::Result<(Counted, u64)> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let counted = Count { file, read: 0 };
    let is_compressed = path.to_str().is_some_and(|text| text.ends_with(ZSTD));
    let input =
        if is_compressed { Counted::Zstd(Box::new(zstd::Decoder::new(counted)?)) } else { Counted::Plain(counted) };
    Ok((input, size))
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
