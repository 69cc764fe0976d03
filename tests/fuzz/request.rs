//! A request as the engine is shown it, and how a value is put into one.

use std::fmt::Write as _;

use claviger::inspect::{Head, Profile, Report};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// How a type begins that makes a body a message of a WebSocket: `text` or `binary`.
const MESSAGE: &[u8] = b"websocket/";

#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn with_query(query: String) -> Self {
        Self { path: "/x".to_owned(), query: Some(query), ..Self::default() }
    }

    pub(crate) fn with_body(kind: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".to_owned(), kind.as_bytes().to_vec())];
        Self { path: "/x".to_owned(), headers, body: body.into(), query: None }
    }

    /// What the engine says of it; what no header field can hold is left out, as it cannot come.
    pub(crate) fn judge(&self, profile: &Profile) -> Report {
        if let Some(kind) = self.headers.iter().find_map(|(_, kind)| kind.strip_prefix(MESSAGE)) {
            return profile.judge_message(&self.body, kind == b"text");
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_bytes(value)) {
                headers.append(name, value);
            }
        }
        let head = Head { method: &Method::POST, path: &self.path, query: self.query.as_deref(), headers: &headers };
        profile.judge(&head, Some(&*self.body).filter(|body| !body.is_empty()))
    }

    /// Its bytes in all.
    pub(crate) fn len(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.path.len() + self.query.as_ref().map_or(0, String::len) + headers + self.body.len()
    }
}

/// Every byte percent-encoded that a value in a query cannot have.
pub(crate) fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("written");
        }
        out
    })
}

pub(crate) fn query(value: &str) -> Request {
    Request::with_query(format!("q={}", percent(value)))
}

pub(crate) fn json(value: &str) -> Request {
    Request::with_body("application/json", serde_json::json!({ "id": 7, "note": value }).to_string())
}
