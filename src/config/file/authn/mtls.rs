//! `[authn.NAME.mtls]`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::Text;
use crate::config::values::named;

/// `[authn.NAME.mtls]`. The certificate is the connection's, where the listener says `client_certificate`, or the one that a balancer of its
/// `client_cert_from` tells of.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct MtlsTable {
    /// A PEM file of the authorities that certificates must come from. No others are trusted, the system's never.
    pub(in crate::config) ca: Text,
    /// PEM files of revocation lists, one of each authority on the way, intermediate ones too. A certificate that none of them is for is
    /// refused, and so are all once a list has ended. Default: revocation is not checked.
    #[serde(default, deserialize_with = "named")]
    pub(in crate::config) crl: Vec<Text>,
    /// The name that is the principal's id: `uri`, `dns` or `email` for the one such alternative name, `subject` for the whole subject as
    /// RFC 4514 writes it (`CN=job,OU=batch,O=Example`). Where there is none or more than one, the certificate is refused.
    pub(in crate::config) identity: Text,
    /// What a URI has to begin with, up to a `/` or `:`, such as `spiffe://prod.example.com/`; chooses among several. Default: nothing.
    pub(in crate::config) prefix: Option<Text>,
    /// Roles of everybody whom it proves. Default: none.
    #[serde(default)]
    pub(in crate::config) roles: Vec<String>,
    /// What sort of callers these are: `human`, `service` or `agent`. Default `service`.
    pub(in crate::config) kind: Option<Text>,
}
