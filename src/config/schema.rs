//! The schema of a configuration file, made from the types that read it: for editors, and for the reference.

use std::borrow::Cow;

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema, json_schema};
use serde_json::{Map, Value, json};

use super::file::*;
use super::values::{Networks, OneOrMany, Period, PeriodOrNone, Size, Spanned};

/// A table as the file has it: once, or once for each name.
pub(super) enum Shape {
    Single,
    Named,
}

/// The JSON Schema (draft 7) of a configuration file.
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft07().into_generator();
    let mut properties = Map::new();
    for (name, shape, table) in tables(&mut generator) {
        let value = match shape {
            Shape::Single => table.to_value(),
            Shape::Named => json!({
                "type": "object",
                "additionalProperties": table.to_value(),
                "propertyNames": { "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$" },
            }),
        };
        properties.insert(name.to_owned(), value);
    }
    let mut schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Claviger's configuration",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
        "definitions": generator.take_definitions(true),
    });
    remove_null(&mut schema);
    schema
}

/// Every table of a file, in the order in which the reference tells of them.
pub(super) fn tables(generator: &mut SchemaGenerator) -> [(&'static str, Shape, Schema); 26] {
    [
        ("server", Shape::Single, generator.subschema_for::<ServerTable>()),
        ("admin", Shape::Single, generator.subschema_for::<AdminTable>()),
        ("audit", Shape::Single, generator.subschema_for::<AuditTable>()),
        ("sink", Shape::Named, generator.subschema_for::<SinkTable>()),
        ("trace", Shape::Single, generator.subschema_for::<TraceTable>()),
        ("store", Shape::Single, generator.subschema_for::<StoreTable>()),
        ("cluster", Shape::Single, generator.subschema_for::<ClusterTable>()),
        ("egress", Shape::Single, generator.subschema_for::<EgressTable>()),
        ("failures", Shape::Single, generator.subschema_for::<FailuresTable>()),
        ("monitor", Shape::Single, generator.subschema_for::<MonitorTable>()),
        ("notify", Shape::Named, generator.subschema_for::<NotifyTable>()),
        ("identity_token", Shape::Single, generator.subschema_for::<IssuerTable>()),
        ("sessions", Shape::Single, generator.subschema_for::<SessionsTable>()),
        ("access", Shape::Single, generator.subschema_for::<AccessTable>()),
        ("approval", Shape::Named, generator.subschema_for::<ApprovalTable>()),
        ("listen", Shape::Named, generator.subschema_for::<ListenTable>()),
        ("authn", Shape::Named, generator.subschema_for::<AuthnTable>()),
        ("role", Shape::Named, generator.subschema_for::<RoleTable>()),
        ("vault", Shape::Named, generator.subschema_for::<VaultTable>()),
        ("target", Shape::Named, generator.subschema_for::<TargetTable>()),
        ("credential", Shape::Named, generator.subschema_for::<CredentialTable>()),
        ("rotation", Shape::Named, generator.subschema_for::<RotationTable>()),
        ("limit", Shape::Named, generator.subschema_for::<LimitTable>()),
        ("inspect", Shape::Named, generator.subschema_for::<InspectTable>()),
        ("leak", Shape::Named, generator.subschema_for::<LeakTable>()),
        ("route", Shape::Named, generator.subschema_for::<RouteTable>()),
    ]
}

/// TOML has no null: what may be left out is left out, and the defaults are told in words.
fn remove_null(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.remove("default");
            if let Some(Value::Array(types)) = map.get_mut("type") {
                types.retain(|one| one != "null");
                if let [only] = &types[..] {
                    let only = only.clone();
                    map.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(choices)) = map.get_mut("anyOf") {
                choices.retain(|one| one != &json!({ "type": "null" }));
                if choices.len() == 1
                    && let Some(Value::Array(mut only)) = map.remove("anyOf")
                {
                    map.insert("allOf".to_owned(), Value::Array(std::mem::take(&mut only)));
                }
            }
            map.values_mut().for_each(remove_null);
        }
        Value::Array(values) => values.iter_mut().for_each(remove_null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

impl<T: JsonSchema> JsonSchema for Spanned<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one.clone(), { "type": "array", "items": one, "minItems": 1 }] })
    }
}

/// A value that is written as one of a few types and read as something else. `format` names the rule that its texts follow.
macro_rules! written_as {
    ($($type:ident: $schema:tt,)+) => {$(
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )+};
}

written_as! {
    Period: { "type": "string", "format": "period" },
    PeriodOrNone: { "type": "string", "format": "period" },
    Size: { "type": ["string", "integer"], "format": "size", "minimum": 0 },
    Networks: { "type": "array", "items": { "type": "string", "format": "network" } },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read::TABLES;

    #[test]
    fn every_table_that_is_read_has_a_schema() {
        let mut generator = SchemaSettings::draft07().into_generator();
        assert_eq!(tables(&mut generator).map(|(name, ..)| name), TABLES);
    }

    #[test]
    fn no_key_may_be_null_and_every_one_says_what_it_is() {
        let schema = schema();
        assert!(!schema.to_string().contains("null"), "{schema:#}");
        for (name, table) in schema["definitions"].as_object().expect("definitions") {
            for (key, value) in table["properties"].as_object().into_iter().flatten() {
                let text = value["description"].as_str().unwrap_or_default();
                assert!(text.ends_with('.'), "{name}.{key}: {text:?}");
            }
        }
    }
}
