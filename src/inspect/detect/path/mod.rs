//! Paths that lead where they should not (CWE-22): steps out of a folder in all spellings, files of the system, files that servers hide.

use super::{Detector, Found, Input};
use crate::inspect::gate::Bytes;
use crate::inspect::{Class, Part};

mod files;
mod steps;
#[cfg(test)]
mod tests;

use files::Worth;

/// The rules that this gives evidence for.
#[rustfmt::skip]
const IDS: &[&str] = &[
    "path.hidden", "path.nul", "path.odd-steps", "path.secret-file", "path.secret-file-in-text", "path.share",
    "path.step", "path.steps", "path.steps-in-text", "path.system-file", "path.system-path",
];

pub(super) const DETECTOR: Detector = Detector { ids: IDS, classes: &[Class::Lfi], literals: LITERALS, wakes, run };

/// What no path to a file of interest is without.
const LITERALS: &[&str] = &[
    "../",
    "..\\",
    "..;",
    "./.",
    ".\\.",
    "...",
    "0x2e",
    "0x5c",
    "0x2f",
    "%2e",
    "%5c",
    "%2f",
    "%c0",
    "%252e",
    "/etc/",
    "/proc/",
    "/sys/",
    "/root/",
    "/var/log",
    "/dev/",
    "/.",
    "\\.",
    ".env",
    ".ssh",
    ".git",
    ".aws",
    "passwd",
    "win.ini",
    "boot.ini",
    "system.ini",
    "system32",
    "web.config",
    ".htaccess",
    ".htpasswd",
    "wp-config",
    "id_rsa",
    "ntuser.dat",
    "httpd.conf",
    "\\\\",
    "c:\\",
    "c:/",
    "actuator",
    "heapdump",
    ".sql",
    ".bak",
    "web-inf",
    "phpinfo",
    ".php~",
    ".swp",
    ".hprof",
    ".npmrc",
    ".boto",
    ".netrc",
    ".pgpass",
    ".my.cnf",
    ".s3cfg",
    ".pypirc",
    ".kube",
    ".docker",
    "/run/secrets",
    "/run/docker",
    "server-status",
    "debug",
    "\0",
];

fn wakes(occurs: &Bytes) -> bool {
    // Bytes that no UTF-8 has, which spell `.` and `/` too long.
    occurs.has(0) || occurs.has(0xc0) || occurs.has(0xc1)
}

/// The most of a value that is looked at for steps and files in prose; beyond it the value is a document.
const MAX_FILES: usize = 16;

fn run(input: &Input<'_>, found: &mut Found) {
    let lower = input.lower;
    let is_file_name = input.part == Part::Header && input.trail.ends_with(b"filename");
    if input.part == Part::Path || is_file_name {
        files::in_path(lower, found);
    }
    files::shares(lower, found);
    let is_whole = !lower.iter().any(|byte| matches!(byte, b' ' | b'\n' | b'\t'));
    let mut has_secret = false;
    for (at, file) in files::named(lower).take(MAX_FILES) {
        // A header holds no path of a file, and a whole value is one; prose and code name them.
        let is_meant = is_whole || input.part == Part::Header || lower.len() < 48;
        has_secret |= file.worth == Worth::Secret;
        let rule = match (file.worth, is_meant) {
            (Worth::Secret, true) => "path.secret-file",
            (Worth::Secret, false) => "path.secret-file-in-text",
            (Worth::System, true)
                if input.part != Part::Body && input.part != Part::Path && at == 0 || input.is_name =>
            {
                "path.system-path"
            }
            (Worth::System, _) => "path.system-file",
        };
        found.add(rule, at..at + file.name.len());
    }
    steps::look(input, has_secret, found);
    nul(input, found);
}

/// A NUL, which ends a path in languages that C is below of: `x.php\0.png`.
fn nul(input: &Input<'_>, found: &mut Found) {
    if !input.occurs.has(0) {
        return;
    }
    let Some(at) = input.bytes.iter().position(|byte| *byte == 0) else { return };
    let before = input.bytes.get(..at).unwrap_or_default();
    let is_path = input.part == Part::Path || before.iter().any(|byte| matches!(byte, b'/' | b'\\' | b'.'));
    let is_text = input.bytes.iter().all(|byte| *byte == 0 || *byte == b'\t' || (0x20..0x7f).contains(byte));
    if is_path && is_text && before.len() < 512 && input.part != Part::Body || input.part == Part::Path {
        found.add("path.nul", at..at + 1);
    }
}
