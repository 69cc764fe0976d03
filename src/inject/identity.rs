//! Who the caller is, told to the upstream in headers that the operator names.

use std::fmt;

use http::{HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode_byte, utf8_percent_encode};

use crate::domain::Principal;

/// What is escaped in every value: all but visible ASCII, and `%` itself; and the comma, by which some read one value as several.
const ESCAPED: AsciiSet = CONTROLS.add(b' ').add(b'%').add(b',');

/// A header that tells something of the principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityHeader {
    name: HeaderName,
    parts: Vec<Part>,
    /// The punctuation that the template sets behind a field: in a field, it would end it.
    ends: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Field(Field),
}

/// What can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Id,
    Kind,
    Roles,
    Scopes,
    Authenticator,
    Actor,
}

/// Why a template means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateFault {
    /// A `{` without its `}`, or the other way round.
    Brace,
    /// There is no such field; with what was written.
    Field(String),
    /// It holds what a header cannot: only visible ASCII and blanks may stand beside fields.
    Character,
    /// It holds no field, and so would tell nothing of the principal.
    NoField,
}

impl IdentityHeader {
    /// What fields are called in a template.
    pub const FIELDS: [&str; 6] = [
        "principal.id",
        "principal.kind",
        "principal.roles",
        "principal.scopes",
        "principal.authenticator",
        "principal.actor",
    ];

    /// Reads a template, such as `{principal.id}`.
    ///
    /// # Errors
    /// A [`TemplateFault`] naming the rule that is broken.
    pub fn parse(name: HeaderName, template: &str) -> Result<Self, TemplateFault> {
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some((literal, behind)) = rest.split_once('{') {
            parts.extend(literal_part(literal)?);
            let (field, behind) = behind.split_once('}').ok_or(TemplateFault::Brace)?;
            parts.push(Part::Field(Field::parse(field).ok_or_else(|| TemplateFault::Field(field.to_owned()))?));
            rest = behind;
        }
        parts.extend(literal_part(rest)?);
        let has_field = parts.iter().any(|part| matches!(part, Part::Field(_)));
        let behind = parts.iter().skip_while(|part| matches!(part, Part::Literal(_))).filter_map(|part| match part {
            Part::Literal(literal) => Some(literal),
            Part::Field(_) => None,
        });
        let is_end = |c: &char| c.is_ascii_punctuation() && *c != '%';
        let ends = behind.flat_map(|literal| literal.chars()).filter(is_end).collect();
        if has_field { Ok(Self { name, parts, ends }) } else { Err(TemplateFault::NoField) }
    }

    /// The header. The client's own is taken off whatever becomes of this one.
    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    /// Its value for a principal; none where a field that it names is empty, since half an identity could be somebody else's.
    pub fn value(&self, principal: &Principal) -> Option<HeaderValue> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Field(field) => {
                    let before = text.len();
                    field.write(principal, &self.ends, &mut text);
                    if text.len() == before {
                        return None;
                    }
                }
            }
        }
        HeaderValue::try_from(text).ok()
    }
}

impl Field {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "principal.id" => Self::Id,
            "principal.kind" => Self::Kind,
            "principal.roles" => Self::Roles,
            "principal.scopes" => Self::Scopes,
            "principal.authenticator" => Self::Authenticator,
            "principal.actor" => Self::Actor,
            _ => return None,
        })
    }

    fn write(self, principal: &Principal, ends: &str, text: &mut String) {
        match self {
            Self::Id => escape(&principal.id, ends, text),
            Self::Kind => text.push_str(principal.kind.text()),
            Self::Roles => join(principal.own_roles(), ",", ends, text),
            Self::Scopes => join(principal.scopes.iter().map(AsRef::as_ref), " ", ends, text),
            Self::Authenticator => text.push_str(principal.authenticator.as_str()),
            Self::Actor => escape(principal.actor.as_deref().unwrap_or_default(), ends, text),
        }
    }
}

fn join<'a>(all: impl Iterator<Item = &'a str>, between: &str, ends: &str, text: &mut String) {
    for (nth, one) in all.filter(|one| !one.is_empty()).enumerate() {
        if nth > 0 {
            text.push_str(between);
        }
        escape(one, ends, text);
    }
}

