//! What an API promises to take, and nothing else (positive security): requests are held to an OpenAPI document, or to JSON Schemas.
//!
//! ```text
//! document     OpenAPI 3.0 and 3.1 -> operations: their place, parameters and bodies
//! translate    schemas of both, with what they refer to -> one JSON Schema (2020-12), so that what is shared is compiled once
//! templates    the tree of path templates
//! style        how a parameter is written: one value, a list, an object spread over names
//! shape        text of a parameter -> the value that its schema speaks of
//! check        request -> one JSON value, by member of that schema; what fails is a fault with its place, never its value
//! ```

use std::fmt;

use http::Method;
use jsonschema::{PatternOptions, ValidationOptions, Validator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

mod check;
mod document;
mod plain;
mod servers;
mod shape;
mod style;
mod templates;
#[cfg(test)]
mod tests;
mod told;
mod translate;
mod unique;

use document::Operation;
use templates::Templates;

pub(super) use check::Seen;

/// What becomes of what a contract does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unknown {
    /// A parameter of the query that no operation names is refused; members of bodies are what their schemas say.
    Reject,
    /// Parameters of the query may be more than the document names.
    Allow,
    /// Like `Reject`, and so is every member of a body that no schema names.
    Closed,
}

/// Why a document cannot be held to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractError {
    /// Where in the document, as a JSON pointer.
    pub at: String,
    /// What is wrong there.
    pub why: String,
}

impl fmt::Display for ContractError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", if self.at.is_empty() { "#" } else { &self.at }, self.why)
    }
}

impl std::error::Error for ContractError {}

/// What requests are held to. Compiled once, shared by all requests.
#[derive(Default)]
pub struct Contract {
    /// Of a document: all operations that there are.
    document: Option<Document>,
    /// Of single schemas: what the bodies of some requests are.
    plain: Vec<plain::Plain>,
}

/// An OpenAPI document, compiled.
struct Document {
    unknown: Unknown,
    templates: Templates,
    operations: Vec<Operation>,
    /// Scheme and host of its first server.
    origin: Option<String>,
    /// Of all operations: a member for the parameters of each, and for each type of body.
    validator: Validator,
}

/// An operation, for those who list them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// The method.
    pub method: Method,
    /// The path template, behind the base path of the first server.
    pub path: String,
    /// What the document calls it.
    pub id: Option<String>,
}

impl Contract {
    /// Whether it holds nothing to anything.
    pub fn is_empty(&self) -> bool {
        self.document.is_none() && self.plain.is_empty()
    }

    /// Holds all requests to an OpenAPI document, in JSON or YAML 1.2.
    ///
    /// # Errors
    /// All that is wrong with it, or asks for what is not supported; bounded.
    pub fn openapi(&mut self, text: &[u8], unknown: Unknown) -> Result<(), Vec<ContractError>> {
        let document = parse(text).map_err(|why| vec![ContractError { at: String::new(), why }])?;
        self.document = Some(document::compile(&document, unknown)?);
        Ok(())
    }

    /// Holds the bodies of some requests to a JSON Schema: `POST /v1/charges/*`.
    ///
    /// # Errors
    /// The place is not a method and a path pattern, or the schema cannot be compiled.
    pub fn schema(&mut self, place: &str, text: &[u8]) -> Result<(), ContractError> {
        self.plain.push(plain::Plain::compile(place, text)?);
        Ok(())
    }

    /// Scheme and host of the document's first server, if it tells.
    pub fn origin(&self) -> Option<&str> {
        self.document.as_ref()?.origin.as_deref()
    }

    /// The operations of the document, in its order.
    pub fn promises(&self) -> Vec<Promise> {
        self.document.as_ref().map_or_else(Vec::new, |document| {
            document.operations.iter().map(|operation| operation.promise.clone()).collect()
        })
    }
}

impl fmt::Debug for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operations = self.document.as_ref().map_or(0, |document| document.operations.len());
        f.debug_struct("Contract").field("operations", &operations).field("schemas", &self.plain.len()).finish()
    }
}

/// A document as a value: JSON where it begins as that does, else YAML, in which `yes` and `off` are texts, no key stands twice, and
/// what references add up to is bounded.
fn parse(text: &[u8]) -> Result<Value, String> {
    if matches!(text.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return serde_json::from_slice(text).map_err(|error| format!("not JSON: {error}"));
    }
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    serde_saphyr::from_slice_with_options(text, options).map_err(|error| {
        let why = error.to_string();
        format!("neither JSON nor YAML: {}", told::shortened(why.lines().next().unwrap_or_default()))
    })
}

/// The largest automaton of one pattern, in bytes.
const MAX_PATTERN: usize = 1 << 20;

/// How schemas are compiled: nothing is fetched, formats hold, and each pattern takes one step for each character (CWE-1333).
fn options<'o>() -> ValidationOptions<'o> {
    jsonschema::options()
        .offline()
        .should_validate_formats(true)
        .with_pattern_options(PatternOptions::regex().size_limit(MAX_PATTERN).dfa_size_limit(MAX_PATTERN))
        .with_keyword("uniqueItems", unique::unique_items)
        // Would compile what a client sends.
        .with_format("regex", |_: &str| true)
}
