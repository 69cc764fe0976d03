//! Rotations in a configuration file.

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
    /// How many random bytes a new secret is made of where there is no `create`, 16 to 512; it is written in hexadecimal. Default `32`.
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
    /// How long a program may take, at most 5m. Default `30s`.
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
