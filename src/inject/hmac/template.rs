//! What is signed, and what stands in the signature's header: texts with placeholders.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, HeaderName, header};

use super::super::content::ReadBody;
use crate::crypto::sha256;
use crate::crypto::sigv4::Head;
use crate::domain::hex;

/// What is signed, such as `{time}.{method}.{target}.{body_sha256}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SignedTemplate(Vec<Part<Signed>>);

/// What stands in the header of a signature, such as `t={time},v1={signature}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ValueTemplate(Vec<Part<Value>>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Part<F> {
    Literal(String),
    Field(F),
}

/// What of a request can be signed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Signed {
    Time(Unit),
    Method,
    Host,
    Path,
    Query,
    Target,
    Body,
    BodySha256,
    Header(HeaderName),
}

/// What can stand beside a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Value {
    Time(Unit),
    Signature,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Unit {
    Seconds,
    Milliseconds,
}

/// When something is signed, since 1970.
pub(super) struct Moment(pub(super) Duration);

/// Why a template means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SigningFault {
    /// A `{` without its `}`, or the other way round.
    Brace,
    /// There is no such placeholder; with what was written.
    Placeholder(String),
    /// `{header:NAME}` names no header, or one that is another one on each connection.
    Header,
    /// It holds no placeholder: all requests would have one signature.
    Constant,
    /// It holds what a header cannot: only visible ASCII and blanks may stand beside placeholders.
    Character,
    /// It does not hold the signature.
    NoSignature,
}

/// Fields that belong to a connection, or that are changed behind what signs.
const NEVER_SIGNED: [&str; 9] = [
    "connection",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl SignedTemplate {
    /// What placeholders are called.
    pub const PLACEHOLDERS: [&str; 10] =
        ["time", "time_ms", "method", "host", "path", "query", "target", "body", "body_sha256", "header:NAME"];

    /// Reads a template.
    ///
    /// # Errors
    /// A [`SigningFault`] naming the rule that is broken.
    pub fn parse(template: &str) -> Result<Self, SigningFault> {
        let parts = parse(template, |name| {
            Ok(match name {
                "time" => Signed::Time(Unit::Seconds),
                "time_ms" => Signed::Time(Unit::Milliseconds),
                "method" => Signed::Method,
                "host" => Signed::Host,
                "path" => Signed::Path,
                "query" => Signed::Query,
                "target" => Signed::Target,
                "body" => Signed::Body,
                "body_sha256" => Signed::BodySha256,
                other => {
                    let header = other.strip_prefix("header:");
                    let header = header.ok_or_else(|| SigningFault::Placeholder(other.to_owned()))?;
                    let name = HeaderName::from_bytes(header.as_bytes()).map_err(|_| SigningFault::Header)?;
                    if NEVER_SIGNED.contains(&name.as_str()) || name.as_str().contains(['_', '.']) {
                        return Err(SigningFault::Header);
                    }
                    Signed::Header(name)
                }
            })
        })?;
        let is_constant = !parts.iter().any(|part| matches!(part, Part::Field(_)));
        if is_constant { Err(SigningFault::Constant) } else { Ok(Self(parts)) }
    }

    /// Whether a header of this name is signed.
    pub fn names(&self, header: &HeaderName) -> bool {
        self.fields().any(|field| matches!(field, Signed::Header(name) if name == header))
    }

    /// Whether the time is signed both in seconds and in milliseconds, so that no single text is the time.
    pub fn has_two_times(&self) -> bool {
        let has = |unit| self.fields().any(|field| *field == Signed::Time(unit));
        has(Unit::Seconds) && has(Unit::Milliseconds)
    }

    fn fields(&self) -> impl Iterator<Item = &Signed> {
        self.0.iter().filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Field(field) => Some(field),
        })
    }

    pub(super) fn needs_body(&self) -> bool {
        self.fields().any(|field| matches!(field, Signed::Body | Signed::BodySha256))
    }

    /// The time as it is signed; in seconds where it is not.
    pub(super) fn tell_time(&self, at: &Moment) -> String {
        let is_fine = self.fields().any(|field| *field == Signed::Time(Unit::Milliseconds));
        at.text(if is_fine { Unit::Milliseconds } else { Unit::Seconds })
    }

    /// Tells what is signed of this request, piece by piece. The time's header is not in the head yet.
    pub(super) fn write(
        &self,
        head: &Head<'_>,
        body: Option<&ReadBody>,
        at: &Moment,
        time: Option<(&HeaderName, &str)>,
        mut tell: impl FnMut(&[u8]),
    ) {
        for part in &self.0 {
            let field = match part {
                Part::Literal(literal) => {
                    tell(literal.as_bytes());
                    continue;
                }
                Part::Field(field) => field,
            };
            match field {
                Signed::Time(unit) => tell(at.text(*unit).as_bytes()),
                Signed::Method => tell(head.method.as_str().as_bytes()),
                Signed::Host => tell_field(head.headers, &header::HOST, &mut tell),
                Signed::Path => tell(head.path.as_bytes()),
                Signed::Query => tell(head.query.unwrap_or_default().as_bytes()),
                Signed::Target => {
                    tell(head.path.as_bytes());
                    if let Some(query) = head.query {
                        tell(b"?");
                        tell(query.as_bytes());
                    }
                }
                Signed::Body => tell(body.map(|body| &body.bytes()[..]).unwrap_or_default()),
                Signed::BodySha256 => tell(hex(&body.map_or_else(|| sha256(b""), ReadBody::digest)).as_bytes()),
                Signed::Header(name) => match time {
                    Some((own, told)) if own == name => tell(told.as_bytes()),
                    _ => tell_field(head.headers, name, &mut tell),
                },
            }
        }
    }
}

