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

mod pieces;

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
    pub(super) sink: Entries<SinkTable>,
    pub(super) trace: Option<TraceTable>,
    pub(super) store: Option<StoreTable>,
    pub(super) cluster: Option<ClusterTable>,
    pub(super) egress: EgressTable,
    pub(super) failures: FailuresTable,
    pub(super) monitor: MonitorTable,
    pub(super) notify: Entries<NotifyTable>,
    pub(super) identity_token: Option<IssuerTable>,
    pub(super) sessions: Option<SessionsTable>,
    pub(super) access: Option<AccessTable>,
    pub(super) approval: Entries<ApprovalTable>,
    pub(super) listen: Entries<ListenTable>,
    pub(super) authn: Entries<AuthnTable>,
    pub(super) role: Entries<RoleTable>,
    pub(super) vault: Entries<VaultTable>,
    pub(super) target: Entries<TargetTable>,
    pub(super) credential: Entries<CredentialTable>,
    pub(super) rotation: Entries<RotationTable>,
    pub(super) limit: Entries<LimitTable>,
    pub(super) inspect: Entries<InspectTable>,
    pub(super) leak: Entries<LeakTable>,
    pub(super) route: Entries<RouteTable>,
    /// Entries that could not be read, by table: told already, so that who names one is not wrong.
    pub(super) unreadable: BTreeMap<&'static str, Vec<Name>>,
}

/// Every table, in the order in which the reference tells of them.
pub(super) const TABLES: [&str; 26] = [
    "server",
    "admin",
    "audit",
    "sink",
    "trace",
    "store",
    "cluster",
    "egress",
    "failures",
    "monitor",
    "notify",
    "identity_token",
    "sessions",
    "access",
    "approval",
    "listen",
    "authn",
    "role",
    "vault",
    "target",
    "credential",
    "rotation",
    "limit",
    "inspect",
    "leak",
    "route",
];

/// Reads a file; what is wrong goes to the report.
pub(super) fn read<'a>(text: &'a str, report: &mut Report<'a>) -> File {
    let in_pieces = if text.len() > LARGE { pieces::read(text, pieces::PIECE) } else { None };
    in_pieces.unwrap_or_else(|| read_whole(text, report))
}

/// The size in bytes from which on it matters what parsing takes; smaller files go the plain way.
const LARGE: usize = 1024 * 1024;

fn read_whole<'a>(text: &'a str, report: &mut Report<'a>) -> File {
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        report.add(error.span().unwrap_or_default(), error.message(), "see https://toml.io for TOML's syntax");
    }
    let mut file = File::default();
    if errors.is_empty() {
        Reader { text, report }.tables(root.into_inner(), &mut file);
    }
    file
}

struct Reader<'r, 'a> {
    text: &'a str,
    report: &'r mut Report<'a>,
}

