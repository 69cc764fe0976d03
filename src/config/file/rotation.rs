//! Rotations in a configuration file.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Text;
use crate::config::values::{Period, Spanned};

/// `[rotation.NAME]`: the secret of a credential is replaced: a new one is made, proved at the target, put in use and watched; then the old
/// one is retired, or comes back. For credentials of one secret that lies in a `sealed_file`. Where it stands lies there too.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RotationTable {
    /// The `[credential.NAME]`.
    pub(in crate::config) credential: Text,
    /// How old its secret may become, 1m or more. Default: it is replaced by `claviger vault rotate` alone.
    pub(in crate::config) every: Option<Spanned<Period>>,
    /// A program that makes a new secret and prints it, and its arguments; as in `[vault.NAME.command]`. Default: none; it is made here.
    pub(in crate::config) create: Option<Spanned<Vec<String>>>,
    /// The calls by which a provider makes a new secret. Default: none; it comes from `create`, or is made here.
    pub(in crate::config) http: Option<Box<ProviderTable>>,
    /// How many random bytes a new secret is made of where there is neither, 16 to 512; it is written in hexadecimal. Default `32`.
    pub(in crate::config) random: Option<Spanned<u32>>,
    /// A program that is told the random secret on its standard input, so that the target takes it. Default: none.
    pub(in crate::config) install: Option<Spanned<Vec<String>>>,
    /// What the target is asked with the new secret before that is used for anything else.
    pub(in crate::config) probe: ProbeTable,
    /// How long the target may take to take a new secret, up to 1h. Default `1m`.
    pub(in crate::config) patience: Option<Spanned<Period>>,
    /// How long the target's answers are watched once it is in use, up to 24h. Default `5m`.
    pub(in crate::config) watch: Option<Spanned<Period>>,
    /// How many of a hundred answers may be 401 or 403 meanwhile, more than there were before, until the old secret comes back; fewer than
    /// five say nothing. Default `5`.
    pub(in crate::config) max_refused: Option<Spanned<u8>>,
    /// How long the old secret is kept after that, up to 30 days. Default `1h`.
    pub(in crate::config) grace: Option<Spanned<Period>>,
    /// A program that is told of a secret that is not used any more, on its standard input. It may be told twice. Default: none.
    pub(in crate::config) retire: Option<Spanned<Vec<String>>>,
    /// How long a program or a call may take, at most 5m. Default `30s`.
    pub(in crate::config) timeout: Option<Spanned<Period>>,
}

/// What a target is asked with a new secret: a GET.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ProbeTable {
    /// The path, below that of the target; one that is answered otherwise where the secret is wrong.
    pub(in crate::config) path: Text,
    /// The lowest and the highest status by which it is taken. Default `[200, 299]`.
    pub(in crate::config) expect: Option<Spanned<(u16, u16)>>,
    /// How long it may take, at most 1m. Default `10s`.
    pub(in crate::config) timeout: Option<Spanned<Period>>,
}

/// `[rotation.NAME.http]`: a provider that makes keys over HTTP. Its answers are JSON, in which `take`, `id`, `items` and `name` are JSON
/// Pointers (RFC 6901), such as `/AccessKey/SecretAccessKey`. Redirects are not followed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ProviderTable {
    /// An `https` URL, or `http` on loopback: what the paths of calls come behind. No call goes anywhere else.
    pub(in crate::config) url: Text,
    /// A PEM file of the authorities that prove the provider. Default: those of the system.
    pub(in crate::config) ca: Option<Text>,
    /// What calls are made with, as `vault:path`: a key that may make and retire keys.
    pub(in crate::config) secret: Text,
    /// The header field that it is sent in. Default `Authorization`.
    pub(in crate::config) header: Option<Text>,
    /// What stands before it there. Default: the scheme `Bearer` and a blank in `Authorization`, nothing in another.
    pub(in crate::config) prefix: Option<Text>,
    /// How many keys the provider lets live at once, 2 to 100. Where `list` tells of as many, none is made. Default `2`.
    pub(in crate::config) keys: Option<Spanned<u32>>,
    /// The id of the key that is in use before the first rotation, so that it is retired too. Default: nobody knows it, and it stays.
    pub(in crate::config) first_id: Option<Text>,
    /// Makes a key.
    pub(in crate::config) create: CreateTable,
    /// Tells of all keys, in one answer. Default: none; what an attempt has left that did not come to its end is for you to find.
    pub(in crate::config) list: Option<ListTable>,
    /// Retires a key; 404 and 410 mean that it is gone. Default: keys are told to the program `retire`, or stay.
    pub(in crate::config) retire: Option<CallTable>,
    /// Keeps a key alive, where keys end by themselves; 400, 404 and 410 mean that it cannot be kept, and have the key in use replaced.
    /// Default: none.
    pub(in crate::config) renew: Option<RenewTable>,
}

