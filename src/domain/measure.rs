//! What volumes are made of.

/// What a principal, client or route can come to too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Bytes of bodies, both ways.
    Bytes,
    /// Different objects.
    Objects,
    /// Requests that came to nothing.
    Errors,
}

impl Measure {
    /// The word for it in the record.
    pub fn detail(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Objects => "objects",
            Self::Errors => "errors",
        }
    }
}
