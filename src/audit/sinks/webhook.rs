//! Lines as the body of a request to a webhook.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::net::Question;
use crate::otlp::gzip;

/// How several lines are one body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Ndjson,
    /// One JSON array.
    Array,
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The request that tells these lines. Its key is the same whenever the same lines are sent again in one.
pub(super) fn question(
    format: Format,
    compressed: bool,
    lines: &[&str],
    key: &str,
    proof: Option<(HeaderName, HeaderValue)>,
) -> Question {
    let mut headers = HeaderMap::new();
    headers.extend(proof);
    let content_type = match format {
        Format::Ndjson => HeaderValue::from_static("application/x-ndjson"),
        Format::Array => HeaderValue::from_static("application/json"),
    };
    headers.insert(CONTENT_TYPE, content_type);
    headers.extend(HeaderValue::try_from(key).ok().map(|key| (IDEMPOTENCY_KEY, key)));
    let mut body = body(format, lines);
    if compressed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        body = gzip(&body);
    }
    Question { method: Method::POST, headers, body: Bytes::from(body) }
}

fn body(format: Format, lines: &[&str]) -> Vec<u8> {
    let (begin, between, end) = match format {
        Format::Ndjson => ("", "\n", "\n"),
        Format::Array => ("[", ",\n", "]\n"),
    };
    // What is no JSON, such as half a line of a process that was killed, would spoil an array.
    let lines = lines.iter().filter(|line| format == Format::Ndjson || line.ends_with('}'));
    let mut body = begin.as_bytes().to_vec();
    for (nth, line) in lines.enumerate() {
        if nth > 0 {
            body.extend_from_slice(between.as_bytes());
        }
        body.extend_from_slice(line.as_bytes());
    }
    body.extend_from_slice(end.as_bytes());
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_as_they_are_in_either_form() {
        let lines = [r#"{"kind":"lost"}"#, r#"{"kind":"exch"#, r#"{"kind":"access"}"#];
        for (format, want) in [
            (Format::Ndjson, "{\"kind\":\"lost\"}\n{\"kind\":\"exch\n{\"kind\":\"access\"}\n"),
            (Format::Array, "[{\"kind\":\"lost\"},\n{\"kind\":\"access\"}]\n"),
        ] {
            let question = question(format, false, &lines, "n1-1-3", None);
            assert_eq!(String::from_utf8_lossy(&question.body), want);
            assert_eq!(question.headers[IDEMPOTENCY_KEY], "n1-1-3");
        }
        let packed = question(Format::Ndjson, true, &lines, "x", None);
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&packed.body[..]), &mut text).expect("gzip");
        assert_eq!((text.lines().count(), &packed.headers[CONTENT_ENCODING]), (3, &HeaderValue::from_static("gzip")));
    }
}
