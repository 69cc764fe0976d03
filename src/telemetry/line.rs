//! Text on one line: what anybody sent can neither end a line of a log nor steer the terminal that shows it.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// Writes a value as JSON on one line, without its end: control characters (C0, DEL, C1), the line and paragraph separators and those that
/// turn the direction of text are `\u` escapes, wherever they stand.
///
/// # Errors
/// Those of the value's own `Serialize`, or of the writer.
pub(crate) fn write_json(out: impl Write, value: &impl Serialize) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(out, OneLine)).map_err(io::Error::from)
}

/// The text with those characters escaped as in JSON, for lines that are not JSON.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match is_escaped(c) {
            true => escaped.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// All are in the basic plane, so one `\u` escape holds each.
fn is_escaped(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

struct OneLine;

impl Formatter for OneLine {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        // `serde_json` has escaped C0, quotes and backslashes already.
        if fragment.bytes().all(|b| b.is_ascii() && b != 0x7f) {
            return writer.write_all(fragment.as_bytes());
        }
        writer.write_all(escape(fragment).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_could_end_a_line_or_steer_a_terminal_is_escaped() {
        let mut line = Vec::new();
        let text = "a\r\n\0\u{1b}[2J\u{7f}\u{9b}31m\u{2028}\u{202e}é\"\\";
        write_json(&mut line, &text).expect("written");
        let want = r#""a\r\n\u0000\u001b[2J\u007f\u009b31m\u2028\u202eé\"\\""#;
        assert_eq!(String::from_utf8(line).expect("text"), want);
        assert_eq!(escape("a\nb\u{85}"), "a\\u000ab\\u0085");
        assert!(matches!(escape("plain é"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn any_text_stays_on_one_line_and_comes_back(key in any::<String>(), value in any::<String>()) {
            let map = BTreeMap::from([(key, value)]);
            let mut line = Vec::new();
            write_json(&mut line, &map).expect("written");
            let line = String::from_utf8(line).expect("text");
            prop_assert!(!line.contains(is_escaped));
            prop_assert_eq!(serde_json::from_str::<BTreeMap<String, String>>(&line).expect("JSON"), map);
        }
    }
}
