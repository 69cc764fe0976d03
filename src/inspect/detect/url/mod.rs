//! Addresses that the upstream should not be made to ask (CWE-918), and files from elsewhere that it should not run (CWE-98).

use super::{Detector, Found, Input, stands_in};
use crate::inspect::gate::Bytes;
use crate::inspect::{Class, Part};

mod host;
mod parse;
#[cfg(test)]
mod tests;

use host::Reach;
use parse::Url;

/// The rules that this gives evidence for.
#[rustfmt::skip]
const IDS: &[&str] = &[
    "url.address", "url.cut", "url.in-path", "url.included", "url.internal-name", "url.loopback", "url.metadata",
    "url.metadata-in-text", "url.private", "url.private-in-body", "url.scheme", "url.script", "url.spelled-host",
    "url.transfer", "url.transfer-in-body", "url.user",
];

pub(super) const DETECTOR: Detector =
    Detector { ids: IDS, classes: &[Class::Ssrf, Class::Rfi], literals: LITERALS, wakes, run };

/// What a URL has, or the name of a host that is never a public one.
const LITERALS: &[&str] = &[
    "//",
    "http:",
    "https:",
    "ftp:",
    "file:",
    "jar:",
    "url:",
    "netdoc:",
    "gopher:",
    "dict:",
    "ldap:",
    ":/\\",
    "169.254.",
    "metadata.",
    ".internal",
    "localhost",
    "localtest.me",
    "lvh.me",
    "nip.io",
    "sslip.io",
    "xip.io",
    "cluster.local",
    "0x7f",
    "127.",
];

fn wakes(_: &Bytes) -> bool {
    false
}

fn run(input: &Input<'_>, found: &mut Found) {
    let value = trim(input.lower);
    if input.part == Part::Path {
        in_path(value, found);
        return;
    }
    // Clients say of themselves where they are and come from.
    let is_own = input.part == Part::Header && !is_foreign(input.trail);
    if is_own || value.len() > 4096 {
        return;
    }
    if value.iter().filter(|byte| matches!(byte, b' ' | b'\n')).count() > 3 {
        return in_text(value, found);
    }
    crate::inspect::steps::count(2 * value.len());
    let Some(url) = Url::parse(value) else { return };
    let at = 0..value.len().min(48);
    if url.is_dangerous() {
        found.add("url.scheme", at.clone());
    }
    if url.is_transfer() {
        let is_body = input.part == Part::Body && !input.is_name;
        found.add(if is_body { "url.transfer-in-body" } else { "url.transfer" }, at.clone());
    }
    if url.has_host_as_user() {
        found.add("url.user", at.clone());
    }
    let is_cut = url.rest.ends_with(b"?")
        && (url.is_asked() && url.is_script() || url.scheme.is_some() && input.part != Part::Body);
    if is_cut {
        found.add("url.cut", at.clone());
    }
    let is_included = url.is_asked() && is_for_file(input.trail);
    if is_included {
        found.add("url.included", at.clone());
    }
    if url.is_script() && (is_included || url.is_transfer()) {
        found.add("url.script", at.clone());
    }
    let mut room = [0; 96];
    if let Some(rule) = reached(input.trail, input.part == Part::Body, &url, host::reach(url.host(&mut room))) {
        found.add(rule, at.clone());
        if rule == "url.address" && url.is_script() {
            found.add("url.script", at);
        }
    }
}

