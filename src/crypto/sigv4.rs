//! AWS Signature Version 4 in its header form: what signs the head of an upstream request, so that the caller needs no AWS key.
//!
//! The sections named here are those of "Create a signed AWS API request" in the AWS IAM User Guide. Nothing here waits or asks: the same
//! input always has the same signature.

mod canonical;
mod client;
mod fault;
mod key;

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use zeroize::Zeroizing;

use crate::crypto::sha256;
use canonical::Fields;

pub use canonical::is_never_signed;
pub use client::{CLIENTS_OWN, Upload, query_to_send, take_off};
pub use fault::Fault;
pub use key::{AccessKey, DayKey, SigningTime};

static AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
static AMZ_SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
static AMZ_CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
const UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// How a service has its requests signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether what the path has escaped is escaped once more ("Create a canonical request", `CanonicalUri`). All services but S3.
    pub double_encode_path: bool,
    /// Whether `.`, `..` and empty segments of the path are resolved before it is signed (the same place). All services but S3.
    pub normalize_path: bool,
    /// Whether the digest of the payload is sent as well. S3 requires it.
    pub add_content_sha256: bool,
    /// Fields to sign where they are present, besides `host`, `content-type`, `content-md5` and `x-amz-*`. Those of which
    /// [`is_never_signed`] says so are not signed for being named here.
    pub also_signed: Vec<HeaderName>,
}

/// The head of a request as it will be sent.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path as it is sent, escapes included, without the query.
    pub path: &'a str,
    /// The query as it is sent; best one that [`query_to_send`] made.
    pub query: Option<&'a str>,
    /// The fields, `host` among them.
    pub headers: &'a HeaderMap,
}

/// What the signature says of the body ("Create a canonical request", `HashedPayload`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// There is none.
    Empty,
    /// The SHA-256 digest of all of it.
    Signed([u8; 32]),
    /// Nothing: `UNSIGNED-PAYLOAD`.
    Unsigned,
    /// Nothing, and the body is in chunks with a checksum behind them: `STREAMING-UNSIGNED-PAYLOAD-TRAILER`.
    UnsignedTrailer,
}

/// Signs heads for one access key in one region of one service on one day.
#[derive(Debug, Clone, Copy)]
pub struct Signer<'a> {
    /// Who signs.
    pub access: &'a AccessKey,
    /// The key of the day.
    pub key: &'a DayKey,
    /// How the service has it.
    pub settings: &'a Settings,
}

/// The fields that sign a head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    authorization: HeaderValue,
    date: HeaderValue,
    security_token: Option<HeaderValue>,
    content_sha256: Option<HeaderValue>,
}

/// The fields that are signed and sent, without the signature.
struct Own {
    date: HeaderValue,
    security_token: Option<HeaderValue>,
    content_sha256: Option<HeaderValue>,
}

impl Settings {
    /// What holds for a service by the name it has in signatures; S3 and what speaks its protocol differ from all others.
    pub fn for_service(service: &str) -> Self {
        let is_s3 = is_s3(service);
        Self { double_encode_path: !is_s3, normalize_path: !is_s3, add_content_sha256: is_s3, also_signed: Vec::new() }
    }
}

/// Whether a service, by the name it has in signatures, speaks the protocol of S3.
pub fn is_s3(service: &str) -> bool {
    matches!(service, "s3" | "s3-object-lambda" | "s3-outposts" | "s3express")
}

impl Payload {
    fn text(self) -> Cow<'static, str> {
        match self {
            Self::Empty => EMPTY_SHA256.into(),
            Self::Signed(digest) => {
                let mut text = String::with_capacity(64);
                push_hex(&mut text, &digest);
                text.into()
            }
            Self::Unsigned => UNSIGNED_PAYLOAD.into(),
            Self::UnsignedTrailer => UNSIGNED_TRAILER.into(),
        }
    }

    /// Whether a server can find it out from the body alone; what it cannot has to be sent.
    fn is_digest(self) -> bool {
        match self {
            Self::Empty | Self::Signed(_) => true,
            Self::Unsigned | Self::UnsignedTrailer => false,
        }
    }
}

