//! Large text -> tables, in pieces, since parsing it whole takes more than twenty times its size: text, tokens, events and values are held
//! at once. A piece is parsed as a file of its own, turned into tables, and gone before the next.
//!
//! Only what is plain is taken: nothing wrong anywhere, and nothing that one piece begins and another goes on with, but for the tables that
//! hold entries and the keys of `[authn.NAME.api_key]`. Everything else, every error with it, is left to reading the text whole. So there is
//! one place where errors are told, and all that has to hold here is that what is taken means the same as read whole.
//!
//! Where to cut needs no scanner: text up to the end of a line that TOML's parser takes as a whole file ends outside all strings and lists,
//! so what follows is read as at the beginning of a file. A cut in the middle of something leaves a piece that is not closed: an error, and
//! the text is read whole.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::Path;

use memchr::memmem;
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue, ValueDeserializer};

use super::{File, Reader};
use crate::config::diagnostic::Report;
use crate::config::file::{AuthnTable, KeyTable};
use crate::config::values;

/// The least size of a piece, in bytes: small enough that its values fit a processor's cache, large enough that cutting costs nothing.
pub(super) const PIECE: usize = 128 * 1024;

/// Tables that are one entry themselves: no second piece goes on with one.
const SINGLE: [&str; 11] = [
    "server",
    "admin",
    "audit",
    "store",
    "cluster",
    "egress",
    "failures",
    "monitor",
    "identity_token",
    "sessions",
    "access",
];

/// Reads a file in pieces of at least so many bytes; nothing where it has to be read whole.
pub(super) fn read(text: &str, size: usize) -> Option<File> {
    read_cut(text, |start| cut(text, start.saturating_add(size)))
}

/// Reads a file in pieces, each of which ends where told from its beginning.
fn read_cut(text: &str, end: impl Fn(usize) -> usize) -> Option<File> {
    // What is wrong is not told from here, so this reader repairs nothing and knows no text to do it with.
    let mut report = Report::new(Path::new(""), "");
    let mut reader = Reader { text: "", report: &mut report };
    let mut pieces = Pieces { text, file: File::default(), seen: HashMap::new() };
    let mut start = 0;
    while start < text.len() {
        let end = end(start);
        let (root, errors) = DeTable::parse_recoverable(text.get(start..end)?);
        if !errors.is_empty() {
            return None;
        }
        let mut root = shifted(root.into_inner(), start);
        pieces.join(&mut root)?;
        reader.tables(root, &mut pieces.file);
        if reader.report.count() > 0 {
            return None;
        }
        start = end;
    }
    Some(pieces.file)
}

/// Where the next piece begins: at a line, not before `from`, that looks as if it began an entry.
fn cut(text: &str, from: usize) -> usize {
    let rest = text.as_bytes().get(from..).unwrap_or_default();
    let mut lines = memmem::find_iter(rest, b"\n[").map(|at| from + at + 1);
    lines.find(|line| text.get(*line..).is_some_and(begins_entry)).unwrap_or(text.len())
}

/// Whether this is the header of `[TABLE.NAME]`, or of a key, rather than one that goes on with an entry, such as `[[route.NAME.allow]]`.
/// A wrong guess costs memory alone.
fn begins_entry(text: &str) -> bool {
    let header = text.lines().next().and_then(|line| line.strip_prefix('[')?.split_once(']'));
    let is_one = |path: &str| path.matches('.').count() == 1 || path.contains(".api_key.key.");
    header.is_some_and(|(path, _)| !path.starts_with('[') && is_one(path))
}

/// A table as if it stood so many bytes further on.
fn shifted<'a>(table: DeTable<'a>, by: usize) -> DeTable<'a> {
    let place = |span: Range<usize>| span.start + by..span.end + by;
    let key = |key: Spanned<DeString<'a>>| Spanned::new(place(key.span()), key.into_inner());
    table.into_iter().map(|(name, value)| (key(name), shifted_value(value, by))).collect()
}

fn shifted_value(value: Spanned<DeValue<'_>>, by: usize) -> Spanned<DeValue<'_>> {
    let span = value.span();
    let shifted = match value.into_inner() {
        DeValue::Table(table) => DeValue::Table(shifted(table, by)),
        DeValue::Array(mut array) => {
            for one in array.iter_mut() {
                let none = Spanned::new(0..0, DeValue::Boolean(false));
                *one = shifted_value(std::mem::replace(one, none), by);
            }
            DeValue::Array(array)
        }
        plain @ (DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)) => plain,
    };
    Spanned::new(span.start + by..span.end + by, shifted)
}

