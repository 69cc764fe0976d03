//! The two counts of failures that outlive a reload.

use crate::domain::Lockout;

use super::Failures;

/// What failed, by address and by claimed identity.
#[derive(Debug)]
pub struct Lockouts {
    addresses: Failures,
    identities: Failures,
}

/// For how many keys each keeps state; about 15 MB when all are live.
const MAX_KEYS: usize = 100_000;

impl Default for Lockouts {
    fn default() -> Self {
        Self { addresses: Failures::new(MAX_KEYS), identities: Failures::new(MAX_KEYS) }
    }
}

impl Lockouts {
    /// The count of one sort.
    pub fn of(&self, by: Lockout) -> &Failures {
        match by {
            Lockout::Address => &self.addresses,
            Lockout::Identity => &self.identities,
        }
    }

    /// Whether nobody has failed of late.
    pub fn are_empty(&self) -> bool {
        self.addresses.is_empty() && self.identities.is_empty()
    }
}
