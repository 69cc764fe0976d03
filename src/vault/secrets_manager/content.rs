//! What the current version of a secret holds: a text, of which one member of a JSON object may be meant, or bytes.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{Deserializer as _, Error, IgnoredAny, MapAccess, Visitor};
use zeroize::Zeroizing;

use crate::domain::Secret;
use crate::vault::VaultError;

/// What one secret holds.
#[derive(Debug)]
pub(super) enum Content {
    /// Its `SecretString`.
    Text(Secret),
    /// Its `SecretBinary`, decoded.
    Bytes(Secret),
}

/// What is answered ("GetSecretValue", response elements): one of the two.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Body {
    #[serde(default)]
    secret_string: Option<Zeroizing<String>>,
    #[serde(default)]
    secret_binary: Option<Zeroizing<String>>,
}

impl Content {
    pub(super) fn parse(body: &[u8]) -> Result<Self, VaultError> {
        let body: Body = serde_json::from_slice(body).map_err(|_| VaultError::Answer)?;
        match (body.secret_string, body.secret_binary) {
            (Some(text), None) => Ok(Self::Text(Secret::new(text.as_bytes().to_vec()))),
            (None, Some(text)) => STANDARD
                .decode(text.as_bytes())
                .map(|bytes| Self::Bytes(Secret::new(bytes)))
                .map_err(|_| VaultError::Answer),
            (Some(_), Some(_)) | (None, None) => Err(VaultError::Answer),
        }
    }

    /// All of it, or that member of the object which it is.
    ///
    /// # Errors
    /// [`VaultError::NotFound`] for an object without the member; [`VaultError::Answer`] for what is no object, and a member that is no text
    /// or there twice.
    pub(super) fn part(&self, field: Option<&str>) -> Result<Secret, VaultError> {
        match (self, field) {
            (Self::Text(all) | Self::Bytes(all), None) => Ok(Secret::new(all.expose().to_vec())),
            (Self::Text(text), Some(field)) => member(text, field),
            (Self::Bytes(_), Some(_)) => Err(VaultError::Answer),
        }
    }
}

/// One member, while nothing is made of the others: a tree of them all would not be wiped.
fn member(object: &Secret, field: &str) -> Result<Secret, VaultError> {
    let mut reader = serde_json::Deserializer::from_slice(object.expose());
    let found = reader.deserialize_map(Member(field)).and_then(|found| reader.end().map(|()| found));
    let found = found.map_err(|_| VaultError::Answer)?.ok_or(VaultError::NotFound)?;
    Ok(Secret::new(found.as_bytes().to_vec()))
}

struct Member<'a>(&'a str);

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<Zeroizing<String>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a text")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key::<String>()? {
            if name != self.0 {
                map.next_value::<IgnoredAny>()?;
            } else if found.replace(map.next_value()?).is_some() {
                return Err(A::Error::custom("a member is there twice"));
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exposed(part: Result<Secret, VaultError>) -> Result<Vec<u8>, VaultError> {
        part.map(|secret| secret.expose().to_vec())
    }

    #[test]
    fn a_secret_is_a_text_or_bytes_and_never_both() {
        for (body, want) in [
            (r#"{"SecretString": "k\"ey", "VersionStages": ["AWSCURRENT"], "CreatedDate": 1.5}"#, Ok(&b"k\"ey"[..])),
            (r#"{"SecretBinary": "AP8=", "SecretString": null}"#, Ok(&[0, 255])),
            (r#"{"SecretBinary": "AP8"}"#, Err(VaultError::Answer)),
            (r#"{"SecretString": "a", "SecretBinary": "AP8="}"#, Err(VaultError::Answer)),
            (r#"{"SecretString": 5}"#, Err(VaultError::Answer)),
            (r#"{"secretString": "a"}"#, Err(VaultError::Answer)),
            ("{}", Err(VaultError::Answer)),
            ("", Err(VaultError::Answer)),
        ] {
            let whole = Content::parse(body.as_bytes()).and_then(|content| content.part(None));
            assert_eq!(exposed(whole), want.map(<[u8]>::to_vec), "{body}");
        }
    }

    #[test]
    fn a_field_is_a_text_in_the_object_itself() {
        for (text, want) in [
            (r#"{"user": "u", "password": "p\u0041ss"}"#, Ok("pAss")),
            (r#"{"nested": {"password": "x"}, "list": [{"password": 1}], "password": "p"}"#, Ok("p")),
            (r#"{"user": "u", "nested": {"password": "x"}}"#, Err(VaultError::NotFound)),
            ("{}", Err(VaultError::NotFound)),
            (r#"{"password": "p", "password": "q"}"#, Err(VaultError::Answer)),
            (r#"{"password": 5}"#, Err(VaultError::Answer)),
            (r#"{"password": null}"#, Err(VaultError::Answer)),
            (r#"{"password": "p"} "#, Ok("p")),
            (r#"{"password": "p"}x"#, Err(VaultError::Answer)),
            (r#"["password", "p"]"#, Err(VaultError::Answer)),
            ("password", Err(VaultError::Answer)),
            ("", Err(VaultError::Answer)),
        ] {
            let part = Content::Text(Secret::new(text.into())).part(Some("password"));
            assert_eq!(exposed(part), want.map(|text| text.as_bytes().to_vec()), "{text}");
        }
        let bytes = Content::Bytes(Secret::new(br#"{"password": "p"}"#.to_vec()));
        assert_eq!(exposed(bytes.part(Some("password"))), Err(VaultError::Answer));
    }

    #[test]
    fn debug_shows_no_secret() {
        let content = Content::Text(Secret::new(b"canary-4711".to_vec()));
        assert!(!format!("{content:?}").contains("canary"));
    }
}
