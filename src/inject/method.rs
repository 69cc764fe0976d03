//! How a secret is put on a request.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use zeroize::Zeroizing;

use super::aws::{Aws, AwsSettings};
use super::body::{Blank, Filling};
use super::hmac::{Hmac, HmacSettings};
use super::path::{Front, PathTemplate};
use crate::crypto::{ClientIdentityFault, client_identity, sigv4};
use crate::domain::{ClientIdentity, Secret, Wiped};
use crate::net;

/// Everything but the unreserved characters, which are to stay as they are (RFC 3986 §2.3).
pub(super) const ESCAPED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How a secret is put on a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Method {
    /// `NAME: PREFIX SECRET`.
    Header {
        /// The field's name.
        name: HeaderName,
        /// What stands before the secret, blank included; often empty.
        prefix: String,
    },
    /// `Authorization: Bearer SECRET` (RFC 6750 §2.1).
    Bearer,
    /// `Authorization: Basic base64(USERNAME:SECRET)` (RFC 7617).
    Basic {
        /// The user name; without `:`.
        username: String,
    },
    /// A query parameter, for APIs that know nothing better.
    Query {
        /// The parameter's name.
        parameter: String,
    },
    /// A cookie beside the client's own (RFC 6265 §4.2).
    Cookie {
        /// The cookie's name.
        name: String,
    },
    /// A segment of the path, in front of what is asked for.
    Path(PathTemplate),
    /// In place of a text in one field of the body.
    Body(Blank),
    /// The whole head is signed (AWS Signature Version 4).
    Aws(AwsSettings),
    /// Parts of the request are signed with an HMAC.
    Hmac(Box<HmacSettings>),
    /// The connection is made with a certificate, of which the secret is the chain and the key in PEM.
    ClientCertificate,
}

/// A secret in the form in which it is sent.
pub(super) enum Part {
    Header(HeaderName, HeaderValue),
    Query { parameter: String, pair: Zeroizing<String> },
    Cookie { name: String, pair: Zeroizing<String> },
    Path(Front),
    Body(Filling),
    Aws(Box<Aws>),
    Hmac(Box<Hmac>),
    Client(Arc<ClientIdentity>),
}

/// Why a secret cannot be put on a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It is empty, or holds what has no place there.
    Text,
    /// It is no certificate with its key.
    Certificate(ClientIdentityFault),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("a secret is empty or holds characters that cannot be sent so"),
            Self::Certificate(fault) => write!(f, "a secret is no client certificate with its key: {fault}"),
        }
    }
}

impl Method {
    /// The headers that are set so.
    pub(super) fn headers(&self) -> Vec<HeaderName> {
        match self {
            Self::Header { name, .. } => vec![name.clone()],
            Self::Bearer | Self::Basic { .. } => vec![header::AUTHORIZATION],
            Self::Aws(_) => sigv4::CLIENTS_OWN.to_vec(),
            Self::Hmac(settings) => settings.headers(),
            Self::Query { .. } | Self::Cookie { .. } | Self::Path(_) | Self::Body(_) | Self::ClientCertificate => {
                Vec::new()
            }
        }
    }

    pub(super) fn needs_body(&self) -> bool {
        match self {
            Self::Aws(settings) => settings.signs_body(),
            Self::Hmac(settings) => settings.signs_body(),
            Self::Body(_) => true,
            Self::Header { .. }
            | Self::Bearer
            | Self::Basic { .. }
            | Self::Query { .. }
            | Self::Cookie { .. }
            | Self::Path(_)
            | Self::ClientCertificate => false,
        }
    }

    /// What must not come back: the secrets, without the id of an access key, the key that one spells, and the forms in which they are sent.
    pub(super) fn sought(&self, mut secrets: Vec<Arc<Secret>>, part: &Part) -> Vec<Arc<Secret>> {
        if matches!(self, Self::Aws(_)) && !secrets.is_empty() {
            secrets.remove(0);
        }
        if let (Self::Hmac(settings), [secret]) = (self, &*secrets)
            && let Some(key) = settings.key_encoding.decode(secret.expose()).filter(|key| **key != secret.expose())
        {
            secrets.push(Arc::new(Secret::new(key.to_vec())));
        }
        let sent = match part {
            Part::Header(_, value) => value.as_bytes().strip_prefix(b"Basic ").into_iter().collect(),
            Part::Query { pair, .. } => pair.split_once('=').map(|(_, value)| value.as_bytes()).into_iter().collect(),
            Part::Path(front) => vec![front.secret.as_bytes()],
            Part::Body(filling) => filling.spellings().to_vec(),
            // Nothing of the key is sent.
            Part::Client(_) => return Vec::new(),
            Part::Cookie { .. } | Part::Aws(_) | Part::Hmac(_) => Vec::new(),
        };
        for sent in sent {
            if !secrets.iter().any(|secret| secret.expose() == sent) {
                secrets.push(Arc::new(Secret::new(sent.to_vec())));
            }
        }
        secrets
    }

