//! How parameters and fields of forms are written (OpenAPI 3.1 4.8.12.3): as one value, as a list, or as an object that is spread over several names.

use serde_json::{Map, Value};

use super::shape::Shape;
use super::told::fault;
use crate::inspect::{Fault, Part};

/// Values by name, each as it was written.
pub(super) type Written = Vec<(String, String)>;

/// How a parameter or a field of a form is read.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) shape: Shape,
    /// Whether each of a list stands for itself (`a=1&a=2`), and not behind a separator.
    explode: bool,
    /// What stands between those of a list.
    separator: char,
    members: Members,
}

/// How an object is spread over names.
#[derive(Debug)]
enum Members {
    /// It is none, or not spread.
    None,
    /// `filter[size]=4`.
    Deep(Vec<(String, Field)>),
    /// Each member is a parameter by its own name.
    Spread(Vec<(String, Field)>),
}

/// What a document says of how something is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said<'d> {
    pub(super) style: Option<&'d str>,
    pub(super) explode: Option<bool>,
}

impl Field {
    /// How a value of this schema is written at such a place.
    ///
    /// # Errors
    /// Why this is not supported.
    pub(super) fn of(document: &Value, part: Part, said: Said<'_>, schema: &Value) -> Result<Self, String> {
        let usual = if matches!(part, Part::Path | Part::Header) { "simple" } else { "form" };
        let style = said.style.unwrap_or(usual);
        let is_pairs = matches!(part, Part::Query | Part::Body);
        let shape = Shape::of(document, schema);
        let explode = is_pairs && said.explode.unwrap_or(style == "form");
        let (separator, members) = match style {
            "form" | "simple" if style == usual && part == Part::Query && explode && shape.is_object_alone() => {
                (',', Members::Spread(members(document, schema)?))
            }
            "form" | "simple" if style == usual => (',', Members::None),
            "deepObject" if is_pairs && shape.is_object() => (',', Members::Deep(members(document, schema)?)),
            "pipeDelimited" if is_pairs && shape.is_list() => ('|', Members::None),
            "spaceDelimited" if is_pairs && shape.is_list() => (' ', Members::None),
            _ => {
                return Err(format!(
                    "is in style `{style}`, which is not supported for what its schema says; `{usual}` is"
                ));
            }
        };
        if shape.is_nested() && matches!(members, Members::None) || shape.has_nested_items() {
            return Err("is an object or a list of lists, which is not supported in this style".to_owned());
        }
        Ok(Self { shape, explode, separator, members })
    }

    /// Whether what is written by a name is of the one called `own`.
    pub(super) fn takes(&self, own: &str, name: &str) -> bool {
        match &self.members {
            Members::None => own == name,
            Members::Deep(_) => own == name || inner(own, name).is_some(),
            Members::Spread(members) => members.iter().any(|(known, _)| known == name),
        }
    }

    /// The value, if it is there: once, or as a list or an object.
    ///
    /// # Errors
    /// It is there twice.
    pub(super) fn read(&self, part: Part, name: &str, written: &Written) -> Result<Option<Value>, Fault> {
        match &self.members {
            Members::None => self.read_one(part, name, written),
            Members::Spread(members) => {
                let mut object = Map::new();
                for (name, field) in members {
                    if let Some(value) = field.read_one(part, name, written)? {
                        object.insert(name.clone(), value);
                    }
                }
                Ok(Some(Value::Object(object)).filter(|value| value != &Value::Object(Map::new())))
            }
            Members::Deep(members) => {
                let object = deep(part, name, members, written)?;
                let single = self.read_one(part, name, written)?;
                match (object.is_empty(), single) {
                    (true, single) => Ok(single),
                    (false, None) => Ok(Some(Value::Object(object))),
                    (false, Some(_)) => Err(fault(part, name, "once")),
                }
            }
        }
    }

    fn read_one(&self, part: Part, name: &str, written: &Written) -> Result<Option<Value>, Fault> {
        let mut values = written.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let Some(first) = values.next() else { return Ok(None) };
        if self.shape.is_list() && self.explode {
            return Ok(Some([first].into_iter().chain(values).map(|value| self.shape.read_item(value)).collect()));
        }
        if values.next().is_some() {
            // Readers differ in which one they take (CWE-235).
            return Err(fault(part, name, "once"));
        }
        let value = if self.shape.is_list() {
            first.split(self.separator).map(|value| self.shape.read_item(value)).collect()
        } else {
            self.shape.read(first)
        };
        Ok(Some(value))
    }
}

/// The member of the object `own` that `own[member]` names.
fn inner<'n>(own: &str, name: &'n str) -> Option<&'n str> {
    name.strip_prefix(own)?.strip_prefix('[')?.strip_suffix(']')
}

/// The members of an object that stand as `name[member]`.
fn deep(part: Part, name: &str, members: &[(String, Field)], written: &Written) -> Result<Map<String, Value>, Fault> {
    let mut object = Map::new();
    for (full, value) in written {
        let Some(member) = inner(name, full).filter(|member| !object.contains_key(*member)) else { continue };
        if member.is_empty() || member.contains(['[', ']']) {
            // Readers that know lists and objects within objects make something else of it.
            return Err(fault(part, full, "style"));
        }
        let field = members.iter().find(|(known, _)| known == member).map(|(_, field)| field);
        let value = match field {
            Some(field) => field.read_one(part, full, written)?.unwrap_or_default(),
            None if written.iter().filter(|(known, _)| known == full).count() > 1 => {
                return Err(fault(part, full, "once"));
            }
            None => Value::String(value.clone()),
        };
        object.insert(member.to_owned(), value);
    }
    Ok(object)
}

/// The members that a schema of an object names, each of which is one value or a list.
fn members(document: &Value, schema: &Value) -> Result<Vec<(String, Field)>, String> {
    let mut properties = Vec::new();
    named(document, schema, &mut properties, 0);
    let mut members: Vec<(String, Field)> = Vec::new();
    for (name, schema) in properties {
        let shape = Shape::of(document, schema);
        if shape.is_nested() {
            return Err(format!("has the member `{name}`, an object or a list of lists, which is not supported"));
        }
        if !members.iter().any(|(known, _)| known == name) {
            members.push((name.to_owned(), Field { shape, explode: true, separator: ',', members: Members::None }));
        }
    }
    Ok(members)
}

/// The properties that a schema names, also through what it refers to.
pub(super) fn named<'d>(document: &'d Value, schema: &'d Value, found: &mut Vec<(&'d str, &'d Value)>, depth: usize) {
    if depth >= 16 {
        return;
    }
    let own = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    found.extend(own.map(|(name, schema)| (name.as_str(), schema)));
    let referred = schema.get("$ref").and_then(Value::as_str).and_then(|to| super::translate::target(document, to));
    let parts = ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
    for part in referred.into_iter().chain(parts) {
        named(document, part, found, depth + 1);
    }
}
