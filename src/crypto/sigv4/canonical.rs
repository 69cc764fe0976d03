//! The one form of a head that both sides digest ("Create a canonical request").

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use super::{AMZ_CONTENT_SHA256, AMZ_DATE, AMZ_SECURITY_TOKEN, CLIENTS_OWN, Fault, Head, Own, Settings};

/// Everything but the unreserved characters ("Create a canonical request", `UriEncode`).
const ESCAPED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Whether a field is left out of every signature: hop by hop (RFC 9110 §7.6.1), or one that proxies on the way add to or change.
pub fn is_never_signed(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "authorization"
            | "baggage"
            | "connection"
            | "expect"
            | "forwarded"
            | "http2-settings"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "traceparent"
            | "tracestate"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "user-agent"
            | "via"
            | "x-amzn-trace-id"
            | "x-real-ip"
            | "x-request-id"
    ) || name.as_str().starts_with("x-forwarded-")
}

/// What is signed wherever it is present, and `x-amz-` in front of a name.
fn is_always_signed(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(name, "host" | "content-type" | "content-md5") || name.starts_with("x-amz-")
}

/// The fields to sign, in the order of their names.
pub(super) struct Fields<'a> {
    headers: &'a HeaderMap,
    /// Those without a value are in the head.
    sorted: Vec<(&'a str, Option<&'a HeaderValue>)>,
}

impl<'a> Fields<'a> {
    /// Of the head's fields those to sign, and the signature's own.
    pub(super) fn collect(headers: &'a HeaderMap, also: &[HeaderName], own: &'a Own) -> Result<Self, Fault> {
        if !headers.contains_key(header::HOST) {
            return Err(Fault::NoHost);
        }
        let is_signed = |name: &&HeaderName| {
            (is_always_signed(name) || also.contains(name)) && !is_never_signed(name) && !CLIENTS_OWN.contains(name)
        };
        let mut sorted = Vec::with_capacity(headers.keys_len() + 3);
        sorted.extend(headers.keys().filter(is_signed).map(|name| (name.as_str(), None)));
        let own = [
            (&AMZ_DATE, Some(&own.date)),
            (&AMZ_SECURITY_TOKEN, own.security_token.as_ref()),
            (&AMZ_CONTENT_SHA256, own.content_sha256.as_ref()),
        ];
        sorted.extend(own.into_iter().filter(|(_, value)| value.is_some()).map(|(name, value)| (name.as_str(), value)));
        sorted.sort_unstable_by_key(|(name, _)| *name);
        Ok(Self { headers, sorted })
    }

    /// `SignedHeaders`.
    pub(super) fn push_names(&self, text: &mut String) {
        for (nth, (name, _)) in self.sorted.iter().enumerate() {
            text.push_str(if nth == 0 { "" } else { ";" });
            text.push_str(name);
        }
    }

    /// `CanonicalHeaders`: one line for a name, its values in their order.
    fn push(&self, text: &mut String) -> Result<(), Fault> {
        for (name, own) in &self.sorted {
            text.push_str(name);
            text.push(':');
            match own {
                Some(value) => push_trimmed(text, value)?,
                None => {
                    for (nth, value) in self.headers.get_all(*name).iter().enumerate() {
                        text.push_str(if nth == 0 { "" } else { "," });
                        push_trimmed(text, value)?;
                    }
                }
            }
            text.push('\n');
        }
        Ok(())
    }
}

/// The whole canonical request.
pub(super) fn push_request(
    text: &mut String,
    head: &Head<'_>,
    settings: &Settings,
    fields: &Fields<'_>,
    payload: &str,
) -> Result<(), Fault> {
    text.push_str(head.method.as_str());
    text.push('\n');
    push_path(text, head.path, settings);
    text.push('\n');
    push_query(text, head.query.unwrap_or_default());
    text.push('\n');
    fields.push(text)?;
    text.push('\n');
    fields.push_names(text);
    text.push('\n');
    text.push_str(payload);
    Ok(())
}

/// `Trim`: no blanks around the value, and one for several within.
fn push_trimmed(text: &mut String, value: &HeaderValue) -> Result<(), Fault> {
    let value = std::str::from_utf8(value.as_bytes()).map_err(|_| Fault::Field)?;
    for (nth, word) in value.split_ascii_whitespace().enumerate() {
        text.push_str(if nth == 0 { "" } else { " " });
        text.push_str(word);
    }
    Ok(())
}

/// `CanonicalUri`. Segments are resolved as AWS's own signers do it, which leave no slash behind a `..` (RFC 3986 §5.2.4 does).
fn push_path(text: &mut String, path: &str, settings: &Settings) {
    let push: fn(&mut String, &str) = if settings.double_encode_path { push_escaped } else { push_reescaped };
    if !settings.normalize_path {
        for (nth, segment) in path.split('/').enumerate() {
            text.push_str(if nth == 0 { "" } else { "/" });
            push(text, segment);
        }
        text.push_str(if path.is_empty() { "/" } else { "" });
        return;
    }
    let mut kept = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    for segment in &kept {
        text.push('/');
        push(text, segment);
    }
    text.push_str(if kept.is_empty() || path.ends_with('/') { "/" } else { "" });
}

/// `CanonicalQueryString`: by names, then by values, as they are once escaped.
fn push_query(text: &mut String, query: &str) {
    let mut pairs: Vec<(String, String)> =
        parameters(query).map(|(name, value)| (escaped(name), escaped(value.unwrap_or_default()))).collect();
    pairs.sort_unstable();
    for (nth, (name, value)) in pairs.iter().enumerate() {
        for part in [if nth == 0 { "" } else { "&" }, name, "=", value] {
            text.push_str(part);
        }
    }
}

fn escaped(raw: &str) -> String {
    let mut text = String::with_capacity(3 * raw.len());
    push_parameter(&mut text, raw);
    text
}

/// The names and values of a query as they stand there. Nothing between two `&` is no parameter.
pub(super) fn parameters(query: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').map_or((pair, None), |(name, value)| (name, Some(value))))
}

/// A name or a value of a query with the escapes that have to be there and no others. A `+` is a blank, and is escaped as one: it is the one
/// character that signers do not agree on.
pub(super) fn push_parameter(text: &mut String, raw: &str) {
    for (nth, part) in raw.split('+').enumerate() {
        text.push_str(if nth == 0 { "" } else { "%20" });
        push_reescaped(text, part);
    }
}

/// With the escapes that have to be there and no others; an escaped slash is no slash.
fn push_reescaped(text: &mut String, raw: &str) {
    let bytes: Cow<'_, [u8]> = percent_decode_str(raw).into();
    text.extend(percent_encode(&bytes, &ESCAPED));
}

/// With the escapes that are there escaped once more.
fn push_escaped(text: &mut String, raw: &str) {
    text.extend(percent_encode(raw.as_bytes(), &ESCAPED));
}
