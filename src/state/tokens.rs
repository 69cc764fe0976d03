//! The token service of one configuration: who may begin sessions, and for how long.

use std::sync::Arc;
use std::time::Duration;

use crate::authn::{Chain, TakenSessions};
use crate::authz::Roles;
use crate::domain::Name;
use crate::state::RouteLimit;
use crate::vault::Slot;

/// A compiled `[sessions]`.
#[derive(Debug)]
pub struct TokenService {
    /// What sessions that are confined to routes would have to name.
    pub name: Name,
    /// The `iss` and `aud` of its tokens, and the URL that its endpoints stand below; it ends without a slash.
    pub issuer: String,
    /// The issuer's host, in normal form.
    pub host: String,
    /// Whose proofs are taken.
    pub authn: Chain,
    /// The limits of its endpoints.
    pub limits: Vec<RouteLimit>,
    /// Who has which role.
    pub roles: Arc<Roles>,
    /// The longest that a session may last.
    pub max: Duration,
    /// How long one may go without a request.
    pub idle: Option<Duration>,
    /// How many a principal may have at once.
    pub per_principal: u32,
    /// What seals the keys that sign.
    pub seal: Arc<Slot>,
    /// How long one of them signs.
    pub rotate: Duration,
    /// How routes take its sessions.
    pub taken: TakenSessions,
    /// The metadata document (RFC 8414 §2).
    pub metadata: Arc<str>,
}

/// What is asked of a token service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// What it is and can do (RFC 8414).
    Metadata,
    /// The keys that prove its tokens (RFC 7517).
    KeySet,
    /// A session (RFC 6749 §3.2).
    Token,
    /// The end of one (RFC 7009).
    Revocation,
    /// What a token means (RFC 7662).
    Introspection,
}

impl Endpoint {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Metadata, Self::KeySet, Self::Token, Self::Revocation, Self::Introspection];

    /// Its path, below the issuer.
    pub fn path(self) -> &'static str {
        match self {
            Self::Metadata => "/.well-known/oauth-authorization-server",
            Self::KeySet => "/oauth/jwks.json",
            Self::Token => "/oauth/token",
            Self::Revocation => "/oauth/revoke",
            Self::Introspection => "/oauth/introspect",
        }
    }
}

impl TokenService {
    /// The `grant_type`s that are taken: RFC 6749 §4.4, RFC 8693 §2.1.
    pub const GRANT_TYPES: [&str; 2] = ["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"];

    /// What a request for this host and path, in normal form, asks of it.
    pub fn endpoint(&self, host: &str, path: &str) -> Option<Endpoint> {
        let endpoint = Endpoint::ALL.into_iter().find(|endpoint| endpoint.path() == path)?;
        (self.host == host).then_some(endpoint)
    }
}
