//! Evidence of class `java`: names of classes where data should stand, serialized objects, ways to the class loader, pages that are sent as
//! files (CWE-470, CWE-502, CWE-917, CWE-434). Calls and expressions are rules.

use std::ops::Range;

use super::base64::{Needle, literals, needles};
use super::{Detector, Found, Input, call, upload};
use crate::inspect::Class;
use crate::inspect::gate::Bytes;

mod names;
#[cfg(test)]
mod tests;

use names::{GADGETS, PACKAGES, TELLS_OF_CODE, is_in};

/// What each stream of serialized objects begins with (Java Object Serialization Specification, 6.4.2).
const MAGIC: &[u8] = b"\xac\xed\x00\x05";
static MAGIC_NEEDLES: [Needle; 3] = needles(MAGIC);

/// Names that occur in serialized gadgets and scripts, in base64.
static NAME_NEEDLES: [[Needle; 3]; 9] = [
    needles(b"runtime"),
    needles(b"Runtime"),
    needles(b"processbuilder"),
    needles(b"ProcessBuilder"),
    needles(b"java.lang."),
    needles(b"Transformer"),
    needles(b"transformer"),
    needles(b"closure"),
    needles(b"factory"),
];

// What the detector is woken by.
literals!(MAGICS, MAGIC);
literals!(RUNTIME_LOWER, b"runtime");
literals!(RUNTIME, b"Runtime");
literals!(BUILDER_LOWER, b"processbuilder");
literals!(BUILDER, b"ProcessBuilder");
literals!(LANG, b"java.lang.");
literals!(TRANSFORMER, b"Transformer");
literals!(TRANSFORMER_LOWER, b"transformer");
literals!(CLOSURE, b"closure");
literals!(FACTORY, b"factory");

/// The rules that this gives evidence for.
#[rustfmt::skip]
const IDS: &[&str] = &[
    "java.class-loader", "java.class-name", "java.gadget", "java.name-in-base64", "java.ognl-assignment",
    "java.serialized", "java.upload",
];

pub(super) const DETECTOR: Detector = Detector {
    ids: IDS,
    classes: &[Class::Java],
    literals: &[
        "(#",
        "{#",
        "java.",
        "javax.",
        "com.sun.",
        "opensymphony",
        "org.omg.",
        "ognl.",
        "sun.misc",
        "sun.reflect",
        "bsh.",
        "clojure.",
        "groovy.",
        "nashorn",
        "jshell",
        "xalan",
        "processbuilder",
        "processimpl",
        "transformer",
        "clonefactory",
        "tefactory",
        "serializationfactory",
        "prototypefactory",
        "closure",
        "classloader",
        "groovyshell",
        "rowsetimpl",
        "templatesimpl",
        "jndi",
        "lazymap",
        "beancomparator",
        "tiedmapentry",
        "invocationhandler",
        "beanfactory",
        "applicationcontext",
        "initialcontext",
        "enginemanager",
        "marshalledobject",
        "signedobject",
        "elprocessor",
        "expressionparser",
        "tostringbean",
        "unicastref",
        "unixprocess",
        "datasource",
        "proxylazyvalue",
        "attributevalueexp",
        "aced0005",
        ".jsp",
        ". jsp",
        ".jspx",
        ".war",
        MAGICS[0],
        MAGICS[1],
        MAGICS[2],
        RUNTIME_LOWER[0],
        RUNTIME_LOWER[1],
        RUNTIME_LOWER[2],
        RUNTIME[0],
        RUNTIME[1],
        RUNTIME[2],
        BUILDER_LOWER[0],
        BUILDER_LOWER[1],
        BUILDER_LOWER[2],
        BUILDER[0],
        BUILDER[1],
        BUILDER[2],
        LANG[0],
        LANG[1],
        LANG[2],
        TRANSFORMER[0],
        TRANSFORMER[1],
        TRANSFORMER[2],
        TRANSFORMER_LOWER[0],
        TRANSFORMER_LOWER[1],
        TRANSFORMER_LOWER[2],
        CLOSURE[0],
        CLOSURE[1],
        CLOSURE[2],
        FACTORY[0],
        FACTORY[1],
        FACTORY[2],
    ],
    wakes,
    run,
};

fn wakes(occurs: &Bytes) -> bool {
    occurs.has(0xac) && occurs.has(0xed) && occurs.has(0) && occurs.has(5)
}

fn run(input: &Input<'_>, found: &mut Found) {
    class_name(input, found);
    serialized(input, found);
    class_loader(input, found);
    ognl(input, found);
    if let Some(name) = upload::file_name(input)
        && matches!(upload::extension(name), b"jsp" | b"jspx" | b"jspf" | b"jspa" | b"jsw" | b"jsv" | b"jhtml" | b"war")
    {
        found.add("java.upload", 0..name.len());
    }
}

/// The longest name of a class.
const MAX_NAME: usize = 160;

/// A value, or name of a parameter, that is the name of a class or package and nothing else; also as `name=value`, which forms are sent as that
/// are said to be text.
fn class_name(input: &Input<'_>, found: &mut Found) {
    if input.lower.len() > MAX_NAME {
        return;
    }
    let whole = 0..input.lower.len();
    let Some(at) = memchr::memchr(b'=', input.lower) else { return one_class_name(input, whole, found) };
    one_class_name(input, 0..at, found);
    one_class_name(input, at + 1..whole.end, found);
}

