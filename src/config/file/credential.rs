//! The credentials of a configuration file.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Text;
use crate::config::values::Spanned;

/// `[credential.NAME.METHOD]`: a secret and how it is put on requests to one target.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum CredentialTable {
    /// `Authorization: Bearer SECRET`.
    Bearer(PlainCredential),
    /// `Authorization: Basic`, with a user name.
    Basic(BasicCredential),
    /// Any header.
    Header(HeaderCredential),
    /// A query parameter.
    Query(QueryCredential),
    /// A cookie, beside the client's own.
    Cookie(CookieCredential),
    /// A segment of the path.
    Path(PathCredential),
    /// In place of a text in a small JSON or form body.
    Body(BodyCredential),
    /// Several headers, query parameters and cookies at once, and a client certificate.
    Several(SeveralCredential),
    /// AWS Signature Version 4: requests are signed, and the key's secret is never sent.
    AwsSigv4(AwsCredential),
    /// A signature with a shared key (HMAC) over parts of the request; the key is never sent.
    Hmac(Box<HmacCredential>),
    /// A certificate that connections to the target are made with, over TLS; its key is never sent.
    ClientCertificate(ClientCertificateCredential),
    /// `Authorization: Bearer` with a token of an authorization server, which is had in the background ahead of its end.
    Oauth2(Box<Oauth2Credential>),
    /// A decoy: what leads to it is bait, and nothing is sent.
    Canary(CanaryCredential),
}

/// `[credential.NAME.canary]`. Whoever is allowed to use a route with it and does is refused as if no rule allowed it, before anything is sent,
/// while an alarm is raised and all their sessions are ended.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct CanaryCredential {
    /// The target that it pretends to be for.
    pub(in crate::config) target: Text,
}

/// `[credential.NAME.bearer]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct PlainCredential {
    /// The only target it is sent to.
    pub(in crate::config) target: Text,
    /// The secret, as `vault:path`.
    pub(in crate::config) secret: Text,
}

/// `[credential.NAME.basic]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct BasicCredential {
    /// The only target it is sent to.
    pub(in crate::config) target: Text,
    /// The user name.
    pub(in crate::config) username: Text,
    /// The password, as `vault:path`.
    pub(in crate::config) secret: Text,
}

/// `[credential.NAME.header]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct HeaderCredential {
    /// The only target it is sent to.
    pub(in crate::config) target: Text,
    /// The header's name.
    pub(in crate::config) name: Text,
    /// What stands before the secret, blank included, such as `"Token "`. Default: nothing.
    #[serde(default)]
    pub(in crate::config) prefix: String,
    /// The secret, as `vault:path`.
    pub(in crate::config) secret: Text,
}

/// `[credential.NAME.cookie]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct CookieCredential {
    /// The only target it is sent to.
    pub(in crate::config) target: Text,
    /// The cookie's name. The client's own of that name does not reach the target.
    pub(in crate::config) name: Text,
    /// The secret, as `vault:path`.
    pub(in crate::config) secret: Text,
}

/// `[credential.NAME.path]`. Rules, records and callers see the path without it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct PathCredential {
    /// The only target it is sent to.
    pub(in crate::config) target: Text,
    /// The secret, as `vault:path`. What may not stand in one segment of a path is percent-encoded.
    pub(in crate::config) secret: Text,
    /// What is put behind the target's base path and in front of the path that is asked for, such as `"/bot{secret}"`.
    pub(in crate::config) template: Text,
}

/// `[credential.NAME.body]`. Bodies of less than 64 KiB are taken, and read before anything is sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct BodyCredential {
    /// The only target it is sent to.
    pub(in crate::config) target: Text,
    /// The secret, as `vault:path`.
    pub(in crate::config) secret: Text,
    /// The text that the secret is put in place of, where it is all of `field` in a body of `application/json` or
    /// `application/x-www-form-urlencoded`: 8 to 64 letters, digits, `_`, `-` and `.`, such as `__API_KEY__`. Anywhere else, it has the request
    /// refused.
    pub(in crate::config) placeholder: Text,
    /// The field that the target takes the secret in: of a form, its name; of JSON, the member of the object that the body is, such as
    /// `auth_key`, or the names that lead to it with `/` between them, such as `auth/key`, of which numbers count the elements of arrays.
    pub(in crate::config) field: Text,
}

