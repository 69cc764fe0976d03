//! JSON Schemas for the bodies of single requests, by method and path pattern.

use http::Method;
use jsonschema::Validator;
use serde_json::Value;

use super::templates::Templates;
use super::{ContractError, options, told};
use crate::inspect::{Fault, Part};

/// One of them, compiled.
#[derive(Debug)]
pub(super) struct Plain {
    method: Method,
    place: Templates,
    validator: Validator,
    /// Whether what fails is told in full: gathering what fails in each branch of a choice takes a hundred times the memory of a body (CWE-407).
    is_told: bool,
}

impl Plain {
    /// Compiles one for `POST /v1/charges/*`.
    ///
    /// # Errors
    /// The place is none, or the schema is wrong or refers to what is not in it.
    pub(super) fn compile(place: &str, text: &[u8]) -> Result<Self, ContractError> {
        let wrong = |at: &str, why: String| ContractError { at: at.to_owned(), why };
        let no_place = || wrong(place, "not a method and a path pattern".to_owned());
        let (method, path) = place.split_once(' ').ok_or_else(no_place)?;
        let method: Method = method.parse().map_err(|_| no_place())?;
        if path.contains(['{', '}', '?']) || !method.as_str().bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(no_place());
        }
        let segments = path.split('/').enumerate();
        let template: Vec<_> =
            segments.map(|(n, text)| if text == "*" { format!("{{{n}}}") } else { text.to_owned() }).collect();
        if template.iter().any(|segment| segment.contains('*')) {
            return Err(no_place());
        }
        let mut templates = Templates::default();
        templates.add(&template.join("/"), &method, 0).map_err(|_| no_place())?;
        let schema: Value = serde_json::from_slice(text).map_err(|error| wrong("", format!("not JSON: {error}")))?;
        if !told::is_schema(&schema) {
            return Err(wrong("", "a schema is an object".to_owned()));
        }
        let validator = options().build(&schema).map_err(|error| {
            let path = match error.instance_path().as_str() {
                "" => error.schema_path().as_str(),
                path => path,
            };
            wrong(&format!("#{path}"), told::why(&error))
        })?;
        Ok(Self { method, place: templates, validator, is_told: !has(text, b"anyOf\"") && !has(text, b"oneOf\"") })
    }

    /// Holds a body to it.
    ///
    /// # Errors
    /// What failed; only that something did, where the schema has a choice.
    pub(super) fn check(&self, body: &Value) -> Result<(), Fault> {
        told::verdict(&self.validator, body, self.is_told, |error| told::told(error, 0, Some(Part::Body)))
    }

    /// Whether it is for this request.
    pub(super) fn is_for(&self, method: &Method, path: &str) -> bool {
        self.method == *method && self.place.find(path, method).is_some()
    }
}

fn has(text: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(text, needle).is_some()
}
