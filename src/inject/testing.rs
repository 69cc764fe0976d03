//! What tests of other modules need of injections.

use http::HeaderMap;

use super::body::{Blank, Field, Filled, Filling, Placeholder};
use super::content::{Content, ReadBody};

/// The body that is sent in place of `{"key":"PLACEHOLDER"}`.
pub(crate) fn filled(headers: &HeaderMap, placeholder: &str, secret: &str) -> Option<Filled> {
    let read = ReadBody::new(format!(r#"{{"key":"{placeholder}"}}"#).into_bytes());
    let content = Content { headers, has_body: true, body: Some(&read) };
    let placeholder = Placeholder::parse(placeholder).expect("a placeholder");
    let blank = Blank { placeholder, field: Field::parse("key").expect("a field") };
    let filling = Filling::new(blank, secret.as_bytes());
    filling.expect("a text").fill(&content).expect("a body that can be filled")
}