impl<'a> Reader<'_, 'a> {
    /// Adds tables to those of the file.
    fn tables(&mut self, root: DeTable<'_>, file: &mut File) {
        let lost = &mut file.unreadable;
        for (key, value) in root {
            let span = key.span();
            match key.get_ref().as_ref() {
                "server" => file.server = self.single("server", value).unwrap_or_default(),
                "admin" => file.admin = self.single("admin", value),
                "audit" => file.audit = self.single("audit", value).unwrap_or_default(),
                "sink" => self.entries("sink", value, &mut file.sink, lost),
                "trace" => file.trace = self.single("trace", value),
                "store" => file.store = self.single("store", value),
                "cluster" => file.cluster = self.single("cluster", value),
                "egress" => file.egress = self.single("egress", value).unwrap_or_default(),
                "failures" => file.failures = self.single("failures", value).unwrap_or_default(),
                "monitor" => file.monitor = self.single("monitor", value).unwrap_or_default(),
                "notify" => self.entries("notify", value, &mut file.notify, lost),
                "identity_token" => file.identity_token = self.single("identity_token", value),
                "sessions" => file.sessions = self.single("sessions", value),
                "access" => file.access = self.single("access", value),
                "approval" => self.entries("approval", value, &mut file.approval, lost),
                "listen" => self.entries("listen", value, &mut file.listen, lost),
                "authn" => self.entries("authn", value, &mut file.authn, lost),
                "role" => self.entries("role", value, &mut file.role, lost),
                "vault" => self.entries("vault", value, &mut file.vault, lost),
                "target" => self.entries("target", value, &mut file.target, lost),
                "credential" => self.entries("credential", value, &mut file.credential, lost),
                "rotation" => self.entries("rotation", value, &mut file.rotation, lost),
                "limit" => self.entries("limit", value, &mut file.limit, lost),
                "inspect" => self.entries("inspect", value, &mut file.inspect, lost),
                "leak" => self.entries("leak", value, &mut file.leak, lost),
                "route" => self.entries("route", value, &mut file.route, lost),
                other => {
                    let cure = cure_for_unknown(other, &TABLES);
                    self.report.add(span, format!("unknown table `{other}`"), cure);
                }
            }
        }
    }

    fn single<T: DeserializeOwned>(&mut self, table: &str, value: Spanned<DeValue<'_>>) -> Option<T> {
        match T::deserialize(ValueDeserializer::from(value)) {
            Ok(read) => Some(read),
            Err(error) => self.tell_all(&[table], error),
        }
    }

    fn entries<T: DeserializeOwned>(
        &mut self,
        table: &'static str,
        value: Spanned<DeValue<'_>>,
        entries: &mut Entries<T>,
        unreadable: &mut BTreeMap<&'static str, Vec<Name>>,
    ) {
        let span = value.span();
        let DeValue::Table(named) = value.into_inner() else {
            self.report.add(span, format!("`{table}` is a table of named entries"), format!("write `[{table}.NAME]`"));
            return;
        };
        for (key, value) in named {
            let span = key.span();
            let cure = format!("write `[{table}.NAME]` with such a name");
            let Some(name) = self.report.take(span.clone(), Name::parse(key.get_ref()), cure) else { continue };
            if !value.get_ref().is_table() {
                // Not left to the deserializer: it would show the value.
                self.report.add(value.span(), "this is to be a table", format!("write `[{table}.{name}]`"));
                unreadable.entry(table).or_default().push(name);
                continue;
            }
            match T::deserialize(ValueDeserializer::from(value)) {
                Ok(read) => drop(entries.insert(name, Entry { span, table: read })),
                Err(error) => match self.tell_all(&[table, name.as_str()], error) {
                    Some(repaired) => drop(entries.insert(name, Entry { span, table: repaired })),
                    None => unreadable.entry(table).or_default().push(name),
                },
            }
        }
    }

    /// Tells an error, then takes its key out and reads again, until nothing more is wrong or nothing can be taken out. Gives what is left,
    /// for the errors that later checks find in it. The tables are parsed anew for it, so that files without errors pay nothing.
    fn tell_all<T: DeserializeOwned>(&mut self, path: &[&str], first: Error) -> Option<T> {
        self.tell(&first, &[]);
        let root = DeTable::parse(self.text).ok()?;
        let span = root.span();
        let mut value = Spanned::new(span, DeValue::Table(root.into_inner()));
        for step in path {
            let DeValue::Table(mut table) = value.into_inner() else { return None };
            value = table.remove(*step)?;
        }
        let mut removed = Vec::new();
        let mut error = first;
        while let Some(key) = error.span().and_then(|span| take_out(value.get_mut(), &span)) {
            removed.push(key);
            match T::deserialize(ValueDeserializer::from(value.clone())) {
                Ok(repaired) => return Some(repaired),
                Err(next) => {
                    self.tell(&next, &removed);
                    error = next;
                }
            }
        }
        None
    }

    fn tell(&mut self, error: &Error, removed: &[String]) {
        let message = error.message();
        let is_ours = |field: &String| message.contains(&format!("missing field `{field}`"));
        let is_emptied = !removed.is_empty() && message.starts_with(NO_KIND);
        if is_emptied || removed.iter().any(is_ours) {
            return;
        }
        let (message, cure) = in_our_words(message);
        self.report.add(error.span().unwrap_or_default(), message, cure);
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

/// An error of serde's or of ours as message and cure. Serde's tell the value they met, which may be a secret in the wrong place: it is left
/// out.
fn in_our_words(message: &str) -> (String, String) {
    let quoted = |text: &str| text.split('`').nth(1).unwrap_or_default().to_owned();
    let said = |what: &str, cure: &str| (what.to_owned(), cure.to_owned());
    if message.starts_with(NO_KIND) {
        return said("an entry is of exactly one kind", "write it behind the name, such as `[vault.NAME.directory]`");
    }
    if message.starts_with("missing field") {
        let key = quoted(message);
        return (format!("the key `{key}` is missing"), format!("add `{key} = ...`"));
    }
    if let Some((unknown, expected)) = message.split_once(", expected")
        && unknown.starts_with("unknown")
    {
        let candidates: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        let word = quoted(unknown);
        return (format!("unknown key `{word}`"), cure_for_unknown(&word, &candidates));
    }
    if message.starts_with("invalid")
        && let Some((_, expected)) = message.rsplit_once(", expected ")
    {
        return (
            "a value of another type belongs here".to_owned(),
            format!("write {}", expected.replace("a sequence", "a list").replace("a map", "a table")),
        );
    }
    match message.split_once("; ") {
        Some((what, cure)) => said(what, cure),
        None => said(message, ""),
    }
}

fn cure_for_unknown(word: &str, candidates: &[&str]) -> String {
    match nearest(word, candidates.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("known here: {}", candidates.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_repeated() {
        for (message, what, cure) in [
            ("missing field `url`", "the key `url` is missing", "add `url = ...`"),
            ("unknown field `ulr`, expected one of `url`, `http`", "unknown key `ulr`", "did you mean `url`?"),
            ("unknown variant `x`, expected `jwt` or `api_key`", "unknown key `x`", "known here: jwt, api_key"),
            (
                "invalid type: string \"s3cret, expected\", expected u16",
                "a value of another type belongs here",
                "write u16",
            ),
            ("not a size; write one", "not a size", "write one"),
        ] {
            assert_eq!(in_our_words(message), (what.to_owned(), cure.to_owned()), "{message}");
        }
    }
}
