//! Evidence of class `php`: code, superglobals, serialized objects, directives and scripts that are sent as files (CWE-94, CWE-502, CWE-434).

use super::call::{self, Call, Callee, Position};
use super::{Detector, Found, Input, upload};
use crate::inspect::gate::Bytes;
use crate::inspect::{Class, Part};

mod calls;
mod names;
#[cfg(test)]
mod tests;
mod text;

/// The rules that this gives evidence for.
#[rustfmt::skip]
const IDS: &[&str] = &[
    "php.call", "php.call-in-text", "php.directive", "php.function", "php.open-tag", "php.serialized-object",
    "php.superglobal", "php.superglobal-name", "php.template-tag", "php.upload", "php.upload-inner",
    "php.variable-call", "php.variable-variable",
];

pub(super) const DETECTOR: Detector = Detector {
    ids: IDS,
    classes: &[Class::Php],
    literals: &[
        // Tags and superglobals.
        "{php}",
        "{/php}",
        "[php]",
        "[/php]",
        "$_get",
        "$_post",
        "$_request",
        "$_server",
        "$_cookie",
        "$_files",
        "$_env",
        "$_session",
        "$globals",
        "$http_raw_post",
        // What follows the head of a serialized object.
        ":{s:",
        ":{i:",
        ":{o:",
        ":{a:",
        ":{}",
        // Directives, by a part of their names.
        "allow_url",
        "asp_tags",
        "auto_append",
        "auto_prepend",
        "disable_",
        "display_",
        "doc_root",
        "enable_dl",
        "error_log",
        "expose_php",
        "extension_dir",
        "log_errors",
        "magic_quotes",
        "max_execution",
        "max_file_up",
        "max_input_",
        "open_basedir",
        "output_",
        "post_max_size",
        "register_",
        "report_memleaks",
        "request_order",
        "safe_mode",
        "sendmail_",
        "short_open_tag",
        "sys_temp_dir",
        "upload_",
        "variables_order",
        "zend.",
        "zend_",
        "opcache.",
        "mbstring.",
        "session.",
        "suhosin.",
        "pcre.",
        "phar.",
        "xdebug.",
        "assert.",
        "cgi.f",
        "mysqli.",
        "user_ini.",
        "unserialize_",
        "html_errors",
        "fastcgi.",
        // Names of files.
        ".php",
        ". php",
        ".phtml",
        ". phtml",
        ".phar",
        ".pht",
        ".phps",
        ".htaccess",
        ".user.ini",
        "sess_",
    ],
    wakes,
    run,
};

fn wakes(occurs: &Bytes) -> bool {
    occurs.has(b'(') || occurs.has(b'?') && occurs.has(b'<') || occurs.has(b'$') && occurs.has(b'{')
}

fn run(input: &Input<'_>, found: &mut Found) {
    let is_short = call::is_short(input.bytes);
    if input.occurs.has(b'(') {
        for open in memchr::memchr_iter(b'(', input.lower) {
            if let Some(call) = call::call_at(input.lower, open) {
                calls::judge(input, &call, is_short, found);
            }
        }
    }
    if input.occurs.has(b'<') && input.occurs.has(b'?') {
        text::tags(input, found);
    }
    if input.occurs.has(b'$') {
        text::variables(input, is_short, found);
    }
    if input.occurs.has(b'{') && input.occurs.has(b':') {
        text::serialized(input, found);
    }
    if input.occurs.has(b'=') {
        text::directive(input, found);
    }
    text::template_tags(input, found);
    text::file(input, found);
}

/// Where a call stands; in a path, each segment starts anew.
fn position(input: &Input<'_>, at: &Call) -> Position {
    if input.part == Part::Path && call::before(input.lower, at.from) == Some(b'/') {
        return Position::Start;
    }
    call::position(input.lower, at.from)
}
