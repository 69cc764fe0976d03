//! How requests are looked through, in a configuration file.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Text;
use crate::config::values::{Size, Spanned};

/// `[inspect.NAME]`: what requests are looked through for before anything of them is sent: attacks in path, parameters, header fields, cookies and
/// bodies, in whatever encoding, and bodies that cannot be read in one way. So is each message of a WebSocket's client.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
pub(in crate::config) struct InspectTable {
    /// What is done about a finding: `enforce`, the request is refused; `shadow`, it goes on and the record tells what would have been; `off`.
    /// Default `enforce`.
    pub(in crate::config) mode: Option<Text>,
    /// The score from which on a request is refused, 1 to 1000. One sure sign of an attack is worth 5. Default `5`.
    pub(in crate::config) threshold: Option<Spanned<u32>>,
    /// Up to which level rules are on, 1 to 4: higher levels catch more, and stop more that is honest. Default `1`.
    pub(in crate::config) paranoia: Option<Spanned<u8>>,
    /// The largest body that is judged whole before anything is sent, 1KiB to 64MiB. Default `1MiB`.
    pub(in crate::config) body: Option<Spanned<Size>>,
    /// What becomes of a larger body: `reject`, it is refused with 413; or `stream`, it is looked through as it passes, which is weaker: the target
    /// has the head and what came before a finding. Default `reject`.
    pub(in crate::config) beyond: Option<Text>,
    /// Whether bodies of gRPC are looked through as they pass, as with `stream`: needed for streams in which the client waits for answers; compressed
    /// ones are refused. Default `false`.
    pub(in crate::config) grpc_streams: bool,
    /// How much of one body lies in memory while it comes; more lies in a file without a name. Default `256KiB`.
    pub(in crate::config) memory: Option<Size>,
    /// Files of further rules, in the form of the ready-made ones. Default: none.
    pub(in crate::config) rules: Vec<Text>,
    /// Changes of rules, by id, or of whole classes, such as `{ sqli = "shadow", "rce.command" = "off" }`: `off`, not looked for; `shadow`, told and
    /// not counted; `on`, whatever its paranoia. Default: none.
    pub(in crate::config) tune: BTreeMap<Spanned<String>, Text>,
    /// What fields are known to hold, such as `{ "body:messages[*].content" = "code" }`: `text`, as everywhere; `code`, in which source code is no
    /// attack; `query`, in which queries are none; or `opaque`, which nobody interprets. `*` stands for anything within one step of the way, `**`
    /// for any steps. Default: none.
    pub(in crate::config) fields: BTreeMap<Spanned<String>, Text>,
    /// An OpenAPI document, 3.0 or 3.1, in YAML or JSON: what is asked for has to be one of its operations, with parameters and a body as it says. Its
    /// paths, behind the base paths of its servers, are those that the target is asked for. What it refers to is in it. Default: none.
    pub(in crate::config) openapi: Option<Text>,
    /// JSON Schemas for the bodies of single requests, such as `{ "POST /v1/charges/*" = "charge.schema.json" }`: by method and path, as the target
    /// is asked for it, in which `*` stands for one segment. Default: none.
    pub(in crate::config) schemas: BTreeMap<Spanned<String>, Text>,
    /// The media types that bodies may have, such as `["application/json", "image/*"]`; one of another type, or of none, is refused with 415.
    /// Default: any.
    pub(in crate::config) types: Vec<Text>,
    /// What becomes of what `openapi` does not name: `reject`, parameters of the query are refused, and members of bodies as their schemas
    /// say; `allow`, such parameters pass; `closed`, as `reject`, and members of bodies that no schema names are refused. Default `reject`.
    pub(in crate::config) unknown: Option<Text>,
    /// Bounds on what a request is made of.
    pub(in crate::config) limits: InspectLimitsTable,
}

/// Bounds on what a request is made of; beyond them it is refused.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct InspectLimitsTable {
    /// A body without its codings. Default `8MiB`.
    pub(in crate::config) decoded: Option<Size>,
    /// How many times larger a body may become by decoding, where it becomes larger than 1 MiB. Default `100`.
    pub(in crate::config) ratio: Option<usize>,
    /// Codings on top of each other. Default `2`.
    pub(in crate::config) codings: Option<usize>,
    /// How deep objects, arrays, elements and selections are nested. Default `32`.
    pub(in crate::config) depth: Option<usize>,
    /// Keys of one object; ten times as many of all objects of a body, or elements and attributes of XML. Default `10000`.
    pub(in crate::config) keys: Option<usize>,
    /// Elements of one array, lines of newline-delimited JSON. Default `50000`.
    pub(in crate::config) array: Option<usize>,
    /// One string. Default `1MiB`.
    pub(in crate::config) string: Option<Size>,
    /// Digits of a number. Default `64`.
    pub(in crate::config) digits: Option<usize>,
    /// Parameters of a query or a form, and cookies. Default `1000`.
    pub(in crate::config) parameters: Option<usize>,
    /// Parts of a multipart body. Default `64`.
    pub(in crate::config) parts: Option<usize>,
    /// Files of a multipart body. Default `16`.
    pub(in crate::config) files: Option<usize>,
    /// Queries in one GraphQL request. Default `50`.
    pub(in crate::config) batch: Option<usize>,
    /// Aliases in a GraphQL document, each fragment counted where it is spread. Default `100`.
    pub(in crate::config) aliases: Option<usize>,
    /// All cookies together. Default `16KiB`.
    pub(in crate::config) cookies: Option<Size>,
}
