//! Why no identity was proved.

use super::ProofFault;

/// Why no identity was proved. The client learns only that none was; the record says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthnFault {
    /// Nothing was presented.
    Missing,
    /// More than one credential was presented.
    Several,
    /// Not of a form that any of the route's authenticators takes.
    Malformed,
    /// The algorithm is not the one that belongs to the key.
    Algorithm,
    /// No key with this id.
    UnknownKey,
    /// A decoy, which nobody uses who should.
    Canary,
    /// The signature or digest is wrong.
    Signature,
    /// Expired.
    Expired,
    /// Not valid yet.
    NotYetValid,
    /// The issuer is not the configured one.
    Issuer,
    /// The audience is not the configured one.
    Audience,
    /// The token's `typ` is not the configured one.
    Type,
    /// A `crit` header that is not understood.
    Critical,
    /// A claim that is needed is missing or of the wrong type.
    Claim,
    /// The client's network is not one that this credential may be used from.
    Network,
    /// What the token is bound to is not there or is another, or it is bound to nothing and comes as if it were.
    Binding,
    /// The proof that goes with the token proves nothing.
    Proof(ProofFault),
    /// A signature with a nonce that was used before.
    Replay,
    /// Who issued it says that it is not active (RFC 7662 §2.2), or refused it.
    Inactive,
    /// No authority that is trusted leads to the certificate, or it is not for clients.
    Certificate,
    /// Revoked.
    Revoked,
    /// The session was not used for longer than it may go without.
    Idle,
    /// As many requests came in the session as it was for.
    Spent,
    /// The signature leaves out what it has to cover.
    Component,
    /// The body is not the one that was signed.
    Digest,
}

impl From<ProofFault> for AuthnFault {
    fn from(fault: ProofFault) -> Self {
        Self::Proof(fault)
    }
}

impl AuthnFault {
    /// Whether what was presented was wrong, and not only late, incomplete, withdrawn or sent twice.
    pub fn is_wrong(self) -> bool {
        use AuthnFault::{
            Algorithm, Audience, Binding, Canary, Certificate, Claim, Component, Critical, Digest, Expired, Idle,
            Inactive, Issuer, Malformed, Missing, Network, NotYetValid, Proof, Replay, Revoked, Several, Signature,
            Spent, Type, UnknownKey,
        };
        match self {
            Missing | Several | Expired | NotYetValid | Replay | Inactive | Idle | Spent => false,
            Proof(fault) => fault.is_wrong(),
            Malformed | Algorithm | UnknownKey | Canary | Signature | Issuer | Audience | Type | Critical | Claim
            | Network | Binding | Certificate | Revoked | Component | Digest => true,
        }
    }

    pub(super) fn detail(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Several => "several",
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::Canary => "canary",
            Self::Signature => "signature",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Type => "type",
            Self::Critical => "critical",
            Self::Claim => "claim",
            Self::Network => "network",
            Self::Binding => "binding",
            Self::Proof(fault) => fault.detail(),
            Self::Replay => "replay",
            Self::Inactive => "inactive",
            Self::Certificate => "certificate",
            Self::Revoked => "revoked",
            Self::Idle => "idle",
            Self::Spent => "spent",
            Self::Component => "component",
            Self::Digest => "digest",
        }
    }
}
