//! A key that signs requests with an HMAC, over a text that the operator describes: the key never leaves, what it signs does.

mod template;
#[cfg(test)]
mod tests;

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};
use zeroize::Zeroizing;

use super::content::ReadBody;
use super::method::sensitive;
use crate::crypto::sigv4::{Fault, Head};
use crate::crypto::{MacAlgorithm, MacKey, secret_from_base64};
use crate::domain::{Secret, hex};

use template::Moment;
pub use template::{SignedTemplate, SigningFault, ValueTemplate};

/// What is signed how, and where the signature goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HmacSettings {
    /// The digest that is keyed.
    pub algorithm: MacAlgorithm,
    /// How the signature is written.
    pub encoding: HmacEncoding,
    /// How the secret spells the key.
    pub key_encoding: KeyEncoding,
    /// The header of the signature.
    pub header: HeaderName,
    /// What stands in it.
    pub value: ValueTemplate,
    /// What is signed.
    pub signed: SignedTemplate,
    /// The header that tells the time of the signature.
    pub time_header: Option<HeaderName>,
}

/// How a signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HmacEncoding {
    /// Lower-case hexadecimal digits.
    Hex,
    /// Base64 with padding (RFC 4648 §4).
    Base64,
}

/// How a secret spells a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyEncoding {
    /// It is the key.
    Raw,
    /// In base64 (RFC 4648 §4), padded or not.
    Base64,
    /// In hexadecimal digits of either case.
    Hex,
}

impl KeyEncoding {
    /// The key that a secret spells.
    pub(super) fn decode(self, secret: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let key = match self {
            Self::Raw => Zeroizing::new(secret.to_vec()),
            Self::Base64 => secret_from_base64(secret)?,
            Self::Hex => from_hex(secret)?,
        };
        (!key.is_empty()).then_some(key)
    }
}

fn from_hex(digits: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (pairs, rest) = digits.as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    // With all the room it needs, it is never moved and leaves no copies.
    let mut bytes = Zeroizing::new(Vec::with_capacity(pairs.len()));
    for [high, low] in pairs {
        bytes.push(u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?);
    }
    rest.is_empty().then_some(bytes)
}

impl HmacSettings {
    /// The headers that are set so.
    pub(super) fn headers(&self) -> Vec<HeaderName> {
        self.time_header.iter().chain([&self.header]).cloned().collect()
    }

    pub(super) fn signs_body(&self) -> bool {
        self.signed.needs_body()
    }
}

/// A key, ready to sign.
pub(super) struct Hmac {
    settings: HmacSettings,
    key: MacKey,
}

impl Hmac {
    pub(super) fn new(settings: HmacSettings, secret: &Secret) -> Option<Self> {
        let key = MacKey::new(settings.algorithm, &settings.key_encoding.decode(secret.expose())?);
        Some(Self { settings, key })
    }

    /// The fields that sign a head with this body.
    pub(super) fn sign(
        &self,
        head: &Head<'_>,
        body: Option<&ReadBody>,
        now: SystemTime,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, Fault> {
        let HmacSettings { encoding, header, value, signed, time_header, .. } = &self.settings;
        let at = Moment(now.duration_since(UNIX_EPOCH).map_err(|_| Fault::Time)?);
        // In the header, the time is told as it is signed.
        let told = signed.tell_time(&at);
        let time = time_header.as_ref().map(|name| (name, told.as_str()));
        let mut mac = self.key.begin();
        signed.write(head, body, &at, time, |piece| mac.update(piece));
        let signature = mac.finish();
        let signature = match encoding {
            HmacEncoding::Hex => hex(&signature),
            HmacEncoding::Base64 => STANDARD.encode(signature),
        };
        let value = sensitive(value.text(&at, &signature).as_bytes()).ok_or(Fault::Field)?;
        let mut fields = vec![(header.clone(), value)];
        if let Some((name, told)) = time {
            fields.push((name.clone(), HeaderValue::from_str(told).map_err(|_| Fault::Field)?));
        }
        Ok(fields)
    }
}
