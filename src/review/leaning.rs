//! What it means to security that a key of a configuration says something else.

use std::collections::BTreeSet;

use super::change::Effect;
use crate::domain::NetworkSet;

/// What a key's value does.
#[derive(Debug, Clone, Copy)]
enum Leaning {
    /// What it lists is let in: more of it opens.
    Opens,
    /// What it lists is let in, and everybody where it lists nothing: more of it opens, and none of it most.
    Confines,
    /// What it lists guards: less of it opens.
    Guards,
    /// What it names protects: having it closes.
    Protects,
    /// This value opens, every other closes.
    OpenIf(&'static str),
    /// This value closes, every other opens.
    ClosedIf(&'static str),
    /// A number of which more closes.
    MoreCloses,
    /// Any other value lets somebody else in.
    Shifts,
    /// When something ends: later opens, and never most.
    Ends,
}

/// Keys of which it can be said. `NAME` is any.
const LEANINGS: &[(&str, Leaning)] = &[
    ("route.NAME.authn", Leaning::Opens),
    ("route.NAME.limits", Leaning::Guards),
    ("route.NAME.inspect", Leaning::Protects),
    ("route.NAME.leak", Leaning::Protects),
    ("route.NAME.mode", Leaning::OpenIf("\"shadow\"")),
    ("route.NAME.scrub", Leaning::OpenIf("\"lenient\"")),
    ("route.NAME.websocket", Leaning::OpenIf("true")),
    ("route.NAME.encoded_slash", Leaning::OpenIf("true")),
    ("route.NAME.revocation_critical", Leaning::ClosedIf("true")),
    ("role.NAME.requires", Leaning::Confines),
    ("role.NAME.networks", Leaning::Confines),
    ("role.NAME.hours.days", Leaning::Confines),
    ("role.NAME.hours.from", Leaning::Protects),
    ("role.NAME.hours.to", Leaning::Protects),
    ("role.NAME.hours.zone", Leaning::Protects),
    ("authn.NAME.key.NAME.owner", Leaning::Shifts),
    ("authn.NAME.key.NAME.roles", Leaning::Opens),
    ("authn.NAME.key.NAME.scopes", Leaning::Opens),
    ("authn.NAME.key.NAME.networks", Leaning::Confines),
    ("authn.NAME.key.NAME.expires", Leaning::Ends),
    ("authn.NAME.key.NAME.canary", Leaning::ClosedIf("true")),
    ("approval.NAME.approvers", Leaning::Opens),
    ("approval.NAME.requesters", Leaning::Confines),
    ("approval.NAME.break_glass", Leaning::Opens),
    ("approval.NAME.needed", Leaning::MoreCloses),
    ("approval.NAME.exact", Leaning::ClosedIf("true")),
    ("approval.NAME.ticket", Leaning::ClosedIf("true")),
    ("sessions.authn", Leaning::Opens),
    ("sessions.limits", Leaning::Guards),
    ("access.authn", Leaning::Opens),
    ("access.limits", Leaning::Guards),
    ("failures.enabled", Leaning::OpenIf("false")),
    ("monitor.enabled", Leaning::OpenIf("false")),
    ("egress.allow", Leaning::Opens),
    ("listen.NAME.forwarded_from", Leaning::Opens),
    ("listen.NAME.client_cert_from", Leaning::Opens),
];

/// Keys that let nobody do more, whatever they say: how fast and how patiently the gateway works. What ends with a dot are all keys below it.
const HARMLESS: &[&str] = &[
    "server.threads",
    "server.drain",
    "audit.max_size",
    "audit.max_age",
    "target.NAME.balance",
    "target.NAME.http",
    "target.NAME.connect_timeout",
    "target.NAME.read_timeout",
    "target.NAME.write_timeout",
    "target.NAME.idle_timeout",
    "target.NAME.attempts",
    "target.NAME.health.",
];

/// Tables of which a new entry does nothing until something else names it, which is told by itself.
const NAMED_ONLY: &[&str] = &["route", "target", "vault", "credential", "limit", "inspect", "leak"];
/// Of these, the ones without which nothing is guarded less.
const NEVER_GUARD: &[&str] = &["route", "target", "vault"];

/// What it means that a key, by its pattern, says something else.
pub(super) fn of_key(pattern: &str, old: Option<&str>, new: Option<&str>) -> Effect {
    let leaning = LEANINGS.iter().find(|(known, _)| *known == pattern).map(|(_, leaning)| *leaning);
    leaning.map_or(Effect::Changed, |leaning| effect(leaning, old, new))
}

/// Whether a key, by its pattern, lets nobody do more whatever it says.
pub(super) fn is_harmless(pattern: &str) -> bool {
    HARMLESS.iter().any(|known| *known == pattern || known.ends_with('.') && pattern.starts_with(known))
}

/// Whether a new entry of a table lets nobody do more by itself.
pub(super) fn is_harmless_when_added(table: &str) -> bool {
    NAMED_ONLY.contains(&table)
}

/// Whether an entry of a table that is gone lets nobody do more by that: what becomes of its requests is told by itself.
pub(super) fn is_harmless_when_removed(table: &str) -> bool {
    NEVER_GUARD.contains(&table)
}

/// The entries of a list as TOML writes it, or the one value.
fn items(value: Option<&str>) -> BTreeSet<String> {
    let all = value.into_iter().flat_map(|text| text.trim_matches(['[', ']']).split(','));
    all.map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
}

/// Whether all that one list lets in another lets in too. Networks are compared by their addresses.
fn is_within(narrow: &BTreeSet<String>, wide: &BTreeSet<String>) -> bool {
    let networks = |all: &BTreeSet<String>| {
        NetworkSet::parse(&all.iter().map(|item| item.trim_matches('"').to_owned()).collect::<Vec<_>>())
    };
    let is_covered = || Some(networks(wide)?.covers(&networks(narrow)?));
    wide.is_empty() || !narrow.is_empty() && (narrow.is_subset(wide) || is_covered().unwrap_or(false))
}

fn effect(leaning: Leaning, old: Option<&str>, new: Option<&str>) -> Effect {
    let number = |value: Option<&str>| value.map_or(Some(1), |text| text.parse::<i64>().ok());
    let moment = |value: &str| value.trim_matches('"').parse::<jiff::Timestamp>().ok();
    // Who gains something gains it, whatever is lost beside it.
    let told = |opens: bool, closes: bool| match (opens, closes) {
        (true, _) => Effect::Gained,
        (false, true) => Effect::Lost,
        (false, false) => Effect::Changed,
    };
    let (before, after) = (items(old), items(new));
    match leaning {
        Leaning::OpenIf(word) => told(new == Some(word) && old != new, old == Some(word)),
        Leaning::ClosedIf(word) => told(old == Some(word), new == Some(word)),
        Leaning::Opens => told(!after.is_subset(&before), !before.is_subset(&after)),
        Leaning::Confines => told(!is_within(&after, &before), !is_within(&before, &after)),
        Leaning::Guards => told(!before.is_subset(&after), !after.is_subset(&before)),
        Leaning::Protects => told(!before.is_empty() && after.is_empty(), before.is_empty() && !after.is_empty()),
        Leaning::MoreCloses => match (number(old), number(new)) {
            (Some(old), Some(new)) => told(new < old, new > old),
            (None, _) | (_, None) => Effect::Changed,
        },
        Leaning::Shifts => Effect::Gained,
        Leaning::Ends => match (old, new) {
            (_, None) => Effect::Gained,
            (None, Some(_)) => Effect::Lost,
            (Some(old), Some(new)) => match (moment(old), moment(new)) {
                (Some(old), Some(new)) => told(new > old, new < old),
                (None, _) | (_, None) => Effect::Gained,
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_a_list_lets_in_and_what_guards_is_known() {
        let cases = [
            ("role.NAME.requires", Some("[\"a\"]"), Some("[\"a\", \"b\"]"), Effect::Gained),
            ("role.NAME.requires", Some("[\"a\"]"), None, Effect::Gained),
            ("role.NAME.requires", Some("[\"a\"]"), Some("[]"), Effect::Gained),
            ("role.NAME.requires", Some("[\"a\"]"), Some("[\"b\"]"), Effect::Gained),
            ("role.NAME.requires", None, Some("[\"a\"]"), Effect::Lost),
            ("role.NAME.requires", Some("[\"a\", \"b\"]"), Some("[\"a\"]"), Effect::Lost),
            ("role.NAME.networks", Some("[\"10.0.0.0/9\"]"), Some("[\"10.0.0.0/8\"]"), Effect::Gained),
            ("role.NAME.networks", Some("[\"10.0.0.0/8\"]"), Some("[\"10.0.0.0/9\"]"), Effect::Lost),
            (
                "role.NAME.networks",
                Some("[\"10.0.0.0/8\"]"),
                Some("[\"10.0.0.0/9\", \"10.128.0.0/9\"]"),
                Effect::Changed,
            ),
            ("approval.NAME.requesters", Some("[\"a\"]"), Some("[\"a\", \"b\"]"), Effect::Gained),
            ("approval.NAME.approvers", Some("[\"a\"]"), Some("[\"b\"]"), Effect::Gained),
            ("route.NAME.limits", Some("[\"a\", \"b\"]"), Some("[\"a\"]"), Effect::Gained),
            ("route.NAME.limits", Some("[\"a\"]"), Some("[\"a\", \"b\"]"), Effect::Lost),
            ("authn.NAME.key.NAME.roles", Some("[\"a\"]"), Some("[\"a\", \"b\"]"), Effect::Gained),
            ("authn.NAME.key.NAME.owner", Some("\"a\""), Some("\"b\""), Effect::Gained),
            ("authn.NAME.key.NAME.networks", Some("[\"10.0.0.0/8\"]"), None, Effect::Gained),
            (
                "authn.NAME.key.NAME.expires",
                Some("\"2027-01-31T00:00:00Z\""),
                Some("\"2028-01-31T00:00:00Z\""),
                Effect::Gained,
            ),
            (
                "authn.NAME.key.NAME.expires",
                Some("\"2028-01-31T00:00:00Z\""),
                Some("\"2027-01-31T00:00:00Z\""),
                Effect::Lost,
            ),
            ("authn.NAME.key.NAME.expires", Some("\"2028-01-31T00:00:00Z\""), None, Effect::Gained),
            ("monitor.enabled", None, Some("false"), Effect::Gained),
            ("monitor.enabled", Some("false"), None, Effect::Lost),
        ];
        for (key, old, new, want) in cases {
            assert_eq!(of_key(key, old, new), want, "{key} {old:?} {new:?}");
        }
        assert!(is_harmless("server.threads") && is_harmless("target.NAME.health.path"));
        assert!(!is_harmless("target.NAME.url") && !is_harmless("limit.NAME.requests"));
    }
}
