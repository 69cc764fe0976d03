//! A request against what was promised: its parameters and its body become one value each, which the one schema takes or not.

use std::borrow::Cow;

use http::{HeaderMap, header};
use jsonschema::Validator;
use percent_encoding::percent_decode;
use serde_json::{Map, Value};

use super::document::{Body, Content, Operation};
use super::style::{Field, Written};
use super::told::{self, fault, told};
use super::{Contract, Document, Unknown};
use crate::inspect::decode::{self, Readable};
use crate::inspect::profile::Head;
use crate::inspect::{Fault, Limits, Part};

/// What there is of a body.
#[derive(Debug, Clone, Copy)]
pub(in crate::inspect) enum Seen<'a> {
    /// All of it; there may be none.
    Whole(&'a [u8]),
    /// There is one, that nobody reads before it is sent.
    Passing,
}

impl Contract {
    /// Holds a request to it.
    ///
    /// # Errors
    /// What is not as was promised, the first of it.
    pub(in crate::inspect) fn check(&self, head: &Head<'_>, seen: Seen<'_>, limits: &Limits) -> Result<(), Fault> {
        let mut is_known = false;
        for plain in self.plain.iter().filter(|plain| plain.is_for(head.method, head.path)) {
            is_known = true;
            let body = match seen {
                Seen::Passing => return Err(fault(Part::Body, "", "unseen")),
                Seen::Whole(b"") => return Err(fault(Part::Body, "", "required")),
                Seen::Whole(body) => body,
            };
            match readable(head.headers, body, limits)? {
                Readable::Json(text) => plain.check(&json(&text)?)?,
                Readable::Form(_) | Readable::Other => return Err(fault(Part::Header, "content-type", "content")),
            }
        }
        match &self.document {
            Some(document) => document.check(head, seen, limits, is_known),
            None => Ok(()),
        }
    }
}

fn readable<'b>(headers: &HeaderMap, body: &'b [u8], limits: &Limits) -> Result<Readable<'b>, Fault> {
    decode::readable(headers, body, limits).map_err(|_| fault(Part::Body, "", "text"))
}

/// The most memory that the values of a body may take, in bytes, and what an object, a list and what stands in them take: 90,000 small objects, or a
/// million numbers.
const MAX_TREE: usize = 64 << 20;
const OBJECT: usize = 656;
const LIST: usize = 128;
const ITEM: usize = 64;

/// How much memory the values of a text take, about, by the signs outside of its strings.
fn tree(text: &[u8]) -> usize {
    let many = |of: u8, text: &[u8]| memchr::memchr_iter(of, text).count();
    let (mut rest, mut size) = (text, text.len());
    loop {
        let (outside, behind) = rest.split_at(memchr::memchr(b'"', rest).unwrap_or(rest.len()));
        size += many(b'{', outside) * OBJECT + many(b'[', outside) * LIST + many(b',', outside) * ITEM;
        let Some(mut string) = behind.get(1..) else { return size };
        while let Some(at) = memchr::memchr2(b'"', b'\\', string) {
            // Behind a backslash, one more belongs to it.
            let is_end = string.get(at) == Some(&b'"');
            string = string.get(at + if is_end { 1 } else { 2 }..).unwrap_or_default();
            if is_end {
                break;
            }
        }
        rest = string;
    }
}

fn json(text: &[u8]) -> Result<Value, Fault> {
    if tree(text) > MAX_TREE {
        return Err(fault(Part::Body, "", "size"));
    }
    serde_json::from_slice(text).map_err(|_| fault(Part::Body, "", "json"))
}

/// Holds a member of the one schema to it.
fn holds(validator: &Validator, value: &Value, part: Option<Part>) -> Result<(), Fault> {
    // The name of the member stands before the rest.
    told::verdict(validator, value, true, |error| told(error, 1, part))
}

impl Document {
    fn check(&self, head: &Head<'_>, seen: Seen<'_>, limits: &Limits, is_known: bool) -> Result<(), Fault> {
        let Some(matched) = self.templates.find(head.path, head.method) else {
            return if is_known { Ok(()) } else { Err(fault(Part::Path, "", "operation")) };
        };
        let Some(operation) = self.operations.get(matched.operation) else { return Ok(()) };
        let path = operation.path_names.iter().cloned().zip(matched.values).collect();
        self.parameters(operation, path, head, limits)?;
        self.body(operation.body.as_ref(), head.headers, seen, limits)
    }

    fn parameters(&self, operation: &Operation, path: Written, head: &Head<'_>, limits: &Limits) -> Result<(), Fault> {
        let query = pairs(Part::Query, head.query.unwrap_or_default().as_bytes(), limits)?;
        if self.unknown != Unknown::Allow {
            let is_named =
                |name: &str| operation.parameters.iter().any(|p| p.part == Part::Query && p.field.takes(&p.name, name));
            if let Some((name, _)) = query.iter().find(|(name, _)| !is_named(name)) {
                return Err(fault(Part::Query, name, "unknown"));
            }
        }
        if operation.parameters.is_empty() {
            return Ok(());
        }
        let has_cookies = operation.parameters.iter().any(|parameter| parameter.part == Part::Cookie);
        let cookies = if has_cookies { cookies(head.headers)? } else { Written::new() };
        let mut places: Map<String, Value> = Map::new();
        for parameter in &operation.parameters {
            let (part, name) = (parameter.part, parameter.name.as_str());
            let value = match part {
                Part::Header => field_lines(head.headers, name, &parameter.field)?,
                Part::Path => parameter.field.read(part, name, &path)?,
                Part::Query => parameter.field.read(part, name, &query)?,
                Part::Cookie | Part::Body => parameter.field.read(part, name, &cookies)?,
            };
            let Some(value) = value else {
                if parameter.is_required {
                    return Err(fault(part, name, "required"));
                }
                continue;
            };
            if parameter.may_be_empty && value == "" {
                continue;
            }
            let place = places.entry(part.as_str()).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(place) = place {
                place.insert(name.to_owned(), value);
            }
        }
        match &operation.member {
            Some(member) if !places.is_empty() => {
                holds(&self.validator, &as_member(member, Value::Object(places)), None)
            }
            _ => Ok(()),
        }
    }