/// What the pieces so far came to.
struct Pieces<'a> {
    text: &'a str,
    file: File,
    seen: HashMap<String, Seen>,
}

/// A table that was in a piece.
struct Seen {
    /// Whether later pieces may add entries.
    is_open: bool,
    /// Its entries, and whether later pieces may add keys to them.
    names: HashMap<String, bool>,
}

/// How a table came to be.
#[derive(PartialEq)]
enum Opened {
    /// By a header of its own.
    Itself,
    /// By the header of a table in it.
    Passing,
}

impl Pieces<'_> {
    /// Makes room for a piece: nothing in it may stand in an earlier one too. Keys that it adds to an authenticator of an earlier one are
    /// moved into the file; the rest is left.
    fn join(&mut self, root: &mut DeTable<'_>) -> Option<()> {
        for (table, value) in root.iter_mut() {
            let table = table.get_ref().as_ref();
            let opened = self.opened(value);
            if self.seen.get(table).is_some_and(|seen| !seen.is_open || opened != Some(Opened::Passing)) {
                return None;
            }
            let is_open = opened.is_some() && !SINGLE.contains(&table);
            let new = || Seen { is_open, names: HashMap::new() };
            let mut seen = self.seen.remove(table).unwrap_or_else(new);
            if let DeValue::Table(entries) = value.get_mut() {
                self.join_entries(table == "authn", entries, &mut seen.names)?;
            }
            self.seen.insert(table.to_owned(), seen);
        }
        Some(())
    }

    fn join_entries(
        &mut self,
        have_keys: bool,
        entries: &mut DeTable<'_>,
        seen: &mut HashMap<String, bool>,
    ) -> Option<()> {
        let mut continued = Vec::new();
        for (name, entry) in entries.iter() {
            let name = name.get_ref().as_ref();
            match seen.get(name) {
                None => drop(seen.insert(name.to_owned(), have_keys && self.takes_keys(entry))),
                Some(true) => continued.push(name.to_owned()),
                Some(false) => return None,
            }
        }
        for name in continued {
            let entry = entries.remove(name.as_str())?;
            self.add_keys(&name, entry)?;
        }
        Some(())
    }

    /// Whether this `[authn.NAME]` is such that a header further on may add a key to it.
    fn takes_keys(&self, entry: &Spanned<DeValue<'_>>) -> bool {
        let method = self.opened(entry).and_then(|_| entry.get_ref().get("api_key"));
        let is_open = method.is_some_and(|method| self.opened(method).is_some());
        let keys = method.and_then(|method| method.get_ref().get("key"));
        is_open && keys.is_none_or(|keys| self.opened(keys).is_some())
    }

    /// Moves the keys of an entry that holds nothing else to those of the same authenticator.
    fn add_keys(&mut self, name: &str, entry: Spanned<DeValue<'_>>) -> Option<()> {
        let method = self.only(entry, "api_key")?;
        let keys = self.only(method, "key")?;
        if self.opened(&keys)? != Opened::Passing {
            return None;
        }
        let keys =
            BTreeMap::<values::Spanned<String>, values::Spanned<KeyTable>>::deserialize(ValueDeserializer::from(keys));
        let AuthnTable::ApiKey(known) = &mut self.file.authn.get_mut(name)?.table else { return None };
        for (label, key) in keys.ok()? {
            if known.key.insert(label, key).is_some() {
                return None;
            }
        }
        Some(())
    }

    /// The only value of a table that only passing made.
    fn only<'v>(&self, value: Spanned<DeValue<'v>>, key: &str) -> Option<Spanned<DeValue<'v>>> {
        if self.opened(&value)? != Opened::Passing {
            return None;
        }
        let DeValue::Table(mut table) = value.into_inner() else { return None };
        let only = table.remove(key)?;
        table.is_empty().then_some(only)
    }

    /// How a table came to be, where headers alone made it: an inline table, or one of dotted keys, takes nothing from further on. Told by
    /// what it stands at, which is the header, or the key that was passed: no line but a header begins with `[` and then names a table.
    fn opened(&self, value: &Spanned<DeValue<'_>>) -> Option<Opened> {
        if !value.get_ref().is_table() {
            return None;
        }
        let (before, at) = self.text.split_at_checked(value.span().start)?;
        if at.starts_with('[') {
            return Some(Opened::Itself);
        }
        let line = before.rfind('\n').map_or(before, |end| before.split_at(end + 1).1);
        line.trim_start().starts_with('[').then_some(Opened::Passing)
    }
}

#[cfg(test)]
mod tests;
