//! Why a proof that its sender holds a token's key proves nothing.

/// Why a DPoP proof (RFC 9449 §4.3) proves nothing. The client learns only that the proof, and not the token, is wrong; the record says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofFault {
    /// No proof comes with a token that is bound to a key.
    Missing,
    /// More than one proof was presented.
    Several,
    /// No signed token, none with its public key in it, or one that brings along more than that.
    Malformed,
    /// Another type than `dpop+jwt`.
    Type,
    /// An algorithm that is not taken, or not the key's.
    Algorithm,
    /// Made with another key than the one that the token is bound to.
    Key,
    /// The signature is wrong.
    Signature,
    /// A claim that is needed is missing or of the wrong type.
    Claim,
    /// Made for another method or URL.
    Request,
    /// Made for another token.
    Token,
    /// Too old.
    Expired,
    /// Made later than now.
    NotYetValid,
    /// Without the nonce that was given out, or with an old one (RFC 9449 §8).
    Nonce,
    /// Used before.
    Replay,
}

impl ProofFault {
    /// Whether the proof was wrong, and not only late, incomplete or sent twice.
    pub fn is_wrong(self) -> bool {
        match self {
            Self::Several | Self::Expired | Self::NotYetValid | Self::Nonce | Self::Replay => false,
            Self::Missing
            | Self::Malformed
            | Self::Type
            | Self::Algorithm
            | Self::Key
            | Self::Signature
            | Self::Claim
            | Self::Request
            | Self::Token => true,
        }
    }

    /// Every one.
    pub const ALL: [Self; 14] = [
        Self::Missing,
        Self::Several,
        Self::Malformed,
        Self::Type,
        Self::Algorithm,
        Self::Key,
        Self::Signature,
        Self::Claim,
        Self::Request,
        Self::Token,
        Self::Expired,
        Self::NotYetValid,
        Self::Nonce,
        Self::Replay,
    ];

    pub(super) fn detail(self) -> &'static str {
        match self {
            Self::Missing => "proof_missing",
            Self::Several => "proof_several",
            Self::Malformed => "proof_malformed",
            Self::Type => "proof_type",
            Self::Algorithm => "proof_algorithm",
            Self::Key => "proof_key",
            Self::Signature => "proof_signature",
            Self::Claim => "proof_claim",
            Self::Request => "proof_request",
            Self::Token => "proof_token",
            Self::Expired => "proof_expired",
            Self::NotYetValid => "proof_not_yet_valid",
            Self::Nonce => "proof_nonce",
            Self::Replay => "proof_replay",
        }
    }
}
