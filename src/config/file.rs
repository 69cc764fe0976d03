//! What an operator writes: the configuration file's tables and keys, as they stand in TOML. What is meant is `state::Snapshot`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::values::{Networks, OneOrMany, Period, Size, Spanned, named, named_networks};

mod authn;
mod credential;
mod inspect;
mod leak;
mod limit;
mod monitor;
mod rotation;
mod route;
mod sink;
mod trace;
mod upstream;
mod vault;

pub(super) use authn::*;
pub(super) use credential::*;
pub(super) use inspect::*;
pub(super) use leak::*;
pub(super) use limit::*;
pub(super) use monitor::*;
pub(super) use rotation::*;
pub(super) use route::*;
pub(super) use sink::*;
pub(super) use trace::*;
pub(super) use upstream::*;
pub(super) use vault::*;

/// A text whose place in the file is remembered, for errors.
pub(super) type Text = Spanned<String>;

/// `[server]`: the process.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ServerTable {
    /// Worker threads per listener, 1 to 1024. Default: one per core.
    pub(super) threads: Option<usize>,
    /// How long requests under way may take to end after SIGTERM or an upgrade. Default `30s`.
    pub(super) drain: Option<Period>,
    /// A directory only this user can write, for the process id and the upgrade socket. Default: `.claviger` beside the configuration
    /// file.
    pub(super) run_directory: Option<String>,
}

/// `[admin]`: the control plane's listener.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AdminTable {
    /// A loopback address, such as `127.0.0.1:9901`.
    pub(super) address: Text,
    /// An address for other machines, such as `0.0.0.0:9902`: whoever connects there is told `/health`, `/ready` and `/metrics`, in which names of
    /// this file stand, and nothing else. Default: none.
    pub(super) probes: Option<Text>,
    /// Whether everybody on this machine who can connect there may read audit records, at `/events` and with `claviger top`. Default `false`.
    pub(super) events: Option<bool>,
}

/// `[audit]`: where records go, how they are proved, and what becomes of requests when they cannot be written.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AuditTable {
    /// A file, or `-` for standard output. Default `-`.
    pub(super) path: Option<String>,
    /// What this process is called in every line, so that logs of several nodes can be read as one. Default: none.
    pub(super) node: Option<Text>,
    /// The private key that signs checkpoints, as `vault:path`; `claviger key audit` makes one. Default: none, so that nobody can tell whether
    /// the log was made anew.
    pub(super) key: Option<Text>,
    /// A second file, elsewhere, that every checkpoint is added to: with it, a log whose end was cut can be told. Default: none.
    pub(super) anchor: Option<Text>,
    /// A service that every checkpoint is put to as well, `PUT URL/CHAIN/SEQ.json`: an https URL, or http on loopback. Default: none.
    pub(super) anchor_url: Option<Text>,
    /// The bearer token for it, as `vault:path`. Default: none.
    pub(super) anchor_token: Option<Text>,
    /// What becomes of requests while records cannot be written: `refuse`, `wait` (for `max_wait`, then refused), or `drop`: they are served,
    /// and a record tells later how many have none. Default `refuse`.
    pub(super) on_full: Option<Text>,
    /// How long a request waits with `on_full = "wait"`, 100ms to 1m. Default `10s`.
    pub(super) max_wait: Option<Spanned<Period>>,
    /// When a request may be forwarded: `batch`, or `fsync`: when a record of the decision is on the disk. Default `batch`.
    pub(super) durability: Option<Text>,
    /// How long after a record there is a checkpoint at the latest, 1s to 1h. Default `1m`.
    pub(super) checkpoint_every: Option<Spanned<Period>>,
    /// The size from which on the next file begins, 64KiB to 16GiB. Default `256MiB`.
    pub(super) max_size: Option<Spanned<Size>>,
    /// The age from which on the next file begins, 1m to 366d. Default `1d`.
    pub(super) max_age: Option<Spanned<Period>>,
    /// How long a whole file is kept, at least 1m. Default: for ever.
    pub(super) keep: Option<Spanned<Period>>,
    /// Pseudonyms for whoever is named in records. Default: none, and people are named.
    pub(super) pseudonyms: Option<PseudonymsTable>,
}

