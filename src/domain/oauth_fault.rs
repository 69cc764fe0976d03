//! Why the token service refused a request.

/// What is wrong with a request to the token service, by the error codes of OAuth (RFC 6749 §5.2, RFC 7009 §2.2.1, RFC 8693 §2.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OauthFault {
    /// No form, or a parameter in it is missing, given twice, or of no use.
    InvalidRequest,
    /// Another `grant_type` than those that are taken.
    UnsupportedGrantType,
    /// Roles or scopes that the proof does not confer.
    InvalidScope,
    /// A resource, an audience or a route that there is not.
    InvalidTarget,
}

impl OauthFault {
    /// Every one.
    pub const ALL: [Self; 4] =
        [Self::InvalidRequest, Self::UnsupportedGrantType, Self::InvalidScope, Self::InvalidTarget];

    /// The error code.
    pub fn text(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
        }
    }

    /// One sentence for the client.
    pub fn public_text(self) -> &'static str {
        match self {
            Self::InvalidRequest => "A parameter is missing, given twice, or of no use.",
            Self::UnsupportedGrantType => "Ask with `client_credentials` or token exchange.",
            Self::InvalidScope => "The proof does not confer all that is asked for.",
            Self::InvalidTarget => "There is no such resource, audience or route.",
        }
    }
}
