//! Calls of functions that hand a text to a shell.

/// Functions of languages that hand a text to a shell.
const CALLS: &[&[u8]] = &[
    b"system",
    b"eval",
    b"exec",
    b"execsync",
    b"execfile",
    b"popen",
    b"spawn",
    b"spawnsync",
    b"passthru",
    b"shell_exec",
    b"proc_open",
    b"pcntl_exec",
    b"check_output",
    b"getoutput",
    b"subprocess.run",
    b"subprocess.call",
    b"shell",
    b"qx",
];

/// Whether the quote at `at` opens what one of these functions is given.
pub(super) fn runs(lower: &[u8], at: usize) -> bool {
    let before = lower.get(at.saturating_sub(32)..at).unwrap_or_default();
    if !matches!(before.last(), Some(b' ' | b'(' | b'[')) {
        return false;
    }
    crate::inspect::steps::count(48);
    let end = before.iter().rposition(|byte| !matches!(byte, b' ' | b'(' | b'[')).map_or(0, |last| last + 1);
    let name = before.get(..end).unwrap_or_default();
    // What the names below end with.
    if !matches!(name.last(), Some(b'm' | b'l' | b'c' | b'e' | b'n' | b'u' | b't' | b'x')) {
        return false;
    }
    let follows = |call: &&&[u8]| {
        name.strip_suffix(**call)
            .is_some_and(|rest| !rest.last().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_'))
    };
    CALLS.iter().any(|call| follows(&call))
}
