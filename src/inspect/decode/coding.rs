//! Content codings (RFC 9110 8.4.1) taken off, with a bound on what comes out that is asked while it does: what is beyond it is never in memory.

use std::borrow::Cow;

use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use flate2::{Decompress, FlushDecompress, Status};
use http::HeaderMap;
use zstd::stream::raw::{DParameter, Decoder as Zstd, Operation};

use crate::inspect::{FaultKind, Limits};

/// A coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    /// zlib's format, or none around it: both are sent by this name.
    Deflate,
    Brotli,
    Zstd,
}

impl Coding {
    /// The coding of this name; `Ok(None)` for that which changes nothing.
    ///
    /// # Errors
    /// It is not known.
    pub(super) fn named(name: &[u8]) -> Result<Option<Self>, FaultKind> {
        let names: [(&str, Option<Self>); 6] = [
            ("identity", None),
            ("gzip", Some(Self::Gzip)),
            ("x-gzip", Some(Self::Gzip)),
            ("deflate", Some(Self::Deflate)),
            ("br", Some(Self::Brotli)),
            ("zstd", Some(Self::Zstd)),
        ];
        let mut known = names.iter().filter(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
        known.next().map(|(_, coding)| *coding).ok_or(FaultKind::UnknownCoding)
    }
}

/// Takes off all codings that the head declares, the last one first.
///
/// # Errors
/// One is not known or not what the body is in, there are too many, or what comes out is too large.
pub(super) fn decode<'b>(headers: &HeaderMap, body: &'b [u8], limits: &Limits) -> Result<Cow<'b, [u8]>, FaultKind> {
    let mut codings = Vec::new();
    for value in headers.get_all(http::header::CONTENT_ENCODING) {
        for name in value.as_bytes().split(|byte| *byte == b',') {
            if let Some(coding) = Coding::named(name.trim_ascii())? {
                codings.push(coding);
            }
            if codings.len() > limits.codings {
                return Err(FaultKind::UnknownCoding);
            }
        }
    }
    let mut body = Cow::Borrowed(body);
    for coding in codings.into_iter().rev() {
        body = Cow::Owned(inflate(coding, &body, limits)?);
    }
    if body.len() > limits.decoded { Err(FaultKind::Bomb) } else { Ok(body) }
}

/// Up to this size the ratio is not asked for: small bodies may well be all the same.
const FREE: usize = 1 << 20;

/// How much is taken off at once.
const STEP: usize = 32 << 10;

/// The largest window of zstd, as a power of two (RFC 8878 3.1.1.1.2 recommends 8 MiB).
const ZSTD_WINDOW: u32 = 23;

/// The window of Brotli that is tried first, as a power of two, and what comes out with it at most.
const BROTLI_WINDOW: u8 = 20;
const BROTLI_NARROW: usize = (1 << BROTLI_WINDOW) - 16;

/// Takes off one coding.
///
/// # Errors
/// The body is not in it, or not to its end, or what comes out is too large.
pub(super) fn inflate(coding: Coding, body: &[u8], limits: &Limits) -> Result<Vec<u8>, FaultKind> {
    // Brotli's decoder fills a buffer as large as the window (16 MiB) before it gives anything. With a smaller one it gives the same as long as
    // nothing is beyond it, and a bomb is known by then.
    if coding == Coding::Brotli
        && let Some(narrow) = with_narrow_window(body)
    {
        match run(coding, &narrow, limits) {
            Ok(out) if out.len() <= BROTLI_NARROW => return Ok(out),
            Err(FaultKind::Bomb) => return Err(FaultKind::Bomb),
            Ok(_) | Err(_) => {}
        }
    }
    run(coding, body, limits)
}

fn run(coding: Coding, body: &[u8], limits: &Limits) -> Result<Vec<u8>, FaultKind> {
    let mut inflater = Inflater::new(coding, body)?;
    let mut out = Vec::new();
    let mut rest = body;
    loop {
        let filled = out.len();
        let step = STEP.min(filled.max(body.len().saturating_mul(4)).max(512));
        out.resize(filled + step, 0);
        let room = out.get_mut(filled..).unwrap_or_default();
        let Progress { read, written, is_done } = inflater.step(rest, room)?;
        rest = rest.get(read..).unwrap_or_default();
        out.truncate(filled + written);
        let consumed = body.len() - rest.len();
        if out.len() > limits.decoded || (out.len() > FREE && out.len() / limits.ratio.max(1) > consumed) {
            return Err(FaultKind::Bomb);
        }
        match (is_done, rest.is_empty()) {
            (true, true) => return Ok(out),
            // What stands behind the end one reader passes over, another takes for more.
            (true, false) => return Err(FaultKind::BrokenCoding),
            (false, _) if read == 0 && written == 0 => return Err(FaultKind::BrokenCoding),
            (false, _) => {}
        }
    }
}

