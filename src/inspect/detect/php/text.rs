//! What PHP is known by other than calls: tags, variables, serialized objects, directives, names of files.

use super::names::is_directive;
use super::{Found, Input, call, upload};

/// `<?php`, `<?=`, `<? code`: what begins code in a file. Processing instructions of XML are none.
pub(super) fn tags(input: &Input<'_>, found: &mut Found) {
    for at in memchr::memchr_iter(b'<', input.lower) {
        let Some(rest) = input.lower.get(at + 1..).and_then(|rest| rest.strip_prefix(b"?")) else { continue };
        if opens_code(rest) {
            found.add("php.open-tag", at..at + 6);
            return;
        }
    }
}

fn opens_code(rest: &[u8]) -> bool {
    let text = rest.trim_ascii_start();
    let word = text.iter().position(|byte| !call::is_word(*byte)).unwrap_or(text.len());
    let (word, behind) = text.split_at(word);
    match rest.first() {
        None | Some(b'=' | b'$' | b'@' | b'(' | b'/' | b'#' | b'"' | b'\'' | b';') => true,
        // Java's wildcards: `List<? extends T>`, `Map<? , ?>`.
        Some(byte) if byte.is_ascii_whitespace() => {
            !matches!(word, b"extends" | b"super") && !matches!(text.first(), Some(b'>' | b','))
        }
        // White space has to follow, or the end: prose about `<?php` has a quote or a stop.
        Some(_) if word == b"php" => behind.first().is_none_or(|byte| byte.is_ascii_whitespace() || *byte == b'/'),
        // A declaration of XML has attributes and nothing else.
        Some(_) if word == b"xml" => {
            matches!(behind.trim_ascii_start().first(), Some(b':' | b'(' | b';' | b'$' | b'@'))
        }
        Some(_) => false,
    }
}

/// `{php}` of Smarty, and `[php]` of boards where a value is made of it.
pub(super) fn template_tags(input: &Input<'_>, found: &mut Found) {
    let text = input.lower.trim_ascii();
    if !input.occurs.has(b'p') && !input.occurs.has(b'P') {
        return;
    }
    if input.occurs.has(b'{') {
        let tag = [&b"{php}"[..], b"{/php}"].into_iter().find_map(|tag| memchr::memmem::find(text, tag));
        if let Some(at) = tag {
            found.add("php.template-tag", at..at + 5);
        }
    }
    if input.occurs.has(b'[') && (text.starts_with(b"[php]") || text.ends_with(b"[/php]")) {
        found.add("php.template-tag", 0..5);
    }
}

/// Superglobals that hold what was sent. PHP's variables know case.
const SUPERGLOBALS: [&[u8]; 8] =
    [b"_GET", b"_POST", b"_REQUEST", b"_SERVER", b"_COOKIE", b"_FILES", b"_ENV", b"_SESSION"];

/// `$_GET[`, `$GLOBALS[`, `${$x}`, `$ {'x'}`.
pub(super) fn variables(input: &Input<'_>, is_short: bool, found: &mut Found) {
    // Perl takes references apart so, in files of it.
    let computed = if is_short { "php.variable-variable" } else { "php.call-in-text" };
    for at in memchr::memchr_iter(b'$', input.bytes) {
        crate::inspect::steps::count(10);
        let Some(rest) = input.bytes.get(at + 1..) else { return };
        let end = rest.iter().take(24).position(|byte| !call::is_word(*byte)).unwrap_or(rest.len().min(24));
        let (name, behind) = rest.split_at(end);
        if name.is_empty() {
            let inner = skip_spaces(behind).strip_prefix(b"{").map(skip_spaces);
            if let Some([b'$', first, ..]) = inner
                // Not `${${name}}` of CMake.
                && (first.is_ascii_alphabetic() || *first == b'_')
            {
                found.add(computed, at..at + 3);
            } else if let Some([quote @ (b'"' | b'\''), inner @ ..]) = inner
                && names_variable(inner, *quote)
            {
                found.add(computed, at..at + 3);
            }
            continue;
        }
        let is_global = SUPERGLOBALS.contains(&name)
            || name == b"GLOBALS"
            || name.starts_with(b"HTTP_RAW_POST")
            || name.starts_with(b"HTTP_") && name.ends_with(b"_VARS");
        if !is_global {
            continue;
        }
        match skip_spaces(behind).first() {
            Some(b'[' | b'{') => found.add("php.superglobal", at..at + 1 + end),
            Some(_) | None => found.add("php.superglobal-name", at..at + 1 + end),
        }
    }
}

