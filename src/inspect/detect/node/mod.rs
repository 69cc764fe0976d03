//! Evidence of class `node`: code for an evaluator of JavaScript, Python, Perl, Ruby or Lua, and keys that change prototypes
//! (CWE-94, CWE-95, CWE-1321).

use super::base64::{Needle, literals, needles};
use super::call;
use super::{Detector, Found, Input};
use crate::inspect::gate::Bytes;
use crate::inspect::{Class, Part};

mod code;
#[cfg(test)]
mod tests;

/// Marks that are sent in base64, to be decoded by the application or by `Buffer.from`.
static ENCODED: [[Needle; 3]; 2] = [needles(b"_$$ND_FUNC$$_"), needles(b"child_process")];

literals!(FUNCTION, b"_$$ND_FUNC$$_");
literals!(PROCESS, b"child_process");

/// The rules that this gives evidence for.
#[rustfmt::skip]
const IDS: &[&str] = &[
    "node.code-in-text", "node.constructor", "node.encoded", "node.endless-loop", "node.evaluate", "node.probe",
    "node.prototype", "node.python", "node.require", "node.runs-program",
];

pub(super) const DETECTOR: Detector = Detector {
    ids: IDS,
    classes: &[Class::Node],
    literals: &[
        // Keys.
        "__proto__",
        "prototype",
        "constructor",
        // JavaScript.
        "child_process",
        "mainmodule",
        "process.",
        "process[",
        "process_",
        "module.exports",
        "require",
        "function(",
        "function (",
        "import(",
        "eval(",
        "settimeout(",
        "setinterval(",
        "setimmediate(",
        "console.",
        "console[",
        "fromcharcode",
        "globalthis",
        "while(",
        "while (",
        "while/",
        "while\t",
        "while\n",
        "for(;",
        "for (;",
        FUNCTION[0],
        FUNCTION[1],
        FUNCTION[2],
        PROCESS[0],
        PROCESS[1],
        PROCESS[2],
        // Python.
        "__import__",
        "os.system",
        "os.popen",
        "os.exec",
        "os.spawn",
        "subprocess",
        "compile(",
        "exec(",
        "__mro__",
        "__base",
        "__subclasses__",
        "__globals__",
        "__builtins__",
        "__getattribute__",
        "pty.spawn",
        // Ruby, Perl, Lua, Groovy.
        "kernel.",
        "kernel::",
        "io.popen",
        "process.spawn",
        "open3.",
        "pty.",
        "instance_eval",
        "class_eval",
        "os.execute",
        ".execute(",
        "loadstring(",
        "%x(",
        "%x{",
        "%x[",
        "qx(",
        "qx{",
        "qx/",
        "qx[",
    ],
    wakes,
    run,
};

fn wakes(_: &Bytes) -> bool {
    false
}

fn run(input: &Input<'_>, found: &mut Found) {
    prototype(input, found);
    let is_short = call::is_short(input.bytes);
    if input.occurs.has(b'(') {
        for open in memchr::memchr_iter(b'(', input.lower) {
            code::call(input, open, is_short, found);
        }
    }
    // Base64 has no spaces; a long one is a file, which may be source code.
    if is_short && !input.occurs.has(b' ') {
        for needle in ENCODED.iter().flatten() {
            if let Some(at) = needle.find(input.bytes, false) {
                found.add("node.encoded", at..at + needle.digits().len());
            }
        }
    }
    code::bare(input, is_short, found);
    code::attributes(input, is_short, found);
}

/// `__proto__`, and `constructor` with `prototype`, as a key, in a way of keys, in a pointer and in text that is JSON or a query again.
fn prototype(input: &Input<'_>, found: &mut Found) {
    let lower = input.lower;
    for at in super::places(lower, b"__proto__") {
        let behind = skip_quote(lower.get(at + 9..).unwrap_or_default());
        let before = call::before(lower, at);
        let is_key = match behind.first() {
            None => {
                before.is_none_or(|byte| matches!(byte, b'.' | b'[' | b'/' | b'"' | b'\'' | b']' | b'&'))
                    || input.is_name
            }
            Some(b'.' | b'[' | b']') => {
                input.is_name || matches!(input.part, Part::Query | Part::Path | Part::Cookie) || at == 0
            }
            Some(b'/') => before.is_none_or(|byte| byte == b'/'),
            Some(b':') => matches!(before, Some(b'"' | b'\'' | b'\\' | b'{' | b',')),
            Some(b'=') => at == 0 || before == Some(b'&'),
            Some(_) => input.is_name,
        };
        if is_key {
            found.add("node.prototype", at..at + 9);
            return;
        }
    }
    // A key below `constructor`, and one that has both.
    let is_below = input.is_name && lower == b"prototype" && {
        let way = input.trail.strip_suffix(input.bytes).unwrap_or_default();
        let tail = way.len().checked_sub(12).and_then(|at| way.get(at..)).unwrap_or_default();
        tail.eq_ignore_ascii_case(b"constructor.")
    };
    if is_below {
        found.add("node.prototype", 0..lower.len());
    }
    for at in super::places(lower, b"constructor") {
        let behind = lower.get(at + 11..).unwrap_or_default();
        let gap = behind.iter().take(8).take_while(|byte| !byte.is_ascii_alphanumeric()).count();
        let (joint, word) = behind.split_at(gap);
        let is_text_of_keys = joint.contains(&b':') && joint.contains(&b'{') || joint.contains(&b'/');
        if word.starts_with(b"prototype") && (at == 0 && !joint.contains(&b' ') || input.is_name || is_text_of_keys) {
            found.add("node.prototype", at..at + 11 + gap);
        } else if word.starts_with(b"constructor")
            && joint.iter().all(|byte| b".:['\"`]?".contains(byte))
            && !joint.is_empty()
        {
            // Two steps from any object to `Function`.
            found.add("node.constructor", at..at + 11 + gap);
        }
    }
}

/// Text behind a closing backslash, quote and white space.
fn skip_quote(text: &[u8]) -> &[u8] {
    let text = text.strip_prefix(b"\\").unwrap_or(text);
    let text = text.strip_prefix(b"\"").or_else(|| text.strip_prefix(b"'")).unwrap_or(text);
    text.trim_ascii_start()
}
