//! The texts of calls to a provider of keys, in which one placeholder stands for what is known only then.

use std::fmt;

use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::IgnoredAny;

/// A text with a placeholder, each time it is there, or none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CallTemplate {
    /// What stands before, between and behind the placeholders.
    texts: Vec<String>,
    written: Written,
}

/// What a text is part of, which says how a value is spelled in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Written {
    /// A path, and the query behind it.
    Path,
    /// A body of `application/json`.
    Json,
    /// A body of `application/x-www-form-urlencoded`.
    Form,
    /// The value of a header field.
    Header,
}

/// What a placeholder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// The name of one attempt to make a key.
    Attempt,
    /// The id of a key.
    Id,
    /// Nothing is known that could stand there.
    None,
}

/// Why a text is no template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallTemplateFault {
    /// It names a placeholder that there is not.
    Unknown,
    /// It is no path from `/` on.
    Path,
    /// It is no JSON.
    Json,
    /// It is no form.
    Form,
    /// It can be in no header field.
    Header,
}

/// What RFC 3986 calls unreserved is left as it is.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Placeholder {
    fn text(self) -> Option<&'static str> {
        match self {
            Self::Attempt => Some("{attempt}"),
            Self::Id => Some("{id}"),
            Self::None => None,
        }
    }
}

impl CallTemplate {
    /// Reads a text in which this placeholder may stand, and nothing else that looks like one.
    ///
    /// # Errors
    /// One [`CallTemplateFault`] per way to be wrong.
    pub fn parse(text: &str, placeholder: Placeholder, written: Written) -> Result<Self, CallTemplateFault> {
        let texts: Vec<String> = match placeholder.text() {
            Some(placeholder) => text.split(placeholder).map(str::to_owned).collect(),
            None => vec![text.to_owned()],
        };
        if texts.iter().any(|text| names_another(text)) {
            return Err(CallTemplateFault::Unknown);
        }
        let template = Self { texts, written };
        template.check().map(|()| template)
    }

    /// Whether the placeholder is there.
    pub fn has_placeholder(&self) -> bool {
        self.texts.len() > 1
    }

    /// The text with a value in place of the placeholder, spelled as it has to be there.
    pub(super) fn fill(&self, value: &str) -> String {
        let spelled = match self.written {
            Written::Path | Written::Form => utf8_percent_encode(value, VALUE).to_string(),
            // Between the quotes that the template has.
            Written::Json => {
                let quoted = serde_json::Value::from(value).to_string();
                let inner = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
                inner.unwrap_or_default().to_owned()
            }
            Written::Header => value.to_owned(),
        };
        self.texts.join(&spelled)
    }

    fn check(&self) -> Result<(), CallTemplateFault> {
        let sample = self.fill("x");
        let is_visible = sample.bytes().all(|byte| byte.is_ascii_graphic());
        match self.written {
            Written::Path => {
                let path = sample.split('?').next().unwrap_or_default();
                let climbs = path.split('/').any(|segment| matches!(segment, "." | ".."));
                let is_path = path.starts_with('/') && is_visible && !climbs && !sample.contains(['{', '}', '#', '\\']);
                is_path.then_some(()).ok_or(CallTemplateFault::Path)
            }
            Written::Json => serde_json::from_str::<IgnoredAny>(&sample).map(drop).map_err(|_| CallTemplateFault::Json),
            Written::Form => {
                (is_visible && !sample.contains(['{', '}', '#'])).then_some(()).ok_or(CallTemplateFault::Form)
            }
            Written::Header => HeaderValue::try_from(&sample).map(drop).map_err(|_| CallTemplateFault::Header),
        }
    }
}

/// Whether something in it looks like a placeholder: a word in braces, of which JSON has none.
fn names_another(text: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    text.split('{').skip(1).any(|behind| behind.split_once('}').is_some_and(|(word, _)| is_word(word)))
}

impl fmt::Display for CallTemplateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "there is no such placeholder here",
            Self::Path => "not a path",
            Self::Json => "not JSON",
            Self::Form => "not a form",
            Self::Header => "this can be in no header field",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_spelled_as_the_place_needs_it() {
        for (text, written, value, want) in [
            ("/keys/{id}", Written::Path, "a/../b?c=d&e", "/keys/a%2F..%2Fb%3Fc%3Dd%26e"),
            ("/keys?id={id}&again={id}", Written::Path, "a b", "/keys?id=a%20b&again=a%20b"),
            (
                r#"{"key": {"id": "{id}"}}"#,
                Written::Json,
                "a\"}, \"x\": {\"\n",
                r#"{"key": {"id": "a\"}, \"x\": {\"\n"}}"#,
            ),
            (r#"{"id": "{id}"}"#, Written::Json, "\"a\"", r#"{"id": "\"a\""}"#),
            ("Action=Delete&Id={id}", Written::Form, "a&Action=Other", "Action=Delete&Id=a%26Action%3DOther"),
            ("key {id}", Written::Header, "a", "key a"),
        ] {
            let template = CallTemplate::parse(text, Placeholder::Id, written).expect("a template");
            assert_eq!(template.fill(value), want, "{text}");
            assert!(template.has_placeholder());
        }
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for (text, written, want) in [
            ("/keys/{attempt}", Written::Path, CallTemplateFault::Unknown),
            (r#"{"name": "{atempt}"}"#, Written::Json, CallTemplateFault::Unknown),
            ("keys", Written::Path, CallTemplateFault::Path),
            ("/a/../b", Written::Path, CallTemplateFault::Path),
            ("/a b", Written::Path, CallTemplateFault::Path),
            ("/a#b", Written::Path, CallTemplateFault::Path),
            ("/a/{ID}", Written::Path, CallTemplateFault::Path),
            (r#"{"id": {id}}"#, Written::Json, CallTemplateFault::Json),
            ("name=a b", Written::Form, CallTemplateFault::Form),
            ("a\nb", Written::Header, CallTemplateFault::Header),
        ] {
            assert_eq!(CallTemplate::parse(text, Placeholder::Id, written), Err(want), "{text}");
        }
        assert!(CallTemplate::parse("/keys/{id}", Placeholder::None, Written::Path).is_err());
        assert!(CallTemplate::parse(r#"{"scopes": {}}"#, Placeholder::None, Written::Json).is_ok());
    }
}