/// `[credential.NAME.several]`. Each secret is named as `vault:path`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct SeveralCredential {
    /// The only target it is sent to.
    pub(in crate::config) target: Text,
    /// Headers by name, such as `{ "X-Key-Id" = "local:partner/id", "X-Key" = "local:partner/key" }`. Default: none.
    #[serde(default)]
    pub(in crate::config) headers: BTreeMap<Spanned<String>, Text>,
    /// Query parameters by name. Default: none.
    #[serde(default)]
    pub(in crate::config) query: BTreeMap<Spanned<String>, Text>,
    /// Cookies by name. Default: none.
    #[serde(default)]
    pub(in crate::config) cookies: BTreeMap<Spanned<String>, Text>,
    /// A certificate with its key, as in `[credential.NAME.client_certificate]`. Default: none.
    pub(in crate::config) client_certificate: Option<Text>,
}

/// `[credential.NAME.oauth2]`. The client proves who it is with `client_secret`, or `assertion` where `grant` is not `jwt_bearer`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Oauth2Credential {
    /// The only target that tokens are sent to.
    pub(in crate::config) target: Text,
    /// The token endpoint, an `https` URL, or `http` on loopback.
    pub(in crate::config) token_url: Text,
    /// What is handed in: `client_credentials`, `refresh_token`, `jwt_bearer` (RFC 7523), or `token_exchange` (RFC 8693), by which each
    /// principal has a token of their own for one that `[identity_token]` signs about them. Default `client_credentials`.
    pub(in crate::config) grant: Option<Text>,
    /// The client's id. Default: none.
    pub(in crate::config) client_id: Option<String>,
    /// The client's secret, as `vault:path`. Default: none.
    pub(in crate::config) client_secret: Option<Text>,
    /// How the secret is sent: `basic` or `post`. Default `basic`.
    pub(in crate::config) client_auth: Option<Text>,
    /// The refresh token, as `vault:path`, for the grant of that name; one by which the server
    /// replaces it is used until the process ends or this credential changes, and not written back. Default: none.
    pub(in crate::config) refresh_token: Option<Text>,
    /// What the server is called in the tokens about principals (their `aud`), for the grant `token_exchange`. Default: the same as
    /// `token_url`.
    pub(in crate::config) subject_audience: Option<Text>,
    /// The sort of token that is had for them (RFC 8693 §3): `urn:ietf:params:oauth:token-type:access_token` or
    /// `urn:ietf:params:oauth:token-type:jwt`, for the grant `token_exchange`. Default: either, as the server likes.
    pub(in crate::config) requested_token_type: Option<Text>,
    /// What is signed for the grant `jwt_bearer`, or to prove who the client is (`private_key_jwt`). Default: nothing.
    pub(in crate::config) assertion: Option<AssertionTable>,
    /// The scopes. Default: none.
    pub(in crate::config) scope: Option<String>,
    /// The `audience`, where the server asks for one. Default: none.
    pub(in crate::config) audience: Option<String>,
    /// The `resource` (RFC 8707). Default: none.
    pub(in crate::config) resource: Option<String>,
    /// A PEM file of the authorities that prove the server. Default: those of the system.
    pub(in crate::config) ca: Option<Text>,
}

