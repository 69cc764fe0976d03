//! Names of files that are sent, and what they end with.

use super::Input;
use crate::inspect::Part;

/// Header fields that name the file in the body, as uploading scripts send it.
const HEADERS: [&str; 6] = ["x-filename", "x-file-name", "x_filename", "x_file_name", "x.filename", "x.file.name"];

/// The name of a file that is sent, without the folders before it, in lower case; nothing where the value is none.
///
/// The name of a part's file comes as a name at `(filename)`, unlike the key of an object.
pub(super) fn file_name<'a>(input: &Input<'a>) -> Option<&'a [u8]> {
    let is_file = match input.part {
        Part::Header => HEADERS.iter().any(|header| input.trail.eq_ignore_ascii_case(header.as_bytes())),
        Part::Body => input.is_name && input.trail.ends_with(b"(filename)"),
        Part::Path | Part::Query | Part::Cookie => false,
    };
    if !is_file {
        return None;
    }
    let from = input.lower.iter().rposition(|byte| matches!(byte, b'/' | b'\\')).map_or(0, |at| at + 1);
    input.lower.get(from..)
}

/// What a name ends with, past dots, spaces and NULs that file systems drop (`a.php..`, `a. php `, `a.php::$DATA`).
pub(super) fn extension(name: &[u8]) -> &[u8] {
    let name = name.split(|byte| matches!(byte, b':' | b'\0' | b';')).next().unwrap_or_default();
    let end = name.iter().rposition(|byte| !matches!(byte, b'.' | b' ')).map_or(0, |at| at + 1);
    let name = name.get(..end).unwrap_or_default();
    let at = name.iter().rposition(|byte| *byte == b'.').map_or(name.len(), |at| at + 1);
    name.get(at..).unwrap_or_default().trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_file_systems_drop_is_dropped() {
        for (name, want) in [
            ("a.php", "php"),
            ("a.php...", "php"),
            ("a. php ", "php"),
            ("a.php::$data", "php"),
            ("a.php\0.jpg", "php"),
            ("php", ""),
            ("...", ""),
        ] {
            assert_eq!(extension(name.as_bytes()), want.as_bytes(), "{name}");
        }
    }
}
