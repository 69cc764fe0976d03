//! What a body is said to be: `Content-Type` (RFC 9110 8.3), read strictly, since readers that repair it differ.

use super::charset::Charset;
use super::magic::Content;
use crate::inspect::FaultKind;

/// A media type, as far as it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Media<'a> {
    pub(super) format: Format,
    pub(super) charset: Option<Charset>,
    pub(super) boundary: Option<&'a [u8]>,
}

/// How a body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    /// JSON texts, one a line.
    JsonLines,
    /// JSON texts behind record separators (RFC 7464).
    JsonSequence,
    Form,
    /// Multipart; whether it is of form-data.
    Multipart {
        is_form: bool,
    },
    Xml,
    Graphql,
    Grpc,
    Protobuf,
    /// Any text, of whatever language.
    Text,
    /// What is no text: images, archives, and `application/octet-stream`.
    Binary(Content),
    /// Of a type that says nothing, or of none.
    Unknown,
}

impl Media<'_> {
    /// That of a body of which nothing is said.
    pub(super) const UNKNOWN: Self = Self { format: Format::Unknown, charset: None, boundary: None };
}

/// Whether a byte may stand in a token (RFC 9110 5.6.2).
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Reads a media type.
///
/// # Errors
/// It is none, or says something twice.
pub(super) fn parse(text: &[u8]) -> Result<Media<'_>, FaultKind> {
    // As most clients send it.
    if text == b"application/json" {
        return Ok(Media { format: Format::Json, charset: None, boundary: None });
    }
    let text = text.trim_ascii();
    if text.is_empty() {
        return Ok(Media::UNKNOWN);
    }
    let end = memchr::memchr(b';', text).unwrap_or(text.len());
    let (essence, rest) = text.split_at_checked(end).unwrap_or((text, b""));
    let mut parts = essence.trim_ascii_end().splitn(2, |byte| *byte == b'/');
    let (Some(kind), Some(sub)) = (parts.next(), parts.next()) else { return Err(FaultKind::BadHead) };
    if kind.is_empty() || sub.is_empty() || !kind.iter().chain(sub).all(|byte| is_token(*byte)) {
        return Err(FaultKind::BadHead);
    }
    let mut media = Media { format: format(kind, sub), charset: None, boundary: None };
    for parameter in Parameters::new(rest) {
        let Parameter { name, value } = parameter?;
        if memchr::memchr(b'*', name).is_some() {
            // In pieces or in a charset of its own (RFC 2231): one reader puts them together, another takes the plain one.
            return Err(FaultKind::BadHead);
        }
        if name.eq_ignore_ascii_case(b"charset") {
            let charset = Charset::named(value).ok_or(FaultKind::UnknownCharset)?;
            if media.charset.replace(charset).is_some() {
                return Err(FaultKind::UnknownCharset);
            }
        } else if name.eq_ignore_ascii_case(b"boundary") && media.boundary.replace(value).is_some() {
            return Err(FaultKind::BadHead);
        }
    }
    // A form has no parts: who looks for a boundary alone reads another body than who looks at the type.
    if media.format == Format::Form && media.boundary.is_some() {
        return Err(FaultKind::BadHead);
    }
    Ok(media)
}

/// How a type is read.
fn format(kind: &[u8], sub: &[u8]) -> Format {
    let (mut kind, mut sub) = (kind.to_ascii_lowercase(), sub.to_ascii_lowercase());
    kind.push(b'/');
    kind.append(&mut sub);
    let essence = std::str::from_utf8(&kind).unwrap_or_default();
    match essence {
        "application/json" | "text/json" | "application/x-json" | "application/csp-report" => Format::Json,
        "application/x-ndjson"
        | "application/ndjson"
        | "application/jsonl"
        | "application/x-jsonlines"
        | "application/jsonlines"
        | "application/json-lines"
        | "text/x-ndjson" => Format::JsonLines,
        "application/json-seq" => Format::JsonSequence,
        "application/x-www-form-urlencoded" => Format::Form,
        "multipart/form-data" => Format::Multipart { is_form: true },
        "application/xml" | "text/xml" | "application/xml-external-parsed-entity" | "image/svg" => Format::Xml,
        "application/graphql" => Format::Graphql,
        "application/grpc" | "application/grpc+proto" | "application/grpc-web" | "application/grpc-web+proto" => {
            Format::Grpc
        }
        "application/x-protobuf" | "application/protobuf" | "application/x-google-protobuf" => Format::Protobuf,
        "application/octet-stream" | "application/x-tar" => Format::Binary(Content::Any),
        "application/zip" | "application/gzip" => Format::Binary(Content::Archive),
        "application/pdf" => Format::Binary(Content::Pdf),
        "application/wasm" => Format::Binary(Content::Program),
        _ if essence.ends_with("+json") => Format::Json,
        _ if essence.ends_with("+json-seq") => Format::JsonSequence,
        _ if essence.ends_with("+xml") => Format::Xml,
        // Some servers read any of them as forms.
        _ if essence.starts_with("multipart/") => Format::Multipart { is_form: false },
        _ if essence.starts_with("text/") => Format::Text,
        _ if essence.starts_with("image/") => Format::Binary(Content::Image),
        _ if essence.starts_with("audio/") || essence.starts_with("video/") => Format::Binary(Content::Stream),
        _ if essence.starts_with("font/") => Format::Binary(Content::Font),
        _ => Format::Unknown,
    }
}