/// Whether this is, up to the quote, a name or one put together of strings, and the brace then closes.
fn names_variable(inner: &[u8], quote: u8) -> bool {
    let inner = inner.get(..inner.len().min(64)).unwrap_or_default();
    let close = memchr::memchr(b'}', inner).and_then(|at| inner.get(..at));
    close.is_some_and(|name| {
        let is_part = |byte: &u8| call::is_word(*byte) || matches!(byte, b'.' | b' ' | b'"' | b'\'' | b'\\' | b'^');
        name.trim_ascii_end().ends_with(&[quote]) && name.iter().all(is_part)
    })
}

/// White space skipped, within bounds.
fn skip_spaces(text: &[u8]) -> &[u8] {
    let spaces = text.iter().take(64).take_while(|byte| byte.is_ascii_whitespace()).count();
    text.get(spaces..).unwrap_or_default()
}

/// `O:8:"stdClass":1:{`, `C:11:"ArrayObject":21:{`, `E:7:"Foo:Bar";`: a class of the sender's choice (CWE-502).
pub(super) fn serialized(input: &Input<'_>, found: &mut Found) {
    for at in super::super::places(input.lower, b":{") {
        // Back over `"stdclass":1`.
        let floor = at.saturating_sub(100);
        let Some(head) = input.lower.get(floor..at) else { continue };
        let Some(count) = memchr::memrchr(b':', head) else { continue };
        let is_count = head.get(count + 1..).is_some_and(|count| count.iter().all(u8::is_ascii_digit));
        let name = head.get(..count).unwrap_or_default();
        let name = name.strip_suffix(b"\"").or_else(|| name.strip_suffix(b"'")).unwrap_or_default();
        let name = name.strip_suffix(b"\\").unwrap_or(name);
        let Some(quote) = name.iter().rposition(|byte| matches!(byte, b'"' | b'\'')) else { continue };
        let lead = name.get(..quote).unwrap_or_default();
        let lead = lead.strip_suffix(b"\\").unwrap_or(lead);
        if is_count && is_object(lead) {
            found.add("php.serialized-object", floor + quote..at + 2);
            return;
        }
    }
}

/// Whether this ends with `O:8:`, `C:+11:`.
fn is_object(lead: &[u8]) -> bool {
    let Some(lead) = lead.strip_suffix(b":") else { return false };
    let digits = lead.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let lead = lead.get(..lead.len() - digits).unwrap_or_default();
    let lead = lead.strip_suffix(b"+").unwrap_or(lead);
    digits > 0
        && matches!(lead, [.., b'o' | b'c', b':'])
        && lead.len().checked_sub(3).and_then(|at| lead.get(at)).is_none_or(|byte| !call::is_word(*byte))
}

/// `auto_prepend_file=...`, also behind `-d` as CGI takes it (CVE-2012-1823).
pub(super) fn directive(input: &Input<'_>, found: &mut Found) {
    let Some(at) = memchr::memchr(b'=', input.lower.get(..input.lower.len().min(96)).unwrap_or_default()) else {
        return;
    };
    let before = input.lower.get(..at).unwrap_or_default().trim_ascii_end();
    let from = before.iter().rposition(|byte| !call::is_word(*byte) && *byte != b'.').map_or(0, |at| at + 1);
    let lead = before.get(..from).unwrap_or_default();
    let is_first = lead.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b';' | b'"' | b'\''))
        || lead.trim_ascii_end().ends_with(b"-d")
        || lead.ends_with(b"\xadd ");
    // `a == b` compares.
    if is_first && input.lower.get(at + 1) != Some(&b'=') && before.get(from..).is_some_and(is_directive) {
        found.add("php.directive", from..at + 1);
    }
}

/// Names of files that a server runs, or that change what it runs, and of sessions.
pub(super) fn file(input: &Input<'_>, found: &mut Found) {
    let Some(name) = upload::file_name(input) else { return };
    let is_script = |extension: &[u8]| {
        extension
            .strip_prefix(b"php")
            .is_some_and(|rest| rest.iter().all(|byte| byte.is_ascii_digit() || *byte == b's' || *byte == b't'))
            || matches!(extension, b"phtml" | b"phar" | b"pht" | b"phtm")
    };
    if is_script(upload::extension(name)) || matches!(name, b".htaccess" | b".user.ini") {
        found.add("php.upload", 0..name.len());
    } else if name.split(|byte| *byte == b'.').skip(1).any(|part| is_script(part.trim_ascii())) {
        found.add("php.upload-inner", 0..name.len());
    }
    let session = name.strip_prefix(b"sess_").unwrap_or_default();
    if session.len() >= 16 && session.iter().all(|byte| call::is_word(*byte) || matches!(byte, b',' | b'-')) {
        found.add("php.upload", 0..name.len());
    }
}
