//! The strict reading of a chunked body's frame (RFC 9112 §7.1). Pingora's parser takes line feeds within chunk extensions, where others see
//! the end of the line, and so another body.

use crate::domain::HttpFault;

/// The frame of one chunked body, as far as it came.
#[derive(Debug, Default)]
pub(super) struct ChunkScan(State);

#[derive(Debug, Clone, Copy)]
enum State {
    /// In a chunk's size: its digits and value so far.
    Size { digits: u8, value: u64 },
    /// In a chunk's extensions, of which so many bytes came.
    Extension { value: u64, bytes: u16 },
    /// Behind the CR of a size line.
    SizeEnd { value: u64 },
    /// In a chunk, of which so many bytes are to come.
    Data { left: u64 },
    /// Behind a chunk.
    DataEnd,
    /// Behind the CR behind a chunk.
    DataEnded,
    /// In a trailer line, and whether anything came of it.
    Trailer { empty: bool },
    /// Behind the CR of a trailer line.
    TrailerEnd { empty: bool },
    /// All came. What follows is not this body's.
    Over,
}

/// The digits of a size: 15 hold any that there is, and never overflow 64 bits.
const MAX_DIGITS: u8 = 15;
/// The most bytes of extensions in one line. They mean nothing here.
const MAX_EXTENSION: u16 = 1024;

impl Default for State {
    fn default() -> Self {
        Self::Size { digits: 0, value: 0 }
    }
}

impl ChunkScan {
    /// Takes the next bytes of the body.
    ///
    /// # Errors
    /// [`HttpFault::TransferEncoding`] where the frame can be read in two ways, or is none.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<(), HttpFault> {
        loop {
            if let State::Data { left } = self.0 {
                let skipped = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                bytes = bytes.get(skipped..).unwrap_or_default();
                let left = left - skipped as u64;
                self.0 = if left == 0 { State::DataEnd } else { State::Data { left } };
            }
            let Some((byte, rest)) = bytes.split_first() else { return Ok(()) };
            self.0 = self.0.after(*byte).ok_or(HttpFault::TransferEncoding)?;
            bytes = rest;
        }
    }
}

impl State {
    /// The state behind one more byte of the frame; none where it may not stand here.
    fn after(self, byte: u8) -> Option<Self> {
        let is_text = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        match (self, byte) {
            (Self::Size { digits, value }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') if digits < MAX_DIGITS => {
                let digit = (byte as char).to_digit(16)?;
                Some(Self::Size { digits: digits + 1, value: value << 4 | u64::from(digit) })
            }
            (Self::Size { digits: 1.., value }, b'\r') | (Self::Extension { value, .. }, b'\r') => {
                Some(Self::SizeEnd { value })
            }
            (Self::Size { digits: 1.., value }, b';') => Some(Self::Extension { value, bytes: 0 }),
            (Self::Extension { value, bytes }, _) if is_text && bytes < MAX_EXTENSION => {
                Some(Self::Extension { value, bytes: bytes + 1 })
            }
            (Self::SizeEnd { value: 0 }, b'\n') => Some(Self::Trailer { empty: true }),
            (Self::SizeEnd { value }, b'\n') => Some(Self::Data { left: value }),
            (Self::DataEnd, b'\r') => Some(Self::DataEnded),
            (Self::DataEnded, b'\n') => Some(Self::default()),
            (Self::Trailer { empty }, b'\r') => Some(Self::TrailerEnd { empty }),
            (Self::Trailer { .. }, _) if is_text => Some(Self::Trailer { empty: false }),
            (Self::TrailerEnd { empty: true }, b'\n') => Some(Self::Over),
            (Self::TrailerEnd { empty: false }, b'\n') => Some(Self::Trailer { empty: true }),
            (Self::Over, _) => Some(Self::Over),
            (
                Self::Size { .. }
                | Self::Extension { .. }
                | Self::SizeEnd { .. }
                | Self::Data { .. }
                | Self::DataEnd
                | Self::DataEnded
                | Self::Trailer { .. }
                | Self::TrailerEnd { .. },
                _,
            ) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_one_reading_or_is_refused_however_it_is_cut() {
        for (body, want) in [
            ("5\r\nhello\r\n0\r\n\r\n", true),
            ("5;x=y\r\nhello\r\n000\r\n\r\n", true),
            ("A\r\n0123456789\r\n0\r\nX-Trailer: 1\r\n\r\nGET / HTTP/1.1\n", true),
            ("2\r\n\r\n\r\n0\r\n\r\n", true),
            ("5;a\nb\r\nhello\r\n0\r\n\r\n", false),
            ("5;a=\"\n\"\r\nhello\r\n0\r\n\r\n", false),
            ("5\nhello\r\n0\r\n\r\n", false),
            ("5\rhello\r\n0\r\n\r\n", false),
            ("5\r\nhello\n0\r\n\r\n", false),
            ("5\r\nhelloXX0\r\n\r\n", false),
            ("5\r\nhello\r\n0\n\r\n", false),
            ("5\r\nhello\r\n0\r\nX: y\n\r\n", false),
            ("5 \r\nhello\r\n0\r\n\r\n", false),
            ("\r\nhello\r\n0\r\n\r\n", false),
            (";x\r\nhello\r\n0\r\n\r\n", false),
            ("0x5\r\nhello\r\n0\r\n\r\n", false),
            ("10000000000000005\r\nhello\r\n0\r\n\r\n", false),
        ] {
            for size in 1..=body.len() {
                let mut scan = ChunkScan::default();
                let sound = body.as_bytes().chunks(size).all(|read| scan.push(read).is_ok());
                assert_eq!(sound, want, "{body:?} in reads of {size}");
            }
        }
        let long = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(2000));
        assert!(ChunkScan::default().push(long.as_bytes()).is_err());
    }
}
