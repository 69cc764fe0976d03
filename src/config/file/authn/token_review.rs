//! `[authn.NAME.token_review]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::file::Text;
use crate::config::values::{OneOrMany, Period, PeriodOrNone};

/// `[authn.NAME.token_review]`. The principal is the user name (`system:serviceaccount:NAMESPACE:NAME`), its roles are the groups. Where
/// the cluster's issuer can be reached, `jwt` with that issuer asks nobody.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct TokenReviewTable {
    /// The API server. Its address is most often a private one and has to be in `[egress]`. Default `https://kubernetes.default.svc`.
    pub(in crate::config) url: Option<Text>,
    /// The audience that a token must be for, or several of which it must be for one.
    pub(in crate::config) audience: OneOrMany<String>,
    /// The proxy's own token, in a file that is read at each ask. Default `/var/run/secrets/kubernetes.io/serviceaccount/token`.
    pub(in crate::config) token_file: Option<String>,
    /// The proxy's own token, as `vault:path`, instead of a file. Default: none.
    pub(in crate::config) token: Option<Text>,
    /// What sort of callers these are: `human`, `service` or `agent`. Default `service`.
    pub(in crate::config) kind: Option<Text>,
    /// A PEM file of the authorities that the API server's certificate must come from. Default: the system's.
    pub(in crate::config) ca: Option<Text>,
    /// How long an ask may take, at most 30s. Default `2s`.
    pub(in crate::config) timeout: Option<Period>,
    /// How long a good answer holds, never beyond the token's own `exp`. At most 5m; `0s` for not at all. Default `30s`.
    pub(in crate::config) cache: Option<PeriodOrNone>,
}