/// What one step did.
struct Progress {
    read: usize,
    written: usize,
    is_done: bool,
}

type Brotli = BrotliState<brotli::HeapAlloc<u8>, brotli::HeapAlloc<u32>, brotli::HeapAlloc<brotli::HuffmanCode>>;

enum Inflater {
    Flate(Decompress),
    Brotli(Box<Brotli>),
    Zstd(Zstd<'static>),
}

impl Inflater {
    fn new(coding: Coding, body: &[u8]) -> Result<Self, FaultKind> {
        Ok(match coding {
            Coding::Gzip => Self::Flate(Decompress::new_gzip(15)),
            Coding::Deflate => Self::Flate(Decompress::new(is_zlib(body))),
            Coding::Brotli => Self::Brotli(Box::new(BrotliState::new_strict(
                brotli::HeapAlloc::new(0),
                brotli::HeapAlloc::new(0),
                brotli::HeapAlloc::new(brotli::HuffmanCode::default()),
            ))),
            Coding::Zstd => {
                let mut zstd = Zstd::new().map_err(|_| FaultKind::BrokenCoding)?;
                zstd.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW)).map_err(|_| FaultKind::BrokenCoding)?;
                Self::Zstd(zstd)
            }
        })
    }

    fn step(&mut self, input: &[u8], room: &mut [u8]) -> Result<Progress, FaultKind> {
        match self {
            Self::Flate(flate) => {
                let (read, written) = (flate.total_in(), flate.total_out());
                let status =
                    flate.decompress(input, room, FlushDecompress::None).map_err(|_| FaultKind::BrokenCoding)?;
                let (read, written) = (flate.total_in() - read, flate.total_out() - written);
                Ok(Progress {
                    read: usize::try_from(read).map_err(|_| FaultKind::BrokenCoding)?,
                    written: usize::try_from(written).map_err(|_| FaultKind::BrokenCoding)?,
                    is_done: status == Status::StreamEnd,
                })
            }
            Self::Brotli(state) => {
                let (mut to_read, mut read) = (input.len(), 0);
                let (mut to_write, mut written, mut total) = (room.len(), 0, 0);
                let result = BrotliDecompressStream(
                    &mut to_read,
                    &mut read,
                    input,
                    &mut to_write,
                    &mut written,
                    room,
                    &mut total,
                    state,
                );
                let is_done = match result {
                    BrotliResult::ResultSuccess => true,
                    BrotliResult::NeedsMoreOutput => false,
                    // All that there is was given to it.
                    BrotliResult::NeedsMoreInput | BrotliResult::ResultFailure => return Err(FaultKind::BrokenCoding),
                };
                Ok(Progress { read, written, is_done })
            }
            Self::Zstd(zstd) => {
                let status = zstd.run_on_buffers(input, room).map_err(|_| FaultKind::BrokenCoding)?;
                // A frame that holds nothing for the reader is none that a client sends.
                let is_done = status.remaining == 0;
                Ok(Progress { read: status.bytes_read, written: status.bytes_written, is_done })
            }
        }
    }
}

/// Whether a body starts as zlib's format does (RFC 1950 2.2).
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [method, flags, ..] if method & 15 == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31))
}

/// The same body with a smaller window, where it asks for one that is larger (RFC 7932 9.1): both are written in the same four bits.
fn with_narrow_window(body: &[u8]) -> Option<Vec<u8>> {
    let first = body.first()?;
    let bits = first >> 1 & 7;
    if first & 1 == 0 || 17 + bits <= BROTLI_WINDOW {
        return None;
    }
    let mut narrow = body.to_vec();
    *narrow.first_mut()? = first & !0b1110 | (BROTLI_WINDOW - 17) << 1;
    Some(narrow)
}
