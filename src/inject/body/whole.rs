//! Whether a text stands in a body as the whole value of one field and nowhere else. What a client's own bytes could join with, such as `\u` in front of it,
//! would be read by the target as something else than the secret, which then comes back in a form that nobody looks for.

use std::fmt;

use memchr::memmem;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::Field;

/// Whether the body is JSON, in which this text is all of the value at this path, and nowhere else. Any parser has to read it so: what some
/// would refuse, they may quote in halves.
pub(super) fn in_json(body: &[u8], text: &str, field: &Field) -> bool {
    let Ok(body) = std::str::from_utf8(body) else { return false };
    let path: Vec<&str> = field.0.split('/').collect();
    let mut reader = serde_json::Deserializer::from_str(body);
    let walk = Walk { text, path: Some(&path) };
    let is_there = walk.deserialize(&mut reader).and_then(|is_there| reader.end().map(|()| is_there));
    is_there.is_ok_and(|is_there| is_there) && is_alone(body.as_bytes(), text)
}

/// Whether the body is a form, in which this text is all of the value of this name, which is there once, and nowhere else.
pub(super) fn in_form(body: &[u8], text: &str, field: &Field) -> bool {
    let is_named = |pair: &&[u8]| form_urlencoded::parse(pair).any(|(name, _)| name == *field.0);
    let mut named = body.split(|b| *b == b'&').filter(is_named);
    let (Some(only), None) = (named.next(), named.next()) else { return false };
    let value = only.iter().position(|b| *b == b'=').and_then(|at| only.get(at + 1..));
    value == Some(text.as_bytes()) && is_alone(body, text)
}

fn is_alone(body: &[u8], text: &str) -> bool {
    memmem::find_iter(body, text).take(2).count() == 1
}

/// Tells of a value whether what the path leads to is this text, spelled as it is.
#[derive(Clone, Copy)]
struct Walk<'a> {
    text: &'a str,
    /// What is left of the path; none beside it.
    path: Option<&'a [&'a str]>,
}

