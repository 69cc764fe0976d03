//! Where a rotation stands, as it lies beside the secret, and what is changed together with that.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{NewSecret, Rotation, RotationStage};
use crate::crypto::sha256;
use crate::domain::{Secret, hex, millis, seconds};
use crate::vault::VaultError;
use crate::vault::sealed::Entries;

/// Where a rotation stands, as it lies in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) stage: RotationStage,
    /// When it came there, in milliseconds since 1970: of a short time, a second more or less would be much.
    #[serde(default)]
    pub(super) since_ms: u64,
    /// When the secret in use was put in use, and the one before it.
    pub(super) rotated: u64,
    #[serde(default)]
    pub(super) rotated_before: u64,
    /// The digest of the secret in use as this rotation knows it (SHA-256): another one was set by somebody else.
    pub(super) used: Option<String>,
    /// How many of a hundred answers were refusals before the secret in use.
    #[serde(default)]
    pub(super) usual: f64,
    pub(super) fault: Option<String>,
    /// Who asked for the new secret; none where it was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) asked_by: Option<String>,
    /// How many new secrets were no good, one after another.
    #[serde(default)]
    pub(super) failures: u32,
    /// The name of the attempt to make a secret that is under way, or of which nobody knows what it has left.
    #[serde(default)]
    pub(super) attempt: Option<String>,
    /// What the secrets are called where they are made.
    #[serde(default)]
    pub(super) ids: Ids,
}

/// What secrets are called where they are made, as far as this is known. An id is no secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ids {
    pub(super) used: Option<String>,
    pub(super) next: Option<String>,
    pub(super) previous: Option<String>,
    pub(super) unused: Option<String>,
    /// Whether the secret in use is not the one that was there before all rotations.
    is_other: bool,
    /// Which provider they are from, by a digest; none while there is none.
    #[serde(default)]
    origin: Option<String>,
}

impl Ids {
    /// Those of a secret that somebody else has set: none.
    pub(super) fn lost() -> Self {
        Self { is_other: true, ..Self::default() }
    }

    /// Those of a provider: none, where they are from another one.
    pub(super) fn of(self, origin: Option<&str>) -> Self {
        if self.origin.is_some() && self.origin.as_deref() != origin { Self::lost() } else { self }
    }

    /// Those that must not be retired; `first` is what the secret from before all rotations is called.
    pub(super) fn kept<'a>(&'a self, first: Option<&'a str>) -> Vec<&'a str> {
        let first = first.filter(|_| !self.is_other);
        [self.used.as_deref(), self.previous.as_deref(), first].into_iter().flatten().collect()
    }

    /// Goes where the secrets go, which are from this source.
    pub(super) fn follow(&mut self, change: &Change, source: &NewSecret) {
        match change {
            Change::Nothing => {}
            Change::Stage(_, id) => {
                self.next.clone_from(id);
                self.origin = source.origin();
            }
            Change::Promote => {
                let first = source.first_id().filter(|_| !self.is_other).map(str::to_owned);
                self.previous = self.used.take().or(first);
                (self.used, self.is_other) = (self.next.take(), true);
            }
            Change::RollBack => {
                self.unused = self.used.take();
                self.used = self.previous.take();
            }
            Change::GiveUp => self.unused = self.next.take(),
            Change::Expire => self.unused = self.previous.take(),
            Change::Forget => (self.next, self.previous, self.unused) = (None, None, None),
        }
    }
}

/// What is changed together with where a rotation stands.
pub(super) enum Change {
    Nothing,
    /// There is a new one, and what its maker calls it.
    Stage(Secret, Option<String>),
    /// The new one is the one in use.
    Promote,
    /// The one before is, and the one in use is used no more.
    RollBack,
    /// The new one is used no more.
    GiveUp,
    /// The one before is used no more.
    Expire,
    /// There is none but the one in use.
    Forget,
}

impl Change {
    pub(super) fn is_promotion(&self) -> bool {
        matches!(self, Self::Promote)
    }

    /// Whether it is right only for the secret in use as it was found.
    pub(super) fn rests_on_use(&self) -> bool {
        match self {
            Self::Promote | Self::RollBack | Self::Expire => true,
            Self::Nothing | Self::Stage(..) | Self::GiveUp | Self::Forget => false,
        }
    }

    pub(super) fn make(self, rotation: &Rotation, all: &mut Entries) -> Result<(), VaultError> {
        let [next, previous, unused] = ["next", "previous", "unused"].map(|what| rotation.named(what));
        let path = &rotation.secret.path;
        let rename = |all: &mut Entries, from: &str, to: &str| match all.take(from) {
            Some(secret) => all.set(to, secret),
            None => Ok(()),
        };
        match self {
            Self::Nothing => {}
            Self::Stage(secret, _) => all.set(&next, secret)?,
            Self::Promote => {
                rename(all, path, &previous)?;
                rename(all, &next, path)?;
            }
            Self::RollBack => {
                rename(all, path, &unused)?;
                rename(all, &previous, path)?;
            }
            Self::GiveUp => rename(all, &next, &unused)?,
            Self::Expire => rename(all, &previous, &unused)?,
            Self::Forget => [next, previous, unused].iter().for_each(|name| drop(all.take(name))),
        }
        Ok(())
    }
}

impl State {
    pub(super) fn new(now: SystemTime) -> Self {
        let (since_ms, now) = (millis(now), seconds(now));
        Self {
            stage: RotationStage::Idle,
            since_ms,
            rotated: now,
            rotated_before: now,
            used: None,
            usual: 0.0,
            fault: None,
            asked_by: None,
            failures: 0,
            attempt: None,
            ids: Ids::default(),
        }
    }
}

pub(super) fn fingerprint(secret: &Secret) -> String {
    fingerprint_of(secret.expose())
}

pub(super) fn fingerprint_of(bytes: &[u8]) -> String {
    hex(&sha256(bytes))
}