/// A parameter: its name as written, its value without quotes.
pub(super) struct Parameter<'a> {
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
}

/// Parameters behind a value: `; name=value; name="value"`.
pub(super) struct Parameters<'a> {
    rest: &'a [u8],
}

impl<'a> Parameters<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    fn parameter(&mut self) -> Result<Option<Parameter<'a>>, FaultKind> {
        loop {
            self.rest = self.rest.trim_ascii_start();
            let Some(rest) = self.rest.strip_prefix(b";") else {
                return if self.rest.is_empty() { Ok(None) } else { Err(FaultKind::BadHead) };
            };
            self.rest = rest.trim_ascii_start();
            // RFC 9110 5.6.6 allows for empty ones.
            if !self.rest.is_empty() && !self.rest.starts_with(b";") {
                break;
            }
        }
        let equals = memchr::memchr(b'=', self.rest).ok_or(FaultKind::BadHead)?;
        let (name, rest) = self.rest.split_at_checked(equals).ok_or(FaultKind::BadHead)?;
        let rest = rest.get(1..).unwrap_or_default();
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return Err(FaultKind::BadHead);
        }
        if let Some(quoted) = rest.strip_prefix(b"\"") {
            let end = memchr::memchr2(b'"', b'\\', quoted).ok_or(FaultKind::BadHead)?;
            // Some readers take a backslash for itself and others for an escape: then two see two values.
            let value = quoted.get(..end).unwrap_or_default();
            if quoted.get(end) != Some(&b'"') || value.iter().any(|byte| byte.is_ascii_control()) {
                return Err(FaultKind::BadHead);
            }
            self.rest = quoted.get(end + 1..).unwrap_or_default();
            return Ok(Some(Parameter { name, value }));
        }
        let end = rest.iter().position(|byte| !is_token(*byte)).unwrap_or(rest.len());
        let (value, rest) = rest.split_at_checked(end).unwrap_or((rest, b""));
        self.rest = rest;
        Ok(Some(Parameter { name, value }))
    }
}

impl<'a> Iterator for Parameters<'a> {
    type Item = Result<Parameter<'a>, FaultKind>;

    fn next(&mut self) -> Option<Self::Item> {
        let parameter = self.parameter();
        if parameter.is_err() {
            self.rest = b"";
        }
        parameter.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_strictly() {
        for (text, format, charset) in [
            ("", Format::Unknown, None),
            ("application/json", Format::Json, None),
            ("Application/JSON; charset=UTF-8", Format::Json, Some(Charset::Utf8)),
            ("application/vnd.api+json;", Format::Json, None),
            ("text/plain;charset=\"utf-8\"", Format::Text, Some(Charset::Utf8)),
            ("multipart/form-data; boundary=----b1", Format::Multipart { is_form: true }, None),
            ("application/soap+xml; action=\"urn:x;y\"", Format::Xml, None),
            ("image/png", Format::Binary(Content::Image), None),
            ("multipart/foo; boundary=x", Format::Multipart { is_form: false }, None),
            ("application/x-mine", Format::Unknown, None),
        ] {
            let media = parse(text.as_bytes()).expect(text);
            assert_eq!((media.format, media.charset), (format, charset), "{text}");
        }
        for (text, kind) in [
            ("json", FaultKind::BadHead),
            ("application", FaultKind::BadHead),
            ("a/b/c", FaultKind::BadHead),
            ("multipart/; boundary=x", FaultKind::BadHead),
            ("application/json, text/plain", FaultKind::BadHead),
            ("application/json charset=utf-8", FaultKind::BadHead),
            ("multipart/form-data; boundary=a; boundary=b", FaultKind::BadHead),
            ("multipart/form-data; boundary=\"a\\b\"", FaultKind::BadHead),
            ("text/plain; charset=utf-7", FaultKind::UnknownCharset),
            ("text/plain; charset=utf-8; charset=utf-8", FaultKind::UnknownCharset),
            ("multipart/form-data; boundary=a; boundary*0=b; boundary*1=c", FaultKind::BadHead),
            ("application/json; charset*=utf-8''utf-7", FaultKind::BadHead),
            ("%{(#a='multipart/form-data')}", FaultKind::BadHead),
        ] {
            assert_eq!(parse(text.as_bytes()).err(), Some(kind), "{text}");
        }
    }
}