    fn body(&self, body: Option<&Body>, headers: &HeaderMap, seen: Seen<'_>, limits: &Limits) -> Result<(), Fault> {
        let is_required = body.is_some_and(|body| body.is_required);
        if matches!(seen, Seen::Whole(b"")) {
            return if is_required { Err(fault(Part::Body, "", "required")) } else { Ok(()) };
        }
        let Some(body) = body else { return Err(fault(Part::Body, "", "requestBody")) };
        let Some(content) = of_type(body, headers) else {
            return Err(fault(Part::Header, "content-type", "content"));
        };
        let Some(member) = &content.member else { return Ok(()) };
        let Seen::Whole(bytes) = seen else { return Err(fault(Part::Body, "", "unseen")) };
        let value = match readable(headers, bytes, limits)? {
            Readable::Json(text) => json(&text)?,
            Readable::Form(text) if content.range.ends_with("urlencoded") => form(content, &text, limits)?,
            Readable::Form(_) | Readable::Other => return Ok(()),
        };
        holds(&self.validator, &as_member(member, value), Some(Part::Body))
    }
}

fn as_member(name: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), value)]))
}

/// The content that a body is by its type: the most exact that there is (OpenAPI 3.1 4.8.14.1).
fn of_type<'b>(body: &'b Body, headers: &HeaderMap) -> Option<&'b Content> {
    let said = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let said = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let kind = said.split('/').next().unwrap_or_default();
    let is = |content: &&Content, range: &str| content.range == range;
    let exact = body.content.iter().find(|content| is(content, &said));
    let exact = exact.or_else(|| body.content.iter().find(|content| is(content, &format!("{kind}/*"))));
    exact.or_else(|| body.content.iter().find(|content| is(content, "*/*")))
}

/// The value of a header field; a list may stand in several lines (RFC 9110 5.3).
fn field_lines(headers: &HeaderMap, name: &str, field: &Field) -> Result<Option<Value>, Fault> {
    let mut lines = Vec::new();
    for line in headers.get_all(name) {
        lines.push(std::str::from_utf8(line.as_bytes()).map_err(|_| fault(Part::Header, name, "text"))?.trim());
    }
    match (lines.as_slice(), field.shape.is_list()) {
        ([], _) => Ok(None),
        (lines, true) => {
            let items = lines.iter().flat_map(|line| line.split(','));
            Ok(Some(items.map(|item| field.shape.read_item(item.trim())).collect()))
        }
        ([line], false) => Ok(Some(field.shape.read(line))),
        (_, false) => Err(fault(Part::Header, name, "once")),
    }
}

/// A form, as the object that its schema speaks of.
fn form(content: &Content, text: &[u8], limits: &Limits) -> Result<Value, Fault> {
    let written = pairs(Part::Body, text, limits)?;
    let mut object = Map::new();
    for (name, value) in &written {
        let known = content.fields.iter().find(|(own, field)| field.takes(own, name));
        let own = known.map_or(name, |(own, _)| own);
        if object.contains_key(own) {
            continue;
        }
        let value = match known {
            Some((own, field)) => field.read(Part::Body, own, &written)?.unwrap_or_default(),
            None => Value::String(value.clone()),
        };
        object.insert(own.clone(), value);
    }
    Ok(Value::Object(object))
}

/// The pairs of a query or a form. The walk before this has read them too, and they are not too many.
fn pairs(part: Part, text: &[u8], limits: &Limits) -> Result<Written, Fault> {
    let mut found = Written::new();
    for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        if found.len() >= limits.parameters {
            return Err(fault(part, "", "size"));
        }
        let (name, value) = decode::form::split(pair, b'=');
        let decode = |text| unescape(text).ok_or_else(|| fault(part, "", "text"));
        found.push((decode(name)?, decode(value.unwrap_or_default())?));
    }
    Ok(found)
}

fn unescape(text: &[u8]) -> Option<String> {
    let spaced: Cow<'_, [u8]> = if text.contains(&b'+') {
        text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect::<Vec<_>>().into()
    } else {
        text.into()
    };
    String::from_utf8(percent_decode(&spaced).collect()).ok()
}

fn cookies(headers: &HeaderMap) -> Result<Written, Fault> {
    let mut found = Written::new();
    for line in headers.get_all(header::COOKIE) {
        let line = std::str::from_utf8(line.as_bytes()).map_err(|_| fault(Part::Cookie, "", "text"))?;
        for cookie in line.split(';').map(str::trim).filter(|cookie| !cookie.is_empty()) {
            let (name, value) = cookie.split_once('=').unwrap_or((cookie, ""));
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
            found.push((name.to_owned(), value.to_owned()));
        }
    }
    Ok(found)
}
