//! Texts within texts: JSON in a string, base64 of a text, the head of a JWT. Each is looked for by how it starts, and walked at most twice deep.

use super::walk::Walk;
use super::{form, json};

/// How deep texts within texts are looked into.
const MAX_NESTED: u8 = 2;

/// From which length on base64 is looked for: shorter ones are words as likely as not.
const MIN_BASE64: usize = 16;

/// The most of a JWT's head that is read (RFC 7515 bounds it by nothing).
const MAX_JWT_HEAD: usize = 8 << 10;

/// Gives what is packed in a text.
pub(super) fn walk(walk: &mut Walk<'_>, text: &[u8]) {
    if walk.nested >= MAX_NESTED {
        return;
    }
    let trimmed = text.trim_ascii();
    match trimmed {
        [b'{', .., b'}'] | [b'[', .., b']'] => json(walk, trimmed),
        [b'e', b'y', b'J', ..] if memchr::memchr(b'.', trimmed).is_some() => jwt(walk, trimmed),
        [b'd', b'a', b't', b'a', b':', ..] => {
            let head = trimmed.get(..trimmed.len().min(128)).unwrap_or_default();
            if let Some(at) = memchr::memmem::find(head, b";base64,") {
                base64(walk, trimmed.get(at + 8..).unwrap_or_default());
            }
        }
        _ => base64(walk, trimmed),
    }
}

/// Goes one text deeper, by the name of what was taken off.
fn within<T>(walk: &mut Walk<'_>, what: &[u8], run: impl FnOnce(&mut Walk<'_>) -> T) -> T {
    let mark = walk.trail.mark();
    walk.trail.push_key(what);
    walk.nested += 1;
    let result = run(walk);
    walk.nested -= 1;
    walk.trail.cut(mark);
    result
}

/// Walks through JSON. What is none, or is at fault, is for its reader a text: no fault of the request.
fn json(walk: &mut Walk<'_>, text: &[u8]) {
    if std::str::from_utf8(text).is_ok() {
        let _ = within(walk, b"(json)", |walk| json::walk(walk, text));
    }
}

/// Gives what the head of a JWT says (RFC 7515 4.1): `alg`, and `kid`, `jku`, `x5u`, which its readers look up.
pub(super) fn jwt(walk: &mut Walk<'_>, token: &[u8]) {
    let (head, _) = form::split(token, b'.');
    if !head.starts_with(b"eyJ") || head.len() > MAX_JWT_HEAD {
        return;
    }
    let mut decoded = Vec::new();
    if decode_base64(head, &mut decoded) && std::str::from_utf8(&decoded).is_ok() {
        // A head that is no JSON is no JWT's.
        let _ = within(walk, b"(jwt)", |walk| json::walk(walk, &decoded));
    }
}

/// Gives what a text says in base64, if that is a text itself.
pub(super) fn base64(walk: &mut Walk<'_>, text: &[u8]) {
    let Some(start) = text.get(..MIN_BASE64) else { return };
    // Of a short one the end is in it.
    if !start.iter().all(|byte| is_base64(*byte) || *byte == b'=') || is_hex(text) {
        return;
    }
    let mut decoded = Vec::new();
    if decode_base64(text, &mut decoded) && is_printable(&decoded, decoded.len()) {
        within(walk, b"(base64)", |walk| walk.text(&decoded));
    }
}

/// Whether these are hexadecimal digits and hyphens: a hash or UUID. No attack can be said in base64 with so few signs.
fn is_hex(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-')
}

/// Whether a byte is of one of the two alphabets (RFC 4648 4, 5).
pub(super) fn is_base64(byte: u8) -> bool {
    VALUES.get(usize::from(byte)).is_some_and(|value| *value < 64)
}

/// The value of each sign of both alphabets; 64 and more for what is none.
const VALUES: [u8; 256] = {
    let mut values = [0xff; 256];
    let mut n: u8 = 0;
    while n < 26 {
        values[(b'A' + n) as usize] = n;
        values[(b'a' + n) as usize] = 26 + n;
        if n < 10 {
            values[(b'0' + n) as usize] = 52 + n;
        }
        n += 1;
    }
    values[b'+' as usize] = 62;
    values[b'-' as usize] = 62;
    values[b'/' as usize] = 63;
    values[b'_' as usize] = 63;
    values
};

/// After how many bytes it is first asked whether what came out is text.
const FIRST_LOOK: usize = 24;

/// Takes off base64, padded or not, in lines or not; stops early where what comes out is no text.
fn decode_base64(text: &[u8], out: &mut Vec<u8>) -> bool {
    let text = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    let whole = text.len() / 4 * 3;
    let (mut bits, mut signs) = (0u32, 0usize);
    let mut next_look = FIRST_LOOK;
    for byte in text {
        let value = VALUES.get(usize::from(*byte)).copied().unwrap_or(0xff);
        if value >= 64 {
            if matches!(byte, b'\r' | b'\n') {
                continue;
            }
            return false;
        }
        bits = bits << 6 | u32::from(value);
        signs += 1;
        if signs.is_multiple_of(4) {
            let [_, one, two, three] = bits.to_be_bytes();
            out.extend_from_slice(&[one, two, three]);
            if out.len() >= next_look {
                if !is_printable(out, whole) {
                    return false;
                }
                next_look = out.len() * 4;
            }
        }
    }
    match signs % 4 {
        0 => {}
        2 => out.push((bits >> 4) as u8),
        3 => out.extend_from_slice(&((bits >> 2) as u16).to_be_bytes()),
        _ => return false,
    }
    true
}

/// Whether so much of these bytes is text (UTF-8 without control characters) that at least 85% of all can be.
pub(super) fn is_printable(bytes: &[u8], whole: usize) -> bool {
    let mut bad = 0;
    for chunk in bytes.utf8_chunks() {
        bad += chunk.invalid().len();
        bad += chunk.valid().bytes().filter(|byte| matches!(byte, 0..=8 | 11..=12 | 14..=31 | 127)).count();
    }
    bad * 100 <= whole * 15
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_known_by_what_it_says() {
        for (text, want) in [
            ("PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==", Some("<script>alert(1)</script>")),
            ("PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg", Some("<script>alert(1)</script>")),
            ("JyBvciAxPTEgLS0gLQ", Some("' or 1=1 -- -")),
            ("4pyTIMOgIGxhIG1vZGUg4pyT", Some("✓ à la mode ✓")),
            ("organizationMembership", None),
            ("1f8b08000000000000ff4bcb", None),
            ("3f2504e0-4f89-11d3-9a0c-0305e82c3301", None),
            ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ", None),
            ("not base64 at all, this is", None),
        ] {
            let mut decoded = Vec::new();
            let is_text = !is_hex(text.as_bytes())
                && decode_base64(text.as_bytes(), &mut decoded)
                && is_printable(&decoded, decoded.len());
            assert_eq!(is_text.then_some(&*String::from_utf8_lossy(&decoded)), want, "{text}");
        }
    }
}
