//! A configuration as it was written, key by key, for comparing two of them.

use std::collections::BTreeMap;

use toml::{Table, Value};

/// The keys of a file below their tables, such as `route.api.target`, each with its value as TOML writes it. Digests of credentials are not
/// told, only that they are others. Nothing for what is no TOML.
pub fn written(text: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    if let Ok(root) = text.parse::<Table>() {
        flatten("", &root, &mut all);
    }
    all
}

fn flatten(path: &str, table: &Table, all: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            // An entry that says nothing is there all the same.
            Value::Table(inner) if inner.is_empty() => drop(all.insert(path, String::new())),
            Value::Table(inner) => flatten(&path, inner, all),
            Value::String(text) if key.ends_with("digest") => drop(all.insert(path, masked(text))),
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_) => drop(all.insert(path, value.to_string())),
        }
    }
}

/// Enough of a digest to tell it from another.
fn masked(text: &str) -> String {
    let end: String = text.chars().rev().take(6).collect::<Vec<_>>().into_iter().rev().collect();
    format!("\"...{end}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_below_their_tables() {
        let text = "[a.b]\nc = 1\nd = [\"x\"]\n[e.f.g]\n[k]\ndigest = \"sha256:0123456789\"\n";
        let told: Vec<_> = written(text).into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(told, ["a.b.c=1", "a.b.d=[\"x\"]", "e.f.g=", "k.digest=\"...456789\""]);
    }
}
