//! Why nothing became of an access request, or of a decision on one.

/// What is wrong with an access request, or with what is done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessFault {
    /// It says nothing that can be asked for.
    Invalid,
    /// There is none of this id that the caller may see.
    Unknown,
    /// Who asks must not decide.
    SelfApproval,
    /// It does not wait for anybody any more.
    Decided,
    /// The same approver has approved it already.
    Voted,
    /// Too many of the same principal wait.
    TooMany,
}

impl AccessFault {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Invalid, Self::Unknown, Self::SelfApproval, Self::Decided, Self::Voted, Self::TooMany];

    /// The HTTP status that answers it.
    pub fn status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::SelfApproval => 403,
            Self::Unknown => 404,
            Self::Decided | Self::Voted => 409,
            Self::TooMany => 429,
        }
    }

    /// The stable code that clients may act on.
    pub fn text(self) -> &'static str {
        match self {
            Self::Invalid => "access_request_invalid",
            Self::Unknown => "access_request_unknown",
            Self::SelfApproval => "self_approval",
            Self::Decided => "access_request_decided",
            Self::Voted => "already_approved",
            Self::TooMany => "too_many_access_requests",
        }
    }

    /// One sentence for the client.
    pub fn public_text(self) -> &'static str {
        match self {
            Self::Invalid => "This cannot be asked for: see the documentation of access requests.",
            Self::Unknown => "There is no such access request.",
            Self::SelfApproval => "Somebody else has to decide on your own access request.",
            Self::Decided => "The access request does not wait for a decision.",
            Self::Voted => "You have approved it already: somebody else has to.",
            Self::TooMany => "Too many of your access requests wait for a decision.",
        }
    }
}
