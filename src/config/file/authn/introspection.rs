//! `[authn.NAME.introspection]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::file::Text;
use crate::config::values::{OneOrMany, Period, PeriodOrNone};

/// `[authn.NAME.introspection]`. A token that the server knows as active proves its subject; no answer is a refusal.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct IntrospectionTable {
    /// The introspection endpoint: `https`, or `http` on loopback. A private address that its name resolves to has to be in `[egress]`.
    pub(in crate::config) url: Text,
    /// The proxy's own client id at the server.
    pub(in crate::config) client_id: String,
    /// How the proxy proves that it is this client: `basic` or `post`, with `client_secret`, or `private_key_jwt`, with `private_key`. Default `basic`.
    pub(in crate::config) client_auth: Option<Text>,
    /// The client's secret, as `vault:path`; a new one is in use at once. Default: none.
    pub(in crate::config) client_secret: Option<Text>,
    /// The client's private key in PEM, as `vault:path`; a new one is in use at once. Default: none.
    pub(in crate::config) private_key: Option<Text>,
    /// What the private key signs with: `ES256`, `RS256` or `EdDSA`. Default: ES256, where there is a private key.
    pub(in crate::config) signing_algorithm: Option<Text>,
    /// The `kid` by which the server finds the public half of the private key. Default: none.
    pub(in crate::config) key_id: Option<String>,
    /// The `aud` of what the private key signs. Default: the `url`.
    pub(in crate::config) assertion_audience: Option<String>,
    /// The `aud` that answers must name, or several of which they must name one. Needed, unless `any_audience` says otherwise.
    pub(in crate::config) audience: Option<OneOrMany<String>>,
    /// Whether tokens for any audience are taken, with no `audience`: each active token of this server, for whatever API it is, then proves who calls this one. Default: no.
    #[serde(default)]
    pub(in crate::config) any_audience: bool,
    /// The exact `iss` of answers. Default: not checked.
    pub(in crate::config) issuer: Option<String>,
    /// The member that is the principal's id. Default `sub`.
    pub(in crate::config) id: Option<String>,
    /// The member that names roles, dotted for nested ones. Default: none.
    pub(in crate::config) roles: Option<String>,
    /// The member that names scopes. Default `scope`.
    pub(in crate::config) scopes: Option<String>,
    /// What sort of callers these are: `human`, `service` or `agent`. Default `human`.
    pub(in crate::config) kind: Option<Text>,
    /// A PEM file of the authorities that the server's certificate must come from. Default: the system's.
    pub(in crate::config) ca: Option<Text>,
    /// How long an ask may take, at most 30s. Default `2s`.
    pub(in crate::config) timeout: Option<Period>,
    /// How long a good answer holds, never beyond its own `exp`: a revoked token is refused after it at the latest. At most 5m; `0s` for not at all. Default `30s`.
    pub(in crate::config) cache: Option<PeriodOrNone>,
}
