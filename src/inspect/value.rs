//! Named values: what a request is made of, for those who look for attacks in it.

use std::fmt::{self, Write as _};

/// A part of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// The path, as the upstream will be asked for it.
    Path,
    /// A parameter behind the `?`.
    Query,
    /// A header field other than `Cookie`.
    Header,
    /// One cookie.
    Cookie,
    /// Something in the body.
    Body,
}

impl Part {
    /// The name that rules and findings use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
            Self::Cookie => "cookie",
            Self::Body => "body",
        }
    }
}

/// Where a value stands: `query.q`, `header.user-agent`, `body.items[3].note`.
#[derive(Debug, Clone, Copy)]
pub struct Location<'a> {
    /// The part of the request.
    pub part: Part,
    /// The way within the part, in the form of [`Trail`]; empty for the whole part.
    pub trail: &'a [u8],
    /// Whether the bytes are a name (of a parameter, key, file) and not what it stands for.
    pub is_name: bool,
}

/// The most of a trail that is shown, in bytes.
const MAX_SHOWN: usize = 120;

impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.part.as_str())?;
        if !self.trail.is_empty() {
            if self.trail[0] != b'[' {
                f.write_char('.')?;
            }
            let shown = &self.trail[..self.trail.len().min(MAX_SHOWN)];
            write!(f, "{}", shown.escape_ascii())?;
            if shown.len() < self.trail.len() {
                f.write_str("...")?;
            }
        }
        if self.is_name { f.write_str(" (name)") } else { Ok(()) }
    }
}

/// The way to a value, grown and cut back by those who walk through a body: `items[3].note`. No allocation once it has grown.
#[derive(Debug, Default)]
pub struct Trail(Vec<u8>);

impl Trail {
    /// The way so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// How long it is, for [`Trail::cut`].
    pub fn mark(&self) -> usize {
        self.0.len()
    }

    /// Goes back to where it was.
    pub fn cut(&mut self, mark: usize) {
        self.0.truncate(mark);
    }

    /// Goes on to what a key stands for. Of a long key the beginning is kept.
    pub fn push_key(&mut self, key: &[u8]) {
        // Once, and not by doubling.
        if self.0.capacity() == 0 {
            self.0.reserve(MAX_SHOWN + 2);
        }
        if !self.0.is_empty() {
            self.0.push(b'.');
        }
        self.0.extend_from_slice(&key[..key.len().min(MAX_SHOWN)]);
    }

    /// Goes on to an element.
    pub fn push_index(&mut self, index: usize) {
        self.0.push(b'[');
        let mut digits = itoa::Buffer::new();
        self.0.extend_from_slice(digits.format(index).as_bytes());
        self.0.push(b']');
    }
}

/// Takes the values of a request, one after another.
pub trait Sink {
    /// A text, decoded as the upstream will decode it.
    fn value(&mut self, at: Location<'_>, bytes: &[u8]);
}
