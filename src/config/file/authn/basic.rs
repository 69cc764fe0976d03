//! `[authn.NAME.basic]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::file::Text;
use crate::config::values::{Networks, Period, Spanned, named_networks};

/// `[authn.NAME.basic]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct BasicTable {
    /// How long a password that was right is not compared again, at most 1h. Default `60s`.
    pub(in crate::config) cache: Option<Period>,
    /// The users by the names that they present; `claviger key password` prints an entry. Default: none.
    #[serde(default)]
    pub(in crate::config) user: BTreeMap<Spanned<String>, Spanned<UserTable>>,
}

/// `[authn.NAME.basic.user.USER]`: one user, whose password is known by its digest alone.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct UserTable {
    /// The argon2id digest of the password, `$argon2id$v=19$m=...`: of 8 MiB to 256 MiB, 1 to 16 passes and 1 to 16 lanes.
    pub(in crate::config) password_digest: Text,
    /// The principal's id. Default: the user's name.
    pub(in crate::config) owner: Option<Text>,
    /// Roles it confers. Default: none.
    #[serde(default)]
    pub(in crate::config) roles: Vec<String>,
    /// Scopes it confers. Default: none.
    #[serde(default)]
    pub(in crate::config) scopes: Vec<String>,
    /// What sort of caller: `human`, `service` or `agent`. Default `service`.
    pub(in crate::config) kind: Option<Text>,
    /// When it ends, such as `2027-01-31T00:00:00Z`. Default: never.
    pub(in crate::config) expires: Option<Text>,
    /// Networks it may be used from. Default: all.
    #[serde(default, deserialize_with = "named_networks")]
    pub(in crate::config) networks: Networks,
}
