//! The ways to prove an identity, as they stand in a configuration file.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Text;
use crate::config::values::{Networks, OneOrMany, Period, Spanned, named, named_networks};

mod basic;
mod forward_auth;
mod http_signature;
mod introspection;
mod mtls;
mod token_review;

pub(in crate::config) use basic::*;
pub(in crate::config) use forward_auth::*;
pub(in crate::config) use http_signature::*;
pub(in crate::config) use introspection::*;
pub(in crate::config) use mtls::*;
pub(in crate::config) use token_review::*;

/// `[authn.NAME.METHOD]`: a way to prove an identity.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum AuthnTable {
    /// Tokens signed by an issuer (RFC 7519).
    Jwt(Box<JwtTable>),
    /// Keys that this proxy's operator handed out.
    ApiKey(ApiKeyTable),
    /// Opaque tokens that an authorization server is asked about (RFC 7662).
    Introspection(Box<IntrospectionTable>),
    /// ServiceAccount tokens that a Kubernetes API server reviews.
    TokenReview(TokenReviewTable),
    /// Client certificates.
    Mtls(MtlsTable),
    /// Requests that callers sign (RFC 9421).
    HttpSignature(HttpSignatureTable),
    /// Names and passwords (RFC 7617).
    Basic(BasicTable),
    /// An HTTP service that is asked about requests: any other scheme.
    ForwardAuth(Box<ForwardAuthTable>),
}

/// `[authn.NAME.jwt]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct JwtTable {
    /// The exact `iss`. With none of `jwks_url`, `jwks_file`, `public_key_file` and `hmac_secret`, of which one may be given, keys are found by OpenID Connect Discovery at this URL.
    pub(in crate::config) issuer: Text,
    /// The `aud` that tokens must name, or several of which they must name one.
    pub(in crate::config) audience: OneOrMany<String>,
    /// A JWK Set by `https` URL, fetched in the background. Default: discovery at the issuer.
    pub(in crate::config) jwks_url: Option<Text>,
    /// A JWK Set in a file, read again when it changes. Default: discovery at the issuer.
    pub(in crate::config) jwks_file: Option<Text>,
    /// One public key in a PEM file; needs `algorithms` with the one that it is for. Default: discovery at the issuer.
    pub(in crate::config) public_key_file: Option<Text>,
    /// A shared secret for HS256, HS384 or HS512, as `vault:path`; needs `algorithms` with the one that it is for. Default: discovery at the issuer.
    pub(in crate::config) hmac_secret: Option<Text>,
    /// How often keys from a URL are fetched again, 1s to 1h; a token by a key that the issuer took back is refused after that time. Default: `5m`, or what the issuer's `Cache-Control` says, 1m to 1h.
    pub(in crate::config) keys_refresh: Option<Period>,
    /// The algorithms allowed, such as `RS256`, `ES256` or `EdDSA`. Default: every asymmetric one that fits the key.
    #[serde(default, deserialize_with = "named")]
    pub(in crate::config) algorithms: Vec<Text>,
    /// Allowed clock difference, at most 30s. Default `10s`.
    pub(in crate::config) leeway: Option<Period>,
    /// The `typ` values allowed in the token's header, such as `at+jwt`. Default: not checked.
    #[serde(default, deserialize_with = "named")]
    pub(in crate::config) typ: Vec<String>,
    /// `at+jwt` takes access tokens of RFC 9068 alone: `typ` is `at+jwt`, and `sub`, `client_id`, `iat` and `jti` are there. Default: any token that this table's other keys allow.
    pub(in crate::config) profile: Option<Text>,
    /// The claim that is the principal's id. Default `sub`.
    pub(in crate::config) id: Option<String>,
    /// The claim that names roles, dotted for nested ones, such as `realm_access.roles`. Default: none.
    pub(in crate::config) roles: Option<String>,
    /// What names in `roles` have to begin with; it is taken off, and other names count for nothing. Default: every name counts.
    pub(in crate::config) roles_prefix: Option<Text>,
    /// The claim that names scopes. Default `scope`.
    pub(in crate::config) scopes: Option<String>,
    /// What sort of callers these are: `human`, `service` or `agent`. Default `human`.
    pub(in crate::config) kind: Option<Text>,
    /// The claim that says what sort of caller it is, in place of `kind`; dotted for a nested one. A token without it, or with another word there, is refused. Default: none.
    pub(in crate::config) kind_claim: Option<Text>,
    /// Whether DPoP proofs have to hold a nonce that this process gave out in the last two minutes (RFC 9449 §9); a proof without is answered with one. Default `false`.
    #[serde(default)]
    pub(in crate::config) dpop_nonce: bool,
}

/// `[authn.NAME.api_key]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ApiKeyTable {
    /// The header that carries the key. Default: `Authorization`, as a bearer token.
    pub(in crate::config) header: Option<Text>,
    /// The keys by label; `claviger key new` prints an entry. Default: none.
    #[serde(default)]
    pub(in crate::config) key: BTreeMap<Spanned<String>, Spanned<KeyTable>>,
}

/// `[authn.NAME.api_key.key.LABEL]`: one key, known by its digest alone.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct KeyTable {
    /// The key's public part, by which it is looked up: the 12 letters and digits after `clv_`.
    pub(in crate::config) prefix: Text,
    /// `sha256:` and the digest of the whole key in hexadecimal.
    pub(in crate::config) digest: Text,
    /// Whom it was given to: the principal's id.
    pub(in crate::config) owner: Text,
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
    /// Whether it is a decoy, left where only a thief finds it: it proves nobody, and whoever presents it is refused as with any unknown
    /// key, while an alarm is raised. Goes with no `roles`, `scopes`, `expires` or `networks`. Default `false`.
    #[serde(default)]
    pub(in crate::config) canary: bool,
    /// Whose sessions end when a decoy is presented, as `AUTHENTICATOR:ID`. Default: nobody's.
    #[serde(default, deserialize_with = "named")]
    pub(in crate::config) revokes: Vec<Text>,
}
