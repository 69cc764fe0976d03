//! Why nothing became of an access request, or of a decision on one.

/// What is wrong with an access request, or with what is done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessFault {
    /// It says nothing that can be asked for, on account of this.
    Invalid(InvalidAccess),
    /// There is none of this id that the caller may see.
    Unknown,
    /// Who asks must not decide.
    SelfApproval,
    /// It does not wait for anybody any more.
    Decided,
    /// The same approver has approved it already.
    Voted,
    /// Whose request it is has lost their access.
    Revoked,
    /// Too many of the same principal wait.
    TooMany,
}

/// What of an access request cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidAccess {
    /// What was sent is no access request: not JSON, or with members that there are not.
    Form,
    /// The approval.
    Approval,
    /// The reason.
    Reason,
    /// The ticket.
    Ticket,
    /// A route.
    Routes,
    /// A method.
    Methods,
    /// How many requests it is for.
    Uses,
    /// How long it is to last.
    Lasts,
    /// The single request that it is for.
    Request,
}

impl InvalidAccess {
    fn public_text(self) -> &'static str {
        match self {
            Self::Form => "This is no access request: see its documentation.",
            Self::Approval => "There is no such approval.",
            Self::Reason => "It needs a `reason`: one line of at most 1024 bytes.",
            Self::Ticket => "It needs a `ticket`: one line of at most 128 bytes.",
            Self::Routes => "There is no such route, or too many are named.",
            Self::Methods => "There is no such method, or none is named.",
            Self::Uses => "It cannot be for so many requests.",
            Self::Lasts => "It cannot last so long, or `for` is no time such as `15m`.",
            Self::Request => {
                "This approval is for one `request`, which has to be whole, or it is for none and has one."
            }
        }
    }
}

impl AccessFault {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Invalid(InvalidAccess::Form),
        Self::Unknown,
        Self::SelfApproval,
        Self::Decided,
        Self::Voted,
        Self::Revoked,
        Self::TooMany,
    ];

    /// The HTTP status that answers it.
    pub fn status(self) -> u16 {
        match self {
            Self::Invalid(_) => 400,
            Self::SelfApproval => 403,
            Self::Unknown => 404,
            Self::Decided | Self::Voted | Self::Revoked => 409,
            Self::TooMany => 429,
        }
    }

    /// The stable code that clients may act on.
    pub fn text(self) -> &'static str {
        match self {
            Self::Invalid(_) => "access_request_invalid",
            Self::Unknown => "access_request_unknown",
            Self::SelfApproval => "self_approval",
            Self::Decided => "access_request_decided",
            Self::Voted => "already_approved",
            Self::Revoked => "requester_revoked",
            Self::TooMany => "too_many_access_requests",
        }
    }

    /// One sentence for the client.
    pub fn public_text(self) -> &'static str {
        match self {
            Self::Invalid(what) => what.public_text(),
            Self::Unknown => "There is no such access request.",
            Self::SelfApproval => "Somebody else has to decide on your own access request.",
            Self::Decided => "The access request does not wait for a decision.",
            Self::Voted => "You have approved it already: somebody else has to.",
            Self::Revoked => {
                "The access of whoever asked was ended: it can be denied, or approved once they have their access back."
            }
            Self::TooMany => "Too many of your access requests wait for a decision.",
        }
    }
}
