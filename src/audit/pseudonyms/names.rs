//! Pseudonyms as lines are made, under the key of the period that goes on.

use std::collections::HashMap;
use std::time::SystemTime;

use super::{Field, Key, KeyFault, Keys, Period, Phrase, Pseudonym, Pseudonyms};

/// What makes them. It has one key at a time, and nothing of those before it.
#[derive(Debug)]
pub(in crate::audit) struct Names {
    settings: Pseudonyms,
    keys: Keys,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    period: Period,
    text: String,
    key: Key,
    /// By class: those that were made.
    known: [HashMap<Box<str>, Pseudonym, ahash::RandomState>; 4],
}

/// The most pseudonyms of a class that are remembered.
const MOST_KNOWN: usize = 4096;

impl Names {
    /// Those of these settings, under the key of this time.
    pub(in crate::audit) fn open(settings: Pseudonyms, now: SystemTime) -> Result<Self, KeyFault> {
        let keys = Keys::make(&settings.directory)?;
        let mut names = Self { settings, keys, current: None };
        names.ready(now)?;
        Ok(names)
    }

    /// Sees to it that there is the key of this time, and no other. To be called before lines are made.
    pub(in crate::audit) fn ready(&mut self, now: SystemTime) -> Result<(), KeyFault> {
        let period = self.settings.every.at(now);
        let is_ready = |one: &Current| one.period == period && self.keys.is_still(period, &one.key);
        if self.current.as_ref().is_some_and(is_ready) {
            return Ok(());
        }
        self.current = None;
        let key = self.keys.take(period)?;
        self.current = Some(Current { period, text: period.to_string(), key, known: Default::default() });
        Ok(())
    }

    /// The period that pseudonyms are of.
    pub(in crate::audit) fn period(&self) -> &str {
        self.current.as_ref().map_or("", |current| &current.text)
    }

    /// The pseudonym of a value; none where this field is told in clear.
    pub(in crate::audit) fn of(&mut self, field: Field, value: &str) -> Option<Pseudonym> {
        if !self.settings.fields.contains(&field) {
            return None;
        }
        // Without a key, nobody is told at all.
        Some(self.current.as_mut().map_or(Pseudonym::NOBODY, |current| current.of(field, value)))
    }

    /// A text with pseudonyms for those whom it names.
    pub(in crate::audit) fn phrase(&mut self, phrase: &Phrase) -> String {
        let mut out = String::new();
        for (field, text) in phrase.parts() {
            match field.and_then(|field| self.of(field, text)) {
                Some(pseudonym) => out.push_str(pseudonym.as_str()),
                None => out.push_str(text),
            }
        }
        out
    }

    /// What somebody wrote, with pseudonyms for these where they stand in it as words.
    pub(in crate::audit) fn written(&mut self, text: &str, named: &[&Phrase]) -> String {
        if let Some(pseudonym) = self.of(Field::Reason, text) {
            return pseudonym.as_str().to_owned();
        }
        let parts = named.iter().flat_map(|phrase| phrase.parts());
        let mut parts: Vec<_> = parts.filter_map(|(field, text)| Some((field?, text))).collect();
        parts.retain(|(_, text)| !text.is_empty());
        // Of two of which one holds the other, the whole one.
        parts.sort_by_key(|(_, text)| std::cmp::Reverse(text.len()));
        let (mut out, mut rest) = (String::new(), text);
        while let Some(next) = rest.chars().next() {
            let is_here = |(_, name): &&(Field, &str)| begins_with_word(rest, name) && ends_word(&out);
            let found = parts.iter().find(is_here);
            match found.and_then(|&(field, name)| Some((self.of(field, name)?, name.len()))) {
                Some((pseudonym, length)) => {
                    out.push_str(pseudonym.as_str());
                    rest = &rest[length..];
                }
                None => {
                    out.push(next);
                    rest = &rest[next.len_utf8()..];
                }
            }
        }
        out
    }
}

/// Whether a text begins with this, and no letter or digit goes on.
fn begins_with_word(text: &str, word: &str) -> bool {
    text.strip_prefix(word).is_some_and(|rest| !rest.chars().next().is_some_and(char::is_alphanumeric))
}

/// Whether a word may begin behind this.
fn ends_word(text: &str) -> bool {
    !text.chars().next_back().is_some_and(char::is_alphanumeric)
}

impl Current {
    fn of(&mut self, field: Field, value: &str) -> Pseudonym {
        let known = &mut self.known[field.place()];
        if let Some(pseudonym) = known.get(value) {
            return *pseudonym;
        }
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        let pseudonym = self.key.pseudonym(field, value);
        known.insert(value.into(), pseudonym);
        pseudonym
    }
}

#[cfg(test)]
mod tests;
