//! What changes in a configuration besides rules: key by key as it was written, in plain words where a key matters to security.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Change, Effect};
use super::leaning;

type Written = BTreeMap<String, String>;

/// Keys that are compared by what they mean, elsewhere.
const BY_MEANING: &[&str] = &["route.NAME.allow", "role.NAME.members", "role.NAME.claims"];
/// Tables of named entries of which each is of a kind that stands behind its name.
const KINDS: &[&str] = &["authn", "vault", "credential"];
/// Tables that are there once.
const SINGLE: &[&str] = &[
    "server",
    "admin",
    "audit",
    "trace",
    "store",
    "cluster",
    "egress",
    "failures",
    "monitor",
    "identity_token",
    "sessions",
    "access",
];
/// The tables below an authenticator, of whatever kind, whose entries each let somebody in.
const CALLERS: &[&str] = &["key", "user"];

/// What two configurations say otherwise.
pub(super) fn compare(old: &Written, new: &Written) -> Vec<Change> {
    let (before, after) = (entries(old), entries(new));
    let mut changes = Vec::new();
    let is_named = |entry: &&String| entry.contains('.');
    for added in after.difference(&before).filter(is_named) {
        let effect = appears(added, new, (Effect::Gained, Effect::Lost));
        let told = Change::plain(effect, subject(added), whole(added, "added", new));
        changes.push(told.harmless_if(leaning::is_harmless_when_added(table(added))));
    }
    for removed in before.difference(&after).filter(is_named) {
        let effect = appears(removed, old, (Effect::Lost, Effect::Gained));
        let told = Change::plain(effect, subject(removed), whole(removed, "removed", old));
        changes.push(told.harmless_if(leaning::is_harmless_when_removed(table(removed))));
    }
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for path in keys {
        let entry = entry(path);
        let is_in_both = !entry.contains('.') || before.contains(entry) && after.contains(entry);
        if is_in_both
            && !is_filled(path, old, new)
            && old.get(path) != new.get(path)
            && !BY_MEANING.contains(&pattern(path).as_str())
        {
            changes.push(change(path, old.get(path), new.get(path), new));
        }
    }
    changes
}

/// Whether a table that is empty in one of them has keys in the other, which are told by themselves.
fn is_filled(path: &str, old: &Written, new: &Written) -> bool {
    let has_keys =
        |all: &Written| all.keys().any(|key| key.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')));
    let is_empty = |all: &Written| all.get(path).is_some_and(String::is_empty);
    is_empty(old) && has_keys(new) || is_empty(new) && has_keys(old)
}

/// What an entry does that appears: the first where it lets somebody in, the second where it confines a role. One that goes does the opposite.
fn appears(entry: &str, written: &Written, (lets_in, confines): (Effect, Effect)) -> Effect {
    let says = |key: &str| written.get(&format!("{entry}.{key}")).is_some_and(|value| value != "[]");
    let is_bait = written.get(&format!("{entry}.canary")).is_some_and(|value| value == "true");
    let has_hours =
        || written.keys().any(|key| key.strip_prefix(entry).is_some_and(|rest| rest.starts_with(".hours.")));
    if caller(entry).is_some() && !is_bait {
        lets_in
    } else if table(entry) == "role" && (says("requires") || says("networks") || has_hours()) {
        confines
    } else {
        Effect::Changed
    }
}

/// The tables, and the named ones each by itself: `route.api`, `server`, and within `authn.keys` also `authn.keys.api_key.key.nightly`.
fn entries(written: &Written) -> BTreeSet<String> {
    written.keys().flat_map(|path| [named(path), entry(path)]).map(str::to_owned).collect()
}

fn table(path: &str) -> &str {
    path.split('.').next().unwrap_or_default()
}

/// So many steps of a path.
fn steps(path: &str, many: usize) -> &str {
    path.match_indices('.').nth(many.saturating_sub(1)).map_or(path, |(end, _)| &path[..end])
}

fn named(path: &str) -> &str {
    steps(path, if SINGLE.contains(&table(path)) { 1 } else { 2 })
}

/// The part of the path that names a caller with a credential in the configuration: `authn.keys.api_key.key.nightly`.
fn caller(path: &str) -> Option<&str> {
    let sort = path.split('.').nth(3)?;
    let is_one = table(path) == "authn" && CALLERS.contains(&sort) && path.split('.').nth(4).is_some();
    is_one.then(|| steps(path, 5))
}

fn entry(path: &str) -> &str {
    caller(path).unwrap_or_else(|| named(path))
}

/// The path with `NAME` where a name stands.
fn pattern(path: &str) -> String {
    let entry = entry(path);
    let rest = &path[entry.len()..];
    match (caller(path), entry.split_once('.')) {
        (Some(_), _) => format!("authn.NAME.key.NAME{rest}"),
        (None, Some((table, _))) => format!("{table}.NAME{rest}"),
        (None, None) => path.to_owned(),
    }
}

fn subject(entry: &str) -> String {
    entry.replacen('.', " ", 1)
}

/// An entry that is new or gone, with what matters of it.
fn whole(entry: &str, what: &str, written: &Written) -> String {
    let value = |key: &str| written.get(&format!("{entry}.{key}")).map(String::as_str);
    let all = |keys: &[&str]| {
        let all: Vec<_> = keys.iter().filter_map(|key| Some(format!("{key} {}", value(key)?))).collect();
        if all.is_empty() { String::new() } else { format!(": {}", all.join(", ")) }
    };
    let told = match entry.split('.').next() {
        Some("route") => all(&["host", "path", "methods", "target", "credential", "authn", "mode"]),
        Some("authn") if caller(entry).is_some() => all(&["owner", "roles", "scopes", "networks", "expires", "canary"]),
        Some("role") => all(&["requires", "networks", "hours.days", "hours.from", "hours.to"]),
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
    let about = subject(entry);
    let effect = leaning::of_key(&pattern, old.map(String::as_str), new.map(String::as_str));
    let text = special(&about, &pattern, old, new, written).unwrap_or_else(|| plain(&about, path, entry, old, new));
    Change::plain(effect, about, text).harmless_if(leaning::is_harmless(&pattern))
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
