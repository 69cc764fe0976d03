//! What lock-outs are counted by.

/// What a lock-out is counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lockout {
    /// The client's address.
    Address,
    /// The identity that was claimed, from the client's network.
    Identity,
}

impl Lockout {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Address, Self::Identity];

    /// The word for it in the log and the record.
    pub fn text(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Identity => "identity",
        }
    }
}