impl Signer<'_> {
    /// The fields that sign this head. The client's own are not looked at, and have to be taken off: see [`take_off`].
    ///
    /// # Errors
    /// [`Fault::Day`] when the key is of another day, [`Fault::NoHost`] and [`Fault::Field`] for heads that cannot be signed.
    pub fn sign(&self, head: &Head<'_>, payload: Payload, at: &SigningTime) -> Result<Signature, Fault> {
        self.sign_telling(head, payload, at, |_| ())
    }

    /// Tells the canonical request, then the string to sign, each before it is digested.
    fn sign_telling(
        &self,
        head: &Head<'_>,
        payload: Payload,
        at: &SigningTime,
        mut tell: impl FnMut(&str),
    ) -> Result<Signature, Fault> {
        if !self.key.is_for(at) {
            return Err(Fault::Day);
        }
        let payload_text = payload.text();
        let is_sent = self.settings.add_content_sha256 || !payload.is_digest();
        let own = Own {
            date: plain(at.as_str())?,
            security_token: self.access.session_token().cloned(),
            content_sha256: is_sent.then(|| plain(&payload_text)).transpose()?,
        };
        let fields = Fields::collect(head.headers, &self.settings.also_signed, &own)?;
        // The session token goes through this text: with all the room it needs, it is never moved and leaves no copies.
        let mut text = Zeroizing::new(String::with_capacity(self.room(head)));
        canonical::push_request(&mut text, head, self.settings, &fields, &payload_text)?;
        tell(&text);
        let digest = sha256(text.as_bytes());
        text.clear();
        self.push_string_to_sign(&mut text, at, &digest);
        tell(&text);
        let signature = self.key.sign(text.as_bytes());
        text.clear();
        self.push_authorization(&mut text, &fields, &signature);
        let mut authorization = plain(&text)?;
        authorization.set_sensitive(true);
        let Own { date, security_token, content_sha256 } = own;
        Ok(Signature { authorization, date, security_token, content_sha256 })
    }

    /// What the longest text made for this head can take: a byte of the target becomes three at most.
    fn room(&self, head: &Head<'_>) -> usize {
        let target = 3 * (head.path.len() + head.query.map_or(0, str::len));
        let fields: usize = head.headers.iter().map(|(name, value)| 2 * name.as_str().len() + value.len() + 4).sum();
        let token = self.access.session_token().map_or(0, HeaderValue::len);
        target + fields + token + self.access.id().len() + self.key.scope().len() + 1024
    }

    /// "Create a string to sign".
    fn push_string_to_sign(&self, text: &mut String, at: &SigningTime, digest: &[u8; 32]) {
        for line in [ALGORITHM, at.as_str(), self.key.scope()] {
            text.push_str(line);
            text.push('\n');
        }
        push_hex(text, digest);
    }

    /// "Add the signature to the request".
    fn push_authorization(&self, text: &mut String, fields: &Fields<'_>, signature: &[u8; 32]) {
        for part in [ALGORITHM, " Credential=", self.access.id(), "/", self.key.scope(), ", SignedHeaders="] {
            text.push_str(part);
        }
        fields.push_names(text);
        text.push_str(", Signature=");
        push_hex(text, signature);
    }
}

impl Signature {
    /// The fields to set, each in place of any of that name. Those that hold the signature or the session token are sensitive.
    pub fn into_headers(self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let fields = [
            (header::AUTHORIZATION, Some(self.authorization)),
            (AMZ_DATE.clone(), Some(self.date)),
            (AMZ_SECURITY_TOKEN.clone(), self.security_token),
            (AMZ_CONTENT_SHA256.clone(), self.content_sha256),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}

fn plain(text: &str) -> Result<HeaderValue, Fault> {
    HeaderValue::from_str(text).map_err(|_| Fault::Field)
}

/// Lower-case hexadecimal digits ("Create a canonical request", `Hex`).
fn push_hex(text: &mut String, bytes: &[u8]) {
    let digit = |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
}

#[cfg(test)]
mod tests;
