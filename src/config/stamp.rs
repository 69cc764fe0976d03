//! How it is told that a file has changed.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What changes when a file does, in its content or by another in its place: device, inode, length and time of last change in nanoseconds.
/// None where there is no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp(Option<(u64, u64, u64, i128)>);

impl Stamp {
    /// The stamp of the file that is there now.
    pub fn of(path: &Path) -> Self {
        let stamp = std::fs::metadata(path).ok().map(|meta| {
            let changed = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
            (meta.dev(), meta.ino(), meta.len(), changed)
        });
        Self(stamp)
    }
}
