//! Private keys in text: PEM's blocks (RFC 7468), also OpenSSH's and PGP's, and PuTTY's files; as they are, or within JSON.

use super::formats::Alphabet;
use super::view::{Verdict, View};

/// How a block begins.
pub(super) const PEM: &str = "-----BEGIN ";
/// How the private part of a PuTTY file begins.
pub(super) const PUTTY: &str = "Private-Lines: ";

/// The longest label of a block before `PRIVATE KEY`.
const LABEL: usize = 24;
const ENDS: [&[u8]; 2] = [b"PRIVATE KEY-----", b"PRIVATE KEY BLOCK-----"];
/// Within so many bytes behind its first line, a key has a line of base64 of so many characters: what is said about keys has not.
const NEAR: usize = 256;
const LINE: usize = 32;
/// The longest that is taken for one key, in bytes: one of RSA with 16384 bits has 12,700.
const LONGEST: usize = 32 * 1024;
const DASHES: &[u8] = b"-----";

/// A key under way: its first line went on, what follows is masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    left: usize,
    /// The bytes before which it ends.
    end: &'static [u8],
}

/// Says how long the first line of a key is, where one begins like a block.
pub(super) fn pem(view: &View<'_>, place: usize) -> Result<(usize, Key), Verdict> {
    let rest = view.from(place + PEM.len());
    let is_label = |byte: &u8| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b' ');
    let label = rest.iter().take(LABEL + ENDS[1].len()).take_while(|byte| is_label(byte)).count();
    if label == rest.len() {
        return Err(view.short());
    }
    for end in ENDS {
        let words = end.len() - DASHES.len();
        let Some(line) = label.checked_sub(words) else { continue };
        let own = rest.get(line..).unwrap_or_default();
        if own.starts_with(end) {
            let len = PEM.len() + line + end.len();
            return is_key(view, place + len).map(|()| (len, Key { left: LONGEST, end: DASHES }));
        }
        if end.starts_with(own) && !view.is_end {
            return Err(Verdict::More);
        }
    }
    Err(Verdict::No)
}

/// The same for a PuTTY file.
pub(super) fn putty(view: &View<'_>, place: usize) -> Result<(usize, Key), Verdict> {
    let len = PUTTY.len();
    is_key(view, place + len).map(|()| (len, Key { left: LONGEST, end: b"-" }))
}

/// Whether what follows has a line of base64 soon.
fn is_key(view: &View<'_>, place: usize) -> Result<(), Verdict> {
    let near = view.from(place);
    let near = near.get(..NEAR).unwrap_or(near);
    let mut run = 0;
    for byte in near {
        run = if Alphabet::Base64.has(*byte) { run + 1 } else { 0 };
        if run >= LINE {
            return Ok(());
        }
        if !is_content(*byte) {
            return Err(Verdict::No);
        }
    }
    Err(if near.len() < NEAR { view.short() } else { Verdict::No })
}

/// Base64, header lines, line ends, and the escapes of these.
fn is_content(byte: u8) -> bool {
    Alphabet::Base64.has(byte)
        || matches!(byte, b'=' | b'-' | b':' | b',' | b'.' | b' ' | b'\t' | b'\r' | b'\n' | b'\\')
}

/// How far a key was gone on with.
pub(super) enum Progress {
    /// It goes on behind what is at hand; from this place on more has to come before it can be said how.
    More(usize),
    /// It ended before this place.
    Ended(usize),
}

impl Key {
    /// Goes on from a place; tells what is to be masked.
    pub(super) fn go_on(&mut self, view: &View<'_>, mut place: usize, mut mask: impl FnMut(usize, usize)) -> Progress {
        let mut from = place;
        let progress = loop {
            let Some(byte) = view.at(place) else { break Progress::More(place) };
            let rest = view.from(place);
            if byte == b'-' && self.end.starts_with(rest.get(..self.end.len()).unwrap_or(rest)) {
                let is_whole = rest.len() >= self.end.len();
                break if is_whole || view.is_end { Progress::Ended(place) } else { Progress::More(place) };
            }
            // The escapes of JSON stay whole.
            let escape = match (byte, rest.get(1)) {
                (b'\\', None) => break if view.is_end { Progress::Ended(place) } else { Progress::More(place) },
                (b'\\', Some(b'u')) => 6,
                (b'\\', Some(b'n' | b'r' | b't' | b'\\' | b'/')) => 2,
                (b'\\', Some(_)) => 0,
                _ => 1,
            };
            if rest.len() < escape && !view.is_end {
                break Progress::More(place);
            }
            if escape == 0 || self.left < escape || !is_content(byte) {
                break Progress::Ended(place);
            }
            self.left -= escape;
            if escape > 1 {
                mask(from, place);
                from = place + escape;
            }
            place = (place + escape).min(view.text.len());
        };
        let (Progress::More(end) | Progress::Ended(end)) = progress;
        mask(from.min(end), end);
        progress
    }
}
