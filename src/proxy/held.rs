//! A body that is kept until it was judged: in memory as far as its route lets it, and in a file without a name beyond that.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::sync::OwnedSemaphorePermit;

/// A body, or its beginning.
#[derive(Debug)]
pub(super) struct Held {
    /// What lies in the file, in bytes.
    spilled: usize,
    file: Option<Arc<File>>,
    /// What came after that.
    rest: BytesMut,
    /// How much of it may lie in memory while it comes.
    memory: usize,
    /// Its share of what all bodies may take.
    _room: OwnedSemaphorePermit,
}

/// How much is read back at once, in bytes.
const PIECE: usize = 64 * 1024;

impl Held {
    /// Nothing yet.
    pub(super) fn new(memory: usize, room: OwnedSemaphorePermit) -> Self {
        Self { spilled: 0, file: None, rest: BytesMut::new(), memory, _room: room }
    }

    /// How much there is, in bytes.
    pub(super) fn len(&self) -> usize {
        self.spilled + self.rest.len()
    }

    /// Keeps what has come.
    ///
    /// # Errors
    /// What keeps the file from being written.
    pub(super) async fn push(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.rest.extend_from_slice(chunk);
        if self.rest.len() <= self.memory {
            return Ok(());
        }
        let (file, full) = (self.file.take(), self.rest.split().freeze());
        self.spilled += full.len();
        let written = move || {
            // The file has no name, so whatever becomes of the process, nothing of it stays.
            let file = file.map_or_else(|| tempfile::tempfile().map(Arc::new), Ok)?;
            (&*file).write_all(&full).map(|()| file)
        };
        self.file = Some(blocking(written).await?);
        Ok(())
    }

    /// All of it, in memory.
    ///
    /// # Errors
    /// What keeps the file from being read.
    pub(super) async fn bytes(&self) -> io::Result<Bytes> {
        let Some(file) = self.file.clone() else { return Ok(Bytes::copy_from_slice(&self.rest)) };
        let mut all = BytesMut::zeroed(self.spilled);
        let read = move || file.read_exact_at(&mut all, 0).map(|()| all);
        let mut all = blocking(read).await?;
        all.extend_from_slice(&self.rest);
        Ok(all.freeze())
    }

    /// What stands from here on, up to some length; nothing at the end.
    ///
    /// # Errors
    /// What keeps the file from being read.
    pub(super) async fn piece(&self, at: usize) -> io::Result<Bytes> {
        let Some(file) = self.file.clone().filter(|_| at < self.spilled) else {
            let rest = self.rest.get(at.saturating_sub(self.spilled)..).unwrap_or_default();
            return Ok(Bytes::copy_from_slice(&rest[..rest.len().min(PIECE)]));
        };
        let mut piece = BytesMut::zeroed(PIECE.min(self.spilled - at));
        blocking(move || file.read_exact_at(&mut piece, at as u64).map(|()| piece.freeze())).await
    }
}

/// A file may be slow: nobody else waits for it.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_kept_comes_back_from_memory_and_from_the_file() {
        for (memory, chunk, count) in [(1 << 20, 1000, 10), (100, 1000, 10), (4096, 1000, 200), (0, 1, 3), (10, 0, 1)] {
            let room = crate::state::Bodies::default().room(memory).expect("room");
            let mut held = Held::new(memory, room);
            let mut want = Vec::new();
            for n in 0..count {
                let chunk = vec![n as u8; chunk];
                held.push(&chunk).await.expect("kept");
                want.extend_from_slice(&chunk);
                assert!(held.rest.len() <= memory.max(1), "more in memory than may be");
            }
            assert_eq!(held.len(), want.len());
            for _ in 0..2 {
                assert_eq!(held.bytes().await.expect("read"), want, "{memory} {chunk}");
                let mut pieces = Vec::new();
                while pieces.len() < held.len() {
                    pieces.extend_from_slice(&held.piece(pieces.len()).await.expect("read"));
                }
                assert_eq!(pieces, want);
            }
        }
    }
}
