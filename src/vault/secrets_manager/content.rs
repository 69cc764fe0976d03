//! What the current version of a secret holds: a text, of which one member of a JSON object may be meant, or bytes.

use std::mem;

use super::json;
use crate::crypto::secret_from_base64;
use crate::domain::{Secret, Wiped};
use crate::vault::VaultError;

/// What one secret holds.
#[derive(Debug)]
pub(super) enum Content {
    /// Its `SecretString`.
    Text(Secret),
    /// Its `SecretBinary`, decoded.
    Bytes(Secret),
}

impl Content {
    /// Of what is answered ("GetSecretValue", response elements): one of the two.
    pub(super) fn parse(body: &[u8]) -> Result<Self, VaultError> {
        let members = json::members(body).ok_or(VaultError::Answer)?;
        let member = |name| {
            let found = json::find(&members, name).map_err(|()| VaultError::Answer)?.filter(|value| *value != "null");
            found.map(|value| json::text(value).ok_or(VaultError::Answer)).transpose()
        };
        match (member("SecretString")?, member("SecretBinary")?) {
            (Some(text), None) => Ok(Self::Text(text.into_secret())),
            (None, Some(text)) => {
                let mut bytes = secret_from_base64(text.as_ref()).ok_or(VaultError::Answer)?;
                Ok(Self::Bytes(Secret::new(mem::take(&mut *bytes))))
            }
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

/// One member, while nothing is made of the others.
fn member(object: &Secret, field: &str) -> Result<Secret, VaultError> {
    let members = json::members(object.expose()).ok_or(VaultError::Answer)?;
    let found = json::find(&members, field).map_err(|()| VaultError::Answer)?.ok_or(VaultError::NotFound)?;
    json::text(found).map(Wiped::into_secret).ok_or(VaultError::Answer)
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
            (r#"{"SecretBinary": "AP8"}"#, Ok(&[0, 255])),
            (r#"{"SecretBinary": "AP8!"}"#, Err(VaultError::Answer)),
            (r#"{"SecretString": "a", "SecretString": "b"}"#, Err(VaultError::Answer)),
            (r#"{"SecretString": "\ud800"}"#, Err(VaultError::Answer)),
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
