//! Injected secrets that come back in what an upstream answers, found in whatever form they were written, and masked.

mod escape;
mod hold;
mod index;
mod needle;
mod scan;
mod scrubber;
#[cfg(test)]
mod tests;
mod walk;

use std::fmt;

use hold::Class;
use index::Index;
use needle::Needle;

pub use scrubber::Scrubber;

/// Secrets shorter than this, in bytes, are not looked for: they stand everywhere by chance.
pub const SHORTEST: usize = 4;

/// What is looked for in a response, made once for each version of a secret: the secret itself, its hex, its base64 within any longer
/// text, and its bytes with a NUL between them, as UTF-16 has it; each with any of its bytes escaped as URLs, JSON, scripts and HTML do.
/// Its `Debug` shows none of it.
pub struct Needles {
    needles: Vec<Needle>,
    /// Four bytes of each needle, at each of its first `stride` places.
    grams: Index,
    /// Each two bytes in a row of each needle, at the place of the second.
    pairs: Index,
    /// Each needle's first byte.
    firsts: Index,
    /// Which bytes a needle can begin with.
    is_first: [bool; 256],
    /// Every so many bytes of text, four are looked up: as far apart as no unescaped needle can slip through.
    stride: usize,
    /// The length of the shortest needle, in bytes: in a shorter text there is none, since escapes and line ends only make it longer.
    shortest: usize,
    /// The longest that a needle can become by escapes and line ends, in bytes.
    reach: usize,
    has_wraps: bool,
    has_blanks: bool,
    /// What needles are made of.
    class: Class,
}

impl Needles {
    /// The needles for these secrets; those shorter than [`SHORTEST`] are left out.
    pub fn new(secrets: &[&[u8]]) -> Self {
        let needles: Vec<Needle> = secrets
            .iter()
            .filter(|secret| secret.len() >= SHORTEST)
            .flat_map(|secret| Needle::all_of(secret))
            .collect();
        Self::compile(needles)
    }

    /// Whether nothing is looked for.
    pub fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    /// Whether a whole text, such as the value of a header field, holds any of the secrets in any form.
    pub fn is_in(&self, text: &[u8]) -> bool {
        if text.len() < self.shortest {
            return false;
        }
        let mut is_in = false;
        self.scan(text, &mut |_| is_in = true);
        is_in
    }
}

impl fmt::Debug for Needles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
