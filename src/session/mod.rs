//! What bounds access in time: sessions, and revocations that end access before its time; both kept in a file, with the exchanges under way
//! that they cut.

mod access;
mod grants;
mod live;
mod revocation;
mod revocations;
mod sessions;
mod signers;
mod store;

pub use access::{AccessEvent, AccessRequest, AccessState, NewAccess};
pub use grants::{Access, AccessError, Grant, Untold};
pub use live::{Carried, Cut, Line, Lines};
pub use revocation::{Revocation, Revoked, RevokedError};
pub use revocations::{Change, Revocations};
pub use sessions::{NewSession, Session, SessionFault, Sessions};
pub use signers::{Signers, SignersFault};
pub use store::{Store, StoreError};
