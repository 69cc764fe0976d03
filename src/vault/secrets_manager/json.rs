//! JSON in which secrets are: what is found is shown where it lies, and what is unescaped is wiped, which the buffers of a parser are not.

use serde::de::IgnoredAny;

use crate::domain::Wiped;

/// What is white space in JSON (RFC 8259 §2).
const BLANK: [char; 4] = [' ', '\t', '\n', '\r'];

/// The members of the object which a JSON text is, each as it is written there; none where it is no JSON, or something else.
pub(super) fn members(json: &[u8]) -> Option<Vec<(&str, &str)>> {
    let json = std::str::from_utf8(json).ok()?;
    // Only what is JSON from its first to its last byte is divided below. Nothing is copied by that.
    serde_json::from_str::<IgnoredAny>(json).ok()?;
    let inner = json.trim_matches(BLANK).strip_prefix('{')?.strip_suffix('}')?;
    let (mut members, mut from, mut colon) = (Vec::new(), 0, None);
    let (mut depth, mut is_quoted, mut is_escaped) = (0_usize, false, false);
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b':' if depth == 0 => colon = Some(at),
            b',' if depth == 0 => {
                members.push(member(inner, from, colon.take()?, at)?);
                from = at + 1;
            }
            _ => {}
        }
    }
    if let Some(colon) = colon {
        members.push(member(inner, from, colon, inner.len())?);
    }
    Some(members)
}

fn member(inner: &str, from: usize, colon: usize, end: usize) -> Option<(&str, &str)> {
    Some((inner.get(from..colon)?.trim_matches(BLANK), inner.get(colon + 1..end)?.trim_matches(BLANK)))
}

/// The member of this name, as it is written; an error where it is there twice.
pub(super) fn find<'a>(members: &[(&'a str, &'a str)], name: &str) -> Result<Option<&'a str>, ()> {
    let is_named = |written: &str| text(written).is_some_and(|text| text.as_ref() == name.as_bytes());
    let mut found = members.iter().filter(|(written, _)| is_named(written)).map(|(_, value)| *value);
    match (found.next(), found.next()) {
        (found, None) => Ok(found),
        (_, Some(_)) => Err(()),
    }
}

/// The text which a value is; none where it is something else, or holds half a character.
pub(super) fn text(written: &str) -> Option<Wiped> {
    let mut rest = written.strip_prefix('"')?.strip_suffix('"')?;
    // Nothing is longer than it is written: it is never moved.
    let mut text = Wiped::with_capacity(rest.len());
    while let Some((plain, behind)) = rest.split_once('\\') {
        text.extend(plain.as_bytes());
        let (kind, behind) = behind.split_at_checked(1)?;
        let (character, behind) = match kind {
            "u" => unescape(behind)?,
            _ => (simple(kind)?, behind),
        };
        text.extend(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = behind;
    }
    text.extend(rest.as_bytes());
    Some(text)
}

fn simple(kind: &str) -> Option<char> {
    Some(match kind {
        "\"" => '"',
        "\\" => '\\',
        "/" => '/',
        "b" => '\u{8}',
        "f" => '\u{c}',
        "n" => '\n',
        "r" => '\r',
        "t" => '\t',
        _ => return None,
    })
}

/// The character of what stands behind `\u`, one unit of UTF-16 or two, and what comes after it.
fn unescape(digits: &str) -> Option<(char, &str)> {
    let unit = |text: &str| u16::from_str_radix(text, 16).ok();
    let (first, behind) = digits.split_at_checked(4)?;
    let first = unit(first)?;
    if let Some(one) = char::from_u32(first.into()) {
        return Some((one, behind));
    }
    let (second, behind) = behind.strip_prefix("\\u")?.split_at_checked(4)?;
    let both = char::decode_utf16([first, unit(second)?]).next()?.ok()?;
    Some((both, behind))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;

    #[test]
    fn members_are_told_as_they_are_written() {
        for (json, want) in [
            ("{}", Some(vec![])),
            (" { } ", Some(vec![])),
            (
                r#"{"a": 1, "b":[1,{"c":2}] ,"d":"x,y:\"}" }"#,
                Some(vec![("\"a\"", "1"), ("\"b\"", "[1,{\"c\":2}]"), ("\"d\"", r#""x,y:\"}""#)]),
            ),
            (r#"{"a\\":"\\"}"#, Some(vec![(r#""a\\""#, r#""\\""#)])),
            ("[]", None),
            ("\"{}\"", None),
            ("{\"a\":1}x", None),
            ("{\"a\":1", None),
            ("{\"a\":1,}", None),
            ("{a:1}", None),
            ("", None),
        ] {
            assert_eq!(members(json.as_bytes()), want, "{json}");
        }
        assert_eq!(members(b"{\"a\":\"\xff\"}"), None);
    }

    #[test]
    fn half_characters_are_no_text() {
        for written in [
            r#""\ud800""#,
            r#""\ud800x""#,
            r#""\ud800\u0041""#,
            r#""\udc00""#,
            "5",
            "null",
            "\"",
            r#""\x""#,
            r#""\u12""#,
        ] {
            assert!(text(written).is_none(), "{written}");
        }
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_a_parser_finds(entries in proptest::collection::vec((".{0,6}", ".{0,12}"), 0..6), escaped: bool) {
            let object: Map<String, Value> = entries.into_iter().map(|(name, value)| (name, value.into())).collect();
            let mut json = Value::from(object.clone()).to_string();
            if escaped {
                let escape = |c: char| c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
                json = json.chars().map(|c| if c.is_ascii() { c.to_string() } else { escape(c) }).collect();
            }
            let members = members(json.as_bytes()).expect("an object");
            prop_assert_eq!(members.len(), object.len());
            for (name, value) in &object {
                let found = find(&members, name).expect("once").and_then(text).expect("a text");
                prop_assert_eq!(Some(found.as_ref()), value.as_str().map(str::as_bytes));
            }
        }
    }
}
