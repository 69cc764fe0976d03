//! Routes in a configuration file.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{IdentityTokenTable, Text};
use crate::config::values::{Networks, Period, Size, Spanned, named, named_networks};

/// `[route.NAME]`: which requests, and what then applies. Of several routes that match, the most specific counts: host before path, literal
/// before `*` before `**`. Two of which neither is more specific are an error, unless they have different methods.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RouteTable {
    /// The host, or `*.suffix`. Default: every host.
    pub(in crate::config) host: Option<Text>,
    /// The path pattern, such as `/stripe/**`. What stands before a closing `**` is taken off before rules are asked and the request is sent.
    pub(in crate::config) path: Text,
    /// The methods: `GET`, `HEAD`, `POST`, `PUT`, `DELETE`, `OPTIONS`, `PATCH`. Default: all of these.
    #[serde(default, deserialize_with = "named")]
    pub(in crate::config) methods: Vec<Text>,
    /// Keep what stands before `**`. Default `false`.
    #[serde(default)]
    pub(in crate::config) keep_prefix: bool,
    /// The `[target.NAME]` that requests go to.
    pub(in crate::config) target: Text,
    /// The `[credential.NAME]` put on requests; one of the route's target. Default: none.
    pub(in crate::config) credential: Option<Text>,
    /// What becomes of an answer in which the credential's secrets, or what `leak` names, cannot be looked for, since it is in an unknown coding or a part of one:
    /// `strict`, it is refused with 502, and no parts are asked for; or `lenient`, it goes on as it is. Default `strict`.
    pub(in crate::config) scrub: Option<Text>,
    /// The `[leak.NAME]` of what must not leave in answers. What becomes of an answer that cannot be looked through says `scrub`. Default:
    /// none.
    pub(in crate::config) leak: Option<Text>,
    /// The `[inspect.NAME]` that requests are looked through by before anything is sent. Default: none.
    pub(in crate::config) inspect: Option<Text>,
    /// Headers that tell the target who the caller is, such as `{ "X-User" = "{principal.id}" }`, with the fields `principal.id`,
    /// `principal.kind`, `principal.roles`, `principal.scopes`, `principal.authenticator` and `principal.actor`. Roles are joined by commas,
    /// scopes by blanks; other commas, blanks, `%` and what is no visible ASCII are percent-encoded. A header of which a field is empty is
    /// left out. The client's own fields of these names are taken off on every route. Default: none.
    #[serde(default)]
    pub(in crate::config) identity: BTreeMap<Spanned<String>, Text>,
    /// A token that tells the target who the caller is, signed with the key of `[identity_token]`, such as
    /// `{ header = "X-Identity", audience = "https://orders.example.com" }`. Default: none.
    pub(in crate::config) identity_token: Option<Spanned<IdentityTokenTable>>,
    /// The `[authn.NAME]`s whose credentials are taken. A request presents exactly one, which finds its own among them.
    pub(in crate::config) authn: Spanned<Vec<Text>>,
    /// The rules. A request that none of them fits is denied. Default: none.
    #[serde(default)]
    pub(in crate::config) allow: Vec<Spanned<RuleTable>>,
    /// Whether the rules are enforced: `enforce`; or `shadow`, what none of them fits goes through and is told of in records, to try rules out.
    /// All else is enforced all the same. Not with `anonymous` or a rule with `approval`. Default `enforce`.
    pub(in crate::config) mode: Option<Text>,
    /// The `[limit.NAME]`s, all of which apply. Default: none.
    #[serde(default)]
    pub(in crate::config) limits: Vec<Text>,
    /// The largest request body. Not counted on a WebSocket. Default `10MiB`.
    pub(in crate::config) max_body: Option<Size>,
    /// How long a whole request body may take. Default `60s`.
    pub(in crate::config) body_timeout: Option<Period>,
    /// Whether WebSocket handshakes are passed on. Default `false`.
    #[serde(default)]
    pub(in crate::config) websocket: bool,
    /// Whether `%2F` may stand in a path. Default `false`.
    #[serde(default)]
    pub(in crate::config) encoded_slash: bool,
    /// Whether requests are refused while a revocation may not be known here: with the store unreadable, or, in a `[cluster]`, after 2s without
    /// a word of the other nodes. Needs `[store]`. Default `false`.
    pub(in crate::config) revocation_critical: Option<Spanned<bool>>,
}

/// One `allow` entry: exactly one of `role`, `scope`, `principal`, and what it may do.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RuleTable {
    /// Allows everybody with this role.
    pub(in crate::config) role: Option<Text>,
    /// Allows everybody whose token or key holds this scope.
    pub(in crate::config) scope: Option<Text>,
    /// Allows one principal, as `AUTHENTICATOR:ID`.
    pub(in crate::config) principal: Option<Text>,
    /// The methods. Default: those of the route.
    #[serde(default, deserialize_with = "named")]
    pub(in crate::config) methods: Vec<Text>,
    /// Path patterns, as the target is asked for them. Default: `/**`.
    #[serde(default, deserialize_with = "named")]
    pub(in crate::config) paths: Vec<Text>,
    /// Scopes that the token must hold as well, all of them. Default: none.
    #[serde(default, deserialize_with = "named")]
    pub(in crate::config) scopes: Vec<String>,
    /// Client networks. Default: all.
    #[serde(default, deserialize_with = "named_networks")]
    pub(in crate::config) networks: Networks,
    /// The `[approval.NAME]` of which the caller has to hold a grant. Default: none is needed.
    pub(in crate::config) approval: Option<Text>,
}
