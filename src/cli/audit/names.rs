//! Who is asked for, and the pseudonyms that records have in their place.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use memchr::memchr;

use crate::audit::pseudonyms::{Field, Key, KeyFault, Keys, Period, Pseudonym};
use crate::cli::Failure;
use crate::telemetry::write_json;

/// Names and their pseudonyms under the keys that there are.
#[derive(Debug, Default)]
pub(in crate::cli) struct Names {
    keys: Vec<(Period, Key)>,
    /// Pseudonyms of those who were asked for, each with the name as a line would have it.
    known: HashMap<Vec<u8>, Vec<u8>>,
}

impl Names {
    /// By the keys of this directory; without one, only who is named in clear is found.
    pub(in crate::cli) fn open(directory: Option<&Path>) -> Result<Self, Failure> {
        let Some(directory) = directory else { return Ok(Self::default()) };
        let keys = Keys::of(directory)?;
        let mut all = Vec::new();
        for period in keys.periods()? {
            all.extend(keys.read(period)?.map(|key| (period, key)));
        }
        Ok(Self { keys: all, known: HashMap::new() })
    }

    /// The pseudonyms of a value, each with its period.
    pub(super) fn pseudonyms(&self, field: Field, value: &str) -> impl Iterator<Item = (Period, String)> {
        self.keys.iter().map(move |(period, key)| (*period, key.pseudonym(field, value).as_str().to_owned()))
    }

    /// Whether there is the key of a period, by its text.
    pub(in crate::cli) fn has_key(&self, period: &str) -> bool {
        self.keys.iter().any(|(own, _)| own.to_string() == period)
    }

    /// All texts by which records may tell of somebody.
    pub(in crate::cli) fn texts(&mut self, field: Field, value: &str) -> Vec<String> {
        let pseudonyms: Vec<_> = self.pseudonyms(field, value).map(|(_, pseudonym)| pseudonym).collect();
        let mut quoted = Vec::new();
        // Into memory, a text can always be written.
        let _ = write_json(&mut quoted, &value);
        let name = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
        self.known.extend(pseudonyms.iter().map(|pseudonym| (pseudonym.clone().into_bytes(), name.to_vec())));
        std::iter::once(value.to_owned()).chain(pseudonyms).collect()
    }

    /// A line with the names of those who were asked for.
    pub(in crate::cli) fn reveal<'l>(&self, line: &'l [u8]) -> Cow<'l, [u8]> {
        let mut revealed = Vec::new();
        let mut rest = line;
        let mut at = 0;
        while let Some(found) = memchr(b'~', &rest[at..]).filter(|_| !self.known.is_empty()) {
            at += found;
            match rest.get(at..at + Pseudonym::LENGTH).and_then(|pseudonym| self.known.get(pseudonym)) {
                Some(name) => {
                    revealed.extend_from_slice(&rest[..at]);
                    revealed.extend_from_slice(name);
                    rest = &rest[at + Pseudonym::LENGTH..];
                    at = 0;
                }
                None => at += 1,
            }
        }
        if revealed.is_empty() {
            return line.into();
        }
        revealed.extend_from_slice(rest);
        revealed.into()
    }
}

impl From<KeyFault> for Failure {
    fn from(fault: KeyFault) -> Self {
        Self::new(2, format!("claviger: {fault}\n    cure: {}", fault.cure()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_were_asked_for_are_named_and_nobody_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let directory = folder.path().join("keys");
        std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700)
            .create(&directory)
            .expect("made");
        let key = directory.join("2026-10.key");
        std::fs::write(&key, [7; 32]).expect("written");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&key, mode).expect("set");
        let mut names = Names::open(Some(&directory)).expect("opened");
        let texts = names.texts(Field::Principal, "a\"da");
        assert_eq!((texts.len(), &*texts[0]), (2, "a\"da"));
        let other = names.pseudonyms(Field::Principal, "bob").next().expect("one").1;
        let line = format!("{{\"a\":\"~{}\",\"b\":\"{other}\",\"c\":\"x:{}~\"}}", texts[1], texts[1]);
        let want = format!("{{\"a\":\"~a\\\"da\",\"b\":\"{other}\",\"c\":\"x:a\\\"da~\"}}");
        assert_eq!(String::from_utf8_lossy(&names.reveal(line.as_bytes())), want);
        assert!(names.has_key("2026-10") && !names.has_key("2026-11"));
        let none = Names::open(None).expect("opened");
        assert!(matches!(none.reveal(line.as_bytes()), Cow::Borrowed(_)));
    }
}
