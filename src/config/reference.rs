//! The reference of the configuration in Markdown, made from its schema. What a key means is said where it is declared, in `file`.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::read::TABLES;
use super::schema::schema;

/// Every table and key, each with its type, its default and what it means.
pub fn reference() -> String {
    let schema = schema();
    let mut writer = Writer { schema: &schema, text: String::new() };
    for table in TABLES {
        let value = &schema["properties"][table];
        match value.get("additionalProperties") {
            Some(named) => writer.table(&format!("{table}.NAME"), named),
            None => writer.table(table, value),
        }
    }
    writer.text
}

struct Writer<'a> {
    schema: &'a Value,
    text: String,
}

/// What a key's value is.
enum Kind<'a> {
    /// A plain value, in words.
    Plain(String),
    /// A table, with the words that stand for it.
    Table(&'static str, &'a Value),
}

impl<'a> Writer<'a> {
    /// One table under its path, then the tables in it.
    fn table(&mut self, path: &str, value: &'a Value) {
        let table = self.resolve(value);
        if let Some(choices) = table["oneOf"].as_array() {
            return self.choices(path, table, choices);
        }
        self.section(path, &about(table), table);
    }

    /// A table that is one of several kinds, which the path names last.
    fn choices(&mut self, path: &str, table: &'a Value, choices: &'a [Value]) {
        let kinds = choices.iter().filter_map(|choice| {
            let (kind, value) = choice["properties"].as_object()?.iter().next()?;
            Some((kind, choice, value))
        });
        let kinds: Vec<_> = kinds.collect();
        let names: Vec<_> = kinds.iter().map(|(kind, ..)| format!("`{kind}`")).collect();
        self.say(format_args!("## `[{path}]`\n\n{} One of {}.\n\n", sentence(&about(table)), names.join(", ")));
        for (kind, choice, value) in kinds {
            let table = self.resolve(value);
            self.section(&format!("{path}.{kind}"), &format!("{} {}", description(choice), about(table)), table);
        }
    }

    fn section(&mut self, path: &str, about: &str, table: &'a Value) {
        let depth = if path.matches('.').count() > 1 { "###" } else { "##" };
        self.say(format_args!("{depth} `[{path}]`\n\n"));
        if !about.trim().is_empty() {
            self.say(format_args!("{}\n\n", sentence(about)));
        }
        self.say(format_args!("| key | type | default | meaning |\n|---|---|---|---|\n"));
        let keys = keys(table);
        for (key, value) in &keys {
            let kind = match self.kind(value) {
                Kind::Plain(text) => text,
                Kind::Table(words, _) => format!("{words}, below"),
            };
            let (meaning, default) = split_default(description(value));
            let default = if is_required(table, key) { "required" } else { default.unwrap_or("-") };
            self.say(format_args!("| `{key}` | {kind} | {} | {} |\n", cell(default), cell(meaning)));
        }
        self.say(format_args!("\n"));
        for (key, value) in keys {
            match self.kind(value) {
                Kind::Plain(_) => {}
                Kind::Table("table of tables", inner) => self.table(&format!("{path}.{key}.NAME"), inner),
                Kind::Table(_, inner) => self.table(&format!("{path}.{key}"), inner),
            }
        }
    }

    fn kind(&self, value: &'a Value) -> Kind<'a> {
        let value = self.resolve(value);
        if let Some(inner) = value.get("additionalProperties").filter(|inner| inner.is_object()) {
            return match self.kind(inner) {
                Kind::Plain(text) => Kind::Plain(format!("table of {text}s")),
                Kind::Table(_, inner) => Kind::Table("table of tables", inner),
            };
        }
        if value.get("properties").is_some() {
            return Kind::Table("table", value);
        }
        if let Some([one, _]) = value["anyOf"].as_array().map(Vec::as_slice) {
            return match self.kind(one) {
                Kind::Plain(text) => Kind::Plain(format!("{text}, or list")),
                Kind::Table(_, inner) => Kind::Table("table, or list", inner),
            };
        }
        match value["items"] {
            Value::Object(_) => match self.kind(&value["items"]) {
                Kind::Plain(text) => Kind::Plain(format!("list of {text}s")),
                Kind::Table(_, inner) => Kind::Table("list of tables", inner),
            },
            Value::Array(ref items) => Kind::Plain(format!("list of {} integers", items.len())),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Kind::Plain(plain(value)),
        }
    }

    /// The schema itself, where this one refers to it. What stands beside the reference is about the key, not the table.
    fn resolve(&self, value: &'a Value) -> &'a Value {
        let reference = value.get("$ref").or_else(|| value["allOf"].get(0)?.get("$ref"));
        match reference.and_then(Value::as_str).and_then(|path| self.schema.pointer(path.strip_prefix('#')?)) {
            Some(found) => found,
            None => value["allOf"].get(0).unwrap_or(value),
        }
    }

    fn say(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.text.write_fmt(text);
    }
}

fn plain(value: &Value) -> String {
    match value["format"].as_str() {
        Some(format @ ("period" | "size" | "network")) => format.to_owned(),
        Some(_) | None => value["type"].as_str().unwrap_or("value").to_owned(),
    }
}

/// The keys of a table, those that it needs first.
fn keys(table: &Value) -> Vec<(&String, &Value)> {
    let mut keys: Vec<_> = table["properties"].as_object().into_iter().flat_map(Map::iter).collect();
    keys.sort_by_key(|(key, _)| !is_required(table, key));
    keys
}

fn is_required(table: &Value, key: &str) -> bool {
    table["required"].as_array().is_some_and(|required| required.iter().any(|one| one == key))
}

fn description(value: &Value) -> &str {
    value["description"].as_str().unwrap_or_default()
}

/// What is said of a table after its name, which the heading has.
fn about(table: &Value) -> String {
    let text = description(table).replace('\n', " ");
    match text.strip_prefix("`[").and_then(|rest| rest.split_once("]`")) {
        Some((_, rest)) => rest.trim_start_matches([':', '.', ' ']).to_owned(),
        None => text,
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.trim().chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// A key's meaning, and its default, which is its last sentence: "Default `30s`." or "Default: none."
fn split_default(text: &str) -> (&str, Option<&str>) {
    let Some((meaning, default)) = text.rsplit_once("Default") else { return (text, None) };
    (meaning.trim_end(), Some(default.trim_start_matches(':').trim().trim_end_matches('.')))
}

fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

#[cfg(test)]
mod tests;
