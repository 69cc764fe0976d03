//! Members that name somebody: as they are, or by a pseudonym.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::SystemTime;

use super::{Lines, Object};
use crate::audit::Act;
use crate::audit::pseudonyms::{Field, KeyFault, Phrase};

impl Lines {
    /// Sees to it that pseudonyms of lines that are made now can be made.
    pub(in crate::audit) fn ready(&mut self, now: SystemTime) -> Result<(), KeyFault> {
        self.names.as_mut().map_or(Ok(()), |names| names.ready(now))
    }

    /// Which key the line's pseudonyms are under.
    pub(super) fn period(&self, line: &mut Object<'_>) {
        line.plain_if("period", self.names.as_ref().map(|names| names.period()));
    }

    /// A member that names somebody, where it is there.
    pub(super) fn told(&mut self, line: &mut Object<'_>, key: &str, field: Field, text: Option<&str>) {
        let Some(text) = text else { return };
        match self.names.as_mut().and_then(|names| names.of(field, text)) {
            Some(pseudonym) => line.plain(key, pseudonym.as_str()),
            None => line.text(key, text),
        }
    }

    /// A member that is a client's address.
    pub(super) fn told_address(&mut self, line: &mut Object<'_>, key: &str, address: IpAddr) {
        match self.names.as_mut().and_then(|names| names.of(Field::Client, &address.to_string())) {
            Some(pseudonym) => line.plain(key, pseudonym.as_str()),
            None => line.address(key, address, None),
        }
    }

    /// A text that may name somebody.
    pub(super) fn phrase(&mut self, phrase: &Phrase) -> String {
        self.names.as_mut().map_or_else(|| phrase.to_string(), |names| names.phrase(phrase))
    }

    /// What somebody wrote about an act, in which those whom the act names may be named.
    pub(super) fn written<'t>(&mut self, text: &'t str, act: &Act) -> Cow<'t, str> {
        match &mut self.names {
            Some(names) if !text.is_empty() => names.written(text, &[&act.of, &act.by]).into(),
            Some(_) | None => text.into(),
        }
    }
}
