//! What a part's content is written in for mail (RFC 2045 6). Forms have no use for it (RFC 7578 4.7), but servers read it.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::inspect::FaultKind;
use crate::inspect::decode::form::hex_pair;

/// A transfer encoding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Transfer {
    #[default]
    Plain,
    Base64,
    QuotedPrintable,
}

impl Transfer {
    /// That of this name.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        let names: [(&str, Self); 5] = [
            ("7bit", Self::Plain),
            ("8bit", Self::Plain),
            ("binary", Self::Plain),
            ("base64", Self::Base64),
            ("quoted-printable", Self::QuotedPrintable),
        ];
        let mut known = names.iter().filter(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
        known.next().map(|(_, transfer)| *transfer)
    }
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Takes it off.
///
/// # Errors
/// The content is not in it.
pub(super) fn decode(transfer: Transfer, content: &[u8]) -> Result<Cow<'_, [u8]>, FaultKind> {
    match transfer {
        Transfer::Plain => Ok(Cow::Borrowed(content)),
        Transfer::Base64 => {
            let signs: Vec<u8> = content.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
            BASE64.decode(signs).map(Cow::Owned).map_err(|_| FaultKind::BrokenCoding)
        }
        Transfer::QuotedPrintable => quoted_printable(content).map(Cow::Owned).ok_or(FaultKind::BrokenCoding),
    }
}

fn quoted_printable(content: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(content.len());
    let mut rest = content;
    while let Some(at) = memchr::memchr(b'=', rest) {
        out.extend_from_slice(rest.get(..at)?);
        rest = rest.get(at + 1..)?;
        if let Some(next) = rest.strip_prefix(b"\r\n") {
            rest = next;
            continue;
        }
        out.push(hex_pair(rest)?);
        rest = rest.get(2..)?;
    }
    out.extend_from_slice(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_for_mail_are_taken_off() {
        for (name, content, want) in [
            ("binary", "a=1", Some("a=1")),
            ("Base64", "PHNj\r\ncmlwdD4=", Some("<script>")),
            ("base64", "<script>", None),
            ("quoted-printable", "=3Cscript=3e=\r\n!", Some("<script>!")),
            ("quoted-printable", "1=1", None),
        ] {
            let decoded = decode(Transfer::named(name.as_bytes()).expect("known"), content.as_bytes());
            assert_eq!(decoded.ok().as_deref(), want.map(str::as_bytes), "{content}");
        }
        assert_eq!(Transfer::named(b"x-uuencode"), None);
    }
}