/// What it tells that a URL leads there. Without a scheme it is one only where its name says so.
fn reached(trail: &[u8], is_body: bool, url: &Url<'_>, reach: Reach) -> Option<&'static str> {
    if url.is_disguised() {
        return Some("url.spelled-host");
    }
    let is_url = url.is_asked() || url.scheme.is_none() && is_for_url(trail);
    match reach {
        Reach::Metadata if is_url || url.has_path => Some("url.metadata"),
        Reach::Named if is_url || url.has_path => Some("url.internal-name"),
        Reach::Spelled if url.is_asked() => Some("url.spelled-host"),
        Reach::Loopback if is_url && !is_redirect(trail) => Some("url.loopback"),
        Reach::Private if url.is_asked() && !is_redirect(trail) => {
            Some(if is_body { "url.private-in-body" } else { "url.private" })
        }
        Reach::Address if url.is_asked() => Some("url.address"),
        Reach::Metadata
        | Reach::Named
        | Reach::Spelled
        | Reach::Loopback
        | Reach::Private
        | Reach::Address
        | Reach::Public => None,
    }
}

/// A URL within the path of a request: an upstream that fetches what it is named.
fn in_path(value: &[u8], found: &mut Found) {
    let at = value.windows(3).position(|part| part == b"://");
    if let Some(at) = at
        && value.get(..at).is_some_and(|before| {
            [&b"/http"[..], b"/https", b"/ftp", b"/file", b"/gopher", b"/dict"]
                .iter()
                .any(|scheme| before.ends_with(scheme))
        })
    {
        found.add("url.in-path", at.saturating_sub(6)..at + 3);
    }
}

/// The addresses of metadata in prose, or as part of something longer.
fn in_text(value: &[u8], found: &mut Found) {
    const METADATA: &[&[u8]] =
        &[b"169.254.169.254/", b"metadata.google.internal/", b"100.100.100.200/latest", b"[fd00:ec2::254]"];
    for slashes in super::places(value, b"//").take(16) {
        // Clients take `http:///host` for `http://host`.
        let more = value.iter().skip(slashes + 2).take(16).take_while(|byte| **byte == b'/').count();
        let at = slashes + 2 + more;
        let rest = value.get(at..).unwrap_or_default();
        if METADATA.iter().any(|known| rest.starts_with(known)) {
            found.add("url.metadata-in-text", at..at + 16);
        }
    }
    if memchr::memmem::find(value, b"//").is_some()
        && let Some(url) = Url::parse(value)
    {
        let mut room = [0; 96];
        if url.has_host_as_user() && !matches!(host::reach(url.host(&mut room)), Reach::Public) {
            found.add("url.user", 0..value.len().min(48));
        }
    }
}

/// Whether a header names what somebody else should be asked for.
fn is_foreign(name: &[u8]) -> bool {
    !matches!(
        name,
        b"host"
            | b"origin"
            | b"referer"
            | b"forwarded"
            | b"via"
            | b"x-real-ip"
            | b"user-agent"
            | b"from"
            | b"traceparent"
            | b"baggage"
            | b"link"
    ) && !name.starts_with(b"x-forwarded")
}

/// Whether a parameter names where a browser is sent back to: on the user's own machine for native applications (RFC 8252 section 7.3).
fn is_redirect(trail: &[u8]) -> bool {
    stands_in(trail, &[b"redirect", b"return", b"logout_uri", b"origin"])
}

/// Whether a parameter's name says that it is a URL or host.
fn is_for_url(trail: &[u8]) -> bool {
    let last = trail.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    const NAMES: [&[u8]; 15] = [
        b"url",
        b"uri",
        b"host",
        b"callback",
        b"webhook",
        b"target",
        b"dest",
        b"src",
        b"fetch",
        b"proxy",
        b"feed",
        b"link",
        b"site",
        b"domain",
        b"endpoint",
    ];
    stands_in(last, &NAMES)
}

/// Whether a parameter's name says that it is a file, or a part of a page, which the server puts in: whole words, as `profile` is no file.
fn is_for_file(trail: &[u8]) -> bool {
    const NAMES: [&[u8]; 20] = [
        b"conf",
        b"config",
        b"dir",
        b"file",
        b"filename",
        b"folder",
        b"inc",
        b"include",
        b"lang",
        b"layout",
        b"module",
        b"page",
        b"path",
        b"require",
        b"root",
        b"skin",
        b"template",
        b"theme",
        b"tpl",
        b"view",
    ];
    let last = trail.rsplit(|byte| !byte.is_ascii_alphanumeric()).next().unwrap_or_default();
    NAMES.iter().any(|name| last.eq_ignore_ascii_case(name))
}

fn trim(value: &[u8]) -> &[u8] {
    let is_edge = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\'' | b'<' | b'>');
    let start = value.iter().position(|byte| !is_edge(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !is_edge(byte)).map_or(start, |last| last + 1);
    value.get(start..end).unwrap_or_default()
}