/// `[audit.pseudonyms]`: who is named in records, by pseudonyms that nobody can trace back once the key of their period is destroyed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PseudonymsTable {
    /// The directory of the keys, this user's alone; made where it is not there.
    pub(super) directory: Text,
    /// How long one key is used, by the calendar of UTC: a `day`, a `week` from Monday on, or a `month`. Default `month`.
    pub(super) period: Option<Text>,
    /// What is a pseudonym: `principal` (with `key`, and whoever acts and alerts name), `actor`, `client`, `session`, `reason` (with `ticket`).
    /// Default: all but the last.
    pub(super) fields: Option<Vec<Text>>,
    /// How long a key is kept after its period, at least 1m; then it is destroyed. Default: as long as `[audit] keep` says.
    pub(super) keep: Option<Spanned<Period>>,
}

/// `[store]`: what has to outlive the process.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StoreTable {
    /// A SQLite file, made where it is not there; its directory has to be writable. With it, access can be ended with `claviger revocation`.
    pub(super) path: String,
}

/// `[cluster]`: other nodes, with which sessions, revocations, access requests and limits are shared. Needs `[store]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClusterTable {
    /// The Redis or Valkey that all of them use.
    pub(super) redis: RedisTable,
}

/// A Redis 6 or Valkey, or later; of several servers, the one that is written to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RedisTable {
    /// `rediss://[USER@]HOST[:PORT][/DATABASE]`, or `redis://` without TLS on loopback.
    pub(super) url: Text,
    /// The password, as `vault:path`. Default: none.
    pub(super) password: Option<Text>,
    /// The key that seals all that is shared, as `vault:path`, the same for all nodes; `claviger key sealing` makes one.
    pub(super) key: Text,
    /// A PEM file of the authorities that prove the server. Default: those of the system.
    pub(super) ca: Option<Text>,
    /// What its keys begin with: nodes that write the same are one cluster. Default `claviger`.
    pub(super) name: Option<Text>,
    /// For how long sessions that are known here go on while nothing is heard of the other nodes, 1s to 1h. Default `1m`.
    pub(super) max_stale: Option<Spanned<Period>>,
}

/// `[egress]`: where the proxy itself may connect to.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct EgressTable {
    /// Private networks that names may resolve to. Public addresses are always open, link-local ones never. Default: none.
    pub(super) allow: Networks,
}

/// `[failures]`: how long callers wait who present wrong credentials, by address (IPv6 by /64), and by claimed identity from one network
/// (/24, IPv6 /48). A request that presents nothing is not counted and not refused.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FailuresTable {
    /// Whether callers are locked out. Default `true`.
    pub(super) enabled: Option<bool>,
    /// How many failures within `window` lock out. Default `10`.
    pub(super) free: Option<Spanned<u32>>,
    /// The span of time in which failures count together. Default `1m`.
    pub(super) window: Option<Period>,
    /// How long the first lock-out is; each failure after one doubles it. Default `1s`.
    pub(super) delay: Option<Spanned<Period>>,
    /// The longest lock-out. Default `5m`.
    pub(super) max_delay: Option<Period>,
}

/// `[identity_token]`: the gateway as an issuer of short-lived tokens that tell targets who calls. Their keys are published.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IssuerTable {
    /// The `iss` of the tokens, an `https` URL; on its host the keys are published.
    pub(super) issuer: Text,
    /// The private key that signs, as `vault:path`: PEM (PKCS #8) of Ed25519 or P-256, such as `claviger key identity` makes. A new one is in use
    /// at once.
    pub(super) key: Text,
    /// Other private keys whose public halves are published too: the next one before it signs, the last one while its tokens live. Default:
    /// none.
    #[serde(default)]
    pub(super) other_keys: Vec<Text>,
    /// How long a token lives, 1s to 10m, and never longer than what proved the caller is taken. Default `1m`.
    pub(super) lifetime: Option<Spanned<Period>>,
    /// The path of the key set (RFC 7517). Default `/.well-known/jwks.json`.
    pub(super) jwks_path: Option<Text>,
}

