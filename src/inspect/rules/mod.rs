//! Rules in TOML: what each piece of evidence is worth, and literals and patterns that need no lexer. The ready-made ones and users' have the same
//! form.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::unfiltered::last_step;
use super::{Class, Location, Part};

mod pattern;
mod trail;
pub(super) use pattern::Pattern;
pub(super) use trail::trail_matches;

/// The ready-made rules, one file for each group of classes.
const READY_MADE: [(&str, &str); 5] = [
    ("sql.toml", include_str!("sql.toml")),
    ("markup.toml", include_str!("markup.toml")),
    ("code.toml", include_str!("code.toml")),
    ("system.toml", include_str!("system.toml")),
    ("structure.toml", include_str!("structure.toml")),
];

/// A file of rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// The rules.
    #[serde(default)]
    pub rule: Vec<Rule>,
}

impl RuleFile {
    /// Reads rules.
    ///
    /// # Errors
    /// What is wrong with the form, with line and column.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// The ready-made rules.
    ///
    /// # Errors
    /// None: a test reads them.
    pub fn ready_made() -> Result<Vec<Rule>, toml::de::Error> {
        let mut rules = Vec::new();
        for (_, text) in READY_MADE {
            rules.append(&mut Self::parse(text)?.rule);
        }
        Ok(rules)
    }
}

/// One rule.
///
/// With `any` or `regex` it looks for itself; without both it says what evidence of a lexer is worth, by its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// `class.what`: unique; records, metrics and tuning name it.
    pub id: String,
    /// The class of attack.
    pub class: Class,
    /// What it is worth; a threshold is 5 where not said otherwise.
    pub score: u32,
    /// The level of paranoia from which it is on, 1 to 4: higher levels catch more and stop more that is honest.
    #[serde(default = "one")]
    pub paranoia: u8,
    /// What it looks for, and why that is not met in honest traffic.
    pub about: String,
    /// Where it looks: `path`, `query`, `header`, `cookie`, `body`, `name` (names of parameters and keys only), or one value: `query:q`,
    /// `header:user-agent`, `cookie:sid`, `body:items[*].note`. Everywhere if empty.
    #[serde(default, rename = "where")]
    pub places: Vec<String>,
    /// Texts of at least three bytes, in whatever case (ASCII): any one of them has to stand in the value.
    #[serde(default)]
    pub any: Vec<String>,
    /// What has to match besides, in the value as decoded; bounded, without look-around or references back. Case does not matter (ASCII).
    #[serde(default)]
    pub regex: Option<String>,
    /// Whether a `regex` without `any` may look at each value.
    #[serde(default)]
    pub unfiltered: bool,
    /// Whether it is met where the pattern does *not* match: for `where` that names a value.
    #[serde(default)]
    pub negate: bool,
}

fn one() -> u8 {
    1
}

/// How a profile changes a rule or class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tuning {
    /// Not looked for.
    Off,
    /// Found and told, but adds nothing.
    Shadow,
    /// On, whatever its paranoia.
    On,
}

/// Where a rule looks, compiled from `where`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Where {
    part: Option<Part>,
    only_names: bool,
    trail: Option<String>,
}

impl Where {
    /// Reads one entry of `where`.
    ///
    /// # Errors
    /// A word that is no part of a request.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        let (part, trail) = text.split_once(':').map_or((text, None), |(part, trail)| (part, Some(trail)));
        let wrong = || RuleError::new(text, "is no place: path, query, header, cookie, body or name");
        let part = match part {
            "name" => None,
            "path" => Some(Part::Path),
            "query" => Some(Part::Query),
            "header" => Some(Part::Header),
            "cookie" => Some(Part::Cookie),
            "body" => Some(Part::Body),
            _ => return Err(wrong()),
        };
        if part.is_none() && trail.is_some() {
            return Err(wrong());
        }
        Ok(Self { part, only_names: part.is_none(), trail: trail.map(str::to_owned) })
    }

    /// Whether it names single values.
    pub(super) fn is_one_value(&self) -> bool {
        self.trail.is_some()
    }

    /// The last step of the ways that it names, where that is the same for all.
    pub(super) fn last_step(&self) -> Option<&[u8]> {
        let trail = self.trail.as_deref()?.as_bytes();
        let step = last_step(trail);
        let is_certain = !step.contains(&b'*') && (step.len() < trail.len() || !trail.contains(&b'*'));
        is_certain.then_some(step)
    }

    /// Whether a value at this place is looked at.
    pub fn covers(&self, at: &Location<'_>) -> bool {
        if self.only_names {
            return at.is_name;
        }
        self.part == Some(at.part)
            && self.trail.as_ref().is_none_or(|pattern| !at.is_name && trail_matches(pattern.as_bytes(), at.trail))
    }
}

/// Why a rule cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// The rule's id, or what else is wrong.
    pub rule: String,
    /// Why, and what to do.
    pub why: String,
}

impl RuleError {
    pub(super) fn new(rule: &str, why: impl fmt::Display) -> Self {
        Self { rule: rule.to_owned(), why: why.to_string() }
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule \"{}\": {}", self.rule, self.why)
    }
}

impl std::error::Error for RuleError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_cover_what_they_name() {
        let at = |part, trail, is_name| Location { part, trail, is_name };
        for (place, at, want) in [
            ("query", at(Part::Query, b"q", false), true),
            ("query", at(Part::Body, b"q", false), false),
            ("query:q", at(Part::Query, b"q", false), true),
            ("query:q", at(Part::Query, b"qq", false), false),
            ("name", at(Part::Body, b"q", true), true),
            ("name", at(Part::Body, b"q", false), false),
            ("body:items[*].note", at(Part::Body, b"items[31].note", false), true),
            ("body:items[*].note", at(Part::Body, b"items[31].x.note", false), false),
            ("body:**.note", at(Part::Body, b"items[31].x.note", false), true),
            ("header:User-Agent", at(Part::Header, b"user-agent", false), true),
        ] {
            assert_eq!(Where::parse(place).expect("a place").covers(&at), want, "{place} {at}");
        }
        assert!(Where::parse("nowhere").is_err() && Where::parse("name:x").is_err());
    }
}
