//! What may be known of a rotation: where it stands, and what becomes of it.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::domain::{Name, SecretRef};

/// What operators may know of a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationStatus {
    /// The `[rotation.NAME]`.
    pub name: Name,
    /// The credential.
    pub credential: Name,
    /// Where its secret is.
    pub secret: SecretRef,
    /// Where it stands; none while that is not known.
    pub stage: Option<RotationStage>,
    /// When the secret in use was put in use, as far as this is known.
    pub since: Option<SystemTime>,
    /// Whether it is older than it should become, by more than a tenth.
    pub is_overdue: bool,
    /// Who asked for the new secret that was made last, or is; none where it was due.
    pub asked_by: Option<String>,
    /// What went wrong last.
    pub fault: Option<String>,
}

/// Where a rotation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RotationStage {
    /// Nothing is to be done.
    Idle,
    /// Somebody, or the schedule, wants a new secret.
    Asked,
    /// One is made.
    Making,
    /// There is one, and whoever it is for is told.
    Installing,
    /// There is one, and it is to be proved.
    Probing,
    /// It is in use, and what the target answers is watched.
    Watching,
    /// The old one is kept for a while.
    Grace,
    /// One that is not used any more is told off.
    Retiring,
}

/// What became of a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RotationEvent {
    /// A new secret was made.
    Made,
    /// The target took it: it is in use.
    Promoted,
    /// The one before it is in use again, for this reason.
    RolledBack(String),
    /// There is no new one, for this reason; nothing has changed.
    Failed(String),
    /// One that is not used any more is retired.
    Retired,
    /// Somebody else has set another one meanwhile; nothing was done to it.
    LeftAlone,
    /// The old one, or one that was no good, could not be retired, for this reason.
    NotRetired(String),
    /// The one in use is older than it should become, by more than a tenth.
    Overdue,
}

impl RotationStage {
    /// The word for it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Asked => "asked",
            Self::Making => "making",
            Self::Installing => "installing",
            Self::Probing => "probing",
            Self::Watching => "watching",
            Self::Grace => "grace",
            Self::Retiring => "retiring",
        }
    }
}
