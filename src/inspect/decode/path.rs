//! The path, read once, and refused where two readers could read two (CWE-22, CWE-41, CWE-180). The proxy makes paths canonical before; this is
//! for what it was told to let pass.

use super::walk::Walk;
use super::{embedded, form};
use crate::inspect::{Fault, FaultKind};

/// Gives the path, decoded once.
///
/// # Errors
/// It can be read in more than one way.
pub(super) fn walk(walk: &mut Walk<'_>, path: &str) -> Result<(), Fault> {
    let path = path.as_bytes();
    if memchr::memchr3(b'%', b'\\', b';', path).is_none() {
        // The common case: only dots between slashes can matter.
        if memchr::memmem::find(path, b"..").is_some() && leads_out(path) {
            return Err(walk.fault(FaultKind::AmbiguousPath));
        }
        give(walk, path);
        return Ok(());
    }
    let decoded: Vec<u8> = percent_encoding::percent_decode(path).collect();
    let is_ambiguous = decoded.iter().any(|byte| matches!(byte, 0 | b'\\'))
        || path.split(|byte| *byte == b'/').any(is_ambiguous)
        || has_overlong(&decoded)
        || has_encoded_again(&decoded)
        || leads_out(path);
    if is_ambiguous {
        return Err(walk.fault(FaultKind::AmbiguousPath));
    }
    give(walk, &decoded);
    Ok(())
}

/// Gives the path, and what is packed in each of its segments.
fn give(walk: &mut Walk<'_>, path: &[u8]) {
    walk.plain(path);
    for segment in path.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty()) {
        embedded::walk(walk, segment);
    }
}

/// Whether dots in a segment mean its parent only to those who decode it, cut off parameters, or split it at an encoded slash.
fn is_ambiguous(segment: &[u8]) -> bool {
    let decoded: Vec<u8> = percent_encoding::percent_decode(segment).collect();
    let is_dots = |text: &[u8]| matches!(text, b"." | b"..");
    if is_dots(segment) {
        return false;
    }
    decoded.split(|byte| *byte == b'/').any(|part| is_dots(form::split(part, b';').0))
}

/// Whether `..` leads above the root, or follows an empty segment, which some readers drop and others do not.
fn leads_out(path: &[u8]) -> bool {
    let mut depth = 0usize;
    let mut was_empty = false;
    for segment in path.split(|byte| *byte == b'/').skip(1) {
        match segment {
            b".." if depth == 0 || was_empty => return true,
            b".." => depth -= 1,
            b"." => {}
            _ => depth += 1,
        }
        was_empty = segment.is_empty();
    }
    false
}

/// Whether a character is written with more bytes than it takes (RFC 3629 10).
fn has_overlong(text: &[u8]) -> bool {
    text.windows(2).any(|pair| {
        matches!(
            pair,
            [0xc0 | 0xc1, 0x80..=0xbf] | [0xe0, 0x80..=0x9f] | [0xf0, 0x80..=0x8f] | [0xf5..=0xff, 0x80..=0xbf]
        )
    })
}

/// Whether a dot, slash, backslash, percent sign or NUL is encoded a second time.
fn has_encoded_again(decoded: &[u8]) -> bool {
    memchr::memchr_iter(b'%', decoded).any(|at| {
        let digits = decoded.get(at + 1..).unwrap_or_default();
        matches!(form::hex_pair(digits), Some(0 | b'.' | b'/' | b'\\' | b'%'))
            || digits.first().is_some_and(|byte| byte.eq_ignore_ascii_case(&b'u'))
                && digits.get(1..5).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::{Limits, Location, Part, Sink};

    struct First(Vec<u8>);

    impl Sink for First {
        fn value(&mut self, at: Location<'_>, bytes: &[u8]) {
            if at.trail.is_empty() {
                self.0 = bytes.to_vec();
            }
        }
    }

    fn read(path: &str) -> Result<String, FaultKind> {
        let mut first = First(Vec::new());
        walk(&mut Walk::new(Part::Path, &Limits::default(), &mut first), path).map_err(|fault| fault.kind)?;
        Ok(String::from_utf8_lossy(&first.0).into_owned())
    }

    #[test]
    fn paths_of_one_meaning_are_read() {
        for (path, want) in [
            ("/", "/"),
            ("/a/b.c", "/a/b.c"),
            ("*", "*"),
            ("/repos/o/r/contents/src/..gitkeep", "/repos/o/r/contents/src/..gitkeep"),
            ("/a/../b", "/a/../b"),
            ("/git/refs/heads%2Ffeature-a", "/git/refs/heads/feature-a"),
            ("/users/a.b%40example.com", "/users/a.b@example.com"),
            ("/v1/%E6%97%A5", "/v1/日"),
            ("/get/index%2Epdf", "/get/index.pdf"),
            ("/matrix;v=1/x", "/matrix;v=1/x"),
            ("/100%25", "/100%"),
        ] {
            assert_eq!(read(path).as_deref(), Ok(want), "{path}");
        }
    }

    #[test]
    fn paths_of_two_meanings_are_faults() {
        for path in [
            "/..",
            "/a/../../b",
            "/a//../b",
            "/a/%2e%2e/b",
            "/a/.%2E",
            "/a/%2e/b",
            "/a/..;/b",
            "/a/..;x=1/b",
            "/a/..%3b/b",
            "/a%2f..%2fb",
            "/a/..%2fb",
            "/a\\b",
            "/a/%5cb",
            "/a%00.json",
            "/a/%c0%ae%c0%ae/b",
            "/a/%e0%80%af",
            "/a/%252e%252e/b",
            "/a/%252fb",
            "/a/%25252e",
            "/a/%u002e",
            "/a/%25u002e",
        ] {
            assert_eq!(read(path), Err(FaultKind::AmbiguousPath), "{path}");
        }
    }
}
