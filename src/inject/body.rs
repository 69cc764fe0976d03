//! A secret in place of a text that the client leaves for it in a small body, for APIs that take it nowhere else.

mod whole;

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, header};
use memchr::memmem;
use zeroize::Zeroizing;

use super::content::Content;
use crate::domain::{Denial, Wiped};

/// The text that the secret is put in place of, such as `__API_KEY__`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Placeholder(String);

/// Why a text is no placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceholderFault {
    /// So short that it could stand there by chance, or too long.
    Length,
    /// It holds what JSON or forms may spell in more than one way.
    Character,
}

/// The field of a body that a secret may be put in: a name at the top of JSON, or the names that lead to it with `/` between them, of which
/// numbers count the elements of arrays; of a form, its name. A secret elsewhere would be for the client to place: in a comment, or in a
/// message to itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field(String);

/// Why a text names no field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldFault;

/// What a client leaves for the secret, and where.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Blank {
    /// The text.
    pub placeholder: Placeholder,
    /// The field, of which it is all.
    pub field: Field,
}

/// A blank with its secret.
pub(super) struct Filling {
    blank: Blank,
    json: Zeroizing<String>,
    form: Zeroizing<String>,
}

/// A body with the secret in it, which is sent in place of the client's. `Debug` does not show it.
#[derive(Clone)]
pub struct Filled(Bytes);

/// How large a body may become, in bytes.
const MAX_FILLED: usize = 64 * 1024;

impl Placeholder {
    /// The shortest, in characters.
    pub const SHORTEST: usize = 8;
    /// The longest.
    pub const LONGEST: usize = 64;

    /// Takes a text as a placeholder.
    ///
    /// # Errors
    /// A [`PlaceholderFault`] naming the rule that is broken.
    pub fn parse(text: &str) -> Result<Self, PlaceholderFault> {
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b)) {
            return Err(PlaceholderFault::Character);
        }
        let is_sized = (Self::SHORTEST..=Self::LONGEST).contains(&text.len());
        if is_sized { Ok(Self(text.to_owned())) } else { Err(PlaceholderFault::Length) }
    }
}

impl Field {
    /// The longest, in bytes.
    pub const LONGEST: usize = 256;

    /// Takes a text as the name of a field.
    ///
    /// # Errors
    /// [`FieldFault`] where a name is empty, or holds control characters.
    pub fn parse(text: &str) -> Result<Self, FieldFault> {
        let is_one =
            text.len() <= Self::LONGEST && !text.chars().any(char::is_control) && !text.split('/').any(str::is_empty);
        is_one.then(|| Self(text.to_owned())).ok_or(FieldFault)
    }
}

impl Filling {
    /// None for a secret that is no text, which JSON cannot hold.
    pub(super) fn new(blank: Blank, secret: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(secret).ok().filter(|text| !text.is_empty())?;
        // With all the room they need, neither is moved and leaves a copy.
        let mut quoted = Wiped::with_capacity(6 * text.len() + 2);
        serde_json::to_writer(&mut quoted, text).ok()?;
        let inner = std::str::from_utf8(quoted.as_ref()).ok()?.strip_prefix('"')?.strip_suffix('"')?;
        let json = Zeroizing::new(inner.to_owned());
        let mut form = Zeroizing::new(String::with_capacity(3 * secret.len()));
        form.extend(form_urlencoded::byte_serialize(secret));
        Some(Self { blank, json, form })
    }

    /// The secret as it is spelled in bodies.
    pub(super) fn spellings(&self) -> [&[u8]; 2] {
        [self.json.as_bytes(), self.form.as_bytes()]
    }

    /// What to send in place of the client's body; none where there is no body or no placeholder in it.
    pub(super) fn fill(&self, content: &Content<'_>) -> Result<Option<Filled>, Denial> {
        let body = match content.body {
            _ if !content.has_body => return Ok(None),
            Some(body) => body.bytes(),
            // Whoever fills bodies has them read before.
            None => return Err(Denial::Internal),
        };
        if body.is_empty() {
            return Ok(None);
        }
        let form = Form::of(content.headers).ok_or(Denial::BodyForm)?;
        // In another charset, the placeholder would not be seen.
        if std::str::from_utf8(body).is_err() {
            return Err(Denial::BodyForm);
        }
        let Blank { placeholder, field } = &self.blank;
        let Some(at) = memmem::find(body, placeholder.0.as_bytes()) else { return Ok(None) };
        let (secret, is_whole) = match form {
            Form::Json => (&self.json, whole::in_json(body, &placeholder.0, field)),
            Form::UrlEncoded => (&self.form, whole::in_form(body, &placeholder.0, field)),
        };
        let (Some((before, behind)), true) = (body.split_at_checked(at), is_whole) else {
            return Err(Denial::BodyForm);
        };
        let behind = behind.strip_prefix(placeholder.0.as_bytes()).ok_or(Denial::Internal)?;
        let room = before.len() + secret.len() + behind.len();
        if room > MAX_FILLED {
            return Err(Denial::BodyTooLarge);
        }
        // With all the room it needs, it is never moved and leaves no copies.
        let mut filled = Zeroizing::new(Vec::with_capacity(room));
        filled.extend_from_slice(before);
        filled.extend_from_slice(secret.as_bytes());
        filled.extend_from_slice(behind);
        Ok(Some(Filled(Bytes::from_owner(filled))))
    }
}

