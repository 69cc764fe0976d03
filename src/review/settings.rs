//! What changes in a configuration besides rules: key by key as it was written, in plain words where a key matters to security.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Change, Effect};

type Written = BTreeMap<String, String>;

/// What it means that a key says something else.
#[derive(Debug, Clone, Copy)]
enum Leaning {
    /// What it lists is let in: more of it opens.
    Opens,
    /// What it names protects: having it closes.
    Protects,
    /// This value opens, every other closes.
    OpenIf(&'static str),
    /// This value closes, every other opens.
    ClosedIf(&'static str),
    /// A number of which more closes.
    MoreCloses,
}

/// Keys of which it can be said. `NAME` is any.
const LEANINGS: &[(&str, Leaning)] = &[
    ("route.NAME.authn", Leaning::Opens),
    ("route.NAME.limits", Leaning::Protects),
    ("route.NAME.inspect", Leaning::Protects),
    ("route.NAME.leak", Leaning::Protects),
    ("route.NAME.mode", Leaning::OpenIf("\"shadow\"")),
    ("route.NAME.scrub", Leaning::OpenIf("\"lenient\"")),
    ("route.NAME.websocket", Leaning::OpenIf("true")),
    ("route.NAME.encoded_slash", Leaning::OpenIf("true")),
    ("route.NAME.revocation_critical", Leaning::ClosedIf("true")),
    ("role.NAME.requires", Leaning::Protects),
    ("role.NAME.networks", Leaning::Protects),
    ("approval.NAME.approvers", Leaning::Opens),
    ("approval.NAME.requesters", Leaning::Protects),
    ("approval.NAME.break_glass", Leaning::Opens),
    ("approval.NAME.needed", Leaning::MoreCloses),
    ("approval.NAME.exact", Leaning::ClosedIf("true")),
    ("approval.NAME.ticket", Leaning::ClosedIf("true")),
    ("failures.enabled", Leaning::OpenIf("false")),
    ("egress.allow", Leaning::Opens),
    ("listen.NAME.forwarded_from", Leaning::Opens),
    ("listen.NAME.client_cert_from", Leaning::Opens),
];

/// Keys that are compared by what they mean, elsewhere.
const BY_MEANING: &[&str] = &["route.NAME.allow", "role.NAME.members", "role.NAME.claims"];
/// Tables of named entries of which each is of a kind that stands behind its name.
const KINDS: &[&str] = &["authn", "vault", "credential"];
/// Tables that are there once.
const SINGLE: &[&str] =
    &["server", "admin", "audit", "store", "cluster", "egress", "failures", "identity_token", "sessions", "access"];

/// What two configurations say otherwise.
pub(super) fn compare(old: &Written, new: &Written) -> Vec<Change> {
    let (before, after) = (entries(old), entries(new));
    let mut changes = Vec::new();
    let is_named = |entry: &&String| entry.contains('.');
    for added in after.difference(&before).filter(is_named) {
        changes.push(Change::plain(Effect::Changed, subject(added), whole(added, "added", new)));
    }
    for removed in before.difference(&after).filter(is_named) {
        changes.push(Change::plain(Effect::Changed, subject(removed), whole(removed, "removed", old)));
    }
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for path in keys {
        let entry = entry(path);
        let is_in_both = !is_named(&&entry) || before.contains(&entry) && after.contains(&entry);
        if is_in_both && old.get(path) != new.get(path) && !BY_MEANING.contains(&pattern(path).as_str()) {
            changes.push(change(path, old.get(path), new.get(path), new));
        }
    }
    changes
}

/// The tables, and the named ones each by itself: `route.api`, `server`.
fn entries(written: &Written) -> BTreeSet<String> {
    written.keys().map(|path| entry(path)).collect()
}

fn entry(path: &str) -> String {
    let steps = if SINGLE.contains(&path.split('.').next().unwrap_or_default()) { 1 } else { 2 };
    path.split('.').take(steps).collect::<Vec<_>>().join(".")
}

/// The path with `NAME` where a name stands.
fn pattern(path: &str) -> String {
    let entry = entry(path);
    match entry.split_once('.') {
        Some((table, _)) => format!("{table}.NAME{}", &path[entry.len()..]),
        None => path.to_owned(),
    }
}

fn subject(entry: &str) -> String {
    entry.replacen('.', " ", 1)
}

/// An entry that is new or gone, with what matters of it.
fn whole(entry: &str, what: &str, written: &Written) -> String {
    let value = |key: &str| written.get(&format!("{entry}.{key}")).map(String::as_str);
    let told = match entry.split('.').next() {
        Some("route") => {
            let keys = ["host", "path", "methods", "target", "credential", "authn", "mode"];
            let all = keys.iter().filter_map(|key| Some(format!("{key} {}", value(key)?)));
            format!(": {}", all.collect::<Vec<_>>().join(", "))
        }
        Some("target") => value("url").map_or(String::new(), |url| format!(": {url}")),
        Some(kind) if KINDS.contains(&kind) => {
            let of = written.keys().find_map(|key| key.strip_prefix(entry)?.strip_prefix('.')?.split('.').next());
            of.map_or(String::new(), |of| format!(": {of}"))
        }
        Some(_) | None => String::new(),
    };
    format!("{} is {what}{told}", subject(entry))
}

fn change(path: &str, old: Option<&String>, new: Option<&String>, written: &Written) -> Change {
    let (entry, pattern) = (entry(path), pattern(path));
    let about = subject(&entry);
    let leaning = LEANINGS.iter().find(|(known, _)| *known == pattern).map(|(_, leaning)| *leaning);
    let effect = leaning.map_or(Effect::Changed, |leaning| effect(leaning, old, new));
    let text = special(&about, &pattern, old, new, written).unwrap_or_else(|| plain(&about, path, &entry, old, new));
    Change::plain(effect, about, text)
}

fn plain(about: &str, path: &str, entry: &str, old: Option<&String>, new: Option<&String>) -> String {
    let key = path.strip_prefix(entry).map_or(path, |rest| rest.trim_start_matches('.'));
    match (old, new) {
        (Some(old), Some(new)) => format!("{about}: `{key}` is {new}, was {old}"),
        (None, Some(new)) if new.is_empty() => format!("{about}: `{key}` is there"),
        (None, Some(new)) => format!("{about}: `{key}` is {new}, was not written"),
        (Some(old), None) => format!("{about}: `{key}` is not written, was {old}"),
        (None, None) => String::new(),
    }
}

/// What everybody should understand who reads no configurations.
fn special(
    about: &str,
    pattern: &str,
    old: Option<&String>,
    new: Option<&String>,
    written: &Written,
) -> Option<String> {
    let text = |value: Option<&String>| value.map_or_else(|| "nothing".to_owned(), ToString::to_string);
    let url =
        |name: &String| written.get(&format!("target.{}.url", name.trim_matches('"'))).cloned().unwrap_or_default();
    let has_nobody = |value: Option<&String>| value.is_some_and(|list| list.contains("\"anonymous\""));
    Some(match pattern {
        "route.NAME.authn" if has_nobody(new) && !has_nobody(old) => {
            format!("{about} becomes open to callers who prove nothing: `authn` is {}, was {}", text(new), text(old))
        }
        "route.NAME.target" => {
            format!("{about} sends requests to target {} ({}), not to {}", text(new), new.map(url)?, text(old))
        }
        "route.NAME.credential" => format!("{about} puts credential {} on requests, not {}", text(new), text(old)),
        "target.NAME.url" => {
            format!("{about} is {}, not {}: what is sent to it goes there, credentials too", text(new), text(old))
        }
        "route.NAME.mode" if new.is_some_and(|mode| mode == "\"shadow\"") => {
            format!("{about} does not enforce its rules any more (`shadow`)")
        }
        _ if pattern.starts_with("credential.NAME.") && pattern.ends_with(".target") => {
            format!("{about} goes to target {} ({}), not to {}", text(new), new.map(url)?, text(old))
        }
        _ => return None,
    })
}

fn effect(leaning: Leaning, old: Option<&String>, new: Option<&String>) -> Effect {
    let items = |value: Option<&String>| -> BTreeSet<String> {
        let list = value.map(|text| text.trim_matches(['[', ']']).split(", ").map(str::to_owned).collect());
        let mut all: BTreeSet<String> = list.unwrap_or_default();
        all.remove("");
        all
    };
    let is = |value: Option<&String>, word: &str| value.is_some_and(|text| text == word);
    let number = |value: Option<&String>| value.map_or(Some(1), |text| text.parse::<i64>().ok());
    let from_to = |was: bool, will_be: bool| match (was, will_be) {
        (false, true) => Effect::Gained,
        (true, false) => Effect::Lost,
        (true, true) | (false, false) => Effect::Changed,
    };
    match leaning {
        Leaning::OpenIf(word) => from_to(is(old, word), is(new, word)),
        Leaning::ClosedIf(word) => from_to(is(new, word), is(old, word)),
        Leaning::Opens => {
            let (old, new) = (items(old), items(new));
            from_to(!old.is_subset(&new), !new.is_subset(&old))
        }
        Leaning::Protects => {
            let (old, new) = (items(old), items(new));
            match (old.is_empty(), new.is_empty()) {
                (true, false) => Effect::Lost,
                (false, true) => Effect::Gained,
                (false, false) | (true, true) => Effect::Changed,
            }
        }
        Leaning::MoreCloses => match (number(old), number(new)) {
            (Some(old), Some(new)) => from_to(new > old, new < old),
            (None, _) | (_, None) => Effect::Changed,
        },
    }
}