/// A call that makes a key. `{attempt}` stands for 32 letters and digits that are the same each time one key is asked for, and differ for
/// each key: in a name that `list` tells, or in an `Idempotency-Key`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct CreateTable {
    /// The method. Default `POST`.
    pub(in crate::config) method: Option<Text>,
    /// The path, behind `url`, with its query.
    pub(in crate::config) path: Text,
    /// The body. Default: none.
    pub(in crate::config) body: Option<Text>,
    /// What the body is: `json` or `form`. Default `json`.
    pub(in crate::config) format: Option<Text>,
    /// More header fields. Default: none.
    #[serde(default)]
    pub(in crate::config) headers: BTreeMap<Spanned<String>, Text>,
    /// Where the secret is in the answer.
    pub(in crate::config) take: Text,
    /// Where its id is, which `retire` needs. Default: it has none.
    pub(in crate::config) id: Option<Text>,
}

/// A call that tells of all keys.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ListTable {
    /// The method. Default `GET`.
    pub(in crate::config) method: Option<Text>,
    /// The path, behind `url`, with its query.
    pub(in crate::config) path: Text,
    /// The body. Default: none.
    pub(in crate::config) body: Option<Text>,
    /// What the body is: `json` or `form`. Default `json`.
    pub(in crate::config) format: Option<Text>,
    /// More header fields. Default: none.
    #[serde(default)]
    pub(in crate::config) headers: BTreeMap<Spanned<String>, Text>,
    /// Where the array of keys is in the answer; `""` where the answer is one.
    pub(in crate::config) items: Text,
    /// Where the id is in each of them.
    pub(in crate::config) id: Text,
    /// Where the text is in each of them that `create` was told with `{attempt}`.
    pub(in crate::config) name: Text,
}

/// A call that retires the key whose id `{id}` stands for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct CallTable {
    /// The method. Default `DELETE`.
    pub(in crate::config) method: Option<Text>,
    /// The path, behind `url`, with its query.
    pub(in crate::config) path: Text,
    /// The body. Default: none.
    pub(in crate::config) body: Option<Text>,
    /// What the body is: `json` or `form`. Default `json`.
    pub(in crate::config) format: Option<Text>,
    /// More header fields. Default: none.
    #[serde(default)]
    pub(in crate::config) headers: BTreeMap<Spanned<String>, Text>,
}

/// A call that keeps the key alive whose id `{id}` stands for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RenewTable {
    /// How often it is called, 10s to 30 days: well before a key ends. The first time is when the process begins.
    pub(in crate::config) every: Spanned<Period>,
    /// The method. Default `POST`.
    pub(in crate::config) method: Option<Text>,
    /// The path, behind `url`, with its query.
    pub(in crate::config) path: Text,
    /// The body. Default: none.
    pub(in crate::config) body: Option<Text>,
    /// What the body is: `json` or `form`. Default `json`.
    pub(in crate::config) format: Option<Text>,
    /// More header fields. Default: none.
    #[serde(default)]
    pub(in crate::config) headers: BTreeMap<Spanned<String>, Text>,
}
