//! What a text stands for: parameters and fields of forms are texts, their schemas speak of numbers, truth and lists.

use serde_json::{Number, Value};

use super::translate::target;

/// What a schema takes, as far as that says how a text is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shape {
    integer: bool,
    number: bool,
    boolean: bool,
    array: bool,
    object: bool,
    /// What the elements of a list are.
    items: Option<Box<Shape>>,
}

/// How many references and compositions are followed.
const MAX_DEPTH: usize = 16;

impl Shape {
    /// The shape of a schema in a document.
    pub(super) fn of(document: &Value, schema: &Value) -> Self {
        let mut shape = Self::default();
        shape.add(document, schema, 0);
        shape
    }

    /// Whether it takes a list.
    pub(super) fn is_list(&self) -> bool {
        self.array
    }

    /// Whether it takes an object.
    pub(super) fn is_object(&self) -> bool {
        self.object
    }

    /// Whether it takes an object, and neither a list nor one value of a kind that it tells.
    pub(super) fn is_object_alone(&self) -> bool {
        self.object && !(self.integer || self.number || self.boolean || self.array)
    }

    /// Whether a text cannot stand for it.
    pub(super) fn is_nested(&self) -> bool {
        self.object || self.has_nested_items()
    }

    /// Whether a text cannot stand for what is in a list of it.
    pub(super) fn has_nested_items(&self) -> bool {
        self.items.as_ref().is_some_and(|items| items.object || items.array)
    }

    fn add(&mut self, document: &Value, schema: &Value, depth: usize) {
        if depth >= MAX_DEPTH {
            return;
        }
        if let Some(found) = schema.get("$ref").and_then(Value::as_str).and_then(|to| target(document, to)) {
            self.add(document, found, depth + 1);
        }
        match schema.get("type") {
            Some(Value::String(kind)) => self.kind(kind),
            Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).for_each(|kind| self.kind(kind)),
            _ => self.example(schema),
        }
        if let Some(items) = schema.get("items") {
            let mut inner = self.items.take().unwrap_or_default();
            inner.add(document, items, depth + 1);
            self.items = Some(inner);
        }
        for key in ["allOf", "anyOf", "oneOf"] {
            for part in schema.get(key).and_then(Value::as_array).into_iter().flatten() {
                self.add(document, part, depth + 1);
            }
        }
    }

    fn kind(&mut self, kind: &str) {
        match kind {
            "integer" => self.integer = true,
            "number" => self.number = true,
            "boolean" => self.boolean = true,
            "array" => self.array = true,
            "object" => self.object = true,
            _ => {}
        }
    }

    /// Of a schema that says no type, by what it says besides.
    fn example(&mut self, schema: &Value) {
        let values = schema.get("enum").and_then(Value::as_array).into_iter().flatten().chain(schema.get("const"));
        for value in values {
            match value {
                Value::Number(number) => {
                    self.integer |= number.is_i64() || number.is_u64();
                    self.number |= number.is_f64();
                }
                Value::Bool(_) => self.boolean = true,
                Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => {}
            }
        }
        self.object |= schema.get("properties").is_some();
    }

    /// What a text stands for: a number or truth where the schema takes one and it is written as JSON writes it, and the text else.
    pub(super) fn read(&self, text: &str) -> Value {
        if self.boolean && (text == "true" || text == "false") {
            return Value::Bool(text == "true");
        }
        let is_integer = !text.contains(['.', 'e', 'E']);
        if (self.number || (self.integer && is_integer))
            && text.as_bytes().first().is_some_and(|byte| *byte == b'-' || byte.is_ascii_digit())
            && let Ok(number) = text.parse::<Number>()
        {
            return Value::Number(number);
        }
        Value::String(text.to_owned())
    }

    /// What one of a list stands for.
    pub(super) fn read_item(&self, text: &str) -> Value {
        self.items.as_ref().map_or_else(|| Value::String(text.to_owned()), |items| items.read(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_is_read_as_its_schema_asks() {
        let document = json!({"components": {"schemas": {"Id": {"type": "integer"}, "A": {"allOf": [{"$ref": "#/components/schemas/Id"}]}}}});
        let cases = [
            (json!({"type": "integer"}), "5", json!(5)),
            (json!({"type": "integer"}), "-5", json!(-5)),
            (json!({"type": "integer"}), "5.0", json!("5.0")),
            (json!({"type": "integer"}), "007", json!("007")),
            (json!({"type": "integer"}), "+7", json!("+7")),
            (json!({"type": "integer"}), " 7", json!(" 7")),
            (json!({"type": "integer"}), "0x7", json!("0x7")),
            (json!({"type": "number"}), "1e3", json!(1e3)),
            (json!({"type": "number"}), "NaN", json!("NaN")),
            (json!({"type": "number"}), "1e999", json!("1e999")),
            (json!({"type": "boolean"}), "true", json!(true)),
            (json!({"type": "boolean"}), "True", json!("True")),
            (json!({"type": "string"}), "5", json!("5")),
            (json!({"type": ["integer", "null"]}), "5", json!(5)),
            (json!({"enum": [1, 2]}), "2", json!(2)),
            (json!({"$ref": "#/components/schemas/A"}), "2", json!(2)),
            (json!({}), "2", json!("2")),
        ];
        for (schema, text, want) in cases {
            assert_eq!(Shape::of(&document, &schema).read(text), want, "{schema} {text}");
        }
        let list = Shape::of(&document, &json!({"type": "array", "items": {"$ref": "#/components/schemas/Id"}}));
        assert!(list.is_list() && !list.is_nested());
        assert_eq!(list.read_item("4"), json!(4));
        assert!(Shape::of(&document, &json!({"type": "object"})).is_nested());
    }
}
