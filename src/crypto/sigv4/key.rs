//! What signs: the access key, the key derived from its secret for one day, and the time of a signature.

use std::fmt;
use std::time::SystemTime;

use http::HeaderValue;
use zeroize::Zeroizing;

use super::Fault;
use crate::crypto::hmac_sha256;

/// What ends every scope and every derivation ("Create a string to sign", `CredentialScope`).
const TERMINATION: &str = "aws4_request";

/// The public half of a credential: its id, and the session token that goes with temporary ones. `Debug` shows no token.
#[derive(Debug, Clone)]
pub struct AccessKey {
    id: String,
    session_token: Option<HeaderValue>,
}

impl AccessKey {
    /// An access key of this id (AWS STS API Reference, "GetAccessKeyInfo", `AccessKeyId`), with the session token if it is temporary.
    ///
    /// # Errors
    /// [`Fault::AccessKeyId`] and [`Fault::SessionToken`] for what no such thing looks like.
    pub fn new(id: &str, session_token: Option<&[u8]>) -> Result<Self, Fault> {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if id.is_empty() || id.len() > 128 || !id.bytes().all(is_word) {
            return Err(Fault::AccessKeyId);
        }
        let session_token = session_token.map(sensitive).transpose()?;
        Ok(Self { id: id.to_owned(), session_token })
    }

    /// The id, which is no secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn session_token(&self) -> Option<&HeaderValue> {
        self.session_token.as_ref()
    }
}

/// Blanks are refused, as the value that is signed has them trimmed and the one that is sent has not.
fn sensitive(token: &[u8]) -> Result<HeaderValue, Fault> {
    if token.is_empty() || !token.iter().all(u8::is_ascii_graphic) {
        return Err(Fault::SessionToken);
    }
    let mut value = HeaderValue::from_bytes(token).map_err(|_| Fault::SessionToken)?;
    value.set_sensitive(true);
    Ok(value)
}

/// The second at which a head is signed, in the form of `x-amz-date`: `20150830T123600Z`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningTime(String);

impl SigningTime {
    /// The second that this time is in.
    ///
    /// # Errors
    /// [`Fault::Time`] outside the years 0 to 9999.
    pub fn new(at: SystemTime) -> Result<Self, Fault> {
        let at = jiff::Timestamp::try_from(at).map_err(|_| Fault::Time)?;
        let text = at.strftime("%Y%m%dT%H%M%SZ").to_string();
        // As years before 0 do, which a date of eight digits has no place for.
        if text.starts_with('-') { Err(Fault::Time) } else { Ok(Self(text)) }
    }

    /// The day, for which a key is derived: `20150830`.
    pub fn date(&self) -> &str {
        self.0.split_once('T').map_or("", |(date, _)| date)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The key that signs for one day in one region of one service ("Derive a signing key"). To be kept for that long: deriving it takes
/// half as long as signing does.
pub struct DayKey {
    scope: String,
    bytes: Zeroizing<[u8; 32]>,
}

impl DayKey {
    /// Derives the key for the day of this time.
    ///
    /// # Errors
    /// [`Fault::Secret`] and [`Fault::Scope`] for what no such thing looks like.
    pub fn derive(secret: &[u8], day: &SigningTime, region: &str, service: &str) -> Result<Self, Fault> {
        if secret.is_empty() {
            return Err(Fault::Secret);
        }
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if [region, service].iter().any(|part| part.is_empty() || !part.bytes().all(is_part)) {
            return Err(Fault::Scope);
        }
        let start = Zeroizing::new([b"AWS4", secret].concat());
        let mut bytes = Zeroizing::new(hmac_sha256(&start, day.date().as_bytes()));
        for part in [region, service, TERMINATION] {
            *bytes = hmac_sha256(&*bytes, part.as_bytes());
        }
        let scope = format!("{}/{region}/{service}/{TERMINATION}", day.date());
        Ok(Self { scope, bytes })
    }

    /// Whether the key is of the day that this time is in.
    pub fn is_for(&self, at: &SigningTime) -> bool {
        self.scope.split_once('/').is_some_and(|(day, _)| day == at.date())
    }

    pub(super) fn scope(&self) -> &str {
        &self.scope
    }

    pub(super) fn sign(&self, text: &[u8]) -> [u8; 32] {
        hmac_sha256(&*self.bytes, text)
    }
}

impl fmt::Debug for DayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