fn escape(value: &str, ends: &str, text: &mut String) {
    for part in utf8_percent_encode(value, &ESCAPED) {
        for piece in part.split_inclusive(|c| ends.contains(c)) {
            match piece.chars().next_back().filter(|last| ends.contains(*last)) {
                Some(end) => {
                    text.push_str(&piece[..piece.len() - 1]);
                    text.push_str(percent_encode_byte(end as u8));
                }
                None => text.push_str(piece),
            }
        }
    }
}

fn literal_part(literal: &str) -> Result<Option<Part>, TemplateFault> {
    if literal.contains('}') {
        return Err(TemplateFault::Brace);
    }
    if !literal.bytes().all(|b| matches!(b, b' '..=b'~')) {
        return Err(TemplateFault::Character);
    }
    Ok((!literal.is_empty()).then(|| Part::Literal(literal.to_owned())))
}

impl fmt::Display for TemplateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Brace => "a `{` without its `}`, or the other way round",
            Self::Field(_) => "there is no such field",
            Self::Character => "a header holds only visible ASCII and blanks",
            Self::NoField => "this tells nothing of the principal",
        })
    }
}

impl std::error::Error for TemplateFault {}

#[cfg(test)]
mod tests {
    use crate::domain::PrincipalKind;
    use std::sync::Arc;

    use super::*;
    use crate::domain::Name;

    fn told(principal: &Principal, template: &str) -> Option<String> {
        let header = IdentityHeader::parse(HeaderName::from_static("x-user"), template).expect("a template");
        header.value(principal).map(|value| value.to_str().expect("visible").to_owned())
    }

    fn somebody() -> Principal {
        Principal::new(Name::parse("corp").expect("a name"), PrincipalKind::Agent, "ada".to_owned())
    }

    #[test]
    fn templates_tell_what_is_there_and_nothing_of_what_is_not() {
        let mut principal = somebody();
        principal.roles = vec![Arc::from("a"), Arc::from("b")];
        principal.scopes = vec![Arc::from("x:read"), Arc::from("y")];
        for (template, want) in [
            ("{principal.id}", Some("ada")),
            ("{principal.authenticator}:{principal.id}", Some("corp:ada")),
            ("{principal.kind}", Some("agent")),
            ("{principal.roles}", Some("a,b")),
            ("{principal.scopes}", Some("x:read y")),
            ("{principal.actor}", None),
            ("for {principal.id} by {principal.actor}", None),
        ] {
            assert_eq!(told(&principal, template).as_deref(), want, "{template}");
        }
        principal.roles = vec![Arc::from("")];
        assert_eq!(told(&principal, "{principal.roles}"), None);
    }

    #[test]
    fn no_value_can_be_read_as_another() {
        for (id, want) in [
            ("user, admin", "user%2C%20admin"),
            ("100%2C", "100%252C"),
            ("zo\u{e9}", "zo%C3%A9"),
            ("a\r\nX-Admin: 1", "a%0D%0AX-Admin:%201"),
            ("\u{7f}", "%7F"),
        ] {
            let principal = Principal { id: id.to_owned(), ..somebody() };
            assert_eq!(told(&principal, "{principal.id}").as_deref(), Some(want));
        }
        for (template, id, want) in [
            ("user={principal.id};kind={principal.kind}", "eve;kind=human", "user=eve%3Bkind%3Dhuman;kind=agent"),
            ("corp-{principal.id}", "a-b", "corp-a-b"),
            ("{principal.id}%", "100%", "100%25%"),
        ] {
            let principal = Principal { id: id.to_owned(), ..somebody() };
            assert_eq!(told(&principal, template).as_deref(), Some(want));
        }
        let principal = Principal { roles: vec![Arc::from("user,admin"), Arc::from("b c")], ..somebody() };
        assert_eq!(told(&principal, "{principal.roles}").as_deref(), Some("user%2Cadmin,b%20c"));
    }

    #[test]
    fn templates_that_mean_nothing_are_refused() {
        use TemplateFault::{Brace, Character, NoField};
        for (template, want) in [
            ("{principal.id", Brace),
            ("principal.id}", Brace),
            ("{principal.id}}", Brace),
            ("{}", TemplateFault::Field(String::new())),
            ("{principal.name}", TemplateFault::Field("principal.name".to_owned())),
            ("a\r\n{principal.id}", Character),
            ("admin", NoField),
            ("", NoField),
        ] {
            assert_eq!(IdentityHeader::parse(HeaderName::from_static("x-user"), template), Err(want), "{template}");
        }
        for field in IdentityHeader::FIELDS {
            assert!(Field::parse(field).is_some(), "{field}");
        }
    }
}
