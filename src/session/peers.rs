//! The other nodes of a cluster, as sessions, revocations and access requests know them. `cluster` has the one that is real.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::StoreError;

/// The other nodes. Its methods wait for the network: they are not for threads that serve requests.
pub trait Peers: fmt::Debug + Send + Sync {
    /// Tells them of rows, each unless one of the same version or a later one is known; tells how many were taken. One row that is taken
    /// is a decision: nobody else's row of this version is.
    ///
    /// # Errors
    /// [`Away`] when that cannot be known.
    fn put(&self, rows: &[Row]) -> Result<usize, Away>;

    /// Tells them of a row that is a decision, unless one of the same version or a later one is known, and takes it over here; tells whether
    /// it did.
    ///
    /// # Errors
    /// [`Away`] when that cannot be known, also while something that it rests on may be missing.
    fn decide(&self, row: &Row, rests_on: Earlier) -> Result<bool, Away>;

    /// Returns when all that anybody put before this was called lies in the store here.
    ///
    /// # Errors
    /// [`Away`] when they cannot be asked.
    fn hear(&self) -> Result<(), Away>;

    /// Uses something up that is good once at all nodes together, was made at this time, and is taken for so long from now on; tells whether
    /// this was the first use.
    ///
    /// # Errors
    /// [`Away`] when that cannot be known.
    fn claim(&self, digest: &[u8; 32], made: SystemTime, lasts: Duration) -> Result<bool, Away>;

    /// A secret that all nodes have, and nobody else; another one for each purpose.
    fn secret(&self, purpose: &str) -> [u8; 32];

    /// Whether nothing was heard of them for so long that what was decided elsewhere must not be overlooked any more.
    fn is_silent(&self) -> bool;

    /// Whether what they revoked is known here, but for the last moment.
    fn is_fresh(&self) -> bool;
}

/// What of earlier decisions a decision rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Earlier {
    /// It is right whatever was decided.
    Nothing,
    /// It would be wrong without one that another node knows of.
    Decisions,
}

/// The other nodes cannot be asked.
#[derive(Debug)]
pub enum Away {
    /// What they share cannot be reached.
    Link,
    /// The store cannot take what they said.
    Store(StoreError),
}

/// Something that all nodes have, as it travels between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it is.
    pub kind: RowKind,
    /// Which one.
    pub id: String,
    /// Which of its changes; it counts up from 1.
    pub version: u64,
    /// From when on nobody needs it any more.
    pub ends: SystemTime,
    /// What it says, as JSON.
    pub document: String,
}

/// What rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// A revocation, or the end of one.
    Revocation,
    /// A sealed key that signs sessions' tokens.
    Key,
    /// A session.
    Session,
    /// When a session was last used: the version is that time, in milliseconds since 1970.
    Use,
    /// How many uses of a session are spent: the version is that number.
    Spent,
    /// An access request.
    Access,
}

impl RowKind {
    /// Every one, in the order in which a node tells of all that it has: first what ends access.
    pub const ALL: [Self; 6] = [Self::Revocation, Self::Key, Self::Session, Self::Use, Self::Spent, Self::Access];

    /// The word for it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Revocation => "revocation",
            Self::Key => "key",
            Self::Session => "session",
            Self::Use => "use",
            Self::Spent => "spent",
            Self::Access => "access",
        }
    }

    /// The kind of this word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.text() == text)
    }
}

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link => f.write_str("what the nodes share cannot be reached"),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Away {}

impl From<StoreError> for Away {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
