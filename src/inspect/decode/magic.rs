//! What a body starts with that is no text, by the kind of thing that it is, and how much of a body can be read as text.

/// What a body without text is said to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Image,
    /// Sound and pictures that move: both are in the same containers.
    Stream,
    Archive,
    Pdf,
    Font,
    Program,
    /// `application/octet-stream`, types that are not known, and none: any of them.
    Any,
}

/// Starts, and what starts so.
const STARTS: [(&[u8], Content); 21] = [
    (b"\x89PNG\r\n\x1a\n", Content::Image),
    (b"\xff\xd8\xff", Content::Image),
    (b"GIF87a", Content::Image),
    (b"GIF89a", Content::Image),
    (b"II*\0", Content::Image),
    (b"MM\0*", Content::Image),
    (b"%PDF-", Content::Pdf),
    (b"PK\x03\x04", Content::Archive),
    (b"\x1f\x8b\x08", Content::Archive),
    (b"BZh", Content::Archive),
    (b"\xfd7zXZ\0", Content::Archive),
    (b"7z\xbc\xaf\x27\x1c", Content::Archive),
    (b"\x28\xb5\x2f\xfd", Content::Archive),
    (b"OggS\0", Content::Stream),
    (b"fLaC", Content::Stream),
    (b"ID3", Content::Stream),
    (b"\x1a\x45\xdf\xa3", Content::Stream),
    (b"\x7fELF", Content::Program),
    (b"\0asm", Content::Program),
    (b"wOFF", Content::Font),
    (b"wOF2", Content::Font),
];

/// Whether a body starts as what it is said to be.
pub(super) fn is_of(content: Content, body: &[u8]) -> bool {
    let is = |found: Content| content == Content::Any || content == found;
    if STARTS.iter().any(|(start, found)| is(*found) && body.starts_with(start)) {
        return true;
    }
    match body {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => is(Content::Image),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..]
        | [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', b' ', ..] => is(Content::Stream),
        // The length of the first box stands before it (ISO/IEC 14496-12 4.2).
        [0, 0, _, _, b'f', b't', b'y', b'p', ..] => is(Content::Image) || is(Content::Stream),
        _ => false,
    }
}

/// Whether a byte is one of a text in ASCII.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n')
}

/// Stretches of ASCII of at least this length, as `strings` finds them: in random bytes one of 16 is met once in ten million.
pub(super) fn runs(bytes: &[u8], least: usize) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| !is_plain(*byte)).filter(move |run| run.len() >= least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_counts_for_what_it_is() {
        for (content, body, want) in [
            (Content::Image, &b"\x89PNG\r\n\x1a\n\0"[..], true),
            (Content::Any, b"\x89PNG\r\n\x1a\n\0", true),
            (Content::Archive, b"\x89PNG\r\n\x1a\n\0", false),
            (Content::Image, b"%PDF-1.4", false),
            (Content::Image, b"\0\0\0\x18ftypheic", true),
            (Content::Any, b"{\"aaftyp", false),
            (Content::Any, b"RIFFaaaa=1", false),
            (Content::Stream, b"RIFF\x01\0\0\0WAVE", true),
        ] {
            assert_eq!(is_of(content, body), want, "{content:?} {}", body.escape_ascii());
        }
    }

    #[test]
    fn runs_are_of_a_length() {
        let found: Vec<&[u8]> = runs(b"\0abc\xffab\x7fabcd", 3).collect();
        assert_eq!(found, [&b"abc"[..], b"abcd"]);
    }
}