fn one_class_name(input: &Input<'_>, at: Range<usize>, found: &mut Found) {
    let Some(text) = input.lower.get(at.clone()) else { return };
    let is_around = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'@' | b'[' | b';');
    let from = text.iter().position(|byte| !is_around(byte)).unwrap_or(text.len());
    let to = text.iter().rposition(|byte| !is_around(byte)).map_or(from, |at| at + 1);
    let Some(name) = text.get(from..to) else { return };
    let is_class = |byte: &u8| call::is_word(*byte) || matches!(byte, b'.' | b'$');
    let (Some(dot), true) = (memchr::memchr(b'.', name), name.iter().all(is_class)) else { return };
    let last = name.iter().rposition(|byte| matches!(byte, b'.' | b'$')).map_or(0, |at| at + 1);
    let (first, last) = (name.get(..dot).unwrap_or_default(), name.get(last..).unwrap_or_default());
    // What was thrown is told by its class.
    if last.ends_with(b"exception") || last.ends_with(b"error") || last.ends_with(b"throwable") {
        return;
    }
    let starts_process = matches!(first, b"java" | b"javax") && matches!(last, b"runtime" | b"processbuilder");
    if is_in(&GADGETS, last) || starts_process || first == b"processbuilder" {
        found.add("java.gadget", at);
    } else if is_of(name, &PACKAGES) && is_spelled_as_class(input.bytes, name) && !tells_of_code(input) {
        found.add("java.class-name", at);
    }
}

/// Whether a class is in one of these packages, or one of them itself.
fn is_of(name: &[u8], packages: &[&str]) -> bool {
    packages.iter().any(|package| {
        let package = package.as_bytes();
        name.starts_with(package) || package.strip_suffix(b".") == Some(name)
    })
}

/// Whether a name of the platform's packages has a class in it: `java.io.tmpdir` is a property and no class.
fn is_spelled_as_class(bytes: &[u8], name: &[u8]) -> bool {
    if !name.starts_with(b"java.") && !name.starts_with(b"javax.") && !name.starts_with(b"com.sun.") {
        return true;
    }
    let begins_class = |pair: &[u8]| matches!(pair, [b'.', b'A'..=b'Z']);
    bytes.windows(2).any(begins_class) || matches!(name, b"java.lang.reflect" | b"com.sun.org.apache")
}

/// Whether the field is one that tells of code, as `logger`, `exception.type` and `groupId` do.
fn tells_of_code(input: &Input<'_>) -> bool {
    if input.is_name {
        return false;
    }
    let from = input.trail.iter().rposition(|byte| *byte == b'.').map_or(0, |at| at + 1);
    let step = input.trail.get(from..).unwrap_or_default();
    let step = step.split(|byte| *byte == b'[').next().unwrap_or_default();
    let mut plain = [0; 24];
    let mut length = 0;
    for byte in step.iter().filter(|byte| !matches!(byte, b'_' | b'-')) {
        let Some(slot) = plain.get_mut(length) else { return false };
        *slot = byte.to_ascii_lowercase();
        length += 1;
    }
    let step = plain.get(..length).unwrap_or_default();
    is_in(&TELLS_OF_CODE, step) || step == b"type" && memchr::memmem::find(input.trail, b"xception").is_some()
}

/// A stream of serialized objects, raw, in hexadecimal and in base64; names of gadgets in base64.
fn serialized(input: &Input<'_>, found: &mut Found) {
    if let Some(at) = wakes(input.occurs).then(|| memchr::memmem::find(input.bytes, MAGIC)).flatten() {
        found.add("java.serialized", at..at + MAGIC.len());
    }
    let hex = input.lower.trim_ascii();
    let hex = hex.strip_prefix(b"0x").or_else(|| hex.strip_prefix(b"\\x")).unwrap_or(hex);
    if hex.starts_with(b"aced0005") && hex.iter().take(64).all(u8::is_ascii_hexdigit) {
        found.add("java.serialized", 0..8);
    }
    for needle in &MAGIC_NEEDLES {
        if let Some(at) = needle.find(input.bytes, true) {
            found.add("java.serialized", at..at + 6);
        }
    }
    // Base64 has no spaces; what has some is not looked through for each name.
    let needles = if input.occurs.has(b' ') { &[][..] } else { &NAME_NEEDLES };
    crate::inspect::steps::count(input.bytes.len() / 8 * needles.len());
    for needle in needles.iter().flatten() {
        if let Some(at) = needle.find(input.bytes, false) {
            found.add("java.name-in-base64", at..at + needle.digits().len());
        }
    }
}

/// Keys that lead from an object to the class loader, one in the other: `{"class": {"module": {"classLoader": ...}}}` (CVE-2022-22965).
fn class_loader(input: &Input<'_>, found: &mut Found) {
    if !input.is_name || input.lower != b"classloader" {
        return;
    }
    crate::inspect::steps::count(input.trail.len());
    if input.trail.split(|byte| *byte == b'.').any(|step| step.eq_ignore_ascii_case(b"class")) {
        found.add("java.class-loader", 0..input.bytes.len());
    }
}

/// `(#name=value)` and `%{#name=value}`: OGNL's assignments.
fn ognl(input: &Input<'_>, found: &mut Found) {
    if !input.occurs.has(b'#') || !input.occurs.has(b'=') {
        return;
    }
    for at in memchr::memchr_iter(b'#', input.lower) {
        crate::inspect::steps::count(8);
        let rest = input.lower.get(at + 1..).unwrap_or_default();
        let end = rest.iter().take(40).position(|byte| !call::is_word(*byte)).unwrap_or(0);
        let is_name = end > 0 && rest.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
        if !is_name || !matches!(call::before(input.lower, at), Some(b'(' | b'{')) {
            continue;
        }
        if let Some([b'=', next, ..]) = rest.get(end..).map(<[u8]>::trim_ascii_start)
            && *next != b'='
        {
            found.add("java.ognl-assignment", at - 1..at + 2 + end);
            return;
        }
    }
}
