//! What is done with access requests.

use serde::{Deserialize, Serialize};

/// What can be done with an access request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessDeed {
    /// It was asked.
    Asked,
    /// An approver said yes.
    Approved,
    /// An approver said no.
    Denied,
    /// With the last approval that was needed, it became a grant.
    Granted,
    /// It became a grant at once, without any approval.
    BrokeGlass,
    /// It was over before anybody decided.
    Expired,
    /// Who asked took it back, or the grant was ended before its time.
    Ended,
    /// An approver looked at it after it had broken the glass.
    Reviewed,
}

impl AccessDeed {
    /// The word for it in records.
    pub fn text(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Granted => "granted",
            Self::BrokeGlass => "broke_glass",
            Self::Expired => "expired",
            Self::Ended => "ended",
            Self::Reviewed => "reviewed",
        }
    }
}
