//! Answers of upstreams that may not go on.

/// Why an answer may not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withheld {
    /// It holds what must not leave.
    Leak,
    /// It is not of the type that it is declared to be.
    Type,
}

impl Withheld {
    /// The word for it in the record.
    pub fn detail(self) -> &'static str {
        match self {
            Self::Leak => "leak",
            Self::Type => "type",
        }
    }
}
