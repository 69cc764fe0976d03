//! Check digits and checksums.

/// The remainder of the polynomial for each byte (CRC-32/ISO-HDLC, RFC 1952 §8).
const CRC: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// CRC-32 as gzip has it.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| crc >> 8 ^ CRC.get((crc as u8 ^ byte) as usize).copied().unwrap_or_default();
    !bytes.iter().fold(!0, step)
}

/// Whether the last six characters are the CRC-32 of those before them in base 62, as GitHub and npm make their tokens.
pub(super) fn has_crc(text: &[u8]) -> bool {
    let Some((random, sum)) = text.split_last_chunk::<6>() else { return false };
    let digit = |byte: &u8| BASE62.iter().position(|known| known == byte);
    let told = sum.iter().try_fold(0u64, |so_far, byte| Some(so_far * 62 + digit(byte)? as u64));
    told == Some(crc32(random).into())
}

/// Whether the last of these digits is right by Luhn (ISO/IEC 7812-1, annex B).
pub(super) fn is_luhn(digits: &[u8]) -> bool {
    let weighed = digits.iter().rev().enumerate().map(|(nth, digit)| {
        let doubled = u32::from(*digit) << (nth % 2);
        if doubled > 9 { doubled - 9 } else { doubled }
    });
    weighed.sum::<u32>() % 10 == 0
}

/// The remainder by 97 of a text of digits and letters, of which each letter stands for two digits (ISO 7064, MOD 97-10).
pub(super) fn mod97(text: impl Iterator<Item = u8>) -> u32 {
    text.fold(0, |so_far, byte| match byte {
        b'0'..=b'9' => (so_far * 10 + u32::from(byte - b'0')) % 97,
        b'A'..=b'Z' => (so_far * 100 + u32::from(byte - b'A') + 10) % 97,
        _ => so_far,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_their_standards() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert!(is_luhn(&[4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]));
        assert!(!is_luhn(&[4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2]));
        assert_eq!(mod97(b"WEST12345698765432GB82".iter().copied()), 1);
        assert!(!has_crc(b"short"));
    }
}
