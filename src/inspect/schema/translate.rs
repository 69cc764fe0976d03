//! Schemas of a document -> one JSON Schema (2020-12). What is referred to stands once among its definitions, whoever refers to it.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::{ContractError, Unknown};

/// The most errors that are told of one document.
const MAX_ERRORS: usize = 20;

/// What a reference within the document stands for.
pub(super) fn target<'d>(document: &'d Value, to: &str) -> Option<&'d Value> {
    let pointer = percent_decode_str(to.strip_prefix('#')?).decode_utf8().ok()?;
    document.pointer(&pointer)
}

/// How a pointer names a key (RFC 6901 3).
pub(super) fn token(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Where a schema stands in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It alone says what a value is.
    Whole,
    /// Others say it with it: within `allOf`, `not` and their like.
    Part,
}

/// Takes over schemas of one document.
pub(super) struct Translator<'d> {
    document: &'d Value,
    /// Whether it is of version 3.0, whose schemas are of a dialect of their own.
    is_3_0: bool,
    /// Whether objects have no members but those that are named.
    is_closed: bool,
    /// The definitions so far, and the pointer that each was.
    definitions: Vec<(String, Value)>,
    known: HashMap<String, usize>,
    pub(super) errors: Vec<ContractError>,
}

impl<'d> Translator<'d> {
    pub(super) fn new(document: &'d Value, is_3_0: bool, unknown: Unknown) -> Self {
        let (definitions, known, errors) = (Vec::new(), HashMap::new(), Vec::new());
        Self { document, is_3_0, is_closed: unknown == Unknown::Closed, definitions, known, errors }
    }

