//! What bounds access in time: sessions, and revocations that end access before its time; both kept in a file, with the exchanges under way
//! that they cut.

mod access;
mod grants;
mod live;
mod peers;
mod revocation;
mod revocations;
mod sessions;
mod signers;
mod store;

pub use access::{AccessEvent, AccessRequest, AccessState, NewAccess};
pub use grants::{Access, AccessError, Grant, Untold, Use};
pub use live::{Carried, Cut, Line, Lines};
pub use peers::{Away, Earlier, Peers, Row, RowKind};
pub use revocation::{Revocation, Revoked, RevokedError};
pub use revocations::{Change, Revocations};
pub use sessions::{NewSession, Session, SessionFault, Sessions};
pub use signers::{Signers, SignersFault};
pub use store::{Mark, ROWS_AT_ONCE, Store, StoreError};

/// The digest of a body, by which the request that it belongs to can be approved (SHA-256).
pub fn digest(body: &[u8]) -> [u8; 32] {
    crate::crypto::sha256(body)
}
