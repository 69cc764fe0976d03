//! Why what a client sent was not let through.

/// Why a request was stopped for what is in it. The client learns no more; the record says what was found and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inspection {
    /// It has the marks of an attack.
    Attack,
    /// It cannot be read, or can be read in more than one way.
    Unreadable,
    /// It is not what the API promises to take.
    Contract,
    /// It is beyond what can be looked through.
    TooLarge,
    /// It is in a form that cannot be looked through.
    Unsupported,
}

impl Inspection {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Attack, Self::Unreadable, Self::Contract, Self::TooLarge, Self::Unsupported];

    /// The HTTP status that answers it.
    pub fn status(self) -> u16 {
        match self {
            Self::Attack => 403,
            Self::Unreadable | Self::Contract => 400,
            Self::TooLarge => 413,
            Self::Unsupported => 415,
        }
    }

    /// The stable code that clients may act on.
    pub fn code(self) -> &'static str {
        match self {
            Self::Attack => "inspection",
            Self::Unreadable => "unreadable",
            Self::Contract => "contract",
            Self::TooLarge => "body_too_large",
            Self::Unsupported => "body_unsupported",
        }
    }

    /// One sentence for the client.
    pub fn public_text(self) -> &'static str {
        match self {
            Self::Attack => "This request was stopped.",
            Self::Unreadable => "The request cannot be read as what it says it is.",
            Self::Contract => "The request is not one that this API describes.",
            Self::TooLarge => "The request's body is too large.",
            Self::Unsupported => "The request's body is in a form that is not supported.",
        }
    }
}
