//! `[authn.NAME.forward_auth]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::file::Text;
use crate::config::values::{Period, PeriodOrNone};

/// `[authn.NAME.forward_auth]`. The service gets a GET with the credential, and the request's method, host, path without query and client as
/// `X-Forwarded-Method`, `X-Forwarded-Host`, `X-Forwarded-Uri` and `X-Forwarded-For`. 200 or 204 proves the caller, 401 or 403 refuses it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ForwardAuthTable {
    /// The service: `https`, or `http` on loopback. A private address that its name resolves to has to be in `[egress]`.
    pub(in crate::config) url: Text,
    /// The headers that may hold the credential; a request has one of them. They never go upstream, and no other authenticator of a route may look there.
    pub(in crate::config) credential_headers: Vec<Text>,
    /// Further headers of the request that the service is sent. Default: none.
    #[serde(default)]
    pub(in crate::config) request_headers: Vec<Text>,
    /// The header of the answer that is the principal's id.
    pub(in crate::config) id_header: Text,
    /// The header of the answer that names roles, with commas between. Default: none.
    pub(in crate::config) roles_header: Option<Text>,
    /// What sort of callers these are: `human`, `service` or `agent`. Default `human`.
    pub(in crate::config) kind: Option<Text>,
    /// A PEM file of the authorities that the service's certificate must come from. Default: the system's.
    pub(in crate::config) ca: Option<Text>,
    /// How long an ask may take, at most 30s. Default `2s`.
    pub(in crate::config) timeout: Option<Period>,
    /// How long a good answer holds for the same question, everything sent being part of it. At most 5m. Default `0s`.
    pub(in crate::config) cache: Option<PeriodOrNone>,
}