impl Filled {
    /// The body.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }
}

impl fmt::Debug for Filled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What a body is, of those in which it is known how a secret is spelled.
enum Form {
    Json,
    UrlEncoded,
}

impl Form {
    /// None for all others, and where it is not told once and clearly.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
        if !codings.all(|coding| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity")) {
            return None;
        }
        let mut types = headers.get_all(header::CONTENT_TYPE).iter();
        let (Some(only), None) = (types.next(), types.next()) else { return None };
        let mut parts = only.to_str().ok()?.split(';').map(str::trim);
        let essence = parts.next()?;
        let is_utf8 = |parameter: &str| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            !name.trim().eq_ignore_ascii_case("charset") || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        };
        if !parts.all(is_utf8) {
            return None;
        }
        match essence {
            json if json.eq_ignore_ascii_case("application/json") => Some(Self::Json),
            form if form.eq_ignore_ascii_case("application/x-www-form-urlencoded") => Some(Self::UrlEncoded),
            _ => None,
        }
    }
}

impl fmt::Display for PlaceholderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "a placeholder has 8 to 64 characters",
            Self::Character => {
                "a placeholder is of letters, digits, `_`, `-` and `.`, which JSON and forms leave as they are"
            }
        })
    }
}

impl std::error::Error for PlaceholderFault {}

impl fmt::Display for FieldFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field is told by its name, or by the names that lead to it with `/` between them")
    }
}

