//! A buffer for what holds secrets.

use std::fmt;
use std::io;

use zeroize::Zeroizing;

use super::Secret;

/// Bytes that are wiped when they are dropped, and also where they were before the buffer grew, which a `Vec` leaves as it is.
#[derive(Default)]
pub struct Wiped(Zeroizing<Vec<u8>>);

impl Wiped {
    /// What the buffer holds at least when it has grown for the first time.
    const LEAST: usize = 256;

    /// An empty one with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(bytes)))
    }

    /// Adds bytes at the end.
    pub fn extend(&mut self, bytes: &[u8]) {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let room = needed.max(self.0.capacity() * 2).max(Self::LEAST);
            let mut larger = Zeroizing::new(Vec::with_capacity(room));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of it as one secret, which is not copied.
    pub fn into_secret(mut self) -> Secret {
        Secret::new(std::mem::take(&mut *self.0))
    }
}

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl io::Write for Wiped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Wiped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_piece_by_piece_is_whole_and_not_shown() {
        let mut wiped = Wiped::with_capacity(1);
        let pieces = (0..1000_u32).map(|number| format!("{number},"));
        pieces.clone().for_each(|piece| wiped.extend(piece.as_bytes()));
        let whole: String = pieces.collect();
        assert_eq!((wiped.len(), format!("{wiped:?}")), (whole.len(), "[redacted]".to_owned()));
        assert_eq!(wiped.into_secret().expose(), whole.as_bytes());
    }
}