    pub(super) fn document(&self) -> &'d Value {
        self.document
    }

    /// Tells what is wrong.
    pub(super) fn wrong(&mut self, at: &str, why: impl Into<String>) {
        let error = ContractError { at: at.to_owned(), why: why.into() };
        // One place may be read for several operations.
        if self.errors.len() < MAX_ERRORS && !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    /// What stands at a place of the document, behind all references, and where that is.
    pub(super) fn resolve(&mut self, at: &str, value: &'d Value) -> Option<(String, &'d Value)> {
        let (mut at, mut value) = (at.to_owned(), value);
        for _ in 0..8 {
            let Some(to) = value.get("$ref").and_then(Value::as_str) else { return Some((at, value)) };
            value = self.referred(&at, to)?;
            to.clone_into(&mut at);
        }
        self.wrong(&at, "a chain of references that is too long");
        None
    }

    fn referred(&mut self, at: &str, to: &str) -> Option<&'d Value> {
        if !to.starts_with('#') {
            self.wrong(at, format!("`{to}` leads out of the document; bundle it into one first"));
            return None;
        }
        let found = target(self.document, to);
        if found.is_none() {
            self.wrong(at, format!("there is no `{to}`"));
        }
        found
    }

    /// A schema that says what a value is.
    pub(super) fn schema(&mut self, at: &str, schema: &Value) -> Value {
        self.translate(at, schema, Place::Whole)
    }

    /// The whole, with these members of the instance that it is for.
    pub(super) fn finish(&mut self, members: Map<String, Value>) -> Value {
        // Definitions grow while they are translated.
        let mut done = 0;
        while let Some((pointer, _)) = self.definitions.get(done) {
            let pointer = pointer.clone();
            let translated = match target(self.document, &pointer) {
                Some(schema) => self.translate(&pointer, schema, Place::Part),
                None => Value::Bool(false),
            };
            self.definitions[done].1 = translated;
            done += 1;
        }
        let definitions = std::mem::take(&mut self.definitions);
        let definitions: Map<_, _> =
            definitions.into_iter().enumerate().map(|(n, (_, schema))| (n.to_string(), schema)).collect();
        json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": definitions, "properties": members})
    }

    /// The pointers that definitions were, in their order.
    pub(super) fn pointers(&self) -> Vec<String> {
        let mut pointers: Vec<_> = self.known.iter().map(|(pointer, n)| (*n, pointer.clone())).collect();
        pointers.sort_unstable();
        pointers.into_iter().map(|(_, pointer)| pointer).collect()
    }

    fn reference(&mut self, at: &str, to: &str) -> Value {
        if self.referred(at, to).is_none() {
            return Value::Bool(false);
        }
        let n = match self.known.get(to) {
            Some(n) => *n,
            None => {
                let n = self.definitions.len();
                self.definitions.push((to.to_owned(), Value::Null));
                self.known.insert(to.to_owned(), n);
                n
            }
        };
        Value::String(format!("#/$defs/{n}"))
    }

    fn translate(&mut self, at: &str, schema: &Value, place: Place) -> Value {
        let Value::Object(from) = schema else {
            if !schema.is_boolean() {
                self.wrong(at, "a schema is an object");
            }
            return schema.clone();
        };
        let mut to = Map::new();
        if let Some(reference) = from.get("$ref").and_then(Value::as_str) {
            to.insert("$ref".to_owned(), self.reference(at, reference));
        }
        // In 3.0, what stands beside a reference counts for nothing.
        if !(self.is_3_0 && to.contains_key("$ref")) {
            for (key, value) in from {
                self.keyword(at, key, value, &mut to);
            }
            bound(from, &mut to);
            drop_read_only(from, &mut to);
        }
        if self.is_3_0 {
            swap_exclusive(&mut to);
        }
        choose(&mut to);
        if self.is_closed
            && place == Place::Whole
            && let Some(closing) = self.closing(schema)
        {
            add_part(&mut to, closing);
        }
        if self.is_3_0 && from.get("nullable") == Some(&Value::Bool(true)) { nullable(to) } else { Value::Object(to) }
    }

    fn keyword(&mut self, at: &str, key: &str, value: &Value, to: &mut Map<String, Value>) {
        let within = || format!("{at}/{}", token(key));
        let translated = match (key, value) {
            ("properties" | "patternProperties" | "dependentSchemas", Value::Object(schemas)) => {
                let place = if key == "dependentSchemas" { Place::Part } else { Place::Whole };
                let each = schemas.iter().map(|(name, schema)| {
                    (name.clone(), self.translate(&format!("{}/{}", within(), token(name)), schema, place))
                });
                Value::Object(each.collect())
            }
            ("allOf" | "anyOf" | "oneOf" | "prefixItems", Value::Array(schemas)) => {
                let place = if key == "prefixItems" { Place::Whole } else { Place::Part };
                let each = schemas.iter().enumerate();
                Value::Array(
                    each.map(|(n, schema)| self.translate(&format!("{}/{n}", within()), schema, place)).collect(),
                )
            }
            ("items" | "additionalProperties" | "unevaluatedItems" | "unevaluatedProperties", _) => {
                self.translate(&within(), value, Place::Whole)
            }
            ("not" | "if" | "then" | "else" | "contains" | "propertyNames", _) => {
                self.translate(&within(), value, Place::Part)
            }
            ("format", Value::String(format)) if format == "regex" => return,
            (
                "type" | "enum" | "const" | "multipleOf" | "maximum" | "exclusiveMaximum" | "minimum"
                | "exclusiveMinimum" | "maxLength" | "minLength" | "pattern" | "maxItems" | "minItems" | "uniqueItems"
                | "maxContains" | "minContains" | "maxProperties" | "minProperties" | "required" | "dependentRequired"
                | "format" | "properties" | "patternProperties" | "dependentSchemas" | "allOf" | "anyOf" | "oneOf"
                | "prefixItems",
                _,
            ) => value.clone(),
            ("$id" | "$anchor" | "$dynamicRef" | "$dynamicAnchor" | "$recursiveRef", _) => {
                self.wrong(at, format!("`{key}` is not supported; refer by a pointer within the document"));
                return;
            }
            // The rest says nothing of what a value is.
            _ => return,
        };
        to.insert(key.to_owned(), translated);
    }

    /// What closes objects that a schema speaks of: all members that it names, in any of its parts, and no other. Not by
    /// `unevaluatedProperties`, which looks at each part again on each level.
    fn closing(&self, schema: &Value) -> Option<Value> {
        let mut named = Named::default();
        self.members(schema, &mut named, 0);
        let names_none = named.properties.is_empty() && named.patterns.is_empty();
        let closes = !named.is_open && !names_none;
        let (properties, patterns) = (named.properties, named.patterns);
        closes.then(|| json!({"properties": properties, "patternProperties": patterns, "additionalProperties": false}))
    }

    fn members(&self, schema: &Value, named: &mut Named, depth: usize) {
        if depth >= 16 {
            named.is_open = true;
            return;
        }
        let all = |key: &str| schema.get(key).and_then(Value::as_object).into_iter().flat_map(Map::keys).cloned();
        named.properties.extend(all("properties").map(|name| (name, Value::Bool(true))));
        named.patterns.extend(all("patternProperties").map(|name| (name, Value::Bool(true))));
        let is_open = |key: &str| schema.get(key).is_some_and(|schema| *schema != Value::Bool(false));
        named.is_open |= is_open("additionalProperties") || is_open("unevaluatedProperties");
        let lists = ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
        let single = ["if", "then", "else"].into_iter().filter_map(|key| schema.get(key));
        let referred = schema.get("$ref").and_then(Value::as_str).and_then(|to| target(self.document, to));
        for part in lists.chain(single).chain(referred) {
            self.members(part, named, depth + 1);
        }
    }
}