impl std::error::Error for FieldFault {}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::inject::ReadBody;

    const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
    const FORM: &[(&str, &str)] = &[("content-type", "application/x-www-form-urlencoded")];
    const SECRET: &str = "a\"b\\c&d=e f+\u{e9}\n";

    fn blank() -> Blank {
        let placeholder = Placeholder::parse("__API_KEY__").expect("a placeholder");
        Blank { placeholder, field: Field::parse("k").expect("a field") }
    }

    /// What is sent in place of a body; the body itself where it is left alone.
    fn sent(fields: &[(&'static str, &str)], body: &str, secret: &str) -> Result<String, Denial> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).expect("a value"));
        }
        let read = ReadBody::new(body.as_bytes().to_vec());
        let content = Content { headers: &headers, has_body: true, body: Some(&read) };
        let filled = Filling::new(blank(), secret.as_bytes()).expect("a text").fill(&content)?;
        let bytes = filled.as_ref().map_or(read.bytes(), Filled::bytes);
        Ok(String::from_utf8(bytes.to_vec()).expect("UTF-8"))
    }

    #[test]
    fn the_secret_is_spelled_as_the_body_has_it() {
        for (fields, body, want) in [
            (JSON, r#"{"k":"__API_KEY__","q":1}"#, "{\"k\":\"a\\\"b\\\\c&d=e f+\u{e9}\\n\",\"q\":1}"),
            (FORM, "q=1&k=__API_KEY__&r=1", "q=1&k=a%22b%5Cc%26d%3De+f%2B%C3%A9%0A&r=1"),
            (JSON, r#"{"k":"__API_KEY_"}"#, r#"{"k":"__API_KEY_"}"#),
            (FORM, "k=_%5FAPI_KEY__", "k=_%5FAPI_KEY__"),
            (JSON, "", ""),
        ] {
            assert_eq!(sent(fields, body, SECRET).as_deref(), Ok(want), "{body}");
        }
        let doubled = sent(JSON, r#"{"k":"__API_KEY__"}"#, "__API_KEY__x");
        assert_eq!(doubled.as_deref(), Ok(r#"{"k":"__API_KEY__x"}"#), "what was put in is not looked at again");
    }

    #[test]
    fn what_a_clients_own_bytes_could_join_with_and_what_is_elsewhere_gets_no_secret() {
        for (fields, body) in [
            (JSON, r#"{"k":"\u__API_KEY__"}"#),
            (JSON, r#"{"k":"\__API_KEY__"}"#),
            (JSON, "[__API_KEY__e-3]"),
            (JSON, r#"{"k":__API_KEY__}"#),
            (JSON, r#"{"to":"me@evil","body":"__API_KEY__"}"#),
            (JSON, r#"{"k":"__API_KEY__","body":"__API_KEY__"}"#),
            (JSON, "k=__API_KEY__"),
            (FORM, "k=%__API_KEY__"),
            (FORM, "to=me&body=__API_KEY__"),
            (FORM, r#"{"k":"__API_KEY__"}"#),
        ] {
            assert_eq!(sent(fields, body, "279a2e9d"), Err(Denial::BodyForm), "{body}");
        }
    }

    #[test]
    fn bodies_of_which_nobody_knows_how_they_are_read_are_refused() {
        for (fields, is_known) in [
            (&[("content-type", "Application/JSON; charset=\"UTF-8\"")][..], true),
            (&[("content-type", "application/json;charset=utf-8;x=y")], true),
            (&[("content-type", "application/json"), ("content-encoding", "identity")], true),
            (&[], false),
            (&[("content-type", "text/plain")], false),
            (&[("content-type", "application/json-patch+json")], false),
            (&[("content-type", "multipart/form-data; boundary=x")], false),
            (&[("content-type", "application/json; charset=utf-16")], false),
            (&[("content-type", "application/json; charset")], false),
            (&[("content-type", "application/json"), ("content-type", "text/plain")], false),
            (&[("content-type", "application/json, text/plain")], false),
            (&[("content-type", "application/json"), ("content-encoding", "gzip")], false),
            (
                &[("content-type", "application/json"), ("content-encoding", "identity"), ("content-encoding", "br")],
                false,
            ),
        ] {
            // Whether or not there is something to put in.
            for body in [r#"{"k":"__API_KEY__"}"#, "[]"] {
                let sent = sent(fields, body, "s3cr3t");
                assert_eq!(sent.is_ok(), is_known, "{fields:?} {sent:?}");
                assert!(is_known || sent == Err(Denial::BodyForm), "{fields:?} {sent:?}");
            }
        }
    }

    #[test]
    fn what_becomes_too_large_is_refused() {
        let room = MAX_FILLED - "k=".len();
        assert_eq!(sent(FORM, "k=__API_KEY__", &"x".repeat(room)).map(|sent| sent.len()), Ok(MAX_FILLED));
        assert_eq!(sent(FORM, "k=__API_KEY__", &"x".repeat(room + 1)), Err(Denial::BodyTooLarge));
        let spelled = sent(JSON, r#"{"k":"__API_KEY__"}"#, &"\0".repeat(MAX_FILLED / 6));
        assert_eq!(spelled, Err(Denial::BodyTooLarge), "as it is spelled");
    }

    #[test]
    fn what_was_not_read_is_not_forwarded() {
        let headers = HeaderMap::new();
        let filling = Filling::new(blank(), b"x").expect("a text");
        let filled = |has_body| filling.fill(&Content { headers: &headers, has_body, body: None });
        assert_eq!(filled(true).err(), Some(Denial::Internal));
        assert!(matches!(filled(false), Ok(None)));
    }

    #[test]
    fn only_texts_are_put_in_bodies_and_only_plain_words_stand_for_them() {
        use PlaceholderFault::{Character, Length};
        assert!(Filling::new(blank(), b"\xff\xfe").is_none() && Filling::new(blank(), b"").is_none());
        for (text, want) in [
            ("", Length),
            ("__KEY__", Length),
            (&*"x".repeat(65), Length),
            ("{{API_KEY}}", Character),
            ("$API_KEY_", Character),
            ("API KEY 1", Character),
            ("__SCHL\u{dc}SSEL__", Character),
        ] {
            assert_eq!(Placeholder::parse(text), Err(want), "{text}");
        }
    }

    #[test]
    fn a_field_has_names() {
        for (text, is_one) in [
            ("auth_key", true),
            ("a/b/0", true),
            ("auth[key]", true),
            ("", false),
            ("/a", false),
            ("a//b", false),
            ("a/", false),
            ("a\n", false),
            (&"x".repeat(257), false),
        ] {
            assert_eq!(Field::parse(text).is_ok(), is_one, "{text}");
        }
    }
}
