//! Text -> tables. Goes on after an error: what is wrong in one entry hides nothing in another, and within an entry a key that is wrong is
//! told, taken out, and the rest read again.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error, ValueDeserializer};

use super::diagnostic::{Report, nearest};
use super::file::*;
use crate::domain::Name;

/// One named entry and where its name stands.
#[derive(Debug)]
pub(super) struct Entry<T> {
    pub(super) span: Range<usize>,
    pub(super) table: T,
}

pub(super) type Entries<T> = BTreeMap<Name, Entry<T>>;

/// The whole file.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) server: ServerTable,
    pub(super) admin: Option<AdminTable>,
    pub(super) audit: AuditTable,
    pub(super) egress: EgressTable,
    pub(super) listen: Entries<ListenTable>,
    pub(super) authn: Entries<AuthnTable>,
    pub(super) role: Entries<RoleTable>,
    pub(super) vault: Entries<VaultTable>,
    pub(super) target: Entries<TargetTable>,
    pub(super) credential: Entries<CredentialTable>,
    pub(super) limit: Entries<LimitTable>,
    pub(super) route: Entries<RouteTable>,
    /// Entries that could not be read, by table: told already, so that who names one is not wrong.
    pub(super) unreadable: BTreeMap<&'static str, Vec<Name>>,
}

const TABLES: [&str; 12] = [
    "server",
    "admin",
    "audit",
    "egress",
    "listen",
    "authn",
    "role",
    "vault",
    "target",
    "credential",
    "limit",
    "route",
];

/// Reads a file; what is wrong goes to the report.
pub(super) fn read<'a>(text: &'a str, report: &mut Report<'a>) -> File {
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        report.add(error.span().unwrap_or_default(), error.message(), "see https://toml.io for TOML's syntax");
    }
    let mut file = File::default();
    if !errors.is_empty() {
        return file;
    }
    let mut reader = Reader { text, report, unreadable: BTreeMap::new() };
    for (key, value) in root.into_inner() {
        let span = key.span();
        match key.get_ref().as_ref() {
            "server" => file.server = reader.single("server", value).unwrap_or_default(),
            "admin" => file.admin = reader.single("admin", value),
            "audit" => file.audit = reader.single("audit", value).unwrap_or_default(),
            "egress" => file.egress = reader.single("egress", value).unwrap_or_default(),
            "listen" => file.listen = reader.entries("listen", value),
            "authn" => file.authn = reader.entries("authn", value),
            "role" => file.role = reader.entries("role", value),
            "vault" => file.vault = reader.entries("vault", value),
            "target" => file.target = reader.entries("target", value),
            "credential" => file.credential = reader.entries("credential", value),
            "limit" => file.limit = reader.entries("limit", value),
            "route" => file.route = reader.entries("route", value),
            other => {
                let cure = cure_for_unknown(other, &TABLES);
                reader.report.add(span, format!("unknown table `{other}`"), cure);
            }
        }
    }
    file.unreadable = reader.unreadable;
    file
}

struct Reader<'r, 'a> {
    text: &'a str,
    report: &'r mut Report<'a>,
    unreadable: BTreeMap<&'static str, Vec<Name>>,
}