impl<'a> Walk<'a> {
    /// For the member or element of this name.
    fn into(self, name: &str) -> Self {
        let rest = self.path.and_then(|path| path.split_first()).filter(|(first, _)| **first == name);
        Self { path: rest.map(|(_, rest)| rest), ..self }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<bool, D::Error> {
        // Not `IgnoredAny`, which lets pass what strings and numbers may not be, and any depth.
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    /// What is borrowed from the body is spelled there as it is.
    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<bool, E> {
        Ok(self.path.is_some_and(<[_]>::is_empty) && value == self.text)
    }

    fn visit_str<E>(self, _: &str) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        let (mut is_there, mut nth) = (false, 0_usize);
        while let Some(found) = seq.next_element_seed(self.into(&nth.to_string()))? {
            is_there |= found;
            nth += 1;
        }
        Ok(is_there)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let (mut is_there, mut is_passed) = (false, false);
        while let Some(name) = map.next_key::<String>()? {
            let inner = self.into(&name);
            // Of two members of a name, targets may take the other one.
            if inner.path.is_some() && std::mem::replace(&mut is_passed, true) {
                return Err(A::Error::custom("a member on the path is there twice"));
            }
            is_there |= map.next_value_seed(inner)?;
        }
        Ok(is_there)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "__API_KEY__";

    fn is_in_json(field: &str, body: &[u8]) -> bool {
        in_json(body, TEXT, &Field::parse(field).expect("a field"))
    }

    #[test]
    fn in_json_it_is_the_whole_value_at_the_path_and_nowhere_else() {
        for (field, body) in [
            ("k", r#"{"k":"__API_KEY__"}"#),
            ("k", r#"{"a":{"k":"x"},"\u006b":"__API_KEY__","b":[1,-1,1.5,true,null,"\u00e9"]}"#),
            ("a/k", r#" { "k" : 1 , "a" : { "k" : "__API_KEY__" } } "#),
            ("params/0", r#"{"params":["__API_KEY__","x"]}"#),
            ("params/1/k", r#"{"params":["x",{"k":"__API_KEY__"}]}"#),
        ] {
            assert!(is_in_json(field, body.as_bytes()), "{field} {body}");
        }
        let deep = format!(r#"{{"k":"__API_KEY__","a":{}{}}}"#, "[".repeat(200), "]".repeat(200));
        for body in [
            r#"{"text":"__API_KEY__"}"#,
            r#"{"to":"me@evil","k":"x","body":"__API_KEY__"}"#,
            r#"{"k":"__API_KEY__","text":"__API_KEY__"}"#,
            r#"{"k":"__API_KEY__","text":"\u__API_KEY__"}"#,
            r#"{"k":"__API_KEY__","k":"x"}"#,
            r#"{"k":"x","\u006b":"__API_KEY__"}"#,
            r#"{"K":"__API_KEY__"}"#,
            r#"{"a":{"k":"__API_KEY__"}}"#,
            r#"{"k":{"k":"__API_KEY__"}}"#,
            r#"{"k":["__API_KEY__"]}"#,
            r#"[{"k":"__API_KEY__"}]"#,
            r#"{"k":"\u005f_API_KEY__","text":"__API_KEY__"}"#,
            r#"{"k":"\u__API_KEY__"}"#,
            r#"{"k":"\__API_KEY__"}"#,
            r#"{"k":"\\__API_KEY__"}"#,
            r#"{"k":"\u00__API_KEY__"}"#,
            r#"{"k":"x__API_KEY__"}"#,
            "{\"k\":\"__API_KEY__\u{301}\"}",
            r#"{"k":"__API_KEY__\u0301"}"#,
            r#"{"k":"__API_KEY____API_KEY__"}"#,
            r#"{"__API_KEY__":1}"#,
            r#"{"__API_KEY__":"\u005f_API_KEY__"}"#,
            r#"{"k":__API_KEY__}"#,
            r#"{"k":"__API_KEY__""#,
            r#"{"k":"__API_KEY__"}}"#,
            r#"{"k":"__API_KEY__"}x"#,
            r#"{"k":"__API_KEY__","b":"\ud800"}"#,
            r#"{"k":"__API_KEY__","b":01}"#,
            r#"{'k':'__API_KEY__'}"#,
            "/*\"__API_KEY__\"*/{}",
            "\u{feff}{\"k\":\"__API_KEY__\"}",
            "\"__API_KEY__\"",
            "__API_KEY__",
            &deep,
        ] {
            assert!(!is_in_json("k", body.as_bytes()), "{body}");
        }
        assert!(!is_in_json("k", b"{\"k\":\"__API_KEY__\",\"a\":\"\xff\"}"), "not UTF-8");
        assert!(!is_in_json("params/1", br#"{"params":["__API_KEY__"]}"#));
        assert!(!is_in_json("a/k", br#"{"a":{"k":"__API_KEY__"},"a":{}}"#));
    }

    #[test]
    fn in_a_form_it_is_all_that_stands_behind_the_name_and_nowhere_else() {
        let is_in = |body: &str| in_form(body.as_bytes(), TEXT, &Field::parse("a_k").expect("a field"));
        for body in ["a_k=__API_KEY__", "a=1&a_k=__API_KEY__&b", "&a%5Fk=__API_KEY__&&", "a=%&a_k=__API_KEY__&b=\u{e9}"]
        {
            assert!(is_in(body), "{body}");
        }
        for body in [
            "k=__API_KEY__",
            "a_k=x&k=__API_KEY__",
            "a_k=__API_KEY__&k=__API_KEY__",
            "a_k=__API_KEY__&a_k=x",
            "a_k=__API_KEY__&a%5fk=x",
            "a_k&a_k=__API_KEY__",
            "a_k=%__API_KEY__",
            "a_k=%4__API_KEY__",
            "a_k=__API_KEY__%",
            "a_k=__API_KEY__\n",
            "a_k=__API_KEY__;a=1",
            "a=1;a_k=__API_KEY__",
            "a_k==__API_KEY__",
            "a_k=__API_KEY____API_KEY__",
            "__API_KEY__=__API_KEY__",
            "__API_KEY__=1",
            "__API_KEY__",
            "a_k=__API_KEY__&a=%__API_KEY__",
        ] {
            assert!(!is_in(body), "{body}");
        }
    }
}
