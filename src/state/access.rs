//! Access requests of one configuration: who may ask for what, and who may approve it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::authn::Chain;
use crate::authz::Roles;
use crate::domain::{Id, Name};
use crate::net::Client;
use crate::state::RouteLimit;
use crate::vault::Slot;

/// A compiled `[access]`, with every `[approval.NAME]`.
#[derive(Debug)]
pub struct AccessService {
    /// What sessions that are confined to routes would have to name.
    pub name: Name,
    /// The URL that its resources stand below; it ends without a slash.
    pub url: String,
    /// Its host, in normal form.
    pub host: String,
    /// Whose proofs are taken.
    pub authn: Chain,
    /// The limits of its resources.
    pub limits: Vec<RouteLimit>,
    /// Who has which role.
    pub roles: Arc<Roles>,
    /// What can be asked for.
    pub approvals: HashMap<Name, Arc<Approval>, ahash::RandomState>,
    /// Who is told of all that is done.
    pub webhook: Option<Webhook>,
}

/// A service that is told what is done with access requests.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Where it is.
    pub url: String,
    /// What it is called with.
    pub client: Arc<Client>,
    /// What signs.
    pub secret: Arc<Slot>,
}

/// A compiled `[approval.NAME]`.
#[derive(Debug)]
pub struct Approval {
    /// Roles that may ask; empty for everybody.
    pub requesters: Vec<String>,
    /// Roles that may approve.
    pub approvers: Vec<String>,
    /// How many of them have to.
    pub needed: u32,
    /// The longest that a grant may last.
    pub max: Duration,
    /// How long a request waits.
    pub expires: Duration,
    /// Whether each grant is for one request alone.
    pub is_exact: bool,
    /// Whether a ticket has to be named.
    pub is_ticket_needed: bool,
    /// Roles that may use it at once, without any approval.
    pub break_glass: Vec<String>,
}

/// What is asked of the access service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessCall {
    /// All requests that the caller may see, or a new one.
    All,
    /// One request.
    One(Id),
    /// Something that is done with one.
    Do(Id, AccessVerb),
}

/// What can be done with an access request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessVerb {
    /// An approver says yes.
    Approve,
    /// An approver says no.
    Deny,
    /// It is taken back, or its grant is ended.
    End,
    /// An approver has looked at what broke the glass.
    Review,
}

impl AccessService {
    /// The path of all requests, below the URL.
    pub const PATH: &str = "/access/requests";
    /// The path of its description, below the URL.
    pub const DESCRIPTION_PATH: &str = "/access/openapi.json";
    /// What can be asked of it, and how it answers (OpenAPI 3.1).
    pub const DESCRIPTION: &str = include_str!("../../docs/openapi.json");

    /// What a request for this host and path, in normal form, asks of it; none where it is for somebody else.
    pub fn call(&self, host: &str, path: &str) -> Option<AccessCall> {
        let rest = path.strip_prefix(Self::PATH).filter(|_| self.host == host)?;
        if rest.is_empty() {
            return Some(AccessCall::All);
        }
        let mut parts = rest.strip_prefix('/')?.split('/');
        let id = parts.next()?.parse().ok()?;
        let verb = match parts.next() {
            None => return Some(AccessCall::One(id)),
            Some("approve") => AccessVerb::Approve,
            Some("deny") => AccessVerb::Deny,
            Some("end") => AccessVerb::End,
            Some("review") => AccessVerb::Review,
            Some(_) => return None,
        };
        parts.next().is_none().then_some(AccessCall::Do(id, verb))
    }
}
