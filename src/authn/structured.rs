//! Structured fields (RFC 9651), taken in their one canonical spelling.

use sfv::{Dictionary, SerializeValue as _};

/// Whether a text can be the key of a member (RFC 9651 §3.1.2).
pub(super) fn is_key(text: &str) -> bool {
    let starts = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b == b'*');
    starts && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.*".contains(&b))
}

/// Whether a field was written exactly as what it was read as is written: without a repeated key, of which readers take the first or the
/// last, and without base64 that two readers may take for different bytes.
pub(super) fn canonical(members: &Dictionary, field: &[u8]) -> bool {
    !members.is_empty() && members.serialize_value().is_ok_and(|text| text.as_bytes() == field.trim_ascii())
}