impl<'a> Reader<'_, 'a> {
    fn single<T: DeserializeOwned>(&mut self, table: &str, value: Spanned<DeValue<'a>>) -> Option<T> {
        match T::deserialize(ValueDeserializer::from(value)) {
            Ok(read) => Some(read),
            Err(error) => {
                self.tell_all::<T>(&[table], error);
                None
            }
        }
    }

    fn entries<T: DeserializeOwned>(&mut self, table: &'static str, value: Spanned<DeValue<'a>>) -> Entries<T> {
        let span = value.span();
        let DeValue::Table(named) = value.into_inner() else {
            self.report.add(span, format!("`{table}` is a table of named entries"), format!("write `[{table}.NAME]`"));
            return Entries::new();
        };
        let mut entries = Entries::new();
        for (key, value) in named {
            let span = key.span();
            let cure = format!("write `[{table}.NAME]` with such a name");
            let Some(name) = self.report.take(span.clone(), Name::parse(key.get_ref()), cure) else { continue };
            if !value.get_ref().is_table() {
                // Not left to the deserializer: it would show the value.
                self.report.add(value.span(), "this is to be a table", format!("write `[{table}.{name}]`"));
                self.unreadable.entry(table).or_default().push(name);
                continue;
            }
            match T::deserialize(ValueDeserializer::from(value)) {
                Ok(read) => drop(entries.insert(name, Entry { span, table: read })),
                Err(error) => {
                    self.tell_all::<T>(&[table, name.as_str()], error);
                    self.unreadable.entry(table).or_default().push(name);
                }
            }
        }
        entries
    }

    /// Tells an error, then takes its key out and reads again, until nothing more is wrong or nothing can be taken out. The tables are
    /// parsed anew for it, so that files without errors pay nothing.
    fn tell_all<T: DeserializeOwned>(&mut self, path: &[&str], first: Error) {
        self.tell(&first, &[]);
        let Ok(root) = DeTable::parse(self.text) else { return };
        let span = root.span();
        let mut value = Spanned::new(span, DeValue::Table(root.into_inner()));
        for step in path {
            let DeValue::Table(mut table) = value.into_inner() else { return };
            let Some(next) = table.remove(*step) else { return };
            value = next;
        }
        let mut removed = Vec::new();
        let mut error = first;
        while let Some(key) = error.span().and_then(|span| take_out(value.get_mut(), &span)) {
            removed.push(key);
            match T::deserialize(ValueDeserializer::from(value.clone())) {
                Ok(_) => return,
                Err(next) => {
                    self.tell(&next, &removed);
                    error = next;
                }
            }
        }
    }

    fn tell(&mut self, error: &Error, removed: &[String]) {
        let message = error.message();
        let is_ours = |field: &String| message.contains(&format!("missing field `{field}`"));
        let is_emptied = !removed.is_empty() && message.starts_with(NO_KIND);
        if is_emptied || removed.iter().any(is_ours) {
            return;
        }
        let shown = without_values(message);
        let (shown, cure) = match shown.split_once("; ") {
            Some((shown, cure)) => (shown.to_owned(), cure.to_owned()),
            None => (shown, cure_for(message)),
        };
        self.report.add(error.span().unwrap_or_default(), shown, cure);
    }
}

/// Takes out the innermost key that stands at, or whose value holds, this place; tells its name.
fn take_out(value: &mut DeValue<'_>, place: &Range<usize>) -> Option<String> {
    match value {
        DeValue::Table(table) => {
            for (_, inner) in table.iter_mut() {
                let found = take_out(inner.get_mut(), place);
                if found.is_some() {
                    return found;
                }
            }
            let at = |span: Range<usize>| span.start <= place.start && place.end <= span.end;
            let is_it = |key: &Spanned<_>, inner: &Spanned<DeValue<'_>>| {
                at(key.span()) || (at(inner.span()) && !inner.get_ref().is_table())
            };
            let key = table.iter().find(|(key, inner)| is_it(key, inner)).map(|(key, _)| key.get_ref().to_string())?;
            table.remove(key.as_str());
            Some(key)
        }
        DeValue::Array(array) => array.iter_mut().find_map(|inner| take_out(inner.get_mut(), place)),
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {
            None
        }
    }
}

/// How the deserializer says that an entry names no kind, or several.
const NO_KIND: &str = "wanted exactly 1 element";

/// An error's text without the value it met: `invalid type: string "...", expected u16` -> `invalid type: string, expected u16`.
fn without_values(message: &str) -> String {
    if message.starts_with(NO_KIND) {
        return "an entry is of exactly one kind".to_owned();
    }
    match (message.find(['"', '`']), message.rfind(", expected")) {
        (Some(open), Some(close)) if message.starts_with("invalid type") || message.starts_with("invalid value") => {
            format!("{}{}", message[..open.min(close)].trim_end(), &message[close..])
        }
        _ => message.to_owned(),
    }
}

fn cure_for(message: &str) -> String {
    if let Some(rest) = message.strip_prefix("missing field `") {
        let field = rest.trim_end_matches('`');
        return format!("add `{field} = ...`");
    }
    if message.starts_with(NO_KIND) {
        return "write it behind the name, such as `[vault.NAME.directory]`".to_owned();
    }
    if message.starts_with("invalid type")
        && let Some((_, expected)) = message.rsplit_once(", expected ")
    {
        return format!("write {expected}");
    }
    let (Some((_, rest)), Some((_, expected))) = (message.split_once('`'), message.split_once(", expected")) else {
        return String::new();
    };
    if !message.starts_with("unknown") {
        return String::new();
    }
    let word = rest.split('`').next().unwrap_or_default();
    let candidates: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    cure_for_unknown(word, &candidates)
}

fn cure_for_unknown(word: &str, candidates: &[&str]) -> String {
    match nearest(word, candidates.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("known here: {}", candidates.join(", ")),
    }
}
