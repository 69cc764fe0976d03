//! Base64 of what is secret: where it is decoded to is wiped, whether or not that works.

use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet, decoded_len_estimate};
use zeroize::Zeroizing;

/// How it is taken where nothing is said of padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a text in base64 spells (RFC 4648 §4), padded or not; none where it is no base64.
pub fn secret_from_base64(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; decoded_len_estimate(text.len())]);
    let length = LENIENT.decode_slice(text, &mut bytes).ok()?;
    bytes.truncate(length);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_base64_is_decoded_and_nothing_else() {
        for (text, want) in [
            ("", Some(&b""[..])),
            ("AP8=", Some(&[0, 255])),
            ("AP8", Some(&[0, 255])),
            ("c2VjcmV0", Some(b"secret")),
            ("c2Vjc!V0", None),
            ("c2VjcmV0=", None),
            ("c2Vj cmV0", None),
            ("c", None),
        ] {
            assert_eq!(secret_from_base64(text.as_bytes()).as_deref().map(Vec::as_slice), want, "{text}");
        }
    }
}