/// What is signed (RFC 7523 §3).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct AssertionTable {
    /// The private key in PEM, as `vault:path`.
    pub(in crate::config) key: Text,
    /// `RS256`, `ES256` or `EdDSA`. Default `RS256`.
    pub(in crate::config) algorithm: Option<Text>,
    /// The `kid`. Default: none.
    pub(in crate::config) key_id: Option<String>,
    /// The `iss`. Default: the same as `client_id`.
    pub(in crate::config) issuer: Option<String>,
    /// The `sub`. Default: the `iss`.
    pub(in crate::config) subject: Option<String>,
    /// The `aud`. Default: the same as `token_url`.
    pub(in crate::config) audience: Option<String>,
    /// A `scope` in the assertion itself, where the server looks for it there. Default: none.
    pub(in crate::config) scope: Option<String>,
}

/// `[credential.NAME.aws_sigv4]`. What the client signed with a key of its own is taken off.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct AwsCredential {
    /// The only target it is sent to.
    pub(in crate::config) target: Text,
    /// The region, such as `eu-central-1`.
    pub(in crate::config) region: Text,
    /// The service's name in signatures, such as `dynamodb`, `execute-api` or `s3`.
    pub(in crate::config) service: Text,
    /// The access key's id, as `vault:path`.
    pub(in crate::config) access_key: Text,
    /// The access key's secret, as `vault:path`.
    pub(in crate::config) secret: Text,
    /// The session token of a temporary key, as `vault:path`. Default: none.
    pub(in crate::config) session_token: Option<Text>,
    /// What is said of bodies: `signed`, for which bodies of up to 64 KiB are taken and read before anything is sent, or `unsigned`, where the
    /// service takes that. Default: `unsigned` for `s3`, `signed` for all others.
    pub(in crate::config) payload: Option<Text>,
}

/// `[credential.NAME.hmac]`. The signature is made anew at each attempt, over the request as it is sent, after all else.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct HmacCredential {
    /// The only target it is sent to.
    pub(in crate::config) target: Text,
    /// The key, as `vault:path`.
    pub(in crate::config) secret: Text,
    /// How the secret spells the key: `raw`, it is the key; `base64` or `hex`. Default `raw`.
    pub(in crate::config) key_encoding: Option<Text>,
    /// `sha256`, `sha512`, or `sha1` for old APIs. Default `sha256`.
    pub(in crate::config) algorithm: Option<Text>,
    /// How the signature is written: `hex`, in lower case, or `base64`. Default `hex`.
    pub(in crate::config) encoding: Option<Text>,
    /// What is signed, such as `"{time}.{method}.{target}.{body_sha256}"`, with the placeholders `time` (seconds since 1970), `time_ms`,
    /// `method`, `host`, `path`, `query`, `target` (the path, and `?` with the query where there is one), `body`, `body_sha256` (in
    /// hexadecimal) and `header:NAME`; empty where the request has no such thing. With `body` or `body_sha256`, bodies of less than 64 KiB are
    /// taken, and read before anything is sent.
    pub(in crate::config) signed: Text,
    /// The header of the signature. The client's own does not reach the target.
    pub(in crate::config) header: Text,
    /// What stands in it, such as `"t={time},v1={signature}"`, with the placeholders `signature`, `time` and `time_ms`. Default
    /// `{signature}`.
    pub(in crate::config) template: Option<Text>,
    /// A header that receives the time, in seconds, or in milliseconds where `signed` has `time_ms`. The client's own does not reach the
    /// target. Default: none.
    pub(in crate::config) time_header: Option<Text>,
}

/// `[credential.NAME.client_certificate]`. Requests with it share no connection with others.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ClientCertificateCredential {
    /// The only target it is shown to, which has an `https` URL.
    pub(in crate::config) target: Text,
    /// The certificate, those that it was issued by, and its private key, in one PEM text, as `vault:path`. The key may be of RSA, EC or
    /// Ed25519, and is not encrypted.
    pub(in crate::config) secret: Text,
}

/// `[credential.NAME.query]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct QueryCredential {
    /// The only target it is sent to.
    pub(in crate::config) target: Text,
    /// The parameter's name.
    pub(in crate::config) parameter: Text,
    /// The secret, as `vault:path`.
    pub(in crate::config) secret: Text,
}
