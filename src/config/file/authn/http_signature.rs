//! `[authn.NAME.http_signature]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::Text;
use crate::config::values::{Networks, Period, Spanned, named_networks};

/// `[authn.NAME.http_signature]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct HttpSignatureTable {
    /// What a signature has to cover: derived components (`@method`, `@target-uri`, `@authority`, `@scheme`, `@request-target`, `@path`, `@query`) and header fields in lower case. `content-digest` is asked of requests with a body, whose body then has to have that digest. Default: those of `@method`, `@authority`, `@path`, `@query` and `content-digest`.
    pub(in crate::config) components: Option<Spanned<Vec<String>>>,
    /// How old a signature may be, by its `created`, which it has to have; at most 5m. Default `60s`.
    pub(in crate::config) max_age: Option<Period>,
    /// How far in the future `created` may be, for clocks that differ; at most 30s. Default `10s`.
    pub(in crate::config) leeway: Option<Period>,
    /// The `tag` that a signature has to have. Default: not checked.
    pub(in crate::config) tag: Option<String>,
    /// The label of the signature that counts, where requests come with others. Default: the only one, and several are refused.
    pub(in crate::config) label: Option<String>,
    /// Whether a signature needs a `nonce`: `required` or `optional`. A nonce is good once; without one, a request can be sent again until its signature is too old. Default `required`.
    pub(in crate::config) nonce: Option<Text>,
    /// The keys by `keyid`. Default: none.
    #[serde(default)]
    pub(in crate::config) key: BTreeMap<Spanned<String>, Spanned<SignatureKeyTable>>,
}

/// `[authn.NAME.http_signature.key.KEYID]`: one key, and whom it proves.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct SignatureKeyTable {
    /// The one algorithm that the key is for: `ed25519`, `ecdsa-p256-sha256`, `ecdsa-p384-sha384`, `rsa-pss-sha512` or `hmac-sha256`.
    pub(in crate::config) algorithm: Text,
    /// A PEM file with the public key; for every algorithm but `hmac-sha256`. Default: none.
    pub(in crate::config) public_key_file: Option<Text>,
    /// The shared secret of at least 32 bytes, as `vault:path`; for `hmac-sha256`. Default: none.
    pub(in crate::config) secret: Option<Text>,
    /// Whom it was given to: the principal's id.
    pub(in crate::config) owner: Text,
    /// Roles it confers. Default: none.
    #[serde(default)]
    pub(in crate::config) roles: Vec<String>,
    /// Scopes it confers. Default: none.
    #[serde(default)]
    pub(in crate::config) scopes: Vec<String>,
    /// What sort of caller: `human`, `service` or `agent`. Default: a service.
    pub(in crate::config) kind: Option<Text>,
    /// When it ends, such as `2027-01-31T00:00:00Z`. Default: never.
    pub(in crate::config) expires: Option<Text>,
    /// Networks it may be used from. Default: all.
    #[serde(default, deserialize_with = "named_networks")]
    pub(in crate::config) networks: Networks,
}
