//! Content codings, taken off a body as it comes (RFC 9110 §8.4.1, RFC 7932, RFC 8878).

use std::fmt;
use std::io::{self, Write};

use brotli::DecompressorWriter;
use bytes::{Bytes, BytesMut};
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use zstd::stream::write::Decoder as ZstdDecoder;

/// A body of which the coding is taken off.
pub(super) struct Decoder {
    kind: Kind,
    has_begun: bool,
}

enum Kind {
    Gzip(MultiGzDecoder<Room>),
    /// `deflate`, of which nothing has come that would say which of its two readings it is.
    Deflate,
    Zlib(ZlibDecoder<Room>),
    /// What some servers send as `deflate`.
    Raw(DeflateDecoder<Room>),
    Brotli(Box<DecompressorWriter<Room>>),
    Zstd(Box<ZstdDecoder<'static, Room>>),
}

/// What one part of a body may become at most, in bytes: what is small on the wire can be made to fill any memory.
const MAX_OUT: usize = 4 << 20;
/// How much is kept at hand for decoding brotli, in bytes.
const BROTLI_BUFFER: usize = 4096;
/// The largest window of zstd taken, as its logarithm: what RFC 9659 allows.
const ZSTD_WINDOW: u32 = 23;

impl Decoder {
    /// Whether it is one that can be taken off.
    pub(super) fn knows(coding: &str) -> bool {
        matches!(coding, "gzip" | "x-gzip" | "deflate" | "br" | "zstd")
    }

    /// One that takes this coding off.
    pub(super) fn of(coding: &str) -> Option<Self> {
        let kind = match coding {
            "gzip" | "x-gzip" => Kind::Gzip(MultiGzDecoder::new(Room::default())),
            "deflate" => Kind::Deflate,
            "br" => Kind::Brotli(Box::new(DecompressorWriter::new(Room::default(), BROTLI_BUFFER))),
            "zstd" => {
                let mut decoder = ZstdDecoder::new(Room::default()).ok()?;
                decoder.window_log_max(ZSTD_WINDOW).ok()?;
                Kind::Zstd(Box::new(decoder))
            }
            _ => return None,
        };
        Some(Self { kind, has_begun: false })
    }

    /// What this part of the body says.
    ///
    /// # Errors
    /// For what is not in this coding, ends early (of zstd that cannot be told), or becomes more than [`MAX_OUT`].
    pub(super) fn push(&mut self, chunk: &[u8], end: bool) -> Result<Bytes, ()> {
        self.has_begun |= !chunk.is_empty();
        if !self.has_begun {
            // Some call nothing a coded body.
            return Ok(Bytes::new());
        }
        if let (Kind::Deflate, Some(first)) = (&self.kind, chunk.first()) {
            // A header of zlib says so (RFC 1950 §2.2).
            let is_zlib = first & 0x0f == 8 && first >> 4 <= 7;
            self.kind = if is_zlib {
                Kind::Zlib(ZlibDecoder::new(Room::default()))
            } else {
                Kind::Raw(DeflateDecoder::new(Room::default()))
            };
        }
        self.decode(chunk, end).map_err(|_| ())?;
        Ok(self.room().map_or_else(Bytes::new, |room| room.0.split().freeze()))
    }

    fn decode(&mut self, chunk: &[u8], end: bool) -> io::Result<()> {
        let decoder: &mut dyn Write = match &mut self.kind {
            Kind::Gzip(decoder) => decoder,
            Kind::Deflate => return Ok(()),
            Kind::Zlib(decoder) => decoder,
            Kind::Raw(decoder) => decoder,
            Kind::Brotli(decoder) => decoder,
            Kind::Zstd(decoder) => decoder,
        };
        decoder.write_all(chunk)?;
        decoder.flush()?;
        if !end {
            return Ok(());
        }
        match &mut self.kind {
            Kind::Gzip(decoder) => decoder.try_finish(),
            Kind::Zlib(decoder) => decoder.try_finish(),
            Kind::Raw(decoder) => decoder.try_finish(),
            Kind::Brotli(decoder) => decoder.close(),
            Kind::Zstd(_) | Kind::Deflate => Ok(()),
        }
    }

