//! Texts of lines that name somebody, in parts, so that a line can have a pseudonym for who is named.

use std::fmt;

use super::Field;

/// A text, which of its parts name somebody, and how. Shown as it is in clear.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Phrase(Vec<(Option<Field>, String)>);

/// Authenticators that there can be none of, since those who act are told of so: users of the operating system, and the monitor.
pub const RESERVED: [&str; 2] = ["uid", "monitor"];

impl Phrase {
    /// What names nobody.
    pub fn plain(text: impl Into<String>) -> Self {
        Self(vec![(None, text.into())])
    }

    /// `AUTHENTICATOR:ID`, of which the id names somebody; or whoever else acts: `uid:0`, `monitor:ID`, or a name of ours without a colon.
    pub fn who(text: &str) -> Self {
        match text.split_once(':') {
            Some((by, id)) if !RESERVED.contains(&by) => Self::plain(format!("{by}:")).with(Field::Principal, id),
            Some(_) | None => Self::plain(text),
        }
    }

    /// Adds what names somebody.
    #[must_use]
    pub fn with(mut self, field: Field, text: impl Into<String>) -> Self {
        self.0.push((Some(field), text.into()));
        self
    }

    /// Adds what names nobody.
    #[must_use]
    pub fn then(mut self, text: impl Into<String>) -> Self {
        self.0.push((None, text.into()));
        self
    }

    /// Adds another.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Its parts, each with what it names.
    pub(in crate::audit) fn parts(&self) -> impl Iterator<Item = (Option<Field>, &str)> {
        self.0.iter().map(|(field, text)| (*field, text.as_str()))
    }
}

impl fmt::Display for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(_, text)| f.write_str(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_acts_is_a_person_unless_it_is_a_part_of_the_machine() {
        for (text, named) in [
            ("corp:ada", Some("ada")),
            ("corp:a:b", Some("a:b")),
            ("uid:0", None),
            ("monitor:0f", None),
            ("claviger", None),
        ] {
            let phrase = Phrase::who(text);
            assert_eq!(phrase.to_string(), text);
            assert_eq!(phrase.parts().find_map(|(field, text)| field.map(|_| text)), named, "{text}");
        }
    }
}
