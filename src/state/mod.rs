//! What the two planes share: the immutable [`Snapshot`], which the control plane leaves here and the data plane takes, and the [`Services`]
//! that outlive every snapshot.

mod access;
mod bodies;
mod canaries;
mod inspecting;
mod rotating;
mod route;
mod router;
mod services;
mod snapshot;
mod tokens;

pub use access::{AccessCall, AccessService, AccessVerb, Approval, Webhook};
pub use bodies::Bodies;
pub use canaries::{Canaries, Ending};
pub use inspecting::{Beyond, Inspecting};
pub use rotating::{Probe, Rotating};
pub use route::{LimitBy, Route, RouteLimit, Scrub};
pub use router::{Overlap, Router};
pub use services::{Engines, ReloadOutcome, Services};
pub use snapshot::{AuditAnchor, ListenerState, Snapshot};
pub use tokens::{Endpoint, TokenService};
