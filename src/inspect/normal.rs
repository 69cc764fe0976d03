//! A value as it may be read further on: percent-encoding, character references and escapes taken off until none is left, within bounds.

/// The most rounds of decoding.
const ROUNDS: usize = 3;

/// Writes the decoded value, if it differs, and says whether it does.
pub(super) fn decode(value: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    out.extend_from_slice(value);
    for _ in 0..ROUNDS {
        let next: Vec<u8> = percent_encoding::percent_decode(out).collect();
        if next == *out {
            break;
        }
        *out = next;
    }
    out != value
}
