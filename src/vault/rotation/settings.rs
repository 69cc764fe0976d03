//! How a secret is replaced, as configuration says it.

use std::time::Duration;

use super::provider::HttpProvider;
use crate::domain::Name;

/// How a secret is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RotationSettings {
    /// The `[rotation.NAME]`.
    pub name: Name,
    /// Whose secret it is.
    pub credential: Name,
    /// How old a secret may become; none where it is replaced on command alone.
    pub every: Option<Duration>,
    /// Where a new one comes from.
    pub source: NewSecret,
    /// How long a new one may take until it is taken.
    pub patience: Duration,
    /// How long what the target answers is watched, once the new one is in use.
    pub watch: Duration,
    /// How many of a hundred answers may be refusals, beyond as many as there were before, until the old one comes back.
    pub max_refused: u8,
    /// How long the old one is kept after that.
    pub grace: Duration,
    /// A program that is told of one that is not used any more, on its standard input; empty where nobody is.
    pub retire: Vec<String>,
    /// How long a program may take; how long a call may, its client knows.
    pub timeout: Duration,
}

/// Where a new secret comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NewSecret {
    /// A program makes it, and prints it.
    Program(Vec<String>),
    /// A provider makes it, and is asked by calls.
    Http(Box<HttpProvider>),
    /// It is made here, of so many random bytes, written in hexadecimal; a program is told it on its standard input.
    Random(usize, Vec<String>),
}

impl NewSecret {
    /// Whether secrets end that are not renewed.
    pub(super) fn is_renewed(&self) -> bool {
        match self {
            Self::Http(provider) => provider.renew.is_some(),
            Self::Program(_) | Self::Random(..) => false,
        }
    }

    /// See [`HttpProvider::origin`]; none where secrets have no ids.
    pub(super) fn origin(&self) -> Option<String> {
        match self {
            Self::Http(provider) => Some(provider.origin()),
            Self::Program(_) | Self::Random(..) => None,
        }
    }

    /// What the secret is called that was there before all rotations, where somebody knows it.
    pub(super) fn first_id(&self) -> Option<&str> {
        match self {
            Self::Http(provider) => provider.first_id.as_deref(),
            Self::Program(_) | Self::Random(..) => None,
        }
    }
}