/// All lines of a field as one (RFC 9110 §5.2).
fn tell_field(headers: &HeaderMap, name: &HeaderName, tell: &mut impl FnMut(&[u8])) {
    for (nth, value) in headers.get_all(name).iter().enumerate() {
        tell(if nth > 0 { b", " } else { b"" });
        tell(value.as_bytes());
    }
}

impl ValueTemplate {
    /// What placeholders are called.
    pub const PLACEHOLDERS: [&str; 3] = ["signature", "time", "time_ms"];

    /// The signature and nothing else.
    pub fn plain() -> Self {
        Self(vec![Part::Field(Value::Signature)])
    }

    /// Reads a template.
    ///
    /// # Errors
    /// A [`SigningFault`] naming the rule that is broken.
    pub fn parse(template: &str) -> Result<Self, SigningFault> {
        if !template.bytes().all(|b| matches!(b, b' '..=b'~')) {
            return Err(SigningFault::Character);
        }
        let parts = parse(template, |name| {
            Ok(match name {
                "signature" => Value::Signature,
                "time" => Value::Time(Unit::Seconds),
                "time_ms" => Value::Time(Unit::Milliseconds),
                other => return Err(SigningFault::Placeholder(other.to_owned())),
            })
        })?;
        let has_signature = parts.contains(&Part::Field(Value::Signature));
        if has_signature { Ok(Self(parts)) } else { Err(SigningFault::NoSignature) }
    }

    pub(super) fn text(&self, at: &Moment, signature: &str) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Field(Value::Time(unit)) => text.push_str(&at.text(*unit)),
                Part::Field(Value::Signature) => text.push_str(signature),
            }
        }
        text
    }
}

impl Moment {
    fn text(&self, unit: Unit) -> String {
        match unit {
            Unit::Seconds => self.0.as_secs().to_string(),
            Unit::Milliseconds => self.0.as_millis().to_string(),
        }
    }
}

fn parse<F>(template: &str, field: impl Fn(&str) -> Result<F, SigningFault>) -> Result<Vec<Part<F>>, SigningFault> {
    let literal = |text: &str| match text {
        "" => Ok(None),
        text if text.contains('}') => Err(SigningFault::Brace),
        text => Ok(Some(Part::Literal(text.to_owned()))),
    };
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('{') {
        parts.extend(literal(before)?);
        let (name, behind) = behind.split_once('}').ok_or(SigningFault::Brace)?;
        parts.push(Part::Field(field(name)?));
        rest = behind;
    }
    parts.extend(literal(rest)?);
    Ok(parts)
}

impl fmt::Display for SigningFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Brace => "a `{` without its `}`, or the other way round",
            Self::Placeholder(_) => "there is no such placeholder",
            Self::Header => "not a header that can be signed",
            Self::Constant => "this signs nothing of the request",
            Self::Character => "a header holds only visible ASCII and blanks",
            Self::NoSignature => "the signature is missing",
        })
    }
}

impl std::error::Error for SigningFault {}