    /// Whether the secret is sent as it is, by fields and the query alone.
    pub(super) fn is_simple(&self) -> bool {
        match self {
            Self::Header { .. } | Self::Bearer | Self::Basic { .. } | Self::Query { .. } | Self::Cookie { .. } => true,
            Self::Aws(_) | Self::Hmac(_) | Self::Path(_) | Self::Body(_) | Self::ClientCertificate => false,
        }
    }

    /// The secrets as they are sent.
    pub(super) fn prepare(&self, secrets: &[Arc<Secret>]) -> Result<Part, Unfit> {
        if !matches!(self, Self::ClientCertificate) {
            return self.prepare_text(secrets).ok_or(Unfit::Text);
        }
        let [pem] = secrets else { return Err(Unfit::Text) };
        let identity = client_identity(pem).map_err(Unfit::Certificate)?;
        Ok(Part::Client(Arc::new(identity)))
    }

    fn prepare_text(&self, secrets: &[Arc<Secret>]) -> Option<Part> {
        if let Self::Aws(settings) = self {
            return Aws::new(settings.clone(), secrets).map(Box::new).map(Part::Aws);
        }
        let [secret] = secrets else { return None };
        let bytes = secret.expose();
        if bytes.is_empty() {
            return None;
        }
        let joined = |front: &str| Zeroizing::new([front.as_bytes(), bytes].concat());
        match self {
            Self::Header { name, prefix } => Some(Part::Header(name.clone(), sensitive(&joined(prefix))?)),
            Self::Bearer => Some(Part::Header(header::AUTHORIZATION, sensitive(&joined("Bearer "))?)),
            Self::Basic { username } => {
                let encoded = Zeroizing::new(STANDARD.encode(&*joined(&format!("{username}:"))));
                let value = Zeroizing::new(["Basic ", &encoded].concat());
                Some(Part::Header(header::AUTHORIZATION, sensitive(value.as_bytes())?))
            }
            Self::Query { parameter } => {
                // With all the room it needs, it is not moved and leaves no copy.
                let mut encoded = Zeroizing::new(String::with_capacity(3 * bytes.len()));
                encoded.extend(percent_encode(bytes, &ESCAPED));
                let pair = Zeroizing::new([parameter, "=", &encoded].concat());
                Some(Part::Query { parameter: parameter.clone(), pair })
            }
            Self::Cookie { name } => {
                // What a value is made of (RFC 6265 §4.1.1).
                let is_octet = |b: &u8| matches!(b, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e);
                let value = std::str::from_utf8(bytes).ok().filter(|text| text.bytes().all(|b| is_octet(&b)))?;
                Some(Part::Cookie { name: name.clone(), pair: Zeroizing::new([name, "=", value].concat()) })
            }
            Self::Body(blank) => Filling::new(blank.clone(), bytes).map(Part::Body),
            Self::Path(template) => template.fill(bytes).map(Part::Path),
            Self::Hmac(settings) => Hmac::new((**settings).clone(), secret).map(|hmac| Part::Hmac(Box::new(hmac))),
            Self::Aws(_) | Self::ClientCertificate => None,
        }
    }
}

/// The client's cookies but those of these names, and these.
pub(super) fn cookies<'a>(
    fields: impl Iterator<Item = &'a HeaderValue>,
    own: &[(&str, &Zeroizing<String>)],
) -> Option<HeaderValue> {
    let mut joined = Wiped::default();
    for pair in fields.flat_map(|field| field.as_bytes().split(|b| *b == b';')).map(<[u8]>::trim_ascii) {
        let name = pair.split(|b| *b == b'=').next().unwrap_or_default().trim_ascii();
        if !pair.is_empty() && !own.iter().any(|(own, _)| own.as_bytes() == name) {
            joined.extend(pair);
            joined.extend(b"; ");
        }
    }
    for (nth, (_, pair)) in own.iter().enumerate() {
        joined.extend(if nth > 0 { b"; " } else { b"" });
        joined.extend(pair.as_bytes());
    }
    sensitive(joined.as_ref())
}

/// A header value that is never shown by `Debug` nor indexed by HPACK, and wiped with the last who has it.
pub(super) fn sensitive(bytes: &[u8]) -> Option<HeaderValue> {
    let mut wiped = Wiped::with_capacity(bytes.len());
    wiped.extend(bytes);
    net::sensitive(wiped)
}

/// Whether a raw `name=value` pair has this name once unescaped.
pub(super) fn names(pair: &str, parameter: &str) -> bool {
    let raw = pair.split_once('=').map_or(pair, |(name, _)| name);
    let unescaped: Vec<u8> = percent_encoding::percent_decode_str(raw).collect();
    unescaped.eq_ignore_ascii_case(parameter.as_bytes())
}