/// `[sessions]`: sessions that callers begin with a proof, and come in for a while. The endpoints stand below `issuer`: `/oauth/token`,
/// `/oauth/revoke`, `/oauth/introspect`, `/oauth/jwks.json` and `/.well-known/oauth-authorization-server`. Needs `[store]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionsTable {
    /// The gateway's own URL, without a path: `https`, or `http` on loopback. The `iss` and `aud` of the tokens.
    pub(super) issuer: Text,
    /// The key that seals the signing keys in the store, as `vault:path`; `claviger key sealing` makes one.
    pub(super) key: Text,
    /// The `[authn.NAME]`s whose proofs begin sessions. Routes take sessions where their `authn` names `sessions`.
    pub(super) authn: Spanned<Vec<Text>>,
    /// The `[limit.NAME]`s that apply to the endpoints. Default: none.
    #[serde(default)]
    pub(super) limits: Vec<Text>,
    /// The longest that a session lasts, 1s to 24h; it never outlasts its proof. Default `1h`.
    pub(super) max: Option<Spanned<Period>>,
    /// How long a session may go without a request, 1m or more. Default: as long as it lasts.
    pub(super) idle: Option<Spanned<Period>>,
    /// How many sessions a principal may have at once. Default `100`.
    pub(super) per_principal: Option<Spanned<u32>>,
    /// How long a signing key signs, 1h or more. Default `24h`.
    pub(super) rotate: Option<Spanned<Period>>,
}

/// `[access]`: where access is asked for and approved, at `/access/requests` below `url`. Needs `[store]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AccessTable {
    /// The gateway's own URL, without a path: `https`, or `http` on loopback.
    pub(super) url: Text,
    /// The `[authn.NAME]`s whose proofs are taken there, and `sessions`.
    pub(super) authn: Spanned<Vec<Text>>,
    /// The `[limit.NAME]`s that apply there. Default: none.
    #[serde(default)]
    pub(super) limits: Vec<Text>,
    /// A service that is told of everything that is done with access requests, by POST. Default: none.
    pub(super) webhook: Option<WebhookTable>,
}

/// Who is told.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookTable {
    /// An `https` URL, or `http` on loopback.
    pub(super) url: Text,
    /// A secret that signs what is sent, as `vault:path`: `X-Claviger-Signature` is `sha256=` and the HMAC-SHA-256 of the body in hexadecimal.
    pub(super) secret: Text,
}

/// `[approval.NAME]`: what rules with `approval = "NAME"` wait for: a grant that somebody asked for, and others approved.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ApprovalTable {
    /// Roles that may approve. Nobody approves what they asked for themselves.
    #[serde(deserialize_with = "named")]
    pub(super) approvers: Vec<String>,
    /// How many of them have to approve. Default `1`.
    pub(super) needed: Option<Spanned<u32>>,
    /// Roles that may ask. Default: everybody whom the rules name.
    #[serde(default, deserialize_with = "named")]
    pub(super) requesters: Vec<String>,
    /// The longest that a grant lasts, at most 24h. Its clock begins with the last approval. Default `1h`.
    pub(super) max: Option<Spanned<Period>>,
    /// How long a request waits for approval. Default `24h`.
    pub(super) expires: Option<Period>,
    /// Whether a ticket has to be named, besides the reason. Default `false`.
    #[serde(default)]
    pub(super) ticket: bool,
    /// Whether each grant is for one request alone: method, host, path, query and body are what was approved, to the letter. The routes whose
    /// rules wait for it take bodies of less than 64 KiB, and read them before they decide. Default `false`.
    #[serde(default)]
    pub(super) exact: bool,
    /// Roles that may use it at once without any approval, which is told as an alert and to be reviewed. Default: none.
    #[serde(default, deserialize_with = "named")]
    pub(super) break_glass: Vec<String>,
}

/// What a route's target is told in a token.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IdentityTokenTable {
    /// The header that it stands in. The client's own fields of this name are taken off on every route.
    pub(super) header: Text,
    /// The `aud`: what the target is called there.
    pub(super) audience: Text,
}

