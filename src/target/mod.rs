//! Upstream APIs as operators name them: origins, backends, selection, health, and peers bound to an origin.
//!
//! What is learnt outlives a reload because it is kept apart from what is configured: addresses by name (`resolution`), health and load by
//! address and check (`endpoint`). A `Target` joins the two under one [`Settings`].

mod check;
mod client;
mod endpoint;
mod peer;
mod registry;
mod resolution;
mod select;
mod settings;
mod status;
#[cfg(test)]
mod testing;
mod tls;
mod upstream;
mod url;

pub use registry::Targets;
pub use select::{Selected, Tried};
pub use settings::{BackendAddress, Balance, Health, Protocol, Settings, Timeouts};
pub use status::{AddressStatus, BackendStatus, TargetStatus};
pub use tls::{TlsFault, UpstreamTls};
pub use upstream::Target;
pub use url::{Origin, Scheme, TargetUrl, UrlFault, parse_host_header};
