//! The nouns every other module speaks: pure data, no I/O, no framework.

mod access_deed;
mod access_fault;
mod address;
mod denial;
mod exact;
mod host;
mod id;
mod name;
mod oauth_fault;
mod path;
mod pattern;
mod principal;
mod recent;
mod request;
mod retained;
mod secret;
mod stay;
mod steady;

pub use access_deed::AccessDeed;
pub use access_fault::AccessFault;
pub use address::{NetworkSet, canonical_ip};
pub use denial::{AuthnFault, Denial, HttpFault, Lockout, TimedOut, Unavailable};
pub use exact::ExactRequest;
pub use host::{Host, HostFault, HostPattern};
pub use id::{Id, IdError};
pub use name::{Name, NameError};
pub use oauth_fault::OauthFault;
pub use path::{NormalPath, PathFault};
pub use pattern::{PathPattern, PatternError, PatternMap};
pub use principal::{Confirmation, Principal, PrincipalKind};
pub use recent::Recent;
pub use request::{Methods, PeerCertificates, RequestId, RequestView};
pub use retained::Retained;
pub use secret::{Secret, SecretRef, SecretRefError};
pub use stay::{Bounds, Stay};
pub use steady::steady;