/// Members that a schema names.
#[derive(Default)]
struct Named {
    properties: Map<String, Value>,
    patterns: Map<String, Value>,
    /// Whether it takes others on purpose.
    is_open: bool,
}

/// Adds what has to hold besides.
fn add_part(to: &mut Map<String, Value>, part: Value) {
    if let Value::Array(all) = to.entry("allOf").or_insert_with(|| Value::Array(Vec::new())) {
        all.push(part);
    }
}

/// Integers of 32 and 64 bits are no larger than that.
fn bound(from: &Map<String, Value>, to: &mut Map<String, Value>) {
    let (least, most) = match from.get("format").and_then(Value::as_str) {
        Some("int32") => (Value::from(i32::MIN), Value::from(i32::MAX)),
        Some("int64") => (Value::from(i64::MIN), Value::from(i64::MAX)),
        _ => return,
    };
    if !to.contains_key("exclusiveMinimum") {
        to.entry("minimum").or_insert(least);
    }
    if !to.contains_key("exclusiveMaximum") {
        to.entry("maximum").or_insert(most);
    }
}

/// What only answers have is required of no request (OpenAPI 3.0 4.7.24.2).
fn drop_read_only(from: &Map<String, Value>, to: &mut Map<String, Value>) {
    let Some(Value::Array(required)) = to.get_mut("required") else { return };
    let properties = from.get("properties");
    let is_read_only = |name: &Value| {
        let property = name.as_str().and_then(|name| properties?.get(name));
        property.and_then(|property| property.get("readOnly")) == Some(&Value::Bool(true))
    };
    required.retain(|name| !is_read_only(name));
}

/// In 3.0 a bound is made exclusive by a boolean beside it.
fn swap_exclusive(to: &mut Map<String, Value>) {
    for (bound, exclusive) in [("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")] {
        match to.get(exclusive) {
            Some(Value::Bool(true)) => match to.remove(bound) {
                Some(value) => to.insert(exclusive.to_owned(), value),
                None => to.remove(exclusive),
            },
            Some(Value::Bool(false)) => to.remove(exclusive),
            _ => None,
        };
    }
}

/// Takes `null` besides. Lenient where texts differ: an `enum` need not list it, nor a type stand beside it.
fn nullable(mut to: Map<String, Value>) -> Value {
    let is_simple = !["$ref", "allOf", "anyOf", "oneOf", "not", "const"].into_iter().any(|key| to.contains_key(key));
    match to.get_mut("type") {
        Some(kind @ Value::String(_)) if is_simple => {
            *kind = json!([kind.clone(), "null"]);
            if let Some(Value::Array(values)) = to.get_mut("enum")
                && !values.contains(&Value::Null)
            {
                values.push(Value::Null);
            }
            Value::Object(to)
        }
        // Not as a choice: what fails in it keeps its place.
        _ => json!({"if": {"type": "null"}, "else": to}),
    }
}

/// Makes a choice into a question, whose answer is yes or no: what fails in each branch is not gathered, branch by branch and level by
/// level, which takes as many steps as there are ways through a body (CWE-407).
fn choose(to: &mut Map<String, Value>) {
    for key in ["anyOf", "oneOf"] {
        let Some(branches) = to.remove(key) else { continue };
        add_part(to, json!({"if": {key: branches}, "else": false}));
    }
}