    fn room(&mut self) -> Option<&mut Room> {
        match &mut self.kind {
            Kind::Gzip(decoder) => Some(decoder.get_mut()),
            Kind::Deflate => None,
            Kind::Zlib(decoder) => Some(decoder.get_mut()),
            Kind::Raw(decoder) => Some(decoder.get_mut()),
            Kind::Brotli(decoder) => Some(decoder.get_mut()),
            Kind::Zstd(decoder) => Some(decoder.get_mut()),
        }
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decoder")
    }
}

/// Where decoded bytes go, up to a bound.
#[derive(Default)]
struct Room(BytesMut);

impl Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUT {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    /// Each coding with a text in it.
    fn coded(text: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
        let mut brotli = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22);
        for writer in [&mut gzip as &mut dyn Write, &mut zlib, &mut raw, &mut brotli] {
            writer.write_all(text).expect("memory");
        }
        vec![
            ("gzip", gzip.finish().expect("memory")),
            ("deflate", zlib.finish().expect("memory")),
            ("deflate", raw.finish().expect("memory")),
            ("br", brotli.into_inner()),
            ("zstd", zstd::encode_all(text, 3).expect("memory")),
        ]
    }

    #[test]
    fn every_coding_is_taken_off_however_its_body_comes() {
        let text: Vec<u8> = (0..40_000_u32).flat_map(|n| n.to_string().into_bytes()).collect();
        for (coding, bytes) in coded(&text) {
            for size in [1, 7, 1000, bytes.len()] {
                let mut decoder = Decoder::of(coding).expect("known");
                let mut out = Vec::new();
                for chunk in bytes.chunks(size) {
                    out.extend_from_slice(&decoder.push(chunk, false).expect("sound"));
                }
                out.extend_from_slice(&decoder.push(b"", true).expect("whole"));
                assert_eq!(out.len(), text.len(), "{coding} in chunks of {size}");
                assert_eq!(out, text, "{coding} in chunks of {size}");
            }
        }
    }

    #[test]
    fn what_was_written_can_be_read_before_the_end() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(b"data: 1\n\n").expect("memory");
        gzip.flush().expect("memory");
        let mut decoder = Decoder::of("gzip").expect("known");
        assert_eq!(decoder.push(gzip.get_ref(), false).expect("sound"), "data: 1\n\n");
    }

    #[test]
    fn a_body_of_nothing_is_nothing_and_half_of_one_is_none() {
        for (coding, bytes) in coded(b"hello hello hello") {
            assert_eq!(Decoder::of(coding).expect("known").push(b"", true), Ok(Bytes::new()), "{coding}");
            let half = Decoder::of(coding).expect("known").push(&bytes[..bytes.len() / 2], true);
            assert!(half.is_err() || coding == "zstd", "{coding}");
        }
    }

    #[test]
    fn what_is_not_in_its_coding_is_refused() {
        for (coding, bytes) in coded(b"hello") {
            let garbage = [b"garbage that is none".as_slice(), &bytes].concat();
            let mut decoder = Decoder::of(coding).expect("known");
            assert!(decoder.push(&garbage, true).is_err(), "{coding}");
        }
        assert!(!Decoder::knows("compress") && Decoder::of("compress").is_none());
    }

    #[test]
    fn a_bomb_is_refused_before_it_fills_memory() {
        let zeros = vec![0; 64 << 20];
        for (coding, bytes) in coded(&zeros) {
            let mut decoder = Decoder::of(coding).expect("known");
            let out: Result<Vec<_>, ()> = bytes.chunks(16 << 10).map(|chunk| decoder.push(chunk, false)).collect();
            let most = out.map_or(0, |out| out.iter().map(Bytes::len).max().unwrap_or_default());
            assert!(most <= MAX_OUT, "{coding}: {most}");
        }
    }
}