/// `[listen.NAME]`: a listener for clients. There are at most 32, with those of `[admin]`: as many as an upgrade hands over.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListenTable {
    /// Address and port, such as `0.0.0.0:8443`.
    pub(super) address: Text,
    /// Certificates and their keys, chosen by server name; the first serves clients that name none. Default: plain HTTP.
    pub(super) tls: Option<OneOrMany<CertificateTable>>,
    /// HTTP/2: by ALPN with TLS, with prior knowledge on plain HTTP. Default: `true` with TLS, `false` without.
    pub(super) http2: Option<bool>,
    /// Networks of balancers that send the PROXY protocol, which is then required of them and of nobody else. Default: none.
    #[serde(default)]
    pub(super) proxy_protocol_from: Networks,
    /// Networks of proxies whose `Forwarded` or `X-Forwarded-For` is believed. Default: none.
    #[serde(default)]
    pub(super) forwarded_from: Networks,
    /// Whether clients are asked for a certificate in the handshake: `ask`, or `require`, which closes connections without one. Which are
    /// good is decided by the route's `mtls` authenticators. Needs `tls`. Default: not asked.
    pub(super) client_certificate: Option<Text>,
    /// Networks of balancers that end TLS and say in `Client-Cert` what the client showed them (RFC 9440). From them that field, and not
    /// their own certificate, is the client's; from nobody else it is. Default: none.
    #[serde(default)]
    pub(super) client_cert_from: Networks,
    /// The largest request head, 1KiB to 1MiB. Default `32KiB`.
    pub(super) max_head: Option<Size>,
    /// How long a whole request head may take, from its first byte; for a TLS handshake and a head over HTTP/2 it is 60 s, whatever this says.
    /// Default `10s`.
    pub(super) head_timeout: Option<Period>,
    /// How long a connection may idle between requests. Default `60s`.
    pub(super) idle_timeout: Option<Period>,
    /// How long a client may go without reading anything of a response. Default `30s`.
    pub(super) write_timeout: Option<Period>,
    /// The most connections at once. Default `65536`.
    pub(super) max_connections: Option<usize>,
    /// The most connections at once from one address. Default `1024`.
    pub(super) max_connections_per_address: Option<usize>,
}

/// A certificate chain and its private key, both PEM files.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CertificateTable {
    /// The certificate, followed by its intermediates.
    pub(super) certificate: Text,
    /// The private key: PKCS #8, PKCS #1 or SEC 1.
    pub(super) key: Text,
}

/// `[role.NAME]`: who has a role besides those whose claims name it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleTable {
    /// Principals, as `AUTHENTICATOR:ID`. Default: none.
    #[serde(default)]
    pub(super) members: Vec<Text>,
    /// Other names that confer it, where claims or keys name them as a role. Default: none.
    #[serde(default)]
    pub(super) claims: Vec<String>,
    /// The `[authn.NAME]`s one of which has to prove who has it. Default: any.
    #[serde(default, deserialize_with = "named")]
    pub(super) requires: Vec<Text>,
    /// Client networks from which it counts. Default: all.
    #[serde(default, deserialize_with = "named_networks")]
    pub(super) networks: Networks,
    /// The hours in which it counts, such as `{ days = ["mon", "fri"], from = "08:00", to = "18:00", zone = "Europe/Berlin" }`. What is under way
    /// at their end goes on. Default: always.
    pub(super) hours: Option<Spanned<HoursTable>>,
    /// The longest that a session with this role lasts. Default: as `[sessions]` says.
    pub(super) max: Option<Period>,
    /// How long a session with this role may go without a request, 1m or more. Default: as `[sessions]` says.
    pub(super) idle: Option<Spanned<Period>>,
}

/// The hours of a role.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HoursTable {
    /// The days on which they begin: `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`. Default: every day.
    #[serde(default, deserialize_with = "named")]
    pub(super) days: Vec<String>,
    /// When they begin, such as `08:00`.
    pub(super) from: String,
    /// When they are over; on the next day where that is not later than `from`.
    pub(super) to: String,
    /// The time zone, such as `Europe/Berlin`, as the system knows it. Default `UTC`.
    pub(super) zone: Option<String>,
}
