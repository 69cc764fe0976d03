//! One route as it was meant: everything that applies to a request that matches it, compiled to handles.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use crate::authn::Chain;
use crate::authz::Policy;
use crate::domain::{Denial, HostPattern, HttpFault, Methods, Name, NormalPath, PathFault, PathPattern};
use crate::inject::{Credential, IdentityHeader, IdentityToken};
use crate::inspect::LeakProfile;
use crate::limit::{Concurrency, Rate, RateFields, Volume};
use crate::state::Inspecting;
use crate::target::Target;
use crate::telemetry::{RouteMetrics, TargetMetrics};

/// A compiled route.
#[derive(Debug)]
pub struct Route {
    /// The `[route.NAME]`.
    pub name: Name,
    /// The hosts it answers for.
    pub host: HostPattern,
    /// The paths it answers for.
    pub path: PathPattern,
    /// The methods it answers for.
    pub methods: Methods,
    /// What is taken off a path before rules are asked and the request is sent; empty for nothing.
    pub prefix: String,
    /// Whether `%2F` may stand in a path.
    pub encoded_slash: bool,
    /// Whether requests are refused while a revocation may not be known here.
    pub is_revocation_critical: bool,
    /// Whether WebSocket handshakes are passed on.
    pub websocket: bool,
    /// The largest request body, in bytes.
    pub max_body: u64,
    /// How long a whole request body may take.
    pub body_timeout: Duration,
    /// The authenticators.
    pub authn: Chain,
    /// The rules.
    pub policy: Policy,
    /// The limits, in the order written.
    pub limits: Vec<RouteLimit>,
    /// How requests are looked through; none for not at all.
    pub inspecting: Option<Arc<Inspecting>>,
    /// What is put on requests.
    pub credential: Option<Arc<Credential>>,
    /// What becomes of an answer in which the credential's secrets cannot be looked for.
    pub scrub: Scrub,
    /// What must not leave in answers.
    pub leak: Option<Arc<LeakProfile>>,
    /// What the target is told of the principal.
    pub identity: Vec<IdentityHeader>,
    /// What the target is told of the principal in a token of the gateway's own.
    pub identity_token: Option<IdentityToken>,
    /// Where requests go.
    pub target: Arc<Target>,
    /// Headers of the client that never go upstream: the places where credentials are presented, the one that is injected,
    /// and those in which any route tells of its principal.
    pub stripped: Vec<HeaderName>,
    /// This route's metrics, resolved.
    pub metrics: RouteMetrics,
    /// Its target's metrics, resolved.
    pub target_metrics: TargetMetrics,
}

/// What becomes of an answer that cannot be looked through for the secrets that were sent: one in an unknown coding, or a part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scrub {
    /// It is refused. Nobody is asked for a part.
    Strict,
    /// It goes on as it is.
    Lenient,
}

/// One limit that applies to a route.
#[derive(Debug)]
pub struct RouteLimit {
    /// The `[limit.NAME]`.
    pub name: Name,
    /// What is counted.
    pub by: LimitBy,
    /// The rate, if it limits one, and how clients are told of it.
    pub rate: Option<(Arc<Rate>, RateFields)>,
    /// The number under way, if it limits that.
    pub concurrency: Option<Arc<Concurrency>>,
    /// What one may come to, if it limits that.
    pub volume: Option<Arc<Volume>>,
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LimitBy {
    /// Each client address by itself.
    Client,
    /// Each principal by itself.
    Principal,
    /// All requests of the route together.
    Route,
}

impl Route {
    /// The path as rules judge it and the upstream is asked for it, without the prefix, if this route takes a request of this form at all.
    ///
    /// # Errors
    /// [`Denial::Malformed`] for an escaped slash or an upgrade where the route does not allow it; [`Denial::BodyTooLarge`].
    pub fn check_form(&self, path: &NormalPath, websocket: bool, length: Option<u64>) -> Result<NormalPath, Denial> {
        if path.has_encoded_slash() && !self.encoded_slash {
            return Err(Denial::Malformed(HttpFault::Path(PathFault::EncodedSlash)));
        }
        if websocket && !self.websocket {
            return Err(Denial::Malformed(HttpFault::Upgrade));
        }
        if length.is_some_and(|length| length > self.max_body) {
            return Err(Denial::BodyTooLarge);
        }
        if self.prefix.is_empty() { Ok(path.clone()) } else { path.without_prefix(&self.prefix).ok_or(Denial::NoRoute) }
    }
}
