//! What ends access before its time: revocations, kept in a file, and the exchanges under way that they cut.

mod live;
mod revocation;
mod revocations;
mod store;

pub use live::{Carried, Line, Lines};
pub use revocation::{Revocation, RevocationId, RevocationIdError, Revoked, RevokedError};
pub use revocations::{Change, Revocations};
pub use store::{Store, StoreError};
