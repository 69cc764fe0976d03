//! Whether a text stands in a body as a whole value and nowhere else. What a client's own bytes could join with, such as `\u` in front of it,
//! would be read by the target as something else than the secret, which then comes back in a form that nobody looks for.

use std::fmt;

use memchr::memmem;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Whether the body is JSON, in which this text is never more nor less than a whole value. Any parser has to read it so: what some would
/// refuse, they may quote in halves.
pub(super) fn in_json(body: &[u8], text: &str) -> bool {
    let Ok(body) = std::str::from_utf8(body) else { return false };
    let mut reader = serde_json::Deserializer::from_str(body);
    let values = Values(text).deserialize(&mut reader).and_then(|values| reader.end().map(|()| values));
    values.is_ok_and(|values| values == memmem::find_iter(body.as_bytes(), text).count())
}

/// Whether the body is a form, in which this text is never more nor less than what stands behind a name.
pub(super) fn in_form(body: &[u8], text: &str) -> bool {
    body.split(|b| *b == b'&').all(|pair| {
        let is_in = |part: &[u8]| memmem::find(part, text.as_bytes()).is_some();
        let at = pair.iter().position(|b| *b == b'=');
        match at.and_then(|at| pair.split_at_checked(at + 1)) {
            Some((name, value)) => value == text.as_bytes() && !is_in(name) || !is_in(pair),
            None => !is_in(pair),
        }
    })
}

/// Counts the values that are this text, spelled as it is.
#[derive(Clone, Copy)]
struct Values<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Values<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<usize, D::Error> {
        // Not `IgnoredAny`, which lets pass what strings and numbers may not be, and any depth.
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Values<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    /// What is borrowed from the body is spelled there as it is.
    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<usize, E> {
        Ok(usize::from(value == self.0))
    }

    fn visit_str<E>(self, _: &str) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_unit<E>(self) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_bool<E>(self, _: bool) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_i64<E>(self, _: i64) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_u64<E>(self, _: u64) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_f64<E>(self, _: f64) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<usize, A::Error> {
        let mut count = 0;
        while let Some(more) = seq.next_element_seed(self)? {
            count += more;
        }
        Ok(count)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<usize, A::Error> {
        let mut count = 0;
        while map.next_key::<String>()?.is_some() {
            count += map.next_value_seed(self)?;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "__API_KEY__";

    #[test]
    fn in_json_it_is_a_whole_value_or_none() {
        for body in [
            r#"{"k":"__API_KEY__"}"#,
            "[ \"__API_KEY__\" , {\"a\": [\"__API_KEY__\"]}, 1, -1, 1.5, true, null, \"\\u00e9\"]",
            "\"__API_KEY__\"",
        ] {
            assert!(in_json(body.as_bytes(), TEXT), "{body}");
        }
        let deep = format!("{}\"__API_KEY__\"{}", "[".repeat(200), "]".repeat(200));
        for body in [
            r#"{"text":"\u__API_KEY__"}"#,
            r#"{"text":"\__API_KEY__"}"#,
            r#"{"text":"\\__API_KEY__"}"#,
            r#"{"text":"\u00__API_KEY__"}"#,
            r#"{"text":"x__API_KEY__"}"#,
            "{\"text\":\"__API_KEY__\u{301}\"}",
            r#"{"text":"__API_KEY__\u0301"}"#,
            r#"{"text":"__API_KEY____API_KEY__"}"#,
            r#"{"k":"__API_KEY__","text":"\u__API_KEY__"}"#,
            r#"{"\u__API_KEY__":1}"#,
            r#"{"__API_KEY__":1}"#,
            r#"{"__API_KEY__":"\u005f_API_KEY__"}"#,
            "[__API_KEY__e-3]",
            r#"{"a":__API_KEY__}"#,
            r#"{"a":"__API_KEY__""#,
            r#"{"a":"__API_KEY__"}}"#,
            r#"{"a":"__API_KEY__"}x"#,
            r#"{"a":"__API_KEY__","b":"\ud800"}"#,
            r#"{"a":"__API_KEY__","b":01}"#,
            r#"{'a':'__API_KEY__'}"#,
            "/*\"__API_KEY__\"*/[]",
            "\u{feff}[\"__API_KEY__\"]",
            "__API_KEY__",
            &deep,
        ] {
            assert!(!in_json(body.as_bytes(), TEXT), "{body}");
        }
        assert!(!in_json(b"[\"__API_KEY__\", \"\xff\"]", TEXT), "not UTF-8");
    }

    #[test]
    fn in_a_form_it_is_all_that_stands_behind_a_name_or_not_there() {
        for body in ["k=__API_KEY__", "a=1&k=__API_KEY__&b", "&k=__API_KEY__&&", "a=%&b=\u{e9}"] {
            assert!(in_form(body.as_bytes(), TEXT), "{body}");
        }
        for body in [
            "k=%__API_KEY__",
            "k=%4__API_KEY__",
            "k=__API_KEY__%",
            "k=__API_KEY__\n",
            "k=__API_KEY__;a=1",
            "a=1;k=__API_KEY__",
            "k==__API_KEY__",
            "k=__API_KEY____API_KEY__",
            "__API_KEY__=__API_KEY__",
            "__API_KEY__=1",
            "__API_KEY__",
            "k=__API_KEY__&a=%__API_KEY__",
        ] {
            assert!(!in_form(body.as_bytes(), TEXT), "{body}");
        }
    }
}
