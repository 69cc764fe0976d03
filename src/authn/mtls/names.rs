//! Which name in a certificate is the principal's id. Exactly one may be; one that could be read in two ways is none.

use std::fmt::Write as _;

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::X509Name;

use crate::domain::{AuthnFault, Principal};

/// The name that is the id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateName {
    /// The one URI among the alternative names, such as a SPIFFE id; of several, the one that begins so.
    Uri {
        /// What it has to begin with; empty for any.
        prefix: String,
    },
    /// The one DNS name among the alternative names, in lower case.
    Dns,
    /// The one address of mail among the alternative names.
    Email,
    /// The whole subject, as RFC 4514 writes it.
    Subject,
}

/// Attribute types that may stand in a subject, with the names by which they are written (RFC 4514 §3; the last two by custom).
const ATTRIBUTES: [(&str, &str); 11] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.6", "C"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("2.5.4.5", "serialNumber"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

impl CertificateName {
    /// The id that a certificate in DER gives its holder.
    ///
    /// # Errors
    /// [`AuthnFault::Claim`] where there is none, more than one, or one with a character that is cut off, hidden or read otherwise
    /// elsewhere (CVE-2025-66220).
    pub(super) fn find(&self, der: &[u8]) -> Result<String, AuthnFault> {
        self.one(der).filter(|id| Principal::is_valid_id(id)).ok_or(AuthnFault::Claim)
    }

    fn one(&self, der: &[u8]) -> Option<String> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        if matches!(self, Self::Subject) {
            return distinguished(certificate.subject());
        }
        let names = certificate.subject_alternative_name().ok()??;
        let mut found = None;
        for name in &names.value.general_names {
            let Some(text) = self.of_our_sort(name) else { continue };
            // Judged before anything else of it is: also one that would not be chosen.
            if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
                return None;
            }
            let is_chosen = match self {
                Self::Uri { prefix } => text.len() > prefix.len() && text.starts_with(prefix.as_str()),
                Self::Dns => !text.contains('*'),
                Self::Email | Self::Subject => true,
            };
            if is_chosen && found.replace(text).is_some() {
                return None;
            }
        }
        found.map(|text| if *self == Self::Dns { text.to_ascii_lowercase() } else { text.to_owned() })
    }

    fn of_our_sort<'a>(&self, name: &GeneralName<'a>) -> Option<&'a str> {
        match (self, name) {
            (Self::Uri { .. }, GeneralName::URI(text))
            | (Self::Dns, GeneralName::DNSName(text))
            | (Self::Email, GeneralName::RFC822Name(text)) => Some(text),
            _ => None,
        }
    }
}

/// A name as RFC 4514 §2 writes it; none where it holds an attribute that is not known here, or one that is no text.
fn distinguished(name: &X509Name<'_>) -> Option<String> {
    let mut text = String::new();
    let parts: Vec<_> = name.iter_rdn().collect();
    for (nth, part) in parts.into_iter().rev().enumerate() {
        for (inner, attribute) in part.iter().enumerate() {
            text.push_str(if inner > 0 {
                "+"
            } else if nth > 0 {
                ","
            } else {
                ""
            });
            let oid = attribute.attr_type().to_id_string();
            let (_, short) = ATTRIBUTES.iter().find(|(known, _)| *known == oid)?;
            write!(text, "{short}=").ok()?;
            escape(attribute.as_str().ok()?, &mut text);
        }
    }
    (!text.is_empty()).then_some(text)
}

/// RFC 4514 §2.4: without it, a comma in one value would begin another attribute.
fn escape(value: &str, text: &mut String) {
    for (at, c) in value.char_indices() {
        let is_edge = (at == 0 && matches!(c, ' ' | '#')) || (at + 1 == value.len() && c == ' ');
        if is_edge || matches!(c, '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=') {
            text.push('\\');
        }
        text.push(c);
    }
}
